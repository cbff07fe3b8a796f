"""What members each request has, and of which type: ``str``, ``[str]`` for a list, a mapping for a structure.

Source: botocore's model of ECS (2014-11-13); a test compares the two. RegisterTaskDefinition's are in
:mod:`pytest_ecs_tasks.core.fields`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_ecs_tasks.core.api.calls import ApiError, parameter_error
from pytest_ecs_tasks.core.api.provider_members import (
    AUTO_SCALING_GROUP_PROVIDER,
    MANAGED_INSTANCES_PROVIDER,
    without,
)
from pytest_ecs_tasks.core.api.service_members import EBS_VOLUME, SERVICE_REQUIRED, SERVICE_SHAPES, TAGS

Shape = type | list["Shape"] | Mapping[str, "Shape"]

_PAIR: Shape = {"name": str, "value": str}
_STRATEGY: Shape = [{"capacityProvider": str, "weight": int, "base": int}]
_ATTRIBUTES: Shape = [{"name": str, "value": str, "targetType": str, "targetId": str}]
_PAGE: Mapping[str, Shape] = {"nextToken": str, "maxResults": int}
_CLUSTER_CONFIGURATION: Shape = {
    "executeCommandConfiguration": {
        "kmsKeyId": str,
        "logging": str,
        "logConfiguration": {
            "cloudWatchLogGroupName": str,
            "cloudWatchEncryptionEnabled": bool,
            "s3BucketName": str,
            "s3EncryptionEnabled": bool,
            "s3KeyPrefix": str,
        },
    },
    "managedStorageConfiguration": {"kmsKeyId": str, "fargateEphemeralStorageKmsKeyId": str},
}
NETWORK_CONFIGURATION: Shape = {
    "awsvpcConfiguration": {"subnets": [str], "securityGroups": [str], "assignPublicIp": str}
}
_OVERRIDES: Shape = {
    "containerOverrides": [
        {
            "name": str,
            "command": [str],
            "environment": [_PAIR],
            "environmentFiles": [{"value": str, "type": str}],
            "cpu": int,
            "memory": int,
            "memoryReservation": int,
            "resourceRequirements": [
                {
                    "value": str,
                    "type": str,
                    "sharingStrategy": {"nvidiaMps": {"memory": int, "maxComputePercent": int}},
                }
            ],
        }
    ],
    "cpu": str,
    "inferenceAcceleratorOverrides": [{"deviceName": str, "deviceType": str}],
    "executionRoleArn": str,
    "memory": str,
    "taskRoleArn": str,
    "ephemeralStorage": {"sizeInGiB": int},
}
_EBS_VOLUME: Shape = {**EBS_VOLUME, "terminationPolicy": {"deleteOnTermination": bool}}
_TASK: Mapping[str, Shape] = {
    "cluster": str,
    "enableECSManagedTags": bool,
    "enableExecuteCommand": bool,
    "group": str,
    "networkConfiguration": NETWORK_CONFIGURATION,
    "overrides": _OVERRIDES,
    "propagateTags": str,
    "referenceId": str,
    "startedBy": str,
    "tags": TAGS,
    "taskDefinition": str,
    "volumeConfigurations": [{"name": str, "managedEBSVolume": _EBS_VOLUME}],
}

SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "CreateCluster": {
        "clusterName": str,
        "tags": TAGS,
        "settings": [_PAIR],
        "configuration": _CLUSTER_CONFIGURATION,
        "capacityProviders": [str],
        "defaultCapacityProviderStrategy": _STRATEGY,
        "serviceConnectDefaults": {"namespace": str},
    },
    "UpdateCluster": {
        "cluster": str,
        "settings": [_PAIR],
        "configuration": _CLUSTER_CONFIGURATION,
        "serviceConnectDefaults": {"namespace": str},
    },
    "UpdateClusterSettings": {"cluster": str, "settings": [_PAIR]},
    "PutClusterCapacityProviders": {
        "cluster": str,
        "capacityProviders": [str],
        "defaultCapacityProviderStrategy": _STRATEGY,
    },
    "DeleteCluster": {"cluster": str},
    "DescribeClusters": {"clusters": [str], "include": [str]},
    "ListClusters": _PAGE,
    "DeregisterTaskDefinition": {"taskDefinition": str},
    "DescribeTaskDefinition": {"taskDefinition": str, "include": [str]},
    "ListTaskDefinitions": {"familyPrefix": str, "status": str, "sort": str, **_PAGE},
    "ListTaskDefinitionFamilies": {"familyPrefix": str, "status": str, **_PAGE},
    "DeleteTaskDefinitions": {"taskDefinitions": [str]},
    "RunTask": {
        **_TASK,
        "capacityProviderStrategy": _STRATEGY,
        "count": int,
        "launchType": str,
        "placementConstraints": [{"type": str, "expression": str}],
        "placementStrategy": [{"type": str, "field": str}],
        "platformVersion": str,
        "clientToken": str,
    },
    "StartTask": {**_TASK, "containerInstances": [str]},
    "StopTask": {"cluster": str, "task": str, "reason": str},
    "ExecuteCommand": {
        "cluster": str,
        "container": str,
        "command": str,
        "interactive": bool,
        "task": str,
    },
    "DescribeTasks": {"cluster": str, "tasks": [str], "include": [str]},
    "ListTasks": {
        "cluster": str,
        "containerInstance": str,
        "family": str,
        "startedBy": str,
        "serviceName": str,
        "desiredStatus": str,
        "launchType": str,
        "daemonName": str,
        **_PAGE,
    },
    "TagResource": {"resourceArn": str, "tags": TAGS},
    "UntagResource": {"resourceArn": str, "tagKeys": [str]},
    "ListTagsForResource": {"resourceArn": str},
    "UpdateTaskProtection": {
        "cluster": str,
        "tasks": [str],
        "protectionEnabled": bool,
        "expiresInMinutes": int,
    },
    "GetTaskProtection": {"cluster": str, "tasks": [str]},
    "ListContainerInstances": {"cluster": str, "filter": str, "status": str, **_PAGE},
    "DescribeContainerInstances": {"cluster": str, "containerInstances": [str], "include": [str]},
    "CreateCapacityProvider": {
        "name": str,
        "cluster": str,
        "autoScalingGroupProvider": AUTO_SCALING_GROUP_PROVIDER,
        "managedInstancesProvider": MANAGED_INSTANCES_PROVIDER,
        "tags": TAGS,
    },
    "UpdateCapacityProvider": {
        "name": str,
        "cluster": str,
        "autoScalingGroupProvider": without(AUTO_SCALING_GROUP_PROVIDER, "autoScalingGroupArn"),
        "managedInstancesProvider": {
            **MANAGED_INSTANCES_PROVIDER,
            "instanceLaunchTemplate": without(
                MANAGED_INSTANCES_PROVIDER["instanceLaunchTemplate"],
                "capacityOptionType",
                "fipsEnabled",
                "nitroEnclavesEnabled",
            ),
        },
    },
    "DeleteCapacityProvider": {"capacityProvider": str, "cluster": str},
    "DescribeCapacityProviders": {"capacityProviders": [str], "cluster": str, "include": [str], **_PAGE},
    "PutAttributes": {"cluster": str, "attributes": _ATTRIBUTES},
    "DeleteAttributes": {"cluster": str, "attributes": _ATTRIBUTES},
    "ListAttributes": {
        "cluster": str,
        "targetType": str,
        "attributeName": str,
        "attributeValue": str,
        **_PAGE,
    },
    "PutAccountSetting": {"name": str, "value": str, "principalArn": str},
    "PutAccountSettingDefault": {"name": str, "value": str},
    "DeleteAccountSetting": {"name": str, "principalArn": str},
    "ListAccountSettings": {
        "name": str,
        "value": str,
        "principalArn": str,
        "effectiveSettings": bool,
        **_PAGE,
    },
    **SERVICE_SHAPES,
}

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "UpdateCluster": ("cluster",),
    "UpdateClusterSettings": ("cluster", "settings"),
    "PutClusterCapacityProviders": ("cluster", "capacityProviders", "defaultCapacityProviderStrategy"),
    "DeleteCluster": ("cluster",),
    "DeregisterTaskDefinition": ("taskDefinition",),
    "DescribeTaskDefinition": ("taskDefinition",),
    "DeleteTaskDefinitions": ("taskDefinitions",),
    "RunTask": ("taskDefinition",),
    "StartTask": ("containerInstances", "taskDefinition"),
    "StopTask": ("task",),
    "ExecuteCommand": ("command", "interactive", "task"),
    "DescribeTasks": ("tasks",),
    "TagResource": ("resourceArn", "tags"),
    "UntagResource": ("resourceArn", "tagKeys"),
    "ListTagsForResource": ("resourceArn",),
    "UpdateTaskProtection": ("cluster", "tasks", "protectionEnabled"),
    "GetTaskProtection": ("cluster",),
    "DescribeContainerInstances": ("containerInstances",),
    "CreateCapacityProvider": ("name",),
    "UpdateCapacityProvider": ("name",),
    "DeleteCapacityProvider": ("capacityProvider",),
    "PutAttributes": ("attributes",),
    "DeleteAttributes": ("attributes",),
    "ListAttributes": ("targetType",),
    "PutAccountSetting": ("name", "value"),
    "PutAccountSettingDefault": ("name", "value"),
    "DeleteAccountSetting": ("name",),
    **SERVICE_REQUIRED,
}

_WORDS = {str: "a string", int: "an integer", bool: "a boolean", float: "a number", dict: "a structure"}


def check_members(operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request with nothing in it but the members that the operation has; JSON's ``null`` is as good as absent.

    Raises :class:`ApiError` for a member of another type, and for one that is needed and not there.
    """
    shape = SHAPES.get(operation)
    if shape is None:
        return request
    checked: Mapping[str, Any] = _checked(request, shape, "")
    for name in REQUIRED.get(operation, ()):
        if name not in checked:
            raise parameter_error(f"{operation} needs {name}")
    return checked


def _checked(value: object, shape: Shape, place: str) -> Any:
    match shape:
        case list():
            if not isinstance(value, list):
                raise _serialization_error(place, "a list")
            inner = shape[0]
            return [_checked(each, inner, f"{place}[{index}]") for index, each in enumerate(value)]
        case Mapping():
            if not isinstance(value, Mapping):
                raise _serialization_error(place, "a structure")
            return {
                name: _checked(value[name], inner, f"{place}.{name}" if place else name)
                for name, inner in shape.items()
                if value.get(name) is not None
            }
        case _:
            kinds = (int, float) if shape is float else shape
            if not isinstance(value, kinds) or (shape in (int, float) and isinstance(value, bool)):
                raise _serialization_error(place, _WORDS[shape])
            return value


def _serialization_error(place: str, wanted: str) -> ApiError:
    return ApiError("SerializationException", f"{place} is not {wanted}")

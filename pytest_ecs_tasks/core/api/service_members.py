"""The members of the requests for services, as :mod:`pytest_ecs_tasks.core.api.members` has those of the others.

Source: botocore's model of ECS (2014-11-13); a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_ecs_tasks.core.api.calls import parameter_error

TAGS: Any = [{"key": str, "value": str}]
EBS_VOLUME: Mapping[str, Any] = {
    "encrypted": bool,
    "kmsKeyId": str,
    "volumeType": str,
    "sizeInGiB": int,
    "snapshotId": str,
    "volumeInitializationRate": int,
    "iops": int,
    "throughput": int,
    "tagSpecifications": [{"resourceType": str, "tags": TAGS, "propagateTags": str}],
    "roleArn": str,
    "filesystemType": str,
}
_STRATEGY = [{"capacityProvider": str, "weight": int, "base": int}]
_NETWORK = {"awsvpcConfiguration": {"subnets": [str], "securityGroups": [str], "assignPublicIp": str}}
_BOTH: Mapping[str, Any] = {
    "availabilityZoneRebalancing": str,
    "capacityProviderStrategy": _STRATEGY,
    "cluster": str,
    "deploymentConfiguration": {
        "deploymentCircuitBreaker": {
            "enable": bool,
            "rollback": bool,
            "resetOnHealthyTask": bool,
            "thresholdConfiguration": {"type": str, "value": int},
        },
        "maximumPercent": int,
        "minimumHealthyPercent": int,
        "alarms": {"alarmNames": [str], "rollback": bool, "enable": bool},
        "strategy": str,
        "bakeTimeInMinutes": int,
        "lifecycleHooks": [
            {
                "targetType": str,
                "hookTargetArn": str,
                "roleArn": str,
                "lifecycleStages": [str],
                "timeoutConfiguration": {"timeoutInMinutes": int, "action": str},
            }
        ],
        "linearConfiguration": {"stepPercent": float, "stepBakeTimeInMinutes": int},
        "canaryConfiguration": {"canaryPercent": float, "canaryBakeTimeInMinutes": int},
        "earlySuccessCriteria": {"enable": bool, "healthyPercent": int, "sourceServiceRevisionCleanup": str},
    },
    "deploymentController": {"type": str},
    "desiredCount": int,
    "enableECSManagedTags": bool,
    "enableExecuteCommand": bool,
    "gatewayConnectors": [
        {
            "portName": str,
            "healthCheck": {
                "healthCheckProtocol": str,
                "healthCheckPort": int,
                "healthCheckPath": str,
                "healthCheckTimeoutSeconds": int,
                "healthCheckIntervalSeconds": int,
                "healthyThresholdCount": int,
                "unhealthyThresholdCount": int,
                "matcher": {"httpCode": str, "grpcCode": str},
            },
            "filters": {"accessTypes": [str]},
            "deregistrationDelay": {"timeoutSeconds": int},
        }
    ],
    "healthCheckGracePeriodSeconds": int,
    "loadBalancers": [
        {
            "targetGroupArn": str,
            "loadBalancerName": str,
            "containerName": str,
            "containerPort": int,
            "advancedConfiguration": {
                "alternateTargetGroupArn": str,
                "productionListenerRule": str,
                "testListenerRule": str,
                "roleArn": str,
            },
        }
    ],
    "monitoring": {"metricConfigurations": [{"metricNames": [str], "resolutionSeconds": int}]},
    "networkConfiguration": _NETWORK,
    "placementConstraints": [{"type": str, "expression": str}],
    "placementStrategy": [{"type": str, "field": str}],
    "platformVersion": str,
    "propagateTags": str,
    "serviceConnectConfiguration": {
        "enabled": bool,
        "namespace": str,
        "services": [
            {
                "portName": str,
                "discoveryName": str,
                "clientAliases": [
                    {
                        "port": int,
                        "dnsName": str,
                        "testTrafficRules": {"header": {"name": str, "value": {"exact": str}}},
                    }
                ],
                "ingressPortOverride": int,
                "timeout": {"idleTimeoutSeconds": int, "perRequestTimeoutSeconds": int},
                "tls": {
                    "issuerCertificateAuthority": {"awsPcaAuthorityArn": str},
                    "kmsKey": str,
                    "roleArn": str,
                },
            }
        ],
        "logConfiguration": {
            "logDriver": str,
            "options": dict,
            "secretOptions": [{"name": str, "valueFrom": str}],
        },
        "accessLogConfiguration": {"format": str, "includeQueryParameters": str},
        "containerConfigurations": [{"logLevel": str}],
    },
    "serviceRegistries": [{"registryArn": str, "port": int, "containerName": str, "containerPort": int}],
    "taskDefinition": str,
    "volumeConfigurations": [
        {
            "name": str,
            "managedEBSVolume": EBS_VOLUME,
        }
    ],
    "vpcLatticeConfigurations": [
        {
            "roleArn": str,
            "targetGroupArn": str,
            "portName": str,
            "advancedConfiguration": {
                "alternateTargetGroupArn": str,
                "productionListenerRule": str,
                "testListenerRule": str,
            },
        }
    ],
}

SERVICE_SHAPES: Mapping[str, Mapping[str, Any]] = {
    "CreateService": {
        **_BOTH,
        "serviceName": str,
        "clientToken": str,
        "launchType": str,
        "role": str,
        "schedulingStrategy": str,
        "tags": TAGS,
    },
    "UpdateService": {
        **_BOTH,
        "service": str,
        "forceNewDeployment": bool,
    },
    "DeleteService": {
        "cluster": str,
        "service": str,
        "force": bool,
    },
    "DescribeServices": {
        "cluster": str,
        "services": [str],
        "include": [str],
    },
    "ListServices": {
        "cluster": str,
        "nextToken": str,
        "maxResults": int,
        "launchType": str,
        "schedulingStrategy": str,
        "resourceManagementType": str,
    },
    "ListServicesByNamespace": {
        "namespace": str,
        "nextToken": str,
        "maxResults": int,
    },
}

SERVICE_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "CreateService": ("serviceName",),
    "UpdateService": ("service",),
    "DeleteService": ("service",),
    "DescribeServices": ("services",),
    "ListServicesByNamespace": ("namespace",),
}

# The words that a member may have, by its name and that of the structure that it is in.
SERVICE_WORDS: Mapping[str, tuple[str, ...]] = {
    "accessLogConfiguration.format": (
        "TEXT",
        "JSON",
    ),
    "accessLogConfiguration.includeQueryParameters": (
        "DISABLED",
        "ENABLED",
    ),
    "availabilityZoneRebalancing": (
        "ENABLED",
        "DISABLED",
    ),
    "awsvpcConfiguration.assignPublicIp": (
        "ENABLED",
        "DISABLED",
    ),
    "containerConfigurations.logLevel": (
        "debug",
        "info",
    ),
    "deploymentConfiguration.strategy": (
        "ROLLING",
        "BLUE_GREEN",
        "LINEAR",
        "CANARY",
    ),
    "deploymentController.type": (
        "ECS",
        "CODE_DEPLOY",
        "EXTERNAL",
    ),
    "earlySuccessCriteria.sourceServiceRevisionCleanup": (
        "BLOCKING",
        "DEFERRED",
    ),
    "filters.accessTypes": (
        "PUBLIC",
        "PRIVATE",
    ),
    "healthCheck.healthCheckProtocol": (
        "HTTP",
        "HTTPS",
    ),
    "launchType": (
        "EC2",
        "FARGATE",
        "EXTERNAL",
        "MANAGED_INSTANCES",
    ),
    "lifecycleHooks.lifecycleStages": (
        "RECONCILE_SERVICE",
        "PRE_SCALE_UP",
        "POST_SCALE_UP",
        "TEST_TRAFFIC_SHIFT",
        "POST_TEST_TRAFFIC_SHIFT",
        "PRE_PRODUCTION_TRAFFIC_SHIFT",
        "PRODUCTION_TRAFFIC_SHIFT",
        "POST_PRODUCTION_TRAFFIC_SHIFT",
    ),
    "lifecycleHooks.targetType": (
        "AWS_LAMBDA",
        "PAUSE",
    ),
    "logConfiguration.logDriver": (
        "json-file",
        "syslog",
        "journald",
        "gelf",
        "fluentd",
        "awslogs",
        "splunk",
        "awsfirelens",
    ),
    "managedEBSVolume.filesystemType": (
        "ext3",
        "ext4",
        "xfs",
        "ntfs",
    ),
    "placementConstraints.type": (
        "distinctInstance",
        "memberOf",
    ),
    "placementStrategy.type": (
        "random",
        "spread",
        "binpack",
    ),
    "propagateTags": (
        "TASK_DEFINITION",
        "SERVICE",
        "NONE",
    ),
    "schedulingStrategy": (
        "REPLICA",
        "DAEMON",
    ),
    "tagSpecifications.propagateTags": (
        "TASK_DEFINITION",
        "SERVICE",
        "NONE",
    ),
    "tagSpecifications.resourceType": ("volume",),
    "thresholdConfiguration.type": (
        "COUNT",
        "BOUNDED_PERCENT",
        "UNBOUNDED_PERCENT",
    ),
    "timeoutConfiguration.action": (
        "ROLLBACK",
        "CONTINUE",
    ),
}


def check_words(value: object, place: tuple[str, ...] = ()) -> None:
    """Raise :class:`~pytest_ecs_tasks.core.api.calls.ApiError` for a word that a member cannot have."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            check_words(inner, (*place, str(name)))
    elif isinstance(value, list):
        for inner in value:
            check_words(inner, place)
    else:
        words = SERVICE_WORDS.get(".".join(place[-2:]))
        if words is not None and value not in words:
            raise parameter_error(f"{'.'.join(place)} is {value}; it is one of {', '.join(words)}")

"""The arguments of Terraform's ``aws_ecs_task_definition``, and the API's fields that they become.

Source: the arguments of the resource in the AWS provider, version 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class As(Enum):
    """How an argument becomes a field."""

    VALUE = auto()  # as it is
    BLOCK = auto()  # a list of one block, an object for the API
    BLOCKS = auto()  # a list of blocks
    PAIRS = auto()  # a map, a list of names and values for the API
    TAGS = auto()  # a map, a list of keys and values for the API
    HOST = auto()  # a path, an object with the path for the API
    CONTAINERS = auto()  # JSON in a text
    NOTHING = auto()  # Terraform's own


@dataclass(frozen=True, slots=True)
class Argument:
    """A field's name in the API, how the argument becomes it, and the arguments inside of its block."""

    name: str = ""
    form: As = As.VALUE
    inside: Mapping[str, Argument] = field(default_factory=dict)


_OWN = Argument(form=As.NOTHING)
_EFS = {
    "file_system_id": Argument("fileSystemId"),
    "root_directory": Argument("rootDirectory"),
    "transit_encryption": Argument("transitEncryption"),
    "transit_encryption_port": Argument("transitEncryptionPort"),
    "authorization_config": Argument(
        "authorizationConfig",
        As.BLOCK,
        {"access_point_id": Argument("accessPointId"), "iam": Argument("iam")},
    ),
}
_S3_FILES = {
    "file_system_arn": Argument("fileSystemArn"),
    "root_directory": Argument("rootDirectory"),
    "transit_encryption_port": Argument("transitEncryptionPort"),
    "access_point_arn": Argument("accessPointArn"),
}
_FSX = {
    "file_system_id": Argument("fileSystemId"),
    "root_directory": Argument("rootDirectory"),
    "authorization_config": Argument(
        "authorizationConfig",
        As.BLOCK,
        {"credentials_parameter": Argument("credentialsParameter"), "domain": Argument("domain")},
    ),
}
_DOCKER = {
    "autoprovision": Argument("autoprovision"),
    "driver": Argument("driver"),
    "driver_opts": Argument("driverOpts"),
    "labels": Argument("labels"),
    "scope": Argument("scope"),
}
_VOLUME = {
    "name": Argument("name"),
    "host_path": Argument("host", As.HOST),
    "configure_at_launch": Argument("configuredAtLaunch"),
    "docker_volume_configuration": Argument("dockerVolumeConfiguration", As.BLOCK, _DOCKER),
    "efs_volume_configuration": Argument("efsVolumeConfiguration", As.BLOCK, _EFS),
    "fsx_windows_file_server_volume_configuration": Argument(
        "fsxWindowsFileServerVolumeConfiguration", As.BLOCK, _FSX
    ),
    "s3files_volume_configuration": Argument("s3filesVolumeConfiguration", As.BLOCK, _S3_FILES),
}
ARGUMENTS: Mapping[str, Argument] = {
    "family": Argument("family"),
    "container_definitions": Argument("containerDefinitions", As.CONTAINERS),
    "cpu": Argument("cpu"),
    "memory": Argument("memory"),
    "network_mode": Argument("networkMode"),
    "execution_role_arn": Argument("executionRoleArn"),
    "task_role_arn": Argument("taskRoleArn"),
    "ipc_mode": Argument("ipcMode"),
    "pid_mode": Argument("pidMode"),
    "enable_fault_injection": Argument("enableFaultInjection"),
    "requires_compatibilities": Argument("requiresCompatibilities"),
    "ephemeral_storage": Argument("ephemeralStorage", As.BLOCK, {"size_in_gib": Argument("sizeInGiB")}),
    "inference_accelerator": Argument(
        "inferenceAccelerators",
        As.BLOCKS,
        {"device_name": Argument("deviceName"), "device_type": Argument("deviceType")},
    ),
    "placement_constraints": Argument(
        "placementConstraints",
        As.BLOCKS,
        {"type": Argument("type"), "expression": Argument("expression")},
    ),
    "proxy_configuration": Argument(
        "proxyConfiguration",
        As.BLOCK,
        {
            "type": Argument("type"),
            "container_name": Argument("containerName"),
            "properties": Argument("properties", As.PAIRS),
        },
    ),
    "runtime_platform": Argument(
        "runtimePlatform",
        As.BLOCK,
        {
            "cpu_architecture": Argument("cpuArchitecture"),
            "operating_system_family": Argument("operatingSystemFamily"),
        },
    ),
    "tags": Argument("tags", As.TAGS),
    "volume": Argument("volumes", As.BLOCKS, _VOLUME),
    **dict.fromkeys(
        (
            *("arn", "arn_without_revision", "id", "region", "revision", "skip_destroy", "tags_all"),
            *("timeouts", "track_latest", "count", "depends_on", "for_each", "lifecycle", "provider"),
        ),
        _OWN,
    ),
}

"""CloudFormation's names of the properties of ``AWS::ECS::TaskDefinition``, and the API's names of the same fields.

Not every name is the API's with a capital: ``EFSVolumeConfiguration``, ``FilesystemId``, ``IAM``. Source: the reference of
the resource in the CloudFormation User Guide; a test compares the table with CloudFormation's own schema and with the API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Property:
    """A property's name in the API, and the properties inside of it; ``None`` for a value or a map with keys of its own."""

    name: str
    inside: Mapping[str, Property] | None = None


def _regular(*names: str) -> dict[str, Property]:
    """Return properties whose name in the API begins with a small letter, and is the same else."""
    return {name: Property(name[0].lower() + name[1:]) for name in names}


_NAME_VALUE = _regular("Name", "Value")
_SECRET = _regular("Name", "ValueFrom")

_LINUX_PARAMETERS = {
    **_regular("InitProcessEnabled", "MaxSwap", "SharedMemorySize", "Swappiness"),
    "Capabilities": Property("capabilities", _regular("Add", "Drop")),
    "Devices": Property("devices", _regular("ContainerPath", "HostPath", "Permissions")),
    "Tmpfs": Property("tmpfs", _regular("ContainerPath", "MountOptions", "Size")),
}

_RESOURCE_REQUIREMENT = {
    **_regular("Type", "Value"),
    "SharingStrategy": Property(
        "sharingStrategy",
        {"NvidiaMps": Property("nvidiaMps", _regular("MaxComputePercent", "Memory"))},
    ),
}

_LOG_CONFIGURATION = {
    **_regular("LogDriver", "Options"),
    "SecretOptions": Property("secretOptions", _SECRET),
}

_CONTAINER = {
    **_regular(
        *("Command", "Cpu", "CredentialSpecs", "DisableNetworking", "DnsSearchDomains", "DnsServers"),
        *(
            "DockerLabels",
            "DockerSecurityOptions",
            "EntryPoint",
            "Essential",
            "Hostname",
            "Image",
            "Interactive",
        ),
        *("Links", "Memory", "MemoryReservation", "Name", "Privileged", "PseudoTerminal"),
        *(
            "ReadonlyRootFilesystem",
            "StartTimeout",
            "StopTimeout",
            "User",
            "VersionConsistency",
            "WorkingDirectory",
        ),
    ),
    "DependsOn": Property("dependsOn", _regular("Condition", "ContainerName")),
    "Environment": Property("environment", _NAME_VALUE),
    "EnvironmentFiles": Property("environmentFiles", _regular("Type", "Value")),
    "ExtraHosts": Property("extraHosts", _regular("Hostname", "IpAddress")),
    "FirelensConfiguration": Property("firelensConfiguration", _regular("Options", "Type")),
    "HealthCheck": Property(
        "healthCheck", _regular("Command", "Interval", "Retries", "StartPeriod", "Timeout")
    ),
    "LinuxParameters": Property("linuxParameters", _LINUX_PARAMETERS),
    "LogConfiguration": Property("logConfiguration", _LOG_CONFIGURATION),
    "MountPoints": Property("mountPoints", _regular("ContainerPath", "ReadOnly", "SourceVolume")),
    "PortMappings": Property(
        "portMappings",
        _regular("AppProtocol", "ContainerPort", "ContainerPortRange", "HostPort", "Name", "Protocol"),
    ),
    "RepositoryCredentials": Property("repositoryCredentials", _regular("CredentialsParameter")),
    "ResourceRequirements": Property("resourceRequirements", _RESOURCE_REQUIREMENT),
    "RestartPolicy": Property(
        "restartPolicy", _regular("Enabled", "IgnoredExitCodes", "RestartAttemptPeriod")
    ),
    "Secrets": Property("secrets", _SECRET),
    "SystemControls": Property("systemControls", _regular("Namespace", "Value")),
    "Ulimits": Property("ulimits", _regular("HardLimit", "Name", "SoftLimit")),
    "VolumesFrom": Property("volumesFrom", _regular("ReadOnly", "SourceContainer")),
}

_EFS = {
    **_regular("RootDirectory", "TransitEncryption", "TransitEncryptionPort"),
    "AuthorizationConfig": Property(
        "authorizationConfig", {"AccessPointId": Property("accessPointId"), "IAM": Property("iam")}
    ),
    "FilesystemId": Property("fileSystemId"),
}
_FSX = {
    **_regular("FileSystemId", "RootDirectory"),
    "AuthorizationConfig": Property("authorizationConfig", _regular("CredentialsParameter", "Domain")),
}

_VOLUME = {
    **_regular("ConfiguredAtLaunch", "Name"),
    "DockerVolumeConfiguration": Property(
        "dockerVolumeConfiguration", _regular("Autoprovision", "Driver", "DriverOpts", "Labels", "Scope")
    ),
    "EFSVolumeConfiguration": Property("efsVolumeConfiguration", _EFS),
    "FSxWindowsFileServerVolumeConfiguration": Property("fsxWindowsFileServerVolumeConfiguration", _FSX),
    "Host": Property("host", _regular("SourcePath")),
    "S3FilesVolumeConfiguration": Property(
        "s3filesVolumeConfiguration",
        _regular("AccessPointArn", "FileSystemArn", "RootDirectory", "TransitEncryptionPort"),
    ),
}

TASK_DEFINITION: Mapping[str, Property] = {
    **_regular(
        *("Cpu", "EnableFaultInjection", "ExecutionRoleArn", "Family", "IpcMode", "Memory", "NetworkMode"),
        *("PidMode", "RequiresCompatibilities", "TaskRoleArn"),
    ),
    "ContainerDefinitions": Property("containerDefinitions", _CONTAINER),
    "EphemeralStorage": Property("ephemeralStorage", _regular("SizeInGiB")),
    "InferenceAccelerators": Property("inferenceAccelerators", _regular("DeviceName", "DeviceType")),
    "PlacementConstraints": Property("placementConstraints", _regular("Expression", "Type")),
    "ProxyConfiguration": Property(
        "proxyConfiguration",
        {
            **_regular("ContainerName", "Type"),
            "ProxyConfigurationProperties": Property("properties", _NAME_VALUE),
        },
    ),
    "RuntimePlatform": Property("runtimePlatform", _regular("CpuArchitecture", "OperatingSystemFamily")),
    "Tags": Property("tags", _regular("Key", "Value")),
    "Volumes": Property("volumes", _VOLUME),
}

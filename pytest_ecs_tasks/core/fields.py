"""Every field of RegisterTaskDefinition: its type, its values, and what becomes of it here.

Source: the ECS API model of botocore 1.44 (2014-11-13); a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto


class Fate(StrEnum):
    """What becomes of a field.

    ``honoured``: the containers see its effect. ``recorded``: it is kept, and no container could tell.
    ``warned``: it is right for ECS and has no effect here. ``refused``: without it the task could not work
    as declared.
    """

    HONOURED = "honoured"
    RECORDED = "recorded"
    WARNED = "warned"
    REFUSED = "refused"


class Kind(Enum):
    """The type of a field. ``CPU`` and ``MEMORY`` are the task's sizes: text such as ``1 vCPU``."""

    TEXT = auto()
    INTEGER = auto()
    FLAG = auto()
    CPU = auto()
    MEMORY = auto()
    TEXTS = auto()
    INTEGERS = auto()
    MAP = auto()
    STRUCTURE = auto()
    STRUCTURES = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    ``by_value`` gives single values another fate than the rest. ``why`` is told when it is not emulated. ``otherwise`` is the
    value that ECS takes any other for which is none of ``choices``. ``retired``: it is ECS that refuses the field.
    """

    kind: Kind
    fate: Fate = Fate.HONOURED
    why: str = ""
    choices: tuple[str, ...] = ()
    by_value: Mapping[object, Fate] = field(default_factory=dict)
    required: bool = False
    members: Mapping[str, Field] = field(default_factory=dict)
    otherwise: str = ""
    retired: bool = False

    def fate_of(self, value: object) -> Fate:
        """Return what becomes of the field when it has this value."""
        if isinstance(value, (str, bool)):
            return self.by_value.get(value, self.fate)
        return self.fate


H, RECORDED, WARNED, REFUSED = Fate.HONOURED, Fate.RECORDED, Fate.WARNED, Fate.REFUSED
_OFF: Mapping[object, Fate] = {False: RECORDED}
_LATER = "is not emulated yet"

_TEXT = Field(Kind.TEXT)
_NEEDED_TEXT = Field(Kind.TEXT, required=True)
_INTEGER = Field(Kind.INTEGER)
_NEEDED_INTEGER = Field(Kind.INTEGER, required=True)
_FLAG = Field(Kind.FLAG)
_TEXTS = Field(Kind.TEXTS)
_MAP = Field(Kind.MAP)
_RECORDED_TEXT = Field(Kind.TEXT, RECORDED)


def _structure(
    members: Mapping[str, Field], fate: Fate = H, why: str = "", *, required: bool = False
) -> Field:
    return Field(Kind.STRUCTURE, fate, why, members=members, required=required)


def _structures(
    members: Mapping[str, Field],
    fate: Fate = H,
    why: str = "",
    *,
    required: bool = False,
    retired: bool = False,
) -> Field:
    return Field(Kind.STRUCTURES, fate, why, members=members, required=required, retired=retired)


def _choice(
    *choices: str,
    fate: Fate = H,
    why: str = "",
    by_value: Mapping[object, Fate] | None = None,
    required: bool = False,
) -> Field:
    return Field(Kind.TEXT, fate, why, choices, by_value or {}, required)


_PAIR = {"name": _TEXT, "value": _TEXT}
_SECRET = {"name": _NEEDED_TEXT, "valueFrom": _NEEDED_TEXT}
_ENABLED = ("ENABLED", "DISABLED")

_LINUX_PARAMETERS = {
    "capabilities": _structure({"add": _TEXTS, "drop": _TEXTS}),
    "devices": _structures(
        {
            "hostPath": _NEEDED_TEXT,
            "containerPath": _TEXT,
            "permissions": Field(Kind.TEXTS, choices=("read", "write", "mknod")),
        }
    ),
    "initProcessEnabled": _FLAG,
    "sharedMemorySize": _INTEGER,
    "tmpfs": _structures({"containerPath": _NEEDED_TEXT, "size": _NEEDED_INTEGER, "mountOptions": _TEXTS}),
    "maxSwap": _INTEGER,
    "swappiness": _INTEGER,
}

_PORT_MAPPING = {
    "containerPort": _INTEGER,
    "hostPort": _INTEGER,
    "protocol": Field(Kind.TEXT, choices=("tcp", "udp"), otherwise="tcp"),
    "name": _TEXT,
    "appProtocol": _choice("http", "http2", "grpc", fate=RECORDED),
    "containerPortRange": _TEXT,
}

_LOG_CONFIGURATION = {
    "logDriver": _choice(
        "json-file",
        "syslog",
        "journald",
        "gelf",
        "fluentd",
        "awslogs",
        "splunk",
        "awsfirelens",
        required=True,
    ),
    "options": _MAP,
    "secretOptions": _structures(_SECRET),
}

_HEALTH_CHECK = {
    "command": Field(Kind.TEXTS, required=True),
    "interval": _INTEGER,
    "timeout": _INTEGER,
    "retries": _INTEGER,
    "startPeriod": _INTEGER,
}

_SHARING = {
    "nvidiaMps": _structure({"memory": _NEEDED_INTEGER, "maxComputePercent": _INTEGER}),
}

CONTAINER: Mapping[str, Field] = {
    "name": _NEEDED_TEXT,
    "image": _TEXT,
    "repositoryCredentials": _structure({"credentialsParameter": _NEEDED_TEXT}),
    "cpu": _INTEGER,
    "memory": _INTEGER,
    "memoryReservation": _INTEGER,
    "links": _TEXTS,
    "portMappings": _structures(_PORT_MAPPING),
    "essential": _FLAG,
    "restartPolicy": _structure(
        {
            "enabled": Field(Kind.FLAG, required=True),
            "ignoredExitCodes": Field(Kind.INTEGERS),
            "restartAttemptPeriod": _INTEGER,
        }
    ),
    "entryPoint": _TEXTS,
    "command": _TEXTS,
    "environment": _structures({"name": _NEEDED_TEXT, "value": _TEXT}),
    "environmentFiles": _structures({"value": _NEEDED_TEXT, "type": _choice("s3", required=True)}),
    "mountPoints": _structures(
        {"sourceVolume": _NEEDED_TEXT, "containerPath": _NEEDED_TEXT, "readOnly": _FLAG}
    ),
    "volumesFrom": _structures({"sourceContainer": _TEXT, "readOnly": _FLAG}),
    "linuxParameters": _structure(_LINUX_PARAMETERS),
    "secrets": _structures(_SECRET),
    "dependsOn": _structures(
        {
            "containerName": _NEEDED_TEXT,
            "condition": _choice("START", "COMPLETE", "SUCCESS", "HEALTHY", required=True),
        }
    ),
    "startTimeout": _INTEGER,
    "stopTimeout": _INTEGER,
    "versionConsistency": _choice("enabled", "disabled", fate=RECORDED),
    "hostname": _TEXT,
    "user": _TEXT,
    "workingDirectory": _TEXT,
    "disableNetworking": _FLAG,
    "privileged": _FLAG,
    "readonlyRootFilesystem": _FLAG,
    "dnsServers": _TEXTS,
    "dnsSearchDomains": _TEXTS,
    "extraHosts": _structures({"hostname": _NEEDED_TEXT, "ipAddress": _NEEDED_TEXT}),
    "dockerSecurityOptions": _TEXTS,
    "interactive": _FLAG,
    "pseudoTerminal": _FLAG,
    "dockerLabels": _MAP,
    "ulimits": _structures(
        {
            "name": _choice(
                *("core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc"),
                *("rss", "rtprio", "rttime", "sigpending", "stack"),
                required=True,
            ),
            "softLimit": _NEEDED_INTEGER,
            "hardLimit": _NEEDED_INTEGER,
        }
    ),
    "logConfiguration": _structure(_LOG_CONFIGURATION),
    "healthCheck": _structure(_HEALTH_CHECK),
    "systemControls": _structures({"namespace": _NEEDED_TEXT, "value": _NEEDED_TEXT}),
    "resourceRequirements": _structures(
        {
            "value": _TEXT,
            "type": _choice("GPU", "InferenceAccelerator", "NeuronDevice", required=True),
            "sharingStrategy": _structure(_SHARING),
        },
        REFUSED,
        f"{_LATER}: the container would run without its GPU or accelerator",
    ),
    "firelensConfiguration": _structure(
        {"type": _choice("fluentd", "fluentbit", required=True), "options": _MAP}
    ),
    "credentialSpecs": Field(
        Kind.TEXTS, REFUSED, f"{_LATER}: the container would run without its domain identity"
    ),
}

_EFS = {
    "fileSystemId": _NEEDED_TEXT,
    "rootDirectory": _TEXT,
    "transitEncryption": _choice(*_ENABLED, fate=RECORDED),
    "transitEncryptionPort": Field(Kind.INTEGER, RECORDED),
    "authorizationConfig": _structure({"accessPointId": _TEXT, "iam": _choice(*_ENABLED, fate=RECORDED)}),
}
_S3_FILES = {
    "fileSystemArn": _NEEDED_TEXT,
    "rootDirectory": _TEXT,
    "transitEncryptionPort": Field(Kind.INTEGER, RECORDED),
    "accessPointArn": _TEXT,
}
_FSX = {
    "fileSystemId": _NEEDED_TEXT,
    "rootDirectory": _NEEDED_TEXT,
    "authorizationConfig": _structure(
        {"credentialsParameter": _NEEDED_TEXT, "domain": _NEEDED_TEXT}, RECORDED, required=True
    ),
}

VOLUME: Mapping[str, Field] = {
    "name": _NEEDED_TEXT,
    "host": _structure({"sourcePath": _TEXT}),
    "dockerVolumeConfiguration": _structure(
        {
            "scope": _choice("task", "shared"),
            "autoprovision": _FLAG,
            "driver": _TEXT,
            "driverOpts": _MAP,
            "labels": _MAP,
        }
    ),
    "efsVolumeConfiguration": _structure(_EFS),
    "s3filesVolumeConfiguration": _structure(_S3_FILES),
    "fsxWindowsFileServerVolumeConfiguration": _structure(_FSX),
    "configuredAtLaunch": _FLAG,
}

_WINDOWS = tuple(
    f"WINDOWS_SERVER_{name}"
    for name in (
        *("2019_FULL", "2019_CORE", "2016_FULL", "2004_CORE", "2022_CORE", "2022_FULL"),
        *("2025_CORE", "2025_FULL", "20H2_CORE"),
    )
)
_RUNTIME_PLATFORM = {
    "cpuArchitecture": _choice(
        "X86_64",
        "ARM64",
        fate=RECORDED,
    ),
    "operatingSystemFamily": _choice(
        *_WINDOWS,
        "LINUX",
        fate=REFUSED,
        why=f"{_LATER}: only Linux containers run here",
        by_value={"LINUX": H},
    ),
}

TASK_DEFINITION: Mapping[str, Field] = {
    "family": _NEEDED_TEXT,
    "taskRoleArn": _TEXT,
    "executionRoleArn": _TEXT,
    "networkMode": _choice("awsvpc", "bridge", "host", "none"),
    "containerDefinitions": _structures(CONTAINER, required=True),
    "volumes": _structures(VOLUME),
    "placementConstraints": _structures({"type": _choice("memberOf"), "expression": _TEXT}, RECORDED),
    "requiresCompatibilities": Field(Kind.TEXTS, choices=("EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES")),
    "cpu": Field(Kind.CPU),
    "memory": Field(Kind.MEMORY),
    "tags": _structures({"key": _TEXT, "value": _TEXT}, RECORDED),
    "pidMode": _choice("host", "task"),
    "ipcMode": _choice("host", "task", "none"),
    "proxyConfiguration": _structure(
        {
            "type": _choice("APPMESH"),
            "containerName": _NEEDED_TEXT,
            "properties": _structures(_PAIR),
        },
        WARNED,
        "has no effect here: no traffic goes through the proxy, which runs as any other container",
    ),
    "inferenceAccelerators": _structures(
        {"deviceName": _NEEDED_TEXT, "deviceType": _NEEDED_TEXT},
        REFUSED,
        # Source: the answer of RegisterTaskDefinition, as core.rules has it under [D].
        "Unsupported field 'inferenceAccelerators'. AWS has retired Elastic Inference",
        retired=True,
    ),
    "ephemeralStorage": _structure({"sizeInGiB": _NEEDED_INTEGER}, RECORDED),
    "runtimePlatform": _structure(_RUNTIME_PLATFORM),
    "enableFaultInjection": Field(
        Kind.FLAG, WARNED, f"{_LATER}: no network fault is injected; its endpoints say so", by_value=_OFF
    ),
    "trustedExecutionConfiguration": _structure(
        {
            "isolationMode": _choice(
                *("SHARED", "ISOLATED_SANDBOX", "CONFIDENTIAL_SANDBOX"),
                fate=WARNED,
                why=f"{_LATER}: containers have the engine's own isolation",
                by_value={"SHARED": RECORDED},
                required=True,
            ),
            "attestationPolicy": _RECORDED_TEXT,
        }
    ),
}

DESCRIBE_ONLY: frozenset[str] = frozenset(
    {
        "compatibilities",
        "deleteRequestedAt",
        "deregisteredAt",
        "registeredAt",
        "registeredBy",
        "requiresAttributes",
        "revision",
        "status",
        "taskDefinitionArn",
    }
)

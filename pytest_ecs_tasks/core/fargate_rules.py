"""The rules that only Fargate has.

Sources as in :mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode, TaskDefinition
from pytest_ecs_tasks.errors import Severity

_GB = 1024
# Task cpu -> the memory that goes with it, in MiB. [API] RegisterTaskDefinition, memory
SIZES: Mapping[int, tuple[int, ...]] = {
    256: (512, _GB, 2 * _GB),
    512: tuple(range(_GB, 4 * _GB + 1, _GB)),
    1024: tuple(range(2 * _GB, 8 * _GB + 1, _GB)),
    2048: tuple(range(4 * _GB, 16 * _GB + 1, _GB)),
    4096: tuple(range(8 * _GB, 30 * _GB + 1, _GB)),
    8192: tuple(range(16 * _GB, 60 * _GB + 1, 4 * _GB)),
    16384: tuple(range(32 * _GB, 120 * _GB + 1, 8 * _GB)),
}
_FEW = 4
_TIMEOUT_RANGE = (2, 120)  # [API]
_STORAGE_RANGE = (21, 200)  # [API] ephemeralStorage
_PRIVATE_ECR = re.compile(r"[^/]+\.dkr\.ecr(-fips)?\.[^/]+\.amazonaws\.com(\.cn)?/")
_UNSUPPORTED = "Fargate compatible task definitions do not support"
_LEAST_ON_WINDOWS = 1024  # [API] cpu; [D]
_NO_CONTAINER_FIELDS = {
    "privileged": "Fargate has no privileged containers",
    "dockerSecurityOptions": f"{_UNSUPPORTED} dockerSecurityOptions",  # [D]
}
_NO_LINUX_PARAMETERS = ("devices", "sharedMemorySize", "maxSwap", "swappiness")


def check(definition: TaskDefinition) -> Iterator[Finding]:
    """Return what Fargate refuses in a definition."""
    needs = (("requiresCompatibilities",),)
    if definition.network_mode is not NetworkMode.AWSVPC:
        text = "Fargate only supports network mode ‘awsvpc’."  # [D]
        yield Finding(("networkMode",), "fargate-network-mode", text, needs)
    for field, value in (("cpu", definition.cpu), ("memory", definition.memory_mib)):
        if value is None:
            yield Finding(
                (field,),
                "fargate-size-missing",
                f"Fargate requires that '{field}' be defined at the task level.",
                needs,
            )  # [I]
    platform: Any = definition.document.get("runtimePlatform", {})
    windows = platform.get("operatingSystemFamily", "").startswith("WINDOWS")
    yield from _check_sizes(definition.cpu, definition.memory_mib, windows=windows)
    if definition.document.get("ipcMode"):
        text = f"{_UNSUPPORTED} ipcMode"  # [D]
        yield Finding(("ipcMode",), "fargate-ipc-mode", text, needs)
    if definition.document.get("pidMode") == "host":
        text = "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'."
        yield Finding(("pidMode",), "fargate-pid-mode", text, needs)  # [D]
    if definition.document.get("placementConstraints"):
        text = f"{_UNSUPPORTED} constraints: there are no instances to choose from"  # [D]
        yield Finding(("placementConstraints",), "fargate-placement-constraints", text, needs)
    yield from _check_volumes(definition.document)
    declared = definition.document.get("containerDefinitions")
    documents = declared if isinstance(declared, list) else []
    for index, container in enumerate(definition.containers):
        document = documents[index] if index < len(documents) else {}
        yield from _check_container(definition, container, document, ("containerDefinitions", index))


def _check_sizes(cpu: int | None, memory: int | None, *, windows: bool) -> Iterator[Finding]:
    if cpu is None:
        return
    if cpu not in SIZES:
        text = "Invalid 'cpu' setting for task."  # [I], which goes on with a link
        yield Finding(
            ("cpu",),
            "fargate-cpu-memory",
            f"{text} Fargate allows {', '.join(map(str, SIZES))}; this is {cpu}",
        )
    elif memory is not None and memory not in SIZES[cpu]:
        text = f"{_no_configuration(cpu, memory)} With cpu {cpu} memory is {_describe(SIZES[cpu])} MiB"
        yield Finding(("memory",), "fargate-cpu-memory", text)
    elif memory is not None and windows and cpu < _LEAST_ON_WINDOWS:
        text = f"{_no_configuration(cpu, memory)} With Windows cpu is {_LEAST_ON_WINDOWS} or more"
        yield Finding(("cpu",), "fargate-cpu-memory", text, (("runtimePlatform",),))


def _no_configuration(cpu: int, memory: int) -> str:
    return f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory."  # [D]


def _describe(sizes: tuple[int, ...]) -> str:
    if len(sizes) <= _FEW:
        return ", ".join(map(str, sizes))
    return f"{sizes[0]} to {sizes[-1]} in steps of {sizes[1] - sizes[0]}"


def _check_volumes(document: Mapping[str, Any]) -> Iterator[Finding]:
    for index, volume in enumerate(document.get("volumes", [])):
        if "sourcePath" in volume.get("host", {}):
            text = f"{_UNSUPPORTED} sourcePath: there is no host whose directory could be mounted"  # [D]
            yield Finding(("volumes", index, "host", "sourcePath"), "fargate-volume", text)
        if "dockerVolumeConfiguration" in volume:
            text = f"{_UNSUPPORTED} dockerVolumeConfiguration; a volume without it lives as long as the task"
            yield Finding(("volumes", index, "dockerVolumeConfiguration"), "fargate-volume", text)  # [D]
        if "fsxWindowsFileServerVolumeConfiguration" in volume:
            text = "Fargate mounts no FSx for Windows File Server"
            yield Finding(
                ("volumes", index, "fsxWindowsFileServerVolumeConfiguration"), "fargate-volume", text
            )
    storage = document.get("ephemeralStorage", {}).get("sizeInGiB")
    low, high = _STORAGE_RANGE
    if storage is not None and not low <= storage <= high:
        limit = f"at least {low}" if storage < low else f"at most {high}"
        text = f"EphemeralStorage size should be {limit}: it is {storage}"  # [D]
        yield Finding(("ephemeralStorage", "sizeInGiB"), "fargate-ephemeral-storage", text)


def _check_container(
    definition: TaskDefinition, container: ContainerDefinition, document: Mapping[str, Any], path: Path
) -> Iterator[Finding]:
    low, high = _TIMEOUT_RANGE
    times = {"startTimeout": container.start_timeout_s, "stopTimeout": container.stop_timeout_s}
    for field, seconds in times.items():
        if seconds is not None and seconds >= 0 and not low <= seconds <= high:
            yield Finding(
                (*path, field),
                "fargate-timeout",
                f"{field} is {low} to {high} seconds on Fargate, not {seconds}",
            )
    yield from _check_logs(definition, container, path)
    if container.log_secrets and not definition.execution_role_arn:
        where: Path = (*path, "logConfiguration", "secretOptions")
        text = "Fargate fetches secrets with the task execution role, and there is no executionRoleArn"
        yield Finding(where, "fargate-execution-role", text, (("executionRoleArn",),))
    if container.environment_files and not definition.execution_role_arn:
        text = (
            "Fargate fetches environment files with the task execution role, and there is no executionRoleArn"
        )
        yield Finding((*path, "environmentFiles"), "fargate-execution-role", text, (("executionRoleArn",),))
    if container.registry_credentials and not definition.execution_role_arn:
        text = "Fargate fetches registry credentials with the task execution role, and there is no executionRoleArn"
        where = (*path, "repositoryCredentials")
        yield Finding(where, "fargate-execution-role", text, (("executionRoleArn",),))
    if _PRIVATE_ECR.match(container.image) and not definition.execution_role_arn:
        # [I]
        text = "Fargate requires task definition to have execution role ARN to support ECR images."
        yield Finding((*path, "image"), "fargate-execution-role", text, (("executionRoleArn",),))
    yield from _check_fields(document, path)
    for place, name in enumerate(container.linux_parameters.capabilities_add):
        if name != "SYS_PTRACE":
            where = (*path, "linuxParameters", "capabilities", "add", place)
            text = f"{name} is not allowed on Fargate. It adds no capability but SYS_PTRACE"  # [D]
            yield Finding(where, "fargate-capability", text)
    for place, limit in enumerate(container.ulimits):
        if limit.name != "nofile":
            where = (*path, "ulimits", place, "name")
            # [API] says that the operating system's limit stays, and nobody has been refused.
            text = f"Fargate sets no limit but nofile; {limit.name} stays what its operating system has"
            yield Finding(where, "fargate-ulimit", text, severity=Severity.WARNING)


def _check_fields(document: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    for field, text in _NO_CONTAINER_FIELDS.items():
        if document.get(field):
            yield Finding((*path, field), "fargate-unsupported-field", text)
    for place, wanted in enumerate(document.get("resourceRequirements", [])):
        if wanted.get("type") == "GPU":
            text = "Tasks using the Fargate launch type do not support GPU resource requirements."  # [D]
            yield Finding((*path, "resourceRequirements", place), "fargate-unsupported-field", text)
    linux = document.get("linuxParameters", {})
    for field in _NO_LINUX_PARAMETERS:
        if field in linux:
            text = f"{_UNSUPPORTED} {field}"  # [D], but for swappiness
            yield Finding((*path, "linuxParameters", field), "fargate-unsupported-field", text)


def _check_logs(definition: TaskDefinition, container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    logs = container.log_configuration
    if logs is None or logs.driver != "awslogs":
        return
    if not logs.options.get("awslogs-stream-prefix"):
        # [D]
        text = "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs."
        yield Finding((*path, "logConfiguration", "options"), "fargate-log-options", text)
    if not definition.execution_role_arn:
        # [I]
        text = "Fargate requires task definition to have execution role ARN to support log driver awslogs."
        yield Finding(("executionRoleArn",), "fargate-execution-role", text, ((*path, "logConfiguration"),))

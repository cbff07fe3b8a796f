"""The rules that only Fargate has.

Sources as in :mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode, TaskDefinition

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
_NO_CONTAINER_FIELDS = ("privileged", "dockerSecurityOptions", "resourceRequirements")
_NO_LINUX_PARAMETERS = ("devices", "sharedMemorySize", "maxSwap", "swappiness")


def check(definition: TaskDefinition) -> Iterator[Finding]:
    """Return what Fargate refuses in a definition."""
    needs = (("requiresCompatibilities",),)
    if definition.network_mode is not NetworkMode.AWSVPC:
        text = "Fargate only supports network mode ‘awsvpc’."  # [I]
        yield Finding(("networkMode",), text, needs)
    for field, value in (("cpu", definition.cpu), ("memory", definition.memory_mib)):
        if value is None:
            yield Finding(
                (field,), f"Fargate requires that '{field}' be defined at the task level.", needs
            )  # [I]
    yield from _check_sizes(definition.cpu, definition.memory_mib)
    if definition.document.get("ipcMode"):
        text = "Tasks using the Fargate launch type do not support ipcMode."  # [I]
        yield Finding(("ipcMode",), text, needs)
    yield from _check_volumes(definition.document)
    declared = definition.document.get("containerDefinitions")
    documents = declared if isinstance(declared, list) else []
    for index, container in enumerate(definition.containers):
        document = documents[index] if index < len(documents) else {}
        yield from _check_container(definition, container, document, ("containerDefinitions", index))


def _check_sizes(cpu: int | None, memory: int | None) -> Iterator[Finding]:
    if cpu is None:
        return
    if cpu not in SIZES:
        text = "Invalid 'cpu' setting for task."  # [I], which goes on with a link
        yield Finding(("cpu",), f"{text} Fargate allows {', '.join(map(str, SIZES))}; this is {cpu}")
    elif memory is not None and memory not in SIZES[cpu]:
        text = "No Fargate configuration exists for given values."  # [I]
        yield Finding(
            ("memory",), f"{text} With cpu {cpu} memory is {_describe(SIZES[cpu])} MiB, not {memory}"
        )


def _describe(sizes: tuple[int, ...]) -> str:
    if len(sizes) <= _FEW:
        return ", ".join(map(str, sizes))
    return f"{sizes[0]} to {sizes[-1]} in steps of {sizes[1] - sizes[0]}"


def _check_volumes(document: Mapping[str, Any]) -> Iterator[Finding]:
    for index, volume in enumerate(document.get("volumes", [])):
        if "sourcePath" in volume.get("host", {}):
            text = "a Fargate task has no host whose directory could be mounted"
            yield Finding(("volumes", index, "host", "sourcePath"), text)
        if "dockerVolumeConfiguration" in volume:
            text = "Fargate takes no Docker volumes; a volume without it lives as long as the task"
            yield Finding(("volumes", index, "dockerVolumeConfiguration"), text)
    storage = document.get("ephemeralStorage", {}).get("sizeInGiB")
    low, high = _STORAGE_RANGE
    if storage is not None and not low <= storage <= high:
        yield Finding(("ephemeralStorage", "sizeInGiB"), f"sizeInGiB is {low} to {high}, not {storage}")


def _check_container(
    definition: TaskDefinition, container: ContainerDefinition, document: Mapping[str, Any], path: Path
) -> Iterator[Finding]:
    low, high = _TIMEOUT_RANGE
    times = {"startTimeout": container.start_timeout_s, "stopTimeout": container.stop_timeout_s}
    for field, seconds in times.items():
        if seconds is not None and seconds >= 0 and not low <= seconds <= high:
            yield Finding((*path, field), f"{field} is {low} to {high} seconds on Fargate, not {seconds}")
    yield from _check_logs(definition, container, path)
    if container.secrets and not definition.execution_role_arn:
        text = "Fargate fetches secrets with the task execution role, and there is no executionRoleArn"
        yield Finding((*path, "secrets"), text, (("executionRoleArn",),))
    for field in _NO_CONTAINER_FIELDS:
        if document.get(field):
            yield Finding((*path, field), f"Fargate does not support {field}")
    linux = document.get("linuxParameters", {})
    for field in _NO_LINUX_PARAMETERS:
        if field in linux:
            yield Finding((*path, "linuxParameters", field), f"Fargate does not support {field}")
    extra = [name for name in container.linux_parameters.capabilities_add if name != "SYS_PTRACE"]
    if extra:
        where = (*path, "linuxParameters", "capabilities", "add")
        yield Finding(where, f"Fargate adds no capability but SYS_PTRACE; this adds {', '.join(extra)}")
    for place, limit in enumerate(container.ulimits):
        if limit.name != "nofile":
            yield Finding(
                (*path, "ulimits", place, "name"), f"Fargate sets no ulimit but nofile, not {limit.name}"
            )


def _check_logs(definition: TaskDefinition, container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    logs = container.log_configuration
    if logs is None or logs.driver != "awslogs":
        return
    if not logs.options.get("awslogs-stream-prefix"):
        text = "awslogs on Fargate needs the option awslogs-stream-prefix"
        yield Finding((*path, "logConfiguration", "options"), text)
    if not definition.execution_role_arn:
        # [I]
        text = "Fargate requires task definition to have execution role ARN to support log driver awslogs."
        yield Finding(("executionRoleArn",), text, ((*path, "logConfiguration"),))

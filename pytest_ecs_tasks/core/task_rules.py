"""The rules of a task's own fields: numbers of things, sizes, tags, constraints, the proxy, namespaces, platform.

Sources as in :mod:`pytest_ecs_tasks.core.rules`; [guide] is the developer guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import EVERY, Finding
from pytest_ecs_tasks.core.placeholders import find_placeholder
from pytest_ecs_tasks.core.taskdef import NetworkMode, TaskDefinition
from pytest_ecs_tasks.errors import Severity

_MOST_CONTAINERS = 10  # [guide] service quotas, not adjustable
_MOST_CONSTRAINTS = 10  # [API] placementConstraints
_MOST_TAGS = 50  # [API] tags, and the three below
_LONGEST_KEY = 128
_LONGEST_VALUE = 256
_RESERVED_PREFIX = "aws:"
_CPU_RANGE = (128, 196608)  # [API] cpu, on EC2
_IPC_PARAMETERS = ("fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm")
# [API] each: "not supported for Windows containers"
_NOT_ON_WINDOWS = ("pidMode", "ipcMode")
_NOT_IN_WINDOWS_CONTAINERS = (
    *("links", "linuxParameters", "user", "disableNetworking", "privileged", "readonlyRootFilesystem"),
    *("dnsServers", "dnsSearchDomains", "extraHosts", "ulimits"),
)


def check(definition: TaskDefinition, *, fargate: bool) -> Iterator[Finding]:
    """Return what is wrong with the fields of the task itself."""
    document: Mapping[str, Any] = definition.document
    count = len(definition.containers)
    if count > _MOST_CONTAINERS:
        text = f"{count} containers; a task definition has up to {_MOST_CONTAINERS}"
        yield Finding(("containerDefinitions",), "container-count", text)
    low, high = _CPU_RANGE
    if not fargate and definition.cpu is not None and not low <= definition.cpu <= high:
        yield Finding(("cpu",), "task-cpu", f"cpu is {low} to {high} on EC2, not {definition.cpu}")
    on_ec2_alone = "EC2" in definition.requires_compatibilities and not fargate
    if on_ec2_alone and "ephemeralStorage" in document:
        text = "Tasks using the EC2 launch type do not support EphemeralStorage."  # [D]
        yield Finding(
            ("ephemeralStorage",), "ephemeral-storage-launch-type", text, (("requiresCompatibilities",),)
        )
    yield from _check_reserved_memory(definition)
    yield from _check_tags(document.get("tags", []))
    constraints = document.get("placementConstraints", [])
    if len(constraints) > _MOST_CONSTRAINTS:
        text = f"{len(constraints)} placement constraints; a task has up to {_MOST_CONSTRAINTS}"
        yield Finding(("placementConstraints",), "placement-constraint-count", text)
    yield from _check_proxy(definition)
    yield from _check_shared_parameters(definition)
    yield from _check_accelerators(document)
    if document.get("runtimePlatform", {}).get("operatingSystemFamily", "").startswith("WINDOWS"):
        yield from _check_windows(document)


def _check_reserved_memory(definition: TaskDefinition) -> Iterator[Finding]:
    """Check the sum of what containers reserve. ECS takes hard limits that are more together than the task has."""
    if definition.memory_mib is None:
        return
    reserved = sum(each.memory_reservation_mib or 0 for each in definition.containers)
    if reserved > definition.memory_mib:
        text = (  # [I]
            "The sum of all container 'memoryReservation' values cannot be greater than the value of the task 'memory'."
            f" The containers have {reserved}, the task has {definition.memory_mib}"
        )
        needs = (("containerDefinitions", EVERY, "memoryReservation"),)
        yield Finding(("memory",), "container-memory-sum", text, needs)


def _check_tags(tags: Sequence[Mapping[str, str]]) -> Iterator[Finding]:
    if len(tags) > _MOST_TAGS:
        text = f"{len(tags)} tags; a task definition has up to {_MOST_TAGS}"
        yield Finding(("tags",), "tag-count", text)
    taken: set[str] = set()
    for index, tag in enumerate(tags):
        key, value = tag.get("key", ""), tag.get("value", "")
        if len(key) > _LONGEST_KEY:
            text = f"a tag's key has up to {_LONGEST_KEY} characters; this one has {len(key)}"
            yield Finding(("tags", index, "key"), "tag", text)
        if len(value) > _LONGEST_VALUE:
            text = f"a tag's value has up to {_LONGEST_VALUE} characters; this one has {len(value)}"
            yield Finding(("tags", index, "value"), "tag", text)
        if key.lower().startswith(_RESERVED_PREFIX):
            text = f"'{key}' begins with {_RESERVED_PREFIX}, which is reserved for AWS"
            yield Finding(("tags", index, "key"), "tag", text)
        if key in taken:
            yield Finding(("tags", index, "key"), "tag", f"two tags have the key '{key}'")
        taken.add(key)


def _check_proxy(definition: TaskDefinition) -> Iterator[Finding]:
    proxy: Any = definition.document.get("proxyConfiguration", {})
    name = proxy.get("containerName")
    names = [each.name for each in definition.containers]
    if name and name not in names and not find_placeholder(name):
        text = f"Proxy container [{name}] does not exist."  # [D]
        needs = (("containerDefinitions", EVERY, "name"),)
        yield Finding(("proxyConfiguration", "containerName"), "proxy-unknown-container", text, needs)
    if proxy and definition.network_mode is not NetworkMode.AWSVPC:
        text = "APPMESH proxy configuration is only supported in networkMode=awsvpc"  # [D]
        yield Finding(("proxyConfiguration",), "proxy-network-mode", text, (("networkMode",),))


def _check_shared_parameters(definition: TaskDefinition) -> Iterator[Finding]:
    """Check kernel parameters of the host's own IPC namespace. [API] ipcMode."""
    if definition.document.get("ipcMode") != "host":
        return
    for index, container in enumerate(definition.containers):
        names = [name for name in container.system_controls if name.startswith(_IPC_PARAMETERS)]
        if names:
            path: Path = ("containerDefinitions", index, "systemControls")
            text = f"with ipcMode host the parameters of IPC cannot be set: {', '.join(names)}"
            yield Finding(path, "system-controls-ipc-mode", text, (("ipcMode",),))


def _check_accelerators(document: Mapping[str, Any]) -> Iterator[Finding]:
    """Check for accelerators of a service that AWS has retired. [API] ResourceRequirement, value."""
    for index, container in enumerate(document.get("containerDefinitions", [])):
        for place, wanted in enumerate(container.get("resourceRequirements", [])):
            if wanted.get("type") == "InferenceAccelerator":
                path: Path = ("containerDefinitions", index, "resourceRequirements", place, "value")
                text = f"'{wanted.get('value')}' is none of the task's inferenceAccelerators"
                yield Finding(path, "unknown-accelerator", text, (("inferenceAccelerators",),))


# Whether registration refuses these or leaves them out is not known.
def _check_windows(document: Mapping[str, Any]) -> Iterator[Finding]:
    needs = (("runtimePlatform",),)
    for field in _NOT_ON_WINDOWS:
        if document.get(field):
            text = f"Windows containers do not support {field}"
            yield Finding((field,), "windows-unsupported-field", text, needs, Severity.WARNING)
    for index, container in enumerate(document.get("containerDefinitions", [])):
        for field in _NOT_IN_WINDOWS_CONTAINERS:
            if container.get(field):
                text = f"Windows containers do not support {field}"
                path: Path = ("containerDefinitions", index, field)
                yield Finding(path, "windows-unsupported-field", text, needs, Severity.WARNING)

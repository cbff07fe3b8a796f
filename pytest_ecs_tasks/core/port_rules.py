"""The rules of port mappings that are about more than one: who has which port, and what the ports are called.

Sources as in :mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.placeholders import find_placeholder
from pytest_ecs_tasks.core.taskdef import NetworkMode, PortMapping, TaskDefinition

_LONGEST_NAME = 64
_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]*")  # [API] PortMapping, name


@dataclass(frozen=True, slots=True, order=True)
class _Claim:
    """The ports that one mapping takes of those that there are once, and where it stands."""

    protocol: str
    first: int
    last: int
    container: int
    place: int


def check(definition: TaskDefinition) -> Iterator[Finding]:
    """Return what is wrong between the port mappings of a task."""
    taken: set[str] = set()
    for index, container in enumerate(definition.containers):
        for place, mapping in enumerate(container.port_mappings):
            where: Path = ("containerDefinitions", index, "portMappings", place, "name")
            name = mapping.name or ""
            problem = _describe_bad_name(name)
            if problem:
                yield Finding(where, "port-name", problem)
            elif name in taken and definition.network_mode is NetworkMode.AWSVPC:
                text = "When networkMode=awsvpc, port mapping name is already used"  # [D]
                yield Finding(where, "port-name", f"{text}: '{name}'", (("networkMode",),))
            taken.update({name} if name else ())
    yield from _check_clashes(definition)


def _describe_bad_name(name: str) -> str | None:
    if not name or find_placeholder(name):
        return None
    if len(name) > _LONGEST_NAME:
        return f"a port's name has up to {_LONGEST_NAME} characters"
    if not _NAME.fullmatch(name):
        return (
            f"'{name}' is not a port's name: lower-case letters, digits, underscores and hyphens are allowed, "
            "and no hyphen at the beginning"
        )
    return None


def _check_clashes(definition: TaskDefinition) -> Iterator[Finding]:
    furthest: _Claim | None = None
    for claim in sorted(_claims(definition)):
        if furthest is None or claim.protocol != furthest.protocol or claim.first > furthest.last:
            furthest = claim
            continue
        yield _clash(definition, furthest, claim)
        furthest = max(furthest, claim, key=lambda each: each.last)


def _claims(definition: TaskDefinition) -> Iterator[_Claim]:
    for index, container in enumerate(definition.containers):
        for place, mapping in enumerate(container.port_mappings):
            ports = _claimed(definition.network_mode, mapping)
            if ports is not None:
                yield _Claim(mapping.protocol, *ports, index, place)


def _claimed(mode: NetworkMode, mapping: PortMapping) -> tuple[int, int] | None:
    """Return the ports of the one address that containers share, or of the one host; a port of 0 is nobody's."""
    match mode:
        case NetworkMode.AWSVPC | NetworkMode.HOST:
            first, last = mapping.container_port, mapping.last_port or mapping.container_port
        case NetworkMode.BRIDGE if mapping.last_port is None:
            first = last = mapping.host_port
        case _:
            return None
    return (first, last) if 0 < first <= last else None


def _clash(definition: TaskDefinition, one: _Claim, other: _Claim) -> Finding:
    first, second = sorted((one, other), key=lambda each: (each.container, each.place))
    names = dict.fromkeys(definition.containers[each.container].name for each in (first, second))
    port = max(one.first, other.first)
    mode = definition.network_mode
    bridge = mode is NetworkMode.BRIDGE
    protocol = second.protocol.upper()
    text = f"{protocol} host port '{port}' is mapped multiple times in task."  # [I], under awsvpc too
    if one.first < one.last or other.first < other.last:  # [D]
        text = f"{protocol} container port '{port}' is used multiple times in task when networkMode={mode}."
    text = f"{text} It is mapped in {' and '.join(names)}"
    if not bridge:
        text = f"{text}; under {mode} all containers share one address"
    paths = [("containerDefinitions", each.container, "portMappings", each.place) for each in (first, second)]
    mapping = definition.containers[second.container].port_mappings[second.place]
    field = "hostPort" if bridge else "containerPort" if mapping.last_port is None else "containerPortRange"
    return Finding(
        (*paths[1], field),
        "port-taken",
        text,
        (("networkMode",), paths[0]),
    )

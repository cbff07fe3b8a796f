"""The rules of dependsOn, links and volumesFrom: targets exist, conditions can come true, nothing waits for itself.

Sources as in :mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import EVERY, Finding
from pytest_ecs_tasks.core.taskdef import Condition, ContainerDefinition, NetworkMode, TaskDefinition
from pytest_ecs_tasks.errors import Severity

ENDS = (Condition.COMPLETE, Condition.SUCCESS)
_MOST_NAMES = 10  # shown in a message; more than a task may have
_ALL_NAMES: tuple[Path, ...] = (("containerDefinitions", EVERY, "name"),)


def check(definition: TaskDefinition) -> Iterator[Finding]:
    """Return what is wrong with the order in which the containers are to start."""
    positions: dict[str, int] = {}
    for index, container in enumerate(definition.containers):
        positions.setdefault(container.name, index)
    for index, container in enumerate(definition.containers):
        yield from _check_dependencies(definition, container, index, positions)
        yield from _check_links(definition, container, index, positions)
        yield from _check_inherited_mounts(definition, container, index, positions)
    yield from _check_cycles(definition, positions)


def link_target(link: str) -> str:
    """Return the container that a link names: ``db`` for ``db`` and for ``db:database``."""
    return link.partition(":")[0]


def _check_dependencies(
    definition: TaskDefinition, container: ContainerDefinition, index: int, positions: dict[str, int]
) -> Iterator[Finding]:
    for place, dependency in enumerate(container.depends_on):
        path = ("containerDefinitions", index, "dependsOn", place)
        target = positions.get(dependency.container)
        if target is None:
            text = f"Cannot depend on container + '{dependency.container}' because it does not exist"  # [D]
            yield Finding(
                (*path, "containerName"),
                "depends-on-unknown-container",
                f"{text}; {_names(definition)}",
                _ALL_NAMES,
            )
            continue
        if target == index:
            yield Finding(
                (*path, "containerName"),
                "depends-on-itself",
                f"container '{container.name}' depends on itself",
            )
            continue
        on = definition.containers[target]
        if dependency.condition in ENDS and on.essential:
            # [D]
            text = (
                "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container"
            )
            needs = (("containerDefinitions", target, "essential"),)
            yield Finding(
                (*path, "condition"),
                "depends-on-essential-end",
                f"{text}: give '{on.name}' \"essential\": false",
                needs,
            )
        if dependency.condition is Condition.HEALTHY and on.health_check is None:
            yield _no_health_check(definition, target, (*path, "condition"))


def _no_health_check(definition: TaskDefinition, target: int, path: Path) -> Finding:
    """Return the word for a container that never becomes HEALTHY: ECS takes a health check that never runs."""
    name = definition.containers[target].name
    needs = (("containerDefinitions", target, "healthCheck"),)
    containers: Any = definition.document.get("containerDefinitions", [])
    if target < len(containers) and containers[target].get("healthCheck"):
        text = f"the healthCheck of container '{name}' never runs, so that it never becomes HEALTHY"
        return Finding(path, "depends-on-no-health-check", text, needs, Severity.WARNING)
    text = "A dependency container with HEALTHY condition must have health check configured"  # [D]
    return Finding(path, "depends-on-no-health-check", f"{text}: '{name}' has no healthCheck", needs)


def _check_links(
    definition: TaskDefinition, container: ContainerDefinition, index: int, positions: dict[str, int]
) -> Iterator[Finding]:
    if definition.network_mode is NetworkMode.AWSVPC:
        return  # refused as a whole, with the network mode
    for place, link in enumerate(container.links):
        path = ("containerDefinitions", index, "links", place)
        if link.count(":") > 1 or not link_target(link):
            text = f"invalid link format: '{link}' is to be a container, or container:alias"  # [A]
            yield Finding(path, "link-format", text)
        elif link_target(link) not in positions:
            text = f"could not find container for link {link_target(link)}"  # [A]
            yield Finding(path, "link-unknown-container", f"{text}; {_names(definition)}", _ALL_NAMES)


def _check_inherited_mounts(
    definition: TaskDefinition, container: ContainerDefinition, index: int, positions: dict[str, int]
) -> Iterator[Finding]:
    for place, source in enumerate(container.volumes_from):
        path = ("containerDefinitions", index, "volumesFrom", place, "sourceContainer")
        if source.source_container not in positions:
            text = f"Invalid 'volumesFrom' setting. Unknown container: '{source.source_container}'."  # [D]
            yield Finding(
                path,
                "volumes-from-unknown-container",
                f"{text} T{_names(definition)[1:]}",
                _ALL_NAMES,
            )
        elif positions[source.source_container] == index:
            yield Finding(
                path, "volumes-from-itself", f"container '{container.name}' takes its volumes from itself"
            )


def _check_cycles(definition: TaskDefinition, positions: dict[str, int]) -> Iterator[Finding]:
    links = {each.name: [link_target(link) for link in each.links] for each in definition.containers}
    by_link = _find_cycle(links)
    if by_link:
        text = f"Container links should not have a cycle: {_way(by_link)}"  # [I]
        yield Finding(("containerDefinitions", positions[by_link[0]], "links"), "link-cycle", text)
    edges = {
        each.name: [
            dependency.container for dependency in each.depends_on if dependency.container != each.name
        ]
        for each in definition.containers
    }
    if not by_link:
        edges = {name: [*targets, *links[name]] for name, targets in edges.items()}
    for each in definition.containers:
        sources = [source.source_container for source in each.volumes_from]
        edges[each.name] = [*edges[each.name], *(source for source in sources if source != each.name)]
    cycle = _find_cycle(edges)
    if cycle:
        text = f"these containers wait for each other, so that none can start: {_way(cycle)}"
        yield Finding(("containerDefinitions", positions[cycle[0]], "dependsOn"), "dependency-cycle", text)


def _find_cycle(edges: dict[str, list[str]]) -> list[str]:
    """Return the names along one cycle, the first again at the end; empty when there is none."""
    done: set[str] = set()
    for start, first_targets in edges.items():
        if start in done:
            continue
        trail = {start: None}  # in the order of the way
        pending = [iter(first_targets)]
        while pending:
            target = next(pending[-1], None)
            if target is None:
                pending.pop()
                done.add(trail.popitem()[0])
            elif target in trail:
                way = list(trail)
                return [*way[way.index(target) :], target]
            elif target in edges and target not in done:
                trail[target] = None
                pending.append(iter(edges[target]))
    return []


def _way(cycle: list[str]) -> str:
    shown = cycle if len(cycle) <= _MOST_NAMES else [*cycle[: _MOST_NAMES - 1], "…", cycle[-1]]
    return " → ".join(shown)


def _names(definition: TaskDefinition) -> str:
    containers = definition.containers
    names = [each.name for each in containers[:_MOST_NAMES] if each.name]
    more = f" and {len(containers) - _MOST_NAMES} more" if len(containers) > _MOST_NAMES else ""
    return f"the containers are {', '.join(names)}{more}"

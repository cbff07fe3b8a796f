"""The rules of dependsOn and links: targets exist, conditions can come true, nothing waits for itself.

Sources as in :mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.taskdef import Condition, ContainerDefinition, NetworkMode, TaskDefinition

ENDS = (Condition.COMPLETE, Condition.SUCCESS)


def check(definition: TaskDefinition) -> Iterator[Finding]:
    """Return what is wrong with the order in which the containers are to start."""
    positions: dict[str, int] = {}
    for index, container in enumerate(definition.containers):
        positions.setdefault(container.name, index)
    for index, container in enumerate(definition.containers):
        yield from _check_dependencies(definition, container, index, positions)
        yield from _check_links(definition, container, index, positions)
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
            text = f"Cannot depend on container + '{dependency.container}' because it does not exist"  # [I]
            yield Finding((*path, "containerName"), f"{text}; {_names(definition)}", _all_names(definition))
            continue
        if target == index:
            yield Finding((*path, "containerName"), f"container '{container.name}' depends on itself")
            continue
        on = definition.containers[target]
        if dependency.condition in ENDS and on.essential:
            # [I]
            text = (
                "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container"
            )
            needs = (("containerDefinitions", target, "essential"),)
            yield Finding((*path, "condition"), f"{text}: give '{on.name}' \"essential\": false", needs)
        if dependency.condition is Condition.HEALTHY and on.health_check is None:
            text = f"condition HEALTHY, but container '{on.name}' has no healthCheck that can run"
            yield Finding((*path, "condition"), text, (("containerDefinitions", target, "healthCheck"),))


def _check_links(
    definition: TaskDefinition, container: ContainerDefinition, index: int, positions: dict[str, int]
) -> Iterator[Finding]:
    if definition.network_mode is NetworkMode.AWSVPC:
        return  # refused as a whole, with the network mode
    for place, link in enumerate(container.links):
        path = ("containerDefinitions", index, "links", place)
        if link.count(":") > 1 or not link_target(link):
            text = f"invalid link format: '{link}' is to be a container, or container:alias"  # [A]
            yield Finding(path, text)
        elif link_target(link) not in positions:
            text = f"could not find container for link {link_target(link)}"  # [A]
            yield Finding(path, f"{text}; {_names(definition)}", _all_names(definition))


def _check_cycles(definition: TaskDefinition, positions: dict[str, int]) -> Iterator[Finding]:
    links = {each.name: [link_target(link) for link in each.links] for each in definition.containers}
    by_link = _find_cycle(links)
    if by_link:
        text = f"Container links should not have a cycle: {' → '.join(by_link)}"  # [I]
        yield Finding(("containerDefinitions", positions[by_link[0]], "links"), text)
    edges = {
        each.name: [
            dependency.container for dependency in each.depends_on if dependency.container != each.name
        ]
        for each in definition.containers
    }
    if not by_link:
        edges = {name: [*targets, *links[name]] for name, targets in edges.items()}
    cycle = _find_cycle(edges)
    if cycle:
        text = f"these containers wait for each other, so that none can start: {' → '.join(cycle)}"
        yield Finding(("containerDefinitions", positions[cycle[0]], "dependsOn"), text)


def _find_cycle(edges: dict[str, list[str]]) -> list[str]:
    """Return the names along one cycle, the first again at the end; empty when there is none."""
    done: set[str] = set()
    for start, first_targets in edges.items():
        if start in done:
            continue
        trail = [start]
        pending = [iter(first_targets)]
        while pending:
            target = next(pending[-1], None)
            if target is None:
                pending.pop()
                done.add(trail.pop())
            elif target in trail:
                return [*trail[trail.index(target) :], target]
            elif target in edges and target not in done:
                trail.append(target)
                pending.append(iter(edges[target]))
    return []


def _names(definition: TaskDefinition) -> str:
    names = [each.name for each in definition.containers if each.name]
    return f"the containers are {', '.join(names)}"


def _all_names(definition: TaskDefinition) -> tuple[tuple[str | int, ...], ...]:
    return tuple(("containerDefinitions", index, "name") for index in range(len(definition.containers)))

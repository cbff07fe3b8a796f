"""Which container and which port a test means when it does not say."""

from __future__ import annotations

from pytest_ecs_tasks.core.taskdef import ContainerDefinition, PortMapping, TaskDefinition
from pytest_ecs_tasks.errors import EcsTaskError


def named_container(definition: TaskDefinition, name: str) -> str:
    """Return the name itself. Raises :class:`EcsTaskError` that lists the names there are."""
    names = [each.name for each in definition.containers]
    if name not in names:
        raise EcsTaskError(f"the task has no container {name!r}; it has {', '.join(names)}")
    return name


def fitting_container(definition: TaskDefinition, name: str | None) -> str:
    """Return the container of that name; without one, the only one, the only one with ports, or the only essential one."""
    if name is not None:
        return named_container(definition, name)
    containers = definition.containers
    with_ports = [each for each in containers if each.port_mappings]
    essential = [each for each in containers if each.essential]
    for fitting in (containers, with_ports, essential):
        if len(fitting) == 1:
            return fitting[0].name
    names = ", ".join(each.name for each in containers)
    raise EcsTaskError(f"the task has several containers, say which one: {names}")


def fitting_port(definition: TaskDefinition, name: str | None, port: int | None) -> tuple[str, int, str]:
    """Return container, port and protocol of the one mapped port that fits. The error lists every mapping."""
    if name is not None:
        named_container(definition, name)
    containers = [each for each in definition.containers if name is None or each.name == name]
    fitting = {
        (each.name, mapping.container_port if port is None else port, mapping.protocol)
        for each in containers
        for mapping in each.port_mappings
        if port is None or mapping.container_port <= port <= (mapping.last_port or mapping.container_port)
    }
    if len({(container, number) for container, number, _ in fitting}) == 1:
        return max(fitting, key=lambda each: each[2] == "tcp")
    whose = "the task" if name is None else f"container '{name}'"
    names = ", ".join(container.name for container in containers)
    raise EcsTaskError(
        f"{whose} {_port_problem(port, found=bool(fitting))}: {_mapped(containers)} (containers: {names})"
    )


def _port_problem(port: int | None, *, found: bool) -> str:
    if port is None:
        return "maps several ports, say which container and port" if found else "maps no port"
    return f"maps port {port} more than once, say which container" if found else f"does not map port {port}"


def _mapped(containers: list[ContainerDefinition]) -> str:
    mapped = [
        f"{each.name} {_range(mapping)}/{mapping.protocol}"
        for each in containers
        for mapping in each.port_mappings
    ]
    return f"portMappings has {', '.join(mapped)}" if mapped else "there are no portMappings"


def _range(mapping: PortMapping) -> str:
    first, last = mapping.container_port, mapping.last_port
    return str(first) if last is None or last == first else f"{first}-{last}"

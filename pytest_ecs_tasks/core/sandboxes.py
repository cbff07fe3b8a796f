"""The namespaces of a task: which containers share which, and what each needs of its sandbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.spec import PublishedPort
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode, PortMapping, TaskDefinition

TASK_SANDBOX = "task"
NAMESPACES = "~namespaces"  # no container has such a name


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """A network namespace to hold. ``plain`` ones may come warm from the pool.

    ``links`` are (alias, container) pairs, which become host names once the linked container's address is known.
    ``shareable_ipc``: other containers may join its IPC namespace.
    """

    key: str
    plain: bool
    hostname: str | None = None
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    dns_servers: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[PublishedPort, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    shareable_ipc: bool = False


def sandbox_of(definition: TaskDefinition, container: ContainerDefinition) -> str | None:
    """Return the sandbox that holds a container's network; ``None`` where it has none, or the host's."""
    if container.disable_networking:
        return None
    match definition.network_mode:
        case NetworkMode.AWSVPC:
            return TASK_SANDBOX
        case NetworkMode.BRIDGE:
            return container.name
        case NetworkMode.HOST | NetworkMode.NONE:
            return None


def namespace_holder(definition: TaskDefinition) -> str | None:
    """Return the sandbox whose process and IPC namespaces the containers share; ``None`` when they share none.

    The agent has a second pause container for it (task.go, NamespacePauseContainerName); under awsvpc one is enough here.
    """
    if "task" not in (definition.pid_mode, definition.ipc_mode):
        return None
    return TASK_SANDBOX if definition.network_mode is NetworkMode.AWSVPC else NAMESPACES


def plan_sandboxes(
    definition: TaskDefinition, containers: Sequence[ContainerDefinition], publish_ip: str
) -> tuple[SandboxPlan, ...]:
    """Return the namespaces that a task needs; ``containers`` have the overrides in them."""
    shareable = definition.ipc_mode == "task"
    if definition.network_mode is NetworkMode.AWSVPC:
        sysctls = {
            name: value
            for container in definition.containers
            for name, value in container.system_controls.items()
            if name.startswith("net.")
        }
        plain = not sysctls and not shareable
        return (SandboxPlan(TASK_SANDBOX, plain=plain, sysctls=sysctls, shareable_ipc=shareable),)
    sandboxes: list[SandboxPlan] = []
    if namespace_holder(definition) is not None:
        sandboxes.append(SandboxPlan(NAMESPACES, plain=not shareable, shareable_ipc=shareable))
    if definition.network_mode is NetworkMode.BRIDGE:
        networked = [each for each in containers if not each.disable_networking]
        names = {each.name for each in networked}
        sandboxes += [_bridge_sandbox(each, names, publish_ip) for each in networked]
    return tuple(sandboxes)


def _bridge_sandbox(container: ContainerDefinition, names: Set[str], publish_ip: str) -> SandboxPlan:
    ports = tuple(
        published for mapping in container.port_mappings for published in _published(mapping, publish_ip)
    )
    sysctls = {name: value for name, value in container.system_controls.items() if name.startswith("net.")}
    pairs = ((link.partition(":")[2] or link, link.partition(":")[0]) for link in container.links)
    links = tuple((alias, name) for alias, name in pairs if name in names)
    special = (ports, sysctls, links, container.hostname, container.extra_hosts, container.dns_servers)
    return SandboxPlan(
        key=container.name,
        plain=not any((*special, container.dns_search_domains)),
        hostname=container.hostname,
        extra_hosts=container.extra_hosts,
        dns_servers=container.dns_servers,
        dns_search=container.dns_search_domains,
        sysctls=sysctls,
        ports=ports,
        links=links,
    )


def _published(mapping: PortMapping, publish_ip: str) -> tuple[PublishedPort, ...]:
    last = mapping.last_port or mapping.container_port
    return tuple(
        PublishedPort(
            port, mapping.host_port if last == mapping.container_port else 0, mapping.protocol, publish_ip
        )
        for port in range(mapping.container_port, last + 1)
    )

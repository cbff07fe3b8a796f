"""What the engine is asked to create for a container: the task definition's words in the engine's.

Source: amazon-ecs-agent, task.go (dockerConfig, dockerHostConfig) and task_linux.go; the API reference's "maps to".
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_ecs_tasks.core import firelens
from pytest_ecs_tasks.core.log_plan import RouterTarget
from pytest_ecs_tasks.core.model import Container, Task
from pytest_ecs_tasks.core.spec import ContainerSpec, InheritedMounts, Mount, Sensitive
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode, Tmpfs

MIB = 1024 * 1024
MINIMUM_CPU_SHARES = 2  # task_linux.go: dockerCPUShares
MAXIMUM_CPU_SHARES = 262_144
ROUTER_SOCKETS_MIB = 64
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


def container_spec(
    task: Task,
    container: Container,
    *,
    labels: Mapping[str, str],
    secrets: Mapping[str, Sensitive],
    aws_environment: Mapping[str, str],
    agent_environment: Mapping[str, str],
    file_environment: Mapping[str, Sensitive] | None = None,
    log_secrets: Mapping[str, Sensitive] | None = None,
    keep_engine_logs: bool = False,
) -> ContainerSpec:
    """Return the whole specification of one container.

    ``secrets`` are by variable name; ``aws_environment`` is what leads an AWS SDK in the container to the test's AWS, unless
    the definition says otherwise; ``agent_environment`` is what the agent adds, whatever the definition says;
    ``file_environment`` is what its environment files say; ``log_secrets`` are options of its log driver.
    """
    plan, definition = container.plan, container.plan.definition
    linux = definition.linux_parameters
    networked = plan.sandbox is not None
    memory_mib = definition.memory_mib or task.plan.definition.memory_mib
    has_swap_limit = memory_mib is not None and linux.max_swap_mib is not None
    return ContainerSpec(
        name=plan.engine_name,
        image_id=task.images[plan.image].image_id,
        labels={**plan.labels, **labels},
        network=_network(task, container),
        entry_point=definition.entry_point,
        command=definition.command,
        environment=_environment(
            task, container, file_environment or {}, secrets, aws_environment, agent_environment
        ),
        user=definition.user,
        working_directory=definition.working_directory,
        hostname=definition.hostname,
        memory=_mib(memory_mib),
        memory_reservation=_mib(definition.memory_reservation_mib),
        memory_and_swap=_mib((memory_mib or 0) + (linux.max_swap_mib or 0)) if has_swap_limit else None,
        swappiness=linux.swappiness if has_swap_limit else None,
        cpu_shares=min(max(MINIMUM_CPU_SHARES, definition.cpu), MAXIMUM_CPU_SHARES),
        cpu_quota=task.plan.definition.cpu,
        mounts=_mounts(task, definition),
        mounts_of=_mounts_of(task, definition),
        image_volumes=_router_volumes(definition),
        tmpfs=(*linux.tmpfs, *_router_sockets(definition)),
        shared_memory_size=_mib(linux.shared_memory_size_mib),
        ulimits=definition.ulimits,
        capabilities_add=linux.capabilities_add,
        capabilities_drop=linux.capabilities_drop,
        init=linux.init_process_enabled,
        privileged=definition.privileged,
        security_options=definition.security_options,
        devices=linux.devices,
        pid_mode=_shared_namespace(task, task.plan.definition.pid_mode),
        ipc_mode=_shared_namespace(task, task.plan.definition.ipc_mode),
        read_only_root=definition.readonly_root_filesystem,
        open_stdin=definition.interactive,
        tty=definition.pseudo_terminal,
        sysctls={
            name: value
            for name, value in definition.system_controls.items()
            if not (networked and name.startswith("net."))
        },
        extra_hosts={} if networked else definition.extra_hosts,
        dns_servers=() if networked else definition.dns_servers,
        dns_search=() if networked else definition.dns_search_domains,
        keep_engine_logs=keep_engine_logs,
        log_driver=plan.engine_log.driver if plan.engine_log else None,
        log_options={**plan.engine_log.options, **(log_secrets or {})} if plan.engine_log else {},
    )


def _network(task: Task, container: Container) -> str:
    if container.plan.sandbox is not None:
        return f"container:{task.sandboxes[container.plan.sandbox].runtime_id}"
    if container.plan.definition.disable_networking:
        return "none"
    return "host" if task.plan.definition.network_mode is NetworkMode.HOST else "none"


def _shared_namespace(task: Task, mode: str | None) -> str | None:
    holder = task.plan.namespace_holder
    if mode == "task" and holder is not None:
        return f"container:{task.sandboxes[holder].runtime_id}"
    return mode


def _environment(
    task: Task,
    container: Container,
    file_environment: Mapping[str, Sensitive],
    secrets: Mapping[str, Sensitive],
    aws_environment: Mapping[str, str],
    agent_environment: Mapping[str, str],
) -> dict[str, str]:
    """Return the variables in the agent's order of precedence: files, definition and overrides, the agent's own, secrets.

    The region's rule: always on Fargate; on EC2 both variables, unless either is set by the definition, a secret or the image.

    Source: amazon-ecs-agent, docker_task_engine.go, createContainer; task.go, ApplyRegionToContainer.
    """
    environment: dict[str, str] = {**file_environment, **container.plan.environment}
    taken = {*environment, *secrets, *task.images[container.plan.image].environment_names}
    if task.plan.fargate or not taken.intersection(REGION_VARIABLES):
        environment.update(dict.fromkeys(REGION_VARIABLES, task.plan.request.region))
    for name, value in aws_environment.items():
        environment.setdefault(name, value)
    environment.update(agent_environment)
    environment.update(_firelens_environment(task, container))
    environment.update(secrets)
    return environment


def _firelens_environment(task: Task, container: Container) -> dict[str, str]:
    definition = container.plan.definition
    environment = firelens.router_environment(definition.firelens.kind) if definition.firelens else {}
    if isinstance(container.plan.log, RouterTarget):
        router = task.container(container.plan.log.router).plan.sandbox
        address = task.sandboxes[router].address if router else None
        environment.update(firelens.client_environment(task.plan.definition.network_mode, address))
    return environment


def _router_sockets(definition: ContainerDefinition) -> tuple[Tmpfs, ...]:
    """Return the empty directory that a router makes its socket in, where the agent mounts one of the host's."""
    if definition.firelens is None:
        return ()
    # The agent gives it to the router's user, who is a number.
    user = (definition.user or "").partition(":")[0]
    owner = (f"uid={user}",) if user.isdecimal() else ()
    return (Tmpfs(firelens.SOCKET_DIRECTORY, ROUTER_SOCKETS_MIB, owner),)


def _router_volumes(definition: ContainerDefinition) -> tuple[str, ...]:
    """Return where a router's configuration is put that no engine would write into its read-only root."""
    if definition.firelens is None or not definition.readonly_root_filesystem:
        return ()
    return (firelens.config_directory(definition.firelens.kind),)


def _mounts(task: Task, definition: ContainerDefinition) -> tuple[Mount, ...]:
    names = {volume.volume.name: volume.engine_name for volume in task.plan.volumes}
    volumes = {volume.name: volume for volume in task.plan.definition.volumes}
    mounts = []
    for point in definition.mount_points:
        volume = volumes[point.source_volume]
        source = volume.host_path or task.volume_sources.get(volume.name, names.get(volume.name, ""))
        mounts.append(Mount(source, point.container_path, point.read_only, volume.takes_image_content))
    return tuple(mounts)


def _mounts_of(task: Task, definition: ContainerDefinition) -> tuple[InheritedMounts, ...]:
    inherited = []
    for each in definition.volumes_from:
        runtime_id = task.container(each.source_container).runtime_id
        assert runtime_id is not None  # its CREATE dependency is met
        inherited.append(InheritedMounts(runtime_id, each.read_only))
    return tuple(inherited)


def _mib(value: int | None) -> int | None:
    return None if value is None else value * MIB

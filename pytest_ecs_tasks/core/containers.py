"""What the engine is asked to create for a container: the task definition's words in the engine's.

Source: amazon-ecs-agent, task.go (dockerConfig, dockerHostConfig) and task_linux.go; the API reference's "maps to".
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_ecs_tasks.core.model import Container, Task
from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.core.spec import ContainerSpec, Mount, Sensitive
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode

MIB = 1024 * 1024
MINIMUM_CPU_SHARES = 2  # task_linux.go: dockerCPUShares
MAXIMUM_CPU_SHARES = 262_144
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


def container_spec(
    task: Task,
    container: Container,
    *,
    labels: Mapping[str, str],
    secrets: Mapping[str, Sensitive],
    aws_environment: Mapping[str, str],
    keep_engine_logs: bool = False,
) -> ContainerSpec:
    """Return the whole specification of one container.

    ``secrets`` are by variable name; ``aws_environment`` is what leads an AWS SDK in the container to the test's AWS.
    """
    plan, definition = container.plan, container.plan.definition
    linux = definition.linux_parameters
    networked = plan.sandbox is not None
    return ContainerSpec(
        name=plan.engine_name,
        image_id=task.images[plan.image].image_id,
        labels={**plan.labels, **labels},
        network=_network(task, container),
        entry_point=definition.entry_point,
        command=definition.command,
        environment=_environment(task, container, secrets, aws_environment),
        user=definition.user,
        working_directory=definition.working_directory,
        hostname=definition.hostname,
        memory=_mib(definition.memory_mib or task.plan.definition.memory_mib),
        memory_reservation=_mib(definition.memory_reservation_mib),
        cpu_shares=min(max(MINIMUM_CPU_SHARES, definition.cpu), MAXIMUM_CPU_SHARES),
        cpu_quota=task.plan.definition.cpu,
        mounts=_mounts(task.plan, definition),
        tmpfs=linux.tmpfs,
        shared_memory_size=_mib(linux.shared_memory_size_mib),
        ulimits=definition.ulimits,
        capabilities_add=linux.capabilities_add,
        capabilities_drop=linux.capabilities_drop,
        init=linux.init_process_enabled,
        privileged=definition.privileged,
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
    )


def _network(task: Task, container: Container) -> str:
    if container.plan.sandbox is not None:
        return f"container:{task.sandboxes[container.plan.sandbox].runtime_id}"
    return "host" if task.plan.definition.network_mode is NetworkMode.HOST else "none"


def _environment(
    task: Task, container: Container, secrets: Mapping[str, Sensitive], aws_environment: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables in the agent's order of precedence: definition and overrides, the agent's own, secrets.

    The region's rule: always on Fargate; on EC2 both variables, unless either is set by the definition, a secret or the image.

    Source: amazon-ecs-agent, docker_task_engine.go, createContainer; task.go, ApplyRegionToContainer.
    """
    environment = dict(container.plan.environment)
    taken = {*environment, *secrets, *task.images[container.plan.image].environment_names}
    if task.plan.fargate or not taken.intersection(REGION_VARIABLES):
        environment.update(dict.fromkeys(REGION_VARIABLES, task.plan.request.region))
    for name, value in aws_environment.items():
        environment.setdefault(name, value)
    environment.update(secrets)
    return environment


def _mounts(plan: TaskPlan, definition: ContainerDefinition) -> tuple[Mount, ...]:
    sources = {volume.volume.name: volume.engine_name for volume in plan.volumes}
    sources.update({volume.name: volume.host_path for volume in plan.definition.volumes if volume.host_path})
    return tuple(
        Mount(sources[point.source_volume], point.container_path, point.read_only)
        for point in definition.mount_points
    )


def _mib(value: int | None) -> int | None:
    return None if value is None else value * MIB

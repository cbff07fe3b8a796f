"""What is to be run: a request turned into names, environment, gates, sandboxes and volumes, before anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_ecs_tasks.core.health import HealthMode
from pytest_ecs_tasks.core.parse import image_slot
from pytest_ecs_tasks.core.request import ContainerOverride, LaunchType, RunTaskRequest
from pytest_ecs_tasks.core.rules import validate
from pytest_ecs_tasks.core.spec import PublishedPort
from pytest_ecs_tasks.core.taskdef import (
    Condition,
    ContainerDefinition,
    Dependency,
    NetworkMode,
    PortMapping,
    TaskDefinition,
    Volume,
)
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError

DEFAULT_STOP_TIMEOUT_S = 30  # ECS_CONTAINER_STOP_TIMEOUT's default, and Fargate's
TASK_SANDBOX = "task"


@dataclass(frozen=True, slots=True)
class LogTarget:
    """The CloudWatch log stream of a container. ``stream`` ``None``: the container's engine id, as on EC2 without a prefix."""

    group: str
    region: str
    stream: str | None
    create_group: bool = False


@dataclass(frozen=True, slots=True)
class SandboxPlan:
    """A network namespace to hold. ``plain`` ones may come warm from the pool.

    ``links`` are (alias, container) pairs, which become host names once the linked container's address is known.
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


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """A volume that lives as long as the task; ``engine_name`` is its name on the engine."""

    engine_name: str
    volume: Volume


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """One container to run; ``definition`` has the overrides in it, ``environment`` everything but secrets' values."""

    definition: ContainerDefinition
    arn: str
    engine_name: str
    image: str
    depends_on: tuple[Dependency, ...]
    environment: Mapping[str, str] = field(repr=False)
    labels: Mapping[str, str]
    sandbox: str | None
    log: LogTarget | None
    stop_timeout_s: int

    @property
    def name(self) -> str:
        """The container's name in the task definition."""
        return self.definition.name


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """Everything that is known of a task before it starts."""

    task_id: str
    arn: str
    definition_arn: str
    definition: TaskDefinition
    request: RunTaskRequest
    launch_type: LaunchType
    containers: tuple[ContainerPlan, ...]
    sandboxes: tuple[SandboxPlan, ...]
    volumes: tuple[VolumePlan, ...]
    health_mode: HealthMode
    notes: tuple[str, ...] = ()

    @property
    def fargate(self) -> bool:
        """Whether Fargate's rules and texts apply; else the EC2 agent's do."""
        return self.launch_type is LaunchType.FARGATE

    @property
    def images(self) -> tuple[str, ...]:
        """Each distinct image, in the order of the definition."""
        return tuple(dict.fromkeys(container.image for container in self.containers))

    @property
    def has_secrets(self) -> bool:
        """Whether anything must be fetched before a container can be created."""
        return any(container.definition.secrets for container in self.containers)


def make_plan(
    request: RunTaskRequest,
    *,
    task_id: str,
    health_mode: HealthMode = HealthMode.FAST,
    publish_ip: str = "127.0.0.1",
) -> TaskPlan:
    """Return the plan of one task.

    Raises :class:`TaskDefinitionError` for overrides that name no container, for image slots left unfilled, and for a
    definition that the launch type refuses.
    """
    definition = request.definition
    if request.launch_type is not None:
        validate(definition, request.launch_type)
    launch_type = request.launch_type or default_launch_type(definition)
    region, account = request.region, request.account_id
    arn = f"arn:aws:ecs:{region}:{account}:task/{request.cluster}/{task_id}"
    _check_names(request)
    containers = tuple(
        _plan_container(each, index, request, launch_type, arn, task_id)
        for index, each in enumerate(definition.containers)
    )
    _check_slots(containers, definition)
    return TaskPlan(
        task_id=task_id,
        arn=arn,
        definition_arn=f"arn:aws:ecs:{region}:{account}:task-definition/{definition.family}:{definition.revision}",
        definition=definition,
        request=request,
        launch_type=launch_type,
        containers=containers,
        sandboxes=_plan_sandboxes(definition, containers, publish_ip),
        volumes=_plan_volumes(definition, task_id),
        health_mode=health_mode,
        notes=_identity_notes(definition, request),
    )


def default_launch_type(definition: TaskDefinition) -> LaunchType:
    """Return FARGATE when ``requiresCompatibilities`` has it, else EC2."""
    return LaunchType.FARGATE if "FARGATE" in definition.requires_compatibilities else LaunchType.EC2


def engine_name(definition: TaskDefinition, part: str, task_id: str) -> str:
    """Return a name in the agent's manner, unique to the task: ``ecs-<family>-<revision>-<part>-<20 hex digits>``.

    Source: amazon-ecs-agent, docker_task_engine.go, createContainer.
    """
    clean = re.sub(r"[^A-Za-z0-9-]", "", part)
    return f"ecs-{definition.family[:80]}-{definition.revision}-{clean[:80]}-{task_id[:20]}"


def _check_names(request: RunTaskRequest) -> None:
    known = [container.name for container in request.definition.containers]
    asked = [*(override.name for override in request.overrides), *request.environment]
    problems = [
        Problem("", f"an override names container '{name}'; the task has {', '.join(known)}")
        for name in dict.fromkeys(asked)
        if name not in known
    ]
    if problems:
        raise TaskDefinitionError(request.definition.source, problems)


def _check_slots(containers: tuple[ContainerPlan, ...], definition: TaskDefinition) -> None:
    problems = []
    for index, container in enumerate(containers):
        slot = image_slot(container.image)
        if slot is not None:
            shown = f"is the unfilled slot '{slot}'" if slot else "is missing"
            problems.append(
                Problem(
                    f"containerDefinitions[{index}].image",
                    f"the image of container '{container.name}' {shown}. Say which image to run: "
                    f'ecs_taskdef(…, images={{"{container.name}": "repository:tag"}}), or map it for every test in the '
                    "ecs_images fixture",
                )
            )
    if problems:
        raise TaskDefinitionError(definition.source, problems)


def _plan_container(
    definition: ContainerDefinition,
    index: int,
    request: RunTaskRequest,
    launch_type: LaunchType,
    task_arn: str,
    task_id: str,
) -> ContainerPlan:
    changed = _with_overrides(
        definition, [each for each in request.overrides if each.name == definition.name]
    )
    image = next(
        (each.image for each in reversed(request.overrides) if each.name == definition.name and each.image),
        None,
    )
    return ContainerPlan(
        definition=changed,
        arn=f"{task_arn.replace(':task/', ':container/')}/{_container_uuid(task_id, index)}",
        engine_name=engine_name(request.definition, definition.name, task_id),
        image=image or _mapped_image(definition, request.images),
        depends_on=implicit_dependencies(changed),
        environment=_environment(changed, request, launch_type),
        labels=_labels(changed, request, launch_type, task_arn),
        sandbox=_sandbox_of(request.definition, definition),
        log=_log_target(changed, request, task_id),
        stop_timeout_s=DEFAULT_STOP_TIMEOUT_S if changed.stop_timeout_s is None else changed.stop_timeout_s,
    )


def _with_overrides(
    definition: ContainerDefinition, overrides: list[ContainerOverride]
) -> ContainerDefinition:
    for override in overrides:
        definition = replace(
            definition,
            command=definition.command if override.command is None else override.command,
            environment={**definition.environment, **override.environment},
            cpu=definition.cpu if override.cpu is None else override.cpu,
            memory_mib=definition.memory_mib if override.memory_mib is None else override.memory_mib,
        )
    return definition


def _mapped_image(definition: ContainerDefinition, images: Mapping[str, str]) -> str:
    for key in (
        definition.name,
        definition.image,
        definition.image.partition("@")[0],
        without_tag(definition.image),
    ):
        if key and key in images:
            return images[key]
    return definition.image


def without_tag(reference: str) -> str:
    """Return an image reference without its tag and digest."""
    reference = reference.partition("@")[0]
    head, colon, tail = reference.rpartition(":")
    return head if colon and "/" not in tail else reference


def _container_uuid(task_id: str, index: int) -> str:
    """Return a UUID that is the task's own, with the container's place in its last digits."""
    digits = f"{task_id[:28]}{index:04x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def implicit_dependencies(definition: ContainerDefinition) -> tuple[Dependency, ...]:
    """Return ``dependsOn`` and what ECS derives: a link is a START dependency.

    Source: amazon-ecs-agent, task.go, initializeContainerOrdering.
    """
    linked = tuple(Dependency(link.partition(":")[0], Condition.START) for link in definition.links)
    return tuple(dict.fromkeys((*definition.depends_on, *linked)))


def _environment(
    definition: ContainerDefinition, request: RunTaskRequest, launch_type: LaunchType
) -> dict[str, str]:
    overridden: dict[str, str] = {}
    for override in request.overrides:
        if override.name == definition.name:
            overridden.update(override.environment)
    return {
        **definition.environment,
        **request.environment.get(definition.name, {}),
        **overridden,
        "AWS_EXECUTION_ENV": f"AWS_ECS_{launch_type.value}",
    }


def _labels(
    definition: ContainerDefinition, request: RunTaskRequest, launch_type: LaunchType, task_arn: str
) -> dict[str, str]:
    """Return the definition's labels and the agent's, which are written last and win."""
    cluster = request.cluster
    if launch_type is LaunchType.FARGATE:
        cluster = f"arn:aws:ecs:{request.region}:{request.account_id}:cluster/{request.cluster}"
    return {
        **definition.docker_labels,
        "com.amazonaws.ecs.cluster": cluster,
        "com.amazonaws.ecs.container-name": definition.name,
        "com.amazonaws.ecs.task-arn": task_arn,
        "com.amazonaws.ecs.task-definition-family": request.definition.family,
        "com.amazonaws.ecs.task-definition-version": str(request.definition.revision),
    }


def _sandbox_of(definition: TaskDefinition, container: ContainerDefinition) -> str | None:
    match definition.network_mode:
        case NetworkMode.AWSVPC:
            return TASK_SANDBOX
        case NetworkMode.BRIDGE:
            return container.name
        case NetworkMode.HOST | NetworkMode.NONE:
            return None


def _log_target(definition: ContainerDefinition, request: RunTaskRequest, task_id: str) -> LogTarget | None:
    configuration = definition.log_configuration
    if configuration is None or configuration.driver != "awslogs":
        return None
    options = configuration.options
    prefix = options.get("awslogs-stream-prefix")
    return LogTarget(
        group=options["awslogs-group"],
        region=options.get("awslogs-region", request.region),
        stream=f"{prefix}/{definition.name}/{task_id}" if prefix else None,
        create_group=options.get("awslogs-create-group", "false").lower() == "true",
    )


def _plan_sandboxes(
    definition: TaskDefinition, containers: tuple[ContainerPlan, ...], publish_ip: str
) -> tuple[SandboxPlan, ...]:
    if definition.network_mode is NetworkMode.AWSVPC:
        sysctls = {
            name: value
            for container in definition.containers
            for name, value in container.system_controls.items()
            if name.startswith("net.")
        }
        return (SandboxPlan(TASK_SANDBOX, plain=not sysctls, sysctls=sysctls),)
    if definition.network_mode is NetworkMode.BRIDGE:
        return tuple(_bridge_sandbox(container.definition, publish_ip) for container in containers)
    return ()


def _bridge_sandbox(container: ContainerDefinition, publish_ip: str) -> SandboxPlan:
    ports = tuple(
        published for mapping in container.port_mappings for published in _published(mapping, publish_ip)
    )
    sysctls = {name: value for name, value in container.system_controls.items() if name.startswith("net.")}
    links = tuple((link.partition(":")[2] or link, link.partition(":")[0]) for link in container.links)
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


def _plan_volumes(definition: TaskDefinition, task_id: str) -> tuple[VolumePlan, ...]:
    return tuple(
        VolumePlan(engine_name(definition, volume.name, task_id), volume)
        for volume in definition.volumes
        if volume.host_path is None
    )


def _identity_notes(definition: TaskDefinition, request: RunTaskRequest) -> tuple[str, ...]:
    notes = []
    for label, arn in (
        ("taskRoleArn", definition.task_role_arn),
        ("executionRoleArn", definition.execution_role_arn),
    ):
        account = arn.split(":")[4] if arn and arn.count(":") >= 5 else ""
        if account and account != request.account_id:
            notes.append(f"{label}: account {account} counts as the test's, {request.account_id}")
    return tuple(notes)

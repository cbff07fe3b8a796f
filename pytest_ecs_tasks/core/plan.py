"""What is to be run: a request turned into names, environment, gates, sandboxes and volumes, before anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_ecs_tasks.core.firelens import is_routed
from pytest_ecs_tasks.core.health import HealthMode
from pytest_ecs_tasks.core.log_plan import EngineLog, LogTarget, RouterTarget, engine_log, log_target
from pytest_ecs_tasks.core.overrides import settle
from pytest_ecs_tasks.core.parse import image_slot
from pytest_ecs_tasks.core.request import ContainerOverride, LaunchType, RunTaskRequest
from pytest_ecs_tasks.core.sandboxes import TASK_SANDBOX as TASK_SANDBOX
from pytest_ecs_tasks.core.sandboxes import SandboxPlan as SandboxPlan
from pytest_ecs_tasks.core.sandboxes import namespace_holder, plan_sandboxes, sandbox_of
from pytest_ecs_tasks.core.taskdef import (
    Condition,
    ContainerDefinition,
    Dependency,
    TaskDefinition,
    Volume,
)
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError

DEFAULT_STOP_TIMEOUT_S = 30  # ECS_CONTAINER_STOP_TIMEOUT's default, and Fargate's


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """A volume; ``engine_name`` is its name on the engine if it lives as long as the task."""

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
    log: LogTarget | RouterTarget | None
    stop_timeout_s: int
    engine_log: EngineLog | None = None

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
    def namespace_holder(self) -> str | None:
        """The sandbox whose process and IPC namespaces the containers share, if they share any."""
        return namespace_holder(self.definition)

    @property
    def images(self) -> tuple[str, ...]:
        """Each distinct image, in the order of the definition."""
        return tuple(dict.fromkeys(container.image for container in self.containers))

    @property
    def needs_logins(self) -> bool:
        """Whether an image is pulled with credentials that must be fetched before."""
        return any(container.definition.registry_credentials for container in self.containers)

    @property
    def needs_fetching(self) -> bool:
        """Whether anything must be fetched before a container can be created."""
        return bool(self.fetched)

    @property
    def fetched(self) -> str:
        """What must be fetched, in words."""
        definitions = [container.definition for container in self.containers]
        kinds = {
            "registry credentials": self.needs_logins,
            "environment files": any(each.environment_files for each in definitions),
            "router configuration files": any(
                each.firelens and each.firelens.s3_object for each in definitions
            ),
            "secrets": any(each.secrets or each.log_secrets for each in definitions),
        }
        return " and ".join(kind for kind, wanted in kinds.items() if wanted)


def make_plan(
    request: RunTaskRequest,
    *,
    task_id: str,
    health_mode: HealthMode = HealthMode.FAST,
    publish_ip: str = "127.0.0.1",
) -> TaskPlan:
    """Return the plan of one task.

    Raises :class:`TaskDefinitionError` for what :func:`settle` refuses, and for image slots left unfilled.
    """
    request = settle(request)
    definition = request.definition
    launch_type = request.launch_type or default_launch_type(definition)
    arn = request.arn(f"task/{request.cluster}/{task_id}")
    containers = tuple(
        _plan_container(each, index, request, launch_type, arn, task_id)
        for index, each in enumerate(definition.containers)
    )
    _check_slots(containers, definition)
    return TaskPlan(
        task_id=task_id,
        arn=arn,
        definition_arn=request.arn(f"task-definition/{definition.family}:{definition.revision}"),
        definition=definition,
        request=request,
        launch_type=launch_type,
        containers=containers,
        sandboxes=plan_sandboxes(definition, [each.definition for each in containers], publish_ip),
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
                    code="image-slot",
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
        image=image or mapped_image(definition, request.images) or definition.image,
        depends_on=implicit_dependencies(changed, request.definition.router),
        environment=_environment(changed, request, launch_type),
        labels=_labels(changed, request, launch_type, task_arn),
        sandbox=sandbox_of(request.definition, definition),
        log=log_target(changed, request.definition, region=request.region, task_id=task_id),
        stop_timeout_s=DEFAULT_STOP_TIMEOUT_S if changed.stop_timeout_s is None else changed.stop_timeout_s,
        engine_log=engine_log(changed),
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


def mapped_image(definition: ContainerDefinition, images: Mapping[str, str]) -> str | None:
    """Return the image that a mapping has for a container, by its name or by its image's."""
    for key in (
        definition.name,
        definition.image,
        definition.image.partition("@")[0],
        without_tag(definition.image),
    ):
        if key and key in images:
            return images[key]
    return None


def without_tag(reference: str) -> str:
    """Return an image reference without its tag and digest."""
    reference = reference.partition("@")[0]
    head, colon, tail = reference.rpartition(":")
    return head if colon and "/" not in tail else reference


def _container_uuid(task_id: str, index: int) -> str:
    """Return a UUID that is the task's own, with the container's place in its last digits."""
    digits = f"{task_id[:28]}{index:04x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def implicit_dependencies(
    definition: ContainerDefinition, router: ContainerDefinition | None = None
) -> tuple[Dependency, ...]:
    """Return ``dependsOn`` and what ECS derives.

    A link and the log driver awsfirelens are START dependencies, ``volumesFrom`` a CREATE dependency. A container that
    waits for the router anyway needs no other dependency; a router that waits for containers itself
    is waited for by none.

    Source: amazon-ecs-agent, task.go, initializeContainerOrdering and addFirelensContainerDependency.
    """
    linked = tuple(Dependency(link.partition(":")[0], Condition.START) for link in definition.links)
    mounted = tuple(Dependency(each.source_container, Condition.CREATE) for each in definition.volumes_from)
    known = tuple(dict.fromkeys((*definition.depends_on, *linked, *mounted)))
    if router is None or router.name == definition.name or router.depends_on or not is_routed(definition):
        return known
    if any(each.container == router.name for each in known):
        return known
    return (*known, Dependency(router.name, Condition.START))


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
        cluster = request.arn(f"cluster/{request.cluster}")
    return {
        **definition.docker_labels,
        "com.amazonaws.ecs.cluster": cluster,
        "com.amazonaws.ecs.container-name": definition.name,
        "com.amazonaws.ecs.task-arn": task_arn,
        "com.amazonaws.ecs.task-definition-family": request.definition.family,
        "com.amazonaws.ecs.task-definition-version": str(request.definition.revision),
    }


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

"""A registered task definition as DescribeTaskDefinition shows it: with ECS's defaults filled in.

Source: API, TaskDefinition; ``requiresAttributes`` is of amazon-ecs-agent, agent/app/agent_capability.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ecs_tasks.core.api.state import Registered
from pytest_ecs_tasks.core.request import LaunchType
from pytest_ecs_tasks.core.rules import validate
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode, TaskDefinition
from pytest_ecs_tasks.errors import TaskDefinitionError

_EMPTY_LISTS = ("environment", "mountPoints", "portMappings", "systemControls", "volumesFrom")
_HEALTH_DEFAULTS = {"interval": 30, "timeout": 5, "retries": 3}
_DOCKER = "com.amazonaws.ecs.capability.docker-remote-api."
_AGENT = "com.amazonaws.ecs.capability."


def show_registered(registered: Registered) -> dict[str, Any]:
    """Return a revision of a task definition as the API shows it."""
    definition = registered.definition
    shown: dict[str, Any] = {
        "volumes": [],
        "placementConstraints": [],
        **definition.document,
        "taskDefinitionArn": registered.arn,
        "revision": definition.revision,
        "status": registered.status,
        "requiresAttributes": [{"name": name} for name in dict.fromkeys(_attributes(definition))],
        "compatibilities": _compatibilities(definition),
        "registeredAt": registered.registered_at,
        "registeredBy": registered.registered_by,
    }
    shown.pop("tags", None)
    shown["containerDefinitions"] = [
        _show_container(container, definition.network_mode)
        for container in shown.get("containerDefinitions", [])
    ]
    times = {
        "deregisteredAt": registered.deregistered_at,
        "deleteRequestedAt": registered.delete_requested_at,
    }
    shown.update({name: time for name, time in times.items() if time is not None})
    return shown


def _show_container(document: Mapping[str, Any], mode: NetworkMode) -> dict[str, Any]:
    shown = {"cpu": 0, "essential": True, **{name: [] for name in _EMPTY_LISTS}, **document}
    shown["portMappings"] = [_show_port(port, mode) for port in shown["portMappings"]]
    if "healthCheck" in shown:
        shown["healthCheck"] = {**_HEALTH_DEFAULTS, **shown["healthCheck"]}
    return shown


def _show_port(document: Mapping[str, Any], mode: NetworkMode) -> dict[str, Any]:
    shown: dict[str, Any] = {"protocol": "tcp", **document}
    if "containerPort" in shown:
        same = mode in (NetworkMode.AWSVPC, NetworkMode.HOST)
        shown.setdefault("hostPort", shown["containerPort"] if same else 0)
    return shown


def _compatibilities(definition: TaskDefinition) -> list[str]:
    found = ["EC2"] if definition.network_mode is NetworkMode.AWSVPC else ["EXTERNAL", "EC2"]
    try:
        validate(definition, LaunchType.FARGATE)
    except TaskDefinitionError:
        return found
    return [*found, "FARGATE"]


def _attributes(definition: TaskDefinition) -> Iterator[str]:
    """Yield what a container instance must be able to do, as far as it follows from the definition alone."""
    for container in definition.containers:
        yield from _container_attributes(container, definition)
    if definition.task_role_arn:
        yield f"{_AGENT}task-iam-role"
    if definition.network_mode is NetworkMode.AWSVPC:
        yield "ecs.capability.task-eni"
    if definition.cpu is not None or definition.memory_mib is not None:
        yield "ecs.capability.task-cpu-mem-limit"
    yield f"{_DOCKER}1.18"


def _container_attributes(container: ContainerDefinition, definition: TaskDefinition) -> Iterator[str]:
    logs = container.log_configuration
    if logs is not None:
        yield f"{_AGENT}logging-driver.{logs.driver}"
        if logs.driver == "awslogs" and definition.execution_role_arn:
            yield "ecs.capability.execution-role-awslogs"
    if ".dkr.ecr." in container.image:
        yield f"{_AGENT}ecr-auth"
        if definition.execution_role_arn:
            yield "ecs.capability.execution-role-ecr-pull"
    if container.secrets:
        is_asm = any(":secretsmanager:" in secret.value_from for secret in container.secrets)
        yield f"ecs.capability.secrets.{'asm' if is_asm else 'ssm'}.environment-variables"
    if container.health_check:
        yield "ecs.capability.container-health-check"
    if container.depends_on:
        yield "ecs.capability.container-ordering"
    if container.privileged:
        yield f"{_AGENT}privileged-container"

"""What a test asks for: RunTask's own shape and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from pytest_ecs_tasks.core.partitions import partition_of
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError


class LaunchType(StrEnum):
    """Which ECS a task runs on; where the two differ, behaviour follows this."""

    EC2 = "EC2"
    FARGATE = "FARGATE"


# A command, which keeps the other numbers of the declared check; a whole HealthCheck of the API; or False for none.
HealthCheckOverride = tuple[str, ...] | Mapping[str, object] | Literal[False]


@dataclass(frozen=True, slots=True)
class ContainerOverride:
    """RunTask's ``containerOverrides`` for one container, and the image and health check to run in place of its own."""

    name: str
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    image: str | None = None
    cpu: int | None = None
    memory_mib: int | None = None
    health_check: HealthCheckOverride | None = None


@dataclass(frozen=True, slots=True)
class RunTaskRequest:
    """One RunTask call.

    ``images`` maps a container name or an image reference of the definition to the image to run. ``environment`` maps a
    container name to variables that are added to it, below any override. ``launch_type`` ``None`` means: derive it from
    ``requiresCompatibilities`` (FARGATE when it is listed, else EC2). ``shown`` are members of the task that are told as
    they are given, in DescribeTasks and in events; ``tags`` are what the task's own metadata tells.
    """

    definition: TaskDefinition
    overrides: tuple[ContainerOverride, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    launch_type: LaunchType | None = None
    region: str = "us-east-1"
    account_id: str = "123456789012"
    cluster: str = "default"
    started_by: str | None = None
    group: str | None = None
    subnet: str | None = None
    shown: Mapping[str, object] = field(default_factory=dict, repr=False)
    tags: tuple[tuple[str, str], ...] = ()

    def arn(self, resource: str) -> str:
        """Return the ARN of something of its ECS, such as ``cluster/default``."""
        return f"arn:{partition_of(self.region)}:ecs:{self.region}:{self.account_id}:{resource}"


def check_names(request: RunTaskRequest) -> None:
    """Raise :class:`TaskDefinitionError` for every override that names no container of the task."""
    known = [container.name for container in request.definition.containers]
    asked = [*(override.name for override in request.overrides), *request.environment]
    problems = [
        Problem(
            "",
            f"an override names container '{name}'; the task has {', '.join(known)}",
            code="override-unknown-container",
        )
        for name in dict.fromkeys(asked)
        if name not in known
    ]
    if problems:
        raise TaskDefinitionError(request.definition.source, problems)

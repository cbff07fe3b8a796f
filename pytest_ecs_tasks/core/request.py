"""What a test asks for: RunTask's own shape and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pytest_ecs_tasks.core.taskdef import TaskDefinition


class LaunchType(StrEnum):
    """Which ECS a task runs on; where the two differ, behaviour follows this."""

    EC2 = "EC2"
    FARGATE = "FARGATE"


@dataclass(frozen=True, slots=True)
class ContainerOverride:
    """RunTask's ``containerOverrides`` for one container, and the image to run in its place."""

    name: str
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    image: str | None = None
    cpu: int | None = None
    memory_mib: int | None = None


@dataclass(frozen=True, slots=True)
class RunTaskRequest:
    """One RunTask call.

    ``images`` maps a container name or an image reference of the definition to the image to run. ``environment`` maps a
    container name to variables that are added to it, below any override. ``launch_type`` ``None`` means: derive it from
    ``requiresCompatibilities`` (FARGATE when it is listed, else EC2).
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

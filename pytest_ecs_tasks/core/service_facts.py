"""What the service scheduler is told, what it orders, and what it announces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.health import HealthStatus
from pytest_ecs_tasks.core.model import TaskStatus
from pytest_ecs_tasks.core.service_model import ServiceSettings
from pytest_ecs_tasks.core.target_progress import TargetProblem
from pytest_ecs_tasks.core.traffic import Enrolment, Traffic


@dataclass(frozen=True, slots=True)
class ServiceUpdated:
    """UpdateService was called. ``deployment_id`` is that of the new deployment, ``None`` when there is to be none."""

    settings: ServiceSettings
    deployment_id: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceDeleted:
    """DeleteService was called, and may delete."""


@dataclass(frozen=True, slots=True)
class TasksStarted:
    """Tasks are there: their ids by the scheduler's numbers."""

    task_ids: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class TasksNotStarted:
    """Tasks could not even be asked for; ``reason`` is what RunTask said."""

    numbers: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class TaskChanged:
    """What is known of a task now. ``by_user``: it was StopTask that ended it; ``reason``: its ``stoppedReason``."""

    number: int
    last_status: TaskStatus
    desired_stopped: bool = False
    health: HealthStatus = HealthStatus.UNKNOWN
    health_checked: bool = False
    by_user: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ProtectionChanged:
    """A task is protected from scale-in until that moment, or no longer (``None``)."""

    number: int
    until: float | None


@dataclass(frozen=True, slots=True)
class TaskRegistered:
    """A task has been registered. ``problem`` is what could not be done."""

    number: int
    enrolment: Enrolment = field(default_factory=Enrolment)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TasksDeregistered:
    """Tasks are no longer registered anywhere: how many targets they were, by target group."""

    numbers: tuple[int, ...]
    targets: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetsChecked:
    """The targets that a task is have been checked; without a ``problem`` all of them have passed.

    One that is not ``made`` says nothing: it could not be told how to check them.
    """

    number: int
    problem: TargetProblem | None = None
    made: bool = True


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Time has passed."""


ServiceFact = (
    ServiceUpdated
    | ServiceDeleted
    | TasksStarted
    | TasksNotStarted
    | TaskChanged
    | ProtectionChanged
    | TaskRegistered
    | TasksDeregistered
    | TargetsChecked
    | TimePassed
)


@dataclass(frozen=True, slots=True)
class StartTasks:
    """Start one task for each number. Answered by :class:`TasksStarted` or :class:`TasksNotStarted`."""

    deployment_id: str
    numbers: tuple[int, ...]
    cause: str


@dataclass(frozen=True, slots=True)
class StopServiceTask:
    """Stop a task as StopTask does, with stop code ServiceSchedulerInitiated."""

    number: int
    task_id: str
    reason: str
    cause: str


@dataclass(frozen=True, slots=True)
class RegisterTask:
    """Register a task that runs as target and as instance. Answered by :class:`TaskRegistered`."""

    number: int
    task_id: str
    traffic: Traffic
    cause: str


@dataclass(frozen=True, slots=True)
class DeregisterTasks:
    """Register tasks no longer: their numbers and ids. Answered by :class:`TasksDeregistered`."""

    tasks: tuple[tuple[int, str], ...]
    cause: str


@dataclass(frozen=True, slots=True)
class CheckTargets:
    """Check the targets that a task is. Answered by :class:`TargetsChecked`."""

    number: int
    task_id: str
    cause: str


ServiceOrder = StartTasks | StopServiceTask | RegisterTask | DeregisterTasks | CheckTargets


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something that EventBridge is to hear of.

    With a ``deployment_id`` it is an ECS Deployment State Change, without one an ECS Service Action.
    """

    event_type: str
    event_name: str
    reason: str = ""
    deployment_id: str | None = None

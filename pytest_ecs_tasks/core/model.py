"""A task and its containers as they are now: frozen snapshots, and what follows from them.

Times are engine seconds (monotonic); :mod:`pytest_ecs_tasks.core.views` turns them into wall time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum

from pytest_ecs_tasks.core.health import HealthProgress, HealthStatus
from pytest_ecs_tasks.core.plan import ContainerPlan, TaskPlan
from pytest_ecs_tasks.core.spec import NetworkBinding


class TaskStatus(StrEnum):
    """``lastStatus`` of a task, in the order in which a task passes them."""

    PROVISIONING = "PROVISIONING"
    PENDING = "PENDING"
    ACTIVATING = "ACTIVATING"
    RUNNING = "RUNNING"
    DEACTIVATING = "DEACTIVATING"
    STOPPING = "STOPPING"
    DEPROVISIONING = "DEPROVISIONING"
    STOPPED = "STOPPED"


# What ``pendingTasksCount`` counts. Source: API, Cluster.
PENDING_STATUSES = frozenset({TaskStatus.PROVISIONING, TaskStatus.PENDING, TaskStatus.ACTIVATING})


class ContainerStatus(Enum):
    """The agent's own statuses of a container, in order. DescribeTasks shows PENDING, RUNNING and STOPPED only."""

    NONE = 0
    CREATED = 1
    RUNNING = 2
    STOPPED = 3

    def __ge__(self, other: ContainerStatus) -> bool:
        return bool(self.value >= other.value)

    def __lt__(self, other: ContainerStatus) -> bool:
        return bool(self.value < other.value)


class StopCode(StrEnum):
    """Why a task stopped: the API's ``stopCode``."""

    TASK_FAILED_TO_START = "TaskFailedToStart"
    ESSENTIAL_CONTAINER_EXITED = "EssentialContainerExited"
    USER_INITIATED = "UserInitiated"
    SERVICE_SCHEDULER_INITIATED = "ServiceSchedulerInitiated"


class Order(StrEnum):
    """The one order that may be under way for a container."""

    CREATE = "create"
    START = "start"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a task.

    ``exited`` says that its process is gone; the status becomes STOPPED only when its last log line has been delivered.
    ``incarnation`` counts starts, so that a late fact about an earlier life changes nothing.
    """

    plan: ContainerPlan
    status: ContainerStatus = ContainerStatus.NONE
    order: Order | None = None
    runtime_id: str | None = None
    incarnation: int = 0
    restart_count: int = 0
    created_at: float | None = None
    started_at: float | None = None
    last_restart_at: float | None = None
    finished_at: float | None = None
    exited: bool = False
    exit_code: int | None = None
    reason: str | None = None
    health: HealthProgress | None = None
    network_bindings: tuple[NetworkBinding, ...] = ()
    log_ordered: bool = False
    log_open: bool = False
    log_closing: bool = False
    inspections: int = 0
    inspect_at: float | None = None
    inspecting: bool = False
    restarting: bool = False
    kill_at: float | None = None
    signals: tuple[str, ...] = ()  # those that stopping has ordered
    foreign_signals: tuple[str, ...] = ()  # those that the test has sent

    @property
    def name(self) -> str:
        """The container's name in the task definition."""
        return self.plan.name

    @property
    def essential(self) -> bool:
        """Whether the task ends with it."""
        return self.plan.definition.essential

    @property
    def stopped(self) -> bool:
        """Whether it is STOPPED: its process is gone or never was, and its log is complete."""
        return self.status is ContainerStatus.STOPPED

    @property
    def ever_ran(self) -> bool:
        """Whether its process was ever started."""
        return self.started_at is not None

    @property
    def last_status(self) -> str:
        """DescribeTasks' word: PENDING, RUNNING or STOPPED."""
        if self.status < ContainerStatus.RUNNING:
            return "PENDING"
        return self.status.name

    @property
    def health_status(self) -> HealthStatus:
        """HEALTHY, UNHEALTHY or UNKNOWN; UNKNOWN without a health check in the task definition."""
        return self.health.status if self.health else HealthStatus.UNKNOWN


@dataclass(frozen=True, slots=True)
class SandboxState:
    """The holder of a network namespace: the task's own under awsvpc, one for each container under bridge."""

    runtime_id: str
    address: str | None = None
    mac_address: str | None = None
    aws_port: int | None = None


@dataclass(frozen=True, slots=True)
class ImageState:
    """An image that is on the engine."""

    image_id: str
    digest: str | None = None
    stop_signal: str | None = None
    environment_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Task:
    """One task: the plan, and everything that has happened to it."""

    plan: TaskPlan
    containers: tuple[Container, ...]
    created_at: float
    sandboxes: Mapping[str, SandboxState] = field(default_factory=dict)
    sandboxes_ordered: tuple[str, ...] = ()
    sandboxes_failed: tuple[str, ...] = ()
    last_status: TaskStatus = TaskStatus.PROVISIONING
    desired_stopped: bool = False
    version: int = 1
    stop_code: StopCode | None = None
    stopped_reason: str | None = None
    image_error: str | None = None  # the engine's words about an image that cannot be had
    hint: str = ""  # what the person at the keyboard can do about the failure
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    started_at: float | None = None
    execution_stopped_at: float | None = None
    stopping_at: float | None = None
    stopped_at: float | None = None
    images: Mapping[str, ImageState] = field(default_factory=dict)  # by reference, once it is here
    pulls_ordered: bool = False
    secrets_ordered: bool = False
    secrets_ready: bool = False
    volumes_ordered: bool = False
    volumes_ready: bool = False
    volumes_failed: bool = False
    volume_sources: Mapping[str, str] = field(
        default_factory=dict
    )  # names on the engine by names in the definition
    removal_requested: bool = False
    removal_ordered: bool = False
    removed: bool = False
    notes: tuple[str, ...] = ()

    def container(self, name: str) -> Container:
        """Return the container of that name; ``KeyError`` when there is none."""
        for container in self.containers:
            if container.name == name:
                return container
        raise KeyError(name)

    def with_container(self, changed: Container) -> Task:
        """Return the task with that container in place of its namesake."""
        return replace(
            self, containers=tuple(changed if each.name == changed.name else each for each in self.containers)
        )

    @property
    def desired_status(self) -> str:
        """RUNNING or STOPPED."""
        return "STOPPED" if self.desired_stopped else "RUNNING"

    @property
    def stopped(self) -> bool:
        """Whether ``lastStatus`` is STOPPED."""
        return self.last_status is TaskStatus.STOPPED

    @property
    def health_status(self) -> HealthStatus:
        """The aggregate over essential containers, as the API reference defines it.

        Any UNHEALTHY makes it UNHEALTHY, else any UNKNOWN makes it UNKNOWN, else it is HEALTHY.
        """
        statuses = {container.health_status for container in self.containers if container.essential}
        for status in (HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN):
            if status in statuses:
                return status
        return HealthStatus.HEALTHY if statuses else HealthStatus.UNKNOWN

    @property
    def is_healthy(self) -> bool:
        """Whether it is RUNNING and every container with a health check is HEALTHY (one that has exited counts as done)."""
        return self.last_status is TaskStatus.RUNNING and all(
            container.health is None or container.stopped or container.health_status is HealthStatus.HEALTHY
            for container in self.containers
        )

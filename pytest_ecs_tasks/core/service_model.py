"""A service, its deployments and its tasks as they are now: frozen snapshots, and what follows from them alone.

Times are engine seconds (monotonic); :mod:`pytest_ecs_tasks.core.service_views` turns them into wall time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pytest_ecs_tasks.core.health import HealthStatus
from pytest_ecs_tasks.core.model import TaskStatus
from pytest_ecs_tasks.core.target_progress import TargetProgress
from pytest_ecs_tasks.core.traffic import Traffic

EVENTS_KEPT = 100  # API: Service.events, "a maximum of 100 of the latest events"


class ServiceStatus(StrEnum):
    """``status`` of a service, in the order in which it passes them."""

    ACTIVE = "ACTIVE"
    DRAINING = "DRAINING"
    INACTIVE = "INACTIVE"


class DeploymentStatus(StrEnum):
    """``status`` of a deployment. One that is INACTIVE is no longer listed."""

    PRIMARY = "PRIMARY"
    ACTIVE = "ACTIVE"


class RolloutState(StrEnum):
    """``rolloutState`` of a deployment."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class Registration(StrEnum):
    """How far a task is in what leads traffic to it: target groups and service registries.

    One that is FAILED may be registered with some of them, and is tried again.
    """

    NONE = "NONE"
    ORDERED = "ORDERED"
    FAILED = "FAILED"
    REGISTERED = "REGISTERED"
    LEAVING = "LEAVING"
    OVER = "OVER"


class ThresholdType(StrEnum):
    """How the circuit breaker's threshold follows from its value."""

    BOUNDED_PERCENT = "BOUNDED_PERCENT"
    UNBOUNDED_PERCENT = "UNBOUNDED_PERCENT"
    COUNT = "COUNT"


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """``deploymentConfiguration.deploymentCircuitBreaker``."""

    enabled: bool = False
    rollback: bool = False
    reset_on_healthy_task: bool = True
    threshold_type: ThresholdType = ThresholdType.BOUNDED_PERCENT
    threshold_value: int = 50

    def threshold(self, desired_count: int) -> int:
        """Return how many failed tasks fail a deployment.

        Source: developer guide, deployment-circuit-breaker, "Failure threshold".
        """
        if self.threshold_type is ThresholdType.COUNT:
            return self.threshold_value
        share = math.ceil(desired_count * self.threshold_value / 100)
        if self.threshold_type is ThresholdType.UNBOUNDED_PERCENT:
            return share
        return min(max(share, 3), 200)


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the scheduler is, in seconds.

    ``settle_s`` is how long a task without a health check is RUNNING before it counts as healthy. After a failed start
    the next one waits ``retry_s``, then twice as long each time, ``retry_max_s`` at most. ``hurried`` says that an update
    of a service that the waiter ``services_stable`` calls stable finds its deployment COMPLETED.
    """

    settle_s: float
    retry_s: float
    retry_max_s: float
    hurried: bool = False

    def retry_delay(self, failures: int) -> float:
        """Return the seconds to wait after that many failed tasks in a row."""
        return min(self.retry_s * 2.0 ** min(failures - 1, 30), self.retry_max_s)


# 40 s: API, DeploymentConfiguration.minimumHealthyPercent. 27 minutes: developer guide, service-throttle-logic; how the
# time grows is not documented.
DECLARED_PACE = Pace(settle_s=40.0, retry_s=10.0, retry_max_s=27 * 60.0)
# A test should not wait; two seconds still tell an application that dies as it starts from one that runs.
FAST_PACE = Pace(settle_s=2.0, retry_s=0.25, retry_max_s=30.0, hurried=True)


@dataclass(frozen=True, slots=True)
class Revision:
    """What the tasks of one deployment are started from.

    ``details`` are the further members that the API shows in a deployment (``launchType``, ``networkConfiguration``, …).
    ``traffic`` are the members that lead traffic to its tasks, as the API shows them in the service.
    """

    task_definition: str
    details: Mapping[str, object] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=dict)

    @property
    def has_traffic(self) -> bool:
        """Whether its tasks are to be registered anywhere."""
        return any(self.traffic.values())


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What CreateService and UpdateService can say, as far as the scheduler acts on it.

    ``details`` are further members that DescribeServices returns as they were given.
    """

    revision: Revision
    desired_count: int
    minimum_healthy_percent: int = 100
    maximum_percent: int = 200
    circuit_breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    grace_period_s: float = 0.0
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def upper_limit(self) -> int:
        """How many tasks may be RUNNING or PENDING during a deployment. Source: API, maximumPercent."""
        return self.desired_count * self.maximum_percent // 100

    @property
    def lower_limit(self) -> int:
        """How many tasks must stay healthy during a deployment. Source: API, minimumHealthyPercent."""
        return -(-self.desired_count * self.minimum_healthy_percent // 100)


@dataclass(frozen=True, slots=True)
class Deployment:
    """One revision on its way to, or from, the service's desired count.

    ``failed_tasks`` is what the circuit breaker counts; ``failures_in_a_row`` paces new starts.
    """

    deployment_id: str
    revision: Revision
    created_at: float
    updated_at: float
    status: DeploymentStatus = DeploymentStatus.PRIMARY
    rollout_state: RolloutState = RolloutState.IN_PROGRESS
    rollout_reason: str = ""
    failed_tasks: int = 0
    failures_in_a_row: int = 0
    unstarted_in_a_row: int = 0  # of these, the ones that never were RUNNING
    retry_at: float = -math.inf
    said: frozenset[str] = frozenset()  # event messages that are not repeated


@dataclass(frozen=True, slots=True)
class ServiceTask:
    """One task of a service. ``number`` is the scheduler's own; ``task_id`` is known once the task is there."""

    number: int
    deployment_id: str
    task_id: str | None = None
    last_status: TaskStatus = TaskStatus.PROVISIONING
    health: HealthStatus = HealthStatus.UNKNOWN
    health_checked: bool = False
    desired_stopped: bool = False
    protected_until: float = -math.inf
    running_since: float | None = None
    was_healthy: bool = False
    replaces: bool = False  # it takes the place of an unhealthy one
    stop_reason: str | None = None  # why the scheduler stops it
    stop_sent: bool = False
    traffic: Traffic = field(default_factory=dict)  # where it is to be registered
    registration: Registration = Registration.NONE
    register_at: float = -math.inf  # not before
    failed_registrations: int = 0
    targets: TargetProgress | None = None  # once it is registered with load balancers

    @property
    def live(self) -> bool:
        """Whether it is to run: nobody has stopped it and nothing has ended it."""
        return not self.desired_stopped and self.stop_reason is None

    @property
    def expects_traffic(self) -> bool:
        """Whether it is registered somewhere, or soon will be: it is not stopped before that is over."""
        return self.registration in {
            Registration.ORDERED,
            Registration.FAILED,
            Registration.REGISTERED,
            Registration.LEAVING,
        }

    @property
    def is_redirected(self) -> bool:
        """Whether it is just being registered or deregistered."""
        return self.registration in {Registration.ORDERED, Registration.LEAVING}

    @property
    def awaits_traffic(self) -> bool:
        """Whether it is not registered yet where it is to be."""
        if not any(self.traffic.values()):
            return False
        return self.registration in {Registration.NONE, Registration.ORDERED, Registration.FAILED}

    @property
    def running(self) -> bool:
        """Whether it counts in ``runningCount``."""
        return self.last_status is TaskStatus.RUNNING

    @property
    def pending(self) -> bool:
        """Whether it counts in ``pendingCount``."""
        return self.last_status in {TaskStatus.PROVISIONING, TaskStatus.PENDING, TaskStatus.ACTIVATING}

    @property
    def counts(self) -> bool:
        """Whether its deployment still has it: it is neither STOPPING nor gone."""
        return self.running or self.last_status is TaskStatus.DEACTIVATING or (self.pending and self.live)

    def is_healthy(self, settle_s: float, now: float) -> bool:
        """Tell whether it counts towards the minimum healthy percent.

        Source: API, DeploymentConfiguration.minimumHealthyPercent.
        """
        if not self.live or not self.running or self.running_since is None or self.awaits_traffic:
            return False
        if self.targets is not None and not self.targets.healthy:
            return False
        if self.health_checked:
            return self.health is HealthStatus.HEALTHY
        if self.targets is not None:
            return True
        return now >= self.running_since + settle_s

    def is_unhealthy(self, grace_period_s: float, now: float) -> bool:
        """Tell whether the scheduler is to replace it for its health."""
        if not self.live or not self.running or self.running_since is None:
            return False
        return self.fails_checks and now >= self.running_since + grace_period_s

    @property
    def fails_checks(self) -> bool:
        """Whether its own health checks say UNHEALTHY, or those of a load balancer."""
        given_up = self.targets is not None and self.targets.unhealthy
        return given_up or self.health is HealthStatus.UNHEALTHY


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """One line of a service's event log."""

    number: int
    at: float
    message: str


@dataclass(frozen=True, slots=True)
class Service:
    """One service: what is asked of it, and everything that it has.

    ``deployments`` has the PRIMARY one first; ``events`` the latest first. ``completed`` is the deployment that a
    rollback returns to.
    """

    name: str
    arn: str
    cluster_arn: str
    settings: ServiceSettings
    created_at: float
    pace: Pace = FAST_PACE
    status: ServiceStatus = ServiceStatus.ACTIVE
    deployments: tuple[Deployment, ...] = ()
    completed: Deployment | None = None
    tasks: tuple[ServiceTask, ...] = ()
    events: tuple[ServiceEvent, ...] = ()
    events_written: int = 0
    next_number: int = 1
    steady: bool = False

    @property
    def primary(self) -> Deployment:
        """The deployment that the service is to become."""
        return self.deployments[0]

    @property
    def stalled(self) -> bool:
        """Whether it can become steady only by an update: its deployment has FAILED, or it is deleted."""
        if self.status is not ServiceStatus.ACTIVE:
            return True
        return self.primary.rollout_state is RolloutState.FAILED

    def tasks_of(self, deployment_id: str) -> tuple[ServiceTask, ...]:
        """Return the tasks of one deployment, oldest first."""
        return tuple(task for task in self.tasks if task.deployment_id == deployment_id)

    def find_task(self, number: int) -> ServiceTask | None:
        """Return the task of that number; ``None`` when it is gone."""
        return next((task for task in self.tasks if task.number == number), None)

    def find_deployment(self, deployment_id: str) -> Deployment | None:
        """Return the deployment of that id; ``None`` when it is no longer listed."""
        return next((each for each in self.deployments if each.deployment_id == deployment_id), None)

    def with_task(self, changed: ServiceTask) -> Service:
        """Return the service with that task in place of its namesake."""
        tasks = (changed if task.number == changed.number else task for task in self.tasks)
        return replace(self, tasks=tuple(tasks))

    def with_deployment(self, changed: Deployment) -> Service:
        """Return the service with that deployment in place of its namesake."""
        listed = (
            changed if each.deployment_id == changed.deployment_id else each for each in self.deployments
        )
        return replace(self, deployments=tuple(listed))

    def with_event(self, message: str, now: float) -> Service:
        """Return the service with one more line in its event log."""
        number = self.events_written + 1
        events = (ServiceEvent(number, now, message), *self.events)[:EVENTS_KEPT]
        return replace(self, events=events, events_written=number)

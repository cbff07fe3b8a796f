"""A service without an engine: its orders are written down, and the test says what becomes of its tasks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core.health import HealthStatus
from pytest_ecs_tasks.core.model import TaskStatus
from pytest_ecs_tasks.core.service_model import (
    CircuitBreaker,
    Pace,
    Revision,
    Service,
    ServiceSettings,
    ServiceTask,
)
from pytest_ecs_tasks.core.service_scheduler import ServiceStep, advance_service, create_service

PACE = Pace(settle_s=2, retry_s=1, retry_max_s=60)
ROLLBACK = CircuitBreaker(enabled=True, rollback=True)


def settings(revision: str = "web:1", desired_count: int = 1, **kwargs: object) -> ServiceSettings:
    """Return settings of a service that runs that task definition."""
    return ServiceSettings(Revision(revision), desired_count, **kwargs)  # type: ignore[arg-type]


class ServiceRun:
    """A service, its clock and the tasks that it has ordered. Ids are t1, t2, …; deployments are ecs-svc/1, ecs-svc/2, …."""

    def __init__(self, first: ServiceSettings, pace: Pace = PACE, *, start: bool = True) -> None:
        self.now = 0.0
        self.orders: list[facts.ServiceOrder] = []
        self.announcements: list[facts.Announcement] = []
        self.wake_at = math.inf
        self.health_checked = False
        self._start = start
        self._deployments = itertools.count(1)
        step = create_service(
            name="web",
            arn="arn:aws:ecs:us-east-1:123456789012:service/default/web",
            cluster_arn="arn:aws:ecs:us-east-1:123456789012:cluster/default",
            settings=first,
            deployment_id=self._deployment_id(),
            pace=pace,
            now=0.0,
        )
        self.service = step.service
        self._take(step)

    def _deployment_id(self) -> str:
        return f"ecs-svc/{next(self._deployments)}"

    def _take(self, step: ServiceStep) -> None:
        self.service, self.wake_at = step.service, step.wake_at
        self.orders += step.orders
        self.announcements += step.announcements
        for order in step.orders:
            if isinstance(order, facts.StartTasks) and self._start:
                self.post(facts.TasksStarted(tuple((number, f"t{number}") for number in order.numbers)))

    def post(self, fact: facts.ServiceFact) -> None:
        """Have the scheduler absorb a fact now."""
        self._take(advance_service(self.service, fact, self.now))

    def update(self, new: ServiceSettings, *, deploy: bool = True) -> None:
        """Call UpdateService, with a new deployment or without one."""
        self.post(facts.ServiceUpdated(new, self._deployment_id() if deploy else None))

    def run(self, *numbers: int, health: HealthStatus = HealthStatus.UNKNOWN) -> None:
        """Let tasks be RUNNING."""
        for number in numbers:
            self.post(
                facts.TaskChanged(
                    number, TaskStatus.RUNNING, health=health, health_checked=self.health_checked
                )
            )

    def settle(self, *numbers: int) -> None:
        """Let tasks be RUNNING for so long that they count as healthy."""
        self.run(*numbers)
        self.pass_time(PACE.settle_s)

    def exit(self, *numbers: int, reason: str = "", by_user: bool = False) -> None:
        """Let tasks end on their own."""
        for number in numbers:
            self.post(
                facts.TaskChanged(
                    number, TaskStatus.STOPPED, desired_stopped=True, reason=reason, by_user=by_user
                )
            )

    def end_stopped(self) -> None:
        """Let every task that was to be stopped be STOPPED."""
        for task in self.service.tasks:
            if task.stop_sent:
                self.exit(task.number)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with a tick wherever the scheduler asked for one."""
        until = self.now + seconds
        while self.wake_at <= until:
            self.now = max(self.now, self.wake_at)
            self.post(facts.TimePassed())
        self.now = until

    @property
    def started(self) -> list[int]:
        """The numbers of every task that was to be started."""
        starts = (order for order in self.orders if isinstance(order, facts.StartTasks))
        return [number for order in starts for number in order.numbers]

    @property
    def stopped(self) -> list[int]:
        """The numbers of every task that was to be stopped."""
        return [order.number for order in self.orders if isinstance(order, facts.StopServiceTask)]

    @property
    def live(self) -> list[int]:
        """The numbers of the tasks that are to run."""
        return [task.number for task in self.service.tasks if task.live]

    @property
    def messages(self) -> list[str]:
        """The event log, oldest first."""
        return [event.message for event in reversed(self.service.events)]

    @property
    def names(self) -> list[str]:
        """The names of what EventBridge was told."""
        return [each.event_name for each in self.announcements]

    def task(self, number: int) -> ServiceTask:
        """Return a task that is still there."""
        task = self.service.find_task(number)
        assert task is not None
        return task

    def states(self) -> list[tuple[str, str, str]]:
        """Return id, status and rollout state of each deployment."""
        return [
            (each.deployment_id, each.status.value, each.rollout_state.value)
            for each in self.service.deployments
        ]


def counting(tasks: Iterable[ServiceTask]) -> int:
    """Return how many of the tasks are not on their way out."""
    return sum(task.counts for task in tasks)


__all__ = ["PACE", "ROLLBACK", "Service", "ServiceRun", "counting", "settings"]

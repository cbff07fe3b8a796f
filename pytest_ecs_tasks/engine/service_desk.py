"""Where services live: each fact advances one of them at once, and a thread does what they order.

Whoever posts a fact gets the service as it is then, so that an API answer tells what the call has led to. Orders and
announcements are done in their order by the desk's own thread, which also tells services that time has passed.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core.model import StopCode, Task
from pytest_ecs_tasks.core.service_model import Pace, Service, ServiceSettings
from pytest_ecs_tasks.core.service_scheduler import ServiceStep, advance_service, create_service
from pytest_ecs_tasks.core.stop_reasons import FAILED_TO_START
from pytest_ecs_tasks.core.target_progress import TargetProblem
from pytest_ecs_tasks.core.traffic import Enrolment, Traffic
from pytest_ecs_tasks.engine.ports import Clock
from pytest_ecs_tasks.errors import EcsTaskError

THREAD_END_S = 60.0
CHECKS_AT_ONCE = 8

Announce = Callable[[Service, facts.Announcement, float], None]


class ServiceTasks(Protocol):
    """Runs and stops the tasks of services."""

    def start(self, service: Service, deployment_id: str, watch: Callable[[Task], None]) -> str:
        """Start one task and return its id; ``watch`` is called with the task at each change.

        Raises :class:`EcsTaskError` when there can be none.
        """
        ...

    def stop(self, task_id: str, reason: str) -> None:
        """Have a task stopped with that ``stoppedReason``, and return at once."""
        ...

    def register(self, service: Service, task_id: str, traffic: Traffic) -> Enrolment:
        """Lead traffic to a task and return what it is now. Raises what stands in the way."""
        ...

    def check_targets(self, task_id: str) -> TargetProblem | None:
        """Check the targets that a task is and return what is wrong with the first that fails; it may take its timeout."""
        ...

    def deregister(self, task_ids: Sequence[str]) -> Mapping[str, int]:
        """Lead traffic away from tasks; return how many targets they were, by target group. Raises nothing."""
        ...


@dataclass(slots=True)
class _Place:
    """One service at the desk."""

    service: Service
    wake_at: float = math.inf


@dataclass(frozen=True, slots=True)
class _Job:
    """Something that the desk's thread is to do for a service."""

    service: Service
    what: facts.ServiceOrder | facts.Announcement
    at: float


class ServiceDesk:
    """The services of one AWS. Costs nothing, not even its thread, until the first one is created."""

    def __init__(self, clock: Clock, tasks: ServiceTasks, announce: Announce) -> None:
        self._clock = clock
        self._tasks = tasks
        self._announce = announce
        self._changed = threading.Condition()
        self._places: dict[str, _Place] = {}
        self._jobs: deque[_Job] = deque()
        self._busy_with: str | None = None
        self._thread: threading.Thread | None = None
        self._checks: ThreadPoolExecutor | None = None
        self._closed = False

    def create(
        self,
        *,
        name: str,
        arn: str,
        cluster_arn: str,
        settings: ServiceSettings,
        deployment_id: str,
        pace: Pace,
    ) -> Service:
        """Take a new service on, in place of an INACTIVE one of that ARN, and return it."""
        now = self._clock.now()
        with self._changed:
            if self._closed:
                raise EcsTaskError(f"service '{name}' was created when its test was over")
            before = self._places.get(arn)
            step = create_service(
                name=name,
                arn=arn,
                cluster_arn=cluster_arn,
                settings=settings,
                deployment_id=deployment_id,
                pace=pace,
                now=now,
                # Tasks of the one before may still be STOPPING, and what they tell is told by number.
                first_number=before.service.next_number if before else 1,
            )
            self._places[arn] = _Place(step.service)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ecs-tasks/services", daemon=True)
                self._thread.start()
            self._take(step, now)
        return step.service

    def post(self, arn: str, fact: facts.ServiceFact) -> Service | None:
        """Have a service absorb a fact and return what it is then; ``None`` when there is no such service."""
        with self._changed:
            place = self._places.get(arn)
            if place is None or self._closed:
                return place.service if place else None
            now = self._clock.now()
            step = advance_service(place.service, fact, now)
            self._take(step, now)
            return step.service

    def find(self, arn: str) -> Service | None:
        """Return a service as it is now, INACTIVE ones too."""
        with self._changed:
            place = self._places.get(arn)
            return place.service if place else None

    def wait_until(self, arn: str, condition: Callable[[Service], bool], timeout_s: float) -> bool:
        """Block until the condition holds for a service and all that it has ordered and announced so far is done."""

        def holds() -> bool:
            place = self._places.get(arn)
            return place is not None and condition(place.service) and not self._is_busy_with(arn)

        with self._changed:
            return self._changed.wait_for(holds, timeout_s)

    def wait_for_traffic(self, timeout_s: float) -> None:
        """Block until no task is being registered or deregistered."""

        def is_settled() -> bool:
            tasks = (task for place in self._places.values() for task in place.service.tasks)
            return self._closed or not any(task.is_redirected for task in tasks)

        with self._changed:
            self._changed.wait_for(is_settled, timeout_s)

    def _is_busy_with(self, arn: str) -> bool:
        return self._busy_with == arn or any(job.service.arn == arn for job in self._jobs)

    def services(self) -> tuple[Service, ...]:
        """Return every service, in the order of their creation."""
        with self._changed:
            return tuple(place.service for place in self._places.values())

    def forget(self, arn: str) -> None:
        """Start and stop nothing more for a service; returns when nothing is under way. The tasks that it has stay."""
        with self._changed:
            self._places.pop(arn, None)
            self._jobs = deque(job for job in self._jobs if job.service.arn != arn)
            self._changed.wait_for(lambda: self._busy_with != arn, THREAD_END_S)

    def close(self) -> None:
        """Start and stop nothing more; returns when the thread has ended. The tasks that there are stay. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._jobs.clear()
            self._changed.notify_all()
            thread, checks = self._thread, self._checks
        if checks is not None:
            checks.shutdown(wait=False, cancel_futures=True)
        if thread is not None and thread is not threading.current_thread():
            thread.join(THREAD_END_S)

    def _take(self, step: ServiceStep, now: float) -> None:
        place = self._places[step.service.arn]
        place.service, place.wake_at = step.service, step.wake_at
        for what in (*step.announcements, *step.orders):
            self._jobs.append(_Job(step.service, what, now))
        self._changed.notify_all()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            self._do(job)

    def _do(self, job: _Job) -> None:
        match job.what:
            case facts.Announcement():
                with contextlib.suppress(Exception):  # who listens has no say in what services do
                    self._announce(job.service, job.what, job.at)
            case facts.StartTasks():
                self._start(job.service, job.what)
            case facts.StopServiceTask():
                with contextlib.suppress(EcsTaskError):  # it is gone, and its own last fact says so
                    self._tasks.stop(job.what.task_id, job.what.reason)
            case facts.RegisterTask():
                self._register(job.service, job.what)
            case facts.CheckTargets():
                self._check_in_background(job.service.arn, job.what)
            case facts.DeregisterTasks():
                numbers = tuple(number for number, _ in job.what.tasks)
                targets = self._tasks.deregister([task_id for _, task_id in job.what.tasks])
                self.post(job.service.arn, facts.TasksDeregistered(numbers, targets))

    def _next(self) -> _Job | None:
        """Wait for something to do, and tell the services that are due of the time meanwhile."""
        with self._changed:
            self._busy_with = None
            self._changed.notify_all()
            while not self._closed:
                if self._jobs:
                    job = self._jobs.popleft()
                    self._busy_with = job.service.arn
                    return job
                self._let_time_pass()
            return None

    def _let_time_pass(self) -> None:
        now = self._clock.now()
        due = min(self._places.values(), key=lambda place: place.wake_at, default=None)
        wait_s = math.inf if due is None else due.wake_at - now
        if due is None or wait_s > 0:
            self._changed.wait(None if math.isinf(wait_s) else wait_s)
        else:
            self._take(advance_service(due.service, facts.TimePassed(), now), now)

    def _start(self, service: Service, order: facts.StartTasks) -> None:
        started: list[tuple[int, str]] = []
        for number in order.numbers:
            if self._closed or service.arn not in self._places:
                break
            try:
                task_id = self._tasks.start(service, order.deployment_id, self._watch(service.arn, number))
            except Exception as error:  # noqa: BLE001 - whatever it is, the service's log is where it shows
                self.post(service.arn, facts.TasksNotStarted((number,), str(error)))
            else:
                started.append((number, task_id))
        if started:
            self.post(service.arn, facts.TasksStarted(tuple(started)))

    def _register(self, service: Service, order: facts.RegisterTask) -> None:
        try:
            enrolment = self._tasks.register(service, order.task_id, order.traffic)
        except Exception as error:  # noqa: BLE001 - whatever it is, the service's log is where it shows
            self.post(service.arn, facts.TaskRegistered(order.number, problem=str(error)))
        else:
            self.post(service.arn, facts.TaskRegistered(order.number, enrolment))

    def _check_in_background(self, arn: str, order: facts.CheckTargets) -> None:
        """Check targets on another thread: what does not answer must not hold up anything else."""

        def check() -> None:
            try:
                fact = facts.TargetsChecked(order.number, self._tasks.check_targets(order.task_id))
            except Exception:  # noqa: BLE001 - the AWS or the task is going; a check that was not made says nothing
                fact = facts.TargetsChecked(order.number, made=False)
            self.post(arn, fact)

        with self._changed:
            if self._closed:
                return
            if self._checks is None:
                self._checks = ThreadPoolExecutor(CHECKS_AT_ONCE, thread_name_prefix="ecs-tasks/targets")
            self._checks.submit(check)

    def _watch(self, arn: str, number: int) -> Callable[[Task], None]:
        def watch(task: Task) -> None:
            self.post(arn, task_changed(number, task))

        return watch


def task_changed(number: int, task: Task) -> facts.TaskChanged:
    """Return what the scheduler needs to know of a task."""
    return facts.TaskChanged(
        number,
        task.last_status,
        desired_stopped=task.desired_stopped,
        health=task.health_status,
        health_checked=any(each.plan.definition.health_check for each in task.containers if each.essential),
        by_user=task.stop_code is StopCode.USER_INITIATED,
        reason=_why(task),
    )


def _why(task: Task) -> str:
    """Return why a task stopped: in a container's own words where the task only says that it failed to start."""
    if task.stopped_reason == FAILED_TO_START:
        return next((each.reason for each in task.containers if each.reason), task.stopped_reason)
    return task.stopped_reason or ""

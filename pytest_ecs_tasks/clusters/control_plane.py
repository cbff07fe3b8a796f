"""The ECS of one AWS: the pure state machine of ``core.api``, with real tasks at its end."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Protocol, assert_never

from pytest_ecs_tasks.clusters.plane_services import PlaneServices, Publish, Watch
from pytest_ecs_tasks.clusters.plane_sessions import PlaneSessions
from pytest_ecs_tasks.clusters.plane_traffic import PlaneTraffic
from pytest_ecs_tasks.control import TaskControl
from pytest_ecs_tasks.core.api import calls, machine, services, tasks
from pytest_ecs_tasks.core.api.calls import ApiError, Call, Outcome
from pytest_ecs_tasks.core.api.names import ec2_instance_id
from pytest_ecs_tasks.core.api.project import Project
from pytest_ecs_tasks.core.api.state import EcsState
from pytest_ecs_tasks.core.model import StopCode, Task
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.service_model import FAST_PACE, Pace, Service
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.core.traffic import BALANCERS, REGISTRIES, Enrolment, Traffic
from pytest_ecs_tasks.endpoints.ecs_api import EcsApi, EcsApiServer
from pytest_ecs_tasks.engine.aws_ports import Names, ServiceRegistries, TargetGroups
from pytest_ecs_tasks.engine.ports import Clock
from pytest_ecs_tasks.engine.protection import Protection
from pytest_ecs_tasks.engine.system import RandomIds
from pytest_ecs_tasks.errors import EcsTaskError, UnsupportedFieldWarning
from pytest_ecs_tasks.task import EcsTask

REMOVAL_TIMEOUT_S = 60.0
REMOVALS_AT_ONCE = 8
ORDER_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Launched:
    """A task that runs."""

    control: TaskControl
    protection: Protection


RunTask = Callable[[RunTaskRequest, str, Watch | None], Launched]


class Place(Protocol):
    """The AWS that an ECS belongs to."""

    @property
    def region(self) -> str:
        """The region that a request is for that names none."""
        ...

    @property
    def account_id(self) -> str:
        """The account, 12 digits."""
        ...


class ControlPlane(EcsApi):
    """Answers ECS's requests, one at a time, and has their orders done outside of its lock.

    ``run`` starts a task under the id given. Costs nothing until it is used; every method may be called from any thread.
    """

    def __init__(
        self,
        place: Place,
        server: EcsApiServer,
        run: RunTask,
        clock: Clock,
        *,
        strict: bool = False,
        pace: Pace = FAST_PACE,
        publish: Publish = lambda event: None,
        target_groups: TargetGroups | None = None,
        registries: ServiceRegistries | None = None,
        find_gateway: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._place = place
        self._server = server
        self._run = run
        self._clock = clock
        self._project = Project()
        self._watch: Callable[[EcsTask], None] = lambda task: None
        self._strict = strict
        self._ids = RandomIds()
        self._lock = threading.RLock()
        self._started_one = threading.Condition(self._lock)
        self._states: dict[str, EcsState] = {}
        self._tasks: dict[str, Launched] = {}
        self._started: list[str] = []  # the ids of the tasks that end with this ECS
        self._url: str | None = None
        self._is_closed = False
        self._traffic = PlaneTraffic(target_groups, registries, find_gateway)
        self.services = PlaneServices(self, clock, pace, publish, self._traffic)
        self._sessions = PlaneSessions(clock)

    @property
    def url(self) -> str:
        """Where it is served, on loopback; it listens from now on."""
        with self._lock:
            if self._url is None:
                self._url = self._server.add(self)
            return self._url

    def call(self, operation: str, request: Mapping[str, Any], region: str | None) -> Mapping[str, object]:
        """Answer one request. Raises :class:`ApiError`."""
        region = region or self._place.region
        found = self._find_traffic(operation, request)
        with self._lock:
            self._check_open()
            call = replace(self._call(operation, request), **found)
            outcome = machine.answer(self._state(region), call)
            self._advise(outcome)
            self._states[region] = outcome.state
        told = self._perform(region, outcome)
        return {**self._complete(region, outcome), **told}

    @property
    def names(self) -> Names | None:
        """What makes the names of its services resolve in a task."""
        return self._traffic.names

    def describe_target_health(self, body: bytes, signature: str) -> tuple[int, bytes]:
        """Answer ELB's DescribeTargetHealth, which the ECS of an AWS answers for its tasks: status and body."""
        return self.services.describe_target_health(body, signature)

    def configure(self, project: Project, watch: Callable[[EcsTask], None]) -> None:
        """Have its tasks run as the project has them, and each told to ``watch`` when it is started."""
        with self._lock:
            self._project = project
            self._watch = watch

    def adopt(self, request: RunTaskRequest, launched: Launched) -> None:
        """Take in a task that a fixture has started, so that it can be described and stopped like any other."""
        task_id = launched.control.snapshot().plan.task_id
        with self._lock:
            self._tasks[task_id] = launched
            state = self._state(request.region)
            self._states[request.region] = tasks.adopt(state, task_id, request, self._clock.wall())

    def let_go(self) -> Sequence[EcsTask]:
        """Return the tasks that it has started; they no longer end with it, and no service replaces them."""
        self.services.reset()
        with self._lock:
            started, self._started = self._started, []
            return [EcsTask(self._tasks[task_id].control) for task_id in started if task_id in self._tasks]

    def reset(self) -> None:
        """End the tasks that it has started, and forget everything."""
        self._sessions.close()
        self.services.reset()  # first: a service would replace every task that ends
        with self._lock:
            started, self._started = self._started, []
            self._states = {}
            ended = [self._tasks[task_id].control for task_id in started if task_id in self._tasks]
            self._tasks = {}
        self._traffic.deregister_all()
        remove_all(ended)

    def close(self) -> None:
        """End the tasks that it has started; returns when nothing of them is left. Safe to call twice."""
        with self._lock:
            self._is_closed = True
        self._server.remove(self)
        self.reset()
        self.services.close()
        self._sessions.close(for_good=True)

    def run_service_task(self, service: Service, deployment_id: str, watch: Watch) -> tuple[str, Protection]:
        """Run one task of a service and return its id and protection.

        Raises :class:`ApiError` or :class:`EcsTaskError`.
        """
        region = service.arn.split(":")[3]
        with self._lock:
            self._check_open()
            call = self._call("RunTask", {})
            outcome = services.start_service_task(self._state(region), call, service, deployment_id)
            self._states[region] = outcome.state
        (order,) = (each for each in outcome.effects if isinstance(each, calls.StartTask))
        launched = self._start(region, order, outcome, watch)
        return order.task_id, launched.protection

    def service_tasks(self, arn: str) -> list[TaskControl]:
        """Return every task that a service has had, oldest first."""
        group, cluster = f"service:{arn.rpartition('/')[2]}", arn.split("/")[1]
        with self._lock:
            records = self._state(arn.split(":")[3]).tasks.values()
            ours = [each for each in records if (each.request.group, each.cluster) == (group, cluster)]
            return [self._tasks[each.task_id].control for each in ours if each.task_id in self._tasks]

    def end_service(self, arn: str) -> None:
        """Kill and remove everything of a service at once; its tasks can still be described."""
        self.services.desk.forget(arn)
        tasks = self.service_tasks(arn)
        self._traffic.deregister([task.snapshot().plan.task_id for task in tasks])
        remove_all(tasks)

    def register_task(self, service: Service, task_id: str, traffic: Traffic) -> Enrolment:
        """Register a task of a service and return what it is now. Raises what stands in the way."""
        region, cluster = service.arn.split(":")[3], service.cluster_arn.rpartition("/")[2]
        with self._lock:
            launched = self._launched(task_id)
            instance_id = ec2_instance_id(self._state(region), cluster)
        return self._traffic.register(launched.control, traffic, service.name, instance_id)

    def stop_task(self, task_id: str, reason: str, stop_code: StopCode) -> None:
        """Have a task stopped, and return at once; one that is gone is stopped."""
        with self._lock:
            launched = self._tasks.get(task_id)
        if launched is not None:
            launched.control.stop(reason, stop_code=stop_code)

    def _check_open(self) -> None:
        if self._is_closed:
            words = "this ECS is gone: the fixture or test that its AWS belonged to has ended"
            raise ApiError("ServerException", words, status=500)

    def _state(self, region: str) -> EcsState:
        if region not in self._states:
            self._states[region] = EcsState(region, self._place.account_id)
        return self._states[region]

    def _call(self, operation: str, request: Mapping[str, Any]) -> Call:
        # Fixed for the call: two times in one answer must not drift apart.
        offset = self._clock.wall() - self._clock.now()
        return Call(
            operation=operation,
            request=request,
            now=self._clock.wall(),
            new_id=self._ids.task_id,
            find_task=self._find_task,
            wall=lambda moment: offset + moment,
            find_protection=lambda task_id: self._find_protection(task_id, offset),
            project=self._project,
            services=self.services.by_arn(),
        )

    def _find_traffic(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the AWS has of what leads traffic to a service. Raises :class:`ApiError`."""
        if operation not in ("CreateService", "UpdateService"):
            return {}
        try:
            return {
                "target_groups": self._traffic.find_groups(_arns(request, BALANCERS, "targetGroupArn")),
                "registries": self._traffic.find_registries(_arns(request, REGISTRIES, "registryArn")),
            }
        except Exception as error:
            raise ApiError("ServerException", f"{operation}: {error}", status=500) from error

    def _find_task(self, task_id: str) -> Task | None:
        launched = self._tasks.get(task_id)
        return launched.control.snapshot() if launched is not None else None

    def _find_protection(self, task_id: str, offset: float) -> float | None:
        launched = self._tasks.get(task_id)
        until = launched.protection.expires_at() if launched is not None else None
        return None if until is None else offset + until

    def _advise(self, outcome: Outcome) -> None:
        """Warn of what is not emulated. Raises :class:`ApiError` where that is an error, and so before anything is changed."""
        for effect in outcome.effects:
            if isinstance(effect, calls.Advise):
                advise(effect.definition, strict=self._strict)

    def _perform(self, region: str, outcome: Outcome) -> Mapping[str, object]:
        """Do what a request has asked for; return the members of the answer that only the doing could tell."""
        told: dict[str, object] = {}
        for effect in outcome.effects:
            match effect:
                case calls.StartTask():
                    self._start(region, effect, outcome)
                case calls.StopTask():
                    self._stop(effect)
                case calls.ProtectTask():
                    self._protect(effect)
                case calls.Advise():
                    pass  # it has been given before
                case calls.CreateService() | calls.TellService():
                    self.services.perform(effect)
                case calls.OpenSession():
                    told["session"] = self._sessions.open(effect, self._launched(effect.task_id).control)
                case _:
                    assert_never(effect)
        return told

    def _start(
        self, region: str, effect: calls.StartTask, outcome: Outcome, observe: Watch | None = None
    ) -> Launched:
        try:
            launched = self._run(effect.request, effect.task_id, observe)
        except (EcsTaskError, Warning) as error:
            self._forget_unstarted(region, outcome)
            raise ApiError("ClientException", str(error)) from error
        with self._lock:
            self._tasks[effect.task_id] = launched
            self._started.append(effect.task_id)
            self._started_one.notify_all()
            watch, is_late = self._watch, self._is_closed
        if is_late:
            launched.control.remove(REMOVAL_TIMEOUT_S)
            self._check_open()
        watch(EcsTask(launched.control))
        return launched

    def _stop(self, effect: calls.StopTask) -> None:
        control = self._launched(effect.task_id).control
        self.services.lead_away(effect.task_id)
        control.stop(effect.reason)
        # The answer shows the task as it is once the order has arrived.
        control.wait_until(lambda: control.snapshot().desired_stopped, ORDER_TIMEOUT_S)

    def _protect(self, effect: calls.ProtectTask) -> None:
        offset = self._clock.wall() - self._clock.now()
        until = None if effect.until is None else effect.until - offset
        self._launched(effect.task_id).protection.set(until)

    def _launched(self, task_id: str) -> Launched:
        """Return a task that runs. Raises :class:`ApiError` when all was forgotten meanwhile."""
        with self._lock:
            self._check_open()
            launched = self._tasks.get(task_id)
        if launched is None:
            raise ApiError("ServerException", f"task {task_id} was forgotten meanwhile", status=500)
        return launched

    def _forget_unstarted(self, region: str, outcome: Outcome) -> None:
        with self._lock:
            asked = [each.task_id for each in outcome.effects if isinstance(each, calls.StartTask)]
            missing = tuple(task_id for task_id in asked if task_id not in self._tasks)
            if region in self._states:
                self._states[region] = self._states[region].without_tasks(missing)
            self._started_one.notify_all()

    def _complete(self, region: str, outcome: Outcome) -> Mapping[str, object]:
        later = outcome.later
        if later is None:
            return outcome.answer
        with self._lock:
            call = self._call("", {})
            if isinstance(later, calls.LaterService):
                view = services.show_service(self._state(region), call, later.arn)
                return {**outcome.answer, later.member: view}
            self._wait_until_started(region, later.task_ids)
            found = [tasks.describe(self._state(region), task_id, call) for task_id in later.task_ids]
        shown = [each for each in found if each is not None]  # a reset may have come between
        if later.many:
            return {**outcome.answer, later.member: shown}
        return {**outcome.answer, later.member: shown[0]} if shown else outcome.answer

    def _wait_until_started(self, region: str, task_ids: Sequence[str]) -> None:
        """Wait for tasks that another request with the same ``clientToken`` is starting; the lock is held."""
        asked = set(task_ids)
        self._started_one.wait_for(
            lambda: not (asked & set(self._state(region).tasks)) - set(self._tasks), REMOVAL_TIMEOUT_S
        )


def _arns(request: Mapping[str, Any], member: str, key: str) -> list[str]:
    """Return the ARNs in a list of a request that nobody has checked yet."""
    entries = request.get(member)
    found = (
        entry.get(key) for entry in (entries if isinstance(entries, list) else ()) if isinstance(entry, dict)
    )
    return [arn for arn in found if isinstance(arn, str)]


def advise(definition: TaskDefinition, *, strict: bool) -> None:
    """Warn of each field that is not emulated. Raises :class:`ApiError` under ``ecs_strict``, or where warnings are errors."""
    source = definition.source
    if strict:
        fields = "".join(f"\n  {problem}" for problem in definition.unsupported)
        raise calls.client_error(f"{source} has fields that are not emulated (ecs_strict):{fields}")
    for problem in definition.unsupported:
        try:
            warnings.warn_explicit(f"{source}: {problem}", UnsupportedFieldWarning, source, 1)
        except UnsupportedFieldWarning as error:
            raise calls.client_error(str(error)) from error


def remove_all(controls: Sequence[TaskControl]) -> None:
    """Kill and remove tasks, several at a time; returns when nothing of them is left."""
    if not controls:
        return
    with ThreadPoolExecutor(REMOVALS_AT_ONCE, thread_name_prefix="ecs-tasks/remove") as pool:
        removals = [pool.submit(control.remove, REMOVAL_TIMEOUT_S) for control in controls]
    for removal in removals:
        removal.result()

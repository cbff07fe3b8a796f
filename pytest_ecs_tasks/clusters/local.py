"""The local cluster: this machine's container engine, with AWS played by moto. The composition root."""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ecs_tasks.clusters.engine_room import EngineRoom
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.events import Event
from pytest_ecs_tasks.core.health import HealthMode
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.views import state_change_event
from pytest_ecs_tasks.engine.local_task import LocalTask, wall_time
from pytest_ecs_tasks.engine.performer import Performer, Tools
from pytest_ecs_tasks.engine.ports import AwsServices, Clock
from pytest_ecs_tasks.engine.supervisor import Supervisor
from pytest_ecs_tasks.engine.system import RandomIds, SystemClock
from pytest_ecs_tasks.task import EcsTask

if TYPE_CHECKING:
    from pytest_ecs_tasks.aws.handle import Aws, AwsFactory

CALLS_IN_FLIGHT = min(8, 2 * (os.cpu_count() or 1))
REMOVAL_TIMEOUT_S = 60.0


class LocalCluster:
    """Runs tasks on this machine's container engine. Making one costs nothing and contacts nobody."""

    def __init__(
        self,
        settings: LocalSettings,
        *,
        environ: Mapping[str, str],
        progress: Callable[[str], None] = lambda message: None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._environ = dict(environ)
        self._progress = progress
        self._clock = clock or SystemClock()
        self._ids = RandomIds()
        self._run_id = uuid.uuid4().hex[:12]
        self._lock = threading.Lock()
        self._room: Future[EngineRoom] | None = None
        self._aws_factory: AwsFactory | None = None
        self._supervisor = Supervisor(self._clock)
        self._pool = ThreadPoolExecutor(CALLS_IN_FLIGHT, thread_name_prefix="ecs-tasks/order")
        self._tasks: dict[str, LocalTask] = {}
        self._kept: list[str] = []
        self._closed = False

    @property
    def run_id(self) -> str:
        """What every object of this run is labelled with."""
        return self._run_id

    def warm_up(self) -> None:
        """Begin to prepare engine, guard, network, sandboxes and moto in the background; returns at once."""
        self._room_future()
        self._factory().start()
        threading.Thread(target=self._factory().warm, name="ecs-tasks/warm up boto3", daemon=True).start()

    def require_engine(self) -> None:
        """Wait until the engine has answered. Raises :class:`~pytest_ecs_tasks.errors.EngineUnavailable`."""
        self.room()

    def room(self) -> EngineRoom:
        """Return the engine and what this run has on it, prepared."""
        return self._room_future().result()

    def describe_engine(self) -> str:
        """Return the engine's name, version, place and where the choice came from."""
        return self.room().description

    @property
    def network(self) -> NetworkHandle:
        """The network that tasks join, as testcontainers' ``with_network()`` takes it."""
        facts = self.room().network
        return NetworkHandle(facts.network_id, facts.name)

    def new_aws(self, *, region: str | None = None, account_id: str | None = None) -> Aws:
        """Make an AWS of its own; it costs nothing until it is used."""
        return self._factory().new(region=region, account_id=account_id)

    def run_task(self, request: RunTaskRequest, aws: Aws) -> EcsTask:
        """Start a task and return at once."""
        from pytest_ecs_tasks.aws.services import BotoServices

        return self.start(request, BotoServices(aws))

    def start(self, request: RunTaskRequest, services: AwsServices) -> EcsTask:
        """Start a task with the given AWS and return at once."""
        self._supervisor.check()
        room = self.room()
        plan = make_plan(
            request,
            task_id=self._ids.task_id(),
            health_mode=HealthMode(self._settings.health),
            publish_ip=room.publish_ip,
        )
        performer = Performer(
            plan, self._tools(room), services, lambda event: self._post(plan.task_id, event)
        )
        changes: list[Mapping[str, object]] = []

        def publish(task: Task, now: float) -> None:
            event = self._state_change(task, now)
            changes.append(event)
            services.state_changed(event)

        entry = self._supervisor.submit(plan, performer.perform, publish)
        performer.announce_logs_to(entry.changed)
        control = LocalTask(
            entry, performer, self._supervisor, self._tools(room), changes=changes, host=room.host
        )
        self._tasks[plan.task_id] = control
        return EcsTask(control)

    def keep(self, task: EcsTask) -> None:
        """Leave a task's containers on the engine when the run ends."""
        arn = task.arn
        control = self._tasks.pop(arn.rpartition("/")[2], None)
        if control is not None:
            self._kept.append(arn)
            self.room().keep()

    @property
    def kept(self) -> Sequence[str]:
        """The ARNs of the tasks whose containers stay."""
        return tuple(self._kept)

    @property
    def swept(self) -> Sequence[str]:
        """What dead runs had left, in words."""
        room = self._room
        return room.result().swept if room is not None and room.done() and not room.exception() else ()

    def close(self) -> None:
        """End every task and remove everything that this run has made. Safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._room is not None:
            self._close_room(self._room)
        self._supervisor.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._aws_factory is not None:
            self._aws_factory.close()

    def _close_room(self, future: Future[EngineRoom]) -> None:
        try:
            room = future.result()
        except Exception:  # noqa: BLE001 - nothing was prepared, so there is nothing to close; the test saw the error
            return
        for control in list(self._tasks.values()):
            with contextlib.suppress(Exception):  # the sweep below removes what this one could not
                control.remove(REMOVAL_TIMEOUT_S)
        room.close()

    def _tools(self, room: EngineRoom) -> Tools:
        return Tools(
            runtime=room.runtime,
            sandboxes=room.sandboxes,
            images=room.images,
            watcher=room.watcher,
            clock=self._clock,
            pool=self._pool,
            labels=room.labels,
            strict=self._settings.strict,
            keep_engine_logs=self._settings.keep != "never",
        )

    def _post(self, task_id: str, event: Event) -> None:
        self._supervisor.post(task_id, event)

    def _state_change(self, task: Task, now: float) -> Mapping[str, object]:
        return state_change_event(
            task,
            wall=lambda moment: wall_time(self._clock, moment),
            event_id=self._ids.uuid(),
            at=now,
        )

    def _factory(self) -> AwsFactory:
        from pytest_ecs_tasks.aws.handle import AwsFactory

        with self._lock:
            if self._aws_factory is None:
                url = None if self._settings.aws == "server" else self._settings.aws
                self._aws_factory = AwsFactory(
                    url=url, region=self._settings.region, account_id=self._settings.account_id
                )
            return self._aws_factory

    def _room_future(self) -> Future[EngineRoom]:
        with self._lock:
            if self._room is None:
                self._room = Future()
                threading.Thread(
                    target=self._prepare, args=(self._room,), name="ecs-tasks/prepare engine", daemon=True
                ).start()
            return self._room

    def _prepare(self, future: Future[EngineRoom]) -> None:
        try:
            room = EngineRoom(self._settings, self._environ, self._run_id, self._progress)
            room.open()
        except BaseException as error:  # noqa: BLE001 - whoever waits for the engine gets it
            future.set_exception(error)
            return
        future.set_result(room)
        room.warm_up()


@dataclass(frozen=True, slots=True)
class NetworkHandle:
    """The run's network: ``id`` and ``name`` as testcontainers' ``Network`` has them."""

    id: str
    name: str

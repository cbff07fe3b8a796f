"""The local cluster: this machine's container engine, with AWS played by moto. The composition root."""

from __future__ import annotations

import contextlib
import os
import threading
import uuid
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from pytest_ecs_tasks.clusters.control_plane import ControlPlane, Launched
from pytest_ecs_tasks.clusters.engine_room import EngineRoom
from pytest_ecs_tasks.clusters.log_drivers import settle_log_drivers
from pytest_ecs_tasks.clusters.platforms import report_platform
from pytest_ecs_tasks.clusters.registry import Registry, RegistryImages
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.events import Event
from pytest_ecs_tasks.core.health import HealthMode
from pytest_ecs_tasks.core.metadata import Surroundings
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.plan import TaskPlan, make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.service_model import DECLARED_PACE, FAST_PACE
from pytest_ecs_tasks.core.views import state_change_event
from pytest_ecs_tasks.endpoints.ecs_api import EcsApiServer
from pytest_ecs_tasks.endpoints.task_endpoints import LocalEndpoints
from pytest_ecs_tasks.endpoints.view import TaskView
from pytest_ecs_tasks.engine.aws_ports import AwsServices, TaskEndpoints
from pytest_ecs_tasks.engine.belongings import Tools
from pytest_ecs_tasks.engine.local_task import LocalTask, wall_time
from pytest_ecs_tasks.engine.performer import Performer
from pytest_ecs_tasks.engine.ports import Clock
from pytest_ecs_tasks.engine.protection import Protection
from pytest_ecs_tasks.engine.supervisor import Supervisor, Watch
from pytest_ecs_tasks.engine.system import RandomIds, SystemClock
from pytest_ecs_tasks.errors import EcsTaskError
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
        self._registries: list[Registry] = []
        self._planes: weakref.WeakSet[ControlPlane] = weakref.WeakSet()
        self._ecs_server = EcsApiServer()
        self._closed = False

    @property
    def run_id(self) -> str:
        """What every object of this run is labelled with."""
        return self._run_id

    def warm_up(self, *, aws: bool = True) -> None:
        """Begin to prepare engine, guard, network, sandboxes and, with ``aws``, moto and boto3; returns at once."""
        self._room_future()
        if aws:
            self._factory().start()
            threading.Thread(target=self._warm_boto3, name="ecs-tasks/warm up boto3", daemon=True).start()

    def _warm_boto3(self) -> None:
        # Whoever uses it first sees what is wrong. A test that puts sys.modules back meanwhile is nobody's fault.
        with contextlib.suppress(Exception):
            self._factory().warm()

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
        return self._factory().new(region=region, account_id=account_id, make_ecs=self._make_ecs)

    def run_task(self, request: RunTaskRequest, aws: Aws) -> EcsTask:
        """Start a task and return at once; the ECS of that AWS knows it."""
        launched = self._launch_for(aws, request, self._ids.task_id())
        if isinstance(aws.ecs, ControlPlane):
            aws.ecs.adopt(request, launched)
        return EcsTask(launched.control)

    def start(self, request: RunTaskRequest, services: AwsServices) -> EcsTask:
        """Start a task with the given AWS and return at once."""
        return EcsTask(self._launch(request, services, self._ids.task_id()).control)

    def _make_ecs(self, aws: Aws) -> ControlPlane:
        from pytest_ecs_tasks.aws.cloud_map import CloudMap
        from pytest_ecs_tasks.aws.target_groups import ElbTargetGroups

        declared = HealthMode(self._settings.health) is HealthMode.DECLARED
        plane = ControlPlane(
            aws,
            self._ecs_server,
            partial(self._launch_for, aws),
            self._clock,
            strict=self._settings.strict,
            pace=DECLARED_PACE if declared else FAST_PACE,
            publish=aws.record_event,
            target_groups=ElbTargetGroups(lambda: aws.endpoint_url),
            registries=CloudMap(aws.api),
            find_gateway=lambda: self.room().network.gateway,
        )
        self._planes.add(plane)
        return plane

    def add_registry(self, aws: Aws, *, image: str | None = None) -> Registry:
        """Give an AWS a registry, if it has none, whose names its tasks pull; nothing is started until it is used.

        ``image`` is the registry's own to run where no program for it is installed.
        """
        with self._lock:
            if not isinstance(aws.registry, Registry):
                aws.registry = Registry(aws, self.room, self._environ, image=image)
                self._registries.append(aws.registry)
            return aws.registry

    def _launch_for(
        self, aws: Aws, request: RunTaskRequest, task_id: str, watch: Watch | None = None
    ) -> Launched:
        from pytest_ecs_tasks.aws.services import BotoServices

        return self._launch(request, BotoServices(aws), task_id, watch, registry=aws.registry, ecs=aws.ecs)

    def _launch(
        self,
        request: RunTaskRequest,
        services: AwsServices,
        task_id: str,
        watch: Watch | None = None,
        *,
        registry: object = None,
        ecs: object = None,
    ) -> Launched:
        if self._closed:
            raise EcsTaskError("this run is over")
        self._supervisor.check()
        room = self.room()
        plan = make_plan(
            request,
            task_id=task_id,
            health_mode=HealthMode(self._settings.health),
            publish_ip=room.publish_ip,
        )
        report_platform(plan, room.runtime, strict=self._settings.strict)
        plan = settle_log_drivers(plan, room.runtime, strict=self._settings.strict)
        protection = Protection(self._clock)
        tools = self._tools(room)
        if isinstance(registry, Registry):
            registry.prepare(plan.images)
            tools = replace(tools, images=RegistryImages(tools.images, registry))
        if isinstance(ecs, ControlPlane):
            tools = replace(tools, names=ecs.names)
        performer = Performer(
            plan,
            tools,
            services,
            self._endpoints(plan, room, services, protection),
            lambda event: self._post(plan.task_id, event),
        )
        changes: list[Mapping[str, object]] = []

        def publish(task: Task, now: float) -> None:
            event = self._state_change(task, now)
            changes.append(event)
            services.state_changed(event)

        entry = self._supervisor.submit(plan, performer.perform, publish, watch=watch)
        performer.announce_logs_to(entry.changed)
        control = LocalTask(
            entry, performer, self._supervisor, self._tools(room), changes=changes, host=room.host
        )
        self._tasks[plan.task_id] = control
        return Launched(control, protection)

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
        self._ecs_server.close()  # first, so that nothing is started any more
        for plane in tuple(self._planes):
            plane.services.close()
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
        for registry in self._registries:
            with contextlib.suppress(Exception):  # one whose AWS nobody has ended
                registry.close()
        room.close()

    def _tools(self, room: EngineRoom) -> Tools:
        return Tools(
            runtime=room.runtime,
            sandboxes=room.sandboxes,
            images=room.images,
            watcher=room.watcher,
            volumes=room.volumes,
            clock=self._clock,
            pool=self._pool,
            labels=room.labels,
            strict=self._settings.strict,
            keep_engine_logs=self._settings.keep != "never",
        )

    def _endpoints(
        self, plan: TaskPlan, room: EngineRoom, services: AwsServices, protection: Protection
    ) -> TaskEndpoints:
        # Fixed for the task: its documents must not tell another time at each request.
        offset = self._clock.wall() - self._clock.now()
        around = Surroundings(
            lambda moment: datetime.fromtimestamp(offset + moment, UTC),
            room.network.subnet,
            room.network.gateway,
        )
        view = TaskView(plan, lambda: self._supervisor.snapshot(plan.task_id), around)
        endpoints = LocalEndpoints(
            view,
            services,
            self._clock,
            sample=room.runtime.container_statistics,
            credentials_id=self._ids.uuid(),
            protection=protection,
        )
        endpoints.begin()
        return endpoints

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
                aws = self._settings.aws
                self._aws_factory = AwsFactory(
                    url=aws if "://" in aws else None,
                    in_process=aws == "in-process",
                    region=self._settings.region,
                    account_id=self._settings.account_id,
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

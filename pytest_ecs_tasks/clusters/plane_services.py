"""The services of one ECS: the scheduler's desk, with the control plane's tasks at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from pytest_ecs_tasks.clusters.plane_traffic import PlaneTraffic
from pytest_ecs_tasks.core.api import calls
from pytest_ecs_tasks.core.api.calls import ApiError
from pytest_ecs_tasks.core.model import StopCode, Task
from pytest_ecs_tasks.core.service_facts import Announcement, ProtectionChanged, TasksDeregistered
from pytest_ecs_tasks.core.service_model import Pace, Service
from pytest_ecs_tasks.core.service_views import service_event
from pytest_ecs_tasks.core.target_progress import TargetProblem
from pytest_ecs_tasks.core.traffic import Enrolment, Traffic
from pytest_ecs_tasks.engine.ports import Clock
from pytest_ecs_tasks.engine.protection import Protection
from pytest_ecs_tasks.engine.service_desk import ServiceDesk
from pytest_ecs_tasks.engine.system import RandomIds
from pytest_ecs_tasks.errors import EcsTaskError

TRAFFIC_TIMEOUT_S = 10.0

Watch = Callable[[Task], None]
Publish = Callable[[Mapping[str, object]], None]


class ServiceHost(Protocol):
    """Runs the tasks of services: the control plane."""

    def run_service_task(self, service: Service, deployment_id: str, watch: Watch) -> tuple[str, Protection]:
        """Run one task of a deployment and return its id and its protection.

        Raises :class:`ApiError` or :class:`EcsTaskError`.
        """
        ...

    def stop_task(self, task_id: str, reason: str, stop_code: StopCode) -> None:
        """Have a task stopped, and return at once."""
        ...

    def register_task(self, service: Service, task_id: str, traffic: Traffic) -> Enrolment:
        """Register a task and return what it is now. Raises what stands in the way."""
        ...


class PlaneServices:
    """Every service of one ECS. Costs nothing until the first one is created."""

    def __init__(
        self, host: ServiceHost, clock: Clock, pace: Pace, publish: Publish, traffic: PlaneTraffic
    ) -> None:
        self._host = host
        self._traffic = traffic
        self._clock = clock
        self._pace = pace
        self._publish = publish
        self._ids = RandomIds()
        self._lock = threading.Lock()
        self._desk = ServiceDesk(clock, self, self._announce)

    @property
    def desk(self) -> ServiceDesk:
        """Where the services live now; another one after :meth:`reset`."""
        return self._desk

    def by_arn(self) -> Mapping[str, Service]:
        """Return every service as it is now."""
        return {service.arn: service for service in self._desk.services()}

    def perform(self, effect: calls.CreateService | calls.TellService) -> None:
        """Do what a request has asked of a service."""
        match effect:
            case calls.CreateService():
                self._desk.create(
                    name=effect.name,
                    arn=effect.arn,
                    cluster_arn=effect.cluster_arn,
                    settings=effect.settings,
                    deployment_id=effect.deployment_id,
                    pace=self._pace,
                )
            case calls.TellService():
                self._desk.post(effect.arn, effect.fact)

    def start(self, service: Service, deployment_id: str, watch: Watch) -> str:
        """Start one task; part of what the desk asks of its tasks."""
        try:
            task_id, protection = self._host.run_service_task(service, deployment_id, watch)
        except ApiError as error:
            raise EcsTaskError(error.message) from error
        protection.watch(lambda until: self._protect(service.arn, task_id, until))
        return task_id

    def stop(self, task_id: str, reason: str) -> None:
        """Have a task stopped; part of what the desk asks of its tasks."""
        self._host.stop_task(task_id, reason, StopCode.SERVICE_SCHEDULER_INITIATED)

    def register(self, service: Service, task_id: str, traffic: Traffic) -> Enrolment:
        """Register a task; part of what the desk asks of its tasks."""
        return self._host.register_task(service, task_id, traffic)

    def check_targets(self, task_id: str) -> TargetProblem | None:
        """Check the targets that a task is; part of what the desk asks of its tasks."""
        return self._traffic.find_problem(task_id)

    def deregister(self, task_ids: Sequence[str]) -> Mapping[str, int]:
        """Register tasks no longer; part of what the desk asks of its tasks."""
        return self._traffic.deregister(task_ids)

    def lead_away(self, task_id: str) -> None:
        """Register a task no longer that somebody is about to stop; returns when that is done."""
        targets = self._traffic.deregister([task_id])
        for service in self._desk.services() if targets else ():
            for task in service.tasks:
                if task.task_id == task_id:
                    self._desk.post(service.arn, TasksDeregistered((task.number,), targets))

    def describe_target_health(self, body: bytes, signature: str) -> tuple[int, bytes]:
        """Answer a DescribeTargetHealth, once what is being registered or deregistered is so."""
        self._desk.wait_for_traffic(TRAFFIC_TIMEOUT_S)
        return self._traffic.describe_health(body, signature)

    def reset(self) -> None:
        """Start and stop nothing more for the services that there are, and forget them. Their tasks stay."""
        with self._lock:
            desk, self._desk = self._desk, ServiceDesk(self._clock, self, self._announce)
        desk.close()

    def close(self) -> None:
        """Start and stop nothing more. Safe to call twice."""
        self._desk.close()

    def _protect(self, arn: str, task_id: str, until: float | None) -> None:
        service = self._desk.find(arn)
        for task in service.tasks if service else ():
            if task.task_id == task_id:
                self._desk.post(arn, ProtectionChanged(task.number, until))

    def _announce(self, service: Service, announcement: Announcement, at: float) -> None:
        offset = self._clock.wall() - self._clock.now()
        event = service_event(
            service,
            announcement,
            wall=lambda moment: datetime.fromtimestamp(offset + moment, UTC),
            event_id=self._ids.uuid(),
            at=at,
        )
        self._publish(event)

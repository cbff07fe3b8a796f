"""Services behind load balancers as the API has them: tasks in memory that listen for real, target groups in memory."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ecs_model import call_checked
from pytest_ecs_tasks.clusters.control_plane import ControlPlane, Launched
from pytest_ecs_tasks.core import events
from pytest_ecs_tasks.core.api.calls import ApiError
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.service_model import Pace, Service
from pytest_ecs_tasks.core.target_progress import CheckSchedule
from pytest_ecs_tasks.core.traffic import Instance, Registry, Target, TargetCheck, TargetGroup
from pytest_ecs_tasks.endpoints.ecs_api import EcsApiServer
from pytest_ecs_tasks.engine.protection import Protection
from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.engine.system import SystemClock
from pytest_ecs_tasks.testing.task import FakeTask

PATIENCE_S = 60.0
ARN = "arn:aws:ecs:us-east-1:123456789012:service/default/web"
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/1"
REGISTRY = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
BALANCER = {"targetGroupArn": GROUP, "containerName": "app", "containerPort": 80}


class Listed:
    """What is registered, and in which order that was done with what else happens."""

    def __init__(self, known: dict[str, Any], log: list[str]) -> None:
        self.known = known
        self.log = log
        self.failure: Exception | None = None

    def find(self, arn: str) -> Any:
        return self.known.get(arn)

    def register(self, what: Target | Instance) -> None:
        if self.failure is not None:
            raise self.failure
        self.log.append(f"register {type(what).__name__}")

    def deregister(self, what: Target | Instance) -> None:
        self.log.append(f"deregister {type(what).__name__}")


class ListeningTask(FakeTask):
    """A task in memory whose ports lead to a real server."""

    def __init__(
        self,
        request: RunTaskRequest,
        task_id: str,
        world: World,
        watch: Callable[[Task], None] | None,
    ) -> None:
        self._world = world
        self._watch = watch
        super().__init__(request, task_id, world)  # type: ignore[arg-type]

    def post(self, event: events.Event) -> None:
        if isinstance(event, events.StopRequested):
            self._world.log.append("stop")
        super().post(event)
        if self._watch is not None:
            self._watch(self.snapshot())

    def dial(self, container: str, port: int) -> socket.socket:
        if self.snapshot().plan.task_id in self._world.deaf:
            raise ConnectionRefusedError
        return dial_tcp("127.0.0.1", self._world.port)


class World:
    """An AWS with an ECS and a target group."""

    region = "us-east-1"
    account_id = "123456789012"

    def __init__(self, port: int) -> None:
        self.port = port
        self.log: list[str] = []
        self.deaf: set[str] = set()  # the ids of tasks that no longer listen
        schedule = CheckSchedule(interval_s=0.05, unhealthy_threshold=2)
        group = TargetGroup(GROUP, "ip", check=TargetCheck(path="/health", schedule=schedule))
        self.groups = Listed({GROUP: group}, self.log)
        self.registries = Listed({REGISTRY: Registry(REGISTRY, "web", frozenset({"A"}))}, self.log)
        self.server = EcsApiServer()
        self.plane = ControlPlane(
            self,
            self.server,
            self._run,
            SystemClock(),
            pace=Pace(settle_s=0.05, retry_s=0.01, retry_max_s=0.05, hurried=True),
            target_groups=self.groups,  # type: ignore[arg-type]
            registries=self.registries,
        )

    def record_event(self, event: object) -> None:
        """Take an event."""

    def _run(self, request: RunTaskRequest, task_id: str, watch: Callable[[Task], None] | None) -> Launched:
        return Launched(ListeningTask(request, task_id, self, watch), Protection(SystemClock()))

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Call ECS as an SDK does; the request and the answer fit the model."""
        return call_checked(self.plane.call, operation, request)

    def create(self, **more: Any) -> None:
        container = {"name": "app", "image": "image", "memory": 64, "portMappings": [{"containerPort": 80}]}
        self.call(
            "RegisterTaskDefinition", family="web", networkMode="awsvpc", containerDefinitions=[container]
        )
        request = {"serviceName": "web", "taskDefinition": "web", "desiredCount": 1, **more}
        self.call("CreateService", networkConfiguration=NETWORK, **request)

    def wait(self, condition: Callable[[Service], bool]) -> None:
        assert self.plane.services.desk.wait_until(ARN, condition, PATIENCE_S), self.messages()

    def messages(self) -> list[str]:
        (service,) = self.call("DescribeServices", services=["web"])["services"]
        return [event["message"] for event in reversed(service["events"])]


@pytest.fixture
def world() -> Iterator[World]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    application = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=application.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    world = World(application.server_port)
    yield world
    world.plane.close()
    world.server.close()
    application.shutdown()
    application.server_close()


def test_a_task_is_registered_when_it_runs_and_deregistered_before_it_stops(world: World) -> None:
    world.create(loadBalancers=[BALANCER])
    world.wait(lambda service: service.steady)
    assert world.log == ["register Target"]

    world.call("UpdateService", service="web", desiredCount=0)
    world.wait(lambda service: service.steady and not service.tasks)

    assert world.log == ["register Target", "deregister Target", "stop"]
    assert f"(service web) registered 1 targets in (target-group {GROUP})" in world.messages()


def test_stop_task_leads_traffic_away_first(world: World) -> None:
    world.create(loadBalancers=[BALANCER])
    world.wait(lambda service: service.steady)
    (arn,) = world.call("ListTasks", serviceName="web")["taskArns"]

    world.call("StopTask", task=arn)

    assert world.log[:3] == ["register Target", "deregister Target", "stop"]
    world.wait(lambda service: service.steady and len(service.tasks) == 1)
    assert f"(service web) deregistered 1 targets in (target-group {GROUP})" in world.messages()


def test_a_task_that_no_longer_answers_its_load_balancer_is_replaced(world: World) -> None:
    world.create(loadBalancers=[BALANCER])
    world.wait(lambda service: service.steady)
    (arn,) = world.call("ListTasks", serviceName="web")["taskArns"]

    world.deaf.add(arn.rpartition("/")[2])

    world.wait(lambda service: service.steady and service.next_number == 3)
    (ended,) = world.call("DescribeTasks", tasks=[arn])["tasks"]
    assert ended["stoppedReason"] == f"Task failed ELB health checks in (target-group {GROUP})"
    unhealthy = f"(task {arn.rpartition('/')[2]}) (port 80) is unhealthy in (target-group {GROUP}) due to"
    assert f"(service web) {unhealthy} (reason Health checks failed)." in world.messages()
    assert world.log == ["register Target", "register Target", "deregister Target", "stop"]


def test_the_end_of_a_service_or_of_its_aws_deregisters_its_tasks(world: World) -> None:
    world.create(loadBalancers=[BALANCER])
    world.wait(lambda service: service.steady)
    world.plane.end_service(ARN)
    assert world.log == ["register Target", "deregister Target"]

    world.create(serviceName="second", loadBalancers=[BALANCER])
    second = f"{ARN.rpartition('/')[0]}/second"
    assert world.plane.services.desk.wait_until(second, lambda service: service.steady, PATIENCE_S)
    world.plane.close()

    assert world.log == ["register Target", "deregister Target"] * 2


def test_a_health_check_port_that_is_none_fails_the_check(world: World) -> None:
    check = TargetCheck(port="abc", schedule=CheckSchedule(interval_s=0.05, unhealthy_threshold=2))
    world.groups.known = {GROUP: TargetGroup(GROUP, "ip", check=check)}

    world.create(loadBalancers=[BALANCER])

    world.wait(lambda service: any("is unhealthy in" in event.message for event in service.events))


def test_a_task_that_cannot_be_registered_is_tried_until_it_can(world: World) -> None:
    world.groups.failure = RuntimeError("TargetGroupNotFound: One or more target groups not found")
    world.create(loadBalancers=[BALANCER])
    world.wait(lambda service: any(task.failed_registrations > 1 for task in service.tasks))
    assert any("failed to register a task: TargetGroupNotFound" in message for message in world.messages())

    world.groups.failure = None

    world.wait(lambda service: service.steady)
    assert world.log == ["register Target"]


def test_refusals_are_those_of_ecs(world: World) -> None:
    world.groups.known = {}
    with pytest.raises(ApiError, match=f"The target group with targetGroupArn {GROUP} does not exist"):
        world.create(loadBalancers=[BALANCER])

    world.groups.known = {GROUP: TargetGroup(GROUP, "ip")}
    with pytest.raises(ApiError, match=r"The container web does not exist in the task definition\."):
        world.create(loadBalancers=[{**BALANCER, "containerName": "web"}])


def test_an_update_to_a_definition_without_the_port_is_refused(world: World) -> None:
    world.create(loadBalancers=[BALANCER])
    world.wait(lambda service: service.steady)
    container = {"name": "app", "image": "image", "memory": 64}
    world.call("RegisterTaskDefinition", family="web", networkMode="awsvpc", containerDefinitions=[container])

    with pytest.raises(ApiError, match=r"The container app did not have a container port 80 defined\."):
        world.call("UpdateService", service="web", taskDefinition="web")


def test_a_service_s_task_is_an_instance_of_its_registry(world: World) -> None:
    world.create(serviceRegistries=[{"registryArn": REGISTRY}])
    world.wait(lambda service: service.steady)

    assert world.log == ["register Instance"]

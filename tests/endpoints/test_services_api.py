"""The calls of services, on tasks in memory: what a deploy script sees. Every request and answer fits the API's model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ecs_model import call_checked
from pytest_ecs_tasks.clusters.control_plane import ControlPlane, Launched
from pytest_ecs_tasks.core import events
from pytest_ecs_tasks.core.api.calls import ApiError
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.service_model import Pace, Service
from pytest_ecs_tasks.endpoints.ecs_api import EcsApiServer
from pytest_ecs_tasks.engine.protection import Protection
from pytest_ecs_tasks.engine.system import SystemClock
from pytest_ecs_tasks.testing.task import FakeTask

PATIENCE_S = 60.0
PACE = Pace(settle_s=0.05, retry_s=0.01, retry_max_s=0.05)
ARN = "arn:aws:ecs:us-east-1:123456789012:service/default/web"
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


class WatchedTask(FakeTask):
    """A task in memory that tells its service what becomes of it."""

    def __init__(
        self, request: RunTaskRequest, task_id: str, world: World, watch: Callable[[Task], None] | None
    ) -> None:
        self._watch = watch
        super().__init__(request, task_id, world)  # type: ignore[arg-type]

    def post(self, event: events.Event) -> None:
        super().post(event)
        if self._watch is not None:
            self._watch(self.snapshot())


class World:
    """An AWS with an ECS, the tasks that it has run, and what was announced."""

    region = "us-east-1"
    account_id = "123456789012"

    def __init__(self) -> None:
        self.tasks: list[WatchedTask] = []
        self.events: list[Mapping[str, object]] = []
        self._announced = threading.Condition()
        self.server = EcsApiServer()
        self.plane = ControlPlane(
            self, self.server, self._run, SystemClock(), pace=PACE, publish=self.record_event
        )

    def record_event(self, event: Mapping[str, object]) -> None:
        with self._announced:
            self.events.append(event)
            self._announced.notify_all()

    def heard(self, detail_type: str, *last: str) -> bool:
        """Wait until the last events of that type are these."""
        with self._announced:
            return self._announced.wait_for(
                lambda: self.names(detail_type)[-len(last) :] == list(last), PATIENCE_S
            )

    def _run(self, request: RunTaskRequest, task_id: str, watch: Callable[[Task], None] | None) -> Launched:
        task = WatchedTask(request, task_id, self, watch)
        self.tasks.append(task)
        return Launched(task, Protection(SystemClock()))

    def register(self, family: str = "web", image: str = "image", command: str = "", **more: Any) -> str:
        """Register a task definition of one scripted container and return its ARN."""
        container: dict[str, Any] = {"name": "app", "image": image, "memory": 64}
        if command:
            container["command"] = [command]
        answer = self.call("RegisterTaskDefinition", family=family, containerDefinitions=[container], **more)
        return answer["taskDefinition"]["taskDefinitionArn"]  # type: ignore[no-any-return]

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Call ECS as an SDK does; the request and the answer fit the model."""
        return call_checked(self.plane.call, operation, request)

    def describe(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.call("DescribeServices", services=["web"], include=["TAGS"])
        return answer["services"][0]  # type: ignore[no-any-return]

    def wait(self, condition: Callable[[Service], bool]) -> None:
        assert self.plane.services.desk.wait_until(ARN, condition, PATIENCE_S), self.describe()

    def wait_steady(self) -> None:
        self.wait(lambda service: service.steady)

    def tags_of_first_task(self) -> list[dict[str, str]]:
        arn = self.tasks[0].snapshot().plan.arn
        return self.call("ListTagsForResource", resourceArn=arn)["tags"]  # type: ignore[no-any-return]

    def names(self, detail_type: str) -> list[object]:
        chosen = [event["detail"] for event in self.events if event["detail-type"] == detail_type]
        return [detail["eventName"] for detail in chosen if isinstance(detail, dict)]

    def live(self) -> list[WatchedTask]:
        return [task for task in self.tasks if not task.snapshot().desired_stopped]


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.plane.close()
    world.server.close()


def create(world: World, definition: str = "web:1", **more: Any) -> dict[str, Any]:
    request: dict[str, Any] = {"serviceName": "web", "taskDefinition": definition}
    if more.get("schedulingStrategy") != "DAEMON":
        request["desiredCount"] = 1
    answer: dict[str, Any] = world.call("CreateService", **{**request, **more})
    return answer["service"]  # type: ignore[no-any-return]


def test_a_created_service_is_answered_as_it_is_and_becomes_steady(world: World) -> None:
    arn = world.register()

    service = create(world, desiredCount=2, tags=[{"key": "team", "value": "shop"}])

    assert service["serviceArn"] == ARN
    assert service["status"] == "ACTIVE"
    assert service["taskDefinition"] == arn
    assert service["tags"] == [{"key": "team", "value": "shop"}]
    assert service["deployments"][0]["rolloutState"] == "IN_PROGRESS"
    world.wait_steady()
    later = world.describe()
    assert (later["runningCount"], later["pendingCount"]) == (2, 0)
    assert later["deployments"][0]["rolloutState"] == "COMPLETED"
    assert world.heard("ECS Service Action", "SERVICE_STEADY_STATE")
    assert world.names("ECS Deployment State Change") == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
    ]


def test_tasks_of_a_service_say_who_has_started_them(world: World) -> None:
    world.register()
    service = create(world, propagateTags="SERVICE", tags=[{"key": "team", "value": "shop"}])
    world.wait_steady()

    request = world.tasks[0].snapshot().plan.request

    assert request.started_by == service["deployments"][0]["id"]
    assert request.group == "service:web"
    assert world.tags_of_first_task() == [{"key": "team", "value": "shop"}]


def test_managed_tags_name_cluster_and_service(world: World) -> None:
    world.register()
    create(world, enableECSManagedTags=True)
    world.wait_steady()

    assert world.tags_of_first_task() == [
        {"key": "aws:ecs:clusterName", "value": "default"},
        {"key": "aws:ecs:serviceName", "value": "web"},
    ]


def test_a_service_is_scaled_from_one_to_three_and_back(world: World) -> None:
    world.register()
    create(world)
    world.wait_steady()

    world.call("UpdateService", service="web", desiredCount=3)
    world.wait(lambda service: service.steady and len(service.tasks) == 3)
    assert len(world.live()) == 3
    world.call("UpdateService", service="web", desiredCount=1)
    world.wait(lambda service: service.steady and len(service.tasks) == 1)

    stopped = [task.snapshot() for task in world.tasks if task.snapshot().desired_stopped]
    assert len(stopped) == 2
    deployment = world.describe()["deployments"][0]["id"]
    assert {task.stopped_reason for task in stopped} == {
        f"Scaling activity initiated by (deployment {deployment})"
    }
    assert {task.stop_code for task in stopped} == {"ServiceSchedulerInitiated"}


def test_a_bad_deployment_is_rolled_back_by_the_circuit_breaker(world: World) -> None:
    good, bad = world.register(), world.register(command="exit 1")
    create(world, deploymentConfiguration=BREAKER)
    world.wait_steady()

    updated = world.call("UpdateService", service="web", taskDefinition="web:2")["service"]
    assert updated["taskDefinition"] == bad
    world.wait(lambda service: service.settings.revision.task_definition == good and service.steady)

    service = world.describe()
    assert len(world.tasks) == 4
    assert [task.snapshot().plan.definition.revision for task in world.live()] == [1]
    assert [each["taskDefinition"] for each in service["deployments"]] == [good]
    messages = [event["message"] for event in service["events"]]
    failed = updated["deployments"][0]["id"]
    assert f"(service web) (deployment {failed}) deployment failed: tasks failed to start." in messages
    assert world.heard(
        "ECS Deployment State Change",
        "SERVICE_DEPLOYMENT_FAILED",
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
    )


def test_what_an_update_sets_is_described_from_then_on(world: World) -> None:
    world.register()
    create(world, availabilityZoneRebalancing="DISABLED", desiredCount=0)
    disk = {"name": "disk", "managedEBSVolume": {"roleArn": "arn:aws:iam::1:role/ebs", "sizeInGiB": 10}}

    world.call(
        "UpdateService",
        service="web",
        availabilityZoneRebalancing="ENABLED",
        enableECSManagedTags=True,
        propagateTags="SERVICE",
        enableExecuteCommand=True,
        volumeConfigurations=[disk],
    )

    service = world.describe()
    assert service["availabilityZoneRebalancing"] == "ENABLED"
    assert (service["propagateTags"], service["enableECSManagedTags"]) == ("SERVICE", True)
    assert service["enableExecuteCommand"] is True
    assert service["deployments"][0]["volumeConfigurations"] == [disk]


def test_a_task_that_ends_is_replaced(world: World) -> None:
    world.register()
    create(world)
    world.wait_steady()

    world.tasks[0].signal("app", "SIGKILL")

    world.wait(lambda service: service.steady and service.next_number == 3)
    assert len(world.live()) == 1


def test_an_image_that_cannot_be_had_is_named_in_the_event_log(world: World) -> None:
    world.register(image="missing/app")

    create(world)

    impaired = "(service web) is unable to consistently start tasks successfully."
    world.wait(lambda service: impaired in {event.message for event in service.events})
    messages = [event["message"] for event in world.describe()["events"]]
    assert any("was unable to place a task. Reason: CannotPullContainerError" in each for each in messages)
    assert world.heard("ECS Service Action", "SERVICE_TASK_START_IMPAIRED")


def test_force_new_deployment_replaces_the_tasks_of_the_same_definition(world: World) -> None:
    world.register()
    first = create(world)["deployments"][0]["id"]
    world.wait_steady()

    world.call("UpdateService", service="web", forceNewDeployment=True)
    world.wait(lambda service: service.steady and service.primary.deployment_id != first)

    assert len(world.tasks) == 2
    assert [task.snapshot().plan.request.started_by for task in world.live()] != [first]


def test_what_has_no_effect_is_kept_as_it_was_given(world: World) -> None:
    world.register()
    create(world, availabilityZoneRebalancing="DISABLED", enableECSManagedTags=True)

    spread = [{"type": "spread", "field": "attribute:ecs.availability-zone"}]
    world.call("UpdateService", service="web", placementStrategy=spread)
    assert world.describe()["availabilityZoneRebalancing"] == "DISABLED"
    world.call("UpdateService", service="web", availabilityZoneRebalancing="ENABLED")

    described = world.describe()
    assert described["availabilityZoneRebalancing"] == "ENABLED"
    assert described["placementStrategy"] == spread
    assert described["enableECSManagedTags"] is True


def test_a_service_is_deleted_only_at_zero_or_by_force(world: World) -> None:
    world.register()
    create(world)
    world.wait_steady()

    with pytest.raises(ApiError, match="cannot be stopped while it is scaled above 0") as refusal:
        world.call("DeleteService", service="web")
    assert refusal.value.code == "InvalidParameterException"
    deleted = world.call("DeleteService", service="web", force=True)["service"]

    assert deleted["desiredCount"] == 0
    world.wait(lambda service: service.status == "INACTIVE")
    assert world.call("ListServices") == {"serviceArns": []}
    assert world.describe()["status"] == "INACTIVE"
    assert world.live() == []
    with pytest.raises(ApiError, match=r"Service was not ACTIVE\.") as inactive:
        world.call("UpdateService", service="web", desiredCount=1)
    assert inactive.value.code == "ServiceNotActiveException"
    with pytest.raises(ApiError, match=r"Service not found\."):
        world.call("DeleteService", service="web")
    create(world)
    world.wait_steady()


def test_a_service_of_the_same_name_is_refused_unless_it_is_the_same_request(world: World) -> None:
    world.register()
    first = create(world, clientToken="one")

    again = create(world, clientToken="one")
    assert again["deployments"][0]["id"] == first["deployments"][0]["id"]
    with pytest.raises(ApiError, match=r"Creation of service was not idempotent\."):
        create(world)


def test_missing_services_are_failures_and_a_missing_cluster_is_an_error(world: World) -> None:
    answer = world.call("DescribeServices", services=["nobody"])

    assert answer == {
        "services": [],
        "failures": [{"arn": "arn:aws:ecs:us-east-1:123456789012:service/nobody", "reason": "MISSING"}],
    }
    with pytest.raises(ApiError, match="ClusterNotFoundException"):
        world.call("DescribeServices", cluster="nowhere", services=["web"])
    with pytest.raises(ApiError, match="ServiceNotFoundException"):
        world.call("UpdateService", service="nobody", desiredCount=1)
    with pytest.raises(ApiError, match=r"TaskDefinition not found\."):
        create(world, "nothing:1")


def test_services_are_listed_in_pages_and_by_what_they_are(world: World) -> None:
    world.register()
    for number in range(12):
        create(world, serviceName=f"web-{number}", desiredCount=0)
    create(world, serviceName="daemon", schedulingStrategy="DAEMON")

    first = world.call("ListServices")
    rest = world.call("ListServices", nextToken=first["nextToken"])

    assert (len(first["serviceArns"]), len(rest["serviceArns"])) == (10, 3)
    assert "nextToken" not in rest
    daemons = world.call("ListServices", schedulingStrategy="DAEMON")["serviceArns"]
    assert [arn.rpartition("/")[2] for arn in daemons] == ["daemon"]
    assert world.call("ListServices", launchType="FARGATE")["serviceArns"] == []


def test_services_of_a_namespace_are_listed(world: World) -> None:
    world.register(networkMode="bridge")
    create(world, serviceConnectConfiguration={"enabled": True, "namespace": "shop"}, desiredCount=0)
    create(world, serviceName="other", desiredCount=0)

    assert world.call("ListServicesByNamespace", namespace="shop") == {"serviceArns": [ARN]}


def test_tasks_are_listed_by_their_service(world: World) -> None:
    world.register()
    create(world, desiredCount=2)
    create(world, serviceName="other")
    world.wait_steady()

    arns = world.call("ListTasks", serviceName="web")["taskArns"]

    ours = {
        task.snapshot().plan.arn
        for task in world.tasks
        if task.snapshot().plan.request.group == "service:web"
    }
    assert set(arns) == ours
    assert len(ours) == 2


def test_a_protected_task_stays_when_the_service_is_scaled_in(world: World) -> None:
    world.register()
    create(world)
    world.wait_steady()
    arn = world.tasks[0].snapshot().plan.arn

    world.call("UpdateTaskProtection", cluster="default", tasks=[arn], protectionEnabled=True)
    world.call("UpdateService", service="web", desiredCount=0)
    world.wait(lambda service: "under protection" in service.events[0].message)
    assert len(world.live()) == 1
    world.call("UpdateTaskProtection", cluster="default", tasks=[arn], protectionEnabled=False)

    world.wait(lambda service: service.tasks == ())


def test_a_service_has_tags_like_any_resource(world: World) -> None:
    world.register()
    arn = create(world)["serviceArn"]

    world.call("TagResource", resourceArn=arn, tags=[{"key": "team", "value": "shop"}])

    assert world.describe()["tags"] == [{"key": "team", "value": "shop"}]


def test_a_cluster_counts_its_services_and_cannot_go_before_them(world: World) -> None:
    world.register()
    world.call("CreateCluster", clusterName="shop")
    create(world, cluster="shop", desiredCount=0)

    (cluster,) = world.call("DescribeClusters", clusters=["shop"])["clusters"]
    assert cluster["activeServicesCount"] == 1
    with pytest.raises(ApiError, match=r"cannot be deleted while Services are active\."):
        world.call("DeleteCluster", cluster="shop")
    world.call("DeleteService", cluster="shop", service="web")

    assert world.call("DeleteCluster", cluster="shop")["cluster"]["status"] == "INACTIVE"


def test_a_closed_ecs_starts_nothing_more_and_leaves_no_task(world: World) -> None:
    world.register()
    create(world, desiredCount=3)
    world.wait_steady()

    world.plane.close()

    assert len(world.tasks) == 3
    assert all(task.snapshot().removed for task in world.tasks)
    with pytest.raises(ApiError, match="this ECS is gone"):
        world.call("ListServices")


def test_a_reset_ecs_forgets_its_services(world: World) -> None:
    world.register()
    create(world)
    world.wait_steady()

    world.plane.reset()

    assert world.call("ListServices") == {"serviceArns": []}
    assert world.live() == []
    world.register()
    create(world)
    world.wait_steady()

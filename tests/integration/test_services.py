"""Services of real containers, as a deploy script drives them through boto3."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from left_over import labelled_objects, wait_for
from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.api.project import Project
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.task import EcsTask
from tasks import BUSYBOX

SOON = {"Delay": 1, "MaxAttempts": 200}
SERVES = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}

Register = Callable[..., str]


@pytest.fixture
def ecs(aws: Aws) -> Any:
    return aws.client("ecs")


@pytest.fixture
def register(ecs: Any) -> Register:
    """Register a revision of the family ``web`` that runs a shell script."""

    def register(script: str = SERVES, **container: Any) -> str:
        answer = ecs.register_task_definition(
            family="web",
            networkMode="awsvpc",
            containerDefinitions=[
                {
                    "name": "app",
                    "image": BUSYBOX,
                    "memory": 64,
                    "command": ["sh", "-c", script],
                    **container,
                }
            ],
        )
        arn: str = answer["taskDefinition"]["taskDefinitionArn"]
        return arn

    return register


def create(ecs: Any, **more: Any) -> dict[str, Any]:
    request = {
        "serviceName": "web",
        "taskDefinition": "web",
        "desiredCount": 1,
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        **more,
    }
    service: dict[str, Any] = ecs.create_service(**request)["service"]
    return service


def describe(ecs: Any) -> dict[str, Any]:
    service: dict[str, Any] = ecs.describe_services(services=["web"])["services"][0]
    return service


def wait_stable(ecs: Any) -> dict[str, Any]:
    ecs.get_waiter("services_stable").wait(services=["web"], WaiterConfig=SOON)
    return describe(ecs)


def running(ecs: Any) -> list[dict[str, Any]]:
    arns = ecs.list_tasks(serviceName="web", desiredStatus="RUNNING")["taskArns"]
    tasks: list[dict[str, Any]] = ecs.describe_tasks(tasks=arns)["tasks"] if arns else []
    return tasks


def test_a_service_is_scaled_from_one_to_three_and_back(aws: Aws, ecs: Any, register: Register) -> None:
    started: list[EcsTask] = []
    aws.ecs.configure(Project(), started.append)
    register()
    created = create(ecs)
    assert wait_stable(ecs)["runningCount"] == 1

    ecs.update_service(service="web", desiredCount=3)
    assert wait_stable(ecs)["runningCount"] == 3
    up = running(ecs)
    assert len({task["containers"][0]["runtimeId"] for task in up}) == 3
    assert {task["group"] for task in up} == {"service:web"}
    assert {task["startedBy"] for task in up} == {created["deployments"][0]["id"]}
    assert wait_for(lambda: len(started) == 3, patience_s=60)
    for each in started:
        each.wait_for_log("up")
    ecs.update_service(service="web", desiredCount=1)
    assert wait_stable(ecs)["runningCount"] == 1

    stopped = [
        task["taskArn"] for task in up if task["taskArn"] not in {each["taskArn"] for each in running(ecs)}
    ]
    ecs.get_waiter("tasks_stopped").wait(tasks=stopped, WaiterConfig=SOON)
    ended = ecs.describe_tasks(tasks=stopped)["tasks"]
    assert [task["stopCode"] for task in ended] == ["ServiceSchedulerInitiated"] * 2
    assert [task["containers"][0]["exitCode"] for task in ended] == [0, 0]
    ecs.delete_service(service="web", force=True)
    ecs.get_waiter("services_inactive").wait(services=["web"], WaiterConfig=SOON)


def test_a_bad_deployment_is_rolled_back_by_the_circuit_breaker(
    ecs: Any, aws: Aws, register: Register
) -> None:
    good = register()
    create(ecs, deploymentConfiguration=BREAKER)
    wait_stable(ecs)
    before = {task["taskArn"] for task in running(ecs)}

    bad = register("echo cannot start >&2; exit 1")
    updated = ecs.update_service(service="web", taskDefinition=bad)["service"]
    assert updated["taskDefinition"] == bad
    service = wait_stable(ecs)

    assert service["taskDefinition"] == good
    assert {task["taskArn"] for task in running(ecs)} == before
    failed = updated["deployments"][0]["id"]
    messages = [event["message"] for event in service["events"]]
    assert f"(service web) (deployment {failed}) deployment failed: tasks failed to start." in messages
    names = [event["detail"]["eventName"] for event in aws.events("ECS Deployment State Change")]
    assert names == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_FAILED",
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
    ]


def test_a_good_deployment_takes_the_place_of_the_old_one(ecs: Any, register: Register) -> None:
    register()
    create(ecs, desiredCount=2)
    wait_stable(ecs)

    new = register(f"echo new; {SERVES}")
    ecs.update_service(service="web", taskDefinition=new)
    service = wait_stable(ecs)

    assert [each["taskDefinition"] for each in service["deployments"]] == [new]
    assert {task["taskDefinitionArn"] for task in running(ecs)} == {new}


def test_a_task_that_is_killed_is_replaced(cluster: LocalCluster, ecs: Any, register: Register) -> None:
    register()
    create(ecs)
    wait_stable(ecs)
    (first,) = running(ecs)

    cluster.room().runtime.kill_container(first["containers"][0]["runtimeId"], "SIGKILL")
    ecs.get_waiter("tasks_stopped").wait(tasks=[first["taskArn"]], WaiterConfig=SOON)
    wait_stable(ecs)

    (second,) = running(ecs)
    assert second["taskArn"] != first["taskArn"]
    assert second["lastStatus"] == "RUNNING"


def test_an_unhealthy_task_is_replaced_by_a_healthy_one(
    cluster: LocalCluster, ecs: Any, register: Register
) -> None:
    check = {"command": ["CMD-SHELL", "test -e /tmp/ok"], "interval": 5, "timeout": 2, "retries": 1}
    register(f"touch /tmp/ok; {SERVES}", healthCheck=check)
    create(ecs)
    wait_stable(ecs)
    (first,) = running(ecs)

    runtime_id = first["containers"][0]["runtimeId"]
    cluster.room().runtime.execute(runtime_id, ["rm", "/tmp/ok"], timeout_s=60)
    ecs.get_waiter("tasks_stopped").wait(tasks=[first["taskArn"]], WaiterConfig=SOON)

    (ended,) = ecs.describe_tasks(tasks=[first["taskArn"]])["tasks"]
    assert ended["stoppedReason"] == "Task failed container health checks"
    messages = [event["message"] for event in describe(ecs)["events"]]
    task_id = first["taskArn"].rpartition("/")[2]
    assert f"(service web) (task {task_id}) failed container health checks." in messages


def test_nothing_of_a_service_is_left_when_its_aws_is_closed(
    cluster: LocalCluster, aws: Aws, ecs: Any, register: Register
) -> None:
    register()
    create(ecs, desiredCount=2)
    wait_stable(ecs)
    ids = [task["containers"][0]["runtimeId"] for task in running(ecs)]

    aws.close()

    for runtime_id in ids:
        with pytest.raises(EngineError):
            cluster.room().runtime.inspect_container(runtime_id)


def test_a_service_replaces_nothing_when_its_run_ends_before_it(engine_url: str) -> None:
    cluster = LocalCluster(LocalSettings(engine=engine_url, pull="never"), environ=os.environ)
    aws = cluster.new_aws()
    ecs = aws.client("ecs")
    container = {"name": "app", "image": BUSYBOX, "memory": 64, "command": ["sh", "-c", SERVES]}
    ecs.register_task_definition(family="web", networkMode="awsvpc", containerDefinitions=[container])
    create(ecs, desiredCount=3)
    wait_stable(ecs)

    cluster.close()

    assert labelled_objects(engine_url, f"pytest-ecs-tasks.run={cluster.run_id}") == []
    request = RunTaskRequest(
        parse_task_definition({"family": "web", "containerDefinitions": [container]}, "test")
    )
    with pytest.raises(EcsTaskError, match="this run is over"):
        cluster.run_task(request, aws)
    aws.close()

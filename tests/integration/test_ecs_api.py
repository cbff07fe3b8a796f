"""Code that calls ECS, with real containers at the other end. Every answer is held against botocore's model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecs_model import check_answer
from left_over import labelled_objects
from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.core.api.project import Project
from pytest_ecs_tasks.task import EcsTask
from tasks import BUSYBOX, Run, python, shell

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
QUICK = {"Delay": 1, "MaxAttempts": 200}

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def ecs(aws: Aws) -> Any:
    return aws.client("ecs")


@pytest.fixture
def register(ecs: Any) -> Callable[..., str]:
    """Register a task definition of the given containers; return its ARN."""

    def register(*containers: Mapping[str, Any], family: str = "job", **members: Any) -> str:
        complete = [{"image": BUSYBOX, "memory": 64, **container} for container in containers]
        request = {"family": family, "networkMode": "awsvpc", "containerDefinitions": complete, **members}
        answer = ecs.register_task_definition(**request)
        check_answer("RegisterTaskDefinition", answer)
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    return register


def start(ecs: Any, definition: str = "job", **members: Any) -> list[str]:
    answer = ecs.run_task(taskDefinition=definition, networkConfiguration=NETWORK, **members)
    check_answer("RunTask", answer)
    return [task["taskArn"] for task in answer["tasks"]]


def describe(ecs: Any, *arns: str, **members: Any) -> list[dict[str, Any]]:
    answer = ecs.describe_tasks(tasks=list(arns), **members)
    check_answer("DescribeTasks", answer)
    return list(answer["tasks"])


def wait_for(ecs: Any, status: str, *arns: str) -> list[dict[str, Any]]:
    """Wait as AWS's own waiter does; return the tasks."""
    ecs.get_waiter(f"tasks_{status}").wait(tasks=list(arns), WaiterConfig=QUICK)
    return describe(ecs, *arns)


def left(cluster: LocalCluster, arn: str) -> list[str]:
    return labelled_objects(cluster.room().runtime.url, f"com.amazonaws.ecs.task-arn={arn}")


def test_a_job_is_run_waited_for_and_its_exit_code_and_logs_are_read(ecs, register, aws):
    logs = {
        "logDriver": "awslogs",
        "options": {"awslogs-group": "/jobs", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "run"},
    }
    register(shell("job", "echo hello $NAME; exit 7", logConfiguration=logs))
    change = {"name": "job", "environment": [{"name": "NAME", "value": "there"}]}

    (arn,) = start(ecs, overrides={"containerOverrides": [change]})
    (task,) = wait_for(ecs, "stopped", arn)

    assert task["containers"][0]["exitCode"] == 7
    assert (task["stopCode"], task["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    stream = f"run/job/{arn.rpartition('/')[2]}"
    events = aws.client("logs").get_log_events(logGroupName="/jobs", logStreamName=stream)["events"]
    assert [event["message"] for event in events] == ["hello there"]


def test_a_service_like_task_runs_until_it_is_stopped_and_may_say_goodbye(ecs, register, aws):
    started: list[EcsTask] = []
    aws.ecs.configure(Project(), started.append)
    register(shell("web", "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"))
    (arn,) = start(ecs)
    (running,) = wait_for(ecs, "running", arn)
    started[0].wait_for_log("up")
    assert (running["lastStatus"], running["desiredStatus"]) == ("RUNNING", "RUNNING")

    answer = ecs.stop_task(task=arn, reason="enough")

    check_answer("StopTask", answer)
    assert (answer["task"]["desiredStatus"], answer["task"]["stoppedReason"]) == ("STOPPED", "enough")
    (stopped,) = wait_for(ecs, "stopped", arn)
    assert (stopped["stopCode"], stopped["containers"][0]["exitCode"]) == ("UserInitiated", 5)


def test_an_image_that_is_not_there_stops_the_task_with_the_reason(ecs, register):
    register({"name": "job", "image": "registry.invalid/none:1"})

    (task,) = wait_for(ecs, "stopped", *start(ecs))

    assert task["stopCode"] == "TaskFailedToStart"
    assert "CannotPullContainerError" in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]


def test_the_waiter_for_running_tasks_gives_up_at_once_on_a_task_that_stopped(ecs, register):
    register(shell("job", "exit 1"))
    (arn,) = start(ecs)
    wait_for(ecs, "stopped", arn)

    with pytest.raises(Exception, match='matched expected path: "STOPPED"'):
        ecs.get_waiter("tasks_running").wait(tasks=[arn], WaiterConfig=QUICK)


def test_many_tasks_started_at_once_all_reach_a_truthful_end(ecs, register):
    register(shell("job", "exit $CODE"))

    def run(code: int) -> str:
        change = {"name": "job", "environment": [{"name": "CODE", "value": str(code)}]}
        return start(ecs, overrides={"containerOverrides": [change]})[0]

    with ThreadPoolExecutor(8) as pool:
        arns = list(pool.map(run, range(12)))
    tasks = wait_for(ecs, "stopped", *arns)

    assert [task["containers"][0]["exitCode"] for task in tasks] == list(range(12))


def test_two_aws_do_not_see_each_others_tasks(ecs, register, cluster):
    register(shell("job", "exec sleep 600"))
    (arn,) = start(ecs)
    other = cluster.new_aws()
    try:
        theirs = other.client("ecs")

        assert theirs.list_task_definitions()["taskDefinitionArns"] == []
        assert theirs.list_tasks()["taskArns"] == []
        assert theirs.describe_tasks(tasks=[arn])["failures"] == [{"arn": arn, "reason": "MISSING"}]
    finally:
        other.close()
    assert describe(ecs, arn)[0]["desiredStatus"] == "RUNNING"


def test_a_task_that_nobody_stops_is_gone_with_its_aws(cluster):
    aws = cluster.new_aws()
    ecs = aws.client("ecs")
    container = {"name": "job", "image": BUSYBOX, "memory": 64, "command": ["sleep", "600"]}
    ecs.register_task_definition(family="job", networkMode="awsvpc", containerDefinitions=[container])
    arns = start(ecs, count=3)
    wait_for(ecs, "running", *arns)
    assert all(left(cluster, arn) for arn in arns)

    aws.close()

    assert [left(cluster, arn) for arn in arns] == [[], [], []]


def test_a_reset_ends_its_tasks_and_forgets_them(ecs, register, aws, cluster):
    register(shell("job", "exec sleep 600"))
    (arn,) = start(ecs)
    wait_for(ecs, "running", arn)

    aws.reset()

    assert left(cluster, arn) == []
    assert ecs.list_tasks()["taskArns"] == ecs.list_task_definitions()["taskDefinitionArns"] == []


def test_the_task_of_a_fixture_is_listed_described_and_stopped_like_any_other(run: Run, ecs):
    task = run(shell("app", "exec sleep 600", linuxParameters={"initProcessEnabled": True})).wait_running()

    assert ecs.list_tasks(family="it")["taskArns"] == [task.arn]
    (shown,) = describe(ecs, task.arn)
    assert (shown["lastStatus"], shown["taskDefinitionArn"].rpartition("/")[2]) == ("RUNNING", "it:1")
    assert ecs.describe_task_definition(taskDefinition="it")["taskDefinition"]["revision"] == 1
    ecs.stop_task(task=task.arn, reason="by the API")
    task.wait_stopped()
    assert (task.stop_code, task.stopped_reason) == ("UserInitiated", "by the API")


LAUNCH = """
import boto3
ecs = boto3.client("ecs", region_name="us-east-1")
network = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
arn = ecs.run_task(taskDefinition="job", networkConfiguration=network, startedBy="parent")["tasks"][0]["taskArn"]
ecs.get_waiter("tasks_stopped").wait(tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
task = ecs.describe_tasks(tasks=[arn])["tasks"][0]
print(task["startedBy"], task["containers"][0]["exitCode"])
"""


@pytest.mark.parametrize("network", ["awsvpc", "bridge", "host"])
def test_a_container_runs_tasks_with_an_sdk_as_it_does_on_aws(run: Run, register, network):
    register(shell("job", "exit 4"))

    parent = run(
        python("app", LAUNCH), network=network, taskRoleArn="arn:aws:iam::123456789012:role/scheduler"
    ).wait_stopped()

    assert parent.logs("app") == "parent 4\n"


PROTECT = """
import json, os, urllib.request
request = urllib.request.Request(
    os.environ["ECS_AGENT_URI"] + "/task-protection/v1/state",
    data=json.dumps({"ProtectionEnabled": True, "ExpiresInMinutes": 10}).encode(), method="PUT",
    headers={"Content-Type": "application/json"},
)
print(json.load(urllib.request.urlopen(request))["protection"]["ProtectionEnabled"], flush=True)
import time
time.sleep(600)
"""


def test_protection_that_a_task_gives_itself_is_seen_in_the_api_and_ended_by_it(run: Run, ecs):
    task = run(python("app", PROTECT), taskRoleArn="arn:aws:iam::123456789012:role/worker")
    task.wait_running().wait_for_log("True")

    protected = ecs.get_task_protection(cluster="default", tasks=[task.arn])

    check_answer("GetTaskProtection", protected)
    assert protected["protectedTasks"][0]["protectionEnabled"] is True
    ecs.update_task_protection(cluster="default", tasks=[task.arn], protectionEnabled=False)
    asked = 'import os, urllib.request; print(urllib.request.urlopen(os.environ["ECS_AGENT_URI"] + "/task-protection/v1/state").read().decode())'
    told = json.loads(task.exec("app", ["python3", "-c", asked], check=True).stdout)
    assert told["protection"]["ProtectionEnabled"] is False


def test_the_projects_images_run_in_place_of_the_deployed_ones(ecs, register, aws):
    seen: list[str] = []
    aws.ecs.configure(
        Project({"123456789012.dkr.ecr.us-east-1.amazonaws.com/job": BUSYBOX}),
        lambda task: seen.append(task.arn),
    )
    register(shell("job", "exit 0", image="123456789012.dkr.ecr.us-east-1.amazonaws.com/job:9"))

    arns = start(ecs)
    (task,) = wait_for(ecs, "stopped", *arns)

    assert (task["containers"][0]["image"], task["containers"][0]["exitCode"]) == (BUSYBOX, 0)
    assert seen == arns


def test_a_task_runs_in_the_cluster_region_and_launch_type_that_are_asked_for(aws, cluster):
    ecs = aws.client("ecs", region_name="eu-west-1")
    ecs.create_cluster(clusterName="blue", capacityProviders=["FARGATE"])
    container = {"name": "job", "image": BUSYBOX, "command": ["sh", "-c", "echo $AWS_REGION"]}
    ecs.register_task_definition(
        family="job",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[container],
    )

    answer = ecs.run_task(
        cluster="blue", taskDefinition="job", launchType="FARGATE", networkConfiguration=NETWORK
    )
    arn = answer["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_stopped").wait(cluster="blue", tasks=[arn], WaiterConfig=QUICK)

    assert arn.startswith("arn:aws:ecs:eu-west-1:123456789012:task/blue/")
    assert ecs.list_tasks(cluster="blue", desiredStatus="STOPPED")["taskArns"] == [arn]
    assert aws.client("ecs").list_clusters()["clusterArns"] == []


def test_what_ecs_refuses_is_an_error_of_botocore_with_its_code(ecs, register):
    register(shell("job", "true"))

    with pytest.raises(ecs.exceptions.ClusterNotFoundException, match=r"Cluster not found\."):
        start(ecs, cluster="none")
    with pytest.raises(ecs.exceptions.ClientException, match=r"TaskDefinition not found\."):
        start(ecs, "none")
    start(ecs, clientToken="t")
    with pytest.raises(ecs.exceptions.ConflictException) as caught:
        start(ecs, clientToken="t", count=2)
    assert len(caught.value.response["resourceIds"]) == 1


def test_a_call_that_is_not_answered_says_so_and_is_not_tried_again(ecs):
    with pytest.raises(ClientError, match="pytest-ecs-tasks does not answer DescribeDaemon") as caught:
        ecs.describe_daemon(daemonArn="arn:aws:ecs:us-east-1:123456789012:daemon/default/d")

    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (
        "NotImplemented",
        501,
    )
    assert response["ResponseMetadata"]["RetryAttempts"] == 0


def test_other_services_are_answered_by_moto_as_before(aws):
    aws.client("s3").create_bucket(Bucket="inbox")
    aws.client("sqs").create_queue(QueueName="work")

    assert [each["Name"] for each in aws.client("s3").list_buckets()["Buckets"]] == ["inbox"]

"""The task role in real containers: found by an SDK without configuration, and told to nobody else."""

from __future__ import annotations

import gc
import json
import logging
import sysconfig
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.task import EcsTask
from tasks import BUSYBOX, PYTHON, Run, python, shell

ROLE = {"taskRoleArn": "arn:aws:iam::444455556666:role/team/app"}

WORK = """
import boto3, json, os
print(boto3.client("sts").get_caller_identity()["Arn"])
boto3.client("s3").put_object(Bucket="inbox", Key="hello", Body=b"from the task")
queue = boto3.client("sqs").get_queue_url(QueueName="work")["QueueUrl"]
boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="done")
boto3.resource("dynamodb").Table("visits").put_item(Item={"id": "1"})
print(sorted(name for name in os.environ if "KEY" in name or "TOKEN" in name))
"""
ASK = """
import os, sys, urllib.error, urllib.request
base = os.environ["ECS_AGENT_URI"].split("/api/")[0]
for path in sys.argv[1:] or [os.environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]]:
    try:
        with urllib.request.urlopen(base + path, timeout=60) as answer: print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as answer: print(answer.status, answer.read().decode())
"""


@pytest.mark.parametrize("network", ["awsvpc", "bridge", "host"])
def test_an_sdk_finds_the_role_without_configuration(run: Run, aws: Aws, network: str) -> None:
    aws.client("s3").create_bucket(Bucket="inbox")
    queue = aws.client("sqs").create_queue(QueueName="work")["QueueUrl"]
    aws.client("dynamodb").create_table(
        TableName="visits",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    task = run(python("app", WORK), network=network, **ROLE).wait_stopped()

    assert task.exit_code("app") == 0, task.logs("app")
    assert task.logs("app").splitlines() == [
        f"arn:aws:sts::123456789012:assumed-role/app/{task.task_id}",
        "[]",
    ]
    assert aws.client("s3").get_object(Bucket="inbox", Key="hello")["Body"].read() == b"from the task"
    assert aws.client("sqs").receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "done"
    assert aws.resource("dynamodb").Table("visits").item_count == 1


def test_the_aws_cli_finds_the_role_without_configuration(run: Run, aws: Aws) -> None:
    aws.client("s3").create_bucket(Bucket="inbox")
    script = """
    python3 -m awscli sts get-caller-identity --query Arn --output text
    echo from the task | python3 -m awscli s3 cp - s3://inbox/hello
    """
    site_packages = {"name": "site-packages", "host": {"sourcePath": sysconfig.get_path("purelib")}}
    mount = {"sourceVolume": "site-packages", "containerPath": "/site-packages", "readOnly": True}
    path = {"name": "PYTHONPATH", "value": "/site-packages"}
    app = shell("app", script, image=PYTHON, mountPoints=[mount], environment=[path])

    task = run(app, volumes=[site_packages], **ROLE).wait_stopped()

    assert task.logs("app") == f"arn:aws:sts::123456789012:assumed-role/app/{task.task_id}\n"
    assert aws.client("s3").get_object(Bucket="inbox", Key="hello")["Body"].read() == b"from the task\n"


def test_each_container_of_a_task_has_the_same_session(run: Run) -> None:
    stay = f"{ASK}\nimport time; time.sleep(600)"
    task = run(python("one", stay), python("two", stay), **ROLE)
    for name in ("one", "two"):
        task.wait_for_log('"Expiration"', container=name)

    one, two = (json.loads(task.logs(name).partition(" ")[2]) for name in ("one", "two"))
    assert one == two
    assert one["RoleArn"] == "arn:aws:iam::123456789012:role/team/app"


@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_another_tasks_credentials_are_refused(run: Run, network: str) -> None:
    path = "import os, time; print(os.environ['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']); time.sleep(600)"
    owner = run(python("app", path, stopTimeout=1), network=network, **ROLE)
    owner.wait_for_log("/v2/credentials/")
    stolen = owner.logs("app").strip()

    thief = run(
        {**python("app", ""), "command": ["python3", "-u", "-c", ASK, stolen]}, network=network, **ROLE
    ).wait_stopped()

    assert thief.logs("app").startswith('400 {"code":"InvalidIdInRequest"')


def test_a_task_without_a_role_is_led_to_none(run: Run) -> None:
    program = "import os; print([name for name in os.environ if 'CREDENTIALS' in name])"
    task = run(python("app", program)).wait_stopped()

    assert task.logs("app") == "[]\n"


def test_a_task_without_a_network_reaches_none(run: Run) -> None:
    program = """
import boto3, botocore.config, os
print(os.environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"][:16])
boto3.client("sts").get_caller_identity()
"""
    task = run(python("app", program), network="none", **ROLE).wait_stopped()

    assert task.logs("app").startswith("/v2/credentials/")
    assert "CredentialRetrievalError" in task.logs("app")


def test_two_hundred_requests_at_once_are_answered(run: Run) -> None:
    program = """
import os, threading, urllib.request
url, seen = os.environ["ECS_CONTAINER_METADATA_URI_V4"], []
def ask():
    with urllib.request.urlopen(url, timeout=60) as answer: seen.append(answer.status)
threads = [threading.Thread(target=ask) for _ in range(200)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(seen), set(seen))
"""
    task = run(python("app", program)).wait_stopped()

    assert task.logs("app") == "200 {200}\n"


STORE = """
import json, os, time, urllib.request, boto3
url = "http://169.254.170.2" + os.environ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]
body = urllib.request.urlopen(url, timeout=60).read()
boto3.client("s3").put_object(Bucket="vault", Key="credentials", Body=body)
print("stored")
time.sleep(600)
"""


def told_about(task: EcsTask, cluster: LocalCluster, engine_url: str) -> Iterator[str]:
    """Yield everything that can be read about a task from outside."""
    client = docker.APIClient(base_url=engine_url, version="1.41", timeout=60)
    label = f"pytest-ecs-tasks.run={cluster.run_id}"
    try:
        for each in client.containers(all=True, filters={"label": [label]}):
            yield json.dumps(client.inspect_container(each["Id"]))
    finally:
        client.close()
    yield task.transcript()
    yield repr(task)
    yield json.dumps(task.describe(), default=str)
    yield json.dumps(task.events, default=str)
    yield task.logs("app")
    yield " ".join(
        repr(each) for each in gc.get_objects() if str(type(each).__module__).startswith("pytest_ecs")
    )


def test_credentials_are_in_nothing_that_can_be_read_about_a_task(
    run: Run, aws: Aws, cluster: LocalCluster, engine_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    aws.client("s3").create_bucket(Bucket="vault")
    with caplog.at_level(logging.DEBUG):
        task = run(python("app", STORE, stopTimeout=1), **ROLE)
        task.wait_for_log("stored")
        shown = list(told_about(task, cluster, engine_url))
        shown.append(caplog.text)
        task.stop().wait_stopped()
        shown.append(task.transcript())
    stored: dict[str, Any] = json.loads(
        aws.client("s3").get_object(Bucket="vault", Key="credentials")["Body"].read()
    )

    for name in ("SecretAccessKey", "Token", "AccessKeyId"):
        assert len(stored[name]) >= 16
        assert [text for text in shown if stored[name] in text] == []


def test_a_role_that_cannot_be_assumed_fails_the_task_with_the_reason(cluster: LocalCluster) -> None:
    aws = cluster.new_aws()
    aws.close()
    document = {
        "family": "it",
        "networkMode": "awsvpc",
        "memory": "64",
        "containerDefinitions": [{"name": "app", "image": BUSYBOX, "command": ["true"]}],
        **ROLE,
    }
    with cluster.run_task(RunTaskRequest(parse_task_definition(document, "test")), aws) as task:
        task.wait_stopped()

        assert task.stop_code == "TaskFailedToStart"
        assert "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/team/app'" in (
            task.stopped_reason or ""
        )

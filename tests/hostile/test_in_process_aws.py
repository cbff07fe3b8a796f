"""``--ecs-aws=in-process``: a suite that lives in ``mock_aws`` shares its AWS with tasks, on the engine under test."""

from __future__ import annotations

import pytest

from suite import Suite

pytestmark = pytest.mark.any_engine

CONFTEST = """
import boto3
import pytest
from moto import mock_aws

WORKER = '''
import boto3, os
sqs, s3 = boto3.client("sqs"), boto3.client("s3")
url = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
body = sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"]
s3.put_object(Bucket="results", Key=body, Body=os.environ["PASSWORD"].encode())
print("did", body)
'''


def taskdef(*command, image="busybox:1", **container):
    options = {"awslogs-group": "/ecs/app", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "t"}
    return {
        "family": "app",
        "networkMode": "awsvpc",
        "memory": "256",
        "taskRoleArn": "arn:aws:iam::123456789012:role/app",
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "containerDefinitions": [
            {
                "name": "app",
                "image": f"pytest-ecs-tasks/{image}",
                "command": list(command),
                "logConfiguration": {"logDriver": "awslogs", "options": options},
                **container,
            }
        ],
    }


def theirs(service):
    return boto3.client(service, region_name="us-east-1")


def messages(task):
    stream = {"logGroupName": "/ecs/app", "logStreamName": f"t/app/{task.task_id}"}
    return [event["message"] for event in theirs("logs").get_log_events(**stream)["events"]]


@pytest.fixture
def aws():
    with mock_aws():
        yield
"""


@pytest.fixture
def suite(pytester, engine_url, monkeypatch):
    monkeypatch.setenv("PYTEST_ECS_ENGINE", engine_url)
    monkeypatch.setenv("PYTEST_ECS_AWS", "in-process")
    made = Suite(pytester, engine_url)
    made.file("conftest.py", CONFTEST)
    return made


def run(suite, tests, *arguments):
    suite.file("test_it.py", "import pytest\nfrom conftest import *\n" + tests)
    return suite.run(*arguments)


def test_a_fixtures_mock_aws_is_the_aws_of_its_tasks(suite):
    result = run(
        suite,
        """
SECRET = [{"name": "PASSWORD", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:password-AbCdEf"}]

@pytest.fixture
def job(aws):
    theirs("s3").create_bucket(Bucket="results")
    url = theirs("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    theirs("sqs").send_message(QueueUrl=url, MessageBody="job-1")

@pytest.mark.ecs_taskdef(taskdef("python3", "-u", "-c", WORKER, image="python:1", secrets=SECRET), wait="stopped")
@pytest.mark.ecs_secret("password", "correct horse")
def test_the_task_works_on_it(job, ecs_task, ecs_aws):
    assert ecs_task.exit_code() == 0, ecs_task.logs()
    assert theirs("s3").get_object(Bucket="results", Key="job-1")["Body"].read() == b"correct horse"
    assert ecs_aws.client("s3").get_object(Bucket="results", Key="job-1")["Body"].read() == b"correct horse"
    assert messages(ecs_task) == ["did job-1"]
    assert theirs("secretsmanager").get_secret_value(SecretId="password")["SecretString"] == "correct horse"

def test_the_next_test_finds_nothing(aws, ecs_aws):
    assert theirs("s3").list_buckets()["Buckets"] == ecs_aws.client("s3").list_buckets()["Buckets"] == []
    assert ecs_aws.client("logs").describe_log_groups()["logGroups"] == []
""",
    )

    result.assert_outcomes(passed=2)
    assert suite.left_over() == []


def test_a_mock_aws_that_begins_or_ends_while_the_task_lives_empties_its_aws_and_the_task_goes_on(suite):
    result = run(
        suite,
        """
READ = "wget -q -O- $AWS_ENDPOINT_URL/ | grep -o '<Name>[a-z]*' || true"
SAY = taskdef("sh", "-c", "echo begun; until [ -e /say ]; do sleep 0.1; done; echo said")

@mock_aws
@pytest.mark.ecs_taskdef(SAY)
def test_decorated(ecs_task, ecs_aws):
    assert ecs_aws.client("s3").list_buckets()["Buckets"] == []
    theirs("s3").create_bucket(Bucket="theirs")
    assert ecs_task.exec("app", READ).stdout == "<Name>theirs\\n"
    ecs_task.exec("app", "touch /say")
    ecs_task.wait_stopped()
    assert ecs_task.logs() == "begun\\nsaid\\n"
    assert messages(ecs_task)[-1] == "said"  # the stream was made anew: "begun" was there before the mock_aws

@pytest.mark.ecs_taskdef(SAY)
def test_ended(ecs_task, ecs_aws):
    with mock_aws():
        theirs("s3").create_bucket(Bucket="theirs")
        assert ecs_task.exec("app", READ).stdout == "<Name>theirs\\n"
    assert ecs_task.exec("app", READ).stdout == ""
    assert ecs_task.last_status == "RUNNING"
    ecs_aws.client("s3").create_bucket(Bucket="ours")
    assert ecs_task.exec("app", READ).stdout == "<Name>ours\\n"

def test_without_a_mock_aws_each_test_begins_with_nothing(ecs_aws):
    assert ecs_aws.client("s3").list_buckets()["Buckets"] == []
    assert ecs_aws.client("logs").describe_log_groups()["logGroups"] == []
""",
        "-Werror",
    )

    result.assert_outcomes(passed=3)
    assert suite.left_over() == []


def test_it_works_under_forbidden_sockets_and_on_several_workers(suite):
    result = run(
        suite,
        """
@pytest.mark.ecs_taskdef(taskdef("sh", "-c", "wget -q -O- $AWS_ENDPOINT_URL/ | grep -o '<Name>[a-z]*'"), wait=None)
def test_it(aws, ecs_aws, ecs_task_factory, request):
    theirs("s3").create_bucket(Bucket="theirs")
    task = ecs_task_factory.run(request.node.get_closest_marker("ecs_taskdef").args[0], wait="stopped")
    assert task.logs() == "<Name>theirs\\n"
    assert messages(task) == ["<Name>theirs"]
""",
        "--disable-socket",
        "-n2",
        "--dist=each",
    )

    result.assert_outcomes(passed=2)
    assert suite.left_over() == []


def test_ecs_account_id_has_to_be_motos(suite):
    suite.file(
        "conftest.py",
        CONFTEST + "\n@pytest.fixture(scope='session')\ndef ecs_account_id(): return '210987654321'\n",
    )
    test = "def test_it(aws, ecs_aws): ecs_aws.client('sts').get_caller_identity()"

    result = run(suite, test)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E   pytest_ecs_tasks.EcsTaskError: *Set MOTO_ACCOUNT_ID=210987654321 *"])

"""``ecs_aws``, ``ecs_aws_env``, ``ecs_network``: the AWS and the network around the task."""

from __future__ import annotations

import os
import subprocess
import sys

import boto3
import pytest

IMAGE = "pytest-ecs-tasks/busybox:1"


def python_job(script, **fields):
    container = {
        "name": "job", "image": "pytest-ecs-tasks/python:1", "memory": 128,
        "entryPoint": ["python3", "-u", "-c"], "command": [script],
    }  # fmt: skip
    return {
        "family": "python", "networkMode": "awsvpc", "taskRoleArn": "arn:aws:iam::123456789012:role/app",
        "containerDefinitions": [container], **fields,
    }  # fmt: skip


pytestmark = pytest.mark.any_engine

UPLOAD = """
import boto3
s3 = boto3.client("s3")
s3.put_object(Bucket="results", Key="answer", Body=b"42")
print(boto3.client("sts").get_caller_identity()["Account"], s3.meta.region_name)
"""


@pytest.fixture
def bucket(ecs_aws):
    return ecs_aws.resource("s3").create_bucket(Bucket="results")


@pytest.mark.ecs_taskdef(python_job(UPLOAD), wait="stopped")
def test_an_application_in_the_task_talks_to_the_tests_aws(bucket, ecs_task, ecs_aws):
    assert ecs_task.exit_code() == 0, ecs_task.logs()
    assert ecs_aws.client("s3").get_object(Bucket="results", Key="answer")["Body"].read() == b"42"
    assert ecs_task.logs() == "123456789012 us-east-1\n"


def test_every_test_has_an_empty_aws_of_its_own(ecs_aws):
    assert ecs_aws.client("s3").list_buckets()["Buckets"] == []
    ecs_aws.client("s3").create_bucket(Bucket="leftover")


def test_every_test_has_an_empty_aws_of_its_own_again(ecs_aws):
    assert ecs_aws.client("s3").list_buckets()["Buckets"] == []
    ecs_aws.client("s3").create_bucket(Bucket="leftover")


def test_reset_empties_it(ecs_aws):
    s3 = ecs_aws.client("s3")
    s3.create_bucket(Bucket="gone")
    ecs_aws.reset()
    assert s3.list_buckets()["Buckets"] == []


def test_what_the_handle_says_is_so(ecs_aws):
    assert ecs_aws.region == "us-east-1"
    assert ecs_aws.account_id == "123456789012"
    assert ecs_aws.client("sts").get_caller_identity()["Account"] == ecs_aws.account_id
    assert ecs_aws.endpoint_url.startswith("http://127.0.0.1:")
    assert ecs_aws.session.client("s3").list_buckets()["Buckets"] == []
    assert ecs_aws.session.region_name == "us-east-1"
    env = ecs_aws.env
    assert env["AWS_ENDPOINT_URL"] == ecs_aws.endpoint_url
    assert env["AWS_ACCESS_KEY_ID"]
    assert env["AWS_SECRET_ACCESS_KEY"]
    assert "us-east-1" in (env.get("AWS_DEFAULT_REGION"), env.get("AWS_REGION"))
    assert all(name.startswith("AWS_") for name in env)


def test_client_arguments_are_passed_on(ecs_aws):
    assert ecs_aws.client("s3", region_name="eu-west-1").meta.region_name == "eu-west-1"
    assert (
        ecs_aws.resource("dynamodb", region_name="eu-central-1").meta.client.meta.region_name
        == "eu-central-1"
    )


def test_the_env_works_in_a_child_process(ecs_aws):
    ecs_aws.client("s3").create_bucket(Bucket="shared")
    code = "import boto3; print(boto3.client('s3').list_buckets()['Buckets'][0]['Name'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **ecs_aws.env},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "shared\n"


def test_code_under_test_makes_its_own_clients(ecs_aws_env, ecs_aws):
    assert os.environ["AWS_ENDPOINT_URL"] == ecs_aws.endpoint_url
    boto3.client("s3").create_bucket(Bucket="mine")
    assert [each["Name"] for each in ecs_aws.client("s3").list_buckets()["Buckets"]] == ["mine"]


def test_the_environment_is_as_before_without_the_fixture():
    assert "AWS_ENDPOINT_URL" not in os.environ


def test_events_are_the_state_changes_of_this_aws(ecs_task_factory, ecs_aws, define, sh):
    task = ecs_task_factory.run(define(sh("job", "true")), wait="stopped")
    events = ecs_aws.events("ECS Task State Change")
    assert [event["detail"]["lastStatus"] for event in events] == [
        event["detail"]["lastStatus"] for event in task.events
    ]
    assert {event["detail"]["taskArn"] for event in ecs_aws.events()} == {task.arn}
    assert ecs_aws.events("No Such Detail Type") == []


def test_two_tasks_of_a_test_share_its_aws(ecs_task_factory, ecs_aws):
    ecs_aws.client("s3").create_bucket(Bucket="results")
    write = python_job("import boto3; boto3.client('s3').put_object(Bucket='results', Key='k', Body=b'1')")
    read = python_job(
        "import boto3; print(boto3.client('s3').get_object(Bucket='results', Key='k')['Body'].read())"
    )
    assert ecs_task_factory.run(write, wait="stopped").exit_code() == 0
    assert ecs_task_factory.run(read, wait="stopped").logs() == "b'1'\n"


def test_a_module_fixture_shares_its_aws_with_the_tests_that_use_it(suite):
    suite.write(
        "test_scopes.py",
        """
        import pytest

        @pytest.fixture(scope="module")
        def bucket(ecs_aws):
            ecs_aws.client("s3").create_bucket(Bucket="wide")

        def names(aws):
            return sorted(each["Name"] for each in aws.client("s3").list_buckets()["Buckets"])

        def test_first(bucket, ecs_aws):
            assert names(ecs_aws) == ["wide"]
            ecs_aws.client("s3").create_bucket(Bucket="by-first")

        def test_apart(ecs_aws):
            assert names(ecs_aws) == []
            ecs_aws.client("s3").create_bucket(Bucket="apart")

        def test_second(bucket, ecs_aws):
            assert sorted(names(ecs_aws)) == ["by-first", "wide"]
        """,
    )
    suite.write(
        "test_other_module.py",
        """
        def test_other(ecs_aws):
            assert ecs_aws.client("s3").list_buckets()["Buckets"] == []
        """,
    )
    suite.run().assert_outcomes(passed=4)


def test_values_redefined_in_conftest_reach_tasks_and_clients(suite):
    suite.write(
        "conftest.py",
        f"""
        import pytest

        @pytest.fixture(scope="session")
        def ecs_region():
            return "eu-west-1"

        @pytest.fixture(scope="session")
        def ecs_account_id():
            return "210987654321"

        @pytest.fixture(scope="session")
        def ecs_environment():
            return {{"EXTRA": "from conftest"}}

        @pytest.fixture(scope="session")
        def ecs_images():
            return {{"registry.invalid/job": "{IMAGE}"}}

        @pytest.fixture(scope="session")
        def ecs_taskdef_dir(request):
            return request.config.rootpath / "infra"
        """,
    )
    container = {
        "name": "job", "image": "registry.invalid/job:3", "memory": 64,
        "command": ["sh", "-c", "echo $EXTRA $AWS_DEFAULT_REGION $AWS_REGION"],
    }  # fmt: skip
    suite.write_definition("infra/job.json", container, taskRoleArn="arn:aws:iam::210987654321:role/app")
    suite.write(
        "tests/test_values.py",
        """
        import pytest

        @pytest.mark.ecs_taskdef("job.json", wait="stopped")
        def test_values(ecs_task, ecs_aws):
            assert ecs_task.arn.startswith("arn:aws:ecs:eu-west-1:210987654321:task/default/")
            assert ecs_aws.account_id == "210987654321"
            assert ecs_aws.region == "eu-west-1"
            assert ecs_aws.client("sts").get_caller_identity()["Account"] == "210987654321"
            assert ecs_aws.client("sqs").meta.region_name == "eu-west-1"
            assert ecs_task.logs().startswith("from conftest")
            assert "eu-west-1" in ecs_task.logs()
        """,
    )
    result = suite.run()
    result.assert_outcomes(passed=1)


@pytest.mark.ecs_engine("docker")
def test_a_testcontainers_container_joins_the_network(suite, monkeypatch, engine_url):
    if "podman" in engine_url:
        pytest.skip("testcontainers is tried on Docker")
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    suite.write(
        "test_network.py",
        f"""
        from testcontainers.core.container import DockerContainer

        def test_together(ecs_network, ecs_task_factory):
            redis = DockerContainer("pytest-ecs-tasks/redis:1").with_network(ecs_network)
            redis = redis.with_network_aliases("cache")
            with redis:
                ask = "until printf 'PING\\\\r\\\\n' | busybox nc -w 1 cache 6379 | grep PONG; do sleep 0.2; done"
                task = ecs_task_factory.run(
                    {{"family": "ask", "networkMode": "awsvpc", "containerDefinitions": [
                        {{"name": "ask", "image": "{IMAGE}", "memory": 64, "command": ["sh", "-c", ask]}}]}},
                    wait="stopped",
                )
                assert "PONG" in task.logs(), task.logs()
        """,
    )
    suite.run().assert_outcomes(passed=1)

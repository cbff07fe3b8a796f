"""Tests whose code calls ECS, as users write them, on the engine under test."""

from __future__ import annotations

import pytest

from left_over import labelled_objects
from pytest_ecs_tasks.aws.moto_server import MotoParent
from tasks import BUSYBOX

pytestmark = pytest.mark.any_engine

CONFTEST = f"""
import boto3
import pytest

NETWORK = {{"awsvpcConfiguration": {{"subnets": ["subnet-1"]}}}}
DEPLOYED = "123456789012.dkr.ecr.us-east-1.amazonaws.com/job"


@pytest.fixture(scope="session")
def ecs_images():
    return {{DEPLOYED: "{BUSYBOX}"}}


class Job:
    '''The code under test: it knows nothing of the test.'''

    def __init__(self, script):
        self.ecs = boto3.client("ecs", region_name="us-east-1")
        container = {{"name": "app", "image": DEPLOYED + ":7", "memory": 64, "command": ["sh", "-c", script]}}
        self.ecs.register_task_definition(family="job", networkMode="awsvpc", containerDefinitions=[container])

    def start(self):
        answer = self.ecs.run_task(taskDefinition="job", networkConfiguration=NETWORK)
        return answer["tasks"][0]["taskArn"]

    def wait(self, arn):
        self.ecs.get_waiter("tasks_stopped").wait(tasks=[arn], WaiterConfig={{"Delay": 1, "MaxAttempts": 60}})
        return self.ecs.describe_tasks(tasks=[arn])["tasks"][0]["containers"][0]["exitCode"]
"""


@pytest.fixture
def suite(project, monkeypatch, engine_url):
    monkeypatch.setenv("PYTEST_ECS_ENGINE", engine_url)
    monkeypatch.setenv("PYTEST_ECS_PULL", "never")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    project.file("conftest.py", CONFTEST)
    return project


def told_arns(result):
    """Return the task ARNs that a test has printed."""
    text = result.stdout.str()
    return [line.partition("arn=")[2].split()[0] for line in text.splitlines() if line.startswith("arn=")]


def left(engine_url, arns):
    return [
        each for arn in arns for each in labelled_objects(engine_url, f"com.amazonaws.ecs.task-arn={arn}")
    ]


@pytest.mark.parametrize("mode", ["server", "in-process"])
def test_code_that_calls_ecs_works_unchanged_in_mock_aws_too(suite, mode):
    suite.file(
        "test_job.py",
        """
import boto3
import pytest
from conftest import Job
from moto import mock_aws

def test_a_job(ecs_aws_env):
    job = Job("exit 3")
    assert job.wait(job.start()) == 3

def test_a_job_in_mock_aws(ecs_aws_env):
    with mock_aws():
        job = Job("exit 4")
        assert job.wait(job.start()) == 4
        assert boto3.client("s3", region_name="us-east-1").list_buckets()["Buckets"] == []

def test_nothing_is_left_of_the_other_tests(ecs_aws):
    ecs = ecs_aws.client("ecs")
    assert ecs.list_task_definitions()["taskDefinitionArns"] == []
    assert ecs.list_clusters()["clusterArns"] == []
""",
    )

    suite.run_apart(f"--ecs-aws={mode}").assert_outcomes(passed=3)


def test_an_aws_of_the_users_gets_everything_but_ecs(suite):
    parent = MotoParent()
    try:
        theirs = parent.spawn().endpoint_url
        suite.file(
            "test_job.py",
            f"""
import urllib.request
from conftest import Job

def test_a_job(ecs_aws_env, ecs_aws):
    ecs_aws.client("s3").create_bucket(Bucket="inbox")
    with urllib.request.urlopen("{theirs}/") as answer:
        assert b"<Name>inbox</Name>" in answer.read()
    job = Job("exit 3")
    assert job.wait(job.start()) == 3
""",
        )

        suite.run_apart(f"--ecs-aws={theirs}").assert_outcomes(passed=1)
    finally:
        parent.close()


def test_a_failing_test_shows_the_log_of_the_tasks_that_its_code_has_started(suite):
    suite.file(
        "test_job.py",
        """
from conftest import Job

def test_a_job(ecs_aws_env):
    job = Job("echo FATAL: no database; exit 1")
    assert job.wait(job.start()) == 0
""",
    )

    result = suite.run_apart()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Captured log ecs job:1 app*", "*stdout*FATAL: no database*"])


FORGETFUL = """
import pytest
from conftest import Job

@pytest.mark.parametrize("number", range(4))
def test_a_job_that_nobody_stops(ecs_aws_env, number):
    job = Job("exec sleep 600")
    arn = job.start()
    job.ecs.get_waiter("tasks_running").wait(tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    print(f"\\narn={arn}")
    assert job.ecs.list_tasks()["taskArns"] == [arn]
"""


@pytest.mark.parametrize("options", [["-s"], ["-n", "2", "-rP"]])
def test_tasks_that_nobody_stops_are_gone_after_the_run(suite, engine_url, options):
    suite.file("test_job.py", FORGETFUL)

    result = suite.run_apart(*options)

    result.assert_outcomes(passed=4)
    arns = told_arns(result)
    assert len(set(arns)) == 4
    assert left(engine_url, arns) == []


@pytest.mark.usefixtures("no_other_sweep")
def test_the_tasks_of_a_failed_test_stay_where_that_is_asked_for(suite, engine_url):
    suite.file("test_job.py", FORGETFUL + "    assert number != 1\n")

    result = suite.run_apart("-s", "--ecs-keep=on-failure")

    result.assert_outcomes(passed=3, failed=1)
    arns = told_arns(result)
    kept = [arn for arn in arns if left(engine_url, [arn])]
    assert kept == [arns[1]]
    suite.run_apart("--ecs-sweep")
    assert left(engine_url, arns) == []


def test_a_definition_that_code_has_registered_can_be_run_by_a_fixture(suite):
    suite.file(
        "test_job.py",
        """
import pytest
from conftest import Job

@pytest.fixture
def job(ecs_aws_env):
    return Job("exit 6")

@pytest.mark.ecs_taskdef("job", wait="stopped")
def test_a_job(job, request):
    task = request.getfixturevalue("ecs_task")
    assert task.exit_code() == 6
    assert job.ecs.describe_tasks(tasks=[task.arn])["tasks"][0]["stopCode"] == task.stop_code
""",
    )

    suite.run_apart().assert_outcomes(passed=1)


def test_a_wide_aws_keeps_its_tasks_until_its_own_end(suite, engine_url):
    suite.file(
        "test_job.py",
        """
import pytest
from conftest import Job

@pytest.fixture(scope="module")
def arn(ecs_aws):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ecs_aws.env.items():
            patch.setenv(name, value)
        job = Job("exec sleep 600")
        return job.start()

def test_it_runs(arn, ecs_aws):
    print(f"\\narn={arn}")
    assert ecs_aws.client("ecs").list_tasks()["taskArns"] == [arn]

def test_it_runs_on(arn, ecs_aws):
    assert ecs_aws.client("ecs").describe_tasks(tasks=[arn])["tasks"][0]["desiredStatus"] == "RUNNING"
""",
    )

    result = suite.run_apart("-s")

    result.assert_outcomes(passed=2)
    assert left(engine_url, told_arns(result)) == []

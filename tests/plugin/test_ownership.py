"""Who owns a task, and which AWS is whose."""

from __future__ import annotations

from project import taskdef


def test_a_task_ends_with_its_test(project):
    project.file(
        "test_it.py",
        """
import pytest
seen = []

@pytest.mark.ecs_taskdef("taskdef.json")
def test_fixture(ecs_task):
    seen.append(ecs_task)

def test_factory(ecs_task_factory):
    assert seen[-1].last_status == "STOPPED"
    seen.append(ecs_task_factory.run("taskdef.json"))

def test_after():
    assert [task.last_status for task in seen] == ["STOPPED", "STOPPED"]
""",
    )

    project.run().assert_outcomes(passed=3)


def test_a_task_of_a_wider_fixture_ends_with_that_fixture(project):
    project.file(
        "test_it.py",
        """
import pytest

@pytest.fixture(scope="class")
def web(ecs_task_factory):
    task = ecs_task_factory.run("taskdef.json")
    yield task
    assert task.last_status == "RUNNING"  # its own teardown can still use it

class TestClass:
    def test_one(self, web):
        type(self).task = web

    def test_two(self, web):
        assert web is self.task
        assert web.last_status == "RUNNING"

def test_after():
    assert TestClass.task.last_status == "STOPPED"
""",
    )

    project.run().assert_outcomes(passed=3)


def test_a_with_block_ends_its_task_at_once(project):
    project.file(
        "test_it.py",
        """
def test_it(ecs_task_factory):
    with ecs_task_factory.run("taskdef.json") as task:
        assert task.last_status == "RUNNING"
    assert task.last_status == "STOPPED"
""",
    )

    project.run().assert_outcomes(passed=1)


def test_a_task_of_another_thread_belongs_to_the_running_test(project):
    project.file(
        "test_it.py",
        """
import threading
tasks = []

def test_it(ecs_task_factory):
    thread = threading.Thread(target=lambda: tasks.append(ecs_task_factory.run("taskdef.json")))
    thread.start()
    thread.join()
    assert tasks[0].last_status == "RUNNING"

def test_after():
    assert tasks[0].last_status == "STOPPED"
""",
    )

    project.run().assert_outcomes(passed=2)


def test_a_count_starts_that_many(project):
    project.file(
        "test_it.py",
        """
def test_it(ecs_task_factory):
    tasks = ecs_task_factory.run("taskdef.json", count=3)
    assert len({task.arn for task in tasks}) == 3
""",
    )

    project.run().assert_outcomes(passed=1)


def test_task_fixture_makes_a_fixture_of_any_scope_with_paths_relative_to_its_file(project):
    project.file("conftest.py", "")
    project.file("sub/web.json", taskdef(family="shared"))
    project.file(
        "sub/conftest.py",
        """
import pytest
from pytest_ecs_tasks import task_fixture

@pytest.fixture(scope="session")
def db():
    return "db"

web = task_fixture("web.json", scope="session", depends=["db"], environment={"shared": {"HOST": "db"}})
""",
    )
    project.file(
        "sub/deep/test_it.py",
        """
seen = []

def test_one(web, request):
    assert web.family == "shared"
    assert "db" in request.fixturenames
    seen.append(web)

def test_two(web):
    assert web is seen[0]
""",
    )

    project.run().assert_outcomes(passed=2)
    assert project.cluster.requests[0].environment == {"shared": {"HOST": "db"}}


def test_every_test_has_an_aws_of_its_own(project):
    project.file(
        "test_it.py",
        """
import pytest
urls = []

@pytest.mark.ecs_taskdef("taskdef.json")
@pytest.mark.parametrize("number", [1, 2])
def test_it(ecs_task, ecs_aws, number):
    assert ecs_aws.endpoint_url not in urls
    urls.append(ecs_aws.endpoint_url)
    assert [event["detail"]["taskArn"] for event in ecs_aws.events()] == [ecs_task.arn] * len(ecs_task.events)
""",
    )

    project.run().assert_outcomes(passed=2)
    assert [aws.is_closed for aws in project.cluster.all_aws] == [True, True]


def test_the_aws_is_the_one_of_the_widest_fixture_that_the_test_uses(project):
    project.file(
        "test_it.py",
        """
import pytest
urls = {}

@pytest.fixture(scope="module")
def bucket(ecs_aws):
    urls["bucket"] = ecs_aws.endpoint_url
    yield
    assert ecs_aws.endpoint_url == urls["bucket"]

@pytest.fixture(scope="class")
def web(ecs_task_factory, ecs_aws):
    ecs_task_factory.run("taskdef.json")
    urls["web"] = ecs_aws.endpoint_url

@pytest.fixture
def indirectly(bucket):
    pass

def test_shared(bucket, ecs_aws):
    assert ecs_aws.endpoint_url == urls["bucket"]

def test_shared_through_another_fixture(indirectly, ecs_aws):
    assert ecs_aws.endpoint_url == urls["bucket"]

def test_alone(ecs_aws):
    assert ecs_aws.endpoint_url != urls["bucket"]

class TestNarrower:
    def test_a_narrower_fixture_shares_the_wider_ones(self, bucket, web, ecs_aws):
        assert urls["web"] == urls["bucket"] == ecs_aws.endpoint_url

class TestOnItsOwn:
    def test_a_class_fixture_has_one(self, web, ecs_aws):
        assert urls["web"] == ecs_aws.endpoint_url != urls["bucket"]
""",
    )

    project.run().assert_outcomes(passed=5)
    assert all(aws.is_closed for aws in project.cluster.all_aws)


def test_a_wide_fixture_that_only_holds_the_handle_binds_its_aws_too(project):
    project.file(
        "test_it.py",
        """
import pytest
urls = []

@pytest.fixture(scope="module")
def holder(ecs_aws):
    return ecs_aws

@pytest.mark.parametrize("number", [1, 2])
def test_it(holder, number):
    urls.append(holder.endpoint_url)
    assert len(set(urls)) == 1
""",
    )

    project.run().assert_outcomes(passed=2)


def test_secrets_parameters_and_log_groups_are_there_before_the_task_starts(project):
    project.file(
        "test_it.py",
        """
import pytest
pytestmark = pytest.mark.ecs_secret("prod/db", "outer")

@pytest.mark.ecs_taskdef("taskdef.json")
@pytest.mark.ecs_secret("prod/db", {"password": "inner"})
@pytest.mark.ecs_parameter("/title", "Sales", secure=False)
@pytest.mark.ecs_log_group("/ecs/web")
def test_it(ecs_task):
    pass
""",
    )

    project.run().assert_outcomes(passed=1)
    aws = project.cluster.all_aws[0]
    assert aws.secrets == {"prod/db": {"password": "inner"}}
    assert aws.parameters == {"/title": ("Sales", False)}
    assert aws.log_groups == ["/ecs/web"]


def test_ecs_aws_env_points_the_test_process_at_the_tests_aws(project, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    project.file(
        "test_it.py",
        """
import os

def test_it(ecs_aws_env, ecs_aws):
    assert os.environ["AWS_ENDPOINT_URL"] == ecs_aws.endpoint_url
    assert "AWS_PROFILE" not in os.environ

def test_after():
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert os.environ["AWS_PROFILE"] == "mine"
""",
    )

    project.run().assert_outcomes(passed=2)


def test_an_unittest_testcase_can_use_fixtures_of_ours(project):
    project.file(
        "test_it.py",
        """
import unittest
import pytest

class TestIt(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _task(self, ecs_task_factory):
        self.task = ecs_task_factory.run("taskdef.json")

    def test_it(self):
        assert self.task.last_status == "RUNNING"
""",
    )

    project.run().assert_outcomes(passed=1)

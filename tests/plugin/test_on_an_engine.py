"""The plugin as users run it, on the engine under test."""

from __future__ import annotations

import pytest

from left_over import labelled_objects
from project import taskdef
from tasks import BUSYBOX

SERVE = ["sh", "-c", "mkdir /w; echo hi > /w/index.html; echo serving; exec httpd -f -p 8080 -h /w"]


@pytest.fixture
def engine(monkeypatch, engine_url):
    monkeypatch.setenv("PYTEST_ECS_ENGINE", engine_url)
    monkeypatch.setenv("PYTEST_ECS_PULL", "never")
    return engine_url


@pytest.fixture
def web(project, engine):
    document = taskdef(*SERVE, image=BUSYBOX, portMappings=[{"containerPort": 8080}])
    document["containerDefinitions"][0]["healthCheck"] = {
        "command": ["CMD-SHELL", "wget -q -O- localhost:8080"]
    }
    project.file("taskdef.json", document | {"networkMode": "awsvpc"})
    project.file(
        "test_web.py",
        """
import os
import urllib.request
import pytest

@pytest.mark.ecs_taskdef("taskdef.json")
@pytest.mark.parametrize("number", range(4))
def test_it(ecs_task, ecs_aws, number):
    with urllib.request.urlopen(ecs_task.url(), timeout=60) as response:
        assert response.read() == b"hi\\n"
    assert ecs_task.health_status == "HEALTHY"
    assert ecs_task.wait_for_log("serving").stream == "stdout"
    listed = ecs_aws.client("logs").describe_log_groups()["logGroups"]
    assert listed == []
""",
    )
    return project


def run_ids(junit):
    """Return the task ARNs of a JUnit file."""
    return [part.split('"')[0] for part in junit.split('name="ecs_task_arn" value="')[1:]]


def left_behind(project, engine):
    arns = run_ids((project.pytester.path / "junit.xml").read_text())
    assert arns
    return [each for arn in arns for each in labelled_objects(engine, f"com.amazonaws.ecs.task-arn={arn}")]


def test_a_web_service_is_up_when_the_test_begins_and_gone_afterwards(web, engine):
    result = web.run_apart("--junitxml=junit.xml")

    result.assert_outcomes(passed=4)
    assert left_behind(web, engine) == []


def test_warnings_as_errors_and_a_timeout_by_thread_don_t_disturb_it(web, engine):
    result = web.run_apart("-W", "error", "--timeout=120", "--timeout-method=thread", "--junitxml=junit.xml")

    result.assert_outcomes(passed=4)
    assert left_behind(web, engine) == []


def test_a_failing_task_is_explained_with_its_log(project, engine):
    document = taskdef("sh", "-c", "echo connecting; echo FATAL >&2; exit 3", image=BUSYBOX)
    document["containerDefinitions"][0]["healthCheck"] = {
        "command": ["CMD-SHELL", "false"],
        "startPeriod": 30,
    }
    project.file("taskdef.json", document)
    project.file(
        "test_it.py", "import pytest\n@pytest.mark.ecs_taskdef('taskdef.json')\ndef test_it(ecs_task): pass"
    )

    result = project.run_apart()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            'E   pytest_ecs_tasks.TaskStopped: web:1 stopped before it was HEALTHY: container "web" exited 3',
            'E     stopCode EssentialContainerExited · stoppedReason "Essential container in task exited"',
            "E     web  STOPPED  exit 3 *",
            "*- Captured log ecs web:1 web setup -*",
        ]
    )
    result.stdout.fnmatch_lines_random(["??:??:??.??? stdout  connecting", "??:??:??.??? stderr  FATAL"])


def test_an_image_that_is_not_here_names_those_that_are_like_it(project, engine):
    project.file("taskdef.json", taskdef(image=BUSYBOX.replace("busybox", "bussybox")))
    project.file(
        "test_it.py", "import pytest\n@pytest.mark.ecs_taskdef('taskdef.json')\ndef test_it(ecs_task): pass"
    )

    result = project.run_apart()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            'E   pytest_ecs_tasks.ImageError: container "web" needs *bussybox:1 and it is not local',
            "E * similar name: *busybox:1*",
        ]
    )


def test_a_secret_that_is_missing_is_told_how_to_create_it(project, engine):
    document = taskdef(
        "true",
        image=BUSYBOX,
        secrets=[
            {
                "name": "DB_PASSWORD",
                "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db:password::",
            }
        ],
    )
    fargate = {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"}
    role = {"executionRoleArn": "arn:aws:iam::123456789012:role/execution"}
    project.file("taskdef.json", document | fargate | role)
    project.file(
        "test_it.py",
        "import pytest\n@pytest.mark.ecs_taskdef('taskdef.json')\n"
        "@pytest.mark.ecs_secret('prod/db-replica', 'x')\ndef test_it(ecs_task): pass",
    )

    result = project.run_apart()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "E   pytest_ecs_tasks.TaskFailedToStart: web:1 did not start: ResourceInitializationError: *",
            'E *container "web", secret* "DB_PASSWORD" <- arn:aws:secretsmanager:*:secret:prod/db:password::',
            'E *@pytest.mark.ecs_secret("prod/db"*',
            "E *present here: prod/db-replica",
        ]
    )


def test_a_registered_family_is_run(project, engine):
    project.file(
        "test_it.py",
        f"""
import pytest

@pytest.fixture(scope="module")
def registered(ecs_aws):
    ecs = ecs_aws.client("ecs")
    for word in ("one", "two"):
        ecs.register_task_definition(family="job", containerDefinitions=[
            {{"name": "job", "image": "{BUSYBOX}", "memory": 64, "command": ["echo", word]}}])

@pytest.mark.ecs_taskdef("job", wait="stopped")
def test_latest(registered, ecs_task):
    assert (ecs_task.revision, ecs_task.logs()) == (2, "two\\n")

@pytest.mark.ecs_taskdef("job:1", wait="stopped")
def test_revision(registered, ecs_task):
    assert (ecs_task.revision, ecs_task.logs()) == (1, "one\\n")

@pytest.mark.ecs_taskdef("jobb", wait="stopped")
def test_unknown(registered, ecs_task):
    pass
""",
    )

    result = project.run_apart()

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            'ecs_taskdef("jobb"): no such file. *',
            "  No task definition 'jobb' is registered in this test's AWS either: *",
        ]
    )


def test_no_engine_lists_what_was_tried(project, monkeypatch):
    monkeypatch.setenv("PYTEST_ECS_ENGINE", "unix:///nowhere/docker.sock")
    project.file(
        "test_it.py", "import pytest\n@pytest.mark.ecs_taskdef('taskdef.json')\ndef test_it(ecs_task): pass"
    )

    failing = project.run_apart()
    skipping = project.run_apart("--ecs-missing-engine=skip")

    failing.assert_outcomes(errors=1)
    failing.stdout.fnmatch_lines(
        [
            "E   pytest_ecs_tasks.EngineUnavailable: no container engine answered*",
            "E *unix:///nowhere/docker.sock*",
        ]
    )
    failing.stdout.fnmatch_lines(["E *--ecs-missing-engine=skip*"])
    skipping.assert_outcomes(skipped=1)

"""``EcsTask`` on a task in memory: waits, errors, choices."""

from __future__ import annotations

import re

import pytest

from pytest_ecs_tasks import (
    EcsTaskError,
    ImageError,
    TaskFailedToStart,
    TaskStopped,
    WaitTimeout,
)
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.testing.task import FakeCluster


@pytest.fixture
def cluster():
    return FakeCluster()


@pytest.fixture
def run(cluster):
    """Run a task of containers: name -> script, or a whole container definition."""

    def run(revision=1, **containers):
        definitions = [
            {"name": name, "image": f"{name}:1", "memory": 64}
            | (fields if isinstance(fields, dict) else {"command": fields})
            for name, fields in containers.items()
        ]
        definition = parse_task_definition({"family": "web", "containerDefinitions": definitions}, "test")
        return cluster.run_task(RunTaskRequest(definition), cluster.new_aws())

    return run


HEALTH = {"command": ["CMD", "true"]}


def test_repr_shows_every_container(run):
    task = run(
        app={"command": [], "healthCheck": HEALTH},
        init={"command": ["exit 0"], "essential": False},
    )

    assert repr(task) == "<EcsTask web:1 RUNNING app=RUNNING/HEALTHY init=STOPPED(0)>"


def test_properties_follow_the_task(run):
    task = run(app=["log hello"])

    assert (task.last_status, task.desired_status, task.stop_code) == ("RUNNING", "RUNNING", None)
    assert task.stop("enough") is task
    assert (task.last_status, task.stop_code, task.stopped_reason) == ("STOPPED", "UserInitiated", "enough")
    assert task["app"].exit_code == task.exit_code() == 143
    assert [event["detail"]["lastStatus"] for event in task.events][-1] == "STOPPED"
    assert task.describe()["stoppedReason"] == "enough"


def test_waits_return_the_task(run):
    task = run(app={"command": [], "healthCheck": HEALTH})

    assert task.wait_running() is task.wait_healthy() is task.wait_for(lambda: True) is task


def test_a_task_that_never_started_raises_at_once_with_its_reason(run, cluster):
    task = run(app={"command": [], "image": "missing/app:1"})

    for wait in (
        task.wait_running,
        task.wait_healthy,
        lambda: task.wait_for_log("x"),
        lambda: task.wait_for(lambda: False),
    ):
        with pytest.raises(ImageError, match='container "app" needs missing/app:1') as caught:
            wait()
        assert isinstance(caught.value, TaskFailedToStart)
    assert cluster.controls[0].now() < 1
    assert task.wait_stopped() is task
    assert task["app"].reason == "CannotPullContainerError: manifest unknown"
    assert task.logs() == ""
    assert task.exit_code() is None


def test_a_task_that_has_stopped_raises_at_once(run, cluster):
    task = run(app=["exit 3"])

    for wait in (
        task.wait_running,
        task.wait_healthy,
        lambda: task.wait_for_log("x"),
        lambda: task.wait_for(lambda: False),
    ):
        with pytest.raises(TaskStopped, match='container "app" exited 3'):
            wait()
    assert cluster.controls[0].now() < 1


def test_a_log_line_or_condition_already_met_wins_over_the_stop(run):
    task = run(app=["log ready on [::]:80", "exit 3"])

    assert task.wait_for_log("ready").text == "ready on [::]:80"
    assert task.wait_for_log("ready on [::]:80").stream == "stdout"
    assert task.wait_for_log(r"re..y").container == "app"
    assert task.wait_for_log(re.compile("READY", re.IGNORECASE)).time.tzinfo is not None
    assert task.wait_for(lambda: task.exit_code() == 3) is task


def test_a_container_that_ended_ends_the_hope_for_its_log(run, cluster):
    task = run(app=[], init={"command": ["log done", "exit 0"], "essential": False})

    with pytest.raises(TaskStopped, match='web:1: container "init" exited 0 before it logged "ready"'):
        task.wait_for_log("ready", "init")
    assert cluster.controls[0].now() < 1


def test_a_timeout_says_what_blocks(run):
    task = run(
        migrate={"command": ["hang"], "essential": False},
        web={"command": [], "dependsOn": [{"containerName": "migrate", "condition": "SUCCESS"}]},
    )

    with pytest.raises(WaitTimeout) as caught:
        task.wait_running(timeout=30)

    assert str(caught.value).splitlines() == [
        "web:1 was still PENDING after 30 s: container 'migrate' waits for the engine to start it",
        "  container 'web' waits for 'migrate' (SUCCESS), which is PENDING",
    ]


def test_a_health_timeout_shows_the_last_check(run):
    task = run(app={"command": ["unhealthy"], "healthCheck": HEALTH})

    with pytest.raises(WaitTimeout) as caught:
        task.wait_healthy(timeout=5)

    assert str(caught.value) == (
        "web:1 was RUNNING and not HEALTHY after 5 s: "
        "container 'app' is UNKNOWN: healthCheck failed with exit 1: connection refused"
    )


def test_the_default_timeout_follows_from_the_health_checks(run):
    check = HEALTH | {"interval": 10, "retries": 2, "timeout": 3, "startPeriod": 7}
    task = run(
        db={"command": ["hang"], "healthCheck": check},
        web={"command": [], "dependsOn": [{"containerName": "db", "condition": "HEALTHY"}]},
    )

    with pytest.raises(WaitTimeout, match="after 60 s"):
        task.wait_healthy()


def test_a_start_timeout_of_the_users_wins(run):
    task = run(app=["hang"]).with_start_timeout(3)

    with pytest.raises(WaitTimeout, match="after 3 s"):
        task.wait_healthy()


def test_waiting_for_the_end_has_a_timeout_of_its_own(run):
    task = run(app=[])

    with pytest.raises(
        WaitTimeout, match="web:1 was RUNNING and not STOPPED after 300 s: container 'app' is RUNNING"
    ):
        task.wait_stopped()


def test_a_condition_may_take_the_task_or_nothing_and_be_refused_at_first(run):
    task = run(app=[])
    answers = iter([ConnectionRefusedError("not yet"), False, True])

    def is_ready(given):
        assert given is task
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert task.wait_for(is_ready) is task


def test_a_condition_that_never_holds_shows_its_last_error(run):
    task = run(app=[])

    def is_ready():
        raise ConnectionRefusedError("connection refused")

    with pytest.raises(WaitTimeout) as caught:
        task.wait_for(is_ready, timeout=2)

    assert str(caught.value).splitlines() == [
        "web:1 is RUNNING: condition is_ready did not hold within 2 s",
        "  its last error: ConnectionRefusedError: connection refused",
    ]


def test_other_errors_of_a_condition_are_the_tests_own(run):
    with pytest.raises(ZeroDivisionError):
        run(app=[]).wait_for(lambda: 1 / 0)


def test_testcontainers_strategies_work(run):
    from testcontainers.core.wait_strategies import HealthcheckWaitStrategy, LogMessageWaitStrategy

    task = run(app={"command": ["log ready"], "healthCheck": HEALTH})

    assert task.wait_for(LogMessageWaitStrategy("ready")) is task
    assert task.wait_for(HealthcheckWaitStrategy()) is task


def test_a_strategy_ends_as_soon_as_the_task_has_stopped(run):
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    with pytest.raises(TaskStopped, match="exited 3"):
        run(app=["exit 3"]).wait_for(LogMessageWaitStrategy("ready"), timeout=60)


def test_a_container_need_not_be_named_when_one_fits(run):
    ports = {"portMappings": [{"containerPort": 80}]}

    assert run(app=["log a"]).logs() == "a\n"
    assert run(app={"command": ["log a"]} | ports, other=["log b"]).logs() == "a\n"
    assert run(app=["log a"], init={"command": [], "essential": False}).logs() == "a\n"
    with pytest.raises(EcsTaskError, match="say which one: a, b"):
        run(a=[], b=[]).logs()


def test_an_unknown_container_is_told_the_known_ones(run):
    task = run(app=[], db=[])

    for call in (
        lambda: task["web"],
        lambda: task.logs("web"),
        lambda: task.kill("web"),
        lambda: task.exec("web", "ls"),
    ):
        with pytest.raises(EcsTaskError, match="the task has no container 'web'; it has app, db"):
            call()


def test_addresses_follow_the_port_mappings(run):
    mappings = [{"containerPort": 80}, {"containerPort": 53, "protocol": "udp"}]
    task = run(app={"command": [], "portMappings": mappings[:1]}, other=[])
    several = run(app={"command": [], "portMappings": mappings})

    assert task.address() == ("10.0.0.2", 80)
    assert task.url() == "http://10.0.0.2:80/"
    assert task.url("app", 80, "health", scheme="https") == "https://10.0.0.2:80/health"
    assert several.address(port=53) == ("10.0.0.2", 53)
    with pytest.raises(
        EcsTaskError, match=r"container 'app' does not map port 8080: portMappings has app 80/tcp"
    ):
        task.address("app", 8080)
    with pytest.raises(
        EcsTaskError, match=r"maps several ports, say which .*: portMappings has app 80/tcp, app 53/udp"
    ):
        several.address()
    with pytest.raises(EcsTaskError, match="container 'other' maps no port: there are no portMappings"):
        task.url("other")


def test_exec_runs_text_in_a_shell_and_lists_as_they_are(run):
    task = run(app=[])

    assert task.exec("app", "ls /").stdout == "/bin/sh -c ls /"
    assert task.exec("app", ["ls", "/"]).stdout == "ls /"
    assert task.exec("app", "exit 2").exit_code == 2
    with pytest.raises(EcsTaskError, match="exec in container 'app' exited 2: 'exit 2'\n  no such thing"):
        task.exec("app", "exit 2", check=True)


def test_leaving_the_block_removes_at_once(run):
    with run(app=[]) as task:
        assert task.last_status == "RUNNING"

    assert task.last_status == "STOPPED"
    assert "everything is removed" in task.transcript()


@pytest.mark.parametrize("command", [5, [], [1], None, "a\0b", ["a", "\0"]])
def test_exec_of_what_no_engine_could_run_is_an_error(run, command):
    task = run(app=["log ready"])

    with pytest.raises(
        EcsTaskError, match=r"^exec\(\): command=.* is not valid: use a str, or a list of str"
    ):
        task.exec("app", command)


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "5"])
def test_exec_needs_time(run, timeout):
    task = run(app=["log ready"])

    with pytest.raises(EcsTaskError, match=r"^exec\(\): timeout=.* is not valid: use seconds above 0$"):
        task.exec("app", "true", timeout=timeout)


@pytest.mark.parametrize("timeout", ["5", -1, float("nan"), True])
@pytest.mark.parametrize(
    "wait",
    [
        lambda task, timeout: task.wait_running(timeout),
        lambda task, timeout: task.wait_stopped(timeout=timeout),
        lambda task, timeout: task.wait_for(lambda: False, timeout=timeout),
        lambda task, timeout: task.wait_for_log("never", timeout=timeout),
    ],
    ids=["wait_running", "wait_stopped", "wait_for", "wait_for_log"],
)
def test_a_timeout_is_a_number_of_seconds(run, wait, timeout):
    task = run(app=["log ready", "run"])

    with pytest.raises(EcsTaskError, match=r"^timeout=.* is not valid: use seconds, 0 or more$"):
        wait(task, timeout)


def test_a_wrong_reason_stops_neither_the_task_nor_the_engine(run):
    task = run(app=["log ready"])

    with pytest.raises(EcsTaskError, match=r"^stop\(\): reason=5 is not valid: use a str$"):
        task.stop(5)
    assert task.last_status == "RUNNING"

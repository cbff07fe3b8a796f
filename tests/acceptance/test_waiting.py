"""The table of waiting: what returns, what raises, and that nobody waits longer than there is hope."""

from __future__ import annotations

import time
import urllib.request

import pytest
from testcontainers.core.wait_strategies import HttpWaitStrategy, LogMessageWaitStrategy, PortWaitStrategy

from pytest_ecs_tasks import (
    EcsTaskError,
    EngineCrashed,
    EngineUnavailable,
    ImageError,
    TaskDefinitionError,
    TaskFailedToStart,
    TaskStopped,
    UnsupportedFeature,
    WaitTimeout,
)

FAILS = "echo connecting; echo FATAL no such user >&2; exit 3"
WAIT_S = 120  # what ends at once ends long before
HALF_A_WAIT_S = 60
NO_PROGRAM = {"entryPoint": ["/no/such/program"], "command": []}


def waits(task):
    return {
        "running": lambda: task.wait_running(timeout=WAIT_S),
        "healthy": lambda: task.wait_healthy(timeout=WAIT_S),
        "log": lambda: task.wait_for_log("never said", timeout=WAIT_S),
        "condition": lambda: task.wait_for(lambda: False, timeout=WAIT_S),
    }


def test_the_exceptions_have_one_family():
    for kind in (
        TaskDefinitionError, UnsupportedFeature, EngineUnavailable, TaskFailedToStart, TaskStopped, WaitTimeout, EngineCrashed,
    ):  # fmt: skip
        assert issubclass(kind, EcsTaskError)
        assert kind.__module__ == "pytest_ecs_tasks"
    assert issubclass(ImageError, TaskFailedToStart)
    assert issubclass(EcsTaskError, Exception)
    assert not issubclass(TaskStopped, TaskFailedToStart)


def test_a_task_that_stops_before_it_is_healthy_is_an_error_that_tells_how(ecs_task_factory, define, sh):
    depends = [{"containerName": "migrate", "condition": "SUCCESS"}]
    check = {"command": ["CMD-SHELL", "exit 1"]}
    with pytest.raises(TaskStopped) as caught:
        ecs_task_factory.run(
            define(
                sh("migrate", "exit 0", essential=False),
                sh("web", FAILS, dependsOn=depends, healthCheck=check),
                family="web",
            )
        )
    lines = str(caught.value).splitlines()
    assert lines[0] == 'web:1 stopped before it was HEALTHY: container "web" exited 3'
    assert "EssentialContainerExited" in lines[1]
    assert '"Essential container in task exited"' in lines[1]
    rows = {line.split()[0]: line for line in lines[2:]}
    assert "STOPPED" in rows["web"]
    assert "exit 3" in rows["web"]
    assert "after" in rows["web"]
    assert "exit 0" in rows["migrate"]


def test_a_task_that_stopped_ends_every_wait_at_once(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", FAILS)), wait=None)
    task.wait_stopped(timeout=WAIT_S)
    for call in waits(task).values():
        started = time.monotonic()
        with pytest.raises(TaskStopped):
            call()
        assert time.monotonic() - started < HALF_A_WAIT_S
    assert task.exit_code() == 3
    assert task.wait_for_log("FATAL").stream == "stderr"
    task.wait_for(lambda: True)


def test_a_task_that_stops_while_one_waits_ends_the_wait(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "echo up; sleep 1; exit 3")), wait="running")
    started = time.monotonic()
    with pytest.raises(TaskStopped):
        task.wait_for_log("never said", timeout=WAIT_S)
    assert time.monotonic() - started < HALF_A_WAIT_S


def test_a_log_line_that_arrives_with_the_end_is_found(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "sleep 0.3; echo last words; exit 3")), wait=None)
    assert task.wait_for_log("last words", timeout=WAIT_S).text == "last words"


def test_a_program_that_is_not_there_never_started(ecs_task_factory, define, sh):
    for wait in ("healthy", "running"):
        with pytest.raises(TaskFailedToStart) as caught:
            ecs_task_factory.run(define(sh("app", "", **NO_PROGRAM)), wait=wait)
        assert not isinstance(caught.value, ImageError)
        assert "app" in str(caught.value)


def test_a_task_that_never_started_ends_every_wait_at_once(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "", **NO_PROGRAM)), wait=None)
    assert task.wait_stopped(timeout=WAIT_S) in (None, task)
    for call in waits(task).values():
        with pytest.raises(TaskFailedToStart):
            call()
    assert task.stop_code == "TaskFailedToStart"
    assert task["app"].exit_code is None
    assert task.exit_code() is None
    assert (
        "CannotStartContainerError" in task["app"].reason
        or "CannotCreateContainerError" in task["app"].reason
    )
    assert task.logs() == ""
    assert task.log_lines() == []
    assert "startedAt" not in task.describe()


def test_an_image_that_cannot_be_had_is_an_image_error(ecs_task_factory, define, sh):
    with pytest.raises(ImageError) as caught:
        ecs_task_factory.run(
            define(sh("web", "true", image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1.4"))
        )
    text = str(caught.value)
    assert "web" in text
    assert "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1.4" in text
    assert "ecs_images" in text


def test_an_image_that_cannot_be_had_is_data_when_nobody_waits(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("web", "true", image="no.such.registry.invalid/web:1")), wait=None)
    task.wait_stopped(timeout=WAIT_S)
    assert task.stop_code == "TaskFailedToStart"
    assert "CannotPullContainerError" in task["web"].reason
    with pytest.raises(ImageError):
        task.wait_running()


def test_a_failed_pull_is_the_stopped_reason_on_fargate(ecs_task_factory, define, sh):
    web = sh("web", "true", image="no.such.registry.invalid/web:1")
    task = ecs_task_factory.run(define(web, cpu="256", memory="512"), launch_type="FARGATE", wait="stopped")
    assert task.stop_code == "TaskFailedToStart"
    assert task.stopped_reason.startswith("CannotPullContainerError")


def test_a_wait_that_is_still_going_at_its_timeout_says_what_blocks(ecs_task_factory, define, sh):
    check = {"command": ["CMD-SHELL", "echo not yet; exit 1"], "retries": 10}
    task = ecs_task_factory.run(define(sh("slow", "sleep 60", healthCheck=check)), wait="running")
    with pytest.raises(WaitTimeout) as caught:
        task.wait_healthy(timeout=0.5)
    text = str(caught.value)
    assert "HEALTHY" in text
    assert "slow" in text
    assert "0.5" in text
    with pytest.raises(WaitTimeout) as caught:
        task.wait_for_log("something rare", timeout=0.3)
    assert "something rare" in str(caught.value)
    with pytest.raises(WaitTimeout) as caught:
        task.wait_stopped(timeout=0.3)
    assert "STOPPED" in str(caught.value)
    with pytest.raises(WaitTimeout):
        task.wait_for(lambda: False, timeout=0.3)


def test_the_start_timeout_of_the_call_bounds_its_wait(ecs_task_factory, define, sh):
    check = {"command": ["CMD-SHELL", "exit 1"], "retries": 10}
    started = time.monotonic()
    with pytest.raises(WaitTimeout):
        ecs_task_factory.run(define(sh("slow", "sleep 60", healthCheck=check)), start_timeout=1)
    assert time.monotonic() - started < HALF_A_WAIT_S


def test_the_start_timeout_is_the_default_of_later_waits(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "sleep 60")), start_timeout=1.5, wait=None)
    task.wait_running(timeout=60)
    started = time.monotonic()
    with pytest.raises(WaitTimeout, match=r"within 1\.5 s"):
        task.wait_for_log("never said")
    assert 1 < time.monotonic() - started < 30  # which is the least without start_timeout


def test_an_unhealthy_essential_container_is_waited_for_no_longer_than_the_timeout(
    ecs_task_factory, define, sh
):
    check = {"command": ["CMD-SHELL", "exit 1"], "interval": 5, "retries": 1}
    task = ecs_task_factory.run(define(sh("app", "sleep 60", healthCheck=check)), wait="running")
    with pytest.raises((WaitTimeout, TaskStopped)):
        task.wait_healthy(timeout=1)


def test_a_task_without_health_checks_is_ready_when_it_runs(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "sleep 60")))
    assert task.last_status == "RUNNING"
    assert task.health_status == "UNKNOWN"
    task.wait_healthy(timeout=0)


def test_wait_stopped_of_the_marker_returns_whatever_the_fate(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", FAILS)), wait="stopped")
    assert task.last_status == "STOPPED"
    assert task.exit_code() == 3
    broken = ecs_task_factory.run(define(sh("app", "", **NO_PROGRAM)), wait="stopped")
    assert broken.stop_code == "TaskFailedToStart"


def test_no_wait_returns_before_the_task_runs_to_its_end(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "sleep 60")), wait=None)
    assert task.last_status in ("PROVISIONING", "PENDING", "ACTIVATING", "RUNNING")
    task.wait_running(timeout=WAIT_S)


def test_a_condition_that_raises_is_the_users_to_see(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "sleep 60")))
    with pytest.raises(ZeroDivisionError):
        task.wait_for(lambda: 1 / 0, timeout=60)


def test_a_condition_is_asked_until_it_holds(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "sleep 60")))
    answers = iter([False, 0, None, "", "yes"])
    task.wait_for(lambda: next(answers), timeout=60)
    assert list(answers) == []


WEB = "mkdir /tmp/w; echo hi > /tmp/w/index.html; sleep 0.5; echo ready; exec busybox httpd -f -p 8080 -h /tmp/w"


@pytest.mark.parametrize(
    "strategy",
    [PortWaitStrategy(8080), HttpWaitStrategy(8080).for_status_code(200)],
    ids=["port", "http"],
)
def test_a_testcontainers_wait_strategy_for_a_port_is_waited_for(ecs_task_factory, define, sh, strategy):
    ports = [{"containerPort": 8080}]
    task = ecs_task_factory.run(define(sh("web", WEB, portMappings=ports)), wait=strategy)
    with urllib.request.urlopen(task.url(), timeout=60) as response:
        assert response.read() == b"hi\n"
    assert task.last_status == "RUNNING"


def test_a_testcontainers_wait_strategy_for_a_line_is_waited_for(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("web", WEB)), wait=LogMessageWaitStrategy("ready"))
    assert "ready" in task.logs()
    assert task.last_status == "RUNNING"


@pytest.mark.ecs_taskdef("taskdef.json", wait=HttpWaitStrategy(8080, "/index.html"))
def test_the_marker_takes_a_testcontainers_wait_strategy(ecs_task):
    ecs_task.wait_for(LogMessageWaitStrategy("listening"), container="web", timeout=60)
    ecs_task.wait_for(PortWaitStrategy(8080), timeout=60)
    with pytest.raises(WaitTimeout):
        ecs_task.wait_for(LogMessageWaitStrategy("never said"), container="web", timeout=1)


def test_a_strategy_that_cannot_be_met_any_more_fails_at_once(ecs_task_factory, define, sh):
    started = time.monotonic()
    with pytest.raises(TaskStopped):
        ecs_task_factory.run(define(sh("app", FAILS)), wait=LogMessageWaitStrategy("never said"))
    assert time.monotonic() - started < HALF_A_WAIT_S

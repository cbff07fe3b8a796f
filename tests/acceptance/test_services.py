"""``ecs_service``: a service for the length of a test, as a test author uses it."""

from __future__ import annotations

import json

import pytest

from pytest_ecs_tasks import EcsService, EcsTask, EcsTaskError, WaitTimeout

pytestmark = pytest.mark.any_engine

IMAGE = "pytest-ecs-tasks/busybox:1"
SERVES = "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


def web(script=SERVES):
    container = {"name": "web", "image": IMAGE, "memory": 64, "command": ["sh", "-c", script]}
    return {"family": "web", "networkMode": "awsvpc", "containerDefinitions": [container]}


@pytest.mark.ecs_taskdef(web(), count=2)
def test_a_service_has_as_many_tasks_as_count_says_and_they_are_tasks_like_any(ecs_service):
    assert isinstance(ecs_service, EcsService)
    assert (ecs_service.name, ecs_service.cluster) == ("web", "default")
    assert ecs_service.arn == "arn:aws:ecs:us-east-1:123456789012:service/default/web"
    assert repr(ecs_service) == "<EcsService web>"
    first, second = ecs_service.tasks
    assert isinstance(first, EcsTask)
    assert first.arn != second.arn
    assert first.wait_for_log("up", container="web").text == "up"
    assert ecs_service.messages[-1] == "(service web) has reached a steady state."
    assert [event["detail"]["eventName"] for event in ecs_service.events] == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
        "SERVICE_STEADY_STATE",
    ]


@pytest.mark.ecs_taskdef(web())
def test_a_service_is_updated_in_the_api_s_words(ecs_service):
    assert ecs_service.update(desiredCount=3).wait_steady() is ecs_service
    assert len(ecs_service.tasks) == 3
    assert ecs_service.describe()["runningCount"] == 3


@pytest.mark.ecs_taskdef(web())
def test_a_killed_task_is_replaced(ecs_service):
    (task,) = ecs_service.tasks
    task.kill("web")
    task.wait_stopped()
    ecs_service.wait_steady()

    assert [each.arn for each in ecs_service.tasks] != [task.arn]


@pytest.mark.ecs_taskdef(web())
def test_a_deployment_that_fails_is_rolled_back(ecs_service):
    ecs_service.update(deploymentConfiguration=BREAKER)

    ecs_service.deploy(web("echo no database; exit 3")).wait_steady()

    assert ecs_service.describe()["taskDefinition"].endswith("task-definition/web:1")
    assert any("deployment failed: tasks failed to start" in each for each in ecs_service.messages)


@pytest.mark.ecs_taskdef(web("sleep 600"), wait=None)
def test_a_service_that_is_not_waited_for_is_there_all_the_same(ecs_service):
    assert ecs_service.describe()["desiredCount"] == 1
    with pytest.raises(WaitTimeout, match=r"service web was not steady after 0 s: \d of 1 tasks are RUNNING"):
        ecs_service.wait_steady(timeout=0)


@pytest.mark.ecs_taskdef(web())
def test_what_ecs_refuses_is_an_error_with_its_code(ecs_service):
    with pytest.raises(
        EcsTaskError, match=r"UpdateService was refused: InvalidParameterException: Task count"
    ):
        ecs_service.update(desiredCount=-1)


@pytest.mark.ecs_taskdef(web())
def test_a_failed_deployment_without_rollback_is_told_at_once(ecs_service):
    ecs_service.update(
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    )

    ecs_service.deploy(web("echo no database; exit 3"))

    with pytest.raises(EcsTaskError) as caught:
        ecs_service.wait_steady()
    text = str(caught.value)
    assert text.startswith("service web cannot become steady: 1 of 1 tasks are RUNNING")
    assert "PRIMARY FAILED, 3 failed tasks (web:2)" in text
    assert "web: exit 3\n      no database" in text


def test_wrong_markers_are_told_before_anything_is_started(suite):
    suite.write("taskdef.json", json.dumps(web()))
    suite.write(
        "test_wrong.py",
        """
        import pytest

        @pytest.mark.ecs_taskdef("taskdef.json", wait="stopped")
        def test_wait(ecs_service): ...

        @pytest.mark.ecs_taskdef("taskdef.json")
        @pytest.mark.ecs_overrides("web", environment={"A": "b"})
        def test_overrides(ecs_service): ...

        def test_nothing(ecs_service): ...
        """,
    )

    text = suite.run_text()

    assert "ecs_service waits until it is steady (wait='healthy') or not at all (wait=None)" in text
    assert "ecs_overrides has no effect on ecs_service" in text
    assert "uses ecs_service but has no task definition" in text
    assert "Traceback" not in text
    assert "3 errors" in text


@pytest.mark.usefixtures("no_other_sweep")
def test_tasks_of_a_service_are_kept_where_that_is_asked_for(suite):
    suite.write("taskdef.json", json.dumps(web()))
    suite.write(
        "test_kept.py",
        """
        import pytest

        @pytest.mark.ecs_taskdef("taskdef.json")
        def test_fails(ecs_service):
            assert ecs_service.tasks == []
        """,
    )

    text = suite.run_text("--ecs-keep=on-failure")
    swept = suite.run_text("--ecs-sweep")

    assert "service/" not in text.partition("kept")[2]
    assert "task/default/" in text.partition("kept")[2]
    assert "1 failed" in text
    assert "removed" in swept

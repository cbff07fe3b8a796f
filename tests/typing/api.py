"""What a user's annotated tests look like: checked by mypy, never run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, assert_type

import pytest
from testcontainers.core.wait_strategies import HttpWaitStrategy

from pytest_ecs_tasks import (
    EcrImage,
    EcsAws,
    EcsContainer,
    EcsRegistry,
    EcsService,
    EcsTask,
    EcsTaskError,
    EcsTaskFactory,
    ExecResult,
    ImageError,
    LogLine,
    TaskFailedToStart,
    TaskStopped,
    WaitTimeout,
    task_fixture,
)

web = task_fixture(
    "taskdef.json", scope="module", depends=["db"], environment={"web": {"DB_HOST": "db"}}, wait="running"
)


@pytest.mark.ecs_taskdef("taskdef.json", wait=HttpWaitStrategy(8080))
@pytest.mark.ecs_overrides("web", environment={"A": "b"})
@pytest.mark.ecs_secret("prod/db", {"password": "x"})
def test_task(ecs_task: EcsTask, ecs_aws: EcsAws) -> None:
    assert_type(ecs_task.arn, str)
    assert_type(ecs_task.revision, int)
    assert_type(ecs_task.stop_code, str | None)
    assert_type(ecs_task.containers, Mapping[str, EcsContainer])
    assert_type(ecs_task["web"].exit_code, int | None)
    assert_type(ecs_task.url("web", 8080, "/health"), str)
    assert_type(ecs_task.address(), tuple[str, int])
    assert_type(ecs_task.wait_for_log(re.compile("ready")), LogLine)
    assert_type(ecs_task.wait_for_log("ready", "web", timeout=3).time, datetime)
    assert_type(ecs_task.logs(), str)
    assert_type(ecs_task.log_lines("web"), list[LogLine])
    assert_type(ecs_task.exec("web", ["ls"], check=True, user="1000"), ExecResult)
    assert_type(ecs_task.exit_code("web"), int | None)
    assert_type(ecs_task.describe(), dict[str, Any])
    assert_type(ecs_task.events, list[dict[str, Any]])
    assert_type(ecs_task.wait_for(lambda: True).wait_healthy().stop(), EcsTask)
    assert_type(ecs_aws.endpoint_url, str)
    assert_type(ecs_aws.env, dict[str, str])
    ecs_aws.client("s3", region_name="eu-west-1").list_buckets()


def test_factory(ecs_task_factory: EcsTaskFactory) -> None:
    with ecs_task_factory.run("taskdef.json", wait=None, environment={"A": "b"}) as task:
        assert_type(task, EcsTask)
    assert_type(ecs_task_factory.run({"family": "web"}, count=3), list[EcsTask])


def test_errors() -> None:
    errors: tuple[type[EcsTaskError], ...] = (TaskStopped, WaitTimeout, TaskFailedToStart)
    assert issubclass(ImageError, errors)


@pytest.mark.ecs_taskdef("taskdef.json", count=2)
def test_registry(ecs_registry: EcsRegistry) -> None:
    image = ecs_registry.push("web:dev", "team/web:1", create=True)
    assert_type(image, EcrImage)
    assert_type(image.uri, str)
    assert_type(image.digest, str)
    assert_type(image.uri_with_digest, str)
    assert_type(ecs_registry.host, str)
    assert_type(ecs_registry.address, str)
    assert_type(ecs_registry.local_name("team/web:1"), str)
    assert_type(ecs_registry.username, str)
    assert_type(ecs_registry.password, str)


def test_service(ecs_service: EcsService) -> None:
    assert_type(ecs_service.name, str)
    assert_type(ecs_service.tasks, list[EcsTask])
    assert_type(ecs_service.messages, list[str])
    assert_type(ecs_service.events, list[dict[str, Any]])
    assert_type(ecs_service.describe(), dict[str, Any])
    assert_type(ecs_service.update(desiredCount=3).wait_steady(timeout=10), EcsService)
    assert_type(ecs_service.deploy("taskdef.json", images={"web": "web:dev"}), EcsService)

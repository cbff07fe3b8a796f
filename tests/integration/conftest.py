"""Real containers: one local cluster for the session, on the engine under test."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.task import EcsTask
from tasks import BUSYBOX, Run


@pytest.fixture(scope="package")
def cluster(engine_url: str) -> Iterator[LocalCluster]:
    cluster = LocalCluster(LocalSettings(engine=engine_url, pull="never"), environ=os.environ)
    cluster.warm_up()
    yield cluster
    cluster.close()


@pytest.fixture
def aws(cluster: LocalCluster) -> Iterator[Aws]:
    aws = cluster.new_aws()
    yield aws
    aws.close()


@pytest.fixture
def run(cluster: LocalCluster, aws: Aws) -> Iterator[Run]:
    """Start a task of the given containers; whatever was started is removed at the end of the test."""
    started: list[EcsTask] = []

    def run(
        *containers: Mapping[str, Any], network: str = "awsvpc", overrides: tuple[Any, ...] = (), **task: Any
    ) -> EcsTask:
        document = {
            "family": "it",
            "networkMode": network,
            "memory": "512",
            "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",  # secrets need one
            "containerDefinitions": [{"image": BUSYBOX, **container} for container in containers],
            **task,
        }
        request = RunTaskRequest(parse_task_definition(document, "test"), overrides=overrides)
        started.append(cluster.run_task(request, aws))
        return started[-1]

    yield run
    for task in started:
        task.__exit__(None, None, None)

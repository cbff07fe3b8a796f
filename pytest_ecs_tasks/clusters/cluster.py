"""The seam above the engine: who runs a task."""

from __future__ import annotations

from typing import Protocol

from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.engine.aws_ports import AwsServices
from pytest_ecs_tasks.task import EcsTask


class Cluster(Protocol):
    """Something that runs tasks: the local engine; later real ECS and Kubernetes."""

    def run_task(self, request: RunTaskRequest, aws: AwsServices) -> EcsTask:
        """Start a task and return at once. Raises :class:`~pytest_ecs_tasks.errors.EcsTaskError` for a bad request."""
        ...

    def close(self) -> None:
        """End every task and remove everything that was made for them."""
        ...

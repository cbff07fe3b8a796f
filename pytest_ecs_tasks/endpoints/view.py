"""The one task that a set of endpoints tells about, and to whose containers alone it talks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_ecs_tasks.core.agent_environment import endpoint_id
from pytest_ecs_tasks.core.metadata import Surroundings
from pytest_ecs_tasks.core.model import Container, Task
from pytest_ecs_tasks.core.plan import TaskPlan


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task by its plan and its latest snapshot; ``snapshot`` returns ``None`` once the task is removed."""

    plan: TaskPlan
    snapshot: Callable[[], Task | None]
    around: Surroundings

    def find(self, identifier: str) -> tuple[Task, Container] | None:
        """Return the task, and its container that bears an id of metadata URIs; another task's bears none here."""
        task = self.snapshot()
        if task is None:
            return None
        for container in task.containers:
            if endpoint_id(self.plan, container.name) == identifier:
                return task, container
        return None

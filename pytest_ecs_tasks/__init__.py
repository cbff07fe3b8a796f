"""Run an Amazon ECS task definition as real containers in a pytest run.

The names below are the public ones. All but the exceptions are loaded when they are first used: pytest imports this package
in every run of the environment, whether a test needs a container or not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from pytest_ecs_tasks.errors import (
    EcsTaskError,
    EcsTasksWarning,
    EngineCrashed,
    EngineUnavailable,
    EventDeliveryWarning,
    ImageError,
    Problem,
    TaskDefinitionError,
    TaskDefinitionWarning,
    TaskFailedToStart,
    TaskStopped,
    UnsupportedFeature,
    UnsupportedFieldWarning,
    WaitTimeout,
)

if TYPE_CHECKING:
    from pytest_ecs_tasks.core.ecr import EcrImage
    from pytest_ecs_tasks.plugin.factory import EcsTaskFactory
    from pytest_ecs_tasks.plugin.handle import EcsAws
    from pytest_ecs_tasks.plugin.registry import EcsRegistry
    from pytest_ecs_tasks.plugin.service import EcsService
    from pytest_ecs_tasks.plugin.task_fixture import task_fixture
    from pytest_ecs_tasks.task import EcsContainer, EcsTask, ExecResult, LogLine

__all__ = [
    "EcrImage",
    "EcsAws",
    "EcsContainer",
    "EcsRegistry",
    "EcsService",
    "EcsTask",
    "EcsTaskError",
    "EcsTaskFactory",
    "EcsTasksWarning",
    "EngineCrashed",
    "EngineUnavailable",
    "EventDeliveryWarning",
    "ExecResult",
    "ImageError",
    "LogLine",
    "Problem",
    "TaskDefinitionError",
    "TaskDefinitionWarning",
    "TaskFailedToStart",
    "TaskStopped",
    "UnsupportedFeature",
    "UnsupportedFieldWarning",
    "WaitTimeout",
    "task_fixture",
]

# Where a name lives that is loaded when it is first used, and what it is called there.
_LAZY = {
    "EcrImage": ("pytest_ecs_tasks.core.ecr", "EcrImage"),
    "EcsAws": ("pytest_ecs_tasks.plugin.handle", "EcsAws"),
    "EcsContainer": ("pytest_ecs_tasks.task", "EcsContainer"),
    "EcsRegistry": ("pytest_ecs_tasks.plugin.registry", "EcsRegistry"),
    "EcsService": ("pytest_ecs_tasks.plugin.service", "EcsService"),
    "EcsTask": ("pytest_ecs_tasks.task", "EcsTask"),
    "EcsTaskFactory": ("pytest_ecs_tasks.plugin.factory", "EcsTaskFactory"),
    "ExecResult": ("pytest_ecs_tasks.task", "ExecResult"),
    "LogLine": ("pytest_ecs_tasks.task", "LogLine"),
    "task_fixture": ("pytest_ecs_tasks.plugin.task_fixture", "task_fixture"),
}

# Users meet these names in tracebacks, in -W filters and in pickles: they shall read as they are imported.
for _public in (
    EcsTaskError,
    EcsTasksWarning,
    EngineCrashed,
    EngineUnavailable,
    EventDeliveryWarning,
    ImageError,
    TaskDefinitionError,
    TaskDefinitionWarning,
    TaskFailedToStart,
    TaskStopped,
    UnsupportedFeature,
    UnsupportedFieldWarning,
    WaitTimeout,
):
    _public.__module__ = __name__


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

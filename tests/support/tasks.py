"""Container definitions that the integration tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_ecs_tasks.task import EcsTask

BUSYBOX = "pytest-ecs-tasks/busybox:1"
PYTHON = "pytest-ecs-tasks/python:1"

Run = Callable[..., EcsTask]


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    """Return a container that runs a shell script in the busybox image."""
    return {"name": name, "command": ["sh", "-c", script], **more}


def python(name: str, program: str, **more: Any) -> dict[str, Any]:
    """Return a container that runs a Python program in the python image."""
    return {"name": name, "image": PYTHON, "command": ["python3", "-u", "-c", program], **more}

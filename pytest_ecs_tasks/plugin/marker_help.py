"""What ``pytest --markers`` says. Apart from the markers' functions, which most runs never need."""

from __future__ import annotations

import pytest

_HELP = (
    'ecs_taskdef(source, *, wait="healthy", launch_type=None, images=None, substitute=None, start_timeout=None, count=1, '
    "resource=None, family=None): "
    "the task definition of ecs_task: a path, a dict or family[:revision].",
    "ecs_overrides(container, *, command=None, environment=None, image=None, cpu=None, memory=None, "
    "health_check=None): "
    "RunTask's containerOverrides for one container; stackable, inner over outer.",
    "ecs_secret(name_or_arn, value): create this Secrets Manager secret in the test's AWS; a dict is stored as JSON.",
    "ecs_parameter(name_or_arn, value, *, secure=True): create this Parameter Store parameter in the test's AWS.",
    "ecs_log_group(name): create this CloudWatch log group in the test's AWS.",
    "ecs_engine(name): run only on docker or podman, skip elsewhere.",
    "ecs: added by pytest-ecs-tasks to every test that uses one of its fixtures; deselect with -m 'not ecs'.",
)


def register_markers(config: pytest.Config) -> None:
    """Make the markers known, with their signatures, to ``--markers`` and ``--strict-markers``."""
    for line in _HELP:
        config.addinivalue_line("markers", line)

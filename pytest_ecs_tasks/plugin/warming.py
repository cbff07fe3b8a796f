"""What is worth preparing in the background, told from the collected items before any of them runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pytest

AWS_FIXTURES = frozenset({"ecs_aws", "ecs_aws_env", "ecs_registry"})
AWS_MARKERS = ("ecs_secret", "ecs_parameter", "ecs_log_group")
# Fields and values that make a task use AWS: its secrets, its logs, its files, its role.
AWS_WORDS = (
    "secrets",
    "secretOptions",
    "awslogs",
    "awsfirelens",
    "environmentFiles",
    "RoleArn",
    "role_arn",
    "repositoryCredentials",
)


def needs_aws(items: Iterable[pytest.Item]) -> bool:
    """Tell whether it is likely that one of the items uses AWS, so that moto is worth its second of processor time.

    A guess, and only ever about when: an AWS that is used all the same is started then.
    """
    return any(_needs_aws(item) for item in items)


def _needs_aws(item: pytest.Item) -> bool:
    if not AWS_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    if any(item.get_closest_marker(name) for name in AWS_MARKERS):
        return True
    sources = [
        source
        for mark in item.iter_markers("ecs_taskdef")
        for source in (*mark.args, mark.kwargs.get("source"))
        if source is not None
    ]
    return any(word in _text(source, item) for source in sources for word in AWS_WORDS)


def _text(source: object, item: pytest.Item) -> str:
    """Return a definition's text; of one that is not a readable file beside the test, a word that means AWS."""
    if isinstance(source, Mapping):
        return json.dumps(source, default=str)
    try:
        return (item.path.parent / str(source)).read_text("utf-8")
    except (OSError, ValueError):
        return AWS_WORDS[0]

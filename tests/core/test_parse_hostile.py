"""Whatever is in a document, reading it ends in a definition or in an error of ours that can be shown."""

from __future__ import annotations

import contextlib
import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_ecs_tasks.core.parse import image_slot, parse_task_definition, read_task_definition
from pytest_ecs_tasks.core.request import LaunchType
from pytest_ecs_tasks.core.rules import validate
from pytest_ecs_tasks.errors import TaskDefinitionError, UnsupportedFeature

DOCUMENT: dict[str, Any] = {
    "family": "web",
    "networkMode": "bridge",
    "executionRoleArn": "role",
    "cpu": "1024",
    "memory": "2048",
    "requiresCompatibilities": ["EC2"],
    "runtimePlatform": {"cpuArchitecture": "X86_64"},
    "volumes": [{"name": "data"}, {"name": "docker", "dockerVolumeConfiguration": {"scope": "task"}}],
    "containerDefinitions": [
        {
            "name": "app",
            "image": "busybox",
            "cpu": 10,
            "memory": 128,
            "memoryReservation": 64,
            "essential": True,
            "command": ["sleep", "1"],
            "environment": [{"name": "A", "value": "b"}],
            "secrets": [{"name": "S", "valueFrom": "/s"}],
            "portMappings": [{"containerPort": 80}, {"containerPortRange": "8000-8010"}],
            "dependsOn": [{"containerName": "db", "condition": "HEALTHY"}],
            "links": ["db"],
            "mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "g", "awslogs-region": "r"},
            },
            "restartPolicy": {"enabled": True, "ignoredExitCodes": [0]},
            "ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}],
            "linuxParameters": {
                "capabilities": {"add": ["SYS_PTRACE"]},
                "tmpfs": [{"containerPath": "/t", "size": 1}],
            },
            "extraHosts": [{"hostname": "a", "ipAddress": "10.0.0.1"}],
            "systemControls": [{"namespace": "net.core.somaxconn", "value": "1"}],
            "dockerLabels": {"a": "b"},
        },
        {"name": "db", "image": "busybox", "memory": 8, "healthCheck": {"command": ["CMD", "true"]}},
    ],
}

ANY_TEXT = st.text() | st.text(st.characters())  # the second has half surrogate pairs
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    ANY_TEXT,
    st.sampled_from(["", "${x}", "app", "db", "-1", "٣", "1e5", "FARGATE", "awsvpc", "a:b:c", 10**30]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3)
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def test_the_document_that_is_changed_below_is_right() -> None:
    assert parse_task_definition(DOCUMENT).unsupported == ()
    assert len(places(DOCUMENT)) > 80


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(places(DOCUMENT)), VALUES), min_size=1, max_size=2))
def test_any_value_anywhere_is_read_or_refused(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    document = copy.deepcopy(DOCUMENT)
    for path, value in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            document = replaced(document, path, value)

    check(document)


@settings(max_examples=300)
@given(st.sampled_from([(), *places(DOCUMENT)]), ANY_TEXT, VALUES)
def test_any_extra_key_anywhere_is_read_or_refused(path: tuple[Any, ...], key: str, value: Any) -> None:
    document = copy.deepcopy(DOCUMENT)
    inner: Any = document
    for part in path:
        inner = inner[part]
    if isinstance(inner, dict):
        inner[key] = value

    check(document)


@settings(max_examples=300)
@given(VALUES)
def test_any_document_is_read_or_refused(document: Any) -> None:
    check(document)


def check(document: Any) -> None:
    try:
        parsed = parse_task_definition(document, substitute={"x": "y"})
        validate(parsed, LaunchType.FARGATE)
    except (TaskDefinitionError, UnsupportedFeature) as error:
        assert str(error).encode()
    else:
        assert parsed.family


TEXT = json.dumps(DOCUMENT, indent=1)


@settings(max_examples=200)
@given(
    st.integers(0, len(TEXT)),
    st.integers(0, 20),
    st.text(alphabet='{}[]",:\\\n\t\0 <>${}1aé\u2028', max_size=5),
)
def test_any_text_is_read_or_refused(start: int, length: int, inserted: str) -> None:
    text = TEXT[:start] + inserted + TEXT[start + length :]

    try:
        parsed = read_task_definition(text, "web.json", substitute={"a": "b", "<c>": '"'})
    except (TaskDefinitionError, UnsupportedFeature) as error:
        assert str(error).encode()
    else:
        assert parsed.family


@settings(max_examples=300)
@given(st.text(alphabet="aA_-/:.@<>${} 1"))
def test_any_image_is_a_slot_or_not(image: str) -> None:
    slot = image_slot(image)

    assert slot is None or slot in image

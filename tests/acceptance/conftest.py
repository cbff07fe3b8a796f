"""Acceptance tests: what the contract promises to a test author, tried as a test author would."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

IMAGE = "pytest-ecs-tasks/busybox:1"
# Other plugins of this environment cost a child more than all that is tested here.
QUIET = (
    "-p",
    "no:cacheprovider",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:requests_mock",
    "-p",
    "no:pytest_socket",
)


@pytest.fixture
def define() -> Callable[..., dict]:
    """Make a task definition from containers (name, shell script, more fields of the container)."""
    return make_definition


def make_definition(*containers: dict, family: str = "acceptance", **fields: object) -> dict:
    return {"family": family, "networkMode": "awsvpc", "containerDefinitions": list(containers), **fields}


@pytest.fixture
def sh() -> Callable[..., dict]:
    return make_container


def make_container(name: str, script: str, **fields: object) -> dict:
    return {
        "name": name,
        "image": IMAGE,
        "memory": 64,
        "essential": True,
        "entryPoint": ["/bin/sh", "-c"],
        "command": [script],
        "stopTimeout": 2,
        **fields,
    }


class Suite:
    """A user's project in a directory of its own, run by a pytest of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path: Path = pytester.path

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    def write_definition(self, name: str, *containers: dict, **fields: object) -> Path:
        return self.write(name, json.dumps(make_definition(*containers, **fields), indent=2))

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess(*QUIET, *arguments, timeout=200)

    def run_text(self, *arguments: str) -> str:
        result = self.run(*arguments)
        return result.stdout.str() + result.stderr.str()


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, engine_url: str) -> Suite:
    monkeypatch.setenv("PYTEST_ECS_ENGINE", engine_url)
    return Suite(pytester)

"""A project of a user's and its runs on the engine under test, each a pytest of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from left_over import labelled_objects
from project import LOAD

# Each process that could run tests notes the id of its run, by which everything on the engine is labelled.
NOTE_RUNS = """
def pytest_collection_finish(session):
    from pytest_ecs_tasks.plugin.run import run_of

    with (session.config.rootpath / "runs").open("a") as runs:
        runs.write(run_of(session.config).cluster.run_id + "\\n")
"""


class Suite:
    """Files, runs, and what the runs have left on the engine."""

    def __init__(self, pytester: pytest.Pytester, engine_url: str) -> None:
        self._pytester = pytester
        self._engine_url = engine_url
        self.file("note_runs.py", NOTE_RUNS)

    @property
    def path(self) -> Path:
        """Where the files are."""
        return self._pytester.path

    def file(self, name: str, text: str | dict[str, object]) -> None:
        """Write a file; a dict as JSON."""
        (self.path / name).write_text(text if isinstance(text, str) else json.dumps(text))

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest."""
        return self._pytester.runpytest_subprocess(*LOAD, "-p", "note_runs", *arguments)

    @property
    def runs(self) -> list[str]:
        """The ids of the runs that there were."""
        return (self.path / "runs").read_text().split()

    def left_over(self) -> list[str]:
        """What the runs have left on the engine, in words."""
        assert self.runs
        return [
            each
            for run in self.runs
            for each in labelled_objects(self._engine_url, f"pytest-ecs-tasks.run={run}")
        ]

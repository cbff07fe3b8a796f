"""Each test of the plugin has a project of its own."""

from __future__ import annotations

import pytest

from project import Project, taskdef


@pytest.fixture
def project(pytester, monkeypatch):
    for name in (
        "ENGINE",
        "MISSING_ENGINE",
        "AWS",
        "KEEP",
        "PULL",
        "HEALTH",
        "LOGS",
        "LOG_LINES",
        "ARTIFACTS",
    ):
        monkeypatch.delenv(f"PYTEST_ECS_{name}", raising=False)
    made = Project(pytester)
    made.file("pytest.ini", "[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    made.file("taskdef.json", taskdef())
    return made

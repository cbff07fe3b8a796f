"""A registry's program for the tests of ``ecs_registry``: skipped without one on a person's machine, failed under CI."""

from __future__ import annotations

import os

import pytest

from pytest_ecs_tasks.runtimes.registry_process import find_program

MISSING = "no registry's program is in PATH: apt-get install docker-registry, or run the tests with tox, which provides it"


def require_program() -> str:
    """Return the program's path."""
    program = find_program(os.environ.get("PATH"))
    if program is None and os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(MISSING, pytrace=False)
    if program is None:
        pytest.skip(MISSING)
    return program

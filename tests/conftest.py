"""What every test of ours shares: which engine it runs on, and the promise that nothing is left on it."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def engine_url() -> str:
    """The engine under test: the URL in ``PYTEST_ECS_ENGINE``, Docker's usual socket without it."""
    return os.environ.get("PYTEST_ECS_ENGINE", "unix:///var/run/docker.sock")

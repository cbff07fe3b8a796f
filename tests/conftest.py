"""What every test of ours shares: which engine it runs on, and the promise that nothing is left on it."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

USUAL_SOCKETS = {"docker": "unix:///var/run/docker.sock", "podman": "unix:///run/podman/podman.sock"}

pytest_plugins = ["pytester"]

# A run in the background of a shell ignores Ctrl-C, and so would every pytest that a test starts to interrupt it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def engine_url() -> str:
    """The URL of the engine under test: ``PYTEST_ECS_ENGINE``, a URL or an engine's name; Docker without it."""
    engine = os.environ.get("PYTEST_ECS_ENGINE", "docker")
    return USUAL_SOCKETS.get(engine, engine)


@pytest.fixture
def no_other_sweep() -> Iterator[None]:
    """No other test with this fixture runs meanwhile: ``--ecs-sweep`` removes what any run on the engine has kept."""
    with Path(tempfile.gettempdir(), "pytest-ecs-tasks-sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

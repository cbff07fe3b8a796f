"""A Podman API service of our own, where the binary is and nobody has started one."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile

from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.engine.system import comes_true
from pytest_ecs_tasks.runtimes.wire import connect_unix

START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 10.0
IDLE_LIFE_S = 600  # it ends by itself if even the guard is gone


class PrivatePodman:
    """A running ``podman system service`` that ends with this process.

    It runs in a scratch folder: conmon drops a file ``oom`` into the working directory of the service.
    """

    def __init__(self, program: str) -> None:
        """Start it; returns when it listens. Raises :class:`EngineError` with its own last words."""
        self._owner = os.getpid()
        self._folder = tempfile.mkdtemp(prefix="ecs-tasks-podman-")
        socket_path = os.path.join(self._folder, "podman.sock")
        self.url = f"unix://{socket_path}"
        log_path = os.path.join(self._folder, "service.log")
        with open(log_path, "wb") as log:
            self._process = subprocess.Popen(
                [program, "system", "service", f"--time={IDLE_LIFE_S}", self.url],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )
        atexit.register(self.close)
        comes_true(lambda: _listens(socket_path) or self._has_ended(), START_TIMEOUT_S)
        if not _listens(socket_path):
            with open(log_path, encoding="utf-8", errors="replace") as log_text:
                words = log_text.read().strip().splitlines()
            self.close()
            raise EngineError(
                f"podman system service did not start: {words[-1] if words else 'it said nothing'}"
            )

    @property
    def pid(self) -> int:
        """The service's process."""
        return self._process.pid

    def close(self) -> None:
        """End it. Safe to call twice, no-op in a fork."""
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.close)
        if not self._has_ended():
            self._process.terminate()
            if not comes_true(self._has_ended, END_TIMEOUT_S):
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _has_ended(self) -> bool:
        return self._process.poll() is not None


def _listens(socket_path: str) -> bool:
    """Tell whether somebody takes connections; the socket's file is there a moment before."""
    try:
        connect_unix(socket_path, END_TIMEOUT_S).close()
    except OSError:
        return False
    return True

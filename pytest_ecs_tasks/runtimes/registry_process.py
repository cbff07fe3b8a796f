"""A registry for images as a process of our own, which ends with this one however that ends."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.engine.system import comes_true
from pytest_ecs_tasks.runtimes.wire import connect_unix

KEEPER = Path(__file__).with_name("registry_keeper.py")
PROGRAMS = ("docker-registry", "registry")  # Debian's name, and the distribution project's own
CALL_TIMEOUT_S = 300.0
START_TIMEOUT_S = 20.0
END_TIMEOUT_S = 10.0
LONGEST_SOCKET_PATH = 100  # the kernel's limit is 108


def find_program(path: str | None) -> str | None:
    """Return the registry program on a ``PATH``: Debian's ``docker-registry``, or the distribution's ``registry``."""
    return next((found for name in PROGRAMS if (found := shutil.which(name, path=path))), None)


class RegistryProcess:
    """A running registry that keeps its images in a scratch folder and listens on a unix socket in it alone."""

    def __init__(self, program: str) -> None:
        """Start it; returns when it answers. Raises :class:`EngineError` with its own last words."""
        self._owner = os.getpid()
        self._folder = _make_folder()
        self._socket = os.path.join(self._folder, "registry.sock")
        self._pipe: int | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        try:
            self._keeper = self._start(program)
            self._await_start(program)
        except BaseException:
            self.close()
            raise

    def _start(self, program: str) -> subprocess.Popen[bytes]:
        settings = os.path.join(self._folder, "config.yml")
        with open(settings, "w", encoding="utf-8") as file:
            json.dump(_settings(self._folder, self._socket), file)  # JSON is YAML
        reading, self._pipe = os.pipe()  # neither end is inherited by the processes that a test starts
        try:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(KEEPER),
                    str(self._owner),
                    self._folder,
                    program,
                    "serve",
                    settings,
                ],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        finally:
            os.close(reading)

    def _await_start(self, program: str) -> None:
        comes_true(lambda: self._answers() or self._has_ended(), START_TIMEOUT_S)
        if self._has_ended() or not self._answers():
            raise EngineError(f"the registry {program} did not start: {self._last_words()}")

    def _has_ended(self) -> bool:
        assert self._keeper is not None
        return os.path.exists(os.path.join(self._folder, "ended")) or self._keeper.poll() is not None

    def _answers(self) -> bool:
        try:
            connect_unix(self._socket, CALL_TIMEOUT_S).close()
        except OSError:
            return False
        return True

    def _last_words(self) -> str:
        try:
            words = Path(self._folder, "log").read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            words = []
        return words[-1] if words else "it said nothing"

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection to it; the caller closes it. Raises OSError."""
        connection = http.client.HTTPConnection("localhost")
        connection.sock = connect_unix(self._socket, CALL_TIMEOUT_S)
        return connection

    def close(self) -> None:
        """End it and forget what it keeps. Safe to call twice, no-op in a fork."""
        pipe, self._pipe = self._pipe, None
        if os.getpid() != self._owner:
            return
        if pipe is not None:
            os.close(pipe)
            keeper = self._keeper
            if keeper is not None:
                comes_true(lambda: keeper.poll() is not None, END_TIMEOUT_S)
        shutil.rmtree(self._folder, ignore_errors=True)


def _make_folder() -> str:
    folder = tempfile.mkdtemp(prefix="ecs-tasks-registry-")
    if len(folder) < LONGEST_SOCKET_PATH - len("/registry.sock"):
        return folder
    os.rmdir(folder)
    return tempfile.mkdtemp(prefix="ecs-tasks-registry-", dir="/tmp")


def _settings(folder: str, socket_path: str) -> dict[str, object]:
    return {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": os.path.join(folder, "images")}},
        "http": {"net": "unix", "addr": socket_path, "relativeurls": True},
    }

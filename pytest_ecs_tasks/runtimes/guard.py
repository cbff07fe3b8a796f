"""The guard: a process that outlives ours and removes what we leave, however we die."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from pytest_ecs_tasks.engine.system import comes_true

PROGRAM = Path(__file__).with_name("guard_main.py")
END_TIMEOUT_S = 5.0
GUARDED_SCHEMES = ("unix", "http+unix", "tcp", "http", "https")


class Guard:
    """Watches this process from a session of its own; at our end it removes everything with the label.

    ``certificates`` are the files of the authority, of our certificate and of its key, for TLS;
    ``service_pid`` is an engine that runs for us alone and ends with us.
    """

    def __init__(
        self,
        url: str,
        label: str,
        *,
        certificates: tuple[str, str, str] | None = None,
        service_pid: int | None = None,
    ) -> None:
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None
        if urlsplit(url).scheme not in GUARDED_SCHEMES:
            return  # over ssh or a Windows pipe only the next run's sweep is left
        options = [] if certificates is None else ["--tls", *certificates]
        options += [] if service_pid is None else ["--service", str(service_pid)]
        reading, self._pipe = os.pipe()  # neither end is inherited by the processes that a test starts
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(PROGRAM), url, label, str(self._owner), *options],
                stdin=reading,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(reading)

    @property
    def pid(self) -> int | None:
        """The guard's process; ``None`` where there is none."""
        return None if self._process is None else self._process.pid

    def close(self, *, swept: bool) -> None:
        """Let it go: with ``swept`` it ends at once, without it removes what is there.

        Safe to call twice, no-op in a fork.
        """
        process, pipe = self._process, self._pipe
        if process is None or pipe is None or os.getpid() != self._owner:
            return
        self._pipe = None
        if swept:
            with contextlib.suppress(BrokenPipeError):
                os.write(pipe, b"\n")
        os.close(pipe)
        if swept:
            comes_true(lambda: process.poll() is not None, END_TIMEOUT_S)
        # One that still sweeps has to outlive us; it is not ours to wait for.
        process.returncode = process.returncode if process.returncode is not None else 0

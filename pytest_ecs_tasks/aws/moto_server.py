"""Pristine moto processes: one parent that has imported moto, one forked child for each AWS."""

from __future__ import annotations

import importlib.util
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from pytest_ecs_tasks.engine.system import comes_true
from pytest_ecs_tasks.errors import EcsTaskError

_READY_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 1.0
_PROGRAM = Path(__file__).with_name("moto_program.py")


class MotoChild:
    """One AWS, empty when it starts. It listens on loopback only."""

    def __init__(self, parent: MotoParent, process_id: int, port: int) -> None:
        self._parent = parent
        self.process_id = process_id
        self.endpoint_url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """End it; returns when the process is gone. Safe to call twice."""
        self._parent.stop_child(self.process_id)


class MotoParent:
    """The process that forks an AWS when asked for one.

    It ends, with its children, when :meth:`close` is called and when the pytest process ends in any way,
    SIGKILL included. Every method may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._is_ready = False
        self._is_closed = False
        self._request_number = 0
        self._received = b""

    @property
    def process_id(self) -> int | None:
        """The process's id, while there is one."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process and return at once; a second call does nothing."""
        with self._lock:
            self._start()

    def spawn(self, account_id: str = "123456789012", ecs_url: str | None = None) -> MotoChild:
        """Return a new, empty AWS of that account; starts the process if need be and waits until it is ready.

        It has requests for ECS answered by ``ecs_url``, if that is given.

        Raises :class:`EcsTaskError` with the process's own last words when it failed.
        """
        with self._lock:
            self._start()
            answer = self._ask({"spawn": account_id, "ecs": ecs_url})
            self._is_ready = True
        return MotoChild(self, answer["pid"], answer["port"])

    def stop_child(self, process_id: int) -> None:
        """End one child; does nothing when everything has ended already."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                self._ask({"stop": process_id})

    def close(self) -> None:
        """End the process and its children; returns when they are gone. Safe to call twice."""
        with self._lock:
            self._is_closed = True
            self._release()

    def _start(self) -> None:
        if self._is_closed:
            raise EcsTaskError(
                "the test's AWS was asked for after the end of the run; ask for it in a fixture or test"
            )
        if self._process is not None and self._is_ready and self._process.poll() is not None:
            self._release()  # it worked and was killed by something else, for its memory perhaps
        if self._process is not None:
            return
        self._log = tempfile.TemporaryFile(prefix="ecs-tasks-moto-")  # noqa: SIM115 - _release() closes it
        bytecode = ["-B"] if sys.dont_write_bytecode else []
        self._process = subprocess.Popen(
            # -I and -S: nothing of the user's comes before the standard library; the other paths are sent.
            [sys.executable, "-I", "-S", *bytecode, str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            bufsize=0,
            env=_environment(),
            cwd="/",
            # Signals to pytest's process group are not for it: end-of-file ends it, after pytest's teardown.
            start_new_session=True,
        )
        self._send({"path": _search_path(), "pid": os.getpid()})

    def _release(self) -> None:
        process, self._process = self._process, None
        log, self._log = self._log, None
        is_ready, self._is_ready = self._is_ready, False
        self._received = b""
        if process is not None:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            if not is_ready:
                # It would finish importing moto before it looked at its standard input.
                process.kill()
            process.wait()
            process.stdout.close()
        if log is not None:
            log.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return its answer.

        Answers bear their request's number: Ctrl-C may have left one behind that nobody waited for.
        """
        self._request_number += 1
        self._send({"number": self._request_number, **request})
        while True:
            answer = self._receive()
            if answer["number"] == self._request_number:
                return answer

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise self._failure() from error

    def _receive(self) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while b"\n" not in self._received:
            if not poll.poll(_READY_TIMEOUT_S * 1000):
                raise self._failure()
            part = os.read(descriptor, 4096)
            if not part:
                raise self._failure()
            self._received += part
        line, _, self._received = self._received.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failure(self) -> EcsTaskError:
        process = self._process
        assert process is not None
        if comes_true(lambda: process.poll() is not None, _END_TIMEOUT_S):
            state = f"exited {process.returncode}"
        else:
            state = f"did not answer within {_READY_TIMEOUT_S:.0f} s"
        return EcsTaskError(
            f"the test's AWS could not be had: the moto process {state}\n"
            f"{self._last_words()}\n"
            f"Try  {sys.executable} -m moto.server  or point --ecs-aws=URL at an AWS that runs already."
        )

    def _last_words(self) -> str:
        if self._log is None:
            return ""
        # Not read(): the file's position is shared with the process that writes to it.
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), 4000, max(0, size - 4000)).decode(errors="replace").strip()
        return "\n".join(f"  {line}" for line in text.splitlines()[-20:])


def _environment() -> dict[str, str]:
    """The environment of moto, without the user's AWS, moto and Python settings: every AWS is the same."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MOTO_", "PYTHON", "INITIAL_NO_AUTH", "TEST_SERVER_MODE"))
    }
    return {
        **kept,
        # moto takes the first label of a dotted host name for a bucket: host.containers.internal,
        # aws.ecs.internal.
        "S3_IGNORE_SUBDOMAIN_BUCKETNAME": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUTF8": "1",
    }


def _search_path() -> list[str]:
    """Where to import from: the place of moto first, so that no test's own module hides one of its."""
    found = importlib.util.find_spec("moto")
    first = [str(Path(found.origin).parent.parent)] if found is not None and found.origin is not None else []
    return [*first, *(os.path.abspath(entry) for entry in sys.path)]

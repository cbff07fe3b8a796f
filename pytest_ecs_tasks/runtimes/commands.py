"""Commands in running containers, which no engine can kill over its API: here they are killed all the same.

Where this process sees the engine's processes and may signal them, it does. Elsewhere (an engine on another machine, in a
virtual machine, or a user who is not root) each command bears a mark in its environment, and a second command, a shell script
in the container, kills what bears it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_ecs_tasks.engine.ports import EngineError, ExecOutcome
from pytest_ecs_tasks.runtimes import bodies
from pytest_ecs_tasks.runtimes.attachment import split_frames
from pytest_ecs_tasks.runtimes.transport import Transport, engine_errors
from pytest_ecs_tasks.runtimes.wire import Wire

EXEC_END_PAUSES_S = (0.002, 0.005, 0.01, 0.02, 0.05)
KILL_LIMIT_S = 5.0  # for the script that kills
LAST_WORDS_S = 1.0  # for the output of what was killed to end
MARK = "PYTEST_ECS_TASKS_EXEC"

# All are stopped before the first is killed, or a parent would go on with its next command; twice, because a process may
# have forked behind the first scan.
_KILL_SCRIPT = """\
for signal in STOP STOP KILL KILL; do
  for process in /proc/[0-9]*; do
    if grep -q "$0" "$process/environ" 2>/dev/null; then kill -$signal "${process#/proc/}" 2>/dev/null; fi
  done
done
"""


class CommandRunner:
    """Runs commands in the containers of one engine. Every method may be called from any thread."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        *,
        monotonic: Callable[[], float],
        wait: Callable[[float], bool],
    ) -> None:
        self._transport = transport
        self._url = url
        self._monotonic = monotonic
        self._wait = wait
        self._kills_here: bool | None = None

    def run(
        self,
        container_path: str,
        command: Sequence[str],
        *,
        timeout_s: float,
        environment: Mapping[str, str],
        user: str | None,
    ) -> ExecOutcome:
        """Run a command in the container at that path of the API; at the timeout kill it and what it has started."""
        mark = self.make_mark(container_path)
        variables = [f"{name}={bodies.reveal(value)}" for name, value in environment.items()]
        deadline = self._monotonic() + timeout_s
        exec_id, wire = self._start(container_path, command, [*variables, *([mark] if mark else [])], user)
        output: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        exit_code = None
        try:
            if self._read_until(wire, deadline, output):
                exit_code = self._exit_code(exec_id, deadline)
            if exit_code is None:
                self.kill(container_path, exec_id, mark)
                self._read_until(wire, self._monotonic() + LAST_WORDS_S, output)
        finally:
            wire.close()
        return ExecOutcome(exit_code, b"".join(output["stdout"]), b"".join(output["stderr"]))

    def _start(
        self, container_path: str, command: Sequence[str], variables: list[str], user: str | None
    ) -> tuple[str, Wire]:
        body: dict[str, Any] = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(command)}
        if variables:
            body["Env"] = variables
        if user:
            body["User"] = user
        exec_id = str(self._transport.call_json("POST", f"{container_path}/exec", body=body)["Id"])
        return exec_id, self._transport.hijack(f"/exec/{exec_id}/start", body={"Detach": False, "Tty": False})

    def _read_until(self, wire: Wire, deadline: float, output: dict[str, list[bytes]]) -> bool:
        """Collect the output; tell whether it came to its end before the deadline."""

        def pieces() -> Iterator[bytes]:
            while (left_s := deadline - self._monotonic()) > 0:
                wire.set_timeout(left_s)
                data = wire.receive()
                if not data:
                    return
                yield data
            raise TimeoutError

        with engine_errors(self._url):
            try:
                for stream, data in split_frames(pieces()):
                    output[stream].append(data)
            except TimeoutError:
                return False
        return True

    def _exit_code(self, exec_id: str, deadline: float) -> int | None:
        """Return the exit code.

        The output may end a moment before the engine has noticed the exit, or long before it.
        """
        pauses = iter(EXEC_END_PAUSES_S)
        while True:
            document = self._transport.call_json("GET", f"/exec/{exec_id}/json")
            if not document.get("Running") and document.get("ExitCode") is not None:
                return int(document["ExitCode"])
            if self._monotonic() > deadline or self._wait(next(pauses, EXEC_END_PAUSES_S[-1])):
                return None

    def _may_kill_here(self, container_path: str) -> bool:
        """Tell whether the engine's processes are this machine's, in this process's view, and this is root."""
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            return False
        document = self._transport.call_json("GET", f"{container_path}/json")
        pid = int((document.get("State") or {}).get("Pid") or 0)
        return _belongs(pid, str(document["Id"]))

    def make_mark(self, container_path: str) -> str:
        """Return a variable for a command to bear, so that it can be killed; empty where it needs none."""
        if self._kills_here is None:
            self._kills_here = self._may_kill_here(container_path)
        return "" if self._kills_here else f"{MARK}={uuid.uuid4().hex}"

    def kill(self, container_path: str, exec_id: str, mark: str) -> None:
        """Kill a command. Where that fails it lives on until its container ends, and nobody could do more."""
        with contextlib.suppress(EngineError, OSError):
            if mark:
                script = ["/bin/sh", "-c", _KILL_SCRIPT, mark]
                _, wire = self._start(container_path, script, [], "0")
                try:
                    self._read_until(wire, self._monotonic() + KILL_LIMIT_S, {"stdout": [], "stderr": []})
                finally:
                    wire.close()
                return
            document = self._transport.call_json("GET", f"/exec/{exec_id}/json")
            pid = int(document.get("Pid") or 0)
            if document.get("Running") and _belongs(pid, str(document["ContainerID"])):
                kill_tree(pid)


def _belongs(pid: int, container_id: str) -> bool:
    """Tell whether a process of this machine is one of a container's: engines name a container's cgroup by its id."""
    if pid <= 0:
        return False
    try:
        return container_id in Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:
        return False


def kill_tree(pid: int) -> None:
    """Kill a process and all that descend from it; each is stopped first, so that it starts no further one meanwhile."""
    stopped: list[int] = []
    pending = [pid]
    while pending:
        each = pending.pop()
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGSTOP)
            stopped.append(each)
            pending.extend(_children(each))
    for each in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    children = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the name, which may hold anything: state, parent, …
            parent = int(place.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent == pid:
            children.append(int(place.parent.name))
    return children

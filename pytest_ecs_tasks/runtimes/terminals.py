"""Commands in running containers that have a terminal of their own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.runtimes.commands import CommandRunner
from pytest_ecs_tasks.runtimes.transport import Transport, engine_errors
from pytest_ecs_tasks.runtimes.wire import Wire

# An engine that cannot start a command writes its reason into the command's own output: Docker as "OCI runtime exec
# failed: …", Podman as "Error: runc: …".
_REFUSAL = re.compile(rb"\A(?:OCI runtime exec failed: |Error: (?:runc|crun|OCI)\b)")
_REASON = re.compile(r'exec: "(?P<name>[^"]*)": (?:stat [^:]*: )?(?P<why>.+?): (?:unknown|OCI [^\n]*)$')
_NOT_STARTED = (126, 127)


class WireTerminal:
    """One command, over a hijacked connection."""

    def __init__(
        self, transport: Transport, runner: CommandRunner, container_path: str, exec_id: str, mark: str
    ) -> None:
        self._transport = transport
        self._runner = runner
        self._container_path = container_path
        self._exec_id = exec_id
        self._mark = mark
        self._wire: Wire = transport.hijack(f"/exec/{exec_id}/start", body={"Detach": False, "Tty": True})
        self._wire.set_timeout(None)

    def chunks(self) -> Iterator[bytes]:
        """Yield what it writes as it comes, until it ends or is closed."""
        first = True
        while data := self._receive():
            if first and _REFUSAL.match(data) and self._exit_code() in _NOT_STARTED:
                raise EngineError(refusal(data.decode("utf-8", "replace")))
            first = False
            yield data

    def write(self, data: bytes) -> None:
        """Let it read these bytes; one that has ended reads no more."""
        with engine_errors(self._transport.endpoint.url):
            if not self._wire.closed:
                self._wire.send(data)

    def resize(self, *, columns: int, rows: int) -> None:
        """Set the terminal's size."""
        query = {"h": rows, "w": columns}
        try:
            self._transport.call("POST", f"/exec/{self._exec_id}/resize", query=query)
        except EngineError as error:
            if (
                error.status is None
            ):  # the engine itself is gone; any other error is of a command that does not run
                raise

    def close(self) -> None:
        """Kill it, with what it has started, if it still runs."""
        if self._wire.closed:
            return
        self._wire.close()
        with contextlib.suppress(EngineError):  # the engine is gone, and the command with it
            if self._facts().get("Running"):
                self._runner.kill(self._container_path, self._exec_id, self._mark)

    def _receive(self) -> bytes:
        with engine_errors(self._transport.endpoint.url):
            return self._wire.receive()

    def _exit_code(self) -> int | None:
        code = self._facts().get("ExitCode")
        return None if code is None else int(code)

    def _facts(self) -> Mapping[str, Any]:
        return self._transport.call_json("GET", f"/exec/{self._exec_id}/json") or {}


def open_terminal(
    transport: Transport,
    runner: CommandRunner,
    container_path: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    user: str,
) -> WireTerminal:
    """Start a command in the container at that path of the API."""
    mark = runner.make_mark(container_path)
    variables = [f"{name}={value}" for name, value in environment.items()]
    body = {
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "Tty": True,
        "Cmd": list(command),
        "Env": [*variables, *([mark] if mark else [])],
        "User": user,
    }
    exec_id = str(transport.call_json("POST", f"{container_path}/exec", body=body)["Id"])
    return WireTerminal(transport, runner, container_path, exec_id, mark)


def refusal(words: str) -> str:
    """Return why a command could not be started as Go says it where the words are known, else the engine's words."""
    found = _REASON.search(words.strip())
    if found is None:
        return words.strip()
    name, why = found["name"], found["why"]
    return f'exec: "{name}": {why}' if "$PATH" in why else f"fork/exec {name}: {why}"

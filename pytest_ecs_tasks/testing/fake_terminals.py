"""Commands in fake containers: those that are waited for, and those that have a terminal."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

from pytest_ecs_tasks.engine.ports import EngineError, ExecOutcome
from pytest_ecs_tasks.testing.fake_containers import FakeContainer


class FakeTerminal:
    """A terminal that shows what is typed, until its end is fed or ``exit`` is typed.

    ``fails`` is raised in the place of its output.
    """

    def __init__(self, output: bytes = b"", *, ends: bool = False, fails: Exception | None = None) -> None:
        self._output: queue.Queue[bytes | None] = queue.Queue()
        self._fails = fails
        self.sizes: list[tuple[int, int]] = []
        self.typed: list[bytes] = []
        self.closed = threading.Event()
        if output:
            self._output.put(output)
        if ends:
            self._output.put(None)

    def chunks(self) -> Iterator[bytes]:
        """Yield what is fed and typed, until the end."""
        if self._fails is not None:
            raise self._fails
        while (data := self._output.get()) is not None:
            yield data

    def feed(self, data: bytes) -> None:
        """Show something."""
        self._output.put(data)

    def end(self) -> None:
        """End as a command does that has exited."""
        self._output.put(None)

    def write(self, data: bytes) -> None:
        """Show what is typed."""
        self.typed.append(data)
        self._output.put(None if data == b"exit\r" else data)

    def resize(self, *, columns: int, rows: int) -> None:
        """Remember the size."""
        self.sizes.append((columns, rows))

    def close(self) -> None:
        """End it."""
        self.closed.set()
        self._output.put(None)


def outcome_in(container: FakeContainer, command: Sequence[str]) -> ExecOutcome:
    """Return what a container's script says about a command."""
    _check_running(container)
    return container.script.executes.get(tuple(command), ExecOutcome(127, b"", b"not found\n"))


def terminal_in(container: FakeContainer, command: Sequence[str]) -> FakeTerminal:
    """Return a terminal that shows what a container's script says about a command, and ends."""
    _check_running(container)
    outcome = container.script.executes.get(tuple(command))
    if outcome is None:
        return FakeTerminal(fails=EngineError(f'exec: "{command[0]}": executable file not found in $PATH'))
    return FakeTerminal(outcome.stdout + outcome.stderr, ends=True)


def _check_running(container: FakeContainer) -> None:
    if not container.running:
        raise EngineError(f"Container {container.container_id} is not running", status=409)

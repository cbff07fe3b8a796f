"""What a test's handle on a task needs from whoever runs the task."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pytest_ecs_tasks.core.model import StopCode, Task


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a container's output, without its newline. ``time`` is when it arrived, with a time zone."""

    time: datetime
    container: str
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command ended. ``exit_code`` is ``None`` when it was killed at the timeout."""

    exit_code: int | None
    stdout: str
    stderr: str


class Terminal(Protocol):
    """A command in a running container, with a terminal of its own. Every method may be called from any thread.

    All raise :class:`~pytest_ecs_tasks.errors.EcsTaskError` with the engine's words.
    """

    def chunks(self) -> Iterator[bytes]:
        """Yield what it writes as it comes, until it ends or is closed; raises when it could not be started."""
        ...

    def write(self, data: bytes) -> None:
        """Let it read these bytes, as if they were typed."""
        ...

    def resize(self, *, columns: int, rows: int) -> None:
        """Set the terminal's size."""
        ...

    def close(self) -> None:
        """Kill it, with what it has started, if it still runs. Safe to call twice."""
        ...


class LogBook(Protocol):
    """Everything that one container has written so far. Safe to read from any thread."""

    def text(self) -> str:
        """Return stdout and stderr as they arrived, nothing added; bytes that are not UTF-8 are replaced."""
        ...

    def lines(self, start: int = 0) -> Sequence[LogLine]:
        """Return the whole lines from the given index on; the last may lack its newline."""
        ...

    def line_count(self) -> int:
        """Return how many lines there are."""
        ...


class TaskControl(Protocol):
    """One running task, as its engine offers it to :class:`EcsTask`. Every method may be called from any thread.

    All raise :class:`~pytest_ecs_tasks.errors.EngineCrashed` once the engine's own thread has died.
    """

    def snapshot(self) -> Task:
        """Return the task as it is now."""
        ...

    def wait_until(
        self, condition: Callable[[], bool], timeout_s: float, *, reads_logs: bool = False
    ) -> bool:
        """Block until ``condition()`` holds, asked anew whenever the task changes; tell whether it came true.

        With ``reads_logs`` it is asked whenever a log grows, too, which takes the processor from who reads a flood.
        """
        ...

    def log_book(self, container: str) -> LogBook:
        """Return the container's log book; one that never ran has an empty one."""
        ...

    def wall(self, engine_seconds: float) -> datetime:
        """Turn engine seconds into wall time, with a time zone."""
        ...

    def now(self) -> float:
        """Return the engine seconds now."""
        ...

    def state_changes(self) -> Sequence[Mapping[str, object]]:
        """Return every ECS Task State Change so far, in order, as EventBridge delivers it."""
        ...

    def transcript(self) -> str:
        """Return what happened and why, line by line."""
        ...

    def stop(self, reason: str, *, stop_code: StopCode = StopCode.USER_INITIATED) -> None:
        """Ask for StopTask and return at once."""
        ...

    def remove(self, timeout_s: float) -> None:
        """Kill and remove everything of the task; returns when nothing is left. Calling it again does nothing."""
        ...

    def reach(self, container: str, port: int, protocol: str) -> tuple[str, int]:
        """Return the host and port at which this process reaches that container port."""
        ...

    def dial(self, container: str, port: int) -> socket.socket:
        """Connect to that container port at the task's own address, from inside its network; the socket blocks.

        Raises OSErrors, ConnectionRefusedError among them.
        """
        ...

    def execute(
        self, container: str, command: Sequence[str], timeout_s: float, user: str | None = None
    ) -> ExecResult:
        """Run a command in a running container; at the timeout it is killed and ``exit_code`` is ``None``.

        Without ``user`` it is the container's own.
        """
        ...

    def open_terminal(self, container: str, command: Sequence[str], user: str) -> Terminal:
        """Start a command in a running container, with a terminal."""
        ...

    def signal(self, container: str, signal: str) -> None:
        """Send a signal to a container's main process."""
        ...

    def pause(self, container: str) -> None:
        """Freeze a container's processes."""
        ...

    def unpause(self, container: str) -> None:
        """Let them go on."""
        ...

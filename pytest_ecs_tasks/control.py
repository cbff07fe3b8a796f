"""What a test's handle on a task needs from whoever runs the task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pytest_ecs_tasks.core.model import Task


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a container's output, without its newline. ``time`` is when it arrived, with a time zone."""

    time: datetime
    container: str
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class ExecResult:
    """How a command ended. ``exit_code`` is ``None`` when it was still running at the timeout."""

    exit_code: int | None
    stdout: str
    stderr: str


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

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Block until ``condition()`` holds, asked anew whenever the task or its logs change; tell whether it came true."""
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

    def stop(self, reason: str) -> None:
        """Ask for StopTask and return at once."""
        ...

    def remove(self, timeout_s: float) -> None:
        """Kill and remove everything of the task; returns when nothing is left. Calling it again does nothing."""
        ...

    def reach(self, container: str, port: int, protocol: str) -> tuple[str, int]:
        """Return the host and port at which this process reaches that container port."""
        ...

    def execute(self, container: str, command: Sequence[str], timeout_s: float) -> ExecResult:
        """Run a command in a running container; at the timeout it is killed and ``exit_code`` is ``None``."""
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

"""What a container has written: kept as it came, cut into lines on demand, and passed on line by line to CloudWatch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pytest_ecs_tasks.engine.aws_ports import LineSink
from pytest_ecs_tasks.task import LogLine


class ContainerLog:
    """A container's log book. One thread writes, any thread reads."""

    def __init__(self, container: str, changed: Callable[[], None]) -> None:
        self._container = container
        self._changed = changed
        self._lock = threading.Lock()
        self._chunks: list[tuple[float, str, bytes]] = []
        self._lines: list[LogLine] = []
        self._open: dict[str, tuple[float, list[bytes]]] = {}
        self._cut_chunks = 0

    def append(self, stream: str, data: bytes, received_at: float) -> None:
        """Take bytes as they came; ``received_at`` is wall-clock seconds since the epoch."""
        with self._lock:
            self._chunks.append((received_at, stream, data))
        self._changed()

    def end_life(self) -> None:
        """Take what lacks its newline as whole lines: nothing that a restarted container writes continues them."""
        with self._lock:
            self._cut()
            self._lines += self._unfinished()
            self._open.clear()

    def text(self) -> str:
        """Return everything as it arrived."""
        with self._lock:
            chunks = list(self._chunks)
        return b"".join(data for _, _, data in chunks).decode("utf-8", "replace")

    def lines(self, start: int = 0) -> Sequence[LogLine]:
        """Return the lines from the given index on; the last of each stream may lack its newline."""
        with self._lock:
            self._cut()
            return [*self._lines[start:], *self._unfinished()[max(0, start - len(self._lines)) :]]

    def line_count(self) -> int:
        """Return how many lines there are, unfinished ones included."""
        with self._lock:
            self._cut()
            return len(self._lines) + len(self._open)

    def _cut(self) -> None:
        for received_at, stream, data in self._chunks[self._cut_chunks :]:
            first, *rest = data.split(b"\n")
            begun, parts = self._open.pop(stream, (received_at, []))
            parts.append(first)
            for part in rest:
                self._lines.append(self._line(begun, stream, b"".join(parts)))
                begun, parts = received_at, [part]
            if any(parts):
                self._open[stream] = (begun, parts)
        self._cut_chunks = len(self._chunks)

    def _unfinished(self) -> list[LogLine]:
        return [
            self._line(received_at, stream, b"".join(parts))
            for stream, (received_at, parts) in self._open.items()
        ]

    def _line(self, received_at: float, stream: str, data: bytes) -> LogLine:
        moment = datetime.fromtimestamp(received_at, UTC)
        return LogLine(moment, self._container, stream, data.removesuffix(b"\r").decode("utf-8", "replace"))


class LineCutter:
    """Joins a container's output into lines, across the engine's 16 KiB frames."""

    def __init__(self) -> None:
        self._rest: dict[str, list[bytes]] = {}

    def cut(self, stream: str, data: bytes) -> list[bytes]:
        """Return every line that ``data`` completes, without its newline."""
        first, newline, rest = data.partition(b"\n")
        parts = self._rest.setdefault(stream, [])
        parts.append(first)
        if not newline:
            return []
        *lines, last = rest.split(b"\n")
        self._rest[stream] = [last] if last else []
        return [b"".join(parts), *lines]

    def take_rest(self) -> list[bytes]:
        """Return what lacks its newline, and forget it."""
        rests = [b"".join(parts) for parts in self._rest.values()]
        self._rest.clear()
        return [rest for rest in rests if rest]


class LineSplitter:
    """A :class:`~pytest_ecs_tasks.engine.aws_ports.OutputSink` that hands lines to a log sink."""

    def __init__(self, sink: LineSink) -> None:
        self._sink = sink
        self._cutter = LineCutter()

    def feed(self, stream: str, data: bytes, received_at: float) -> None:
        """Pass on every line that ``data`` completes."""
        lines = self._cutter.cut(stream, data)
        if lines:
            self._sink.write(lines, received_at)

    def finish(self, received_at: float) -> None:
        """Pass on what lacks its newline."""
        rest = self._cutter.take_rest()
        if rest:
            self._sink.write(rest, received_at)

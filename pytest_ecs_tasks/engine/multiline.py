"""Lines joined to events on their way to CloudWatch, as Docker's awslogs driver does it.

Source: Docker's documentation, awslogs-multiline-pattern: a line that matches begins an event, every other line
belongs to the event before it. What was written last waits for the line that follows, up to some seconds.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Sequence

from pytest_ecs_tasks.core.awslogs import MAX_BYTES_PER_EVENT
from pytest_ecs_tasks.engine.aws_ports import LineSink, LogStreamError

FLUSH_AFTER_S = 5.0  # Docker's driver: an event that nothing continues is sent after 5 to 10 s


class MultilineSink:
    """A :class:`LineSink` that joins lines to events and hands them to another one.

    Each line of an event keeps its newline, the last one too, as in Docker's driver.
    """

    def __init__(self, sink: LineSink, event_start: str, *, flush_after_s: float = FLUSH_AFTER_S) -> None:
        """``event_start`` is an expression that the first line of each event holds."""
        self._sink = sink
        self._starts = re.compile(event_start, re.ASCII).search
        self._flush_after_s = flush_after_s
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._size = 0
        self._begun_at = 0.0
        self._events = 0
        self._timer: threading.Timer | None = None
        self._closed = False

    def write(self, lines: Sequence[bytes], received_at: float) -> None:
        """Take lines without their newlines; ``received_at`` of an event is its first line's.

        Raises :class:`LogStreamError` once it is closed.
        """
        with self._lock:
            if self._closed:
                raise LogStreamError("the log is closed")
            for line in lines:
                self._take(line, received_at)

    def close(self) -> None:
        """Deliver what is left; returns when CloudWatch has it."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
        try:
            with self._lock:
                self._flush()
        finally:
            self._sink.close()

    def _take(self, line: bytes, received_at: float) -> None:
        is_start = self._starts(line.decode("utf-8", "replace")) is not None
        if is_start or self._size + len(line) + 1 > MAX_BYTES_PER_EVENT:
            self._flush()
        if not self._lines:
            self._begun_at = received_at
            self._arm()
        self._lines.append(line)
        self._size += len(line) + 1

    def _flush(self) -> None:
        if self._lines:
            event = b"".join(line + b"\n" for line in self._lines)
            self._lines, self._size = [], 0
            self._events += 1
            self._sink.write([event], self._begun_at)

    def _arm(self) -> None:
        """Let the event that has just begun be sent when it is old, one timer at a time."""
        if self._timer is None and not self._closed:
            self._timer = threading.Timer(self._flush_after_s, self._end_old_event, (self._events,))
            self._timer.daemon = True
            self._timer.name = "ecs-tasks/multi-line log"
            self._timer.start()

    def _end_old_event(self, events: int) -> None:
        with self._lock:
            self._timer = None
            if events == self._events:
                with contextlib.suppress(LogStreamError):  # told when the stream is closed
                    self._flush()
            elif self._lines:
                self._arm()

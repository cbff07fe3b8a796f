"""awslogs: container output into CloudWatch log streams.

Never drops a line, whatever the driver's ``mode`` says.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_ecs_tasks.aws.json_api import AwsCallError, JsonApi
from pytest_ecs_tasks.engine.ports import LogStreamError

# CloudWatch's limits for one PutLogEvents call.
MAX_EVENTS_PER_BATCH = 10_000
MAX_BYTES_PER_BATCH = 1_048_576
BYTES_PER_EVENT = 26
MAX_SPAN_MS = 24 * 60 * 60 * 1000
# Longer lines are cut where docker's awslogs driver cuts them, though CloudWatch takes 1 MB by now.
# Source: moby/moby, daemon/logger/awslogs/cloudwatchlogs.go, maximumBytesPerEvent.
MAX_BYTES_PER_EVENT = 262_144 - BYTES_PER_EVENT
# How long lines gather before they are sent, when there are few of them.
_GATHER_S = 0.1


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event to put: milliseconds since the epoch, text, and its size in UTF-8."""

    timestamp_ms: int
    message: str
    size: int


class LogWriter:
    """The one thread that sends the lines of every stream of an AWS, stream by stream in order.

    Lines wait in memory without limit until they are sent: a reader of a container's output must never wait.
    (moto keeps all that it gets in memory, too.)
    """

    def __init__(self, api: JsonApi) -> None:
        self._api = api
        self._wake = threading.Condition()
        self._streams: list[LogStream] = []
        self._is_hurried = False
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def open(self, group: str, stream: str, region: str) -> LogStream:
        """Take a stream, which exists, into care."""
        opened = LogStream(self, group, stream, region)
        with self._wake:
            if self._is_closing:
                raise LogStreamError("this AWS is gone: the fixture or test that it belonged to has ended")
            self._streams.append(opened)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ecs-tasks/awslogs", daemon=True)
                self._thread.start()
        return opened

    def close(self) -> None:
        """Deliver what is left of every stream and end the thread. Safe to call twice."""
        with self._wake:
            self._is_closing = True
            self._wake.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def take(self, stream: LogStream, line: bytes, received_at: float) -> None:
        """Queue one line; those of a stream that has failed are let go."""
        with self._wake:
            if stream.is_closing or self._is_closing:
                raise LogStreamError(f"log stream {stream.name!r} is closed")
            if stream.failure is not None:
                return
            is_first = not stream.lines
            stream.lines.append((line, received_at))
            if is_first or len(stream.lines) == MAX_EVENTS_PER_BATCH:
                self._is_hurried = self._is_hurried or not is_first
                self._wake.notify_all()

    def finish(self, stream: LogStream) -> None:
        """Wait until everything of a stream has been sent or has failed."""
        with self._wake:
            stream.is_closing = True
            self._wake.notify_all()
        stream.is_finished.wait()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(self._has_work)
                if not self._must_hurry():
                    self._wake.wait_for(self._must_hurry, _GATHER_S)
                self._is_hurried = False
                taken = [(stream, stream.take_lines(), stream.is_closing) for stream in self._streams]
                self._streams = [stream for stream in self._streams if not stream.is_closing]
                is_last = self._is_closing
            for stream, lines, is_closing in taken:
                self._send(stream, lines)
                if is_closing or is_last:
                    stream.is_finished.set()
            if is_last:
                return

    def _has_work(self) -> bool:
        return self._is_closing or any(stream.lines or stream.is_closing for stream in self._streams)

    def _must_hurry(self) -> bool:
        return self._is_closing or self._is_hurried or any(stream.is_closing for stream in self._streams)

    def _send(self, stream: LogStream, lines: deque[tuple[bytes, float]]) -> None:
        """Send lines, batch by batch.

        A failure of any kind ends the stream's delivery, and ``close`` tells it.
        """
        try:
            for batch in make_batches(lines, stream.last_timestamp_ms):
                if stream.failure is not None:
                    return
                stream.last_timestamp_ms = batch[-1].timestamp_ms
                answer = self._api.call(
                    "logs:Logs_20140328.PutLogEvents",
                    stream.region,
                    {
                        "logGroupName": stream.group,
                        "logStreamName": stream.name,
                        "logEvents": [
                            {"timestamp": event.timestamp_ms, "message": event.message} for event in batch
                        ],
                    },
                )
                if answer.get("rejectedLogEventsInfo"):
                    stream.failure = (
                        "CloudWatch refused lines that are older than 14 days or newer than 2 hours from now"
                    )
        except AwsCallError as error:
            stream.failure = str(error)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not leave close() waiting
            stream.failure = f"{type(error).__name__}: {error}"


class LogStream:
    """A :class:`~pytest_ecs_tasks.engine.ports.LogSink` into one stream."""

    def __init__(self, writer: LogWriter, group: str, name: str, region: str) -> None:
        self._writer = writer
        self.group = group
        self.name = name
        self.region = region
        self.lines: deque[tuple[bytes, float]] = deque()
        self.last_timestamp_ms = 0
        self.is_closing = False
        self.is_finished = threading.Event()
        self.failure: str | None = None

    def write(self, line: bytes, received_at: float) -> None:
        """Take one line without its newline and return at once.

        An empty one is left out, for CloudWatch refuses it. What is not UTF-8 is replaced. Lines keep their
        order: none gets an earlier time than the one before it.
        """
        if line:
            self._writer.take(self, line, received_at)

    def close(self) -> None:
        """Deliver what is left.

        Raises :class:`LogStreamError` when any line could not be delivered. Safe to call twice.
        """
        self._writer.finish(self)
        if self.failure is not None:
            raise LogStreamError(
                f"the output to log group {self.group!r}, stream {self.name!r}, "
                f"is not complete: {self.failure}"
            )

    def take_lines(self) -> deque[tuple[bytes, float]]:
        """Return the waiting lines and forget them."""
        lines, self.lines = self.lines, deque()
        return lines


def make_batches(lines: deque[tuple[bytes, float]], not_before_ms: int = 0) -> Iterator[list[LogEvent]]:
    """Take lines out of ``lines`` and yield batches that CloudWatch takes.

    That is: not too many events, not too many bytes, not too far apart in time. No event has an earlier time
    than the one before it, or than ``not_before_ms``.
    """
    batch: list[LogEvent] = []
    size = 0
    while lines:
        line, received_at = lines.popleft()
        not_before_ms = max(not_before_ms, int(received_at * 1000))
        for event in _split_line(line, not_before_ms):
            is_full = (
                len(batch) == MAX_EVENTS_PER_BATCH
                or size + event.size + BYTES_PER_EVENT > MAX_BYTES_PER_BATCH
            )
            if batch and (is_full or event.timestamp_ms - batch[0].timestamp_ms > MAX_SPAN_MS):
                yield batch
                batch, size = [], 0
            batch.append(event)
            size += event.size + BYTES_PER_EVENT
    if batch:
        yield batch


def _split_line(line: bytes, timestamp_ms: int) -> list[LogEvent]:
    """Make one event of a line, or as many as its length needs; characters stay whole."""
    text = line.decode(errors="replace")
    if len(line) * 3 <= MAX_BYTES_PER_EVENT:  # even if each byte became U+FFFD
        return [LogEvent(timestamp_ms, text, len(line) if text.isascii() else len(text.encode()))]
    encoded = text.encode()
    events = []
    start = 0
    while start < len(encoded):
        end = min(start + MAX_BYTES_PER_EVENT, len(encoded))
        while end < len(encoded) and encoded[end] & 0xC0 == 0x80:
            end -= 1
        events.append(LogEvent(timestamp_ms, encoded[start:end].decode(), end - start))
        start = end
    return events

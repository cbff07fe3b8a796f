"""awslogs: container output into CloudWatch log streams.

Never drops a line, whatever the driver's ``mode`` says.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.json_api import JsonApi
from pytest_ecs_tasks.core.awslogs import BYTES_PER_EVENT, MAX_BYTES_PER_EVENT
from pytest_ecs_tasks.engine.aws_ports import LogStreamError
from pytest_ecs_tasks.engine.logbook import LineCutter
from pytest_ecs_tasks.engine.system import SystemClock

# CloudWatch's limits for one PutLogEvents call.
MAX_EVENTS_PER_BATCH = 10_000
MAX_BYTES_PER_BATCH = 1_048_576
MAX_SPAN_MS = 24 * 60 * 60 * 1000
_PUT = "logs:Logs_20140328.PutLogEvents"
# How long lines gather before they are sent.
_GATHER_S = 0.1
# While so many come in that time, sending waits, or it would take the processor from who reads them; but not for longer
# than docker's awslogs driver lets them gather. Source: moby/moby, cloudwatchlogs.go, batchPublishFrequency.
_FLOOD_LINES = 1_000
_LONGEST_GATHER_S = 5.0
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event to put: milliseconds since the epoch, text, and its size in UTF-8."""

    timestamp_ms: int
    message: str
    size: int


@dataclass(frozen=True, slots=True)
class _Chunk:
    stream: str
    data: bytes
    received_at: float

    @property
    def line_count(self) -> int:
        return self.data.count(b"\n")

    def cut(self, cutter: LineCutter) -> Sequence[bytes]:
        return cutter.cut(self.stream, self.data)


@dataclass(frozen=True, slots=True)
class _EndOfLife:
    received_at: float
    line_count = 1

    def cut(self, cutter: LineCutter) -> Sequence[bytes]:
        return cutter.take_rest()


@dataclass(frozen=True, slots=True)
class _Lines:
    lines: Sequence[bytes]
    received_at: float

    @property
    def line_count(self) -> int:
        return len(self.lines)

    def cut(self, cutter: LineCutter) -> Sequence[bytes]:
        return self.lines


_Piece = _Chunk | _EndOfLife | _Lines


class LogWriter:
    """The one thread that sends the lines of every stream of an AWS, stream by stream in order.

    Lines wait in memory without limit until they are sent: a reader of a container's output must never wait.
    (moto keeps all that it gets in memory, too.)
    """

    def __init__(self, api: JsonApi) -> None:
        self._api = api
        self._wake = threading.Condition()
        self._streams: list[LogStream] = []
        self._lines_taken = 0
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def open(
        self, group: str, stream: str, region: str, remake: Callable[[], object] | None = None
    ) -> LogStream:
        """Take a stream, which exists, into care. ``remake`` makes it anew, should it vanish."""
        opened = LogStream(self, group, stream, region, remake)
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

    def take(self, stream: LogStream, piece: _Piece) -> None:
        """Queue output; that of a stream that has failed is let go."""
        with self._wake:
            if stream.is_closing or self._is_closing:
                raise LogStreamError(f"log stream {stream.name!r} is closed")
            if stream.failure is not None:
                return
            is_first = not stream.pieces
            stream.pieces.append(piece)
            self._lines_taken += piece.line_count
            if is_first:
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
                self._gather()
                taken = [(stream, stream.take_pieces(), stream.is_closing) for stream in self._streams]
                self._streams = [stream for stream in self._streams if not stream.is_closing]
                is_last = self._is_closing
            for stream, pieces, is_closing in taken:
                self._send(stream, pieces)
                if is_closing or is_last:
                    stream.is_finished.set()
            if is_last:
                return

    def _has_work(self) -> bool:
        return self._is_closing or any(stream.pieces or stream.is_closing for stream in self._streams)

    def _gather(self) -> None:
        deadline = _CLOCK.now() + _LONGEST_GATHER_S
        while _CLOCK.now() < deadline:
            before = self._lines_taken
            if self._wake.wait_for(self._must_hurry, _GATHER_S) or self._lines_taken - before < _FLOOD_LINES:
                return

    def _must_hurry(self) -> bool:
        return self._is_closing or any(stream.is_closing for stream in self._streams)

    def _send(self, stream: LogStream, pieces: deque[_Piece]) -> None:
        """Send output, batch by batch.

        A failure of any kind ends the stream's delivery, and ``close`` tells it.
        """
        try:
            for batch in make_batches(stream.cut_lines(pieces), stream.last_timestamp_ms):
                if stream.failure is not None:
                    return
                stream.last_timestamp_ms = batch[-1].timestamp_ms
                answer = self._put(stream, batch)
                if answer.get("rejectedLogEventsInfo"):
                    stream.failure = (
                        "CloudWatch refused lines that are older than 14 days or newer than 2 hours from now"
                    )
        except AwsCallError as error:
            stream.failure = str(error)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not leave close() waiting
            stream.failure = f"{type(error).__name__}: {error}"

    def _put(self, stream: LogStream, batch: list[LogEvent]) -> Mapping[str, object]:
        parameters = {
            "logGroupName": stream.group,
            "logStreamName": stream.name,
            "logEvents": [{"timestamp": event.timestamp_ms, "message": event.message} for event in batch],
        }
        try:
            return self._api.call(_PUT, stream.region, parameters)
        except AwsCallError as error:
            if error.code != "ResourceNotFoundException" or stream.remake is None:
                raise
        stream.remake()
        return self._api.call(_PUT, stream.region, parameters)


class LogStream:
    """A :class:`~pytest_ecs_tasks.engine.aws_ports.LogSink` into one stream."""

    def __init__(
        self, writer: LogWriter, group: str, name: str, region: str, remake: Callable[[], object] | None
    ) -> None:
        self._writer = writer
        self.remake = remake
        self.group = group
        self.name = name
        self.region = region
        self.pieces: deque[_Piece] = deque()
        self._cutter = LineCutter()
        self.last_timestamp_ms = 0
        self.is_closing = False
        self.is_finished = threading.Event()
        self.failure: str | None = None

    def feed(self, stream: str, data: bytes, received_at: float) -> None:
        """Take bytes and return at once: they are cut into lines when they are sent."""
        self._writer.take(self, _Chunk(stream, data, received_at))

    def finish(self, received_at: float) -> None:
        """Take what lacks its newline as whole lines."""
        self._writer.take(self, _EndOfLife(received_at))

    def write(self, lines: Sequence[bytes], received_at: float) -> None:
        """Take lines without their newlines and return at once.

        An empty one is left out, for CloudWatch refuses it. What is not UTF-8 is replaced. Lines keep their
        order: none gets an earlier time than the one before it.
        """
        self._writer.take(self, _Lines(lines, received_at))

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

    def take_pieces(self) -> deque[_Piece]:
        """Return what waits and forget it."""
        pieces, self.pieces = self.pieces, deque()
        return pieces

    def cut_lines(self, pieces: deque[_Piece]) -> Iterator[tuple[bytes, float]]:
        """Take pieces out of ``pieces`` and yield their lines that are not empty, each with the time it came."""
        while pieces:
            piece = pieces.popleft()
            yield from ((line, piece.received_at) for line in piece.cut(self._cutter) if line)


def make_batches(lines: Iterable[tuple[bytes, float]], not_before_ms: int = 0) -> Iterator[list[LogEvent]]:
    """Yield batches that CloudWatch takes of lines and the times at which they came.

    That is: not too many events, not too many bytes, not too far apart in time. No event has an earlier time
    than the one before it, or than ``not_before_ms``.
    """
    batch: list[LogEvent] = []
    size = 0
    for line, received_at in lines:
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

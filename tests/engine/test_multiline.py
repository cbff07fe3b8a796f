"""Lines joined to events."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ecs_tasks.core.awslogs import MAX_BYTES_PER_EVENT
from pytest_ecs_tasks.engine.aws_ports import LogStreamError
from pytest_ecs_tasks.engine.multiline import MultilineSink

LONG_S = 3600.0


@dataclass
class EventSink:
    """Keeps what it is given."""

    events: list[tuple[bytes, float]] = field(default_factory=list)
    written: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    closed: bool = False
    refuses: bool = False

    def write(self, lines: Sequence[bytes], received_at: float) -> None:
        if not self.refuses:
            self.events.extend((line, received_at) for line in lines)
        self.written.release()
        if self.refuses:
            raise LogStreamError("closed")

    def close(self) -> None:
        self.closed = True


def joined(*lines: bytes, start: str = "^INFO") -> list[tuple[bytes, float]]:
    sink = EventSink()
    joiner = MultilineSink(sink, start, flush_after_s=LONG_S)
    for at, line in enumerate(lines):
        joiner.write([line], float(at))
    joiner.close()
    assert sink.closed
    return sink.events


def test_a_line_that_matches_begins_an_event_and_has_its_time() -> None:
    assert joined(b"INFO a", b"  b", b"INFO c", b"d") == [(b"INFO a\n  b\n", 0.0), (b"INFO c\nd\n", 2.0)]


def test_lines_before_the_first_match_are_an_event_too() -> None:
    assert joined(b"a", b"b", b"INFO c") == [(b"a\nb\n", 0.0), (b"INFO c\n", 2.0)]


def test_blank_lines_belong_to_their_event() -> None:
    assert joined(b"INFO a", b"", b"b") == [(b"INFO a\n\nb\n", 0.0)]


def test_no_lines_are_no_event() -> None:
    assert joined() == []


def test_an_event_ends_before_it_grows_beyond_cloudwatchs_limit() -> None:
    half = b"x" * (MAX_BYTES_PER_EVENT // 2)

    assert [len(event) for event, _ in joined(b"INFO", half, half)] == [len(half) + 6, len(half) + 1]


def test_what_is_not_utf_8_is_passed_on_as_it_is() -> None:
    assert joined(b"INFO \xff", b"\xfe") == [(b"INFO \xff\n\xfe\n", 0.0)]


@given(st.lists(st.binary(max_size=10).map(lambda line: line.replace(b"\n", b""))))
def test_no_line_is_lost_or_torn_whatever_matches(lines: list[bytes]) -> None:
    events = joined(*lines, start="[a-f]")

    assert b"".join(event for event, _ in events) == b"".join(line + b"\n" for line in lines)


def test_an_event_that_nothing_continues_is_sent_after_a_while() -> None:
    sink = EventSink()
    joiner = MultilineSink(sink, "^INFO", flush_after_s=0.05)

    joiner.write([b"INFO a"], 1.0)

    assert sink.written.acquire(timeout=60)
    joiner.write([b"  late"], 2.0)
    joiner.close()
    assert sink.events == [(b"INFO a\n", 1.0), (b"  late\n", 2.0)]


def test_an_event_that_began_after_an_older_one_is_sent_after_a_while_too() -> None:
    sink = EventSink()
    joiner = MultilineSink(sink, "^INFO", flush_after_s=0.05)

    joiner.write([b"INFO a"], 1.0)
    joiner.write([b"INFO b"], 2.0)

    assert sink.written.acquire(timeout=60)
    assert sink.written.acquire(timeout=60)
    joiner.close()
    assert sink.events == [(b"INFO a\n", 1.0), (b"INFO b\n", 2.0)]


def test_a_stream_that_is_closed_meanwhile_does_not_break_the_timer() -> None:
    sink = EventSink(refuses=True)
    joiner = MultilineSink(sink, "^INFO", flush_after_s=0.05)
    joiner.write([b"INFO a"], 1.0)

    assert sink.written.acquire(timeout=60)
    sink.refuses = False
    joiner.close()

    assert sink.closed


def test_a_stream_that_refuses_the_last_event_is_closed_all_the_same() -> None:
    sink = EventSink(refuses=True)
    joiner = MultilineSink(sink, "^INFO", flush_after_s=LONG_S)
    joiner.write([b"INFO a"], 1.0)

    with pytest.raises(LogStreamError, match="closed"):
        joiner.close()

    assert sink.closed


def test_a_line_that_comes_after_the_end_is_refused() -> None:
    joiner = MultilineSink(EventSink(), "^INFO", flush_after_s=LONG_S)
    joiner.close()

    with pytest.raises(LogStreamError, match="the log is closed"):
        joiner.write([b"INFO late"], 1.0)

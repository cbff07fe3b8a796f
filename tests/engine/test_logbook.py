"""What a container has written, kept as it came and cut into lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from pytest_ecs_tasks.engine.logbook import ContainerLog, LineSplitter


@dataclass
class ListSink:
    """Keeps what it is given."""

    lines: list[bytes] = field(default_factory=list)

    def write(self, lines: Sequence[bytes], received_at: float) -> None:
        self.lines.extend(lines)

    def close(self) -> None:
        pass


def book(*chunks: tuple[str, bytes]) -> ContainerLog:
    log = ContainerLog("web", lambda: None)
    for at, (stream, data) in enumerate(chunks):
        log.append(stream, data, float(at))
    return log


def test_text_is_what_arrived_and_nothing_more() -> None:
    log = book(("stdout", b"one\ntw"), ("stderr", b"oops\n"), ("stdout", b"o\n"))

    assert log.text() == "one\ntwoops\no\n"


def test_a_line_is_joined_across_frames_of_its_own_stream() -> None:
    log = book(("stdout", b"one\ntw"), ("stderr", b"oops\n"), ("stdout", b"o\n"))

    assert [(line.stream, line.text) for line in log.lines()] == [
        ("stdout", "one"),
        ("stderr", "oops"),
        ("stdout", "two"),
    ]


def test_the_last_line_may_lack_its_newline() -> None:
    log = book(("stdout", b"one\nrest"))

    assert [line.text for line in log.lines()] == ["one", "rest"]
    assert log.line_count() == 2


def test_lines_can_be_read_from_where_the_reader_left_off() -> None:
    log = book(("stdout", b"one\n"))
    assert [line.text for line in log.lines()] == ["one"]

    log.append("stdout", b"two\n", 2.0)

    assert [line.text for line in log.lines(1)] == ["two"]


def test_bytes_that_are_not_utf_8_are_replaced() -> None:
    assert book(("stdout", b"caf\xe9\n")).lines()[0].text == "caf\ufffd"


def test_blank_lines_are_kept() -> None:
    assert [line.text for line in book(("stdout", b"a\n\nb\n")).lines()] == ["a", "", "b"]


@given(st.lists(st.binary(max_size=20), max_size=30), st.data())
def test_however_output_is_cut_into_frames_the_sink_gets_the_same_lines(
    lines: list[bytes], data: st.DataObject
) -> None:
    lines = [line.replace(b"\n", b" ") for line in lines]
    output = b"".join(line + b"\n" for line in lines)
    sink = ListSink()
    splitter = LineSplitter(sink)

    while output:
        size = data.draw(st.integers(1, 25))
        splitter.feed("stdout", output[:size], 0.0)
        output = output[size:]
    splitter.finish(0.0)

    assert sink.lines == lines


def test_a_sink_gets_the_unfinished_line_at_the_end() -> None:
    sink = ListSink()
    splitter = LineSplitter(sink)

    splitter.feed("stdout", b"one\nrest", 0.0)
    splitter.finish(1.0)

    assert sink.lines == [b"one", b"rest"]


def test_an_unfinished_line_is_not_continued_by_the_next_life() -> None:
    book = ContainerLog("web", lambda: None)
    book.append("stdout", b"up\nlast wo", 1.0)
    book.append("stdout", b"rds", 2.0)

    book.end_life()
    book.append("stdout", b"up again\n", 3.0)

    assert [line.text for line in book.lines()] == ["up", "last words", "up again"]
    assert book.text() == "up\nlast wordsup again\n"

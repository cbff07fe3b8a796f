"""What the engine sends over a connection of its own: frames, chunks, events."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from pytest_ecs_tasks.engine.ports import EngineError, EngineEvent
from pytest_ecs_tasks.runtimes.attachment import WireAttachment, split_frames
from pytest_ecs_tasks.runtimes.events import WireEvents, parse_event
from pytest_ecs_tasks.runtimes.wire import Wire

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[Wire, socket.socket]]:
    """Our end of a connection, and the engine's."""
    ours, engine = socket.socketpair()
    wire = Wire(ours)
    with engine:
        yield wire, engine
        wire.close()


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def event(action: str, container: str = "c1", time_nano: int = 1, **attributes: str) -> bytes:
    document = {
        "Type": "container",
        "Action": action,
        "Actor": {"ID": container, "Attributes": attributes},
        "timeNano": time_nano,
    }
    return json.dumps(document).encode() + b"\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}".encode() + b"\r\n" + data + b"\r\n"


@pytest.mark.parametrize("size", range(1, 40))
def test_frames_are_taken_apart_wherever_the_connection_cuts_them(size):
    content = frame(1, b"first ") + frame(2, b"oops") + frame(1, b"") + frame(1, b"second")
    pieces = [content[start : start + size] for start in range(0, len(content), size)]

    joined = {"stdout": b"", "stderr": b""}
    for stream, data in split_frames(iter(pieces)):
        joined[stream] += data

    assert joined == {"stdout": b"first second", "stderr": b"oops"}


def test_neighbouring_frames_of_one_stream_come_as_one_piece():
    content = frame(1, b"a\n") + frame(1, b"b\n") + frame(2, b"!") + frame(1, b"c\n")

    assert list(split_frames(iter([content]))) == [
        ("stdout", b"a\nb\n"),
        ("stderr", b"!"),
        ("stdout", b"c\n"),
    ]


def test_the_end_of_the_connection_is_the_end_of_the_output(pair):
    wire, engine = pair
    engine.sendall(frame(1, b"all"))
    engine.shutdown(socket.SHUT_WR)

    assert list(WireAttachment(wire, tty=False).chunks()) == [("stdout", b"all")]


def test_bytes_that_came_with_the_head_are_handed_over_with_the_socket(pair):
    wire, engine = pair
    engine.sendall(b"HTTP/1.1 101 UPGRADED\r\n\r\nearly")

    assert wire.request("POST", "/attach", {}).status == 101
    connection, early = WireAttachment(wire, tty=False).detach_socket()

    assert early == b"early"
    connection.close()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (event("start"), EngineEvent("start", "c1")),
        (event("die", exitCode="3"), EngineEvent("die", "c1", 3)),
        (event("died", containerExitCode="3"), EngineEvent("die", "c1", 3)),
        (event("oom"), EngineEvent("oom", "c1")),
        (event("destroy"), EngineEvent("remove", "c1")),
        (event("remove"), EngineEvent("remove", "c1")),
        (event("exec_die", exitCode="1"), None),
        (event("health_status: healthy"), None),
        (event("create"), None),
    ],
)
def test_events_have_one_spelling_for_both_engines(line, expected):
    assert parse_event(json.loads(line)) == expected


def test_events_come_however_they_are_cut_into_chunks_and_each_but_once(pair):
    wire, engine = pair
    lines = (
        event("start")
        + event("start")
        + event("die", time_nano=2, exitCode="0")
        + event("start", time_nano=3)
    )
    engine.sendall(CHUNKED + chunk(lines[:50]) + chunk(lines[50:51]) + chunk(lines[51:]))
    stream = iter(WireEvents(wire, wire.request("GET", "/events", {})))

    assert [next(stream).action for _ in range(3)] == ["start", "die", "start"]
    wire.close()
    assert list(stream) == []


@pytest.mark.parametrize("ending", [b"", b"0\r\n\r\n"])
def test_the_end_of_the_events_is_an_error_even_if_it_is_a_polite_one(pair, ending):
    wire, engine = pair
    engine.sendall(CHUNKED + chunk(event("start")) + ending)
    engine.shutdown(socket.SHUT_WR)
    stream = iter(WireEvents(wire, wire.request("GET", "/events", {})))

    assert next(stream) == EngineEvent("start", "c1")
    with pytest.raises(EngineError, match="the engine's events were cut"):
        next(stream)

"""The link's language, literals in and literals out."""

from __future__ import annotations

import errno

import pytest

from pytest_ecs_tasks.runtimes.sandbox.frames import (
    EngineReader,
    FrameReader,
    FrameType,
    Hello,
    ProtocolError,
    SetupFailure,
    SetupStep,
    make_connect,
    make_frame,
    make_grant,
    parse_hello,
    parse_refusal,
)


def test_a_frame_is_stream_type_length_and_payload() -> None:
    assert make_frame(7, FrameType.DATA, b"abc") == b"\x00\x00\x00\x07\x06\x00\x00\x03abc"
    assert make_frame(7, FrameType.END) == b"\x00\x00\x00\x07\x08\x00\x00\x00"
    assert make_grant(2, 65536) == b"\x00\x00\x00\x02\x07\x00\x00\x04\x00\x01\x00\x00"
    assert make_connect(1, "10.0.0.2", 80) == b"\x00\x00\x00\x01\x03\x00\x00\x06\x0a\x00\x00\x02\x00\x50"


@pytest.mark.parametrize("host", ["localhost", "10.0.0", "10.0.0.256", "10.0.0.-1", "::1", ""])
def test_only_ipv4_addresses_in_numbers_can_be_connected_to(host: str) -> None:
    with pytest.raises(ValueError, match="is not an IPv4 address"):
        make_connect(1, host, 80)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port_is_refused_before_it_is_sent(port: int) -> None:
    with pytest.raises(ValueError, match="is not a port"):
        make_connect(1, "10.0.0.2", port)


def test_frames_are_found_in_whatever_pieces_they_come() -> None:
    wire = (
        make_frame(2, FrameType.DATA, b"first")
        + make_frame(4, FrameType.END)
        + make_frame(2, FrameType.RESET)
    )
    expected = [(2, FrameType.DATA, b"first"), (4, FrameType.END, b""), (2, FrameType.RESET, b"")]

    for size in range(1, len(wire) + 1):
        reader = FrameReader()
        pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
        assert [frame for piece in pieces for frame in reader.frames(memoryview(piece))] == expected


@pytest.mark.parametrize(
    "wire", [b"HTTP/1.1 400 Bad", b"\0\0\0\1\x0f\0\0\0", b"\0\0\0\1\0\0\0\0", b"\0\0\0\1\6\0\x80\0"]
)
def test_bytes_that_are_no_frame_are_an_error(wire: bytes) -> None:
    with pytest.raises(ProtocolError, match="not the link's"):
        list(FrameReader().frames(memoryview(wire)))


def test_a_hello_gives_the_address_and_the_ports() -> None:
    hello = b"ECSL\0\3\0\2\x0a\0\0\2\0\0\0\0\0\1\xc9\xd6\0\2\xc9\xd7"
    assert parse_hello(hello) == Hello(3, "10.0.0.2", {1: 51670, 2: 51671})
    assert parse_hello(b"ECSL\0\3\0\0\0\0\0\0\0\0\0\0") == Hello(3, None, {})


def test_a_hello_says_what_could_not_be_set_up_and_why() -> None:
    hello = parse_hello(b"ECSL\0\3\0\0\0\0\0\0\0\4\0\x5f")

    assert hello.setup_failure == SetupFailure(SetupStep.ENDPOINTS_RULE, errno.EOPNOTSUPP)


def test_a_sandbox_of_another_version_is_refused() -> None:
    with pytest.raises(ProtocolError, match="speaks version 1 of the link, this plugin 3"):
        parse_hello(b"ECSL\0\1\0\0\0\0\0\0")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"ECSX\0\3\0\0\0\0\0\0\0\0\0\0",
        b"ECSL\0\3\0\0\0\0\0\0",
        b"ECSL\0\3\0\1\0\0\0\0\0\0\0\0\0\1",
        b"ECSL\0\3\0\2\0\0\0\0\0\0\0\0\0\1\0\1",
    ],
)
def test_a_hello_that_is_cut_or_not_ours_is_refused(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_hello(payload)


def test_a_refusal_becomes_the_exception_that_a_connect_raises() -> None:
    refused = parse_refusal(b"\x00\x6f", "port 80 of the task")

    assert isinstance(refused, ConnectionRefusedError)
    assert str(refused) == "[Errno 111] Connection refused: 'port 80 of the task'"
    assert isinstance(parse_refusal(b"\x00\x6e", ""), TimeoutError)


def test_the_engines_framing_is_taken_off_in_whatever_pieces_it_comes() -> None:
    wire = b"\1\0\0\0\0\0\0\5hello" + b"\2\0\0\0\0\0\0\4oops" + b"\1\0\0\0\0\0\0\0" + b"\1\0\0\0\0\0\0\1!"

    for size in range(1, len(wire) + 1):
        reader, found = EngineReader(), {1: b"", 2: b""}
        for at in range(0, len(wire), size):
            for kind, chunk in reader.chunks(memoryview(wire[at : at + size])):
                found[kind] += bytes(chunk)
        assert found == {1: b"hello!", 2: b"oops"}


def test_a_stream_without_the_engines_framing_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="not framed as one without a tty"):
        list(EngineReader().chunks(memoryview(b"hello, I am a tty")))

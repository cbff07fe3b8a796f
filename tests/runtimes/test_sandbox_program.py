"""The sandbox's program alone, run on this machine: its rules, frame by frame."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from pytest_ecs_tasks.runtimes.sandbox.frames import (
    MAX_STREAMS,
    WINDOW,
    FrameReader,
    FrameType,
    Hello,
    make_connect,
    make_frame,
    make_grant,
    parse_hello,
)

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PROGRAM = (
    Path(str(files("pytest_ecs_tasks.runtimes.sandbox"))) / f"sandbox-{ARCHITECTURES[platform.machine()]}"
)

Frame = tuple[int, FrameType, bytes]


class Sandbox:
    """The program with a socket for its stdin and stdout."""

    def __init__(self, *arguments: str, file_limit: int | None = None) -> None:
        self.host, theirs = socket.socketpair()
        self.host.settimeout(60)

        def limit_files() -> None:
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (file_limit, file_limit))

        self.process = subprocess.Popen(
            [str(PROGRAM), *arguments],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            preexec_fn=limit_files,
        )
        theirs.close()
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    def hello(self) -> Hello:
        _, kind, payload = self.next()
        assert kind is FrameType.HELLO
        return parse_hello(payload)

    def next(self) -> Frame:
        while not self._frames:
            data = self.host.recv(65536)
            assert data, "the sandbox closed its output"
            self._frames.extend(self._reader.frames(memoryview(data)))
        return self._frames.pop(0)

    def ended(self) -> tuple[int, str]:
        """Wait for its end; return exit code and stderr."""
        _, words = self.process.communicate(timeout=60)
        return self.process.returncode, words.decode()

    def close(self) -> None:
        self.host.close()
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def start() -> Iterator[Callable[..., Sandbox]]:
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, file_limit: int | None = None) -> Sandbox:
            sandbox = Sandbox(*arguments, file_limit=file_limit)
            stack.callback(sandbox.close)
            return sandbox

        yield start


@pytest.fixture
def sandbox(start: Callable[..., Sandbox]) -> Sandbox:
    return start("aws=0")


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


def client_of(hello: Hello) -> socket.socket:
    return socket.create_connection(("127.0.0.1", hello.ports[1]), timeout=60)


def connect(sandbox: Sandbox, server: socket.socket, stream: int = 1) -> socket.socket:
    """Have the sandbox connect to a server of the test; return the server's side."""
    sandbox.host.sendall(make_connect(stream, "127.0.0.1", server.getsockname()[1]))
    connection, _ = server.accept()
    connection.settimeout(60)
    assert sandbox.next() == (stream, FrameType.CONNECTED, b"")
    return connection


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_ends_it_with_code_0(sandbox: Sandbox, number: signal.Signals) -> None:
    sandbox.hello()

    sandbox.process.send_signal(number)

    assert sandbox.ended() == (0, "")


def test_the_port_that_it_chose_is_in_its_hello(sandbox: Sandbox) -> None:
    hello = sandbox.hello()

    with client_of(hello):
        assert sandbox.next() == (2, FrameType.OPEN, b"\x00\x01")


def test_without_services_it_only_holds(start: Callable[..., Sandbox]) -> None:
    assert start().hello().ports == {}


@pytest.mark.parametrize("argument", ["aws", "aws=", "aws=x", "aws=65536", "aws=1 ", "other=1", ""])
def test_an_argument_that_it_does_not_know_ends_it_with_its_usage(
    start: Callable[..., Sandbox], argument: str
) -> None:
    assert start(argument).ended() == (64, "sandbox: usage: sandbox [aws=PORT] [endpoints=PORT]\n")


def test_a_port_that_is_taken_ends_it_with_the_reason(
    start: Callable[..., Sandbox], server: socket.socket
) -> None:
    port = server.getsockname()[1]

    assert start(f"aws={port}").ended() == (71, f"sandbox: aws={port}: cannot listen, errno 98\n")


def test_a_refused_connection_says_its_errno(sandbox: Sandbox, server: socket.socket) -> None:
    port = server.getsockname()[1]
    server.close()
    sandbox.hello()

    sandbox.host.sendall(make_connect(1, "127.0.0.1", port))

    assert sandbox.next() == (1, FrameType.REFUSED, b"\x00\x6f")


def test_each_side_ends_on_its_own(sandbox: Sandbox, server: socket.socket) -> None:
    sandbox.hello()
    with connect(sandbox, server) as application:
        sandbox.host.sendall(make_frame(1, FrameType.DATA, b"question") + make_frame(1, FrameType.END))
        assert application.recv(100) == b"question"
        assert application.recv(100) == b""

        application.sendall(b"answer")
        application.shutdown(socket.SHUT_WR)

        assert sandbox.next() == (1, FrameType.DATA, b"answer")
        assert sandbox.next() == (1, FrameType.END, b"")


def test_a_reset_by_the_application_reaches_the_host(sandbox: Sandbox, server: socket.socket) -> None:
    sandbox.hello()
    application = connect(sandbox, server)

    application.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    application.close()

    assert sandbox.next() == (1, FrameType.RESET, b"")


def test_a_reset_by_the_host_reaches_the_application(sandbox: Sandbox, server: socket.socket) -> None:
    sandbox.hello()
    with connect(sandbox, server) as application:
        sandbox.host.sendall(make_frame(1, FrameType.RESET))

        with pytest.raises(ConnectionResetError):
            application.recv(1)


@contextlib.contextmanager
def sending_for_ever(connection: socket.socket) -> Iterator[None]:
    """Send on a thread of its own, as much as is taken, meanwhile."""

    def send() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(bytes(65536))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        connection.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_no_more_than_the_window_comes_without_a_grant(sandbox: Sandbox, server: socket.socket) -> None:
    sandbox.hello()
    with (
        connect(sandbox, server) as greedy,
        connect(sandbox, server, 3) as modest,
        sending_for_ever(greedy),
    ):
        received = 0
        while received < WINDOW:
            stream, kind, payload = sandbox.next()
            assert (stream, kind) == (1, FrameType.DATA)
            received += len(payload)
        modest.sendall(b"still here")

        assert received == WINDOW
        assert sandbox.next() == (3, FrameType.DATA, b"still here")
        sandbox.host.sendall(make_grant(1, 5))
        assert sandbox.next() == (1, FrameType.DATA, bytes(5))


def test_bytes_for_an_application_that_does_not_read_wait_and_the_others_flow(
    sandbox: Sandbox, server: socket.socket
) -> None:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    sandbox.hello()
    sent, granted = 0, WINDOW
    with connect(sandbox, server) as lazy, connect(sandbox, server, 3) as brisk:
        sandbox.host.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while True:
                while granted:
                    size = min(granted, 30000)
                    sandbox.host.sendall(make_frame(1, FrameType.DATA, bytes(size)))
                    sent, granted = sent + size, granted - size
                _, kind, payload = sandbox.next()
                assert kind is FrameType.GRANT
                granted += int.from_bytes(payload, "big")
        sandbox.host.settimeout(60)
        sandbox.host.sendall(make_frame(3, FrameType.DATA, b"for the other") + make_frame(1, FrameType.END))

        assert brisk.recv(100) == b"for the other"
        received = 0
        while data := lazy.recv(1 << 20):
            received += len(data)
        assert received == sent > WINDOW


def test_the_stream_beyond_the_limit_is_refused_and_a_free_place_is_used_again(
    start: Callable[..., Sandbox], server: socket.socket
) -> None:
    server.listen(MAX_STREAMS)
    sandbox = start("aws=0", file_limit=MAX_STREAMS + 100)
    hello = sandbox.hello()
    with contextlib.ExitStack() as stack:
        for stream in range(1, 2 * MAX_STREAMS, 2):
            stack.enter_context(connect(sandbox, server, stream))

        sandbox.host.sendall(make_connect(9999, "127.0.0.1", server.getsockname()[1]))
        assert sandbox.next() == (9999, FrameType.REFUSED, b"\x00\x18")
        with pytest.raises(ConnectionResetError), client_of(hello) as client:
            client.recv(1)

        sandbox.host.sendall(make_frame(1, FrameType.RESET))
        with connect(sandbox, server, 10001) as again:
            again.sendall(b"in place of the first")
            assert sandbox.next() == (10001, FrameType.DATA, b"in place of the first")


def test_fewer_files_mean_fewer_streams(start: Callable[..., Sandbox], server: socket.socket) -> None:
    sandbox = start("aws=0", file_limit=32)
    sandbox.hello()
    with contextlib.ExitStack() as stack:
        for stream in range(1, 33, 2):
            stack.enter_context(connect(sandbox, server, stream))

        sandbox.host.sendall(make_connect(33, "127.0.0.1", server.getsockname()[1]))

        assert sandbox.next() == (33, FrameType.REFUSED, b"\x00\x18")


def test_frames_of_a_stream_that_is_over_are_ignored(sandbox: Sandbox, server: socket.socket) -> None:
    sandbox.hello()
    late = (
        make_frame(77, FrameType.DATA, b"late")
        + make_grant(77, 1)
        + make_frame(77, FrameType.END)
        + make_frame(77, FrameType.RESET)
    )

    sandbox.host.sendall(late)

    with connect(sandbox, server) as application:
        application.sendall(b"alive")
        assert sandbox.next() == (1, FrameType.DATA, b"alive")


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "a frame that is too long, stream 1195725856"),
        (b"\0\0\0\1\x63\0\0\0", "a frame of a type that is not the host's to send, stream 1"),
        (
            make_frame(2, FrameType.OPEN, b"\0\1"),
            "a frame of a type that is not the host's to send, stream 2",
        ),
        (make_frame(1, FrameType.CONNECT, b"abc"), "a frame of the wrong size, stream 1"),
        (make_frame(1, FrameType.GRANT, b"abc"), "a frame of the wrong size, stream 1"),
        (make_frame(1, FrameType.END, b"abc"), "a frame of the wrong size, stream 1"),
        (make_frame(0, FrameType.DATA, b"abc"), "a frame without a stream, stream 0"),
        (make_frame(1, FrameType.NAMES), "a frame of names with a stream, stream 1"),
        (make_frame(0, FrameType.NAMES, b"abc"), "a frame of the wrong size, stream 0"),
        (make_frame(0, FrameType.ANSWER, bytes(11)), "a frame of the wrong size, stream 0"),
        (make_frame(0, FrameType.ANSWER, bytes(12)), "an answer to no query, stream 0"),
        (make_frame(0, FrameType.ASK, bytes(12)), "an answer to no query, stream 0"),
        (make_connect(2, "127.0.0.1", 80), "a connect with an id that is even or in use, stream 2"),
    ],
)
def test_a_frame_against_the_rules_ends_it_with_the_reason(sandbox: Sandbox, wire: bytes, words: str) -> None:
    sandbox.hello()

    sandbox.host.sendall(wire)

    assert sandbox.ended() == (65, f"sandbox: {words}\n")


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (make_frame(1, FrameType.END) * 2, "an end before the connection or after the end, stream 1"),
        (
            make_frame(1, FrameType.END) + make_frame(1, FrameType.DATA, b"x"),
            "data before the connection or after the end",
        ),
        (make_grant(1, 1), "a grant beyond the window, stream 1"),
    ],
)
def test_a_frame_that_its_stream_does_not_allow_ends_it(
    sandbox: Sandbox, server: socket.socket, wire: bytes, words: str
) -> None:
    sandbox.hello()
    with connect(sandbox, server):
        sandbox.host.sendall(wire)

        code, said = sandbox.ended()

    assert (code, said[: len(words) + 9]) == (65, f"sandbox: {words}")


def test_when_the_host_is_gone_applications_see_a_reset_and_the_namespace_is_held(
    sandbox: Sandbox, server: socket.socket
) -> None:
    hello = sandbox.hello()
    with client_of(hello) as client:
        assert sandbox.next() == (2, FrameType.OPEN, b"\x00\x01")

        sandbox.host.close()

        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        client_of(hello)
    assert sandbox.process.poll() is None
    sandbox.process.terminate()
    assert sandbox.ended() == (0, "")


# In a network of its own: queries to a nameserver are led elsewhere there.
SECOND_NAMESERVER = """
import fcntl, socket, struct, subprocess, sys
from pathlib import Path
from pytest_ecs_tasks.runtimes.sandbox.frames import FrameReader, FrameType, make_frame
with socket.socket() as s: fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 1))  # up
Path(sys.argv[2]).write_text("nameserver 127.0.0.2\\nnameserver 127.0.0.3\\n")
subprocess.run(["mount", "--bind", sys.argv[2], "/etc/resolv.conf"], check=True)
good = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
good.bind(("127.0.0.3", 53))
host, theirs = socket.socketpair()
program = subprocess.Popen([sys.argv[1], "aws=0"], stdin=theirs, stdout=theirs)
reader, frames = FrameReader(), []
def next_frame():
    while not frames: frames.extend(reader.frames(memoryview(host.recv(65536))))
    return frames.pop(0)
assert next_frame()[1] is FrameType.HELLO
for _ in range(2): host.sendall(make_frame(0, FrameType.NAMES))
for _ in range(2): assert next_frame() == (0, FrameType.NAMED, bytes(2))
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(60)
client.bind(("127.0.0.1", 0))
for server in ("127.0.0.2", "127.0.0.3"): client.sendto(b"\\x77\\x78" + bytes(10) + server.encode(), (server, 53))
queries = [next_frame() for _ in range(2)]
for _, kind, query in queries:
    assert kind is FrameType.QUERY
    host.sendall(make_frame(0, FrameType.ASK, query))
query, asker = good.recvfrom(1000)
good.sendto(query + b" answers", asker)
print(*client.recvfrom(1000))
host.sendall(make_frame(0, FrameType.ANSWER, queries[0][2]))
print(*client.recvfrom(1000))
program.kill()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
def test_each_nameserver_is_asked_what_was_asked_of_it(tmp_path: Path) -> None:
    command = ["unshare", "--net", "--mount", sys.executable, "-c", SECOND_NAMESERVER, str(PROGRAM)]

    done = subprocess.run(
        [*command, str(tmp_path / "resolv.conf")], capture_output=True, text=True, timeout=60
    )

    query = r"b'wx\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{query}127.0.0.3 answers' ('127.0.0.3', 53)",
        f"{query}127.0.0.2' ('127.0.0.2', 53)",
    ]

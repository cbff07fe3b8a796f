"""The host's end of the link, against the sandbox's program run on this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import pytest

from left_over import wait_for
from pytest_ecs_tasks.engine.sockets import accept_connection, dial_tcp
from pytest_ecs_tasks.runtimes.sandbox.frames import FrameType, make_frame
from pytest_ecs_tasks.runtimes.sandbox.link import Link, LinkError

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PROGRAM = (
    Path(str(files("pytest_ecs_tasks.runtimes.sandbox"))) / f"sandbox-{ARCHITECTURES[platform.machine()]}"
)
HELLO = make_frame(0, FrameType.HELLO, b"ECSL\0\3\0\1\x0a\0\0\2\0\0\0\0\0\1\xc9\xd6")


class EchoServer:
    """Sends back what it gets, on loopback, until its peer has no more to say."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._closing = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            connection = accept_connection(self._listener)
            thread = threading.Thread(target=self._echo, args=(connection,))
            thread.start()
            self._threads.append(thread)
            if self._closing:
                return

    def _echo(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)

    def dial(self) -> socket.socket:
        return dial_tcp("127.0.0.1", self.port)

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self.dial().close()
        for thread in self._threads:  # the first is the one that may still add to them
            thread.join(60)
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Link]]:
    with contextlib.ExitStack() as stack:

        def start(services: dict[int, Callable[[], socket.socket]] | None = None) -> Link:
            ours, theirs = socket.socketpair()
            process = subprocess.Popen([str(PROGRAM), "aws=0"], stdin=theirs.fileno(), stdout=theirs.fileno())
            theirs.close()
            stack.callback(process.wait, 60)
            stack.callback(process.kill)
            link = Link(ours, services or {}, multiplexed=False)
            stack.callback(link.close)
            return link

        yield start


@pytest.fixture
def fake() -> Iterator[tuple[Link, socket.socket]]:
    """A link whose sandbox is the test, behind an engine's framing."""
    ours, engine = socket.socketpair()
    engine.settimeout(60)
    link = Link(ours, {})
    with engine:
        yield link, engine
        link.close()


def framed(payload: bytes, kind: int = 1) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def client_of(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.wait_ready(60).ports[1]), timeout=60)


def loop_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ecs-tasks/links"]


def test_a_client_in_the_namespace_talks_to_the_service(start: Callable[..., Link], echo: EchoServer) -> None:
    with client_of(start({1: echo.dial})) as client:
        client.sendall(b"hello")

        assert client.recv(100) == b"hello"


def test_a_service_may_be_set_after_the_link_was_made(start: Callable[..., Link], echo: EchoServer) -> None:
    link = start()

    link.set_service(1, echo.dial)

    with client_of(link) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"


def test_a_service_that_is_not_set_resets_its_clients_and_is_named(start: Callable[..., Link]) -> None:
    link = start()

    with pytest.raises(ConnectionResetError), client_of(link) as client:
        client.recv(1)

    assert str(link.service_error) == "a container asked for service 1, which is not set"
    assert link.error is None


def test_a_service_that_does_not_answer_resets_its_clients_and_says_why(start: Callable[..., Link]) -> None:
    def dial() -> socket.socket:
        raise ConnectionRefusedError("moto is gone")

    link = start({1: dial})

    # The reset may come before the client has noticed that it is connected.
    with pytest.raises(ConnectionResetError), client_of(link) as client:
        client.recv(1)

    assert str(link.service_error) == "moto is gone"
    assert link.error is None


def test_a_slow_dial_does_not_hold_up_the_others(start: Callable[..., Link], echo: EchoServer) -> None:
    slow = threading.Event()
    dials = iter([True, False])

    def dial() -> socket.socket:
        if next(dials):
            slow.wait(60)
        return echo.dial()

    link = start({1: dial})
    with client_of(link) as first:
        first.sendall(b"early")
        with link.connect(link.hello.ports[1], host="127.0.0.1") as second:
            second.sendall(b"late")
            assert second.recv(100) == b"late"

        slow.set()
        assert first.recv(100) == b"early"


def test_a_connection_out_of_the_namespace_is_a_plain_socket(
    start: Callable[..., Link], echo: EchoServer
) -> None:
    with start().connect(echo.port, host="127.0.0.1") as connection:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)

        assert connection.recv(100) == b"hello"
        assert connection.recv(100) == b""


def test_a_refused_connection_is_refused_here_too(start: Callable[..., Link], echo: EchoServer) -> None:
    link = start()
    echo.close()

    with pytest.raises(ConnectionRefusedError, match=f"Connection refused: 'port {echo.port} of the task'"):
        link.connect(echo.port, host="127.0.0.1")


def test_a_target_that_cannot_be_is_a_value_error(start: Callable[..., Link]) -> None:
    link = start()

    with pytest.raises(ValueError, match="70000 is not a port"):
        link.connect(70000)
    with pytest.raises(ValueError, match="'localhost' is not an IPv4 address"):
        link.connect(80, host="localhost")
    with pytest.raises(ValueError, match="0 is not a port"):
        link.listen(0)


def test_a_listener_carries_to_the_namespaces_own_address(start: Callable[..., Link]) -> None:
    link = start()
    own = link.wait_ready(60).address
    assert own is not None
    with socket.create_server((own, 0)) as application:
        host, port = link.listen(application.getsockname()[1])
        assert link.listen(application.getsockname()[1]) == (host, port)

        with socket.create_connection((host, port), timeout=60) as client:
            served, _ = application.accept()
            with served:
                client.sendall(b"ping")
                assert served.recv(100) == b"ping"
                served.sendall(b"pong")
                assert client.recv(100) == b"pong"

    assert host == "127.0.0.1"


def test_an_application_on_its_loopback_alone_is_not_reached(
    start: Callable[..., Link], echo: EchoServer
) -> None:
    link = start()

    with pytest.raises(ConnectionRefusedError):
        link.connect(echo.port)
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(link.listen(echo.port), timeout=60) as client,
    ):
        client.recv(1)


def test_nothing_is_left_of_a_link_closed_while_it_is_busy(
    start: Callable[..., Link], echo: EchoServer
) -> None:
    threads = loop_threads()
    before = len(os.listdir("/proc/self/fd"))
    link = start({1: echo.dial})
    port = link.wait_ready(60).ports[1]
    link.listen(80)
    connections = [link.connect(port, host="127.0.0.1") for _ in range(20)]
    for connection in connections:
        connection.sendall(b"busy")
        assert connection.recv(100) == b"busy"

    link.close()
    link.close()

    for connection in connections:
        with connection:
            assert connection.recv(1) == b""
    echo.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1  # the echo server's listener has gone too
    assert loop_threads() == threads
    assert repr(link) == "<Link closed>"


def test_every_link_of_the_process_shares_one_thread(start: Callable[..., Link]) -> None:
    others = loop_threads()  # of tasks that this test session itself runs
    first, second = start(), start()

    assert loop_threads() == ["ecs-tasks/links"]

    first.close()
    assert loop_threads() == ["ecs-tasks/links"]
    second.close()
    assert loop_threads() == others


def test_a_closed_link_says_so(start: Callable[..., Link]) -> None:
    link = start()
    link.close()

    with pytest.raises(LinkError, match="the sandbox's link is closed"):
        link.connect(80)
    with pytest.raises(LinkError, match="the sandbox's link is closed"):
        link.listen(80)
    with pytest.raises(LinkError, match="the sandbox's link is closed"):
        link.wait_ready(0)


def test_a_link_that_breaks_breaks_alone(
    start: Callable[..., Link], echo: EchoServer, fake: tuple[Link, socket.socket]
) -> None:
    sound, (broken, engine) = start({1: echo.dial}), fake
    with client_of(sound) as client:
        engine.sendall(b"this is not an engine's framing")
        assert engine.recv(1) == b""

        client.sendall(b"hello")
        assert client.recv(100) == b"hello"

    with pytest.raises(
        LinkError, match="the sandbox's link broke: the engine's stream is not framed as one without a tty"
    ):
        broken.wait_ready(60)
    assert sound.error is None


def test_a_sandbox_that_ends_is_quoted(fake: tuple[Link, socket.socket]) -> None:
    link, engine = fake

    engine.sendall(framed(b"sandbox: aws=51670: cannot listen, errno 98\n", kind=2))
    engine.close()

    with pytest.raises(LinkError) as caught:
        link.wait_ready(60)
    assert (
        str(caught.value) == "the sandbox's link ended; it said: sandbox: aws=51670: cannot listen, errno 98"
    )


def test_who_waits_for_a_connection_learns_that_the_link_broke(fake: tuple[Link, socket.socket]) -> None:
    link, engine = fake
    engine.sendall(framed(HELLO))
    link.wait_ready(60)

    def end_when_asked() -> None:
        engine.recv(14)
        engine.close()

    asked = threading.Thread(target=end_when_asked)
    asked.start()

    with pytest.raises(LinkError, match="the sandbox's link ended"):
        link.connect(80)
    asked.join()


def test_a_connection_that_is_not_answered_is_given_up_and_reset(fake: tuple[Link, socket.socket]) -> None:
    link, engine = fake
    engine.sendall(framed(HELLO))

    with pytest.raises(TimeoutError, match=r"port 80 of the task did not answer within 0\.05 s"):
        link.connect(80, timeout=0.05)

    wire = engine.recv(14) + engine.recv(8)
    assert wire.endswith(make_frame(1, FrameType.RESET))


def test_a_sandbox_that_says_nothing_is_not_waited_for_longer(fake: tuple[Link, socket.socket]) -> None:
    link, _ = fake

    with pytest.raises(TimeoutError, match=r"the sandbox did not say hello within 0\.05 s"):
        link.wait_ready(0.05)
    with pytest.raises(LinkError, match="has not said hello yet"):
        _ = link.hello


def serve_names(link: Link, engine: socket.socket, answer: bytes) -> Future[None]:
    """Have names served, and the sandbox say ``answer`` to that; return what became of it."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(
            link.serve_names, lambda query: query.upper() if query.startswith(b"ours") else None
        )
        assert engine.recv(8, socket.MSG_WAITALL) == make_frame(0, FrameType.NAMES)
        engine.sendall(framed(answer))
    return done


def test_a_query_is_answered_or_left_to_the_nameserver(fake: tuple[Link, socket.socket]) -> None:
    link, engine = fake
    engine.sendall(framed(HELLO))
    assert serve_names(link, engine, make_frame(0, FrameType.NAMED, b"\0\0")).result() is None

    engine.sendall(framed(make_frame(0, FrameType.QUERY, b"ours?")))
    answered = engine.recv(13, socket.MSG_WAITALL)
    engine.sendall(framed(make_frame(0, FrameType.QUERY, b"other")))
    left = engine.recv(13, socket.MSG_WAITALL)

    assert answered == make_frame(0, FrameType.ANSWER, b"OURS?")
    assert left == make_frame(0, FrameType.ASK, b"other")


def test_names_that_the_sandbox_cannot_serve_are_its_error(fake: tuple[Link, socket.socket]) -> None:
    link, engine = fake
    engine.sendall(framed(HELLO))

    refused = serve_names(link, engine, make_frame(0, FrameType.NAMED, b"\0\x5f"))

    with pytest.raises(OSError, match="not supported") as raised:
        refused.result()
    assert raised.value.errno == errno.EOPNOTSUPP


def test_who_waits_for_names_learns_that_the_link_broke(fake: tuple[Link, socket.socket]) -> None:
    link, engine = fake
    engine.sendall(framed(HELLO))

    broken = serve_names(link, engine, make_frame(0, FrameType.NAMES))

    with pytest.raises(LinkError, match="sent a frame of type NAMES"):
        broken.result()
    with pytest.raises(LinkError, match="sent a frame of type NAMES"):
        link.serve_names(lambda query: None)


def test_a_sandbox_that_does_not_serve_names_is_not_waited_for(fake: tuple[Link, socket.socket]) -> None:
    link, engine = fake
    engine.sendall(framed(HELLO))

    with pytest.raises(TimeoutError, match=r"did not serve names within 0\.05 s"):
        link.serve_names(lambda query: None, timeout=0.05)


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (make_frame(2, FrameType.OPEN, b"\0\1"), "said something else before its hello"),
        (HELLO + HELLO, "sent a frame of type HELLO"),
        (HELLO + make_frame(2, FrameType.CONNECT, b"\x7f\0\0\1\0\x50"), "sent a frame of type CONNECT"),
        (HELLO + make_frame(0, FrameType.NAMED, b"\0\0"), "sent a frame of type NAMED"),
        (HELLO + make_frame(0, FrameType.ASK, bytes(12)), "sent a frame of type ASK"),
        (HELLO + make_frame(2, FrameType(6), b"")[:4] + b"\x0f\0\0\0", "a frame that is not the link's"),
    ],
)
def test_a_sandbox_that_breaks_the_rules_breaks_its_link(
    fake: tuple[Link, socket.socket], wire: bytes, words: str
) -> None:
    link, engine = fake

    engine.sendall(framed(wire))

    assert engine.recv(1) == b""
    with pytest.raises(LinkError, match=words):
        link.connect(80)


def test_bytes_that_were_read_before_the_link_was_made_count(echo: EchoServer) -> None:
    ours, engine = socket.socketpair()
    wire = framed(HELLO)
    link = Link(ours, {}, initial=wire[:11])
    with engine:
        engine.sendall(wire[11:])

        assert link.wait_ready(60).ports == {1: 51670}

        link.close()


def test_it_works_where_the_test_has_forbidden_itself_sockets(
    start: Callable[..., Link], echo: EchoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = start({1: echo.dial})
    port = link.wait_ready(60).ports[1]

    class Guarded(socket.socket):
        def __new__(cls, *args: object, **kwargs: object) -> Guarded:
            raise RuntimeError("sockets are forbidden")

    def forbidden(*args: object) -> None:
        raise RuntimeError("connecting is forbidden")

    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "connect", forbidden)
        patched.setattr(socket, "socket", Guarded)
        patched.setattr(socket, "socketpair", forbidden)
        inside = link.connect(port, host="127.0.0.1")
        host, listening = link.listen(echo.port)
        with pytest.raises(ConnectionResetError), dial_tcp(host, listening) as client:
            client.recv(1)

    with inside:
        inside.sendall(b"hello")
        assert inside.recv(100) == b"hello"
    assert link.error is None


def test_a_forked_child_may_close_its_copy_without_harm(start: Callable[..., Link], echo: EchoServer) -> None:
    link = start({1: echo.dial})
    with client_of(link) as client:
        child = os.fork()
        if not child:
            link.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

        client.sendall(b"hello")
        assert client.recv(100) == b"hello"


def test_a_forked_child_does_not_wait_for_what_a_thread_of_its_parent_held(
    start: Callable[..., Link],
) -> None:
    link = start()
    link.wait_ready(30)
    with link._loop._lock:  # as a thread holds it that posts a call
        child = os.fork()
        if not child:
            link.close()
            os._exit(0)

    ended = wait_for(lambda: os.waitpid(child, os.WNOHANG) == (child, 0), patience_s=30)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert ended


def test_importing_the_link_starts_nothing() -> None:
    program = (
        "import threading, os, pytest_ecs_tasks.runtimes.sandbox.link;"
        "print(threading.active_count(), 'docker' in __import__('sys').modules)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "1 False\n"


def test_it_works_under_pytest_socket(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import socket, subprocess

        def test_it():
            from pytest_ecs_tasks.runtimes.sandbox.link import Link  # while sockets are forbidden
            from pytest_ecs_tasks.engine.sockets import Socket, dial_tcp, make_socket_pair

            ours, theirs = make_socket_pair()
            end = theirs.fileno()
            sandbox = subprocess.Popen([{str(PROGRAM)!r}, "aws=0"], stdin=end, stdout=end)
            theirs.close()
            link = Link(ours, {{}}, multiplexed=False)
            try:
                link.wait_ready(60)
                with Socket() as server:
                    server.bind((link.hello.address, 0))
                    server.listen()
                    with dial_tcp(*link.listen(server.getsockname()[1])) as client:
                        client.sendall(b"hello")
                        number, _ = server._accept()
                        with Socket(fileno=number) as served:
                            assert served.recv(5) == b"hello"
                try:
                    socket.socket()
                except Exception as error:
                    assert type(error).__name__ == "SocketBlockedError"
                else:
                    raise AssertionError("sockets were not forbidden")
            finally:
                link.close()
                sandbox.kill()
                sandbox.wait()
        """
    )

    pytester.runpytest_subprocess("--disable-socket", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_stream_that_waits_for_a_reader_costs_nothing(start: Callable[..., Link]) -> None:
    link = start()
    link.wait_ready(60)
    with socket.create_server(("127.0.0.1", 0)) as server:
        reader = link.connect(server.getsockname()[1], host="127.0.0.1")
        application, _ = server.accept()
    with reader:
        application.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            while True:
                application.send(bytes(65536))
        reader.shutdown(socket.SHUT_WR)  # both sides hang up, with bytes still under way
        assert application.recv(1) == b""
        application.close()

        before = time.process_time()
        assert threading.Event().wait(0.5) is False
        spent_s = time.process_time() - before

    assert spent_s < 0.1

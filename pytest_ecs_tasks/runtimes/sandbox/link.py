"""The host's end of a sandbox's link: TCP in and out of a task's namespace over the engine's attach."""

from __future__ import annotations

import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from pytest_ecs_tasks.engine.ports import Dial, EngineError, Resolve
from pytest_ecs_tasks.engine.sockets import (
    accept_connection,
    close_with_reset,
    make_loopback_listener,
    make_socket_pair,
    take_over,
)
from pytest_ecs_tasks.runtimes.sandbox.frames import (
    OWN_ADDRESS,
    EngineReader,
    FrameReader,
    FrameType,
    Hello,
    ProtocolError,
    make_connect,
    make_frame,
    parse_hello,
    parse_named,
    parse_refusal,
)
from pytest_ecs_tasks.runtimes.sandbox.loop import READ, SHARED_LOOP, WRITE
from pytest_ecs_tasks.runtimes.sandbox.queries import Queries
from pytest_ecs_tasks.runtimes.sandbox.stream import Stream

_CHUNK = 128 * 1024
_OUTPUT_FULL = 256 * 1024
_OUTPUT_LOW = 64 * 1024
_STDERR_KEPT = 4096
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


_OURS = frozenset(
    {
        FrameType.HELLO,
        FrameType.CONNECT,
        FrameType.NAMES,
        FrameType.NAMED,
        FrameType.ANSWER,
        FrameType.ASK,
    }
)


class LinkError(EngineError):
    """A sandbox's link broke or ended; the text says why, with the sandbox's own last words."""


@dataclass(frozen=True, slots=True)
class _Connecting:
    """A connection out of the namespace that was asked for: what to do with the answer."""

    target: str
    connected: Callable[[], None]
    refused: Callable[[Exception], None]


class Link:
    """The host's end of one sandbox's link.

    ``connection`` is the hijacked socket of the engine's attach to the sandbox (stdin, stdout, stderr; no
    tty), made before the sandbox's start; the link takes it over, so that no other holder of the object can
    close it. ``initial`` are bytes already read from it. ``multiplexed``: the engine frames what the sandbox
    writes, as Docker and Podman do. ``services``: for each service's number, how to connect to it; called on
    a thread of its own for every connection from the namespace, which is reset when there is no such service
    or it raises (then ``service_error`` says why).

    Every method may be called from any thread. After a failure ``error`` says why, and all connections are
    reset. The sandbox must have been created with ``StdinOnce``: else Docker keeps its stdin open when this
    process is gone.
    """

    def __init__(
        self,
        connection: socket.socket,
        services: Mapping[int, Dial],
        *,
        initial: bytes = b"",
        multiplexed: bool = True,
    ) -> None:
        self.error: Exception | None = None
        self.service_error: Exception | None = None
        self._connection = take_over(connection)
        self._services = dict(services)
        self._engine_reader = EngineReader() if multiplexed else None
        self._reader = FrameReader()
        self._hello: Hello | None = None
        self._heard = threading.Event()
        self._over = threading.Event()
        self._stderr = bytearray()
        self._output = bytearray()
        self._writing = False
        self._held: deque[Stream] = deque()
        self._streams: dict[int, Stream] = {}
        self._connecting: dict[int, _Connecting] = {}
        self._next_number = 1
        self._queries = Queries(self._post_answer, self._note_service_error)
        self._naming: deque[Future[None]] = deque()
        self._lock = threading.Lock()
        self._addresses: dict[int, tuple[str, int]] = {}
        self._listeners: list[socket.socket] = []
        self._connection.setblocking(False)
        self._loop = SHARED_LOOP.enter()
        self._loop.post(self, partial(self._start, initial))

    def __repr__(self) -> str:
        state = f"failed: {self.error}" if self.error else "closed" if self._over.is_set() else "open"
        return f"<Link {state}>"

    @property
    def hello(self) -> Hello:
        """What the sandbox said first; raises LinkError before :meth:`wait_ready`."""
        if self._hello is None:
            raise LinkError("the sandbox has not said hello yet")
        return self._hello

    def wait_ready(self, timeout: float) -> Hello:
        """Return what the sandbox said first; seconds. Raises TimeoutError, and LinkError when it broke."""
        if not self._heard.wait(timeout):
            raise TimeoutError(f"the sandbox did not say hello within {timeout:g} s")
        if self._hello is None or self._over.is_set():
            raise self._closed_error()
        return self._hello

    def set_service(self, service: int, dial: Dial) -> None:
        """Say how to connect to a service from now on: a warm sandbox gets its AWS late."""
        self._services[service] = dial

    def serve_names(self, resolve: Resolve, timeout: float = 10.0) -> None:
        """Have queries of the namespace to its nameservers answered by ``resolve`` from now on.

        It is called on several threads; for ``None`` the nameserver is asked. ``timeout`` in seconds. Raises
        OSError where the namespace cannot be set up for it, TimeoutError, and LinkError.
        """
        answer: Future[None] = Future()
        if not self._loop.post(self, partial(self._begin_names, resolve, answer)):
            raise self._closed_error()
        try:
            answer.result(timeout)
        except TimeoutError:
            if answer.done():
                raise  # the kernel's own, from inside
            raise TimeoutError(f"the sandbox did not serve names within {timeout:g} s") from None

    def connect(self, port: int, *, host: str = OWN_ADDRESS, timeout: float = 10.0) -> socket.socket:
        """Connect to a port from inside the namespace and return the connection, as a socket that blocks.

        ``host`` is an IPv4 address; 0.0.0.0 means the namespace's own address, where an application that
        listens on 127.0.0.1 alone does not answer. ``timeout`` in seconds. Raises ConnectionRefusedError and
        other OSErrors as a connect there would, TimeoutError, and LinkError.
        """
        if self._over.is_set():
            raise self._closed_error()
        make_connect(1, host, port)
        answer: Future[socket.socket] = Future()
        if not self._loop.post(self, partial(self._begin_connect, host, port, answer)):
            raise self._closed_error()
        try:
            return answer.result(timeout)
        except TimeoutError:
            if answer.done():
                return (
                    answer.result()
                )  # it came at the last moment, or the error is the kernel's own, from inside
            self._loop.post(self, partial(self._abandon, answer))
            raise TimeoutError(f"port {port} of the task did not answer within {timeout:g} s") from None

    def listen(self, port: int) -> tuple[str, int]:
        """Return the address of a listener on our own loopback that leads to the task's ``port``.

        The same one every time. A connection that the task refuses is reset. Raises LinkError.
        """
        if self._over.is_set():
            raise self._closed_error()
        with self._lock:
            if port not in self._addresses:
                make_connect(1, OWN_ADDRESS, port)
                listener = make_loopback_listener()
                listener.setblocking(False)
                address: tuple[str, int] = listener.getsockname()
                if not self._loop.post(self, partial(self._begin_listen, listener, port)):
                    listener.close()
                    raise self._closed_error()
                self._addresses[port] = address
            return self._addresses[port]

    def close(self) -> None:
        """Reset every connection, close every socket, return when nothing is left. Safe to call twice."""
        if self._loop.is_here:
            self._shut_down()
        elif self._loop.post(self, self._shut_down) or self._loop.is_alive:
            self._over.wait()
        elif not self._over.is_set():
            self._let_go()
        self._loop.join_if_stopping()

    def fail(self, error: Exception) -> None:
        """End the link because of ``error``; for its loop."""
        if self._over.is_set():
            return
        if isinstance(error, LinkError):
            self.error = error
        else:
            self.error = LinkError(f"the sandbox's link broke: {error}{self._last_words()}")
            self.error.__cause__ = error
        self._shut_down()

    def _let_go(self) -> None:
        """Close a forked child's copies of the sockets; the link goes on in its parent."""
        for connection in (self._connection, *self._listeners):
            connection.close()
        for stream in self._streams.values():
            stream.let_go()
        self._over.set()

    # What follows runs on the loop's thread.

    def _start(self, initial: bytes) -> None:
        if initial:
            self._take(initial)
        self._watch_connection()

    def _watch_connection(self) -> None:
        if not self._over.is_set():
            events = READ | (WRITE if self._writing else 0)
            self._loop.watch(self._connection, events, self, self._ready)

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & READ and not self._over.is_set():
            self._receive()

    def _receive(self) -> None:
        while True:
            try:
                data = self._connection.recv(_CHUNK)
            except _WOULD_BLOCK:
                return
            if not data:
                raise LinkError(f"the sandbox's link ended{self._last_words()}")
            self._take(data)
            # What TLS has decrypted already, no selector tells of.
            if not (isinstance(self._connection, ssl.SSLSocket) and self._connection.pending()):
                return

    def _last_words(self) -> str:
        words = self._stderr.decode(errors="replace").strip()
        return f"; it said: {words}" if words else ""

    def _take(self, data: bytes) -> None:
        if self._engine_reader is None:
            self._take_output(memoryview(data))
            return
        for kind, chunk in self._engine_reader.chunks(memoryview(data)):
            if kind == EngineReader.STDOUT:
                self._take_output(chunk)
            elif kind == EngineReader.STDERR:
                self._stderr += chunk
                del self._stderr[:-_STDERR_KEPT]

    def _take_output(self, data: memoryview) -> None:
        for number, kind, payload in self._reader.frames(data):
            if self._hello is None:
                if kind is not FrameType.HELLO:
                    raise ProtocolError("the sandbox said something else before its hello")
                self._hello = parse_hello(payload)
                self._heard.set()
            else:
                self._take_frame(number, kind, payload)

    def _take_frame(self, number: int, kind: FrameType, payload: bytes) -> None:
        if kind is FrameType.OPEN:
            self._open(number, int.from_bytes(payload, "big"))
        elif kind in (FrameType.CONNECTED, FrameType.REFUSED):
            self._take_answer(number, kind, payload)
        elif kind is FrameType.QUERY:
            self._queries.take(payload)
        elif kind is FrameType.NAMED and self._naming:
            self._end_naming(parse_named(payload))
        elif kind in _OURS:
            raise ProtocolError(f"the sandbox sent a frame of type {kind.name}, which is not its to send now")
        elif stream := self._streams.get(number):
            stream.take(kind, payload)

    def _take_answer(self, number: int, kind: FrameType, payload: bytes) -> None:
        asked = self._connecting.pop(number, None)
        if asked is None:
            return
        if kind is FrameType.REFUSED:
            asked.refused(parse_refusal(payload, asked.target))
        else:
            self._streams[number] = Stream(number, self)
            asked.connected()

    def _open(self, number: int, service: int) -> None:
        stream = self._streams[number] = Stream(number, self)
        dial = self._services.get(service)
        if dial is None:
            self.service_error = LinkError(f"a container asked for service {service}, which is not set")
            stream.reset()
            return
        threading.Thread(target=self._dial, args=(stream, dial), name="ecs-tasks/dial", daemon=True).start()

    def _dial(self, stream: Stream, dial: Dial) -> None:
        """Runs on a thread of its own: connecting may take long."""
        try:
            connection = dial()
        except Exception as error:  # noqa: BLE001 - whatever the service raises is the service's
            self.service_error = error
            self._loop.post(self, stream.reset)
            return
        if not self._loop.post(self, partial(stream.attach, connection)):
            connection.close()

    def _begin_names(self, resolve: Resolve, answer: Future[None]) -> None:
        if self._over.is_set():
            answer.set_exception(self._closed_error())
            return
        self._queries.resolve = resolve
        self._naming.append(answer)
        self.send(make_frame(0, FrameType.NAMES))

    def _end_naming(self, error: Exception | None) -> None:
        answer = self._naming.popleft()
        if error is None:
            answer.set_result(None)
        else:
            answer.set_exception(error)

    def _note_service_error(self, error: Exception) -> None:
        self.service_error = error

    def _post_answer(self, frame: bytes) -> None:
        self._loop.post(self, partial(self._send_answer, frame))

    def _send_answer(self, frame: bytes) -> None:
        if not self._over.is_set():
            self.send(frame)

    def _ask(
        self, host: str, port: int, connected: Callable[[], None], refused: Callable[[Exception], None]
    ) -> int:
        number = self._next_number
        self._next_number += 2
        self._connecting[number] = _Connecting(f"port {port} of the task", connected, refused)
        self.send(make_connect(number, host, port))
        return number

    def _begin_connect(self, host: str, port: int, answer: Future[socket.socket]) -> None:
        if self._over.is_set():
            answer.set_exception(self._closed_error())
            return

        def connected() -> None:
            ours, theirs = make_socket_pair()
            answer.set_result(theirs)
            self._streams[number].attach(ours)

        number = self._ask(host, port, connected, answer.set_exception)

    def _abandon(self, answer: Future[socket.socket]) -> None:
        """The caller has given up; whatever came or comes of it goes."""
        for number, asked in tuple(self._connecting.items()):
            if asked.refused == answer.set_exception:
                del self._connecting[number]
                self.send(make_frame(number, FrameType.RESET))
        if answer.done() and not answer.exception():
            answer.result().close()

    def _begin_listen(self, listener: socket.socket, port: int) -> None:
        if self._over.is_set():
            listener.close()
            return
        self._listeners.append(listener)
        self._loop.watch(listener, READ, self, partial(self._accept, listener, port))

    def _accept(self, listener: socket.socket, port: int, _: int) -> None:
        while not self._over.is_set():
            try:
                client = accept_connection(listener)
            except BlockingIOError:
                return
            self._carry_out(client, port)

    def _carry_out(self, client: socket.socket, port: int) -> None:
        def connected() -> None:
            self._streams[number].attach(client)

        def refused(_: Exception) -> None:
            close_with_reset(client)

        number = self._ask(OWN_ADDRESS, port, connected, refused)

    def send(self, frame: bytes) -> None:
        """Send a frame; for the link's streams."""
        self._output += frame
        if not self._writing:
            self._flush()

    def hold_if_full(self, stream: Stream) -> bool:
        """Tell whether the engine is behind with what it takes, and note who waits; for the streams."""
        if len(self._output) < _OUTPUT_FULL:
            return False
        self._held.append(stream)
        return True

    def watch(self, connection: socket.socket, events: int, callback: Callable[[int], None]) -> None:
        """Watch a stream's socket; for the link's streams."""
        self._loop.watch(connection, events, self, callback)

    def forget(self, number: int) -> None:
        """Drop a stream that is over; for the link's streams."""
        self._streams.pop(number, None)

    def _flush(self) -> None:
        try:
            while self._output:
                with memoryview(self._output) as whole, whole[:_CHUNK] as part:
                    count = self._connection.send(part)
                del self._output[:count]
        except _WOULD_BLOCK:
            pass
        if self._writing != bool(self._output):
            self._writing = bool(self._output)
            self._watch_connection()
        while self._held and len(self._output) <= _OUTPUT_LOW:
            self._held.popleft().resume()

    def _closed_error(self) -> LinkError:
        if self.error is not None:
            return LinkError(str(self.error))
        return LinkError("the sandbox's link is closed")

    def _shut_down(self) -> None:
        if self._over.is_set():
            return
        for connection in (self._connection, *self._listeners):
            self._loop.watch(connection, 0, self, self._ready)
            connection.close()
        for stream in tuple(self._streams.values()):
            stream.abort()
        for asked in tuple(self._connecting.values()):
            asked.refused(self._closed_error())
        self._connecting.clear()
        while self._naming:
            self._end_naming(self._closed_error())
        self._held.clear()
        self._output.clear()
        SHARED_LOOP.leave(self._loop)
        self._over.set()
        self._heard.set()

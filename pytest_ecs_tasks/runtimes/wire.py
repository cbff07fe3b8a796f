"""One connection to the engine that is ours alone.

Sealed sockets, and just enough HTTP for streams and hijacked connections.
Everything that a test may swap in its own process (``socket.socket``, ``socket.getaddrinfo``,
``socket.socket.connect``) is bound here when the module is imported, and the real class is taken even if the
swap came first.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_ecs_tasks.engine.ports import EngineError

RECEIVE_BYTES = 256 * 1024
HEAD_LIMIT_BYTES = 64 * 1024


def _real_socket_class() -> type[socket.socket]:
    for candidate in socket.socket.__mro__:
        if candidate.__module__ == "socket" and candidate.__name__ == "socket":
            return candidate
    return socket.socket


if TYPE_CHECKING:
    _Socket = socket.socket
else:
    _Socket = _real_socket_class()


class EngineSocket(_Socket):
    """A socket that pytest-socket and its like do not reach: neither it nor its ``connect`` can be swapped."""

    connect = socket.SocketType.connect  # the C method itself


_getaddrinfo = socket.getaddrinfo


def connect_unix(path: str, timeout_s: float | None) -> socket.socket:
    """Connect to a unix socket."""
    connection: socket.socket = EngineSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    return _connected(connection, path, timeout_s)


def connect_tcp(host: str, port: int, timeout_s: float | None) -> socket.socket:
    """Connect to the first address of ``host`` that answers."""
    failure: OSError | None = None
    for family, kind, protocol, _, address in _getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        connection: socket.socket = EngineSocket(family, kind, protocol)
        try:
            _connected(connection, address, timeout_s)
        except OSError as error:
            failure = error
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    raise failure or OSError(f"{host} has no address")


def _connected(connection: socket.socket, address: object, timeout_s: float | None) -> socket.socket:
    try:
        connection.settimeout(timeout_s)
        connection.connect(address)  # type: ignore[arg-type]  # what getaddrinfo gave
    except BaseException:
        connection.close()
        raise
    return connection


@dataclass(frozen=True, slots=True)
class Head:
    """The status line and headers of an answer; header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in HTTP chunks."""
        return "chunked" in self.headers.get("transfer-encoding", "").lower()


class Wire:
    """A connection with one reader, which any thread may close.

    A reader that is blocked then meets the end of the stream.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""
        self._lock = threading.Lock()
        self._receiving = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether ``close`` or ``detach`` was called."""
        return self._closed

    def set_timeout(self, timeout_s: float | None) -> None:
        """Set how long one read may take."""
        self._connection.settimeout(timeout_s)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._connection.sendall(data)

    def receive(self) -> bytes:
        """Return what came; empty at the end of the stream and after ``close``."""
        if self._buffer:
            data, self._buffer = self._buffer, b""
            return data
        with self._lock:
            if self._closed:
                return b""
            self._receiving = True
        try:
            return self._connection.recv(RECEIVE_BYTES)
        except OSError:
            if self._closed:
                return b""
            raise
        finally:
            with self._lock:
                self._receiving = False
                if self._closed:
                    self._connection.close()

    def push_back(self, data: bytes) -> None:
        """Give bytes back, to be received next."""
        self._buffer = data + self._buffer

    def detach(self) -> tuple[socket.socket, bytes]:
        """Hand over the socket and the bytes that were read and not yet received."""
        with self._lock:
            self._closed = True
        data, self._buffer = self._buffer, b""
        return self._connection, data

    def close(self) -> None:
        """Close it.

        The descriptor lives until a blocked reader has left it: a number must not be reused under a read.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(OSError, AttributeError):  # Windows pipes cannot be shut down
                self._connection.shutdown(socket.SHUT_RDWR)
            if not self._receiving:
                self._connection.close()

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Head:
        """Send one request and return the head of its answer; the body is left to ``receive`` or ``body``."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return self._read_head()

    def _read_head(self) -> Head:
        received = b""
        while b"\r\n\r\n" not in received:
            data = self.receive()
            if not data or len(received) > HEAD_LIMIT_BYTES:
                raise EngineError("the engine closed the connection instead of answering")
            received += data
        head, _, rest = received.partition(b"\r\n\r\n")
        self.push_back(rest)
        status_line, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return Head(
            int(status_line.split()[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}
        )

    def body(self, head: Head) -> Iterator[bytes]:
        """Yield the pieces of a body as they come.

        A body in chunks that ends without its last chunk raises EngineError.
        """
        if not head.is_chunked:
            left = int(head.headers.get("content-length", "-1"))
            while left and (data := self.receive()):
                left -= len(data)
                yield data
            return
        while size := int(self._read_line().split(b";")[0] or b"0", 16):
            while size:
                data = self._receive_or_fail()
                self.push_back(data[size:])
                yield data[:size]
                size -= len(data[:size])
            self._read_line()

    def _read_line(self) -> bytes:
        received = b""
        while b"\r\n" not in received:
            received += self._receive_or_fail()
        line, _, rest = received.partition(b"\r\n")
        self.push_back(rest)
        return line

    def _receive_or_fail(self) -> bytes:
        data = self.receive()
        if not data:
            raise EngineError("the engine cut the stream")
        return data

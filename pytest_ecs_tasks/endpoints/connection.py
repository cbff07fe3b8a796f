"""HTTP/1.1 on one connection whose other end is in a container. Nothing listens here."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from pytest_ecs_tasks.endpoints.answer import Answer, Handle, Request
from pytest_ecs_tasks.engine.sockets import make_socket_pair

IDLE_S = 5.0  # the agent's readTimeout, which is its limit for idle connections too
BODY_LIMIT = 1024 * 1024
_PIECE = 64 * 1024


def open_connection(handle: Handle, source: str) -> socket.socket:
    """Return one end of a pair of sockets whose other end is served on a thread of its own until it is closed."""
    ours, theirs = make_socket_pair()
    try:
        serve_on_thread(ours, handle, source)
    except BaseException:
        ours.close()
        theirs.close()
        raise
    return theirs


def serve_on_thread(connection: socket.socket, handle: Handle, source: str) -> None:
    """Answer every request on a connection, on a thread that closes it and ends with it."""
    threading.Thread(
        target=serve, args=(connection, handle, source), name="ecs-tasks/endpoint", daemon=True
    ).start()


def serve(connection: socket.socket, handle: Handle, source: str) -> None:
    """Answer every request on a connection, then close it."""
    with connection:
        try:
            _Conversation(connection, handle, source)
        except OSError:
            pass  # the container has gone away; there is nobody to tell


class _Upgraded:
    """A connection after its HTTP. ``reader`` may have read further than the request already."""

    def __init__(self, connection: socket.socket, reader: BufferedIOBase) -> None:
        self._connection = connection
        self._reader = reader
        self._lock = threading.Lock()

    def receive(self) -> bytes:
        """Return what has come; empty at its end."""
        try:
            return self._reader.read1(_PIECE)
        except (OSError, ValueError):  # a reset, or closed by ourselves
            return b""

    def send(self, data: bytes) -> None:
        """Send all of it, whole: several threads do."""
        with self._lock:
            self._connection.sendall(data)

    def close(self) -> None:
        """End it, from any thread; a reader that is blocked meets the end."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


def _head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


class _Conversation(BaseHTTPRequestHandler):
    """One connection's requests, one after the other; the constructor returns when it is over."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S

    def __init__(self, connection: socket.socket, handle: Handle, source: str) -> None:
        self._answer_to = handle
        self._source = source
        super().__init__(connection, (source, 0), None)  # type: ignore[arg-type] # no server accepted it

    def _converse(self) -> None:
        try:
            request = self._read_request()
        except ValueError as error:
            self.close_connection = True
            self._write(Answer(400, f"400 Bad Request: {error}".encode(), (("Content-Type", "text/plain"),)))
            return
        try:
            answer = self._answer_to(request)
        except Exception as error:  # noqa: BLE001 - the container must get an answer, and the thread must go on
            words = f"{type(error).__name__}: {error} (a bug of pytest-ecs-tasks)"
            answer = Answer(500, words.encode(), (("Content-Type", "text/plain"),))
        if answer.takes_over is not None:
            self._hand_over(answer)
        else:
            self._write(answer)

    def _hand_over(self, answer: Answer) -> None:
        self.close_connection = True
        self.connection.settimeout(None)
        self.wfile.write(_head(answer.status, answer.headers))
        assert answer.takes_over is not None
        answer.takes_over(_Upgraded(self.connection, self.rfile))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _converse  # noqa: N815 - the library's names

    def _read_request(self) -> Request:
        # Not self.path, which the library has tidied up.
        target = self.requestline.split()[1]
        if not target.startswith("/"):
            target = urlunsplit(("", "", *urlsplit(target)[2:]))
        path, _, query = target.partition("?")
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._read_body()
        return Request(self.command, unquote(path), parameters, body, self._source, target, headers)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._read_chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= BODY_LIMIT:
            raise ValueError("the body is too long")
        return self.rfile.read(length)

    def _read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(100).partition(b";")[0], 16):
            if size < 0 or len(body) + size > BODY_LIMIT:
                raise ValueError("the body is too long")
            body += self.rfile.read(size)
            self.rfile.readline(100)
        while self.rfile.readline(BODY_LIMIT).strip():
            pass  # trailers
        return body

    def _write(self, answer: Answer) -> None:
        """Send head and body in one piece."""
        headers = [
            *answer.headers,
            ("Date", self.date_time_string()),
            ("Content-Length", str(len(answer.body))),
            *([("Connection", "close")] if self.close_connection else []),
        ]
        head = _head(answer.status, headers)
        self.wfile.write(head if self.command == "HEAD" else head + answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: paths lead to credentials."""

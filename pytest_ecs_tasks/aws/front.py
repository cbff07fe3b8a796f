"""A front on loopback for ``--ecs-aws=URL``: ECS's requests go to our ECS, all others to the user's AWS as they are."""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.parse import SplitResult, urlsplit

from pytest_ecs_tasks.aws.listener import LOOPBACK, Listener
from pytest_ecs_tasks.aws.moto_program import ECS_TARGET, PASSED_ON, asks_for_health, is_for_balancers
from pytest_ecs_tasks.aws.relay import Relay
from pytest_ecs_tasks.engine.sockets import dial_tcp, disable_delay

_TIMEOUT_S = 300.0


class Front:
    """Listens for one AWS until it is closed. It has :class:`~pytest_ecs_tasks.aws.moto_server.MotoChild`'s methods."""

    def __init__(self, url: str, ecs_url: str) -> None:
        self._target = urlsplit(url)
        self._ecs = urlsplit(ecs_url)
        self._listener = Listener("ecs-tasks/front", self._converse)
        self.endpoint_url = self._listener.url
        self._listener.start()

    def stop(self) -> None:
        """End it; returns when it listens no more. Safe to call twice."""
        self._listener.close()

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            try:
                disable_delay(connection)
                _Conversation(connection, self._target, self._ecs)
            except OSError:
                pass  # the client has gone away


class _Conversation(Relay):
    """One connection's requests, one after the other; the constructor returns when it is over."""

    def __init__(self, connection: socket.socket, target: SplitResult, ecs: SplitResult) -> None:
        self._target = target
        self._ecs = ecs
        super().__init__(connection)

    def _pass_on(self) -> None:
        body = self._read_question()
        is_ecs = self.headers.get("X-Amz-Target", "").startswith(ECS_TARGET)
        is_ecs = is_ecs or (body is not None and asks_for_health(body))
        there = self._ecs if is_ecs else self._target
        target = self._ecs.path if is_ecs else f"{there.path.rstrip('/')}{self.path}"
        try:
            connection = _connect(there)
        except OSError as error:
            self._refuse(f"{there.scheme}://{there.netloc} cannot be reached: {error}")
            return
        try:
            self.send_request(connection, target, body)
            self.send_answer(connection.getresponse())
        except (OSError, http.client.HTTPException):
            self.close_connection = (
                True  # half an answer may be out; its end tells the client that it is not whole
            )
        finally:
            connection.close()

    def _read_question(self) -> bytes | None:
        """Read the body of what may be a question that our ECS answers; ``None`` for all else, whose body is not read."""
        may_be = is_for_balancers(self.headers.get("Authorization", "")) and PASSED_ON not in self.headers
        length = self.headers.get("Content-Length", "")
        return self.rfile.read(int(length)) if may_be and length.isdecimal() else None

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _pass_on  # noqa: N815 - the library's names

    def _refuse(self, words: str) -> None:
        body = words.encode()
        self.close_connection = True
        self.send_response_only(502)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _connect(there: SplitResult) -> http.client.HTTPConnection:
    host = there.hostname or LOOPBACK
    if there.scheme == "https":
        plain = _dial(host, there.port or 443)
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(host, there.port)
        connection.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
        return connection
    connection = http.client.HTTPConnection(host, there.port)
    connection.sock = _dial(host, there.port or 80)
    return connection


def _dial(host: str, port: int) -> socket.socket:
    """Connect with a socket of our own, which works although the user's test has forbidden itself the network."""
    connection = dial_tcp(host, port)
    connection.settimeout(_TIMEOUT_S)
    return connection

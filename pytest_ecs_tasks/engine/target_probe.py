"""A load balancer's health check of one target, made once."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from pytest_ecs_tasks.core.target_health import FAILED, HEALTHY, TIMED_OUT, TargetHealth, judge
from pytest_ecs_tasks.core.traffic import TargetCheck

USER_AGENT = "ELB-HealthChecker/2.0"


def probe(dial: Callable[[], socket.socket], check: TargetCheck, host: str) -> TargetHealth:
    """Return what the check finds at the other end of ``dial``. ``host`` is for HTTP's header.

    A certificate is not looked at, and a redirection is an answer like any other: as a load balancer does. The timeout is
    for connection, handshake and the answer's headers together.
    """
    deadline = time.monotonic() + check.timeout_s
    try:
        with dial() as connection:
            connection.settimeout(_remaining(deadline))
            if check.protocol == "HTTPS":
                return _ask(_wrap(connection), check, host, deadline)
            return _ask(connection, check, host, deadline) if check.protocol == "HTTP" else HEALTHY
    except TimeoutError:
        return TIMED_OUT
    except (
        OSError,
        http.client.HTTPException,
        UnicodeEncodeError,
    ):  # the last: moto takes paths that ELB refuses
        return FAILED


def _remaining(deadline: float) -> float:
    """Return the seconds that are left. Raises TimeoutError when there are none."""
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0:
        raise TimeoutError
    return remaining_s


class _AnswerInTime(io.RawIOBase):
    """Reads an answer up to a deadline, however many pieces it comes in."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(_remaining(self._deadline))
        return self._connection.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what :class:`http.client.HTTPResponse` wants of a socket."""
        return io.BufferedReader(self)


def _ask(connection: socket.socket, check: TargetCheck, host: str, deadline: float) -> TargetHealth:
    client = http.client.HTTPConnection(host)
    client.sock = connection
    try:
        client.request(
            "GET", check.path, headers={"Host": host, "User-Agent": USER_AGENT, "Connection": "close"}
        )
        with http.client.HTTPResponse(_AnswerInTime(connection, deadline), method="GET") as answer:  # type: ignore[arg-type]
            answer.begin()
            return judge(answer.status, check.matcher)
    finally:
        client.close()


def _wrap(connection: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)

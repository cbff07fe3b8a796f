"""A load balancer's health check of one target, made once."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable

from pytest_ecs_tasks.core.target_health import FAILED, HEALTHY, TIMED_OUT, TargetHealth, judge
from pytest_ecs_tasks.core.traffic import TargetCheck

USER_AGENT = "ELB-HealthChecker/2.0"


def probe(dial: Callable[[], socket.socket], check: TargetCheck, host: str) -> TargetHealth:
    """Return what the check finds at the other end of ``dial``. ``host`` is for HTTP's header.

    A certificate is not looked at, and a redirection is an answer like any other: as a load balancer does.
    """
    try:
        with dial() as connection:
            connection.settimeout(check.timeout_s)
            if check.protocol == "HTTPS":
                return _ask(_wrap(connection), check, host)
            return _ask(connection, check, host) if check.protocol == "HTTP" else HEALTHY
    except TimeoutError:
        return TIMED_OUT
    except (OSError, http.client.HTTPException):
        return FAILED


def _ask(connection: socket.socket, check: TargetCheck, host: str) -> TargetHealth:
    client = http.client.HTTPConnection(host)
    client.sock = connection
    try:
        client.request(
            "GET", check.path, headers={"Host": host, "User-Agent": USER_AGENT, "Connection": "close"}
        )
        return judge(client.getresponse().status, check.matcher)
    finally:
        client.close()


def _wrap(connection: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection)

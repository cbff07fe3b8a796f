"""HTTP calls to the test's AWS, made by the engine for itself, whatever AWS protocol they speak.

Not boto3: its debug log holds bodies, secrets among them, and would end in a report under
``log_level=DEBUG``; tests replace its methods; and it takes twice the time for a batch of log events. Tests
get boto3 clients (``Aws.client``).
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.errors import EcsTaskError

_ATTEMPTS = 3
_PAUSE_S = 0.1  # after the first failure; twice as long after the second
_TIMEOUT_S = 60.0


class AwsCallError(Exception):
    """An AWS call that failed: ``code: message`` in AWS's words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {' '.join(message.split())}")
        self.code = code


def send(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send one request; return the response and its body. Raises OSError and HTTPException."""
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, parts.port, timeout=_TIMEOUT_S)
    try:
        if parts.scheme == "http":
            # A socket of our own works although the user's test has forbidden itself the network.
            connection.sock = dial_tcp(host, parts.port or 80)
            connection.sock.settimeout(_TIMEOUT_S)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def call_patiently(
    method: str, endpoint_url: Callable[[], str], target: str, headers: Mapping[str, str], body: bytes | None
) -> tuple[http.client.HTTPResponse, bytes]:
    """Send a request to a path of the endpoint, at most three times while it fails on the way.

    A 5xx answer is such a failure: AWS asks clients to retry it. Raises :class:`AwsCallError` for the last one; any
    other answer is the caller's to read.
    """
    pause = threading.Event()  # waits as sleep does, which tests replace
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            response, content = send(method, f"{endpoint_url().rstrip('/')}{target}", headers, body)
            if response.status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
                return response, content
            problem, cause = f"HTTP {response.status}", None
        except (EcsTaskError, ConnectionRefusedError) as error:
            raise AwsCallError("RequestError", f"send request failed: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            problem, cause = f"{type(error).__name__}: {error}", error
        if attempt == _ATTEMPTS:
            raise AwsCallError("RequestError", problem) from cause
        pause.wait(_PAUSE_S * attempt)
    raise AssertionError("the loop above returns or raises")


def authorization(service: str, region: str) -> str:
    """Return the header by which emulators find service and region; none of them checks the signature."""
    scope = f"testing/20200101/{region}/{service}/aws4_request"
    return f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-target, Signature=0"

"""Calls of AWS's JSON protocol, made by the engine for itself: secrets, parameters, log events.

Not boto3: its debug log holds bodies, secrets among them, and would end in a report under
``log_level=DEBUG``; tests replace its methods; and it takes twice the time for a batch of log events. Tests
get boto3 clients (``Aws.client``).
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.errors import EcsTaskError

_ATTEMPTS = 3
_TIMEOUT_S = 60.0


class AwsCallError(Exception):
    """An AWS call that failed: ``code: message`` in AWS's words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {' '.join(message.split())}")
        self.code = code


class JsonApi:
    """One endpoint.

    ``find_region_problem`` says what is wrong with a region's name, for no such host would answer.
    """

    def __init__(
        self, endpoint_url: Callable[[], str], find_region_problem: Callable[[str], str | None]
    ) -> None:
        self._endpoint_url = endpoint_url
        self._find_region_problem = find_region_problem

    def has_region(self, region: str) -> bool:
        """Tell whether AWS has a region of that name."""
        return self._find_region_problem(region) is None

    def call(self, target: str, region: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Call ``SERVICE:Target.Operation`` in a region, at most three times while it fails on the way.

        Raises :class:`AwsCallError`.
        """
        service, _, operation = target.partition(":")
        problem = self._find_region_problem(region)
        if problem is not None:
            host = f"{service}.{region}.amazonaws.com"
            raise AwsCallError(
                "RequestError", f"send request failed: lookup {host}: no such host ({problem})"
            )
        body = json.dumps(parameters).encode()
        pause = threading.Event()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._send(service, operation, region, body)
            except EcsTaskError as error:
                raise AwsCallError("RequestError", f"send request failed: {error}") from error
            except ConnectionRefusedError as error:
                raise AwsCallError("RequestError", f"send request failed: {error}") from error
            except (OSError, http.client.HTTPException, _ServerError) as error:
                if attempt == _ATTEMPTS:
                    raise AwsCallError("RequestError", f"{type(error).__name__}: {error}") from error
                pause.wait(0.1 * attempt)
        raise AssertionError("the loop above returns or raises")

    def pages(self, target: str, region: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield every page of a call that has ``NextToken``."""
        token: str | None = None
        while True:
            page = self.call(target, region, {**parameters, **({"NextToken": token} if token else {})})
            yield page
            token = page.get("NextToken")
            if not token:
                return

    def _send(self, service: str, operation: str, region: str, body: bytes) -> dict[str, Any]:
        url = urlsplit(self._endpoint_url())
        host = url.hostname or "127.0.0.1"
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(host, url.port, timeout=_TIMEOUT_S)
        try:
            if url.scheme == "http":
                # A socket of our own works although the user's test has forbidden itself the network.
                connection.sock = dial_tcp(host, url.port or 80)
                connection.sock.settimeout(_TIMEOUT_S)
            connection.request("POST", url.path or "/", body, _headers(service, operation, region))
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status >= 500:
            raise _ServerError(f"HTTP {response.status}")
        answer: dict[str, Any] = json.loads(text) if text.strip() else {}
        if response.status >= 400:
            code = str(answer.get("__type") or response.headers.get("x-amzn-errortype") or "UnknownError")
            message = answer.get("message") or answer.get("Message") or ""
            raise AwsCallError(code.rpartition("#")[2].partition(":")[0], str(message))
        return answer


class _ServerError(Exception):
    """A 5xx answer, which AWS asks clients to retry."""


def _headers(service: str, operation: str, region: str) -> dict[str, str]:
    # Emulators find service and region in the credential scope; none of them checks the signature.
    scope = f"testing/20200101/{region}/{service}/aws4_request"
    return {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": operation,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-target, Signature=0",
    }

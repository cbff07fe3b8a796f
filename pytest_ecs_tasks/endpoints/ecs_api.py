"""The ECS API over HTTP, in JSON 1.1: for the one who forwards ECS's requests to here.

Source: botocore's model of ECS, ``protocol`` and ``targetPrefix``.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from pytest_ecs_tasks.core.api.calls import ApiError
from pytest_ecs_tasks.endpoints.answer import Answer, Request, not_found
from pytest_ecs_tasks.endpoints.loopback import LoopbackServer
from pytest_ecs_tasks.errors import EcsTaskError

TARGET_PREFIX = "AmazonEC2ContainerServiceV20141113."
_REGION = re.compile(r"Credential=[^/]*/[^/]*/(?P<region>[^/]+)/")
_CONTENT_TYPE = "application/x-amz-json-1.1"


class EcsApi(Protocol):
    """One AWS's ECS."""

    def call(self, operation: str, request: Mapping[str, Any], region: str | None) -> Mapping[str, object]:
        """Answer one request. Raises :class:`~pytest_ecs_tasks.core.api.calls.ApiError`."""
        ...

    def describe_target_health(self, body: bytes, signature: str) -> tuple[int, bytes]:
        """Answer ELB's DescribeTargetHealth, sent with that ``Authorization``: status and body."""
        ...


class EcsApiServer:
    """Serves the ECS of every AWS of a run on loopback, each at a path of its own that cannot be guessed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._apis: dict[str, EcsApi] = {}
        self._server: LoopbackServer | None = None
        self._is_closed = False

    def add(self, api: EcsApi) -> str:
        """Return the URL at which that ECS is served from now on; the first begins to listen."""
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._apis[f"/{key}"] = api
            if self._server is None:
                self._server = LoopbackServer(self._handle)
            return f"{self._server.url}/{key}"

    def remove(self, api: EcsApi) -> None:
        """Serve that ECS no longer. Safe to call twice."""
        with self._lock:
            self._apis = {path: each for path, each in self._apis.items() if each is not api}

    def close(self) -> None:
        """Stop listening. Safe to call twice."""
        with self._lock:
            self._apis = {}
            if self._server is not None:
                self._server.close()

    def _handle(self, request: Request) -> Answer:
        with self._lock:
            api = self._apis.get(request.path)
        return answer_request(api, request) if api is not None else not_found()


def answer_request(api: EcsApi, request: Request) -> Answer:
    """Answer one HTTP request for ECS."""
    try:
        if b"Action=DescribeTargetHealth" in request.body.split(b"&"):
            signature = request.headers.get("authorization", "")
            status, content = api.describe_target_health(request.body, signature)
            return Answer(status, content, (("Content-Type", "text/xml"),))
        operation = _find_operation(request)
        answer = api.call(operation, _decode(request.body), _find_region(request))
    except ApiError as error:
        return _json(error.status, {"__type": error.code, "message": error.message, **error.members})
    except EcsTaskError as error:
        return _json(500, {"__type": "ServerException", "message": str(error)})
    except Exception as error:  # noqa: BLE001 - the client must get an answer that it can read
        words = f"{type(error).__name__}: {error} (a bug of pytest-ecs-tasks)"
        return _json(500, {"__type": "ServerException", "message": words})
    return _json(200, answer)


def _find_operation(request: Request) -> str:
    target = request.headers.get("x-amz-target", "")
    if request.method != "POST" or not target.startswith(TARGET_PREFIX):
        raise ApiError(
            "UnknownOperationException", f"ECS is called by POST with X-Amz-Target: {TARGET_PREFIX}…"
        )
    return target.removeprefix(TARGET_PREFIX)


def _find_region(request: Request) -> str | None:
    found = _REGION.search(request.headers.get("authorization", ""))
    return found["region"] if found else None


def _decode(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ApiError("SerializationException", f"the request is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ApiError("SerializationException", "the request is not a JSON object")
    return document


def _json(status: int, document: Mapping[str, object]) -> Answer:
    headers = (("Content-Type", _CONTENT_TYPE), ("x-amzn-RequestId", str(uuid.uuid4())))
    return Answer(status, json.dumps(document).encode(), headers)

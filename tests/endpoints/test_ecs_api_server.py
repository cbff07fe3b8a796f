"""The ECS API over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_ecs_tasks.core.api.calls import ApiError
from pytest_ecs_tasks.endpoints.ecs_api import TARGET_PREFIX, EcsApiServer

AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=AKIA/20260131/eu-west-1/ecs/aws4_request, SignedHeaders=host, Signature=0"
)


class Api:
    """An ECS that remembers its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Mapping[str, Any], str | None]] = []
        self.answer: Mapping[str, object] = {}
        self.error: Exception | None = None

    def call(self, operation: str, request: Mapping[str, Any], region: str | None) -> Mapping[str, object]:
        self.calls.append((operation, request, region))
        if self.error is not None:
            raise self.error
        return self.answer


@pytest.fixture
def server() -> Iterator[EcsApiServer]:
    server = EcsApiServer()
    yield server
    server.close()
    server.close()


@pytest.fixture
def api() -> Api:
    return Api()


def send(
    url: str,
    body: bytes = b"{}",
    target: str | None = f"{TARGET_PREFIX}ListTasks",
    method: str = "POST",
    **headers: str,
):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        named = {"X-Amz-Target": target} if target else {}
        connection.request(method, parts.path, body, {**named, **headers})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def test_a_request_is_answered_in_json_of_aws(server, api):
    api.answer = {"taskArns": ["ä"]}

    status, headers, body = send(server.add(api), b'{"cluster": "a"}', Authorization=AUTHORIZATION)

    assert (status, json.loads(body)) == (200, {"taskArns": ["ä"]})
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-RequestId"]
    assert api.calls == [("ListTasks", {"cluster": "a"}, "eu-west-1")]


def test_a_request_that_names_no_region_leaves_the_choice_to_the_api(server, api):
    send(server.add(api))

    assert api.calls == [("ListTasks", {}, None)]


def test_a_refusal_has_its_code_its_message_and_its_members(server, api):
    api.error = ApiError("ConflictException", "again", members={"resourceIds": ["a"]})

    status, _, body = send(server.add(api))

    expected = {"__type": "ConflictException", "message": "again", "resourceIds": ["a"]}
    assert (status, json.loads(body)) == (400, expected)


def test_a_bug_of_ours_is_an_error_of_the_server_with_its_reason(server, api):
    api.error = KeyError("surprise")

    status, _, body = send(server.add(api))

    assert status == 500
    assert json.loads(body) == {
        "__type": "ServerException",
        "message": "KeyError: 'surprise' (a bug of pytest-ecs-tasks)",
    }


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"null", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(server, api, body):
    status, _, answer = send(server.add(api), body)

    assert (status, json.loads(answer)["__type"]) == (400, "SerializationException")
    assert api.calls == []


def test_an_empty_body_is_an_empty_request(server, api):
    assert send(server.add(api), b"")[0] == 200


@pytest.mark.parametrize(
    ("method", "target"),
    [("POST", None), ("POST", "DynamoDB_20120810.ListTables"), ("GET", f"{TARGET_PREFIX}ListTasks")],
)
def test_what_is_no_call_of_ecs_is_an_unknown_operation(server, api, method, target):
    status, _, answer = send(server.add(api), target=target, method=method)

    assert (status, json.loads(answer)["__type"]) == (400, "UnknownOperationException")


def test_each_api_has_a_path_of_its_own_and_no_other_path_leads_anywhere(server, api):
    other = Api()
    url, other_url = server.add(api), server.add(other)

    send(other_url)

    assert (len(api.calls), len(other.calls)) == (0, 1)
    assert send(f"{url}x")[0] == send(url.rpartition("/")[0])[0] == 404


def test_an_api_that_is_removed_is_not_found_and_the_others_are(server, api):
    other = Api()
    url, other_url = server.add(api), server.add(other)

    server.remove(api)
    server.remove(api)

    assert (send(url)[0], send(other_url)[0]) == (404, 200)


def test_it_listens_on_loopback_and_only_once_something_is_served(server, api):
    assert server._server is None

    assert urlsplit(server.add(api)).hostname == "127.0.0.1"

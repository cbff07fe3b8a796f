"""ECR's face before a registry: who is let in, and what it says of what is not there."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_ecs_tasks.aws.ecr import EcrCatalogue
from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.aws.listener import Listener
from pytest_ecs_tasks.aws.registry_front import Account, RegistryFront
from pytest_ecs_tasks.aws.relay import Relay

TYPE = "application/vnd.docker.distribution.manifest.v2+json"
PASSWORD = "123456789012-auth-token"

Ask = Callable[..., tuple[int, dict[str, str], Any]]


class Store:
    """A registry that remembers what it is asked, takes manifests and begins uploads."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.manifests: dict[str, bytes] = {}
        self.listener = Listener("store", lambda connection: Conversation(connection, self) and None)
        self.listener.start()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.listener.port)


class Conversation(Relay):
    def __init__(self, connection: Any, store: Store) -> None:
        self._store = store
        with connection:
            super().__init__(connection)

    def _serve(self) -> None:
        self._store.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reference = self.path.rpartition("/")[2]
        status, answer = 202, b""
        if "/manifests/" in self.path and self.command == "PUT":
            status, self._store.manifests[reference] = 201, body
        elif "/manifests/" in self.path:
            status, answer = 200, self._store.manifests[reference]
        self.send_response_only(status)
        self.send_header("Location", f"{self.path.partition('?')[0]}1234")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else answer)

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 - the library's names


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.listener.close()


@pytest.fixture
def ask(aws: Aws, store: Store) -> Iterator[Ask]:
    front = RegistryFront(
        Account(aws.account_id, aws.region, "ecs-tasks-1"), EcrCatalogue(aws.api), store.connect
    )

    def ask(
        method: str, path: str, body: bytes = b"", *, password: str | None = PASSWORD
    ) -> tuple[int, dict[str, str], Any]:
        headers = {"Content-Type": TYPE}
        if password is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()
        connection = http.client.HTTPConnection(front.address)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, dict(response.getheaders()), json.loads(content) if content else None

    yield ask
    front.close()


def manifest(number: int) -> bytes:
    layer = {"mediaType": "x", "size": 1, "digest": f"sha256:{number:064d}"}
    return json.dumps({"schemaVersion": 2, "mediaType": TYPE, "config": layer, "layers": [layer]}).encode()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize(
    ("password", "status", "words"),
    [
        (PASSWORD, 200, None),
        (None, 401, "Not Authorized"),
        ("guess", 400, "Your Authorization Token is invalid."),
    ],
)
def test_only_ecrs_token_is_let_in(ask: Ask, password: str | None, status: int, words: str | None) -> None:
    answered, headers, document = ask("GET", "/v2/", password=password)

    assert answered == status
    assert words is None or document["errors"][0]["message"] == words
    assert ("WWW-Authenticate" in headers) == (status == 401)


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_repository_that_ecr_has_not_is_unknown(ask: Ask, store: Store, method: str) -> None:
    status, _, document = ask(method, "/v2/team/web/manifests/1", manifest(1) if method == "PUT" else b"")

    assert (status, document["errors"][0]["code"]) == (404, "NAME_UNKNOWN")
    assert store.asked == []


def test_a_manifest_is_kept_by_its_digest_and_found_by_every_tag_that_ecr_has(
    ask: Ask, aws: Aws, store: Store
) -> None:
    ecr = aws.client("ecr")
    ecr.create_repository(repositoryName="team/web")
    content = manifest(1)

    status, headers, _ = ask("PUT", "/v2/team/web/manifests/1", content)
    ecr.put_image(repositoryName="team/web", imageManifest=content.decode(), imageTag="live")

    assert (status, headers["Docker-Content-Digest"]) == (201, digest_of(content))
    assert ask("GET", "/v2/team/web/manifests/live")[2] == json.loads(content)
    assert store.asked == [
        f"PUT /v2/team/web/manifests/{digest_of(content)}",
        f"GET /v2/team/web/manifests/{digest_of(content)}",
    ]
    assert ask("GET", "/v2/team/web/tags/list")[2] == {"name": "team/web", "tags": ["1", "live"]}
    ecr.batch_delete_image(repositoryName="team/web", imageIds=[{"imageDigest": digest_of(content)}])
    status, _, document = ask("GET", f"/v2/team/web/manifests/{digest_of(content)}")
    assert (status, document["errors"]) == (
        404,
        [{"code": "MANIFEST_UNKNOWN", "message": "Requested image not found"}],
    )


def test_a_tag_is_not_moved_in_an_immutable_repository(ask: Ask, aws: Aws) -> None:
    aws.client("ecr").create_repository(repositoryName="web", imageTagMutability="IMMUTABLE")

    assert ask("PUT", "/v2/web/manifests/1", manifest(1))[0] == 201
    assert ask("PUT", "/v2/web/manifests/1", manifest(1))[0] == 201  # the same once more
    status, _, document = ask("PUT", "/v2/web/manifests/1", manifest(2))

    assert (status, document["errors"][0]["code"]) == (400, "TAG_INVALID")
    assert "'1' already exists in the 'web' repository" in document["errors"][0]["message"]


def test_a_region_before_the_name_is_that_regions_ecr_and_uploads_go_on_there(
    ask: Ask, aws: Aws, store: Store
) -> None:
    aws.client("ecr", region_name="eu-west-1").create_repository(repositoryName="web")

    status, headers, _ = ask("POST", "/v2/ecs-tasks-1/eu-west-1/web/blobs/uploads/?mount=sha256:1&from=other")

    assert status == 202
    assert store.asked == ["POST /v2/web/blobs/uploads/"]  # nothing is mounted
    assert headers["Location"] == "/v2/ecs-tasks-1/eu-west-1/web/blobs/uploads/1234"
    assert ask("POST", "/v2/web/blobs/uploads/")[0] == 404


def test_what_the_registry_has_not_is_said_so(ask: Ask, aws: Aws) -> None:
    aws.client("ecr").create_repository(repositoryName="web")

    assert ask("GET", "/v1/search")[0] == 404
    assert ask("DELETE", "/v2/web/manifests/1")[0] == 405
    assert ask("PUT", "/v2/web/manifests/1")[2]["errors"][0]["code"] == "SIZE_INVALID"

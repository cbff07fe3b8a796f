"""ECR's face on loopback before a plain registry: its token, its repositories, its errors; blobs pass through.

Sources: the distribution specification, and ECR's own answers as docker shows them (aws/containers-roadmap#862,
awslabs/amazon-ecr-credential-helper#7, and BatchGetImage's failureReason).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import http.client
import json
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.ecr import EcrCatalogue, ImmutableTagError
from pytest_ecs_tasks.aws.listener import LOOPBACK, Listener
from pytest_ecs_tasks.aws.relay import Relay
from pytest_ecs_tasks.engine.sockets import disable_delay

USER = "AWS"
MANIFEST_LIMIT = 4 * 1024 * 1024  # the distribution specification's
_PLACE = re.compile(
    r"/v2/(?P<name>.+)/(?P<rest>manifests/(?P<reference>[^/]+)|tags/list|blobs/(?:uploads/.*|[^/]+))"
)

Connect = Callable[[], http.client.HTTPConnection]


@dataclass(frozen=True, slots=True)
class Account:
    """Whose registry it is. ``prefix`` may stand, with a region behind it, before a repository's name."""

    account_id: str
    region: str
    prefix: str


class RegistryFront:
    """Listens until it is closed. ``connect`` opens a connection to the registry that keeps what is pushed."""

    def __init__(self, account: Account, catalogue: EcrCatalogue, connect: Connect) -> None:
        self._account = account
        self._catalogue = catalogue
        self._connect = connect
        self._listener = Listener("ecs-tasks/registry", self._converse)
        self.address = f"{LOOPBACK}:{self._listener.port}"
        self._listener.start()

    def close(self) -> None:
        """End it; returns when it listens no more. Safe to call twice."""
        self._listener.close()

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            try:
                disable_delay(connection)
                _Conversation(connection, self._account, self._catalogue, self._connect)
            except OSError:
                pass  # the client has gone away


class _RefusedError(Exception):
    """An answer that is an error, in the registry's form."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class _Place:
    """What a request is about. ``path`` is where the registry has it."""

    region: str
    repository: str
    path: str
    asked: str
    reference: str | None


class _Conversation(Relay):
    def __init__(
        self, connection: socket.socket, account: Account, catalogue: EcrCatalogue, connect: Connect
    ) -> None:
        self._account = account
        self._catalogue = catalogue
        self._connect = connect
        self._place: _Place | None = None
        super().__init__(connection)

    def _serve(self) -> None:
        self._place = None
        try:
            self._answer()
        except _RefusedError as error:
            self._refuse(error)
        except AwsCallError as error:
            self._refuse(_RefusedError(500, "UNKNOWN", str(error)))
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # half an answer may be out

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the library's names

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        place = self._find_place(unquote(parts.path))
        self._admit(place.region if place else self._account.region)
        if place is None:
            if parts.path.rstrip("/") != "/v2":
                raise _RefusedError(404, "UNSUPPORTED", "The operation is unsupported.")
            self._send(200, b"{}")
            return
        self._place = place
        is_upload = self.command == "POST"
        if place.reference is not None or place.path.endswith("/tags/list") or is_upload:
            self._check_repository(place)
        if place.reference is not None:
            self._serve_manifest(place, place.reference)
        elif place.path.endswith("/tags/list"):
            tags = self._catalogue.tags(place.region, place.repository)
            self._send(200, json.dumps({"name": place.repository, "tags": tags}).encode())
        else:
            # A layer is never mounted from another repository: the client sends it instead.
            query = [pair for pair in parse_qsl(parts.query) if pair[0] not in ("mount", "from")]
            self._pass_on(f"{place.path}?{urlencode(query)}" if query else place.path)

    def _find_place(self, path: str) -> _Place | None:
        found = _PLACE.fullmatch(path)
        if found is None:
            return None
        asked, region = found["name"], self._account.region
        repository = asked
        if asked.startswith(f"{self._account.prefix}/"):
            region, _, repository = asked.removeprefix(f"{self._account.prefix}/").partition("/")
        return _Place(region, repository, f"/v2/{repository}/{found['rest']}", asked, found["reference"])

    def _admit(self, region: str) -> None:
        given = self.headers.get("Authorization")
        if given is None:
            raise _RefusedError(401, "UNAUTHORIZED", "Not Authorized")
        try:
            user, _, password = base64.b64decode(given.partition(" ")[2]).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = password = ""
        is_right = secrets.compare_digest(password.encode(), self._catalogue.token(region).encode())
        if user != USER or not is_right:
            raise _RefusedError(400, "DENIED", "Your Authorization Token is invalid.")

    def _check_repository(self, place: _Place) -> None:
        if not self._catalogue.has_repository(place.region, place.repository):
            text = (
                f"The repository with name '{place.repository}' does not exist in the registry with id "
                f"'{self._account.account_id}'"
            )
            raise _RefusedError(404, "NAME_UNKNOWN", text)

    def _serve_manifest(self, place: _Place, reference: str) -> None:
        if self.command == "PUT":
            self._put_manifest(place, reference)
            return
        if self.command not in ("GET", "HEAD"):
            raise _RefusedError(405, "UNSUPPORTED", "The operation is unsupported.")
        digest = self._catalogue.find_digest(place.region, place.repository, reference)
        if digest is None:
            raise _RefusedError(404, "MANIFEST_UNKNOWN", "Requested image not found")
        self._pass_on(f"/v2/{place.repository}/manifests/{digest}")

    def _put_manifest(self, place: _Place, reference: str) -> None:
        """Have the registry check and keep a manifest by its digest, then enter it in ECR by its tag."""
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= MANIFEST_LIMIT:
            raise _RefusedError(
                413, "SIZE_INVALID", f"A manifest is sent with its length, up to {MANIFEST_LIMIT}"
            )
        manifest = self.rfile.read(length)
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        tag = None if reference.startswith("sha256:") else reference
        media_type = self.headers.get("Content-Type") or ""
        connection = self._connect()
        try:
            path = f"/v2/{place.repository}/manifests/{digest}"
            connection.request("PUT", path, manifest, {"Content-Type": media_type})
            response = connection.getresponse()
            body = response.read()
            if response.status != 201:
                self._send(response.status, body)
                return
        finally:
            connection.close()
        try:
            self._catalogue.put(place.region, place.repository, tag, digest, manifest.decode(), media_type)
        except ImmutableTagError as error:
            raise _RefusedError(400, "TAG_INVALID", str(error).partition(": ")[2]) from error
        location = f"/v2/{place.asked}/manifests/{digest}"
        self._send(201, b"", ("Location", location), ("Docker-Content-Digest", digest))

    def _pass_on(self, target: str) -> None:
        connection = self._connect()
        try:
            self.send_request(connection, target)
            self.send_answer(connection.getresponse())
        finally:
            connection.close()

    def passed(self, name: str, value: str) -> str:
        """Lead a client that is sent on back to the name that it used."""
        place = self._place
        if name.lower() != "location" or place is None:
            return value
        return value.replace(f"/v2/{place.repository}/", f"/v2/{place.asked}/", 1)

    def _refuse(self, error: _RefusedError) -> None:
        if self.command in ("POST", "PUT", "PATCH"):
            self.close_connection = True  # its body has not been read
        words = {"errors": [{"code": error.code, "message": str(error)}]}
        headers = [("WWW-Authenticate", 'Basic realm="ecr",service="ecr.amazonaws.com"')]
        self._send(error.status, json.dumps(words).encode(), *(headers if error.status == 401 else []))

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response_only(status)
        for name, value in (("Docker-Distribution-Api-Version", "registry/2.0"), *headers):
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

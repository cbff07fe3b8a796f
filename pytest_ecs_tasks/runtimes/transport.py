"""The engine client: docker-py's, sealed against what a test mocks in its own process.

docker-py's client is a ``requests.Session`` and not thread-safe (docker/docker-py#3229), so each thread has
one of its own. ``responses`` replaces ``HTTPAdapter.send``, ``requests_mock`` ``Session.get_adapter``,
pytest-socket ``socket.socket``: none of the three is on the way from :meth:`EngineClient.send` to the engine.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import docker.auth
import docker.errors
import docker.tls
import docker.utils
import requests
import requests.structures
import urllib3
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
from docker.api import APIClient

from pytest_ecs_tasks.core.spec import RegistryLogin
from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.runtimes.wire import Head, Wire, connect_tcp, connect_unix

CALL_TIMEOUT_S = 300.0  # a loaded engine is slow, not dead; a dead one closes the connection at once
CONNECT_TIMEOUT_S = 30.0

_TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    docker.errors.DockerException,
    OSError,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine listens, and the certificates that it wants.

    ``url``: unix://, tcp://, npipe:// or ssh://.
    """

    url: str
    tls: docker.tls.TLSConfig | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, url: str, environ: Mapping[str, str]) -> Endpoint:
        """Add the certificates that ``DOCKER_TLS_VERIFY`` and ``DOCKER_CERT_PATH`` ask for."""
        verify = bool(environ.get("DOCKER_TLS_VERIFY"))
        folder = environ.get("DOCKER_CERT_PATH") or ""
        if not url.startswith(("tcp://", "https://")) or not (verify or folder):
            return cls(url)
        return cls(url, read_certificates(folder or os.path.expanduser("~/.docker"), verify=verify))


def read_certificates(folder: str, *, verify: bool) -> docker.tls.TLSConfig:
    """Read ca.pem, cert.pem and key.pem of a folder. Raises :class:`EngineError` when one is missing."""
    authority = os.path.join(folder, "ca.pem")
    pair = (os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    try:
        return docker.tls.TLSConfig(client_cert=pair, ca_cert=authority if verify else None, verify=verify)
    except docker.errors.TLSParameterError as error:
        raise EngineError(f"{folder}: {error}") from error


class _UnixConnection(urllib3.connection.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = connect_unix(self._path, CALL_TIMEOUT_S)


class _TcpConnection(urllib3.connection.HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return connect_tcp(self.host, self.port or 2375, CONNECT_TIMEOUT_S)


class _TlsConnection(urllib3.connection.HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return connect_tcp(self.host, self.port or 2376, CONNECT_TIMEOUT_S)


class _UnixPool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", maxsize=1)
        self._path = path

    def _new_conn(self) -> urllib3.connection.HTTPConnection:
        return _UnixConnection(self._path)


class _TcpPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _TcpConnection


class _TlsPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _make_pool(endpoint: Endpoint) -> urllib3.connectionpool.HTTPConnectionPool | None:
    """Make the pool of one kept connection; ``None`` for a transport (ssh, npipe) that only docker-py speaks."""
    address = str(docker.utils.parse_host(endpoint.url, os.name == "nt", tls=endpoint.tls is not None))
    scheme, _, rest = address.partition("://")
    if scheme == "http+unix":
        return _UnixPool("/" + rest.lstrip("/"))
    parts = urlsplit(address)
    if scheme == "http":
        return _TcpPool(parts.hostname or "localhost", parts.port, maxsize=1)
    if scheme != "https":
        return None
    tls = endpoint.tls
    certificate, key = tls.cert if tls is not None and tls.cert else (None, None)
    return _TlsPool(
        parts.hostname or "localhost",
        parts.port,
        maxsize=1,
        cert_file=certificate,
        key_file=key,
        ca_certs=tls.ca_cert if tls is not None else None,
        cert_reqs="CERT_REQUIRED" if tls is None or tls.verify else "CERT_NONE",
    )


class EngineClient(APIClient):
    """docker-py's low-level client of one thread, with a way to the engine that is its own."""

    def __init__(self, endpoint: Endpoint, version: str) -> None:
        # The stubs know neither a timeout of parts of a second nor that ``tls`` may be False.
        settings: dict[str, Any] = {"timeout": CALL_TIMEOUT_S, "tls": endpoint.tls or False}
        super().__init__(base_url=endpoint.url, version=version, **settings)
        self.trust_env = False
        self._engine_pool = _make_pool(endpoint)

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        """Send a request and read the whole answer; nothing that a mock replaces takes part."""
        if self._engine_pool is None:
            return cast("requests.Response", self._foreign_adapter().send(request, **settings))
        answer = self._engine_pool.urlopen(
            request.method or "GET",
            request.path_url,
            body=request.body,
            headers=request.headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=settings.get("timeout") or CALL_TIMEOUT_S,
        )
        response = requests.Response()
        response.status_code = answer.status
        response.reason = answer.reason or ""
        response.headers = requests.structures.CaseInsensitiveDict(answer.headers)
        response._content = answer.data  # requests has no constructor for a read answer
        response.encoding = "utf-8"
        response.url, response.request = request.url or "", request
        return response

    def open_wire(self) -> Wire:
        """Open a connection of its own, for a stream or a hijacked connection; the caller closes it."""
        pool: Any = self._engine_pool or self._foreign_adapter().get_connection(self.base_url)
        # Not by the pool's public way: a stream never gives its connection back.
        connection = pool._new_conn()
        connection.connect()
        return Wire(connection.sock)

    def _foreign_adapter(self) -> Any:
        """Return docker-py's own adapter, for ssh and Windows pipes."""
        return self._custom_adapter  # type: ignore[attr-defined]  # the stubs leave it out

    def close(self) -> None:
        """Close the kept connection."""
        if self._engine_pool is not None:
            self._engine_pool.close()
        super().close()


# For a list, and for one network, Podman looks at every container; one that another run removes meanwhile fails the call.
_VANISHED = re.compile(r"container not known|no such container|no container with name or id", re.I)
LOOK_AGAIN_AFTER_S = (0.01, 0.05, 0.1, 0.2, 0.4)


class Transport:
    """The calls to one engine, from any thread."""

    def __init__(self, endpoint: Endpoint, version: str) -> None:
        self.endpoint = endpoint
        self.version = version
        self._local = threading.local()
        self._pause = threading.Event()
        # A thread that ends lets go of its client, whose pool then closes itself.
        self._clients: weakref.WeakSet[EngineClient] = weakref.WeakSet()
        self._lock = threading.Lock()

    def client(self) -> EngineClient:
        """Return this thread's client."""
        client: EngineClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = EngineClient(self.endpoint, self.version)
            with self._lock:
                self._clients.add(client)
        return client

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> requests.Response:
        """Do one call and return its answer.

        ``path`` is quoted already; ``body`` is JSON, or bytes as they are.

        Raises :class:`EngineError` with the engine's own words.
        """
        data, all_headers = _encode(body, headers)
        for pause_s in (*LOOK_AGAIN_AFTER_S, None):
            response = self._request(method, self._path(path, query), data, all_headers, timeout_s)
            if response.status_code < 400:
                break
            error = EngineError(explain(response.content, response.reason), status=response.status_code)
            lost_a_race = method == "GET" and error.status == 500 and _VANISHED.search(str(error))
            if pause_s is None or not lost_a_race:
                raise error
            self._pause.wait(pause_s)
        return response

    def _request(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> requests.Response:
        with engine_errors(self.endpoint.url):
            client = self.client()
            url = f"{client.base_url}{path}"
            try:
                return client.request(method, url, data=data, headers=headers, timeout=timeout_s)
            except (urllib3.exceptions.ProtocolError, requests.ConnectionError):
                if method != "GET":
                    raise
                # A kept connection may have been closed by the engine while it was idle; to ask again is
                # harmless.
                return client.request(method, url, data=data, headers=headers, timeout=timeout_s)

    def call_json(
        self, method: str, path: str, *, query: Mapping[str, object] | None = None, body: object = None
    ) -> Any:
        """Do one call and return its JSON; ``None`` for an empty answer."""
        content = self.call(method, path, query=query, body=body).content
        return json.loads(content) if content.strip() else None

    def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = CALL_TIMEOUT_S,
    ) -> tuple[Wire, Head]:
        """Send a request on a connection of its own and return it with the answer's head.

        ``timeout_s`` holds for each read.
        Raises :class:`EngineError` when the engine refuses.
        """
        data, all_headers = _encode(body, headers)
        with engine_errors(self.endpoint.url):
            wire = self.client().open_wire()
            try:
                wire.set_timeout(timeout_s)
                head = wire.request(method, self._path(path, query), all_headers, data)
                if head.status >= 400:
                    text = explain(b"".join(wire.body(head)), str(head.status))
                    raise EngineError(text, status=head.status)
            except BaseException:
                wire.close()
                raise
        return wire, head

    def hijack(self, path: str, *, query: Mapping[str, object] | None = None, body: object = None) -> Wire:
        """Post a request whose connection becomes a raw stream of bytes."""
        wire, _ = self.open(
            "POST", path, query=query, body=body, headers={"Connection": "Upgrade", "Upgrade": "tcp"}
        )
        return wire

    def registry_header(self, reference: str, login: RegistryLogin | None = None) -> dict[str, str]:
        """Return the header with these credentials, or the user's own for an image's registry; empty without any."""
        if login is not None:
            words = {"username": login.username, "password": login.password.reveal()}
            return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(words).encode()).decode()}
        repository, _ = docker.utils.parse_repository_tag(reference)
        registry, _ = docker.auth.resolve_repository_name(repository)
        with engine_errors(registry):
            header = docker.auth.get_config_header(self.client(), registry)
        if not header:
            return {}
        return {"X-Registry-Auth": header.decode() if isinstance(header, bytes) else header}

    def close(self) -> None:
        """Close every thread's client."""
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.close()

    def _path(self, path: str, query: Mapping[str, object] | None) -> str:
        place = path if path.startswith("/v") and path[2:3].isdigit() else f"/v{self.version}{path}"
        return f"{place}?{urlencode(query)}" if query else place


def _encode(body: object, headers: Mapping[str, str] | None) -> tuple[bytes, dict[str, str]]:
    if body is None:
        return b"", dict(headers or {})
    if isinstance(body, bytes):
        return body, {"Content-Type": "application/x-tar", **(headers or {})}
    return json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}


@contextmanager
def engine_errors(where: str) -> Iterator[None]:
    """Turn every error of the way to the engine into an :class:`EngineError` that names it."""
    try:
        yield
    except EngineError:
        raise
    except _TRANSPORT_ERRORS as error:
        raise EngineError(f"{where}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """Return the innermost words: urllib3 and requests wrap the system's error twice."""
    for argument in reversed(error.args):
        if isinstance(argument, BaseException):
            return _reason(argument)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def explain(content: bytes, otherwise: str) -> str:
    """Return the engine's own explanation from the body of a refusal."""
    text = content.decode("utf-8", "replace").strip()
    try:
        document = json.loads(text)
    except ValueError:
        return text or otherwise
    message = document.get("message") if isinstance(document, dict) else None
    return str(message) if message else text or otherwise

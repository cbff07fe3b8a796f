"""The few requests that the tools send to a container engine's HTTP API; standard library only."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROBE_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers: ``name`` is docker or podman, whatever the socket is called."""

    name: str
    version: str
    url: str


class ApiError(Exception):
    """The engine refused a request; the text is the engine's."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connect(url: str, timeout_s: float) -> http.client.HTTPConnection:
    """Open no connection yet; raises ValueError for a scheme that is neither unix nor tcp."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return _UnixConnection(parts.path, timeout_s)
    if parts.scheme in ("tcp", "http") and parts.hostname:
        return http.client.HTTPConnection(parts.hostname, parts.port or 2375, timeout=timeout_s)
    raise ValueError(f"{url}: only unix:// and tcp:// addresses can be asked by this script")


def call(
    url: str,
    method: str,
    path: str,
    body: bytes | Iterable[bytes] | None = None,
    *,
    timeout_s: float = PROBE_TIMEOUT_S,
) -> bytes:
    """Send one request and return the body; raises ApiError for a status of 400 and above, OSError for no answer."""
    connection = connect(url, timeout_s)
    headers = {"Content-Type": "application/x-tar"} if body is not None else {}
    try:
        connection.request(method, path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read()
    except http.client.HTTPException as error:
        raise OSError(f"{url} does not speak HTTP: {error!r}") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise ApiError(f"{method} {path}: {response.status} {answer.decode(errors='replace').strip()}")
    return answer


def call_json(url: str, method: str, path: str, *, timeout_s: float = PROBE_TIMEOUT_S) -> Any:
    """Send one request and return its JSON body."""
    return json.loads(call(url, method, path, timeout_s=timeout_s) or b"null")


def probe(url: str) -> Engine | None:
    """Ask who listens at this address; None when nobody does, or not an engine."""
    try:
        call(url, "GET", "/_ping")
        version = call_json(url, "GET", "/version")
    except (OSError, ApiError, ValueError):
        return None
    if not isinstance(version, dict):
        return None
    names = [str(component.get("Name", "")) for component in version.get("Components") or []]
    is_podman = any("podman" in name.lower() for name in names)
    return Engine("podman" if is_podman else "docker", str(version.get("Version", "?")), url)


def is_deserted(socket_path: Path) -> bool:
    """Tell whether a socket file is left over: connecting is refused, not merely slow or forbidden."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(PROBE_TIMEOUT_S)
        try:
            attempt.connect(str(socket_path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False

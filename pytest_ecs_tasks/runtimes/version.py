"""What an engine says about itself, and the API version to use with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import docker.constants

from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.runtimes.transport import Endpoint, EngineClient, engine_errors, explain

NEWEST_API = (1, 47)  # what a later version means is not known here


def probe_version(endpoint: Endpoint, timeout_s: float = 10.0) -> Mapping[str, Any]:
    """Ask an engine for its version document, on a connection of its own. Raises :class:`EngineError`."""
    with engine_errors(endpoint.url):
        client = EngineClient(endpoint, docker.constants.MINIMUM_DOCKER_API_VERSION)
        try:
            wire = client.open_wire()
            try:
                wire.set_timeout(timeout_s)
                head = wire.request("GET", "/version", {"Connection": "close"})
                content = b"".join(wire.body(head))
            finally:
                wire.close()
        finally:
            client.close()
    if head.status != 200:
        raise EngineError(explain(content, f"HTTP status {head.status}"), status=head.status)
    try:
        document = json.loads(content)
    except ValueError as error:
        raise EngineError(f"{endpoint.url}: what answers is not a container engine") from error
    if not isinstance(document, dict) or "ApiVersion" not in document:
        raise EngineError(f"{endpoint.url}: what answers is not a container engine")
    return document


def pinned_version(document: Mapping[str, Any]) -> str:
    """Return the API version to use with an engine: its own, but none that is newer than what we know."""
    newest = tuple(int(part) for part in str(document["ApiVersion"]).split("."))
    oldest = tuple(int(part) for part in str(document.get("MinAPIVersion") or "1.24").split(".")[:2])
    wanted = min(newest, NEWEST_API)
    # Podman answers the libpod API's own minimum here in some versions (4.0.0); only Docker's numbers count.
    if oldest[0] == 1:
        wanted = max(wanted, oldest)
    return ".".join(str(part) for part in wanted)

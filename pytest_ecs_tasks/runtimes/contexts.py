"""Docker contexts, read as Docker's own client does: which one is current, and where its engine listens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_CONTEXT = "default"


class ContextError(Exception):
    """A context that is named and cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class DockerContext:
    """A context's engine. ``certificates``: the folder with ca.pem, cert.pem and key.pem, if it has them."""

    name: str
    url: str
    certificates: str | None = None
    verify: bool = True


def config_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of Docker's client configuration."""
    if environ.get("DOCKER_CONFIG"):
        return Path(environ["DOCKER_CONFIG"])
    return Path(environ.get("HOME") or Path.home()) / ".docker"


def current_context(environ: Mapping[str, str]) -> str:
    """Return the name of the context in use, ``default`` when none was chosen."""
    if environ.get("DOCKER_CONTEXT"):
        return environ["DOCKER_CONTEXT"]
    return str(_read_json(config_folder(environ) / "config.json").get("currentContext") or DEFAULT_CONTEXT)


def read_context(name: str, environ: Mapping[str, str]) -> DockerContext:
    """Read a context by its name. Raises :class:`ContextError`."""
    folder = config_folder(environ) / "contexts"
    key = hashlib.sha256(name.encode()).hexdigest()  # this is how Docker names the folders
    document = _read_json(folder / "meta" / key / "meta.json")
    endpoint = (document.get("Endpoints") or {}).get("docker") or {}
    if not endpoint.get("Host"):
        raise ContextError(f"no such context in {folder}")
    certificates = folder / "tls" / key / "docker"
    return DockerContext(
        name,
        str(endpoint["Host"]),
        str(certificates) if certificates.is_dir() else None,
        verify=not endpoint.get("SkipTLSVerify"),
    )


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}

"""The sandbox's image: an archive of fixed bytes, so that its id is known before any engine is asked."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from pytest_ecs_tasks.engine.ports import EngineError

_ARCHITECTURES = {
    "amd64": "amd64",
    "x86_64": "amd64",
    "arm64": "arm64",
    "aarch64": "arm64",
    "arm64/v8": "arm64",
}
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, slots=True)
class SandboxImage:
    """The sandbox's image for one architecture.

    ``image_id`` is ``sha256:…`` of its configuration, by which Podman and Docker's classic image store know
    it; ``manifest_id`` that of its manifest, by which Docker's containerd image store does. ``reference``
    finds it in both. ``archive`` is what the engine's *load* takes.
    """

    image_id: str
    manifest_id: str
    reference: str
    archive: bytes = field(repr=False)


def sandbox_image(architecture: str) -> SandboxImage:
    """Return the image for ``amd64`` or ``arm64``, or the kernel's names of them; raises EngineError."""
    known = _ARCHITECTURES.get(architecture)
    if known is None:
        raise EngineError(f"there is no sandbox for an engine on {architecture!r}: only for amd64 and arm64")
    return _shipped_image(known)


@cache
def _shipped_image(architecture: str) -> SandboxImage:
    program = files(__package__).joinpath(f"sandbox-{architecture}").read_bytes()
    return make_image(program, architecture)


def make_image(program: bytes, architecture: str) -> SandboxImage:
    """Make the image that holds ``program`` as its only file. The same arguments make the same bytes.

    The archive can be read in two ways, as *docker save* writes it since Docker 25: by manifest.json, and as
    an OCI layout.
    """
    layer = _make_tar({"sandbox": program}, mode=0o755)
    config = _make_json(
        {
            "architecture": architecture,
            "config": {"Entrypoint": ["/sandbox"], "WorkingDir": "/"},
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "pytest-ecs-tasks"}],
            "os": "linux",
            "rootfs": {"diff_ids": [_digest(layer)], "type": "layers"},
        }
    )
    reference = f"pytest-ecs-tasks/sandbox:{_digest(config)[7:19]}"
    manifest = _make_json(
        {
            "config": _describe(config, _CONFIG),
            "layers": [_describe(layer, _LAYER)],
            "mediaType": _MANIFEST,
            "schemaVersion": 2,
        }
    )
    names = {
        "io.containerd.image.name": f"docker.io/{reference}",
        "org.opencontainers.image.ref.name": reference,
    }
    index = {
        "manifests": [{**_describe(manifest, _MANIFEST), "annotations": names}],
        "mediaType": _INDEX,
        "schemaVersion": 2,
    }
    by_name = [{"Config": _blob(config), "Layers": [_blob(layer)], "RepoTags": [reference]}]
    members = {_blob(content): content for content in (config, layer, manifest)}
    members["index.json"] = _make_json(index)
    members["manifest.json"] = _make_json(by_name)
    members["oci-layout"] = _make_json({"imageLayoutVersion": "1.0.0"})
    return SandboxImage(_digest(config), _digest(manifest), reference, _make_tar(members, mode=0o644))


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(content: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def _describe(content: bytes, media_type: str) -> dict[str, object]:
    return {"digest": _digest(content), "mediaType": media_type, "size": len(content)}


def _make_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _make_tar(members: Mapping[str, bytes], *, mode: int) -> bytes:
    """Make a tar archive without a trace of when or where it was made."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(members.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = mode
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()

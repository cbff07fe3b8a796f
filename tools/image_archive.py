"""Writes layers and image archives (the format of ``docker save``) of fixed bytes."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a layer: a directory, a file (``data``) or a symbolic link (``target``)."""

    kind: bytes
    mode: int = 0o755
    data: bytes = b""
    target: str = ""


class Tree:
    """The file system of an image in the making; everything in it belongs to root."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}

    def add_directory(self, path: str, mode: int = 0o755) -> None:
        """Add a directory and those above it; one that exists keeps its mode."""
        if path and path not in self.entries:
            self.add_directory(os.path.dirname(path))
            self.entries[path] = Entry(tarfile.DIRTYPE, mode)

    def add_file(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Add a file, or replace it."""
        self.add_directory(os.path.dirname(path))
        self.entries[path] = Entry(tarfile.REGTYPE, mode, data=data)

    def add_link(self, path: str, target: str) -> None:
        """Add a symbolic link, or replace what is there."""
        self.add_directory(os.path.dirname(path))
        self.entries[path] = Entry(tarfile.SYMTYPE, 0o777, target=target)

    def files(self, suffix: str) -> list[str]:
        """List the paths of regular files with this suffix, sorted."""
        return sorted(
            path
            for path, entry in self.entries.items()
            if entry.kind == tarfile.REGTYPE and path.endswith(suffix)
        )

    def write_layer(self, layer: Path) -> None:
        """Write the tree as a tar of fixed bytes."""
        with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as tar:
            for path in sorted(self.entries):
                entry = self.entries[path]
                info = tarfile.TarInfo(path)
                info.type, info.mode, info.linkname, info.size = (
                    entry.kind,
                    entry.mode,
                    entry.target,
                    len(entry.data),
                )
                tar.addfile(info, io.BytesIO(entry.data))


@dataclass(frozen=True, slots=True)
class Archive:
    """A built image: ``layers`` are the digests by which every kind of engine reports its content."""

    path: Path
    image_id: str
    layers: tuple[str, ...]


def make_config(machine: str, settings: Mapping[str, object], layers: list[Path]) -> bytes:
    """Make an image's configuration; its hash is the image's id."""
    return _json(
        {
            "architecture": machine,
            "os": "linux",
            "created": EPOCH,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}" for layer in layers]},
            "history": [{"created": EPOCH, "created_by": "tools/images.py"} for _ in layers],
        }
    )


def pack(archive: Path, tag: str, config: bytes, layers: list[Path]) -> None:
    """Write an image's archive, and move it into place when it is whole."""
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    names = [f"{sha256(layer)}/layer.tar" for layer in layers]
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        unfinished = Path(scratch) / archive.name
        with tarfile.open(unfinished, "w", format=tarfile.GNU_FORMAT) as tar:
            _add_bytes(
                tar, "manifest.json", _json([{"Config": config_name, "RepoTags": [tag], "Layers": names}])
            )
            _add_bytes(tar, config_name, config)
            for name, layer in zip(names, layers, strict=True):
                info = tarfile.TarInfo(name)
                info.size = layer.stat().st_size
                with layer.open("rb") as file:
                    tar.addfile(info, file)
        unfinished.rename(archive)


def read_archive(path: Path) -> Archive:
    """Read an archive's identity."""
    config_name, config = read_config(path)
    return Archive(path, f"sha256:{config_name.removesuffix('.json')}", tuple(config["rootfs"]["diff_ids"]))


def read_config(path: Path) -> tuple[str, dict[str, Any]]:
    """Read the name and content of an archive's image configuration, which is near the start of the file."""
    with tarfile.open(path) as tar:
        manifest = json.loads(_read_member(tar, "manifest.json"))
        name = manifest[0]["Config"]
        return name, json.loads(_read_member(tar, name))


def extract_layers(path: Path, directory: Path) -> list[Path]:
    """Copy an archive's layers into a directory, lowest first."""
    layers = []
    with tarfile.open(path) as tar:
        for number, name in enumerate(json.loads(_read_member(tar, "manifest.json"))[0]["Layers"]):
            layer = directory / f"base-{number}.tar"
            layer.write_bytes(_read_member(tar, name))
            layers.append(layer)
    return layers


def sha256(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    return b"" if file is None else file.read()


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

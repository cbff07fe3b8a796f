"""Tar archives, as engines take files for containers."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping

FILE_MODE = 0o644


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of files by their paths, which everyone may read and root may write."""
    return _pack((_entry(path, FILE_MODE, tarfile.REGTYPE), content) for path, content in files.items())


def pack_directories(paths: Iterable[str], mode: int) -> bytes:
    """Return an archive of empty directories, each after the one that it is in."""
    return _pack((_entry(path, mode, tarfile.DIRTYPE), b"") for path in paths)


def _entry(path: str, mode: int, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = kind, mode
    return entry


def _pack(entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry, content in entries:
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        end = archive.offset
    # No padding to a record: Podman stops reading at the two blocks of an archive's end, and what comes after them
    # may fail it ("passing bulk input to subprocess: broken pipe").
    return buffer.getvalue()[: end + 2 * tarfile.BLOCKSIZE]

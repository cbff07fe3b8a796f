"""Messages of the forward protocol, as Docker's fluentd log driver sends them to a log router.

Sources: Fluentd's "Forward Protocol Specification (v1)", message mode with EventTime; the MessagePack specification,
of which this is the small part that such a message needs; Docker's documentation of its fluentd driver (the fields).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

LONGEST_PART = 16 * 1024
"""Bytes after which Docker cuts a line into parts."""

_NANOSECONDS = 1_000_000_000


def records(
    line: bytes, *, container_id: str, container_name: str, source: str, partial_id: str
) -> Iterator[dict[str, str | bytes]]:
    """Yield the records of one line: one, or as many as its length needs, which then tell their place."""
    record: dict[str, str | bytes] = {
        "container_id": container_id,
        "container_name": container_name,
        "source": source,
    }
    parts = [line[start : start + LONGEST_PART] for start in range(0, len(line), LONGEST_PART)] or [b""]
    if len(parts) == 1:
        yield {**record, "log": line}
        return
    for ordinal, part in enumerate(parts, start=1):
        yield {
            **record,
            "log": part,
            "partial_message": "true",
            "partial_id": partial_id,
            "partial_ordinal": str(ordinal),
            "partial_last": "true" if ordinal == len(parts) else "false",
        }


def message(tag: str, received_at: float, record: Mapping[str, str | bytes]) -> bytes:
    """Return one event: ``[tag, time, record]``; ``received_at`` in seconds since the epoch.

    Bytes go out as a text as they are, UTF-8 or not, as Docker's driver sends them.
    """
    nanoseconds = round(received_at * _NANOSECONDS)
    time = b"\xd7\x00" + struct.pack(">II", *divmod(nanoseconds, _NANOSECONDS))
    fields = b"".join(_pack_text(name) + _pack_text(value) for name, value in record.items())
    return b"\x93" + _pack_text(tag) + time + _pack_map_head(len(record)) + fields


def _pack_map_head(size: int) -> bytes:
    return bytes([0x80 | size]) if size < 16 else b"\xde" + struct.pack(">H", size)


def _pack_text(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    size = len(data)
    if size < 32:
        return bytes([0xA0 | size]) + data
    if size < 1 << 8:
        return b"\xd9" + struct.pack(">B", size) + data
    if size < 1 << 16:
        return b"\xda" + struct.pack(">H", size) + data
    return b"\xdb" + struct.pack(">I", size) + data

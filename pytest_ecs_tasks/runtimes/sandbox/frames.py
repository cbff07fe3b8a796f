"""The link's language: frames, as ``sandbox.c`` describes them, and the engine's framing around it. Pure."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

VERSION = 3
"""The language's version; both ends are of the same release, so there is only one."""

WINDOW = 256 * 1024
"""Bytes that may be under way in each direction of a stream without a grant."""

MAX_PAYLOAD = 32 * 1024 - 8
"""Bytes in one frame; with its header it fills the chunk that the engines copy by."""

OWN_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing binds it
"""What a CONNECT names the namespace's own address by, whatever it is."""

MAX_STREAMS = 1024
"""Streams at a time; the sandbox refuses more."""

AWS_SERVICE = 1
"""The number of the service that is the test's AWS."""

ENDPOINTS_SERVICE = 2
"""The number of the service that answers at 169.254.170.2:80: credentials and metadata."""

_HEADER = struct.Struct(">II")
_HELLO = struct.Struct(">4sHH4sHH")
_SERVICE = struct.Struct(">HH")
_MAGIC = b"ECSL"

# The sandbox speaks Linux's numbers; the test process may run on another system.
_LINUX_ERRNO = {
    1: errno.EPERM,
    2: errno.ENOENT,
    13: errno.EACCES,
    22: errno.EINVAL,
    24: errno.EMFILE,
    93: errno.EPROTONOSUPPORT,
    95: errno.EOPNOTSUPP,
    97: errno.EAFNOSUPPORT,
    99: errno.EADDRNOTAVAIL,
    101: errno.ENETUNREACH,
    104: errno.ECONNRESET,
    110: errno.ETIMEDOUT,
    111: errno.ECONNREFUSED,
    113: errno.EHOSTUNREACH,
}


class ProtocolError(Exception):
    """The other side said something that the link's language does not have."""


class FrameType(IntEnum):
    """What a frame says; ``sandbox.c`` has the table."""

    HELLO = 1
    OPEN = 2
    CONNECT = 3
    CONNECTED = 4
    REFUSED = 5
    DATA = 6
    GRANT = 7
    END = 8
    RESET = 9
    NAMES = 10
    NAMED = 11
    QUERY = 12
    ANSWER = 13
    ASK = 14


class SetupStep(IntEnum):
    """What is done for ECS's link-local addresses in a namespace, in this order."""

    METADATA_ROUTE = 1
    METADATA_ROUTE_6 = 2
    ENDPOINTS_ROUTE = 3
    ENDPOINTS_RULE = 4


@dataclass(frozen=True, slots=True)
class SetupFailure:
    """The step that failed and why. ``error`` is this system's ``errno``."""

    step: SetupStep
    error: int


@dataclass(frozen=True, slots=True)
class Hello:
    """What a sandbox says first.

    ``address`` is the namespace's own IPv4 address, ``None`` where it has none.
    ``ports``: where each service listens on the namespace's 127.0.0.1, by the service's number.
    ``setup_failure``: what of the link-local addresses could not be set up.
    """

    version: int
    address: str | None
    ports: Mapping[int, int]
    setup_failure: SetupFailure | None = None


def make_frame(stream: int, kind: FrameType, payload: bytes = b"") -> bytes:
    """Make the bytes of one frame."""
    return _HEADER.pack(stream, kind << 24 | len(payload)) + payload


def make_connect(stream: int, host: str, port: int) -> bytes:
    """Make a CONNECT frame. ``host`` is an IPv4 address in numbers; raises ValueError otherwise."""
    parts = [int(part) if part.isdecimal() else -1 for part in host.split(".")]
    if len(parts) != 4 or not all(0 <= part <= 255 for part in parts):
        raise ValueError(f"{host!r} is not an IPv4 address")
    if not 0 < port < 65536:
        raise ValueError(f"{port} is not a port: 1 to 65535")
    return make_frame(stream, FrameType.CONNECT, bytes(parts) + port.to_bytes(2, "big"))


def make_grant(stream: int, count: int) -> bytes:
    """Make a GRANT frame: ``count`` bytes more may come."""
    return make_frame(stream, FrameType.GRANT, count.to_bytes(4, "big"))


def parse_hello(payload: bytes) -> Hello:
    """Read a HELLO's payload; raises ProtocolError for another program or another version."""
    if payload[:4] != _MAGIC:
        raise ProtocolError(f"what answered is not a sandbox: it began with {payload[:16]!r}")
    version = int.from_bytes(payload[4:6], "big")
    if version != VERSION:
        raise ProtocolError(f"the sandbox speaks version {version} of the link, this plugin {VERSION}")
    if len(payload) < _HELLO.size or (len(payload) - _HELLO.size) % _SERVICE.size:
        raise ProtocolError("the sandbox's first frame has the wrong size")
    _, _, count, address, step, number = _HELLO.unpack_from(payload)
    ports = dict(_SERVICE.iter_unpack(payload[_HELLO.size :]))
    if len(ports) != count:
        raise ProtocolError(f"the sandbox announced {count} services and named {len(ports)}")
    own = ".".join(str(part) for part in address)
    failure = SetupFailure(SetupStep(step), _errno_here(number)) if step else None
    return Hello(version, None if own == OWN_ADDRESS else own, ports, failure)


def parse_refusal(payload: bytes, target: str) -> OSError:
    """Make the exception that a REFUSED frame stands for: ``ConnectionRefusedError`` and its kin."""
    here = _errno_here(int.from_bytes(payload, "big"))
    return OSError(here, os.strerror(here), target)


def parse_named(payload: bytes) -> OSError | None:
    """Return why names cannot be served, as a NAMED frame says; ``None`` when they are."""
    here = _errno_here(int.from_bytes(payload, "big"))
    return OSError(here, os.strerror(here)) if here else None


def _errno_here(number: int) -> int:
    return _LINUX_ERRNO.get(number, number)


class FrameReader:
    """Cuts a byte stream into frames, whatever the pieces it comes in."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def frames(self, data: memoryview) -> Iterator[tuple[int, FrameType, bytes]]:
        """Yield (stream, type, payload) for every frame that ``data`` completes."""
        rest = self._rest
        rest += data
        at = 0
        try:
            while len(rest) - at >= _HEADER.size:
                stream, word = _HEADER.unpack_from(rest, at)
                size = word & 0xFFFFFF
                if size > MAX_PAYLOAD or not FrameType.HELLO <= word >> 24 <= FrameType.ASK:
                    raise ProtocolError(f"a frame that is not the link's: {bytes(rest[at : at + 16])!r}")
                end = at + _HEADER.size + size
                if end > len(rest):
                    break
                payload = bytes(rest[at + _HEADER.size : end])
                at = end
                yield stream, FrameType(word >> 24), payload
        finally:
            del rest[:at]


class EngineReader:
    """Takes off the engine's framing of an attach without a tty: type, three zeros, length, bytes."""

    STDOUT = 1
    STDERR = 2

    def __init__(self) -> None:
        self._header = bytearray()
        self._kind = 0
        self._left = 0

    def chunks(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Yield (type, bytes) for everything in ``data``; raises ProtocolError when framed otherwise."""
        while data:
            if not self._left:
                missing = 8 - len(self._header)
                self._header += data[:missing]
                data = data[missing:]
                if len(self._header) == 8:
                    self._start_chunk()
                continue
            chunk, data = data[: self._left], data[self._left :]
            self._left -= len(chunk)
            yield self._kind, chunk

    def _start_chunk(self) -> None:
        if self._header[0] > 3 or any(self._header[1:4]):
            began = bytes(self._header)
            raise ProtocolError(f"the engine's stream is not framed as one without a tty: {began!r}")
        self._kind = self._header[0]
        self._left = int.from_bytes(self._header[4:8], "big")
        self._header.clear()

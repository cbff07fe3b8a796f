"""The server's side of a WebSocket: bytes in, messages out. No socket is in sight.

Source: RFC 6455.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from pytest_ecs_tasks.endpoints.answer import Request

LARGEST_MESSAGE = 1024 * 1024
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10

    @property
    def is_control(self) -> bool:
        """Whether it stands between messages and is never cut into pieces."""
        return self >= Opcode.CLOSE


class CloseCode(IntEnum):
    """Why a connection ends."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    POLICY = 1008
    TOO_BIG = 1009


class WebSocketError(Exception):
    """The client does not keep to the protocol. ``code`` is what it is told."""

    def __init__(self, message: str, code: CloseCode = CloseCode.PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Received:
    """One whole message, or one control frame."""

    opcode: Opcode
    data: bytes = field(repr=False)


class FrameReader:
    """Makes messages of the bytes that a client has sent."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._opcode: Opcode | None = None
        self._parts = bytearray()

    def feed(self, data: bytes) -> Iterator[Received]:
        """Yield what is whole by now. Raises :class:`WebSocketError`."""
        self._buffer += data
        while (frame := self._next_frame()) is not None:
            final, opcode, payload = frame
            if opcode.is_control:
                yield Received(opcode, payload)
                continue
            self._append(opcode, payload)
            if final and self._opcode is not None:
                message = Received(self._opcode, bytes(self._parts))
                self._opcode, self._parts = None, bytearray()
                yield message

    def _append(self, opcode: Opcode, payload: bytes) -> None:
        if (opcode is Opcode.CONTINUATION) == (self._opcode is None):
            raise WebSocketError("a message's pieces are out of order")
        if len(self._parts) + len(payload) > LARGEST_MESSAGE:
            raise WebSocketError("the message is too long", CloseCode.TOO_BIG)
        self._opcode = self._opcode or opcode
        self._parts += payload

    def _next_frame(self) -> tuple[bool, Opcode, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode, length, start = _read_head(first, second), second & 0x7F, 2
        if length > 125:
            form = ">H" if length == 126 else ">Q"
            start += struct.calcsize(form)
            if len(buffer) < start:
                return None
            (length,) = struct.unpack_from(form, buffer, 2)
        if length > LARGEST_MESSAGE:
            raise WebSocketError("the frame is too long", CloseCode.TOO_BIG)
        end = start + 4 + length
        if len(buffer) < end:
            return None
        payload = _unmasked(bytes(buffer[start + 4 : end]), bytes(buffer[start : start + 4]))
        del buffer[:end]
        return bool(first & 0x80), opcode, payload


def _read_head(first: int, second: int) -> Opcode:
    """Return a frame's opcode. Raises :class:`WebSocketError` for a frame that no client may send."""
    if first & 0x70:
        raise WebSocketError("reserved bits are set, and no extension was agreed on")
    if first & 0x0F not in set(Opcode):
        raise WebSocketError(f"there is no opcode {first & 0x0F}")
    if not second & 0x80:
        raise WebSocketError("a client's frames are masked, and this one is not")
    opcode = Opcode(first & 0x0F)
    if opcode.is_control and (not first & 0x80 or second & 0x7F > 125):
        raise WebSocketError("a control frame is whole, and short")
    return opcode


def _unmasked(data: bytes, mask: bytes) -> bytes:
    key = int.from_bytes(mask * (len(data) // 4 + 1), "big")
    longer = data.ljust(4 * (len(data) // 4 + 1), b"\0")
    return (int.from_bytes(longer, "big") ^ key).to_bytes(len(longer), "big")[: len(data)]


def encode_frame(opcode: Opcode, data: bytes) -> bytes:
    """Return one whole frame as a server sends it."""
    if len(data) < 126:
        head = bytes((0x80 | opcode, len(data)))
    elif len(data) < 2**16:
        head = struct.pack(">BBH", 0x80 | opcode, 126, len(data))
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 127, len(data))
    return head + data


def encode_close(code: CloseCode, reason: str = "") -> bytes:
    """Return the frame that ends a connection; a reason is cut to what fits."""
    return encode_frame(Opcode.CLOSE, struct.pack(">H", code) + reason.encode()[:120])


def upgrade_headers(request: Request) -> tuple[tuple[str, str], ...] | None:
    """Return the headers that accept a request to open a WebSocket; ``None`` for any other request."""
    headers = request.headers
    key = headers.get("sec-websocket-key", "")
    asked = (
        request.method == "GET"
        and headers.get("upgrade", "").lower() == "websocket"
        and "upgrade" in headers.get("connection", "").lower()
        and headers.get("sec-websocket-version") == "13"
    )
    if not (asked and key):
        return None
    digest = hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()
    accept = base64.b64encode(digest).decode()
    return (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept))

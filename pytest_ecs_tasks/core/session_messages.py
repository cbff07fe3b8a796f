"""The messages of Session Manager's data channel, which ECS Exec goes through: bytes to values and back.

Source: aws/session-manager-plugin, src/message (clientmessage.go, messageparser.go, handshakemessage.go).
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

SCHEMA_VERSION = 1
LARGEST_PAYLOAD = 1024  # what the agent and the plugin send at most in one message
TERMINATE_SESSION = 2  # the payload of a FLAG

# Its length without the payload's own length, type, schema version, created at (ms), sequence number, flags, id, digest,
# payload's type, payload's length.
_HEADER = struct.Struct(">I32sIQqQ16s32sII")
_HEADER_LENGTH = _HEADER.size - 4
_FLAG_FIRST = 1
_FLAGS_ALONE = 3  # first and last of its sequence


class MessageType(StrEnum):
    """What a message is."""

    INPUT = "input_stream_data"
    OUTPUT = "output_stream_data"
    ACKNOWLEDGE = "acknowledge"
    CHANNEL_CLOSED = "channel_closed"
    START_PUBLICATION = "start_publication"
    PAUSE_PUBLICATION = "pause_publication"


class PayloadType(IntEnum):
    """What the payload of input or output is. ``DATA`` is the terminal's."""

    NONE = 0
    DATA = 1
    ERROR = 2
    SIZE = 3
    PARAMETER = 4
    HANDSHAKE_REQUEST = 5
    HANDSHAKE_RESPONSE = 6
    HANDSHAKE_COMPLETE = 7
    ENCRYPTION_CHALLENGE_REQUEST = 8
    ENCRYPTION_CHALLENGE_RESPONSE = 9
    FLAG = 10
    STANDARD_ERROR = 11
    EXIT_CODE = 12


class MessageError(ValueError):
    """Bytes that are no message of this protocol."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``message_id`` is a UUID's 16 bytes, ``created_at`` in milliseconds since the epoch."""

    message_type: MessageType
    payload_type: PayloadType
    sequence: int
    payload: bytes = field(repr=False)
    message_id: bytes
    created_at: int
    flags: int = 0


def encode_message(message: Message) -> bytes:
    """Return a message as it is sent."""
    head = _HEADER.pack(
        _HEADER_LENGTH,
        message.message_type.value.encode().ljust(32),
        SCHEMA_VERSION,
        message.created_at,
        message.sequence,
        message.flags,
        message.message_id[8:] + message.message_id[:8],  # the half that weighs less comes first
        hashlib.sha256(message.payload).digest(),
        message.payload_type,
        len(message.payload),
    )
    return head + message.payload


def decode_message(data: bytes) -> Message:
    """Read one message. Raises :class:`MessageError` that says what is wrong with it."""
    if len(data) < _HEADER.size:
        raise MessageError(f"{len(data)} bytes are no message: its head alone has {_HEADER.size}")
    length, name, _, created_at, sequence, flags, swapped, digest, kind, size = _HEADER.unpack_from(data)
    payload = data[length + 4 :]
    if length != _HEADER_LENGTH or size != len(payload):
        raise MessageError(f"lengths do not fit: head {length}, payload {size}, message {len(data)}")
    if size and hashlib.sha256(payload).digest() != digest:
        raise MessageError("the payload's digest is another")
    try:
        message_type = MessageType(name.strip(b"\0 ").decode())
        payload_type = PayloadType(kind)
    except ValueError as error:
        raise MessageError(str(error)) from error
    message_id = swapped[8:] + swapped[:8]
    return Message(message_type, payload_type, sequence, payload, message_id, created_at, flags)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is new in each message that is made: its id, and when."""

    message_id: bytes
    created_at: int


def make_output(stamp: Stamp, sequence: int, payload_type: PayloadType, payload: bytes) -> Message:
    """Return one message of the output stream."""
    flags = 0 if sequence else _FLAG_FIRST
    return Message(
        MessageType.OUTPUT, payload_type, sequence, payload, stamp.message_id, stamp.created_at, flags
    )


def make_acknowledgement(stamp: Stamp, message: Message) -> Message:
    """Return what tells the sender of ``message`` that it has arrived."""
    content = {
        "AcknowledgedMessageType": message.message_type.value,
        "AcknowledgedMessageId": dashed(message.message_id),
        "AcknowledgedMessageSequenceNumber": message.sequence,
        "IsSequentialMessage": True,
    }
    return Message(
        MessageType.ACKNOWLEDGE,
        PayloadType.NONE,
        0,
        json.dumps(content).encode(),
        stamp.message_id,
        stamp.created_at,
        _FLAGS_ALONE,
    )


def make_channel_closed(stamp: Stamp, session_id: str, target: str, output: str) -> Message:
    """Return what ends a session; ``output`` says what went wrong, if something did."""
    content = {
        "MessageId": dashed(stamp.message_id),
        "CreatedDate": str(stamp.created_at),
        "DestinationId": target,
        "SessionId": session_id,
        "MessageType": MessageType.CHANNEL_CLOSED.value,
        "SchemaVersion": SCHEMA_VERSION,
        "Output": output,
    }
    return Message(
        MessageType.CHANNEL_CLOSED,
        PayloadType.NONE,
        0,
        json.dumps(content).encode(),
        stamp.message_id,
        stamp.created_at,
        _FLAGS_ALONE,
    )


def handshake_request(agent_version: str) -> bytes:
    """Return the payload that begins a session, whose commands are interactive."""
    session_type = {"SessionType": "InteractiveCommands", "Properties": {}}
    action = {"ActionType": "SessionType", "ActionParameters": session_type}
    return json.dumps({"AgentVersion": agent_version, "RequestedClientActions": [action]}).encode()


def handshake_complete(took_s: float) -> bytes:
    """Return the payload after which the terminal's output follows."""
    content = {"HandshakeTimeToComplete": round(took_s * 1e9), "CustomerMessage": ""}
    return json.dumps(content).encode()


def read_document(payload: bytes) -> Mapping[str, Any]:
    """Read a payload that is JSON. Raises :class:`MessageError`."""
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"a payload is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise MessageError("a payload is no JSON object")
    return document


def read_acknowledged(message: Message) -> int:
    """Return the sequence number that an acknowledgement is of. Raises :class:`MessageError`."""
    number = read_document(message.payload).get("AcknowledgedMessageSequenceNumber")
    if not isinstance(number, int):
        raise MessageError("an acknowledgement names no message")
    return number


def read_size(payload: bytes) -> tuple[int, int] | None:
    """Return a terminal's columns and rows; ``None`` for what no terminal has. Raises :class:`MessageError`."""
    document = read_document(payload)
    columns, rows = document.get("cols"), document.get("rows")
    if not isinstance(columns, int) or not isinstance(rows, int):
        raise MessageError("a size has no cols and rows")
    return (columns, rows) if 0 < columns < 2**16 and 0 < rows < 2**16 else None


def is_termination(payload: bytes) -> bool:
    """Tell whether a flag asks for the end of the session."""
    return int.from_bytes(payload, "big") == TERMINATE_SESSION


def dashed(message_id: bytes) -> str:
    """Return a UUID's 16 bytes in its usual form."""
    digits = message_id.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

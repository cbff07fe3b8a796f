"""A container's attached output, taken apart into its two streams."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.runtimes.wire import Wire

_HEADER = struct.Struct(">BxxxL")
_NAMES = ("stdin", "stdout", "stderr")
# Podman writes a flood in frames of 8 KiB. Waking up for each takes more of the processor than reading them does, and takes
# it from who writes: a rest lets the next frames gather in the socket.
_FLOOD_BYTES = 4096
_REST_S = 0.001


def split_frames(pieces: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """Take the engine's frames apart: 8 bytes of stream number and size, then the bytes.

    A frame need not be complete to be passed on, and neighbours of one stream come as one piece.
    """
    pending = b""
    stream, left = 1, 0
    for piece in pieces:
        data = pending + piece if pending else piece
        position, end = 0, len(data)
        parts: list[bytes] = []
        while position < end:
            if not left:
                if end - position < _HEADER.size:
                    break
                number, left = _HEADER.unpack_from(data, position)
                position += _HEADER.size
                if number != stream and parts:
                    yield _NAMES[stream], b"".join(parts)
                    parts = []
                stream = number if 0 < number < len(_NAMES) else 1
                continue
            taken = data[position : position + left]
            parts.append(taken)
            position += len(taken)
            left -= len(taken)
        pending = data[position:]
        if parts:
            yield _NAMES[stream], b"".join(parts)


class WireAttachment:
    """An attachment over a hijacked connection."""

    def __init__(self, wire: Wire, *, tty: bool) -> None:
        self._wire = wire
        self._tty = tty

    def chunks(self) -> Iterator[tuple[str, bytes]]:
        """Yield ``("stdout" | "stderr", bytes)`` as they come, until the end of the output or ``close``."""
        try:
            if self._tty:
                for data in self._received():
                    yield "stdout", data
            else:
                yield from split_frames(self._received())
        finally:
            self._wire.close()

    def _received(self) -> Iterator[bytes]:
        while True:
            try:
                data = self._wire.receive()
            except OSError as error:
                raise EngineError(f"the attached output was cut: {error}") from error
            if not data:
                return
            yield data
            if len(data) >= _FLOOD_BYTES:
                time.sleep(_REST_S)  # noqa: TID251 - no fact to wait for: more of the flood, as much as may be

    def detach_socket(self) -> tuple[socket.socket, bytes]:
        """Hand the raw socket over, with bytes already read. The caller closes it."""
        return self._wire.detach()

    def close(self) -> None:
        """End it, from any thread."""
        self._wire.close()

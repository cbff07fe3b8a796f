"""One connection carried over a link: the host's socket on one side, frames on the other."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from pytest_ecs_tasks.engine.sockets import close_with_reset, disable_delay
from pytest_ecs_tasks.runtimes.sandbox.frames import (
    MAX_PAYLOAD,
    WINDOW,
    FrameType,
    ProtocolError,
    make_frame,
    make_grant,
)
from pytest_ecs_tasks.runtimes.sandbox.loop import READ, WRITE


class Carrier(Protocol):
    """What a stream needs of its link."""

    def send(self, frame: bytes) -> None:
        """Send a frame, or keep it until the engine takes it."""
        ...

    def hold_if_full(self, stream: Stream) -> bool:
        """Tell whether no more data should be sent now; if so, ``stream.resume()`` follows when it may be."""
        ...

    def watch(self, connection: socket.socket, events: int, callback: Callable[[int], None]) -> None:
        """Call ``callback`` whenever one of ``events`` is possible; 0 stops watching."""
        ...

    def forget(self, number: int) -> None:
        """The stream is over; frames of it that still come are ignored."""
        ...


class Stream:
    """A connection, on the loop's thread. Holds at most one window that its socket did not take yet."""

    def __init__(self, number: int, carrier: Carrier) -> None:
        self.number = number
        self._carrier = carrier
        self._socket: socket.socket | None = None
        self._granted = WINDOW
        self._eaten = 0
        self._pending = bytearray()
        self._ended = False
        self._remote_ended = False
        self._held = False
        self._over = False
        self._watched = 0

    def attach(self, connection: socket.socket) -> None:
        """Begin to carry ``connection``, which is the stream's from now on; what came before waits for it."""
        if self._over:
            connection.close()
            return
        connection.setblocking(False)
        disable_delay(connection)
        self._socket = connection
        self._write()
        self._update()

    def take(self, kind: FrameType, payload: bytes) -> None:
        """Take a frame of this stream."""
        match kind:
            case FrameType.DATA:
                self._take_data(payload)
            case FrameType.GRANT:
                self._take_grant(int.from_bytes(payload, "big"))
            case FrameType.END:
                self._take_end()
            case FrameType.RESET:
                self.abort()
            case _:
                raise ProtocolError(f"stream {self.number}: a frame of type {kind.name} is not a stream's")

    def _take_data(self, payload: bytes) -> None:
        if len(payload) > WINDOW - len(self._pending) - self._eaten or self._remote_ended:
            raise ProtocolError(f"stream {self.number}: the sandbox sent more than it was granted")
        self._pending += payload
        self._write()
        self._update()

    def _take_end(self) -> None:
        self._remote_ended = True
        self._write()
        self._update()

    def _take_grant(self, count: int) -> None:
        self._granted += count
        if self._granted > WINDOW:
            raise ProtocolError(f"stream {self.number}: the sandbox granted more than the window")
        self._update()

    def resume(self) -> None:
        """The link has room again."""
        self._held = False
        self._update()

    def abort(self) -> None:
        """End at once, without a word to the sandbox; whoever is at the socket's other end sees a reset."""
        if not self._over:
            self._finish(close_with_reset)

    def reset(self) -> None:
        """End at once, and say so to the sandbox."""
        if not self._over:
            self.abort()
            self._carrier.send(make_frame(self.number, FrameType.RESET))

    def let_go(self) -> None:
        """Close the socket without any effect on the connection: another process has it too."""
        if self._socket is not None:
            self._socket.close()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._write()
        if events & READ and not self._over:
            self._read()
        self._update()

    def _read(self) -> None:
        if self._socket is None or self._ended or not self._granted:
            return
        if self._carrier.hold_if_full(self):
            self._held = True
            return
        try:
            data = self._socket.recv(min(self._granted, MAX_PAYLOAD))
        except BlockingIOError:
            return
        except OSError:
            self.reset()
            return
        if data:
            self._granted -= len(data)
            self._carrier.send(make_frame(self.number, FrameType.DATA, data))
        else:
            self._ended = True
            self._carrier.send(make_frame(self.number, FrameType.END))
            self._finish_if_done()

    def _write(self) -> None:
        if self._socket is None or self._over:
            return
        try:
            while self._pending:
                count = self._socket.send(self._pending)
                del self._pending[:count]
                self._was_eaten(count)
            if self._remote_ended:
                self._socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            self.reset()
            return
        self._finish_if_done()

    def _was_eaten(self, count: int) -> None:
        self._eaten += count
        if self._eaten >= WINDOW // 4 and not self._remote_ended:
            self._carrier.send(make_grant(self.number, self._eaten))
            self._eaten = 0

    def _update(self) -> None:
        """Watch the socket for what can be done with it now only: a hang-up alone would spin."""
        if self._socket is None or self._over:
            return
        events = WRITE if self._pending else 0
        if self._granted and not self._ended and not self._held:
            events |= READ
        if events != self._watched:
            self._carrier.watch(self._socket, events, self._ready)
            self._watched = events

    def _finish_if_done(self) -> None:
        if self._ended and self._remote_ended and not self._pending and not self._over:
            self._finish(socket.socket.close)

    def _finish(self, close: Callable[[socket.socket], None]) -> None:
        self._over = True
        self._carrier.forget(self.number)
        if self._socket is not None:
            self._carrier.watch(self._socket, 0, self._ready)
            close(self._socket)
            self._socket = None

"""A container's output on its way to the task's log router, by the forward protocol over the sandbox's link.

On ECS it is the engine's fluentd driver that sends it, through a socket of the host's. That needs an engine on this
machine, and Podman has no such driver.
"""

from __future__ import annotations

import socket
import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence

from pytest_ecs_tasks.core import firelens, forward
from pytest_ecs_tasks.engine.aws_ports import LogStreamError
from pytest_ecs_tasks.engine.logbook import LineSplitter
from pytest_ecs_tasks.engine.ports import EngineError

DELIVERY_GRACE_S = 10.0  # how long a router may take, once a container has ended, to take what it has written
FAREWELL_S = 5.0  # how long a router may take to end a connection that we have ended
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5  # between attempts to connect to a router that does not listen yet
MESSAGES_AT_ONCE = 200


class RouterLog:
    """Sends one container's lines to the router, in order. Lines wait in memory without limit until it takes them."""

    def __init__(
        self,
        tag: str,
        router: str,
        dial: Callable[[], socket.socket],
        *,
        container_id: str,
        container_name: str,
        grace_s: float = DELIVERY_GRACE_S,
    ) -> None:
        """``dial`` connects to the router's forward input; ``grace_s`` is how long the router may take at the end, twice."""
        self._tag = tag
        self._router = router
        self._dial = dial
        self._container_id = container_id
        self._container_name = container_name
        self._grace_s = grace_s
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._unread = False
        self._closing = False
        self._abandoned = False
        self._connection: socket.socket | None = None
        self._problem = ""
        self._thread: threading.Thread | None = None

    def write(self, line: bytes, received_at: float, source: str) -> None:
        """Take one line of ``source``, stdout or stderr, and return at once."""
        parts = forward.records(
            line,
            container_id=self._container_id,
            container_name=self._container_name,
            source=source,
            partial_id=uuid.uuid4().hex,
        )
        messages = [forward.message(self._tag, received_at, record) for record in parts]
        with self._changed:
            if self._abandoned:
                self._lost += len(messages)
                return
            self._waiting.extend(messages)
            if self._thread is None:
                name = f"ecs-tasks/log router {self._tag}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Deliver what is left; returns when the router has read it.

        Raises :class:`LogStreamError` when the router has not taken all of it in its time. Safe to call twice.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(self._grace_s)
        self.abandon()
        if thread is not None:
            thread.join(self._grace_s)
        lost = self._lost + len(self._waiting)
        if lost:
            reason = f": {self._problem}" if self._problem else ""
            raise LogStreamError(
                f"{lost} messages for {self._tag} did not reach the log router "
                f"'{self._router}' at port {firelens.PORT}{reason}"
            )
        if self._unread:
            raise LogStreamError(
                f"the log router '{self._router}' did not end the connection of {self._tag} in its time: "
                "it may not have read the last messages"
            )

    def abandon(self, reason: str = "") -> None:
        """Let go of what the router has not taken: it is gone, or takes nothing. Safe to call twice."""
        with self._changed:
            self._problem = self._problem or reason
            self._abandoned = self._closing = True
            if self._connection is not None:
                shut_down(self._connection, socket.SHUT_RDWR)
            self._changed.notify_all()

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while self._has_more():
            try:
                self._send_all()
                pause_s = FIRST_PAUSE_S
            except (OSError, EngineError) as error:
                self._problem = str(error)
                with self._changed:
                    self._changed.wait_for(lambda: self._abandoned, pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _has_more(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return bool(self._waiting) and not self._abandoned

    def _send_all(self) -> None:
        """Connect, send until the container's log is closed, and see to it that the router has read it."""
        connection = self._dial()
        try:
            with self._changed:
                self._connection = connection
            while self._has_more():
                raise_if_ended(connection)
                messages = [
                    self._waiting[index] for index in range(min(len(self._waiting), MESSAGES_AT_ONCE))
                ]
                connection.sendall(b"".join(messages))
                with self._changed:
                    for _ in messages:
                        self._waiting.popleft()
            self._unread = not finish(connection, FAREWELL_S)
        finally:
            with self._changed:
                self._connection = None
            connection.close()


class RoutedOutput:
    """Joins a container's output into lines for the router, each with the stream that it came from."""

    def __init__(self, log: RouterLog) -> None:
        self._splitters = {source: LineSplitter(_Source(log, source)) for source in ("stdout", "stderr")}

    def feed(self, stream: str, data: bytes, received_at: float) -> None:
        """Pass on every line that ``data`` completes."""
        self._splitters[stream].feed(stream, data, received_at)

    def finish(self, received_at: float) -> None:
        """Pass on what lacks its newline."""
        for splitter in self._splitters.values():
            splitter.finish(received_at)


class _Source:
    """One of the two streams, as a sink of lines."""

    def __init__(self, log: RouterLog, source: str) -> None:
        self._log = log
        self._source = source

    def write(self, lines: Sequence[bytes], received_at: float) -> None:
        for line in lines:
            self._log.write(line, received_at, self._source)

    def close(self) -> None:
        self._log.close()


def raise_if_ended(connection: socket.socket) -> None:
    """Raise ConnectionResetError when the peer has ended the connection: what is sent now would be lost."""
    try:
        ended = not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return
    if ended:
        raise ConnectionResetError("the log router has closed the connection")


def finish(connection: socket.socket, timeout_s: float) -> bool:
    """End our side and wait until the peer has read to the end and ends its own; tell whether it did."""
    shut_down(connection, socket.SHUT_WR)
    connection.settimeout(timeout_s)
    try:
        while connection.recv(4096):
            pass
    except OSError:
        return False
    return True


def shut_down(connection: socket.socket, how: int) -> None:
    """Shut a connection down that may be gone already."""
    try:
        connection.shutdown(how)
    except OSError:
        pass

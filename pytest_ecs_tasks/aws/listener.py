"""A loopback listener that serves each connection on a thread of its own, until it is closed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from pytest_ecs_tasks.engine.sockets import accept_connection, dial_tcp, make_loopback_listener

LOOPBACK = "127.0.0.1"


class Listener:
    """``answer`` takes over each connection; ``name`` is its threads'. Nothing is accepted before :meth:`start`."""

    def __init__(self, name: str, answer: Callable[[socket.socket], None]) -> None:
        self._name = name
        self._answer = answer
        self._listener = make_loopback_listener()
        self.port: int = self._listener.getsockname()[1]
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.port}"

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def close(self) -> None:
        """End it; returns when it listens no more. Requests that are being answered may go on. Safe to call twice."""
        if self._is_closing:
            return
        self._is_closing = True
        try:
            dial_tcp(LOOPBACK, self.port).close()  # a listener that is closed does not wake who waits on it
        except OSError:
            pass  # it has ended by itself
        self._thread.join()

    def _serve(self) -> None:
        with self._listener:
            while True:
                connection = accept_connection(self._listener)
                if self._is_closing:
                    connection.close()
                    return
                threading.Thread(
                    target=self._answer, args=(connection,), name=f"{self._name} request", daemon=True
                ).start()

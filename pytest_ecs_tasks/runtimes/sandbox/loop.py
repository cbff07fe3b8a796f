"""The thread that serves every link of this process; it costs nothing while nothing moves."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from pytest_ecs_tasks.engine.sockets import make_socket_pair

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Owner(Protocol):
    """Whoever a callback belongs to: an exception in one of its callbacks ends it, and nobody else."""

    def fail(self, error: Exception) -> None:
        """End, because of ``error``. Called on the loop's thread."""
        ...


class LinkLoop:
    """One selector and its thread. Any thread may post, stop and join; all else is for that thread alone."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._awake, self._waker = make_socket_pair()
        for end in (self._awake, self._waker):
            end.setblocking(False)
        self._selector.register(self._awake, READ, (None, self._wake_up))
        self._lock = threading.Lock()
        self._calls: deque[tuple[Owner, Callable[[], None]]] = deque()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="ecs-tasks/links", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs; after a fork it does not, in the child."""
        return self._thread.is_alive()

    @property
    def is_here(self) -> bool:
        """Whether the caller is the loop's own thread."""
        return threading.current_thread() is self._thread

    def post(self, owner: Owner, call: Callable[[], None]) -> bool:
        """Have ``call`` made on the loop's thread, soon. From any thread; False when the loop has stopped."""
        if (
            not self.is_alive
        ):  # before the lock: a thread of the parent may have held it at the fork, and never lets go
            return False
        with self._lock:
            if self._stopping:
                return False
            self._calls.append((owner, call))
            if len(self._calls) == 1:
                self._wake()
        return True

    def stop(self) -> None:
        """End the thread once every call posted so far was made. From any thread; does not wait."""
        with self._lock:
            self._stopping = True
            self._wake()

    def join_if_stopping(self) -> None:
        """Wait for the thread when :meth:`stop` was called; not for the loop's own thread."""
        if self._stopping and not self.is_here:
            self._thread.join()

    def watch(
        self, connection: socket.socket, events: int, owner: Owner, callback: Callable[[int], None]
    ) -> None:
        """Call ``callback(events)`` whenever one of ``events`` is possible; 0 stops watching."""
        # A forked child shares the selector with its parent, and would take the parent's sockets out of it.
        if not self.is_here:
            return
        known = connection in self._selector.get_map()
        if not events:
            if known:
                self._selector.unregister(connection)
        elif known:
            self._selector.modify(connection, events, (owner, callback))
        else:
            self._selector.register(connection, events, (owner, callback))

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it has enough reasons to wake up already
            self._waker.send(b"\0")

    def _wake_up(self, _: int) -> None:
        self._awake.recv(4096)

    def _run(self) -> None:
        while not (self._stopping and not self._calls):
            for key, events in self._selector.select():
                owner, callback = key.data
                try:
                    callback(events)
                except Exception as error:  # noqa: BLE001 - ends its owner alone
                    owner.fail(error)
            self._make_calls()
        self._selector.close()
        self._awake.close()
        self._waker.close()

    def _make_calls(self) -> None:
        with self._lock:
            calls = tuple(self._calls)
            self._calls.clear()
        for owner, call in calls:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - ends its owner alone
                owner.fail(error)


class SharedLoop:
    """The process's one loop: made for the first link, stopped after the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: LinkLoop | None = None
        self._users = 0

    def enter(self) -> LinkLoop:
        """Return the loop, started if need be; every call needs one :meth:`leave`."""
        with self._lock:
            if self._loop is None or not self._loop.is_alive:
                self._loop = LinkLoop()
                self._users = 0
            self._users += 1
            return self._loop

    def leave(self, loop: LinkLoop) -> None:
        """Give it back; the last one stops it."""
        with self._lock:
            if loop is not self._loop:
                return
            self._users -= 1
            if self._users:
                return
            self._loop = None
        loop.stop()


SHARED_LOOP = SharedLoop()
"""The one thing here that a process has only once: else every task would cost a thread."""

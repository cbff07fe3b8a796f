"""The DNS queries of one namespace: those that wait, and the threads that have them answered."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from pytest_ecs_tasks.engine.ports import Resolve
from pytest_ecs_tasks.runtimes.sandbox.frames import FrameType, make_frame

MOST_WAITING = 256  # as many as the sandbox knows
ANSWERED_AT_ONCE = 32


class Queries:
    """Has each query answered by ``resolve``, on threads that end when none waits.

    ``send`` gets the frame that says what becomes of one, ``failed`` what ``resolve`` has raised, both on those threads.
    """

    def __init__(self, send: Callable[[bytes], object], failed: Callable[[Exception], None]) -> None:
        self.resolve: Resolve = lambda query: None
        self._send = send
        self._failed = failed
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)  # of more, the oldest are lost
        self._threads = 0

    def take(self, query: bytes) -> None:
        """Take a query, and return at once."""
        with self._lock:
            self._waiting.append(query)
            if self._threads == ANSWERED_AT_ONCE:
                return
            self._threads += 1
        try:
            threading.Thread(target=self._answer_all, name="ecs-tasks/names", daemon=True).start()
        except RuntimeError:  # there can be no more threads
            with self._lock:
                self._threads -= 1

    def _answer_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                query = self._waiting.popleft()
            self._send(self._answer(query))

    def _answer(self, query: bytes) -> bytes:
        try:
            answer = self.resolve(query)
        except Exception as error:  # noqa: BLE001 - whatever the service raises is the service's
            self._failed(error)
            answer = None
        if answer is None:
            return make_frame(0, FrameType.ASK, query)
        return make_frame(0, FrameType.ANSWER, answer)

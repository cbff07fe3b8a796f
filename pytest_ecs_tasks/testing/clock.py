"""Time and identifiers that a test owns."""

from __future__ import annotations

import heapq
import itertools
import threading
import uuid
from collections.abc import Callable


class FakeClock:
    """A clock that stands still until it is advanced; what was to happen meanwhile happens then, in order.

    Engine seconds begin at 0, wall-clock seconds at ``epoch``.
    """

    def __init__(self, epoch: float = 1_700_000_000.0) -> None:
        self._now = 0.0
        self._epoch = epoch
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def now(self) -> float:
        """Engine seconds."""
        return self._now

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._epoch + self._now

    def call_later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Have ``action`` called by the ``advance`` that reaches its time."""
        with self._lock:
            heapq.heappush(self._due, (self._now + delay_s, next(self._numbers), action))

    def advance(self, seconds: float) -> None:
        """Move on, and do what comes due on the way, each at its own time and without a lock held."""
        target = self._now + seconds
        while True:
            with self._lock:
                if not self._due or self._due[0][0] > target:
                    self._now = target
                    return
                self._now, _, action = heapq.heappop(self._due)
            action()


class FakeIds:
    """Identifiers that count: the first task is ``00…01``."""

    def __init__(self) -> None:
        self._tasks = itertools.count(1)
        self._uuids = itertools.count(1)

    def task_id(self) -> str:
        """32 hexadecimal digits."""
        return f"{next(self._tasks):032x}"

    def uuid(self) -> str:
        """A UUID in its usual form."""
        return str(uuid.UUID(int=next(self._uuids)))

"""The real clock and the real randomness."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable


class SystemClock:
    """The machine's clock. It holds the functions themselves, so that a test that freezes time does not freeze us."""

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall

    def now(self) -> float:
        """Engine seconds."""
        return self._monotonic()

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._wall()


_CLOCK = SystemClock()
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05


def comes_true(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Ask until a condition holds, and tell whether it did within ``timeout_s`` seconds, however a test has frozen time.

    ``subprocess`` counts its timeouts by the clock that tests freeze: its waits would have no end.
    """
    deadline, pause_s = _CLOCK.now() + timeout_s, _FIRST_PAUSE_S
    pause = threading.Event()
    while not condition():
        if _CLOCK.now() > deadline:
            return False
        pause.wait(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return True


class RandomIds:
    """Random identifiers."""

    def task_id(self) -> str:
        """32 hexadecimal digits, as in a task's ARN."""
        return uuid.uuid4().hex

    def uuid(self) -> str:
        """A random UUID."""
        return str(uuid.uuid4())

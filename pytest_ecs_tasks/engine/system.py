"""The real clock and the real randomness."""

from __future__ import annotations

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


class RandomIds:
    """Random identifiers."""

    def task_id(self) -> str:
        """32 hexadecimal digits, as in a task's ARN."""
        return uuid.uuid4().hex

    def uuid(self) -> str:
        """A random UUID."""
        return str(uuid.uuid4())

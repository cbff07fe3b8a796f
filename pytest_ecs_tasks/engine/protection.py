"""Whether one task is protected from scale-in: what the agent's API in the task and ECS's own API both see."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pytest_ecs_tasks.engine.ports import Clock


class Protection:
    """One task's protection; nothing is protected at first. Every method may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._expires_at: float | None = None
        self._watch: Callable[[float | None], None] = lambda expires_at: None

    def watch(self, watch: Callable[[float | None], None]) -> None:
        """Have ``watch`` called with what every :meth:`set` from now on is given."""
        self._watch = watch

    def set(self, expires_at: float | None) -> None:
        """Protect the task until a moment (engine seconds), or no longer."""
        with self._lock:
            self._expires_at = expires_at
        self._watch(expires_at)

    def expires_at(self) -> float | None:
        """Return until when the task is protected, in engine seconds; ``None`` when it is not."""
        with self._lock:
            if self._expires_at is not None and self._expires_at <= self._clock.now():
                self._expires_at = None
            return self._expires_at

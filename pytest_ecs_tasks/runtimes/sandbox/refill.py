"""When the pool makes its next sandbox: not while a task starts or goes, for which it would compete."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from pytest_ecs_tasks.engine.system import SystemClock

_CLOCK = SystemClock()

QUIET_S = 0.3  # how long the engine was left alone, while a warm sandbox is still there
QUIET_WHEN_EMPTY_S = 0.05
PATIENCE_S = 2.0  # the longest wait since one was taken: a run that never rests needs sandboxes, too


class Refill:
    """Calls ``fill`` on a thread of its own when one was taken and the engine has been left alone for a moment.

    ``is_empty`` tells whether the pool has none left. Every method may be called from any thread.
    """

    def __init__(self, fill: Callable[[], None], is_empty: Callable[[], bool]) -> None:
        self._fill = fill
        self._is_empty = is_empty
        self._changed = threading.Condition()
        self._busy = 0
        self._quiet_since = 0.0
        self._wanted_since: float | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    def request(self) -> None:
        """Say that one was taken."""
        with self._changed:
            if self._closed:
                return
            if self._wanted_since is None:
                self._wanted_since = _CLOCK.now()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ecs-tasks/sandbox pool", daemon=True)
                self._thread.start()
            self._changed.notify()

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Put it off while a task's containers are made, started or removed."""
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                if not self._busy:
                    self._quiet_since = _CLOCK.now()
                    self._changed.notify()

    def close(self) -> None:
        """Fill no more. Does not wait for one that is being made."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        while self._is_due():
            self._fill()

    def _is_due(self) -> bool:
        """Wait until it is time to fill; False when it is closed."""
        with self._changed:
            while not self._closed:
                left = self._left_s(_CLOCK.now())
                if left is not None and left <= 0:
                    self._wanted_since = None
                    return True
                self._changed.wait(left)
            return False

    def _left_s(self, now: float) -> float | None:
        if self._wanted_since is None:
            return None
        patience = self._wanted_since + PATIENCE_S - now
        if self._busy:
            return patience
        quiet = QUIET_WHEN_EMPTY_S if self._is_empty() else QUIET_S
        return min(patience, max(self._quiet_since, self._wanted_since) + quiet - now)

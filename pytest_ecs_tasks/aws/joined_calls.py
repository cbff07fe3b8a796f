"""The same call made once for all who want its answer at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Call(Generic[Answer]):
    """A call that waits for the one before it, or has begun."""

    before: Future[Answer] | None
    answer: Future[Answer] = field(default_factory=Future)
    has_begun: bool = False


class JoinedCalls(Generic[Answer]):
    """Whoever asks while a call is under way gets the answer of the next one, so that no answer is older than the question."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[Hashable, _Call[Answer]] = {}

    def make(self, key: Hashable, call: Callable[[], Answer]) -> Answer:
        """Return the answer of ``call``, or of another's of the same key that begins after this. Raises what it raises."""
        with self._lock:
            latest = self._calls.get(key)
            if latest is not None and not latest.has_begun:
                joined, leads = latest, False
            else:
                joined, leads = _Call(latest.answer if latest is not None else None), True
                self._calls[key] = joined
        if leads:
            self._lead(key, joined, call)
        return joined.answer.result()

    def _lead(self, key: Hashable, joined: _Call[Answer], call: Callable[[], Answer]) -> None:
        if joined.before is not None:
            joined.before.exception()  # waits, whatever came of it
        with self._lock:
            joined.has_begun = True
            joined.before = None
        try:
            joined.answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - everybody who waits gets it
            joined.answer.set_exception(error)
        with self._lock, contextlib.suppress(KeyError):
            if self._calls[key] is joined:
                del self._calls[key]

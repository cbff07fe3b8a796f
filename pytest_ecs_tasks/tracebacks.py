"""Which of our own frames pytest shows."""

from __future__ import annotations

from typing import Protocol

from pytest_ecs_tasks.errors import EcsTaskError


class ExcInfo(Protocol):
    """The part of pytest's ``ExceptionInfo`` that is asked."""

    @property
    def value(self) -> BaseException:
        """The exception itself."""
        ...


def for_users(excinfo: ExcInfo) -> bool:
    """Tell pytest to hide a module's frames when the error is for the person at the keyboard; a bug of ours shows them.

    A module takes part with ``from pytest_ecs_tasks.tracebacks import for_users as __tracebackhide__``.
    """
    return isinstance(excinfo.value, EcsTaskError)

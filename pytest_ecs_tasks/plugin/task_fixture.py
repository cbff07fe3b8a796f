"""``task_fixture``: a task as a fixture of any scope, in one line."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pytest

from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.plugin import marks
from pytest_ecs_tasks.plugin.marks import MarkerError, Source

Scope = Literal["session", "package", "module", "class", "function"]


def task_fixture(
    source: Source,
    scope: Scope = "module",
    depends: Sequence[str] = (),
    *,
    overrides: Any = None,
    environment: Mapping[str, object] | None = None,
    **keywords: Any,
) -> Any:
    """Return a fixture whose value is a task that runs as long as its scope.

    ``depends`` names fixtures that must be there first. Keywords are those of the marker ``ecs_taskdef``, and ``overrides``
    and ``environment`` as ``ecs_task_factory.run`` has them. A relative path is relative to the file that calls this.
    Raises :class:`EcsTaskError` for a keyword that the marker does not have.
    """
    try:
        mark = marks.call_checked("ecs_taskdef", (source,), keywords)
    except MarkerError as error:
        raise EcsTaskError(f"task_fixture: {error}") from None  # the text says everything
    names = ("ecs_task_factory", *depends)
    caller = sys._getframe(1)

    def task(**fixtures: Any) -> Any:
        run: Callable[..., Any] = fixtures["ecs_task_factory"].run
        return run(source, overrides=overrides, environment=environment, **keywords)

    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in dict.fromkeys(names)]
    attributes = {
        "__signature__": inspect.Signature(
            parameters
        ),  # pytest reads it: what is asked for, before the set-up begins
        "__doc__": f"The task of {source if isinstance(source, str) else 'a task definition'}.",
        "ecs_base": caller.f_globals.get("__file__"),
        "ecs_line": caller.f_lineno,
        "ecs_mark": mark,
        "ecs_overrides": overrides,
    }
    for name, value in attributes.items():
        setattr(task, name, value)
    return pytest.fixture(scope=scope)(task)

"""``ecs_task``: from markers to a task."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_ecs_tasks.plugin import marks
from pytest_ecs_tasks.plugin.factory import start
from pytest_ecs_tasks.plugin.marks import MarkerError, OverrideMark, TaskMark
from pytest_ecs_tasks.plugin.run import EcsRun
from pytest_ecs_tasks.task import EcsTask


def start_marked(run: EcsRun, request: pytest.FixtureRequest) -> EcsTask:
    """Start the task that the parameter or the nearest marker names. A wrong marker fails the test, without a traceback."""
    try:
        mark = task_mark(request.node, getattr(request, "param", None))
        return start(run, mark, override_marks(request.node), {})[0]
    except MarkerError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


def task_mark(item: pytest.Item, parameter: object) -> TaskMark:
    """Return the marker that counts for ``ecs_task``. Raises :class:`MarkerError` without one."""
    mark = find_mark(item, parameter, "ecs_task")
    if mark.count > 1:
        raise MarkerError(
            f"ecs_taskdef(): count={mark.count} makes more tasks than ecs_task can be. "
            f"Use ecs_task_factory.run(…, count={mark.count}), which returns a list."
        )
    return mark


def find_mark(item: pytest.Item, parameter: object, fixture: str) -> TaskMark:
    """Return the marker that counts for a fixture. Raises :class:`MarkerError` without one."""
    nearest = item.get_closest_marker("ecs_taskdef")
    if nearest is None and parameter is None:
        raise MarkerError(
            f"{item.nodeid} uses {fixture} but has no task definition.\n"
            '  Add  @pytest.mark.ecs_taskdef("taskdef.json")  to the test, its class or module.'
        )
    if parameter is None:
        assert nearest is not None
        mark: TaskMark = marks.read_mark(nearest)
    else:
        keywords = (
            {}
            if nearest is None
            else {key: value for key, value in nearest.kwargs.items() if key != "source"}
        )
        mark = marks.call_checked("ecs_taskdef", (parameter,), keywords)
    return replace(mark)


def override_marks(item: pytest.Item) -> list[OverrideMark]:
    """Return the overrides, the outermost first, so that inner ones win."""
    outer_first = reversed(list(item.iter_markers("ecs_overrides")))
    return [marks.read_mark(mark) for mark in outer_first]

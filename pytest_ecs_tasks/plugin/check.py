"""``--ecs-check``: is every task definition that the tests use one that ECS would take? Runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.plugin import marks
from pytest_ecs_tasks.plugin.factory import configured_directory
from pytest_ecs_tasks.plugin.marks import MarkerError, Source
from pytest_ecs_tasks.plugin.run import EcsRun
from pytest_ecs_tasks.plugin.sources import FAMILY, Places, find_file, read_source, report_unsupported


def check_definitions(session: pytest.Session, run: EcsRun) -> tuple[list[str], int]:
    """Return a message for each thing that is wrong, and how many definitions were looked at, each once."""
    messages: dict[str, None] = {}
    looked_at: set[str] = set()
    for item in session.items:
        places = _places(item, run)
        try:
            for source, substitute in _sources(item):
                looked_at.add(_check(source, substitute, places, run))
        except MarkerError as error:
            messages[f"{item.nodeid}: {error}"] = None
        except EcsTaskError as error:
            messages[f"{type(error).__name__}: {error}"] = None
            looked_at.add(str(error).partition("\n")[0])
    return list(messages), len(looked_at - {""})


def _check(source: Source, substitute: Mapping[str, str], places: Places, run: EcsRun) -> str:
    if not isinstance(source, Mapping) and find_file(source, places) is None and FAMILY.match(str(source)):
        return ""  # registered by the test itself, while it runs
    definition = read_source(source, places, substitute=substitute, describe=None, name="ecs_taskdef({…})")
    report_unsupported(definition, places, strict=run.settings.strict)
    return (
        definition.source if not isinstance(source, Mapping) else f"{definition.source} {definition.family}"
    )


def _sources(item: pytest.Item) -> Iterator[tuple[Source, Mapping[str, str]]]:
    """Yield what an item refers to: indirect parameter or nearest marker, and the ``task_fixture``s of its module."""
    nearest = item.get_closest_marker("ecs_taskdef")
    parameters: Mapping[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    if "ecs_task" in parameters:
        yield parameters["ecs_task"], {} if nearest is None else nearest.kwargs.get("substitute") or {}
    elif nearest is not None:
        mark = marks.read_mark(nearest)
        yield mark.source, mark.substitute


def _places(item: pytest.Item, run: EcsRun) -> Places:
    configured, origin = configured_directory(run.config, run.config.getini("ecs_taskdef_dir") or None)
    directory: Path = item.path.parent
    return Places((directory,), run.config.rootpath, configured, origin)

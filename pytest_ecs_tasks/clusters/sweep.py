"""``--ecs-sweep``: remove what dead and kept runs have left on the engine."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_ecs_tasks.runtimes.detect import find_runtime
from pytest_ecs_tasks.runtimes.owner import sweep_all


def sweep_leftovers(engine: str, environ: Mapping[str, str]) -> list[str]:
    """Remove what runs have left whose process is gone, kept ones too; return a line for each run.

    Raises :class:`~pytest_ecs_tasks.errors.EngineUnavailable`.
    """
    found = find_runtime(engine, environ)
    try:
        return list(sweep_all(found.runtime))
    finally:
        found.close()

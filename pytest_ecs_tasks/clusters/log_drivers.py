"""Log drivers that a definition names and the engine has not."""

from __future__ import annotations

import warnings
from dataclasses import replace

from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.engine.ports import ContainerRuntime
from pytest_ecs_tasks.errors import UnsupportedFeature, UnsupportedFieldWarning


def settle_log_drivers(plan: TaskPlan, runtime: ContainerRuntime, *, strict: bool) -> TaskPlan:
    """Return the plan without the log drivers that the engine has not, with a warning for each.

    The output is captured for the test all the same. Raises :class:`UnsupportedFeature` when ``strict``.
    """
    if not any(container.engine_log for container in plan.containers):
        return plan
    problems = []
    containers = []
    for index, container in enumerate(plan.containers):
        wanted = container.engine_log
        if wanted is not None and wanted.driver not in runtime.log_drivers:
            problems.append(
                f"containerDefinitions[{index}].logConfiguration.logDriver: {runtime.name} {runtime.version} has no "
                f"log driver {wanted.driver!r}, only {', '.join(sorted(runtime.log_drivers - {'none'}))}: "
                "the output is captured for the test, and goes nowhere else"
            )
            container = replace(container, engine_log=None)
        containers.append(container)
    source = plan.definition.source
    if problems and strict:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise UnsupportedFeature(f"{source} needs what the engine has not (ecs_strict):{lines}")
    for problem in problems:
        warnings.warn_explicit(f"{source}: {problem}", UnsupportedFieldWarning, source, 1)
    return replace(plan, containers=tuple(containers))

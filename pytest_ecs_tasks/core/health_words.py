"""A health check's last result in words, and what to do about one that cannot run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_ecs_tasks.core.health import HealthProgress, HealthStatus
from pytest_ecs_tasks.core.model import Container, Task

OUTPUT_WIDTH = 160
# What a shell exits with, and engines too, for a program that is not there and for one that cannot be executed.
NOT_FOUND, NOT_EXECUTABLE = 127, 126
# What ash, bash and dash say of a program that is not there: "/bin/sh: 1: curl: not found".
_SHELL_MISSES = re.compile(
    r"sh: (?:line )?(?:\d+: )?(?P<program>[^\s:]+): (?:command )?not found$", re.MULTILINE
)
_ENGINE_MISSES = re.compile(
    r"executable file(?: .{1,80})? not found|no such file or directory", re.IGNORECASE
)


def describe_health(container: Container) -> str:
    """Return how a container's health check stands: ``healthCheck failed with exit 1: connection refused``."""
    progress = container.health
    if progress is None or (
        progress.last_exit_code is None and not progress.last_output and not progress.ever_healthy
    ):
        return "healthCheck never ran"
    if progress.status is HealthStatus.HEALTHY:
        return "HEALTHY"
    code = progress.last_exit_code
    if code is None and container.exited:
        return "healthCheck never ran" if progress.probes <= 1 else "healthCheck was cut short"
    how = "ran out of time" if code is None else f"failed with exit {code}"
    output = " ".join(progress.last_output.split())[:OUTPUT_WIDTH]
    return f"healthCheck {how}: {output}" if output else f"healthCheck {how}"


def advise(task: Task) -> Iterator[str]:
    """Yield, for each health check whose program is not in the image that was run, that it is so and what to do."""
    for container in task.containers:
        progress = container.health
        cause = None if progress is None else _why_it_cannot_run(container, progress)
        if cause is not None:
            yield f"the healthCheck of '{container.name}' cannot run: {cause}. Replace it in this test:"
            yield (
                f'    @pytest.mark.ecs_overrides("{container.name}", health_check=["CMD-SHELL", "…"])'
                "  # or health_check=False, for none"
            )


def _why_it_cannot_run(container: Container, progress: HealthProgress) -> str | None:
    if progress.last_exit_code in (0, None):
        return None
    shell = _SHELL_MISSES.search(progress.last_output)
    check = container.plan.definition.health_check
    program = check.command[1] if check is not None and check.command[0] == "CMD" else "its program"
    where = f"{container.plan.image}, the image that was run"
    if shell is not None:
        return f"{shell['program']} is not in {where}"
    missing = _ENGINE_MISSES.search(progress.last_output) is not None
    if progress.last_exit_code == NOT_FOUND or (progress.last_exit_code == NOT_EXECUTABLE and missing):
        return f"{program} is not in {where}"
    if progress.last_exit_code == NOT_EXECUTABLE:
        return f"{program} cannot be executed in {where}"
    return None

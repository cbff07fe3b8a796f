"""When a health check is run, and what its results mean.

Source of the rules: the API reference's HealthCheck, and Docker's own prober, which the ECS agent relies on. ``fast`` probes
sooner than ECS does and counts failures no sooner: UNHEALTHY never comes before the declared schedule would bring it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from pytest_ecs_tasks.core.taskdef import HealthCheck

FAST_PROBES_S = (0.0, 0.05, 0.1, 0.2, 0.4)
FAST_PERIOD_S = (
    0.35  # a service is found at most half a second after it listens, the probe's own time included
)
FAST_FOR_S = 30.0
SLOW_PERIOD_S = 1.0
OUTPUT_LIMIT = 1024  # the agent's cut, container.go: SetHealthStatus


class HealthStatus(StrEnum):
    """The API's health statuses."""

    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    UNKNOWN = "UNKNOWN"


class HealthMode(StrEnum):
    """``fast`` finds out as soon as a service is up; ``declared`` keeps to the declared schedule alone."""

    FAST = "fast"
    DECLARED = "declared"


@dataclass(frozen=True, slots=True)
class HealthProgress:
    """How the health check of one running container stands. Times are engine seconds.

    ``count_from`` is the first moment at which the next failure counts. ``failures`` is the run of counted failures.
    ``status_exit_code`` and ``status_output`` are of the probe that brought the status, as the metadata tells them.
    """

    started_at: float
    next_probe_at: float
    count_from: float
    status: HealthStatus = HealthStatus.UNKNOWN
    probes: int = 0
    in_flight: bool = False
    failures: int = 0
    ever_healthy: bool = False
    since: float | None = None
    last_exit_code: int | None = None
    last_output: str = ""
    status_exit_code: int | None = None
    status_output: str = ""


def begin(check: HealthCheck, mode: HealthMode, now: float) -> HealthProgress:
    """Return the progress of a check whose container has just started."""
    ticks = max(1, math.ceil(check.start_period_s / check.interval_s))
    return HealthProgress(
        started_at=now,
        next_probe_at=now if mode is HealthMode.FAST else now + check.interval_s,
        count_from=now + (ticks * check.interval_s if mode is HealthMode.FAST else check.start_period_s),
    )


def probe_ordered(progress: HealthProgress) -> HealthProgress:
    """Return the progress with a probe under way; there is never more than one."""
    return replace(progress, in_flight=True, probes=progress.probes + 1)


def absorb(
    progress: HealthProgress,
    check: HealthCheck,
    mode: HealthMode,
    exit_code: int | None,
    output: str,
    now: float,
) -> HealthProgress:
    """Return the progress after a probe; ``exit_code`` ``None`` means that it timed out."""
    progress = replace(progress, in_flight=False, last_exit_code=exit_code, last_output=output[:OUTPUT_LIMIT])
    if exit_code == 0:
        progress = replace(
            _with_status(progress, HealthStatus.HEALTHY, now), failures=0, ever_healthy=True, count_from=now
        )
    elif now >= progress.count_from:
        failures = progress.failures + 1
        progress = replace(progress, failures=failures, count_from=_next_count(progress, check, mode, now))
        if failures >= check.retries:
            progress = _with_status(progress, HealthStatus.UNHEALTHY, now)
    return replace(progress, next_probe_at=_next_probe(progress, check, mode, now))


def _with_status(progress: HealthProgress, status: HealthStatus, now: float) -> HealthProgress:
    if progress.status is status:
        return progress
    return replace(
        progress,
        status=status,
        since=now,
        status_exit_code=progress.last_exit_code,
        status_output=progress.last_output,
    )


def _next_count(progress: HealthProgress, check: HealthCheck, mode: HealthMode, now: float) -> float:
    if mode is HealthMode.DECLARED or progress.ever_healthy:
        return now
    ticks = int((now - progress.started_at) / check.interval_s) + 1
    return progress.started_at + ticks * check.interval_s


def _next_probe(progress: HealthProgress, check: HealthCheck, mode: HealthMode, now: float) -> float:
    if mode is HealthMode.DECLARED or progress.ever_healthy:
        return now + check.interval_s
    if progress.probes < len(FAST_PROBES_S):
        return max(now, progress.started_at + FAST_PROBES_S[progress.probes])
    period = FAST_PERIOD_S if now - progress.started_at < FAST_FOR_S else SLOW_PERIOD_S
    return now + min(period, check.interval_s)

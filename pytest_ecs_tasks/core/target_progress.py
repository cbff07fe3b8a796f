"""How far the health checks of a task's targets are, as a load balancer counts them.

Source: Elastic Load Balancing user guides, "Health checks for target groups": one passed check makes a new target healthy,
``UnhealthyThresholdCount`` failed ones in a row make it unhealthy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

# Before a target has answered for the first time a test should not wait for the interval; then once a second.
FIRST_PAUSES_S = (0.05, 0.1, 0.2, 0.4)
PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class CheckSchedule:
    """How often targets are checked, in seconds, and how many failed checks in a row make them unhealthy."""

    interval_s: float = 30.0
    unhealthy_threshold: int = 2


@dataclass(frozen=True, slots=True)
class TargetProblem:
    """A failed check: of which target group and port, and why."""

    group_arn: str
    port: int
    reason: str


@dataclass(frozen=True, slots=True)
class TargetProgress:
    """The checks of one task's targets so far; times in engine seconds. ``counted_at``: the last failure that counts."""

    schedule: CheckSchedule
    next_at: float
    checking: bool = False
    healthy: bool = False
    tries: int = 0
    failures: int = 0
    counted_at: float = -math.inf
    problem: TargetProblem | None = None

    @property
    def unhealthy(self) -> bool:
        """Whether the load balancer has given the task up."""
        return self.failures >= self.schedule.unhealthy_threshold

    def is_due(self, now: float) -> bool:
        """Tell whether the next check is to be made."""
        return not self.checking and now >= self.next_at


def after_check(
    progress: TargetProgress, problem: TargetProblem | None, now: float, *, hurried: bool
) -> TargetProgress:
    """Return the progress after a check. ``hurried``: one that is not healthy is looked at more often than declared.

    Failures count once an interval all the same.
    """
    interval_s = progress.schedule.interval_s
    checked = replace(progress, checking=False, tries=progress.tries + 1, problem=problem)
    if problem is None:
        return replace(checked, healthy=True, failures=0, next_at=now + interval_s)
    if now >= progress.counted_at + interval_s:
        checked = replace(checked, failures=checked.failures + 1, counted_at=now)
    checked = replace(checked, healthy=checked.healthy and not checked.unhealthy)
    hurries = hurried and not checked.healthy
    pause_s = min(_pause(progress.tries), interval_s) if hurries else interval_s
    return replace(checked, next_at=now + pause_s)


def _pause(tries: int) -> float:
    return FIRST_PAUSES_S[tries] if tries < len(FIRST_PAUSES_S) else PAUSE_S

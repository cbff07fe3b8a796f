"""The health of a load balancer's targets, in the words of ELB's DescribeTargetHealth.

Source: Elastic Load Balancing API, TargetHealth; the descriptions are ELB's as its answers have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """``TargetHealth``: one that is healthy has neither reason nor description."""

    state: str
    reason: str = ""
    description: str = ""


HEALTHY = TargetHealth("healthy")
TIMED_OUT = TargetHealth("unhealthy", "Target.Timeout", "Request timed out")
FAILED = TargetHealth("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
NOT_REGISTERED = TargetHealth(
    "unused", "Target.NotRegistered", "Target is not registered to the target group"
)


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One element of ``TargetHealthDescriptions``. ``check_port`` is the number of the port that is checked."""

    target_id: str
    port: int
    check_port: str
    health: TargetHealth


def judge(status: int, matcher: str) -> TargetHealth:
    """Return what an HTTP status means for a target. ``matcher``: codes and ranges of them, such as ``200,300-399``."""
    for part in matcher.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and int(first) <= status <= int(last or first):
            return HEALTHY
    text = f"Health checks failed with these codes: [{status}]"
    return TargetHealth("unhealthy", "Target.ResponseCodeMismatch", text)


def merge(
    others: Sequence[HealthRow], ours: Mapping[tuple[str, int], HealthRow], *, asked: bool
) -> tuple[HealthRow, ...]:
    """Return the rows of an answer: those of others as they are, ours by id and port in the place of theirs.

    ``asked``: the request has named its targets, and ``others`` has a row for each.
    """
    our_ids = {target_id for target_id, _ in ours}
    if not asked:
        return (*(row for row in others if row.target_id not in our_ids), *ours.values())
    rows: list[HealthRow] = []
    for row in others:
        unknown = row if row.target_id not in our_ids else _unused(row)
        rows.append(ours.get((row.target_id, row.port), unknown))
    return tuple(rows)


def _unused(row: HealthRow) -> HealthRow:
    return HealthRow(row.target_id, row.port, row.check_port, NOT_REGISTERED)

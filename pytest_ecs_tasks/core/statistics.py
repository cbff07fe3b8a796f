"""A container's resource use as the metadata endpoints tell it: Docker's own document, and rates from two of them.

Source: amazon-ecs-agent, agent/stats/engine.go (ContainerDockerStats) and queue.go (add).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Sample = Mapping[str, Any]


def with_previous(sample: Sample, before: Sample) -> dict[str, Any]:
    """Return a sample that tells the one before, too, as one of a stream does."""
    return {**sample, "preread": before.get("read"), "precpu_stats": before.get("cpu_stats", {})}


def network_rates(before: Sample, sample: Sample) -> dict[str, float] | None:
    """Return bytes per second over all interfaces, between two samples; ``None`` without a network or without time."""
    seconds = seconds_between(before, sample)
    if seconds <= 0 or not sample.get("networks") or not before.get("networks"):
        return None
    return {
        f"{direction}_bytes_per_sec": (_total(sample, direction) - _total(before, direction)) / seconds
        for direction in ("rx", "tx")
    }


def _total(sample: Sample, direction: str) -> int:
    return sum(int(interface.get(f"{direction}_bytes", 0)) for interface in sample["networks"].values())


def seconds_between(before: Sample, sample: Sample) -> float:
    """Return how much later a sample was taken than another."""
    first, second = (datetime.fromisoformat(str(each["read"])) for each in (before, sample))
    return (second - first).total_seconds()

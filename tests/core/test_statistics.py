"""Rates from two samples of a container's statistics."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.core.statistics import network_rates, with_previous


def sample(second: float, **received: int) -> dict[str, object]:
    networks = {name: {"rx_bytes": count, "tx_bytes": 2 * count} for name, count in received.items()}
    read = f"2026-01-31T12:00:{second:012.9f}Z"
    return {"read": read, "cpu_stats": {"cpu_usage": {"total_usage": int(second)}}, "networks": networks}


def test_rates_are_bytes_per_second_over_all_interfaces() -> None:
    rates = network_rates(sample(1, eth0=100, eth1=0), sample(3, eth0=300, eth1=50))

    assert rates == {"rx_bytes_per_sec": 125.0, "tx_bytes_per_sec": 250.0}


def test_nanoseconds_count() -> None:
    rates = network_rates(sample(1.25, eth0=0), sample(1.75, eth0=100))

    assert rates is not None
    assert rates["rx_bytes_per_sec"] == pytest.approx(200)


@pytest.mark.parametrize(
    ("before", "after"),
    [(sample(1, eth0=0), sample(1, eth0=9)), (sample(1), sample(2)), (sample(1), sample(2, eth0=9))],
    ids=["no time", "no network", "a network that has just come"],
)
def test_without_time_or_network_there_is_no_rate(
    before: dict[str, object], after: dict[str, object]
) -> None:
    assert network_rates(before, after) is None


def test_a_sample_tells_the_one_before() -> None:
    document = with_previous({**sample(2), "preread": "never", "precpu_stats": {}}, sample(1))

    assert document["preread"] == "2026-01-31T12:00:01.000000000Z"
    assert document["precpu_stats"] == {"cpu_usage": {"total_usage": 1}}

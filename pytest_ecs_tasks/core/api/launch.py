"""Which capacity each task of a request gets: a launch type, or a capacity provider of a strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_ecs_tasks.core.api.calls import parameter_error
from pytest_ecs_tasks.core.api.state import FARGATE_PROVIDERS, Cluster
from pytest_ecs_tasks.core.plan import default_launch_type
from pytest_ecs_tasks.core.request import LaunchType
from pytest_ecs_tasks.core.taskdef import TaskDefinition

# API, CapacityProviderStrategyItem.
LARGEST_WEIGHT = 1_000
LARGEST_BASE = 100_000

LAUNCH_TYPES = ("EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES")


@dataclass(frozen=True, slots=True)
class Launch:
    """What one task runs on. ``shown_as`` is its ``launchType`` where that is another than the rules it follows."""

    launch_type: LaunchType
    capacity_provider: str | None = None
    shown_as: str | None = None


def choose_launches(
    request: Mapping[str, Any], cluster: Cluster, definition: TaskDefinition, count: int
) -> list[Launch]:
    """Return what each of ``count`` tasks runs on.

    Without a launch type or strategy the cluster's default strategy counts, then what the definition requires.
    """
    launch_type, strategy = request.get("launchType"), request.get("capacityProviderStrategy")
    if launch_type and strategy:
        raise parameter_error(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    if launch_type:
        return [_by_launch_type(launch_type)] * count
    strategy = strategy or cluster.default_strategy
    if not strategy:
        return [Launch(default_launch_type(definition))] * count
    return [_by_provider(name) for name in _spread(strategy, count)]


def _by_launch_type(name: str) -> Launch:
    if name not in LAUNCH_TYPES:
        raise parameter_error(f"launchType is {name}; it is one of {', '.join(LAUNCH_TYPES)}")
    if name in LaunchType.__members__:
        return Launch(LaunchType(name))
    return Launch(LaunchType.EC2, shown_as=name)


def _by_provider(name: str) -> Launch:
    return Launch(LaunchType.FARGATE if name in FARGATE_PROVIDERS else LaunchType.EC2, capacity_provider=name)


def _spread(strategy: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    """Return a capacity provider for each task: the bases first, then in the proportion of the weights.

    Source: API, CapacityProviderStrategyItem; a single item without a weight takes every task.
    """
    _check_numbers(strategy)
    chosen: list[str] = []
    for item in strategy:
        chosen += [item["capacityProvider"]] * min(item.get("base", 0), count)
    weights = {item["capacityProvider"]: item.get("weight", 0) for item in strategy}
    if not any(weights.values()):
        weights = {strategy[0]["capacityProvider"]: 1}
    rest: list[str] = []
    while len(chosen) + len(rest) < count:
        rest.append(min(weights, key=lambda name: _load(rest.count(name), weights[name])))
    return (chosen + rest)[:count]


def _check_numbers(strategy: Sequence[Mapping[str, Any]]) -> None:
    for item in strategy:
        for name, largest in (("weight", LARGEST_WEIGHT), ("base", LARGEST_BASE)):
            if not 0 <= item.get(name, 0) <= largest:
                raise parameter_error(f"{name} is {item[name]}; it is 0 to {largest}")


def _load(tasks: int, weight: int) -> float:
    return (tasks + 1) / weight if weight else float("inf")

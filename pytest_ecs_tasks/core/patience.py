"""How long a test waits for a task, and what it has waited for."""

from __future__ import annotations

from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.taskdef import Condition, ContainerDefinition, TaskDefinition

LEAST_START_TIMEOUT_S = 30.0
DEFAULT_STEP_S = 30.0  # for a dependency that must end and has no startTimeout
LONGEST_PULL_S = 900.0


def start_timeout_s(task: Task) -> float:
    """Return how long a task may take to become HEALTHY: the longest chain of health checks and dependencies, and a margin.

    In seconds, at least 30.
    """
    definition = task.plan.definition
    known: dict[str, float] = {}
    longest = max(_healthy_after_s(definition, each, known) for each in definition.containers)
    return LEAST_START_TIMEOUT_S + longest


def _healthy_after_s(
    definition: TaskDefinition, container: ContainerDefinition, known: dict[str, float]
) -> float:
    """Return when a container is HEALTHY at the latest; cycles cannot be, the parser refuses them."""
    if container.name not in known:
        known[container.name] = 0.0
        starts = max(
            (
                _met_after_s(definition, definition.container(each.container), each.condition, known)
                for each in container.depends_on
            ),
            default=0.0,
        )
        known[container.name] = starts + _health_time_s(container)
    return known[container.name]


def _met_after_s(
    definition: TaskDefinition, container: ContainerDefinition, condition: Condition, known: dict[str, float]
) -> float:
    healthy_after = _healthy_after_s(definition, container, known)
    starts = healthy_after - _health_time_s(container)
    match condition:
        case Condition.START | Condition.CREATE:
            return starts
        case Condition.HEALTHY:
            return healthy_after
        case Condition.SUCCESS | Condition.COMPLETE:
            return starts + (container.start_timeout_s or DEFAULT_STEP_S)


def _health_time_s(container: ContainerDefinition) -> float:
    """Return how long a container may take to be HEALTHY before its check calls it UNHEALTHY."""
    check = container.health_check
    if check is None:
        return 0.0
    return check.start_period_s + check.retries * check.interval_s + check.timeout_s


def pull_time_s(task: Task, *, since: float, now: float) -> float:
    """Return how much of the time from ``since`` to ``now`` went into getting images, at most 15 minutes."""
    if task.pull_started_at is None:
        return 0.0
    ended = now if task.pull_stopped_at is None else task.pull_stopped_at
    return min(LONGEST_PULL_S, max(0.0, ended - max(task.pull_started_at, since)))


def was_healthy(task: Task) -> bool:
    """Tell whether a task is HEALTHY, or was before it began to stop.

    A job that ends within a moment of being RUNNING has been RUNNING, whether anybody looked at the right time or not.
    """
    if task.is_healthy:
        return True
    if not task.desired_stopped or task.started_at is None:
        return False
    return all(
        container.health is not None and container.health.ever_healthy
        for container in task.containers
        if container.plan.definition.health_check is not None
    )


def unmet(task: Task, goal: str) -> str:
    """Return what a task that stopped had not become: "it was HEALTHY"."""
    checked = any(container.plan.definition.health_check for container in task.containers)
    if goal == "HEALTHY" and not checked:
        return "it was RUNNING (no container has a healthCheck)"
    return f"it was {goal}"

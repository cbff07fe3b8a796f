"""Which container may start, which never can, and which may stop: dependsOn and links, on every step anew.

Source: amazon-ecs-agent, dependencygraph/graph.go. Unlike the agent, a container that failed without ever running makes every
container that waits for it hopeless, whatever the order of the definition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_ecs_tasks.core import stop_reasons
from pytest_ecs_tasks.core.health import HealthStatus
from pytest_ecs_tasks.core.model import Container, ContainerStatus, Task
from pytest_ecs_tasks.core.taskdef import Condition, Dependency


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a container may go on. ``hopeless`` is the reason for which it never will; ``deadline`` in engine seconds."""

    blocked_on: Dependency | None = None
    hopeless: str | None = None
    deadline: float = math.inf

    @property
    def is_open(self) -> bool:
        """Whether every dependency is met."""
        return self.blocked_on is None and self.hopeless is None


def gate(task: Task, container: Container, now: float) -> Gate:
    """Return how the container's dependencies stand."""
    blocked_on = None
    deadline = math.inf
    for dependency in container.plan.depends_on:
        on = task.container(dependency.container)
        expires = start_deadline(on, dependency.condition)
        what = _why_hopeless(on, dependency.condition, expired=now >= expires)
        if what is not None and not is_met(on, dependency.condition, container.status):
            reason = stop_reasons.dependency(describe(task, container), describe(task, on), what)
            return Gate(blocked_on=dependency, hopeless=reason)
        if not is_met(on, dependency.condition, container.status):
            blocked_on = dependency
            deadline = min(deadline, expires)
    return Gate(blocked_on=blocked_on, deadline=deadline)


def start_deadline(on: Container, condition: Condition) -> float:
    """Return when waiting for a dependency ends: its own startTimeout, counted from its start; START and CREATE have none."""
    timeout = on.plan.definition.start_timeout_s
    if condition in (Condition.START, Condition.CREATE) or on.started_at is None or not timeout:
        return math.inf
    return on.started_at + timeout


def is_met(on: Container, condition: Condition, target: ContainerStatus) -> bool:
    """Tell whether a dependency holds, for a container that has the status ``target``."""
    match condition:
        case Condition.START:
            enough = ContainerStatus.CREATED if target is ContainerStatus.NONE else ContainerStatus.RUNNING
            return on.ever_ran or (on.status >= enough and not on.stopped)
        case Condition.COMPLETE:
            return on.stopped and on.ever_ran and on.exit_code is not None
        case Condition.SUCCESS:
            return on.stopped and on.exit_code == 0
        case Condition.CREATE:
            return on.runtime_id is not None
        case Condition.HEALTHY:
            return on.health_status is HealthStatus.HEALTHY


def _why_hopeless(on: Container, condition: Condition, *, expired: bool) -> str | None:
    if expired:
        return "timed out"
    if condition is Condition.SUCCESS and on.stopped and on.exit_code != 0:
        return "did not exit successfully"
    if on.stopped and not on.ever_ran:
        return "will never start"
    return None


def describe(task: Task, container: Container) -> str:
    """Return a container in the agent's notation: ``name(image) (KNOWN->DESIRED) - Exit: N``.

    Source: amazon-ecs-agent, container.go, String. A container that was not created shows MANIFEST_PULLED.
    """
    known = "MANIFEST_PULLED" if container.status is ContainerStatus.NONE else container.status.name
    desired = "STOPPED" if task.desired_stopped else "RUNNING"
    code = "" if container.exit_code is None else f" - Exit: {container.exit_code}"
    return f"{container.name}({container.plan.image}) ({known}->{desired}){code}"


def may_stop(task: Task, container: Container) -> bool:
    """Tell whether every container that depends on this one has stopped.

    Direct dependents only; chains follow step by step.

    Source: amazon-ecs-agent, dependencygraph/graph.go, verifyShutdownOrder.
    """
    return all(
        other.stopped
        for other in task.containers
        if any(dependency.container == container.name for dependency in other.plan.depends_on)
    )

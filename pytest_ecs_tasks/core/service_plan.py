"""How many tasks a service is to start now, and which it is to stop. Nothing here changes anything.

The rules are those of the API reference (DeploymentConfiguration) and of the developer guide (Amazon ECS services): start
replacements first where ``maximumPercent`` has room, stop only what ``minimumHealthyPercent`` can spare.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_ecs_tasks.core import service_texts as texts
from pytest_ecs_tasks.core.health import HealthStatus
from pytest_ecs_tasks.core.service_model import (
    Registration,
    RolloutState,
    Service,
    ServiceStatus,
    ServiceTask,
)


@dataclass(frozen=True, slots=True)
class PlannedStop:
    """A task that is to be stopped: ``reason`` for its ``stoppedReason``, ``cause`` for the transcript."""

    task: ServiceTask
    reason: str
    cause: str


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What is to be done now.

    ``replacing`` of the tasks to start take the place of unhealthy ones. ``no_room`` says that the deployment
    configuration allows nothing although there is something to do. ``protected`` tasks would be stopped otherwise.
    """

    start: int = 0
    replacing: int = 0
    stops: tuple[PlannedStop, ...] = ()
    no_room: bool = False
    protected: tuple[ServiceTask, ...] = ()
    wake_at: float = math.inf


@dataclass(frozen=True, slots=True)
class _Census:
    """The service's live tasks by what they are good for."""

    good: tuple[ServiceTask, ...]  # of the PRIMARY deployment: healthy, or may become so
    bad: tuple[ServiceTask, ...]  # of the PRIMARY deployment: UNHEALTHY
    healthy: int  # of the good ones
    others: tuple[ServiceTask, ...]  # of other deployments
    serving: tuple[ServiceTask, ...]  # of the others
    now: float
    present: int  # every task that is not STOPPED; its ports are taken until then


def plan_service(service: Service, now: float) -> ServicePlan:
    """Return what the service is to do at that moment."""
    live = tuple(task for task in service.tasks if task.live)
    if service.status is not ServiceStatus.ACTIVE:
        return ServicePlan(stops=_scaling_stops(live, "the service is deleted"))
    census = _take_census(service, live, now)
    wanted = _wanted_starts(service, census)
    waiting = wanted > 0 and now < service.primary.retry_at
    start = 0 if waiting else min(wanted, _room(service, census))
    stops, protected = _stops(service, census, short_of_room=wanted > 0 and not waiting and start == 0)
    missing = max(0, service.settings.desired_count - len(census.good) - len(census.bad))
    idle = not (waiting or start or stops or protected) and census.present == len(live)
    return ServicePlan(
        start=start,
        replacing=max(0, start - missing) if census.bad else 0,
        stops=stops,
        no_room=idle and wanted > 0 and census.healthy == len(census.good),
        protected=protected,
        wake_at=_wake_at(service, now, service.primary.retry_at if waiting else math.inf),
    )


def _take_census(service: Service, live: Sequence[ServiceTask], now: float) -> _Census:
    settings, settle_s = service.settings, service.pace.settle_s
    own = [task for task in live if task.deployment_id == service.primary.deployment_id]
    bad = tuple(task for task in own if task.is_unhealthy(settings.grace_period_s, now))
    good = tuple(task for task in own if task not in bad)
    others = tuple(task for task in live if task.deployment_id != service.primary.deployment_id)
    return _Census(
        good=good,
        bad=bad,
        healthy=sum(task.is_healthy(settle_s, now) for task in good),
        others=others,
        # A task that is to go and has only just come serves all the same.
        serving=tuple(task for task in others if task.is_healthy(0.0, now)),
        now=now,
        present=len(service.tasks),
    )


def _wanted_starts(service: Service, census: _Census) -> int:
    # Guide, deployment-circuit-breaker: a deployment in a FAILED state doesn't launch any new tasks.
    if service.primary.rollout_state is RolloutState.FAILED:
        return 0
    return max(0, service.settings.desired_count - len(census.good))


def _room(service: Service, census: _Census) -> int:
    settings = service.settings
    return max(0, max(settings.upper_limit, settings.desired_count) - census.present)


def _stops(
    service: Service, census: _Census, *, short_of_room: bool
) -> tuple[tuple[PlannedStop, ...], tuple[ServiceTask, ...]]:
    """Return the tasks to stop, and those that only their protection keeps."""
    desired = service.settings.desired_count
    surplus, kept = _choose(census, _least_useful_first(census.good), len(census.good) - desired)
    stops = _scaling_stops(surplus, "more tasks than the desired count")
    stops += _health_stops(_replaced(census, desired), "its replacement is there")
    old, kept_old = _replaced_by_deployment(service, census)
    stops += _scaling_stops(old, "the PRIMARY deployment replaces it")
    if short_of_room and not stops:
        stops += _one_by_one(service, census)
    return stops, kept + kept_old


def _replaced(census: _Census, desired: int) -> tuple[ServiceTask, ...]:
    """Return the UNHEALTHY tasks that may go: as many as there are healthy tasks, or too many tasks, in their place."""
    unsettled = len(census.good) - census.healthy
    spare = len(census.good) + len(census.bad) - desired - unsettled
    return census.bad[: max(0, spare)]


def _one_by_one(service: Service, census: _Census) -> tuple[PlannedStop, ...]:
    """Return one UNHEALTHY task to make room for its replacement, unless one is on its way out already.

    Source: API, DeploymentConfiguration.minimumHealthyPercent.
    """
    if any(not task.live for task in service.tasks):
        return ()
    return _health_stops(census.bad[:1], "maximumPercent leaves no room to start its replacement first")


def _replaced_by_deployment(
    service: Service, census: _Census
) -> tuple[tuple[ServiceTask, ...], tuple[ServiceTask, ...]]:
    if service.primary.rollout_state is RolloutState.FAILED:
        return (), ()  # it stalls: what runs goes on
    useless = tuple(task for task in census.others if task not in census.serving)
    spare = census.healthy + len(census.serving) - service.settings.lower_limit
    old, kept = _choose(census, census.serving, spare)
    useless_old, useless_kept = _choose(census, useless, len(useless))
    return useless_old + old, useless_kept + kept


def _choose(
    census: _Census, candidates: Iterable[ServiceTask], count: int
) -> tuple[tuple[ServiceTask, ...], tuple[ServiceTask, ...]]:
    """Return the first ``count`` that may be stopped, and the protected ones that would have been among them."""
    chosen: list[ServiceTask] = []
    kept: list[ServiceTask] = []
    for task in candidates:
        if len(chosen) >= count:
            break
        (kept if task.protected_until > census.now else chosen).append(task)
    return tuple(chosen), tuple(kept[: max(0, count - len(chosen))])


def _least_useful_first(tasks: Iterable[ServiceTask]) -> list[ServiceTask]:
    """Sort tasks by how little is lost with them: not RUNNING yet, not HEALTHY, then the oldest.

    ECS documents an order of Availability Zones and instances only; here is one of each.
    """
    return sorted(tasks, key=lambda task: (task.running, task.was_healthy, task.number))


def _scaling_stops(tasks: Iterable[ServiceTask], cause: str) -> tuple[PlannedStop, ...]:
    return tuple(PlannedStop(task, texts.scaling_activity(task.deployment_id), cause) for task in tasks)


def _health_stops(tasks: Iterable[ServiceTask], cause: str) -> tuple[PlannedStop, ...]:
    return tuple(PlannedStop(task, _why_unhealthy(task), cause) for task in tasks)


def _why_unhealthy(task: ServiceTask) -> str:
    if task.health is HealthStatus.UNHEALTHY or task.targets is None or task.targets.problem is None:
        return texts.FAILED_HEALTH_CHECKS
    return texts.failed_target_checks(task.targets.problem.group_arn)


def _wake_at(service: Service, now: float, retry_at: float) -> float:
    """Return when time alone changes something: a start, a registration or a check is due, a task has settled and so on."""
    moments = [retry_at]
    for task in service.tasks:
        if task.live:
            moments.append(task.protected_until)
        if task.live and task.running and task.running_since is not None:
            if not task.health_checked:
                moments.append(task.running_since + service.pace.settle_s)
            if task.fails_checks:
                moments.append(task.running_since + service.settings.grace_period_s)
            if task.registration is Registration.FAILED:
                moments.append(task.register_at)
            if task.targets is not None and not task.targets.checking:
                moments.append(task.targets.next_at)
    return min((moment for moment in moments if moment > now), default=math.inf)

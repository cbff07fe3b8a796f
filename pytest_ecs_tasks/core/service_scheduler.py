"""What one fact leads to for a service: write it down, settle what follows from the state alone, decide what is next.

The ECS service scheduler as its guide and API reference describe it; where they are silent (the growth of the back-off,
the order of a scale-in), ``docs/fidelity.md`` says what is done here. How many tasks to start and which to stop is
decided by :mod:`pytest_ecs_tasks.core.service_plan`. Nothing here waits: time is an argument and a return value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core import service_texts as texts
from pytest_ecs_tasks.core.service_absorb import (
    Outcome,
    absorb,
    begin_deployment,
    complete,
    has_what_it_is_to_have,
    make_primary,
    say_once,
)
from pytest_ecs_tasks.core.service_model import (
    Deployment,
    DeploymentStatus,
    Pace,
    RolloutState,
    Service,
    ServiceSettings,
    ServiceStatus,
    ServiceTask,
)
from pytest_ecs_tasks.core.service_plan import PlannedStop, ServicePlan, plan_service
from pytest_ecs_tasks.core.service_traffic import direct_traffic


@dataclass(frozen=True, slots=True)
class ServiceStep:
    """What one fact led to. ``wake_at`` is in engine seconds; ``math.inf`` when nothing is timed."""

    service: Service
    orders: tuple[facts.ServiceOrder, ...]
    announcements: tuple[facts.Announcement, ...]
    wake_at: float


def create_service(
    *,
    name: str,
    arn: str,
    cluster_arn: str,
    settings: ServiceSettings,
    deployment_id: str,
    pace: Pace,
    now: float,
    first_number: int = 1,
) -> ServiceStep:
    """Return a service that has just been created, with its first orders; its tasks are numbered from ``first_number``."""
    outcome = Outcome(now)
    service = Service(name, arn, cluster_arn, settings, created_at=now, pace=pace, next_number=first_number)
    return _finish(begin_deployment(service, deployment_id, outcome), outcome)


def advance_service(service: Service, fact: facts.ServiceFact, now: float) -> ServiceStep:
    """Return the service after one fact, what is to be done next, and when to look again without one."""
    outcome = Outcome(now)
    service = _mark_healthy(service, now)
    return _finish(absorb(service, fact, outcome), outcome)


def _finish(service: Service, outcome: Outcome) -> ServiceStep:
    """Settle and decide until there is nothing left to do: a stop can break the circuit, which changes the plan."""
    service = _mark_healthy(service, outcome.now)
    wake_at = math.inf
    while True:
        service, orders = direct_traffic(service, outcome.now)
        outcome.orders += orders
        service = _send_stops(service, (), outcome)  # those that waited until traffic was led away
        service = _settle(service, outcome)
        if service.status is ServiceStatus.INACTIVE:
            wake_at = math.inf
            break
        plan = plan_service(service, outcome.now)
        service, wake_at = _decide(service, plan, outcome), plan.wake_at
        if not plan.start and not plan.stops:
            break
    return ServiceStep(service, tuple(outcome.orders), tuple(outcome.announcements), wake_at)


# --- settle: what follows from the state alone


def _mark_healthy(service: Service, now: float) -> Service:
    """Note the tasks that have become healthy; the first one of a deployment ends its trouble."""
    for task in service.tasks:
        if task.was_healthy or not task.is_healthy(service.pace.settle_s, now):
            continue
        service = service.with_task(replace(task, was_healthy=True))
        deployment = service.find_deployment(task.deployment_id)
        if deployment is None:
            continue
        reset = service.settings.circuit_breaker.reset_on_healthy_task
        service = service.with_deployment(
            replace(
                deployment,
                failed_tasks=0 if reset else deployment.failed_tasks,
                failures_in_a_row=0,
                unstarted_in_a_row=0,
                retry_at=-math.inf,
                said=frozenset(),
            )
        )
    return service


def _settle(service: Service, outcome: Outcome) -> Service:
    if service.status is ServiceStatus.INACTIVE:
        return service
    service = _retire_deployments(_break_circuit(service, outcome))
    if service.status is ServiceStatus.DRAINING:
        return _settle_drained(service)
    return _settle_steady(_settle_completed(service, outcome), outcome)


def _retire_deployments(service: Service) -> Service:
    kept = tuple(each for each in service.deployments if _is_listed(service, each))
    return service if len(kept) == len(service.deployments) else replace(service, deployments=kept)


def _is_listed(service: Service, deployment: Deployment) -> bool:
    """Tell whether DescribeServices still shows it. One that has FAILED stays until the rollback is done."""
    if deployment.status is DeploymentStatus.PRIMARY:
        return True
    if any(task.counts for task in service.tasks_of(deployment.deployment_id)):
        return True
    failed = deployment.rollout_state is RolloutState.FAILED
    return failed and service.primary.rollout_state is RolloutState.IN_PROGRESS


def _break_circuit(service: Service, outcome: Outcome) -> Service:
    primary, breaker = service.primary, service.settings.circuit_breaker
    tripped = primary.failed_tasks >= breaker.threshold(service.settings.desired_count)
    if not breaker.enabled or not tripped or primary.rollout_state is not RolloutState.IN_PROGRESS:
        return service
    failed = replace(
        primary,
        rollout_state=RolloutState.FAILED,
        rollout_reason=texts.TASKS_FAILED_TO_START,
        updated_at=outcome.now,
    )
    outcome.announce("ERROR", "SERVICE_DEPLOYMENT_FAILED", texts.TASKS_FAILED_TO_START, failed.deployment_id)
    service = service.with_deployment(failed)
    service = service.with_event(texts.deployment_failed(service.name, failed.deployment_id), outcome.now)
    return _roll_back(service, outcome) if breaker.rollback and service.completed else service


def _roll_back(service: Service, outcome: Outcome) -> Service:
    """Make the last COMPLETED deployment the PRIMARY one again, under its own id.

    Source: guide, deployment-circuit-breaker: it goes from COMPLETED to IN_PROGRESS and is not eligible for another
    rollback until it is COMPLETED once more.
    """
    target = service.completed
    assert target is not None
    reason = texts.rolling_back_to(target.deployment_id)
    again = replace(
        target,
        status=DeploymentStatus.PRIMARY,
        rollout_state=RolloutState.IN_PROGRESS,
        rollout_reason=reason,
        updated_at=outcome.now,
        failed_tasks=0,
        failures_in_a_row=0,
        unstarted_in_a_row=0,
        retry_at=-math.inf,
        said=frozenset(),
    )
    outcome.announce("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", reason, target.deployment_id)
    service = service.with_event(texts.rolling_back(service.name, target.deployment_id), outcome.now)
    settings = replace(service.settings, revision=target.revision)
    return make_primary(replace(service, settings=settings, completed=None), again)


def _settle_drained(service: Service) -> Service:
    """Source: API, DeleteService: INACTIVE once every task is STOPPING or STOPPED, which an unsent stop makes of none."""
    if any(
        task.counts or task.expects_traffic or (task.stop_reason and not task.stop_sent)
        for task in service.tasks
    ):
        return service
    return replace(service, status=ServiceStatus.INACTIVE, deployments=(), steady=False)


def _settle_completed(service: Service, outcome: Outcome) -> Service:
    in_progress = service.primary.rollout_state is RolloutState.IN_PROGRESS
    if in_progress and has_what_it_is_to_have(service, service.pace.settle_s, outcome.now):
        return complete(service, outcome)
    return service


def _settle_steady(service: Service, outcome: Outcome) -> Service:
    done = service.primary.rollout_state is RolloutState.COMPLETED
    steady = done and has_what_it_is_to_have(service, service.pace.settle_s, outcome.now)
    if steady and not service.steady:
        outcome.announce("INFO", "SERVICE_STEADY_STATE")
        service = service.with_event(texts.steady_state(service.name), outcome.now)
    return service if steady == service.steady else replace(service, steady=steady)


# --- decide: what is to be done next


def _decide(service: Service, plan: ServicePlan, outcome: Outcome) -> Service:
    service = _order_start(service, plan, outcome)
    for stop in plan.stops:
        service = service.with_task(replace(stop.task, stop_reason=stop.reason))
        service = _say_unhealthy_target(service, stop, outcome)
    service = _send_stops(service, plan.stops, outcome)
    if plan.no_room:
        primary = service.primary.deployment_id
        service = say_once(service, primary, texts.no_room(service.name), outcome)
    for deployment_id in dict.fromkeys(task.deployment_id for task in plan.protected):
        count = sum(task.deployment_id == deployment_id for task in plan.protected)
        message = texts.under_protection(service.name, deployment_id, count)
        service = say_once(service, deployment_id, message, outcome)
    return service


def _order_start(service: Service, plan: ServicePlan, outcome: Outcome) -> Service:
    if not plan.start:
        return service
    first, deployment_id = service.next_number, service.primary.deployment_id
    new = tuple(
        ServiceTask(
            first + index,
            deployment_id,
            replaces=index >= plan.start - plan.replacing,
            traffic=service.primary.revision.traffic,
        )
        for index in range(plan.start)
    )
    cause = f"{service.settings.desired_count} tasks are desired"
    if plan.replacing:
        cause += f", {plan.replacing} are UNHEALTHY"
    outcome.orders.append(facts.StartTasks(deployment_id, tuple(task.number for task in new), cause))
    return replace(service, tasks=(*service.tasks, *new), next_number=first + plan.start)


def _send_stops(service: Service, planned: tuple[PlannedStop, ...], outcome: Outcome) -> Service:
    """Order the stops of tasks whose ids are known and to which no traffic leads; the others follow as soon as they can."""
    causes = {stop.task.number: stop.cause for stop in planned}
    waiting = [task for task in service.tasks if task.stop_reason and not task.stop_sent]
    due = [task for task in waiting if task.task_id and not task.expects_traffic]
    for task in due:
        assert task.task_id is not None
        assert task.stop_reason is not None
        service = service.with_task(replace(task, stop_sent=True))
        if task.desired_stopped:
            continue
        cause = causes.get(task.number, "it was to be stopped before it could be")
        outcome.orders.append(facts.StopServiceTask(task.number, task.task_id, task.stop_reason, cause))
        if texts.is_for_health(task.stop_reason):
            service = _count_health_failure(service, task.deployment_id, outcome)
        if task.stop_reason == texts.FAILED_HEALTH_CHECKS:
            message = texts.failed_health_checks(service.name, task.task_id)
            service = service.with_event(message, outcome.now)
    stopped = [task.task_id or "" for task in due if not task.desired_stopped]
    if stopped:
        service = service.with_event(texts.tasks_stopped(service.name, stopped), outcome.now)
    return service


def _say_unhealthy_target(service: Service, stop: PlannedStop, outcome: Outcome) -> Service:
    problem = stop.task.targets.problem if stop.task.targets else None
    if problem is None or stop.reason != texts.failed_target_checks(problem.group_arn):
        return service
    message = texts.unhealthy_target(service.name, stop.task.task_id or "", problem)
    return service.with_event(message, outcome.now)


def _count_health_failure(service: Service, deployment_id: str, outcome: Outcome) -> Service:
    """Count a task that is stopped for its health. The next start does not wait: guide, service-throttle-logic."""
    deployment = service.find_deployment(deployment_id)
    if deployment is None:
        return service
    return service.with_deployment(
        replace(deployment, failed_tasks=deployment.failed_tasks + 1, updated_at=outcome.now)
    )

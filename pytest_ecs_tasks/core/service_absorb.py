"""Facts about a service, written down: what was asked, which tasks there are, which of them have failed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core import service_texts as texts
from pytest_ecs_tasks.core.model import TaskStatus
from pytest_ecs_tasks.core.service_model import (
    Deployment,
    DeploymentStatus,
    RolloutState,
    Service,
    ServiceStatus,
    ServiceTask,
)
from pytest_ecs_tasks.core.service_traffic import absorb_check, absorb_deregistered, absorb_registered

# "consecutive attempts" (guide, service-throttle-logic); how many is not documented.
IMPAIRED_AFTER = 3


@dataclass(slots=True)
class Outcome:
    """What a step has to say and to order so far."""

    now: float
    orders: list[facts.ServiceOrder] = field(default_factory=list)
    announcements: list[facts.Announcement] = field(default_factory=list)

    def announce(
        self, event_type: str, event_name: str, reason: str = "", deployment: str | None = None
    ) -> None:
        """Have EventBridge hear of something."""
        self.announcements.append(facts.Announcement(event_type, event_name, reason, deployment))


def absorb(service: Service, fact: facts.ServiceFact, outcome: Outcome) -> Service:
    """Return the service with one fact written down."""
    match fact:
        case facts.ServiceUpdated():
            return _absorb_update(service, fact, outcome)
        case facts.ServiceDeleted():
            if service.status is not ServiceStatus.ACTIVE:
                return service
            settings = replace(service.settings, desired_count=0)
            return replace(service, status=ServiceStatus.DRAINING, settings=settings)
        case facts.TasksStarted():
            return _absorb_start(service, fact, outcome)
        case facts.TasksNotStarted():
            return _absorb_failed_start(service, fact, outcome)
        case facts.TaskChanged():
            return _absorb_task(service, fact, outcome)
        case facts.ProtectionChanged():
            task = service.find_task(fact.number)
            until = -math.inf if fact.until is None else fact.until
            return service.with_task(replace(task, protected_until=until)) if task else service
        case facts.TaskRegistered():
            return absorb_registered(service, fact, outcome.now)
        case facts.TasksDeregistered():
            return absorb_deregistered(service, fact, outcome.now)
        case facts.TargetsChecked():
            return absorb_check(service, fact, outcome.now)
        case facts.TimePassed():
            return service


def _absorb_update(service: Service, fact: facts.ServiceUpdated, outcome: Outcome) -> Service:
    if service.status is not ServiceStatus.ACTIVE:
        return service
    if fact.deployment_id is not None and service.pace.hurried:
        service = _complete_if_stable(service, outcome)
    service = replace(service, settings=fact.settings)
    if fact.deployment_id is None:
        return service.with_deployment(replace(service.primary, said=frozenset()))
    return begin_deployment(service, fact.deployment_id, outcome)


def _complete_if_stable(service: Service, outcome: Outcome) -> Service:
    """Complete a deployment that has all its tasks, though not for long yet, so that a rollback can return to it."""
    in_progress = service.primary.rollout_state is RolloutState.IN_PROGRESS
    if in_progress and has_what_it_is_to_have(service, 0.0, outcome.now):
        return complete(service, outcome)
    return service


def has_what_it_is_to_have(service: Service, settle_s: float, now: float) -> bool:
    """Tell whether the PRIMARY deployment alone has tasks: as many as are desired, all of them healthy.

    No traffic leads to any other.
    """
    primary = service.primary.deployment_id
    live = [task for task in service.tasks if task.live]
    if any(task.expects_traffic for task in service.tasks if not task.live):
        return False
    if any(task.counts for task in service.tasks if task.deployment_id != primary):
        return False
    return len(live) == service.settings.desired_count and all(
        task.is_healthy(settle_s, now) for task in live
    )


def complete(service: Service, outcome: Outcome) -> Service:
    """Return the service with its PRIMARY deployment COMPLETED, and no other."""
    deployment_id = service.primary.deployment_id
    reason = texts.completed(deployment_id)
    done = replace(
        service.primary,
        rollout_state=RolloutState.COMPLETED,
        rollout_reason=reason,
        updated_at=outcome.now,
    )
    outcome.announce("INFO", "SERVICE_DEPLOYMENT_COMPLETED", reason, deployment_id)
    service = replace(service, deployments=(done,), completed=done, steady=False)
    return service.with_event(texts.deployment_completed(service.name, deployment_id), outcome.now)


def begin_deployment(service: Service, deployment_id: str, outcome: Outcome) -> Service:
    """Return the service with a new PRIMARY deployment of its revision."""
    reason = texts.in_progress(deployment_id)
    deployment = Deployment(
        deployment_id, service.settings.revision, outcome.now, outcome.now, rollout_reason=reason
    )
    outcome.announce("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS", reason, deployment_id)
    return make_primary(service, deployment)


def make_primary(service: Service, deployment: Deployment) -> Service:
    """Return the service with that deployment as the PRIMARY one, and the others ACTIVE."""
    others = tuple(
        replace(each, status=DeploymentStatus.ACTIVE)
        for each in service.deployments
        if each.deployment_id != deployment.deployment_id
    )
    return replace(service, deployments=(deployment, *others), steady=False)


def _absorb_start(service: Service, fact: facts.TasksStarted, outcome: Outcome) -> Service:
    started: list[ServiceTask] = []
    for number, task_id in fact.task_ids:
        task = service.find_task(number)
        if task is not None and task.task_id is None:
            started.append(replace(task, task_id=task_id))
            gone = task.last_status is TaskStatus.STOPPED
            service = _without(service, number) if gone else service.with_task(started[-1])
    if not started:
        return service
    ids = [task.task_id or "" for task in started]
    message = texts.tasks_started(service.name, ids, replaced=sum(task.replaces for task in started))
    return service.with_event(message, outcome.now)


def _absorb_failed_start(service: Service, fact: facts.TasksNotStarted, outcome: Outcome) -> Service:
    for number in fact.numbers:
        task = service.find_task(number)
        if task is None:
            continue
        service = _without(service, number)
        if task.live:
            service = _count_failure(service, task.deployment_id, outcome, started=False)
            service = _say_unplaced(service, task.deployment_id, fact.reason, outcome, announce=True)
    return service


def _absorb_task(service: Service, fact: facts.TaskChanged, outcome: Outcome) -> Service:
    before = service.find_task(fact.number)
    if before is None:
        return service
    stopped = fact.last_status is TaskStatus.STOPPED
    running_since = before.running_since
    if running_since is None and fact.last_status is TaskStatus.RUNNING:
        running_since = outcome.now
    task = replace(
        before,
        last_status=fact.last_status,
        desired_stopped=before.desired_stopped or fact.desired_stopped or stopped,
        health=fact.health,
        health_checked=fact.health_checked,
        running_since=running_since,
    )
    service = service.with_task(task)
    if before.live and task.desired_stopped and not fact.by_user and not before.was_healthy:
        started = running_since is not None
        service = _count_failure(service, task.deployment_id, outcome, started=started)
        if not started and fact.reason:
            service = _say_unplaced(service, task.deployment_id, fact.reason, outcome, announce=False)
    if stopped and task.task_id is not None and not task.expects_traffic:
        # else the log is still to say that it was started, or traffic is still to be led away from it
        service = _without(service, task.number)
    return service


def _without(service: Service, number: int) -> Service:
    return replace(service, tasks=tuple(each for each in service.tasks if each.number != number))


def _count_failure(service: Service, deployment_id: str, outcome: Outcome, *, started: bool) -> Service:
    """Count a task that ended before it was healthy, and let the next start wait.

    Tasks of one batch that fail together are one failed attempt.
    """
    deployment = service.find_deployment(deployment_id)
    if deployment is None:
        return service
    deployment = replace(deployment, failed_tasks=deployment.failed_tasks + 1, updated_at=outcome.now)
    if outcome.now < deployment.retry_at:
        return service.with_deployment(deployment)
    failures = deployment.failures_in_a_row + 1
    unstarted = 0 if started else deployment.unstarted_in_a_row + 1
    retry_at = outcome.now + service.pace.retry_delay(failures)
    deployment = replace(
        deployment, failures_in_a_row=failures, unstarted_in_a_row=unstarted, retry_at=retry_at
    )
    service = service.with_deployment(deployment)
    message = texts.impaired(service.name)
    if unstarted < IMPAIRED_AFTER or message in deployment.said:
        return service
    outcome.announce("WARN", "SERVICE_TASK_START_IMPAIRED")
    return say_once(service, deployment_id, message, outcome)


def _say_unplaced(
    service: Service, deployment_id: str, reason: str, outcome: Outcome, *, announce: bool
) -> Service:
    if announce:
        outcome.announce("ERROR", "SERVICE_TASK_PLACEMENT_FAILURE", reason)
    return say_once(service, deployment_id, texts.unable_to_place(service.name, reason), outcome)


def say_once(service: Service, deployment_id: str, message: str, outcome: Outcome) -> Service:
    """Write a line that is not repeated until its cause is gone. Source: guide, service-event-messages."""
    deployment = service.find_deployment(deployment_id)
    if deployment is None or message in deployment.said:
        return service
    service = service.with_deployment(replace(deployment, said=deployment.said | {message}))
    return service.with_event(message, outcome.now)

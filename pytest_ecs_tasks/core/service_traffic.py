"""When the tasks of a service are registered where traffic comes from, and when no longer.

A task is registered once it is RUNNING, and counts as healthy only then. It is deregistered before it is told to stop.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core import service_texts as texts
from pytest_ecs_tasks.core.model import TaskStatus
from pytest_ecs_tasks.core.service_model import Registration, Service, ServiceTask
from pytest_ecs_tasks.core.target_progress import PAUSE_S, TargetProgress, after_check

_UNREGISTERED = {Registration.NONE, Registration.FAILED}
_REGISTERED = {Registration.FAILED, Registration.REGISTERED}


def direct_traffic(service: Service, now: float) -> tuple[Service, tuple[facts.ServiceOrder, ...]]:
    """Return the service, and the orders that lead traffic to its tasks that run and away from those that are to go.

    The targets of those that have it are checked from time to time.
    """
    orders: list[facts.ServiceOrder] = []
    for task in service.tasks:
        if task.task_id is not None and _is_to_be_registered(task, now):
            service = service.with_task(replace(task, registration=Registration.ORDERED))
            orders.append(facts.RegisterTask(task.number, task.task_id, task.traffic, "it is RUNNING"))
        if task.task_id is not None and task.live and task.targets is not None and task.targets.is_due(now):
            service = service.with_task(replace(task, targets=replace(task.targets, checking=True)))
            orders.append(facts.CheckTargets(task.number, task.task_id, "its next health check is due"))
    leaving = [task for task in service.tasks if task.registration in _REGISTERED and not task.live]
    for task in leaving:
        service = service.with_task(replace(task, registration=Registration.LEAVING))
    if leaving:
        tasks = tuple((task.number, task.task_id or "") for task in leaving)
        orders.append(facts.DeregisterTasks(tasks, "they are to go"))
    return service, tuple(orders)


def _is_to_be_registered(task: ServiceTask, now: float) -> bool:
    unregistered = task.registration in _UNREGISTERED and any(task.traffic.values())
    return unregistered and task.live and task.running and now >= task.register_at


def absorb_registered(service: Service, fact: facts.TaskRegistered, now: float) -> Service:
    """Return the service with a task registered. One whose registration failed is tried again, and the log says so once."""
    task = service.find_task(fact.number)
    if task is None:
        return service
    if fact.problem:
        return _absorb_failure(service, task, fact.problem, now)
    schedule = fact.enrolment.schedule
    targets = TargetProgress(schedule, next_at=now) if schedule is not None else None
    service = service.with_task(replace(task, registration=Registration.REGISTERED, targets=targets))
    for group, count in fact.enrolment.targets.items():
        service = service.with_event(texts.registered(service.name, group, count), now)
    return service


def _absorb_failure(service: Service, task: ServiceTask, problem: str, now: float) -> Service:
    failures = task.failed_registrations + 1
    register_at = now + service.pace.retry_delay(failures)
    changed = replace(
        task, registration=Registration.FAILED, failed_registrations=failures, register_at=register_at
    )
    service = service.with_task(changed)
    if failures > 1:
        return service
    return service.with_event(texts.failed_to_register(service.name, problem), now)


def absorb_check(service: Service, fact: facts.TargetsChecked, now: float) -> Service:
    """Return the service with a check of a task's targets counted."""
    task = service.find_task(fact.number)
    if task is None or task.targets is None:
        return service
    if fact.made:
        targets = after_check(task.targets, fact.problem, now, hurried=service.pace.hurried)
    else:
        targets = replace(task.targets, checking=False, next_at=now + PAUSE_S)
    return service.with_task(replace(task, targets=targets))


def absorb_deregistered(service: Service, fact: facts.TasksDeregistered, now: float) -> Service:
    """Return the service with tasks registered no longer; those that are STOPPED are gone with that."""
    for group, count in fact.targets.items():
        service = service.with_event(texts.deregistered(service.name, group, count), now)
    if fact.targets:
        service = service.with_event(texts.draining(service.name, len(fact.numbers)), now)
    tasks = (
        replace(task, registration=Registration.OVER) if task.number in fact.numbers else task
        for task in service.tasks
    )
    return replace(service, tasks=tuple(task for task in tasks if not _is_gone(task)))


def _is_gone(task: ServiceTask) -> bool:
    return task.registration is Registration.OVER and task.last_status is TaskStatus.STOPPED

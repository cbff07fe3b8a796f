"""What one fact leads to: write it down, settle what follows from the state alone, decide what is to be done next.

Every rule about the state of a task lives here and in the modules that this one calls: ``absorb`` (facts), ``graph``
(dependencies), ``health`` (probes), ``restart``. Nothing here waits: time is an argument and a return value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytest_ecs_tasks.core import effects, events, health, stop_reasons
from pytest_ecs_tasks.core.absorb import (
    DEPENDENCY_EXIT_CODE,
    absorb,
    ended,
    fail_to_start,
    never_ran,
    stop,
)
from pytest_ecs_tasks.core.graph import Gate, gate, may_stop
from pytest_ecs_tasks.core.log_plan import RouterTarget
from pytest_ecs_tasks.core.model import Container, ContainerStatus, Order, StopCode, Task, TaskStatus
from pytest_ecs_tasks.core.plan import SandboxPlan, TaskPlan

TEST_IS_OVER = "the test is over"

# The order in which a task passes its statuses; DEACTIVATING and what lies before it only when it was RUNNING.
PASSES = tuple(TaskStatus)
_ONLY_AFTER_RUNNING = {TaskStatus.DEACTIVATING}
_ONLY_WHILE_WANTED = {TaskStatus.PENDING, TaskStatus.ACTIVATING, TaskStatus.RUNNING}


@dataclass(frozen=True, slots=True)
class Step:
    """What one fact led to.

    ``changes`` are the task at each ``lastStatus`` or container status that it passed: one ECS Task State Change each.
    ``wake_at`` is in engine seconds; ``math.inf`` when nothing is timed.
    """

    task: Task
    effects: tuple[effects.Effect, ...]
    changes: tuple[Task, ...]
    wake_at: float


def submit(plan: TaskPlan, now: float) -> Task:
    """Return a task that has been asked for and nothing done yet."""
    return Task(
        plan=plan,
        containers=tuple(Container(each) for each in plan.containers),
        created_at=now,
        notes=plan.notes,
    )


def advance(task: Task, event: events.Event, now: float) -> Step:
    """Return the task after one fact, what is to be done next, and when to look again without one."""
    changes: list[Task] = [task] if isinstance(event, events.TaskSubmitted) else []
    before = task
    if _exit_before_start_returned(task, event):
        assert isinstance(event, events.ContainerInspected)
        started = events.ContainerStarted(event.container, event.incarnation)
        task = _settle(absorb(task, started, now), now, changes)
    task = _settle(absorb(task, event, now), now, changes)
    task = _note_visible_change(before, task, changes)
    orders = tuple(_decide(task, now))
    for order in orders:
        task = _ordered(task, order, now)
    return Step(task, orders, tuple(changes), _wake_at(task, now))


def _exit_before_start_returned(task: Task, event: events.Event) -> bool:
    """Tell whether an exit is reported while the call that started the container has not returned yet."""
    if not isinstance(event, events.ContainerInspected) or event.running:
        return False
    container = task.container(event.container)
    return (
        container.order is Order.START and event.incarnation == container.incarnation and not container.exited
    )


def _note_visible_change(before: Task, task: Task, changes: list[Task]) -> Task:
    """Record one more change when a container's visible status moved and the task's own did not."""
    seen = [(each.last_status, each.exit_code) for each in before.containers]
    now_seen = [(each.last_status, each.exit_code) for each in task.containers]
    moved = seen != now_seen or before.desired_stopped != task.desired_stopped
    if moved and not changes and not task.stopped:
        task = replace(task, version=task.version + 1)
        changes.append(task)
    return task


# --- settle: what follows from the state alone, to a fixed point


def _settle(task: Task, now: float, changes: list[Task]) -> Task:
    while True:
        settled = _settle_status(_settle_containers(task, now), now, changes)
        if settled == task:
            return task
        task = settled


def _settle_containers(task: Task, now: float) -> Task:
    if task.removed:
        return _settle_removed(task, now)
    for container in task.containers:
        if task.desired_stopped:
            if container.status < ContainerStatus.RUNNING and container.order is None:
                task = task.with_container(never_ran(container))
            elif container.restarting and container.order is None:
                task = task.with_container(ended(container, now, exit_code=container.exit_code))
        elif container.status < ContainerStatus.RUNNING and container.order is None:
            reason = gate(task, container, now).hopeless
            if reason is not None:
                task = _fail_dependent(task, container, reason, now)
        if container.essential and container.exited and not task.desired_stopped:
            task = stop(task, StopCode.ESSENTIAL_CONTAINER_EXITED, stop_reasons.ESSENTIAL_EXITED, now)
        if container.essential and container.exited and task.execution_stopped_at is None:
            task = replace(task, execution_stopped_at=now)
    return task


def _fail_dependent(task: Task, container: Container, reason: str, now: float) -> Task:
    task = task.with_container(never_ran(container, reason=reason, exit_code=DEPENDENCY_EXIT_CODE))
    if not container.essential:
        return task
    return fail_to_start(task, reason if task.plan.fargate else stop_reasons.FAILED_TO_START, now)


def _settle_removed(task: Task, now: float) -> Task:
    task = stop(task, StopCode.USER_INITIATED, TEST_IS_OVER, now)
    for container in task.containers:
        if not container.stopped:
            task = task.with_container(replace(container, status=ContainerStatus.STOPPED, order=None))
    return task


def _settle_status(task: Task, now: float, changes: list[Task]) -> Task:
    target = _target_status(task)
    was_running = task.started_at is not None
    for status in PASSES[PASSES.index(task.last_status) + 1 : PASSES.index(target) + 1]:
        if status in _ONLY_AFTER_RUNNING and not was_running:
            continue
        if status in _ONLY_WHILE_WANTED and task.desired_stopped:
            continue
        task = _passed(task, status, now)
        changes.append(task)
    return task


def _passed(task: Task, status: TaskStatus, now: float) -> Task:
    task = replace(task, last_status=status, version=task.version + 1)
    match status:
        case TaskStatus.RUNNING:
            return replace(task, started_at=now)
        case TaskStatus.STOPPED:
            return replace(task, stopped_at=now)
        case _:
            return task


def _target_status(task: Task) -> TaskStatus:
    statuses = [container.status for container in task.containers]
    if task.desired_stopped:
        return TaskStatus.STOPPED if all(each.stopped for each in task.containers) else TaskStatus.STOPPING
    if all(status >= ContainerStatus.RUNNING for status in statuses):
        return TaskStatus.RUNNING
    if any(status >= ContainerStatus.CREATED for status in statuses):
        return TaskStatus.ACTIVATING
    if len(task.sandboxes) == len(task.plan.sandboxes):
        return TaskStatus.PENDING
    return TaskStatus.PROVISIONING


# --- decide: which orders are due


def _decide(task: Task, now: float) -> Iterator[effects.Effect]:
    if task.removal_requested or task.removed:
        if not task.removal_ordered and not task.removed and not _something_is_being_made(task):
            yield effects.RemoveTask(cause=TEST_IS_OVER)
        return
    if not task.desired_stopped:
        yield from _decide_resources(task)
    for container in task.containers:
        yield from _decide_container(task, container, now)


def _something_is_being_made(task: Task) -> bool:
    """Tell whether an order that creates something has not come back yet; what it makes must be removed too."""
    containers = any(container.order is not None for container in task.containers)
    sandboxes = set(task.sandboxes_ordered) - set(task.sandboxes) - set(task.sandboxes_failed)
    volumes = task.volumes_ordered and not task.volumes_ready and not task.volumes_failed
    return containers or bool(sandboxes) or volumes


def _decide_resources(task: Task) -> Iterator[effects.Effect]:
    plan = task.plan
    for sandbox in plan.sandboxes:
        if sandbox.key not in task.sandboxes_ordered and _links_ready(task, sandbox):
            yield effects.AcquireSandbox(sandbox.key, cause="the task needs its network")
    if plan.needs_fetching and not task.secrets_ordered:
        yield effects.ResolveSecrets(cause=f"containers need their {plan.fetched}", what=plan.fetched)
    if plan.volumes and not task.volumes_ordered:
        yield effects.CreateVolumes(cause="the task has volumes")
    if not task.pulls_ordered and (_secrets_ready(task) or not (plan.fargate or plan.needs_logins)):
        for image in plan.images:
            users = tuple(container.name for container in plan.containers if container.image == image)
            yield effects.PullImage(image, users, cause="its containers need it")


def _links_ready(task: Task, sandbox: SandboxPlan) -> bool:
    return all(container in task.sandboxes for _, container in sandbox.links)


def _secrets_ready(task: Task) -> bool:
    return task.secrets_ready or not task.plan.needs_fetching


def _decide_container(task: Task, container: Container, now: float) -> Iterator[effects.Effect]:
    if container.stopped:
        return
    if container.exited:
        if not container.log_closing:
            yield effects.CloseLog(container.name, cause="it has ended")
        return
    if container.restarting:
        if container.order is None and not task.desired_stopped:
            yield _start(container, cause="restartPolicy")
        return
    if container.status < ContainerStatus.RUNNING and not task.desired_stopped:
        yield from _decide_launch(task, container, gate(task, container, now))
    if container.status is ContainerStatus.RUNNING:
        yield from _decide_running(task, container, now)


def _decide_launch(task: Task, container: Container, doors: Gate) -> Iterator[effects.Effect]:
    if container.order is not None or not doors.is_open:
        return
    cause = "dependencies met" if container.plan.depends_on else "nothing to wait for"
    log = container.plan.log
    if container.status is ContainerStatus.NONE and _resources_ready(task, container):
        yield effects.CreateContainer(container.name, cause=cause)
        if log and not log.needs_container and not container.log_ordered:
            yield effects.OpenLog(container.name, cause=log.driver)
    elif container.status is ContainerStatus.CREATED:
        if log and not container.log_ordered:
            yield effects.OpenLog(container.name, cause=log.driver)
        elif not log or container.log_open:
            yield _start(container, cause=cause)


def _start(container: Container, cause: str) -> effects.StartContainer:
    assert container.runtime_id is not None
    return effects.StartContainer(container.name, container.runtime_id, container.incarnation, cause)


def _resources_ready(task: Task, container: Container) -> bool:
    sandbox, holder = container.plan.sandbox, task.plan.namespace_holder
    return (
        container.plan.image in task.images
        and (holder is None or holder in task.sandboxes)
        and (sandbox is None or sandbox in task.sandboxes)
        and _router_has_address(task, container)
        and _secrets_ready(task)
        and (task.volumes_ready or not task.plan.volumes)
    )


def _router_has_address(task: Task, container: Container) -> bool:
    """Tell whether the log router's address is known, which a container that uses it gets as a variable."""
    log = container.plan.log
    if not isinstance(log, RouterTarget):
        return True
    router = task.container(log.router).plan.sandbox
    return router is None or router in task.sandboxes


def _decide_running(task: Task, container: Container, now: float) -> Iterator[effects.Effect]:
    assert container.runtime_id is not None
    if container.inspect_at is not None and now >= container.inspect_at and not container.inspecting:
        yield effects.InspectContainer(
            container.name, container.runtime_id, container.incarnation, cause="it may have ended"
        )
    if task.desired_stopped:
        yield from _decide_stop(task, container, now)
    elif container.health and not container.health.in_flight and now >= container.health.next_probe_at:
        check = container.plan.definition.health_check
        assert check is not None
        yield effects.ProbeHealth(
            container.name,
            container.runtime_id,
            container.incarnation,
            check.command,
            check.timeout_s,
            cause=f"probe {container.health.probes + 1}",
        )


def _decide_stop(task: Task, container: Container, now: float) -> Iterator[effects.Effect]:
    assert container.runtime_id is not None
    if not container.signals:
        if may_stop(task, container):
            signal = task.images[container.plan.image].stop_signal or "SIGTERM"
            yield effects.SendSignal(
                container.name,
                container.runtime_id,
                signal,
                cause=task.stopped_reason or "desired status STOPPED",
            )
    elif container.kill_at is not None and now >= container.kill_at:
        yield effects.SendSignal(
            container.name,
            container.runtime_id,
            "SIGKILL",
            cause=f"stopTimeout {container.plan.stop_timeout_s} s passed",
        )


# --- an order that is given is part of the state


def _ordered(task: Task, order: effects.Effect, now: float) -> Task:
    match order:
        case effects.AcquireSandbox():
            return replace(task, sandboxes_ordered=(*task.sandboxes_ordered, order.sandbox))
        case effects.ResolveSecrets():
            return replace(task, secrets_ordered=True)
        case effects.CreateVolumes():
            return replace(task, volumes_ordered=True)
        case effects.PullImage():
            return replace(task, pulls_ordered=True, pull_started_at=task.pull_started_at or now)
        case effects.RemoveTask():
            return replace(task, removal_ordered=True)
        case _:
            return task.with_container(_container_ordered(task.container(order.container), order, now))


ContainerOrder = (
    effects.OpenLog
    | effects.CreateContainer
    | effects.StartContainer
    | effects.InspectContainer
    | effects.ProbeHealth
    | effects.SendSignal
    | effects.CloseLog
)


def _container_ordered(container: Container, order: ContainerOrder, now: float) -> Container:
    match order:
        case effects.OpenLog():
            return replace(container, log_ordered=True)
        case effects.CreateContainer():
            return replace(container, order=Order.CREATE)
        case effects.StartContainer():
            return replace(container, order=Order.START)
        case effects.InspectContainer():
            return replace(container, inspecting=True, inspect_at=None)
        case effects.ProbeHealth():
            assert container.health is not None
            return replace(container, health=health.probe_ordered(container.health))
        case effects.SendSignal():
            first = not container.signals
            return replace(
                container,
                signals=(*container.signals, order.signal),
                kill_at=now + container.plan.stop_timeout_s if first else None,
            )
        case effects.CloseLog():
            return replace(container, log_closing=True)


def _wake_at(task: Task, now: float) -> float:
    return min((moment for moment in _deadlines(task, now)), default=math.inf)


def _deadlines(task: Task, now: float) -> Iterator[float]:
    if task.removal_requested or task.removed:
        return
    for container in task.containers:
        if container.exited or container.stopped:
            continue
        if container.inspect_at is not None and not container.inspecting:
            yield container.inspect_at
        if container.kill_at is not None:
            yield container.kill_at
        if not task.desired_stopped:
            if container.health and not container.health.in_flight and not container.restarting:
                yield container.health.next_probe_at
            if container.status < ContainerStatus.RUNNING:
                yield gate(task, container, now).deadline

"""Writing a fact down. Facts come in any order: a late one never moves a container back."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from pytest_ecs_tasks.core import effects, events, health, restart, stop_reasons
from pytest_ecs_tasks.core.model import Container, ContainerStatus, ImageState, SandboxState, StopCode, Task
from pytest_ecs_tasks.core.sandboxes import NAMESPACES
from pytest_ecs_tasks.core.spec import NetworkBinding
from pytest_ecs_tasks.core.taskdef import NetworkMode

FIRST_INSPECTION_DELAY_S = 0.005
INSPECTION_LIMIT = 9  # 5 ms doubled eight times; after that the engine's events tell
DEPENDENCY_EXIT_CODE = 143  # task_manager.go: handleTerminalDependencyError
SIGKILL_EXIT_CODE = 137
KILL_AGAIN_S = 1.0  # after a SIGKILL that the engine failed to send: without it the task would never end


def absorb(task: Task, event: events.Event, now: float) -> Task:
    """Return the task with the fact written down; the same object when the fact says nothing new."""
    match event:
        case events.TaskSubmitted() | events.Tick():
            return task
        case events.SandboxReady():
            return _absorb_sandbox(task, event)
        case events.ImageReady():
            state = ImageState(event.image_id, event.digest, event.stop_signal, event.environment_names)
            images = {**task.images, event.image: state}
            done = len(images) == len(task.plan.images)
            return replace(task, images=images, pull_stopped_at=now if done else task.pull_stopped_at)
        case events.SecretsResolved():
            return replace(task, secrets_ready=True)
        case events.VolumesReady():
            return replace(task, volumes_ready=True, volume_sources=event.sources)
        case events.StopRequested():
            return stop(task, event.stop_code, event.reason[: stop_reasons.REASON_LIMIT], now)
        case events.RemovalRequested():
            return replace(task, removal_requested=True)
        case events.TaskRemoved():
            return replace(task, removed=True)
        case events.EffectFailed():
            return _absorb_failure(task, event, now)
        case _:
            return _absorb_container_fact(task, event, now)


def _absorb_sandbox(task: Task, event: events.SandboxReady) -> Task:
    state = SandboxState(event.runtime_id, event.address, event.mac_address, event.aws_port)
    task = replace(task, sandboxes={**task.sandboxes, event.sandbox: state})
    if _is_own_network(task, event.sandbox):
        task = task.with_container(replace(task.container(event.sandbox), network_bindings=event.bindings))
    return task


def _is_own_network(task: Task, sandbox: str) -> bool:
    """Tell whether a sandbox holds the network of the one container that it is named after."""
    return task.plan.definition.network_mode is NetworkMode.BRIDGE and sandbox != NAMESPACES


ContainerFact = (
    events.LogOpened
    | events.ContainerCreated
    | events.ContainerStarted
    | events.OutputEnded
    | events.EngineReported
    | events.ContainerInspected
    | events.ContainerVanished
    | events.Probed
    | events.SignalSent
    | events.SignalledByTest
    | events.LogClosed
)


def _absorb_container_fact(task: Task, event: ContainerFact, now: float) -> Task:
    container = task.container(event.container)
    match event:
        case events.LogOpened():
            notes = (event.note,) if event.note else ()
            return replace(task, notes=(*task.notes, *notes)).with_container(
                replace(container, log_open=True)
            )
        case events.ContainerCreated():
            if container.status is not ContainerStatus.NONE:
                return task
            created = replace(
                container,
                status=ContainerStatus.CREATED,
                order=None,
                runtime_id=event.runtime_id,
                created_at=now,
                network_bindings=container.network_bindings or host_bindings(task, container),
            )
            return task.with_container(created)
        case events.ContainerStarted():
            return task.with_container(_started(task, container, event, now))
        case events.OutputEnded():
            if event.incarnation != container.incarnation or container.exited:
                return task
            return task.with_container(replace(container, inspect_at=now, inspections=0))
        case events.EngineReported():
            if container.exited or not container.ever_ran:
                return task
            return task.with_container(replace(container, inspect_at=now, inspections=0))
        case events.ContainerInspected():
            return _absorb_inspection(task, container, event, now)
        case events.ContainerVanished():
            if container.exited or container.stopped:
                return task
            return task.with_container(ended(container, now, reason=stop_reasons.vanished()))
        case events.Probed():
            return _absorb_probe(task, container, event, now)
        case events.SignalSent():
            urgent = event.signal == "SIGKILL" and not container.exited
            return task.with_container(replace(container, inspect_at=now if urgent else container.inspect_at))
        case events.SignalledByTest():
            return task.with_container(
                replace(container, foreign_signals=(*container.foreign_signals, event.signal))
            )
        case events.LogClosed():
            if event.error:
                task = replace(task, notes=(*task.notes, f"{container.name}: {event.error}"))
            return task.with_container(replace(container, status=ContainerStatus.STOPPED, order=None))
        case _:
            assert_never(event)


def _started(task: Task, container: Container, event: events.ContainerStarted, now: float) -> Container:
    if event.incarnation != container.incarnation or container.exited or container.stopped:
        return replace(container, order=None)
    check = container.plan.definition.health_check
    return replace(
        container,
        status=ContainerStatus.RUNNING,
        order=None,
        restarting=False,
        started_at=now if container.started_at is None else container.started_at,
        last_restart_at=now if container.restart_count else None,
        health=health.begin(check, task.plan.health_mode, now) if check else None,
    )


def host_bindings(task: Task, container: Container) -> tuple[NetworkBinding, ...]:
    """Return the bindings under host networking, where a container port is a port of the host."""
    if task.plan.definition.network_mode is not NetworkMode.HOST:
        return ()
    return tuple(
        NetworkBinding("0.0.0.0", port, port, mapping.protocol)  # noqa: S104 - what DescribeTasks shows
        for mapping in container.plan.definition.port_mappings
        for port in range(mapping.container_port, (mapping.last_port or mapping.container_port) + 1)
    )


def _absorb_inspection(
    task: Task, container: Container, event: events.ContainerInspected, now: float
) -> Task:
    container = replace(container, inspecting=False)
    if event.incarnation != container.incarnation or container.exited or container.stopped:
        return task.with_container(container)
    if event.running:
        count = container.inspections + 1
        again = now + FIRST_INSPECTION_DELAY_S * 2 ** (count - 1) if count < INSPECTION_LIMIT else None
        return task.with_container(replace(container, inspections=count, inspect_at=again))
    policy = container.plan.definition.restart_policy
    alive_since = container.last_restart_at or container.started_at or now
    if restart.should_restart(
        policy, event.exit_code, alive_since=alive_since, now=now, desired_stopped=task.desired_stopped
    ):
        return task.with_container(_restarting(container))
    reason = stop_reasons.OUT_OF_MEMORY if _ran_out_of_memory(task, container, event) else container.reason
    if event.out_of_memory is None and reason == stop_reasons.OUT_OF_MEMORY:
        task = replace(
            task,
            notes=(
                *task.notes,
                f"{container.name}: out of memory is inferred from exit code 137 and a memory limit",
            ),
        )
    return task.with_container(ended(container, now, exit_code=event.exit_code, reason=reason))


def _restarting(container: Container) -> Container:
    """Return a container that is started again: same object, same file system, health unknown.

    Source: amazon-ecs-agent, task_manager.go, handleContainerChange.
    """
    return replace(
        container,
        restarting=True,
        incarnation=container.incarnation + 1,
        restart_count=container.restart_count + 1,
        health=None,
        inspect_at=None,
        inspections=0,
    )


def _ran_out_of_memory(task: Task, container: Container, event: events.ContainerInspected) -> bool:
    if event.out_of_memory is not None:
        return event.out_of_memory
    limited = container.plan.definition.memory_mib or task.plan.definition.memory_mib
    ours = "SIGKILL" in (*container.signals, *container.foreign_signals)
    return event.exit_code == SIGKILL_EXIT_CODE and bool(limited) and not ours


def ended(
    container: Container, now: float, *, exit_code: int | None = None, reason: str | None = None
) -> Container:
    """Return a container whose process is gone. The first reason wins (task_manager.go: handleEventError)."""
    return replace(
        container,
        exited=True,
        order=None,
        restarting=False,
        finished_at=now,
        exit_code=exit_code,
        reason=container.reason or reason,
        inspect_at=None,
        kill_at=None,
    )


def never_ran(container: Container, *, reason: str | None = None, exit_code: int | None = None) -> Container:
    """Return a container that is STOPPED and never ran; it has no exit code, unless its dependency failed it."""
    return replace(
        container,
        status=ContainerStatus.STOPPED,
        order=None,
        exit_code=exit_code,
        reason=container.reason or reason,
    )


def _absorb_probe(task: Task, container: Container, event: events.Probed, now: float) -> Task:
    check = container.plan.definition.health_check
    if container.health is None or check is None or event.incarnation != container.incarnation:
        return task
    progress = health.absorb(
        container.health, check, task.plan.health_mode, event.exit_code, event.output, now
    )
    return task.with_container(replace(container, health=progress))


def stop(task: Task, code: StopCode, reason: str, now: float) -> Task:
    """Return the task with desired status STOPPED; the first cause wins."""
    if task.desired_stopped:
        return task
    return replace(task, desired_stopped=True, stop_code=code, stopped_reason=reason, stopping_at=now)


def fail_to_start(task: Task, reason: str, now: float, *, hint: str = "") -> Task:
    """Return the task stopped before it ran; the error itself is the stoppedReason.

    Source: developer guide, stopped-task-errors. EC2's backend sometimes has the fixed sentence "Task failed to start".
    """
    task = stop(task, StopCode.TASK_FAILED_TO_START, reason, now)
    return replace(task, hint=task.hint or hint)


def _absorb_failure(task: Task, event: events.EffectFailed, now: float) -> Task:
    effect, error = event.effect, event.error
    match effect:
        case effects.PullImage():
            task = replace(task, pull_stopped_at=now, image_error=task.image_error or error)
            for name in effect.containers:
                task = _failed_container(task, name, stop_reasons.cannot_pull(error), now, event.hint)
            return task
        case effects.CreateContainer():
            return _failed_container(
                task, effect.container, stop_reasons.cannot_create(error), now, event.hint
            )
        case effects.StartContainer():
            return _failed_container(
                task, effect.container, stop_reasons.cannot_start(error), now, event.hint
            )
        case effects.OpenLog():
            reason = (
                stop_reasons.resource_initialization(error)
                if task.plan.fargate
                else stop_reasons.cannot_start(error)
            )
            return _failed_container(task, effect.container, reason, now, event.hint)
        case effects.AcquireSandbox() | effects.CreateVolumes() | effects.ResolveSecrets():
            if isinstance(effect, effects.AcquireSandbox):
                task = replace(task, sandboxes_failed=(*task.sandboxes_failed, effect.sandbox))
                if _is_own_network(task, effect.sandbox):
                    # Its network is the container's own: Docker says so when it starts the container.
                    reason = stop_reasons.cannot_start(error)
                    return _failed_container(task, effect.sandbox, reason, now, event.hint)
            if isinstance(effect, effects.CreateVolumes):
                task = replace(task, volumes_failed=True)
            fargate = task.plan.fargate
            reason = (stop_reasons.resource_initialization if fargate else stop_reasons.terminal_reason)(
                error
            )
            return replace(
                stop(task, StopCode.TASK_FAILED_TO_START, reason, now), hint=task.hint or event.hint
            )
        case effects.InspectContainer():
            return _absorb_failed_inspection(task, task.container(effect.container), error, now)
        case effects.ProbeHealth():
            probed = events.Probed(effect.container, effect.incarnation, None, error)
            return _absorb_probe(task, task.container(effect.container), probed, now)
        case effects.SendSignal():
            container = task.container(effect.container)
            note = f"{container.name}: {effect.signal} could not be sent: {error}"
            notes = task.notes if note in task.notes else (*task.notes, note)
            if not container.exited:
                kill_at = now + KILL_AGAIN_S if effect.signal == "SIGKILL" else container.kill_at
                container = replace(container, inspect_at=now, kill_at=kill_at)
            return replace(task, notes=notes).with_container(container)
        case effects.CloseLog():
            return _absorb_container_fact(task, events.LogClosed(effect.container, error), now)
        case effects.RemoveTask():
            return replace(
                task, removed=True, notes=(*task.notes, f"removal is left to the end of the run: {error}")
            )
        case _:
            assert_never(effect)


def _failed_container(task: Task, name: str, reason: str, now: float, hint: str) -> Task:
    container = task.container(name)
    if container.stopped or container.exited:
        return task
    if container.ever_ran:
        return task.with_container(ended(container, now, exit_code=None, reason=reason))
    if not container.essential and not task.plan.fargate:
        return task.with_container(never_ran(container, reason=reason))
    return fail_to_start(task.with_container(never_ran(container, reason=reason)), reason, now, hint=hint)


def _absorb_failed_inspection(task: Task, container: Container, error: str, now: float) -> Task:
    if container.exited:
        return task
    count = container.inspections + 1
    if count < INSPECTION_LIMIT:
        again = now + FIRST_INSPECTION_DELAY_S * 2 ** (count - 1)
        return task.with_container(replace(container, inspecting=False, inspections=count, inspect_at=again))
    return task.with_container(ended(container, now, reason=f"CannotInspectContainerError: {error}"))

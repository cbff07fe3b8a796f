"""What happened to a task and why, as lines to read.

A line is: seconds since RunTask, the fact in words, and the orders that it led to with their causes. No environment, no
secret, no command is ever part of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from pytest_ecs_tasks.core import effects, events
from pytest_ecs_tasks.core.absorb import ContainerFact
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.sandboxes import NAMESPACES, TASK_SANDBOX

FACT_WIDTH = 46
OUTPUT_WIDTH = 120
_INDENT = " " * 10


@dataclass(frozen=True, slots=True)
class TranscriptEntry:
    """One fact and what it led to. ``status`` is the task's ``lastStatus`` after it, ``at`` in engine seconds.

    ``ignored``: the fact changed nothing, because it came late or twice.
    """

    at: float
    event: events.Event
    effects: tuple[effects.Effect, ...]
    status: str
    ignored: bool = False
    note: str | None = None


@dataclass(slots=True)
class _Row:
    """A line in the making; probes with the same result share one."""

    at: float
    fact: str
    orders: list[str] = field(default_factory=list)
    count: int = 1
    last_at: float = 0.0


def render(entries: Sequence[TranscriptEntry], task: Task) -> str:
    """Return the transcript of a task, one line for each fact, without a newline at its end."""
    plan = task.plan
    lines = [f"{plan.definition.family}:{plan.definition.revision} ({plan.launch_type.value}) {plan.arn}"]
    for row in _rows(entries):
        lines.extend(_render_row(row, task.created_at))
    lines.extend(f"{_INDENT}note: {note}" for note in task.notes)
    return "\n".join(lines)


def _render_row(row: _Row, started_at: float) -> Iterator[str]:
    fact = row.fact
    if row.count > 1:
        fact = f"{fact} ({row.count} times, the last at {row.last_at - started_at:.3f})"
    first, *more = row.orders or [""]
    line = f"{row.at - started_at:8.3f}  {fact}"
    yield f"{line:{10 + FACT_WIDTH}} -> {first}" if first else line
    for order in more:
        yield f"{'':{10 + FACT_WIDTH}} -> {order}"


def _rows(entries: Sequence[TranscriptEntry]) -> Iterator[_Row]:
    rows: list[_Row] = []
    probes: dict[str, tuple[str, _Row]] = {}
    status = ""
    for entry in entries:
        orders = [_order(effect) for effect in entry.effects if not _is_routine(effect)]
        changed = entry.status != status
        if not (_is_silent(entry.event) and not orders and not changed and not entry.note):
            _add(rows, probes, entry, orders)
        if changed:
            rows.append(_Row(entry.at, f"the task is {entry.status}"))
            status = entry.status
    return iter(rows)


def _add(
    rows: list[_Row], probes: dict[str, tuple[str, _Row]], entry: TranscriptEntry, orders: list[str]
) -> None:
    fact = _fact(entry.event)
    if entry.note:
        fact = f"{fact}: {entry.note}"
    event = entry.event
    if isinstance(event, events.Probed):
        before, row = probes.get(event.container, ("", None))
        if row is not None and before == fact and not orders:
            row.count += 1
            row.last_at = entry.at
            return
    elif entry.ignored and not isinstance(event, events.TaskSubmitted):
        fact = f"{fact} (nothing new)"
    row = _Row(entry.at, fact, orders, last_at=entry.at)
    rows.append(row)
    if isinstance(event, events.Probed):
        probes[event.container] = (fact, row)


def _is_routine(effect: effects.Effect) -> bool:
    """Tell whether an order is repeated so often that it would hide the others."""
    return isinstance(effect, effects.ProbeHealth | effects.InspectContainer)


def _is_silent(event: events.Event) -> bool:
    return isinstance(event, events.Tick) or (isinstance(event, events.ContainerInspected) and event.running)


def _fact(event: events.Event) -> str:
    match event:
        case events.TaskSubmitted():
            return "RunTask"
        case events.SandboxReady():
            where = f" at {event.address}" if event.address else ""
            return f"{_network(event.sandbox)} is there{where}"
        case events.ImageReady():
            return f"image {event.image} is here"
        case events.SecretsResolved():
            return f"{event.what} are fetched"
        case events.VolumesReady():
            return "volumes are there"
        case events.StopRequested():
            return f"StopTask: {event.reason}"
        case events.RemovalRequested():
            return "the test is done with the task"
        case events.TaskRemoved():
            return "everything is removed"
        case events.EffectFailed():
            hint = f" ({_first_line(event.hint)})" if event.hint else ""
            return f"could not {_deed(event.effect)}: {_first_line(event.error)}{hint}"
        case events.Tick():
            return "time passed"
        case _:
            return _container_fact(event)


def _container_fact(event: ContainerFact) -> str:
    name = event.container
    match event:
        case events.LogOpened():
            return f"{name}: log stream is open" + (f" ({event.note})" if event.note else "")
        case events.ContainerCreated():
            return f"{name}: created"
        case events.ContainerStarted():
            return f"{name}: started" + (f", restart {event.incarnation}" if event.incarnation else "")
        case events.OutputEnded():
            return f"{name}: its output ended"
        case events.EngineReported():
            return f"{name}: the engine reports its end"
        case events.ContainerInspected():
            return f"{name}: {_inspected(event)}"
        case events.ContainerVanished():
            return f"{name}: the engine no longer knows it"
        case events.Probed():
            return f"{name}: health check {_probe_result(event)}"
        case events.SignalSent():
            return f"{name}: {event.signal} is sent"
        case events.SignalledByTest():
            return f"{name}: the test sends {event.signal}"
        case events.LogClosed():
            return f"{name}: log is complete" + (f", but {event.error}" if event.error else "")
        case _:
            assert_never(event)


def _inspected(event: events.ContainerInspected) -> str:
    if event.running:
        return "runs"
    memory = ", out of memory" if event.out_of_memory else ""
    return f"exited {event.exit_code}{memory}"


def _probe_result(event: events.Probed) -> str:
    if event.exit_code == 0:
        return "passed"
    how = "ran out of time" if event.exit_code is None else f"failed (exit {event.exit_code})"
    output = _first_line(event.output)
    return f"{how}: {output}" if output else how


def _first_line(text: str) -> str:
    stripped = text.strip()
    return stripped.splitlines()[0][:OUTPUT_WIDTH] if stripped else ""


def _order(effect: effects.Effect) -> str:
    return f"{_deed(effect)} ({effect.cause})"


def _deed(effect: effects.Effect) -> str:
    match effect:
        case effects.AcquireSandbox():
            return f"get {_network(effect.sandbox)}"
        case effects.PullImage():
            return f"get image {effect.image}"
        case effects.ResolveSecrets():
            return f"fetch {effect.what}"
        case effects.CreateVolumes():
            return "create volumes"
        case effects.OpenLog():
            return f"open the log stream of {effect.container}"
        case effects.CreateContainer():
            return f"create {effect.container}"
        case effects.StartContainer():
            return f"start {effect.container}"
        case effects.InspectContainer():
            return f"inspect {effect.container}"
        case effects.ProbeHealth():
            return f"run the health check of {effect.container}"
        case effects.SendSignal():
            return f"send {effect.signal} to {effect.container}"
        case effects.CloseLog():
            return f"close the log of {effect.container}"
        case effects.RemoveTask():
            return "remove everything"
        case _:
            assert_never(effect)


def _network(sandbox: str) -> str:
    if sandbox == NAMESPACES:
        return "the task's shared namespaces"
    return "the task's network" if sandbox == TASK_SANDBOX else f"the network of {sandbox}"

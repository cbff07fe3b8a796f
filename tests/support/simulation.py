"""A world for the pure core: virtual time, and containers that behave as they are told."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_ecs_tasks.core import effects, events
from pytest_ecs_tasks.core.health import HealthMode
from pytest_ecs_tasks.core.lifecycle import Step, advance, submit
from pytest_ecs_tasks.core.model import Container, Task
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode, TaskDefinition

END_OF_TIME = 10_000.0
TASK_ID = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a simulated container behaves. Times in seconds after its start."""

    exits_after: float = math.inf
    exit_code: int = 0
    healthy_from: float = 0.0
    healthy_until: float = math.inf
    ignores_sigterm: bool = False
    out_of_memory: bool = False
    create_error: str | None = None
    start_error: str | None = None
    start_takes: float = 0.1
    failing_signals: int = 0


@dataclass(slots=True)
class Process:
    """One life of a simulated container."""

    started_at: float
    ends_at: float
    exit_code: int


@dataclass(slots=True)
class Simulation:
    """Runs one task through the core until nothing more is due."""

    definition: TaskDefinition
    behaviours: Mapping[str, Behaviour] = field(default_factory=dict)
    launch_type: LaunchType | None = None
    pull_errors: Mapping[str, str] = field(default_factory=dict)
    sandbox_errors: Mapping[str, str] = field(default_factory=dict)
    secrets_error: str | None = None
    health_mode: HealthMode = HealthMode.FAST
    now: float = 0.0
    task: Task = field(init=False)
    orders: list[tuple[float, effects.Effect]] = field(default_factory=list)
    changes: list[Task] = field(default_factory=list)
    processes: dict[str, Process] = field(default_factory=dict)
    wake_at: float = math.inf
    _queue: list[tuple[float, int, events.Event]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        # The rules of Fargate's definitions are tested elsewhere: here only its behaviour is wanted.
        compatibilities = (self.launch_type.value,) if self.launch_type else ()
        request = RunTaskRequest(replace(self.definition, requires_compatibilities=compatibilities))
        plan = make_plan(request, task_id=TASK_ID, health_mode=self.health_mode)
        self.task = submit(plan, self.now)
        self.post(events.TaskSubmitted())

    def post(self, event: events.Event, *, after: float = 0.0) -> None:
        """Put a fact into the queue."""
        heapq.heappush(self._queue, (self.now + after, next(self._numbers), event))

    def run(self, until: float = math.inf) -> Task:
        """Advance to that time; without one, until nothing is due any more (at most 10,000 s)."""
        while True:
            due = min(self._queue[0][0] if self._queue else math.inf, self.wake_at)
            if due > min(until, END_OF_TIME):
                self.now = max(self.now, until) if until < math.inf else self.now
                return self.task
            self.now = max(self.now, due)
            if self._queue and self._queue[0][0] <= self.now:
                event = heapq.heappop(self._queue)[2]
            else:
                event = events.Tick()
            self.handle(advance(self.task, event, self.now))

    def handle(self, step: Step) -> None:
        """Take a step's outcome, and answer its orders."""
        self.task = step.task
        self.wake_at = step.wake_at
        self.changes.extend(step.changes)
        for order in step.effects:
            self.orders.append((self.now, order))
            self._answer(order)

    def stop(self, reason: str = "enough", *, at: float) -> None:
        """Call StopTask at that time."""
        self.run(until=at)
        self.now = at
        self.post(events.StopRequested(reason))

    def container(self, name: str) -> Container:
        """Return a container as it is now."""
        return self.task.container(name)

    def times(self, kind: type, name: str) -> list[float]:
        """Return when orders of that kind were given for a container."""
        return [
            at
            for at, order in self.orders
            if isinstance(order, kind) and getattr(order, "container", None) == name
        ]

    def signals(self, name: str) -> list[tuple[float, str]]:
        """Return the signals that were ordered for a container."""
        return [
            (round(at, 3), order.signal)
            for at, order in self.orders
            if isinstance(order, effects.SendSignal) and order.container == name
        ]

    def _answer(self, order: effects.Effect) -> None:
        behaviour = self.behaviours.get(getattr(order, "container", ""), Behaviour())
        match order:
            case effects.AcquireSandbox():
                error = self.sandbox_errors.get(order.sandbox)
                ready = events.SandboxReady(order.sandbox, f"box-{order.sandbox}", "10.0.0.2", None, 51670)
                self.post(events.EffectFailed(order, error) if error else ready, after=0.01)
            case effects.PullImage():
                error = self.pull_errors.get(order.image)
                fact = (
                    events.EffectFailed(order, error)
                    if error
                    else events.ImageReady(order.image, f"id-{order.image}", None, None)
                )
                self.post(fact, after=0.02)
            case effects.ResolveSecrets():
                failed = events.EffectFailed(order, self.secrets_error) if self.secrets_error else None
                self.post(failed or events.SecretsResolved(), after=0.01)
            case effects.CreateVolumes():
                self.post(events.VolumesReady(), after=0.01)
            case effects.OpenLog():
                self.post(events.LogOpened(order.container), after=0.01)
            case effects.CreateContainer():
                error = behaviour.create_error
                created = events.ContainerCreated(order.container, f"id-{order.container}")
                self.post(events.EffectFailed(order, error) if error else created, after=0.01)
            case effects.StartContainer():
                self._start(order, behaviour)
            case effects.InspectContainer():
                self._inspect(order, behaviour)
            case effects.ProbeHealth():
                age = self.now - self.processes[order.container].started_at
                healthy = behaviour.healthy_from <= age < behaviour.healthy_until
                self.post(
                    events.Probed(order.container, order.incarnation, 0 if healthy else 1, ""), after=0.01
                )
            case effects.SendSignal():
                self._signal(order, behaviour)
            case effects.CloseLog():
                self.post(events.LogClosed(order.container), after=0.01)
            case effects.RemoveTask():
                self.post(events.TaskRemoved(), after=0.05)

    def _start(self, order: effects.StartContainer, behaviour: Behaviour) -> None:
        if behaviour.start_error:
            self.post(events.EffectFailed(order, behaviour.start_error), after=behaviour.start_takes)
            return
        begun = self.now + behaviour.start_takes
        self.processes[order.container] = Process(begun, begun + behaviour.exits_after, behaviour.exit_code)
        self.post(events.ContainerStarted(order.container, order.incarnation), after=behaviour.start_takes)
        if behaviour.exits_after < math.inf:
            ended = events.OutputEnded(order.container, order.incarnation)
            self.post(ended, after=behaviour.start_takes + behaviour.exits_after)

    def _inspect(self, order: effects.InspectContainer, behaviour: Behaviour) -> None:
        process = self.processes[order.container]
        running = self.now < process.ends_at
        self.post(
            events.ContainerInspected(
                order.container,
                order.incarnation,
                running,
                exit_code=None if running else process.exit_code,
                out_of_memory=behaviour.out_of_memory,
            ),
            after=0.001,
        )

    def _signal(self, order: effects.SendSignal, behaviour: Behaviour) -> None:
        if len(self.signals(order.container)) <= behaviour.failing_signals:
            self.post(events.EffectFailed(order, "the engine is busy"), after=0.005)
            return
        process = self.processes[order.container]
        deadly = order.signal == "SIGKILL" or not behaviour.ignores_sigterm
        if deadly and self.now < process.ends_at:
            process.ends_at = self.now
            process.exit_code = 137 if order.signal == "SIGKILL" else 143
            self.post(
                events.OutputEnded(order.container, self.container(order.container).incarnation), after=0.01
            )
        self.post(events.SignalSent(order.container, order.signal), after=0.005)


def task(
    *containers: ContainerDefinition, network: NetworkMode = NetworkMode.AWSVPC, **more: object
) -> TaskDefinition:
    """Return a task definition of these containers."""
    return TaskDefinition("web", tuple(containers), network_mode=network, **more)  # type: ignore[arg-type]


def container(name: str, **more: object) -> ContainerDefinition:
    """Return a container definition that needs nothing but a name."""
    return ContainerDefinition(name, f"{name}-image", **more)  # type: ignore[arg-type]

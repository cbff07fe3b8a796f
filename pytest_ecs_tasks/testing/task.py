"""A cluster in memory: real task rules, containers that do as their command says, no engine, no time, no threads.

A container's command is its script, one instruction a word: ``log TEXT``, ``err TEXT`` (a line of output), ``exit N``,
``unhealthy`` (its health check fails), ``hang`` (it is never created). One without ``exit`` runs until it is signalled. An
image that begins with ``missing/`` cannot be pulled.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pytest_ecs_tasks.core import effects, events
from pytest_ecs_tasks.core.lifecycle import advance, submit
from pytest_ecs_tasks.core.model import StopCode, Task
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.transcript import TranscriptEntry, render
from pytest_ecs_tasks.core.views import state_change_event
from pytest_ecs_tasks.errors import EcsTaskError, EngineUnavailable
from pytest_ecs_tasks.task import EcsTask, ExecResult, LogLine
from pytest_ecs_tasks.testing.fake_terminals import FakeTerminal

EPOCH = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
KILLED, TERMINATED = 137, 143


class FakeLogBook:
    """The log book of a scripted container."""

    def __init__(self, lines: list[LogLine]) -> None:
        self._lines = lines

    def text(self) -> str:
        """Return everything."""
        return "".join(f"{line.text}\n" for line in self._lines)

    def lines(self, start: int = 0) -> Sequence[LogLine]:
        """Return the lines from an index on."""
        return self._lines[start:]

    def line_count(self) -> int:
        """Return how many lines there are."""
        return len(self._lines)


class FakeTask:
    """One task of the fake cluster. Implements :class:`~pytest_ecs_tasks.control.TaskControl`."""

    def __init__(self, request: RunTaskRequest, task_id: str, aws: FakeAws) -> None:
        plan = make_plan(request, task_id=task_id)
        self._now = 0.0
        self._aws = aws
        self._task = submit(plan, self._now)
        self._lines: dict[str, list[LogLine]] = {container.name: [] for container in plan.containers}
        self._changes: list[Mapping[str, object]] = []
        self._transcript: list[TranscriptEntry] = []
        self._queue: list[events.Event] = []
        self.terminals: list[FakeTerminal] = []
        self.post(events.TaskSubmitted())

    def post(self, event: events.Event) -> None:
        """Take a fact, and everything that follows from it at once."""
        self._queue.append(event)
        while self._queue:
            fact = self._queue.pop(0)
            self._now += 0.001
            step = advance(self._task, fact, self._now)
            for change in step.changes:
                made = state_change_event(change, wall=self.wall, event_id="0", at=self._now)
                self._changes.append(made)
                self._aws.record_event(made)
            ignored = step.task == self._task
            self._task = step.task
            status = step.task.last_status.value
            self._transcript.append(TranscriptEntry(self._now, fact, step.effects, status, ignored=ignored))
            for effect in step.effects:
                self._queue.extend(self._answer(effect))

    def _answer(self, effect: effects.Effect) -> Sequence[events.Event]:
        match effect:
            case effects.AcquireSandbox():
                return [events.SandboxReady(effect.sandbox, "sandbox", "10.0.0.2", None, None)]
            case effects.PullImage() if effect.image.startswith("missing/"):
                return [events.EffectFailed(effect, "manifest unknown")]
            case effects.PullImage():
                return [events.ImageReady(effect.image, f"sha256:{effect.image}", None, None)]
            case effects.ResolveSecrets():
                return [events.SecretsResolved()]
            case effects.CreateVolumes():
                return [events.VolumesReady()]
            case effects.OpenLog():
                return [events.LogOpened(effect.container)]
            case effects.CreateContainer():
                hangs = "hang" in self._script(effect.container)
                return [] if hangs else [events.ContainerCreated(effect.container, f"id-{effect.container}")]
            case effects.StartContainer():
                return self._start(effect)
            case effects.ProbeHealth() if any(
                each.startswith("exit") for each in self._script(effect.container)
            ):
                return []  # it has ended before its check could answer
            case effects.ProbeHealth():
                fails = "unhealthy" in self._script(effect.container)
                output = "connection refused" if fails else ""
                return [events.Probed(effect.container, effect.incarnation, int(fails), output)]
            case effects.InspectContainer():
                return []
            case effects.SendSignal():
                sent = events.SignalSent(effect.container, effect.signal)
                return [
                    sent,
                    self._exit(effect.container, KILLED if effect.signal == "SIGKILL" else TERMINATED),
                ]
            case effects.CloseLog():
                return [events.LogClosed(effect.container)]
            case effects.RemoveTask():
                return [events.TaskRemoved()]

    def _script(self, container: str) -> Sequence[str]:
        return self._task.container(container).plan.definition.command or ()

    def _start(self, effect: effects.StartContainer) -> Sequence[events.Event]:
        facts: list[events.Event] = [events.ContainerStarted(effect.container, effect.incarnation)]
        for instruction in self._script(effect.container):
            verb, _, rest = instruction.partition(" ")
            if verb in {"log", "err"}:
                stream = "stdout" if verb == "log" else "stderr"
                self._lines[effect.container].append(
                    LogLine(self.wall(self._now), effect.container, stream, rest)
                )
            elif verb == "exit":
                facts.append(self._exit(effect.container, int(rest)))
        return facts

    def _exit(self, container: str, code: int) -> events.ContainerInspected:
        return events.ContainerInspected(container, self._task.container(container).incarnation, False, code)

    # --- TaskControl

    def snapshot(self) -> Task:
        """Return the task as it is now."""
        return self._task

    def wait_until(
        self, condition: Callable[[], bool], timeout_s: float, *, reads_logs: bool = False
    ) -> bool:
        """Tell whether the condition holds. Nothing happens by itself here, so the timeout passes at once if not."""
        if condition():
            return True
        self._now += max(0.0, timeout_s)
        return condition()

    def log_book(self, container: str) -> FakeLogBook:
        """Return the container's log book."""
        return FakeLogBook(self._lines[container])

    def write(self, container: str, text: str) -> None:
        """Let a container write a line."""
        self._lines[container].append(LogLine(self.wall(self._now), container, "stdout", text))

    def wall(self, engine_seconds: float) -> datetime:
        """Turn engine seconds into wall time."""
        return datetime.fromtimestamp(EPOCH + engine_seconds, UTC)

    def now(self) -> float:
        """Return the engine seconds now."""
        return self._now

    def state_changes(self) -> Sequence[Mapping[str, object]]:
        """Return every state change so far."""
        return self._changes

    def transcript(self) -> str:
        """Return what happened and why."""
        return render(self._transcript, self._task)

    def local_images(self) -> tuple[str, ...]:
        """Return the names of images that are there."""
        return ("web:dev", "web:latest", "postgres:16")

    def stop(self, reason: str, *, stop_code: StopCode = StopCode.USER_INITIATED) -> None:
        """Stop it."""
        self.post(events.StopRequested(reason, stop_code))

    def remove(self, timeout_s: float) -> None:
        """Remove it."""
        if not self._task.removal_requested:
            self.post(events.RemovalRequested())
            if not self._task.removed:  # a container that hangs is removed all the same
                self.post(events.TaskRemoved())

    def reach(self, container: str, port: int, protocol: str) -> tuple[str, int]:
        """Return where a port would be."""
        return "10.0.0.2", port

    def dial(self, container: str, port: int) -> socket.socket:
        """Refuse: nothing listens in memory."""
        raise ConnectionRefusedError(f"nothing listens at port {port} of {container}")

    def execute(
        self, container: str, command: Sequence[str], timeout_s: float, user: str | None = None
    ) -> ExecResult:
        """Return what was asked; a last word ``exit N`` sets the exit code."""
        words = command[-1].split()
        code = int(words[1]) if words[:1] == ["exit"] else 0
        return ExecResult(code, " ".join(command), "no such thing" if code else "")

    def open_terminal(self, container: str, command: Sequence[str], user: str) -> FakeTerminal:
        """Return a terminal that shows the command's words, and then what is typed."""
        self.terminals.append(FakeTerminal(f"{container}: {list(command)}\r\n".encode()))
        return self.terminals[-1]

    def signal(self, container: str, signal: str) -> None:
        """End the container."""
        self.post(events.SignalledByTest(container, signal))
        self.post(self._exit(container, KILLED if signal == "SIGKILL" else TERMINATED))

    def pause(self, container: str) -> None:
        """Do nothing."""

    def unpause(self, container: str) -> None:
        """Do nothing."""


@dataclass(eq=False)
class FakeAws:
    """An AWS that remembers what was created in it. ``number`` tells one from another; ``ecs`` answers its ECS calls."""

    number: int
    region: str = "us-east-1"
    account_id: str = "123456789012"
    secrets: dict[str, object] = field(default_factory=dict)
    parameters: dict[str, object] = field(default_factory=dict)
    log_groups: list[str] = field(default_factory=list)
    is_closed: bool = False
    recorded: list[Mapping[str, object]] = field(default_factory=list)
    ecs: object = None

    @property
    def endpoint_url(self) -> str:
        """Return an address that tells the AWSs apart."""
        return f"http://127.0.0.1:{self.number}"

    @property
    def env(self) -> dict[str, str]:
        """Return the variables that point here."""
        return {"AWS_ENDPOINT_URL": self.endpoint_url, "AWS_REGION": self.region}

    def find_conflicts(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Name the variables that point elsewhere."""
        return tuple(name for name in environ if name in {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3"})

    def create_secret(self, name: str, value: object) -> None:
        """Create a secret."""
        self.secrets[name] = value

    def create_parameter(self, name: str, value: object, *, secure: bool = True) -> None:
        """Create a parameter."""
        self.parameters[name] = (value, secure)

    def create_log_group(self, name: str) -> None:
        """Create a log group."""
        self.log_groups.append(name)

    def record_event(self, event: Mapping[str, object]) -> None:
        """Take an ECS event."""
        self.recorded.append(event)

    def events(self, detail_type: str | None = None) -> list[Mapping[str, object]]:
        """Return the ECS events."""
        return [each for each in self.recorded if detail_type in (None, each["detail-type"])]

    def close(self) -> None:
        """End it."""
        self.is_closed = True


class FakeCluster:
    """A cluster whose tasks are :class:`FakeTask`. ``calls`` lists what it was asked for."""

    def __init__(self, *, engine: str = "docker", missing: str | None = None) -> None:
        self.engine = engine
        self.missing = missing
        self.calls: list[str] = []
        self.requests: list[RunTaskRequest] = []
        self.controls: list[FakeTask] = []
        self.all_aws: list[FakeAws] = []
        self.kept: list[str] = []
        self.swept: list[str] = []
        self._numbers = itertools.count(1)

    def warm_up(self, *, aws: bool = True) -> None:
        """Note it."""
        self.calls.append("warm_up with AWS" if aws else "warm_up")

    def require_engine(self) -> None:
        """Raise if the engine is said to be missing."""
        if self.missing is not None:
            raise EngineUnavailable(self.missing)

    def describe_engine(self) -> str:
        """Return the engine's name and place."""
        return f"{self.engine} 0 at fake://"

    @property
    def network(self) -> str:
        """A network."""
        return "fake-network"

    def new_aws(self, **places: str) -> FakeAws:
        """Make an AWS."""
        aws = FakeAws(next(self._numbers), **places)  # type: ignore[arg-type]  # region and account_id
        self.all_aws.append(aws)
        return aws

    def run_task(self, request: RunTaskRequest, aws: FakeAws) -> EcsTask:
        """Run a task; all that happens by itself has happened when it returns."""
        if aws.is_closed:
            raise EcsTaskError("this AWS is gone")
        control = FakeTask(request, f"{len(self.controls):032x}", aws)
        self.requests.append(request)
        self.controls.append(control)
        return EcsTask(control)

    def keep(self, task: EcsTask) -> None:
        """Note it."""
        self.kept.append(task.arn)

    def close(self) -> None:
        """Note it."""
        self.calls.append("close")

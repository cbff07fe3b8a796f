"""Facts: what has happened to a task. They come from three sources, in any order, and none is trusted alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.effects import Effect
from pytest_ecs_tasks.core.model import StopCode
from pytest_ecs_tasks.core.spec import NetworkBinding


@dataclass(frozen=True, slots=True)
class TaskSubmitted:
    """RunTask was called."""


@dataclass(frozen=True, slots=True)
class SandboxReady:
    """A network namespace is there. ``aws_port`` is where, on its loopback, the AWS endpoint answers."""

    sandbox: str
    runtime_id: str
    address: str | None
    mac_address: str | None
    aws_port: int | None
    bindings: tuple[NetworkBinding, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageReady:
    """An image is on the engine."""

    image: str
    image_id: str
    digest: str | None
    stop_signal: str | None
    environment_names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SecretsResolved:
    """Every secret and environment file of the task was fetched; their values stay with the performer."""

    what: str = "secrets"


@dataclass(frozen=True, slots=True)
class VolumesReady:
    """The task's volumes are there; ``sources`` are their names on the engine by their names in the definition."""

    sources: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogOpened:
    """A container's log stream is there; ``note`` says what had to be made up for it."""

    container: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ContainerCreated:
    """The engine has made a container."""

    container: str
    runtime_id: str


@dataclass(frozen=True, slots=True)
class ContainerStarted:
    """A container's process runs, or ran."""

    container: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class OutputEnded:
    """A container's output has ended: the fastest sign of an exit, and only a sign."""

    container: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class EngineReported:
    """The engine's event stream says that a container died."""

    container: str


@dataclass(frozen=True, slots=True)
class ContainerInspected:
    """What the engine says about a container: the only proof of an exit."""

    container: str
    incarnation: int
    running: bool
    exit_code: int | None = None
    out_of_memory: bool | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ContainerVanished:
    """The engine no longer knows a container that should be there."""

    container: str


@dataclass(frozen=True, slots=True)
class Probed:
    """A health check was run. ``exit_code`` ``None``: it did not end within its timeout."""

    container: str
    incarnation: int
    exit_code: int | None
    output: str


@dataclass(frozen=True, slots=True)
class SignalSent:
    """The engine has taken a signal for a container."""

    container: str
    signal: str


@dataclass(frozen=True, slots=True)
class SignalledByTest:
    """The test itself has sent a signal to a container."""

    container: str
    signal: str


@dataclass(frozen=True, slots=True)
class LogClosed:
    """Every line of a container is where it belongs. ``error`` says what could not be delivered."""

    container: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class StopRequested:
    """StopTask was called."""

    reason: str
    stop_code: StopCode = StopCode.USER_INITIATED


@dataclass(frozen=True, slots=True)
class RemovalRequested:
    """The test is done with the task: kill and remove at once."""


@dataclass(frozen=True, slots=True)
class TaskRemoved:
    """Nothing of the task is left on the engine."""


@dataclass(frozen=True, slots=True)
class EffectFailed:
    """An order failed; ``error`` is the failing party's own text, ``hint`` is for the person at the keyboard."""

    effect: Effect
    error: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event = (
    TaskSubmitted
    | SandboxReady
    | ImageReady
    | SecretsResolved
    | VolumesReady
    | LogOpened
    | ContainerCreated
    | ContainerStarted
    | OutputEnded
    | EngineReported
    | ContainerInspected
    | ContainerVanished
    | Probed
    | SignalSent
    | SignalledByTest
    | LogClosed
    | StopRequested
    | RemovalRequested
    | TaskRemoved
    | EffectFailed
    | Tick
)

"""Orders: what is to be done next for a task, each with its cause in words. Doing one yields a fact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AcquireSandbox:
    """Get a network namespace."""

    sandbox: str
    cause: str


@dataclass(frozen=True, slots=True)
class PullImage:
    """Make sure that an image is on the engine."""

    image: str
    containers: tuple[str, ...]
    cause: str


@dataclass(frozen=True, slots=True)
class ResolveSecrets:
    """Fetch every secret and environment file of the task; ``what`` says in words which it has."""

    cause: str
    what: str = "secrets"


@dataclass(frozen=True, slots=True)
class CreateVolumes:
    """Make the task's volumes, or find those that tasks share."""

    cause: str


@dataclass(frozen=True, slots=True)
class OpenLog:
    """Open a container's log stream."""

    container: str
    cause: str


@dataclass(frozen=True, slots=True)
class CreateContainer:
    """Create a container."""

    container: str
    cause: str


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Attach to a container's output, then start it."""

    container: str
    runtime_id: str
    incarnation: int
    cause: str


@dataclass(frozen=True, slots=True)
class InspectContainer:
    """Ask the engine whether a container still runs."""

    container: str
    runtime_id: str
    incarnation: int
    cause: str


@dataclass(frozen=True, slots=True)
class ProbeHealth:
    """Run a container's health check once."""

    container: str
    runtime_id: str
    incarnation: int
    command: tuple[str, ...]
    timeout_s: float
    cause: str


@dataclass(frozen=True, slots=True)
class SendSignal:
    """Send a signal to a container."""

    container: str
    runtime_id: str
    signal: str
    cause: str


@dataclass(frozen=True, slots=True)
class CloseLog:
    """Deliver the rest of a container's output and close its log stream."""

    container: str
    cause: str


@dataclass(frozen=True, slots=True)
class RemoveTask:
    """Kill and remove everything of the task."""

    cause: str


Effect = (
    AcquireSandbox
    | PullImage
    | ResolveSecrets
    | CreateVolumes
    | OpenLog
    | CreateContainer
    | StartContainer
    | InspectContainer
    | ProbeHealth
    | SendSignal
    | CloseLog
    | RemoveTask
)

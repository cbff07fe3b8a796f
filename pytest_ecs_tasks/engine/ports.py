"""What the engine needs from the world, as protocols. Adapters implement them; the shipped fakes do too."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pytest_ecs_tasks.core.plan import SandboxPlan
from pytest_ecs_tasks.core.spec import ContainerSpec, NetworkBinding, Sensitive


class EngineError(Exception):
    """A container engine refused or failed a call; the text is the engine's own. ``status`` is HTTP's, if it had one."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ImageNotFound(EngineError):  # noqa: N818 - as docker-py names it
    """The engine does not have that image."""


class ContainerNotFound(EngineError):  # noqa: N818 - as docker-py names it
    """The engine does not know that container."""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """An image on the engine. ``digest`` is ``sha256:…`` of the registry's manifest, where the engine knows one."""

    image_id: str
    digest: str | None = None
    stop_signal: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """What the engine says about a container now.

    ``running`` is True until its process is gone. ``exit_code`` is ``None`` while it runs and when it never ran.
    ``out_of_memory`` is the engine's own word; ``None`` where the engine cannot tell (Podman 4.3).
    Times are wall-clock seconds since the epoch. ``addresses``: IPv4 addresses by network name.
    """

    container_id: str
    running: bool
    started: bool
    exit_code: int | None = None
    error: str = ""
    out_of_memory: bool | None = None
    started_at: float | None = None
    finished_at: float | None = None
    stop_signal: str | None = None
    address: str | None = None
    mac_address: str | None = None
    pid: int | None = None
    bindings: tuple[NetworkBinding, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A network on the engine."""

    network_id: str
    name: str
    gateway: str | None = None
    subnet: str | None = None


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Something happened to a container of ours: ``start``, ``die``, ``oom`` or ``remove``; other actions are left out."""

    action: str
    container_id: str
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class ExecOutcome:
    """How a command in a container ended. ``exit_code`` is ``None`` when it was still running at the timeout."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes


class Attachment(Protocol):
    """A container's output (and input), attached before its start, so that nothing is lost."""

    def chunks(self) -> Iterator[tuple[str, bytes]]:
        """Yield ``("stdout" | "stderr", bytes)`` as they come; ends at end-of-file. A tty's output is all ``stdout``."""
        ...

    def detach_socket(self) -> tuple[socket.socket, bytes]:
        """Hand the raw socket over, with bytes already read: for the sandbox link. The caller closes it."""
        ...

    def close(self) -> None:
        """Close it; ``chunks`` ends. Safe to call twice and from another thread."""
        ...


class EventStream(Protocol):
    """The engine's events for one label. Iterating blocks; it ends when closed, and raises EngineError when cut."""

    def __iter__(self) -> Iterator[EngineEvent]: ...

    def close(self) -> None:
        """End the stream from any thread."""
        ...


class ContainerRuntime(Protocol):
    """A container engine. One method is one call to it; every method may be called from any thread.

    All raise :class:`EngineError` with the engine's own words.
    """

    @property
    def name(self) -> str:
        """``docker`` or ``podman``, the kind of engine."""
        ...

    @property
    def url(self) -> str:
        """Where the engine is, such as ``unix:///var/run/docker.sock``; nothing else."""
        ...

    @property
    def version(self) -> str:
        """The engine's own version, for people."""
        ...

    @property
    def architecture(self) -> str:
        """Its processors: ``amd64``, ``arm64`` or as the kernel spells them."""
        ...

    @property
    def rootless(self) -> bool:
        """Whether the engine runs without root."""
        ...

    def find_image(self, reference: str) -> ImageFacts | None:
        """Return a local image by name, name@digest or id; ``None`` when it is not here."""
        ...

    def pull_image(self, reference: str) -> None:
        """Pull from its registry with the user's own credentials; raises EngineError with the engine's words."""
        ...

    def load_image(self, archive: bytes) -> None:
        """Load a ``docker save`` archive."""
        ...

    def list_image_names(self) -> tuple[str, ...]:
        """Every name of a local image, for the error message's suggestions."""
        ...

    def create_network(self, name: str, labels: Mapping[str, str]) -> NetworkFacts:
        """Create a bridge network."""
        ...

    def remove_network(self, network_id: str) -> None:
        """Remove it; one that is gone already is no error."""
        ...

    def create_volume(
        self, name: str, labels: Mapping[str, str], driver: str | None, driver_options: Mapping[str, str]
    ) -> None:
        """Create a volume; without a driver it is a local one."""
        ...

    def remove_volume(self, name: str) -> None:
        """Remove it; one that is gone already is no error."""
        ...

    def create_container(self, spec: ContainerSpec) -> str:
        """Create and return the id."""
        ...

    def attach(self, container_id: str, *, stdin: bool = False, tty: bool = False) -> Attachment:
        """Attach to a container that was created and not started."""
        ...

    def start_container(self, container_id: str) -> None:
        """Start its process; raises EngineError with the engine's words when that fails."""
        ...

    def inspect_container(self, container_id: str) -> ContainerFacts:
        """Return what the engine says about it now. Raises :class:`ContainerNotFound`."""
        ...

    def kill_container(self, container_id: str, signal: str) -> None:
        """Send a signal; a container that has ended is no error."""
        ...

    def pause_container(self, container_id: str) -> None:
        """Freeze its processes."""
        ...

    def unpause_container(self, container_id: str) -> None:
        """Let its processes go on."""
        ...

    def remove_container(self, container_id: str) -> None:
        """Kill and remove with its anonymous volumes; one that is gone already is no error."""
        ...

    def execute(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> ExecOutcome:
        """Run a command in a running container and wait for it, at most ``timeout_s`` seconds."""
        ...

    def events(self, label: str) -> EventStream:
        """Follow the events of containers that bear ``label`` (``key=value``)."""
        ...

    def list_containers(self, label: str) -> tuple[ContainerFacts, ...]:
        """List containers, running or not, that bear ``label``; only id, running and labels are filled for certain."""
        ...

    def list_labels(self, label: str) -> Sequence[Mapping[str, str]]:
        """Return all labels of every container, network and volume that bears the label ``label``, whatever its value."""
        ...

    def sweep(self, label: str, *, kept: bool = False) -> int:
        """Remove every container, network and volume that bears ``label`` (``key=value``); return how many there were.

        What is marked as kept stays, unless ``kept``.
        """
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True, slots=True)
class SecretRequest:
    """One secret to fetch: for which container and variable, and from where."""

    container: str
    name: str
    value_from: str


class SecretsError(Exception):
    """A secret could not be had. The text is the agent's (after its prefix); ``hint`` is for the person at the keyboard."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class LogStreamError(Exception):
    """A log stream could not be made; the text is the AWS error's."""


class LogSink(Protocol):
    """One CloudWatch log stream, written from one thread."""

    def write(self, line: bytes, received_at: float) -> None:
        """Take one line without its newline (wall-clock seconds since the epoch). Never blocks for long."""
        ...

    def close(self) -> None:
        """Deliver what is left; returns when CloudWatch has it."""
        ...


class AwsServices(Protocol):
    """The test's AWS, as far as the engine uses it."""

    @property
    def endpoint_url(self) -> str:
        """Where it listens, for this machine: ``http://127.0.0.1:PORT``."""
        ...

    def resolve_secrets(
        self, requests: Sequence[SecretRequest], *, region: str, fargate: bool
    ) -> Mapping[tuple[str, str], Sensitive]:
        """Fetch every secret as the agent does; keys are (container, variable). Raises :class:`SecretsError`."""
        ...

    def open_log_sink(
        self, *, group: str, stream: str, region: str, create_group: bool, strict: bool
    ) -> tuple[LogSink, str | None]:
        """Open a log stream; the second value says what had to be made up for it (a missing group), if anything.

        Raises :class:`LogStreamError`.
        """
        ...

    def role_credentials(self) -> Mapping[str, str]:
        """Return the variables that stand in for a task role's credentials, as long as there is no endpoint for them."""
        ...

    def state_changed(self, event: Mapping[str, object]) -> None:
        """Take an ECS event in EventBridge's form."""
        ...


class Clock(Protocol):
    """Time, so that tests can own it."""

    def now(self) -> float:
        """Engine seconds: monotonic, from an arbitrary start."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch."""
        ...


class Ids(Protocol):
    """Randomness, so that tests can own it."""

    def task_id(self) -> str:
        """32 hexadecimal digits."""
        ...

    def uuid(self) -> str:
        """A UUID in its usual form."""
        ...


Dial = Callable[[], socket.socket]


class Sandbox(Protocol):
    """A network namespace of the engine, held by a container of ours, and the way into it and out of it."""

    @property
    def container_id(self) -> str:
        """The engine's id of the container that holds it."""
        ...

    @property
    def address(self) -> str | None:
        """Its IPv4 address in the run's network."""
        ...

    @property
    def mac_address(self) -> str | None:
        """Its hardware address in the run's network."""
        ...

    @property
    def aws_port(self) -> int | None:
        """The port of its loopback where the AWS endpoint answers."""
        ...

    @property
    def bindings(self) -> tuple[NetworkBinding, ...]:
        """Where its published ports are on the engine's host."""
        ...

    def serve_aws(self, dial: Dial) -> None:
        """Carry connections to ``aws_port`` to what ``dial`` connects to."""
        ...

    def reach(self, port: int) -> tuple[str, int]:
        """Return where this process reaches a TCP port of the namespace's own address (not of its loopback)."""
        ...

    def close(self) -> None:
        """Let go of the link; the container itself is removed by the caller. Safe to call twice."""
        ...


class SandboxSource(Protocol):
    """Where namespaces come from: a warm pool in the run's network, or made to measure."""

    def acquire(self, plan: SandboxPlan, hosts: Mapping[str, str], labels: Mapping[str, str]) -> Sandbox:
        """Return a running one. ``hosts`` are further names to resolve in it (links)."""
        ...


class ImageSource(Protocol):
    """How an image gets onto the engine: once each, whoever asks."""

    def provide(self, reference: str) -> ImageFacts:
        """Return the image, pulled if the pull policy says so. Raises :class:`EngineError`."""
        ...

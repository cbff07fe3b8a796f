"""What the engine needs from the world, as protocols. Adapters implement them; the shipped fakes do too."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_ecs_tasks.core.plan import SandboxPlan
from pytest_ecs_tasks.core.spec import ContainerSpec, NetworkBinding, RegistryLogin


class EngineError(Exception):
    """A container engine refused or failed a call; the text is the engine's own. ``status`` is HTTP's, if it had one.

    ``hint`` is for the person at the keyboard: what to do about it.
    """

    def __init__(self, message: str, *, status: int | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


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
class VolumeFacts:
    """A volume on the engine. ``mountpoint`` is a directory of the engine's machine, which need not be this one."""

    name: str
    mountpoint: str


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """Something happened to a container of ours: ``start``, ``die``, ``oom`` or ``remove``; other actions are left out."""

    action: str
    container_id: str
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class ExecOutcome:
    """How a command in a container ended. ``exit_code`` is ``None`` when it was killed at the timeout."""

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


class EngineTerminal(Protocol):
    """A command in a container, with a terminal of its own. All raise :class:`EngineError`."""

    def chunks(self) -> Iterator[bytes]:
        """Yield what it writes as it comes, until it ends or is closed; raises when it could not be started."""
        ...

    def write(self, data: bytes) -> None:
        """Let it read these bytes."""
        ...

    def resize(self, *, columns: int, rows: int) -> None:
        """Set the terminal's size; nothing happens before the command has begun and after it has ended."""
        ...

    def close(self) -> None:
        """Kill it, with what it has started, if it still runs. Safe to call twice and from another thread."""
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

    @property
    def log_drivers(self) -> frozenset[str]:
        """The log drivers that it has, by ECS's names; asked once."""
        ...

    def find_image(self, reference: str) -> ImageFacts | None:
        """Return a local image by name, name@digest or id; ``None`` when it is not here."""
        ...

    def pull_image(self, reference: str, login: RegistryLogin | None = None) -> None:
        """Pull from its registry, with the user's own credentials if none are given."""
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

    def find_volume(self, name: str) -> VolumeFacts | None:
        """Return a volume; ``None`` when the engine has none of that name."""
        ...

    def remove_volume(self, name: str) -> None:
        """Remove it; one that is gone already is no error."""
        ...

    def create_container(self, spec: ContainerSpec) -> str:
        """Create and return the id."""
        ...

    def has_path(self, container_id: str, path: str) -> bool:
        """Tell whether a container, which need not run, has something at that path; its volumes count."""
        ...

    def put_archive(self, container_id: str, path: str, archive: bytes) -> None:
        """Unpack a tar archive into a directory of a container, which need not run, or of a volume in it."""
        ...

    def attach(self, container_id: str, *, stdin: bool = False, tty: bool = False) -> Attachment:
        """Attach to a container that was created and not started."""
        ...

    def settle_container(self, container_id: str) -> None:
        """Wait until a container that has ended can be attached to and started once more."""
        ...

    def start_container(self, container_id: str) -> None:
        """Start its process; raises EngineError with the engine's words when that fails."""
        ...

    def inspect_container(self, container_id: str) -> ContainerFacts:
        """Return what the engine says about it now. Raises :class:`ContainerNotFound`."""
        ...

    def container_statistics(self, container_id: str) -> Mapping[str, Any]:
        """Return one sample of its resource use, as the Docker API writes it."""
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
        """Run a command in a running container and wait for it, at most ``timeout_s`` seconds; then it is killed.

        What it has started in the container is killed with it.
        """
        ...

    def open_terminal(
        self, container_id: str, command: Sequence[str], *, environment: Mapping[str, str], user: str
    ) -> EngineTerminal:
        """Start a command in a running container, with a terminal of its own."""
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

Resolve = Callable[[bytes], bytes | None]
"""Answers a DNS message; ``None`` leaves it to the engine's nameserver."""


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

    def serve_endpoints(self, dial: Dial) -> None:
        """Carry connections to 169.254.170.2:80 to what ``dial`` connects to; it is called on a thread for each."""
        ...

    def serve_names(self, resolve: Resolve) -> None:
        """Have DNS queries by UDP to the namespace's nameservers answered by ``resolve``, called on several threads.

        Raises :class:`EngineError` where it cannot be set up.
        """
        ...

    def connect(self, port: int, *, host: str | None = None) -> socket.socket:
        """Connect to a TCP port from inside the namespace: at its own address, or at ``host``. Raises OSErrors."""
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
        """Return a running one. ``hosts`` are further names to resolve in it (links).

        In it 169.254.170.2:80 leads to what ``serve_endpoints`` says, and 169.254.169.254 cannot be reached. Raises
        :class:`EngineError` when that could not be set up, too: no task may run without its credentials, or with those
        of the machine that it runs on.
        """
        ...

    def undisturbed(self) -> AbstractContextManager[None]:
        """Make none ahead of time meanwhile, as that would slow down what the engine is doing for a task."""
        ...


class ImageSource(Protocol):
    """How an image gets onto the engine: once each, whoever asks."""

    def provide(self, reference: str, login: RegistryLogin | None = None) -> ImageFacts:
        """Return the image, pulled (with ``login``) if the pull policy says so. Raises :class:`EngineError`."""
        ...

"""What a container engine is asked to create: engine-neutral, complete, without secrets' values in any repr."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.taskdef import Device, Tmpfs, Ulimit


class Sensitive(str):
    """Text that no repr, log or report shows. ``str()`` of it, and formatting it, hide it too; ``reveal()`` does not."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __str__(self) -> str:
        return "***"

    def __format__(self, format_spec: str) -> str:
        return "***"

    def reveal(self) -> str:
        """Return the text itself."""
        return str.__getitem__(self, slice(None))


@dataclass(frozen=True, slots=True)
class RegistryLogin:
    """Who pulls from, or pushes to, an image's registry."""

    username: str
    password: Sensitive


def hide(text: str, values: Iterable[Sensitive]) -> str:
    """Return a text of somebody else's, such as an engine's error, without the values that it may quote."""
    for value in sorted(values, key=len, reverse=True):
        if value:
            text = text.replace(value.reveal(), "***")
    return text


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A container port to publish on the engine's host. ``host_port`` 0 lets the engine choose."""

    container_port: int
    host_port: int = 0
    protocol: str = "tcp"
    host_ip: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class NetworkBinding:
    """Where a container port is reachable on the engine's host, as DescribeTasks tells it.

    The API's own names work too: ``binding["hostPort"]``.
    """

    bind_ip: str
    container_port: int
    host_port: int
    protocol: str = "tcp"

    def __getitem__(self, name: str) -> str | int:
        return self.as_api()[name]

    def as_api(self) -> dict[str, str | int]:
        """Return it as DescribeTasks does."""
        return {
            "bindIP": self.bind_ip,
            "containerPort": self.container_port,
            "hostPort": self.host_port,
            "protocol": self.protocol,
        }


@dataclass(frozen=True, slots=True)
class Mount:
    """A bind (``source`` begins with a slash) or a named volume.

    ``copy_up``: what the image has at ``target`` is copied into a volume that is empty.
    """

    source: str
    target: str
    read_only: bool = False
    copy_up: bool = True

    @property
    def is_bind(self) -> bool:
        """Whether ``source`` is a path of the engine's host."""
        return self.source.startswith("/")


@dataclass(frozen=True, slots=True)
class InheritedMounts:
    """All mounts of another container, by its id on the engine."""

    container_id: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """One container to create.

    ``network`` is what the Docker API's ``NetworkMode`` takes: ``container:<id>``, ``host``, ``none`` or a network id.
    Sizes in bytes, ``cpu_quota`` in CPU units (1024 = one CPU; ``None``: no cap), ``cpu_shares`` as Docker's.
    ``pid_mode`` and ``ipc_mode`` likewise, ``None`` for the engine's own; ``ipc_mode`` may also be ``shareable``.
    ``memory_and_swap`` is the sum of both.
    ``image_id`` is an id, never a name: Podman's API resolves short names to docker.io.
    ``image_volumes``: directories of the image to put on volumes that live as long as the container.
    ``log_driver``: the engine's own, beside the output that we read; ``None`` keeps no log, or ``keep_engine_logs``.
    ``None`` for ``entry_point``, ``command``, ``user``, ``working_directory`` leaves the image's own.
    """

    name: str
    image_id: str
    labels: Mapping[str, str]
    network: str
    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str | None = None
    working_directory: str | None = None
    hostname: str | None = None
    memory: int | None = None
    memory_reservation: int | None = None
    memory_and_swap: int | None = None
    swappiness: int | None = None
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    mounts: tuple[Mount, ...] = ()
    mounts_of: tuple[InheritedMounts, ...] = ()
    image_volumes: tuple[str, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    shared_memory_size: int | None = None
    ulimits: tuple[Ulimit, ...] = ()
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    init: bool = False
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    security_options: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    pid_mode: str | None = None
    ipc_mode: str | None = None
    open_stdin: bool = False
    tty: bool = False
    sysctls: Mapping[str, str] = field(default_factory=dict)
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    dns_servers: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    published_ports: tuple[PublishedPort, ...] = ()
    keep_engine_logs: bool = False
    log_driver: str | None = None
    log_options: Mapping[str, str] = field(default_factory=dict, repr=False)

"""A task definition as typed, frozen values, in the words of the ECS API.

Sizes are as ECS states them: ``cpu`` in CPU units (1024 = one vCPU), ``memory`` in MiB, times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pytest_ecs_tasks.errors import Problem


class NetworkMode(StrEnum):
    """The network modes of a Linux task. ECS's default is ``bridge``."""

    AWSVPC = "awsvpc"
    BRIDGE = "bridge"
    HOST = "host"
    NONE = "none"


class Condition(StrEnum):
    """What a dependency must have become."""

    START = "START"
    COMPLETE = "COMPLETE"
    SUCCESS = "SUCCESS"
    HEALTHY = "HEALTHY"
    CREATE = "CREATE"  # never written in a definition: the agent's own, for volumesFrom


@dataclass(frozen=True, slots=True)
class Dependency:
    """One entry of ``dependsOn``, or one that ECS derives (a link, ``volumesFrom``)."""

    container: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class PortMapping:
    """One port, or with ``last_port`` a range of ports, of a container. ``host_port`` 0 means: choose one."""

    container_port: int
    host_port: int = 0
    protocol: str = "tcp"
    last_port: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A container's health check; ``command`` starts with ``CMD`` or ``CMD-SHELL``. Times in seconds."""

    command: tuple[str, ...]
    interval_s: int = 30
    timeout_s: int = 5
    retries: int = 3
    start_period_s: int = 0


@dataclass(frozen=True, slots=True)
class Secret:
    """An environment variable whose value is fetched from Secrets Manager or Systems Manager."""

    name: str
    value_from: str


@dataclass(frozen=True, slots=True)
class MountPoint:
    """Where a volume of the task appears in a container."""

    source_volume: str
    container_path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class VolumesFrom:
    """A container whose mounts another one gets, too."""

    source_container: str
    read_only: bool = False


class FileSystemKind(StrEnum):
    """The services whose file systems a task can mount."""

    EFS = "efs"
    FSX = "fsx"
    S3_FILES = "s3files"


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A directory of a file system that outlives tasks. ``root_directory`` is relative, ``""`` for the whole."""

    kind: FileSystemKind
    file_system_id: str
    access_point: str | None = None
    root_directory: str = ""


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of the task.

    With ``host_path`` it is a directory of the engine's host, with ``file_system`` one of a file system, with ``shared`` a
    Docker volume that outlives the task; else a volume that lives as long as the task. ``driver``, ``driver_options`` and
    ``labels`` are a Docker volume's. ``configured_at_launch``: a new EBS volume.
    """

    name: str
    host_path: str | None = None
    driver: str | None = None
    driver_options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    shared: bool = False
    autoprovision: bool = False
    file_system: FileSystem | None = None
    configured_at_launch: bool = False

    @property
    def outlives_task(self) -> bool:
        """Whether the tasks of a run share it."""
        return self.shared or self.file_system is not None

    @property
    def takes_image_content(self) -> bool:
        """Whether what the image has at its path is copied into it while it is empty, as into Docker's volumes."""
        return self.file_system is None and not self.configured_at_launch


@dataclass(frozen=True, slots=True)
class LogConfiguration:
    """Where a container's output goes. ``secret_options`` are options whose values are fetched as secrets are.

    ``options`` may hold a token in plain text (splunk's), so no repr shows them.
    """

    driver: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_options: tuple[Secret, ...] = ()


class FirelensType(StrEnum):
    """The log routers that FireLens knows."""

    FLUENTBIT = "fluentbit"
    FLUENTD = "fluentd"


@dataclass(frozen=True, slots=True)
class FirelensConfiguration:
    """What makes a container the task's log router."""

    kind: FirelensType
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def s3_object(self) -> str | None:
        """The ARN of the configuration file in S3, if there is one."""
        return self.options.get("config-file-value") if self.options.get("config-file-type") == "s3" else None


@dataclass(frozen=True, slots=True)
class Ulimit:
    """One resource limit of a container's processes."""

    name: str
    soft_limit: int
    hard_limit: int


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """A memory file system of a container; ``size_mib`` in MiB."""

    container_path: str
    size_mib: int
    mount_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the engine's host in a container; ``permissions`` are of ``rwm``, as cgroups have them."""

    host_path: str
    container_path: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class LinuxParameters:
    """The Linux settings of a container. ``max_swap_mib`` 0: no swap; ``swappiness`` counts beside it only."""

    init_process_enabled: bool = False
    capabilities_add: tuple[str, ...] = ()
    capabilities_drop: tuple[str, ...] = ()
    shared_memory_size_mib: int | None = None
    tmpfs: tuple[Tmpfs, ...] = ()
    devices: tuple[Device, ...] = ()
    max_swap_mib: int | None = None
    swappiness: int | None = None


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When ECS starts a container again that has exited; ``attempt_period_s`` is 60 to 1800 seconds."""

    enabled: bool
    ignored_exit_codes: tuple[int, ...] = ()
    attempt_period_s: int = 300


@dataclass(frozen=True, slots=True)
class ContainerDefinition:
    """One container of a task definition."""

    name: str
    image: str
    registry_credentials: str | None = None  # a secret of Secrets Manager, by ARN or name
    essential: bool = True
    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    environment_files: tuple[str, ...] = ()  # ARNs of S3 objects
    secrets: tuple[Secret, ...] = ()
    port_mappings: tuple[PortMapping, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    start_timeout_s: int | None = None
    stop_timeout_s: int | None = None
    health_check: HealthCheck | None = None
    log_configuration: LogConfiguration | None = None
    mount_points: tuple[MountPoint, ...] = ()
    volumes_from: tuple[VolumesFrom, ...] = ()
    cpu: int = 0
    memory_mib: int | None = None
    memory_reservation_mib: int | None = None
    user: str | None = None
    working_directory: str | None = None
    hostname: str | None = None
    links: tuple[str, ...] = ()
    docker_labels: Mapping[str, str] = field(default_factory=dict)
    ulimits: tuple[Ulimit, ...] = ()
    linux_parameters: LinuxParameters = field(default_factory=LinuxParameters)
    readonly_root_filesystem: bool = False
    privileged: bool = False
    interactive: bool = False
    pseudo_terminal: bool = False
    extra_hosts: Mapping[str, str] = field(default_factory=dict)  # host name -> IP address
    dns_servers: tuple[str, ...] = ()
    dns_search_domains: tuple[str, ...] = ()
    system_controls: Mapping[str, str] = field(default_factory=dict)
    restart_policy: RestartPolicy | None = None
    firelens: FirelensConfiguration | None = None
    security_options: tuple[str, ...] = ()
    disable_networking: bool = False

    @property
    def log_secrets(self) -> tuple[Secret, ...]:
        """The options of the log driver that are fetched as secrets are."""
        return self.log_configuration.secret_options if self.log_configuration else ()


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """A whole task definition.

    ``document`` is the RegisterTaskDefinition input that it was read from, normalised. ``unsupported`` lists the fields
    that are right for ECS and not emulated: the caller warns about them, or refuses them under ``ecs_strict``. ``advice`` is
    what ECS accepts and people regret: ``--ecs-check`` shows it, a test run does not. ``repairs`` were needed to read the
    file, which other tools refuse: each is a warning. ``partial``: it was a list of containers alone, and what belongs to
    the task (memory, volumes) is in a file that was not given.
    """

    family: str
    containers: tuple[ContainerDefinition, ...]
    revision: int = 1
    network_mode: NetworkMode = NetworkMode.BRIDGE
    requires_compatibilities: tuple[str, ...] = ()
    task_role_arn: str | None = None
    execution_role_arn: str | None = None
    cpu: int | None = None
    memory_mib: int | None = None
    volumes: tuple[Volume, ...] = ()
    pid_mode: str | None = None
    ipc_mode: str | None = None
    source: str = "task definition"
    document: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    unsupported: tuple[Problem, ...] = ()
    advice: tuple[Problem, ...] = field(default=(), compare=False)
    repairs: tuple[Problem, ...] = ()
    partial: bool = False

    @property
    def router(self) -> ContainerDefinition | None:
        """The log router, if there is one."""
        return next((container for container in self.containers if container.firelens), None)

    def container(self, name: str) -> ContainerDefinition:
        """Return the container of that name; ``KeyError`` when there is none."""
        for container in self.containers:
            if container.name == name:
                return container
        raise KeyError(name)

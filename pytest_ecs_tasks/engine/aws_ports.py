"""What the engine needs from the test's AWS, and what a task's containers reach of it, as protocols."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pytest_ecs_tasks.core.cloud_map import Zone
from pytest_ecs_tasks.core.spec import RegistryLogin, Sensitive
from pytest_ecs_tasks.core.target_health import HealthRow
from pytest_ecs_tasks.core.traffic import Instance, Registry, Target, TargetGroup
from pytest_ecs_tasks.engine.ports import Sandbox


@dataclass(frozen=True, slots=True)
class SecretRequest:
    """One secret to fetch: for which container, its name there (a variable's or a log option's), and from where."""

    container: str
    name: str
    value_from: str


class SecretsError(Exception):
    """A secret could not be had. The text is the agent's (after its prefix); ``hint`` is for the person at the keyboard."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class EnvironmentFileError(SecretsError):
    """An environment file could not be had."""


class LogStreamError(Exception):
    """A log stream could not be made. The text is the AWS error's; ``hint`` is for the person at the keyboard."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class OutputSink(Protocol):
    """Takes a container's output as its reader gets it, from one thread. Never blocks for long.

    Times are wall-clock seconds since the epoch.
    """

    def feed(self, stream: str, data: bytes, received_at: float) -> None:
        """Take bytes, cut anywhere."""
        ...

    def finish(self, received_at: float) -> None:
        """Take what lacks its newline as whole lines: a life of the container has ended."""
        ...


class LineSink(Protocol):
    """Takes lines, from one thread. Never blocks for long."""

    def write(self, lines: Sequence[bytes], received_at: float) -> None:
        """Take lines without their newlines; ``received_at`` is wall-clock seconds since the epoch."""
        ...

    def close(self) -> None:
        """Deliver what is left."""
        ...


class LogSink(OutputSink, LineSink, Protocol):
    """One CloudWatch log stream; ``close`` returns when CloudWatch has everything."""


@dataclass(frozen=True, slots=True)
class RoleCredentials:
    """A session with a role; ``expires_at`` in wall-clock seconds since the epoch."""

    role_arn: str
    access_key_id: str = field(repr=False)
    secret_access_key: Sensitive
    session_token: Sensitive
    expires_at: float


class CredentialsError(Exception):
    """A role could not be assumed; the text says where, and is the AWS error's."""


class AwsServices(Protocol):
    """The test's AWS, as far as the engine uses it."""

    @property
    def endpoint_url(self) -> str:
        """Where it listens, for this machine: ``http://127.0.0.1:PORT``."""
        ...

    def resolve_secrets(
        self, requests: Sequence[SecretRequest], *, region: str, fargate: bool
    ) -> Mapping[tuple[str, str], Sensitive]:
        """Fetch every secret as the agent does; keys are (container, name). Raises :class:`SecretsError`."""
        ...

    def resolve_logins(
        self, parameters: Sequence[str], *, region: str, fargate: bool
    ) -> Mapping[str, RegistryLogin]:
        """Fetch the credentials of registries by ``credentialsParameter``. Raises :class:`SecretsError`."""
        ...

    def fetch_environment_files(self, arns: Sequence[str], *, fargate: bool) -> Mapping[str, bytes]:
        """Fetch S3 objects by their ARNs. Raises :class:`EnvironmentFileError`."""
        ...

    def fetch_router_file(self, arn: str) -> bytes:
        """Fetch the S3 object that a log router's configuration includes. Raises :class:`SecretsError`."""
        ...

    def open_log_sink(
        self, *, group: str, stream: str, region: str, create_group: bool, strict: bool
    ) -> tuple[LogSink, str | None]:
        """Open a log stream; the second value says what had to be made up for it (a missing group), if anything.

        Raises :class:`LogStreamError`.
        """
        ...

    def assume_role(self, role_arn: str, *, session_name: str, region: str) -> RoleCredentials:
        """Begin a session with a role; it need not exist. Raises :class:`CredentialsError`."""
        ...

    def state_changed(self, event: Mapping[str, object]) -> None:
        """Take an ECS event in EventBridge's form."""
        ...


class TaskEndpoints(Protocol):
    """What one task's containers reach at 169.254.170.2: credentials, metadata, the agent's API."""

    def dial(self, source: str) -> socket.socket:
        """Return a connection to it, for a container whose address is ``source``."""
        ...

    def environment(self, container: str) -> Mapping[str, str]:
        """Return the variables that lead a container there; they win over those of the definition."""
        ...

    def wait_until_ready(self) -> None:
        """Return when a container may start: its role's credentials are there. Raises :class:`CredentialsError`."""
        ...

    def close(self) -> None:
        """Stop whatever listens. Safe to call twice."""
        ...


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """What an AWS has answered to a DescribeTargetHealth: as it came, and what is in it.

    ``names_targets``: the request was for targets by name, so that there is a row for each.
    """

    status: int
    content: bytes
    group_arn: str
    names_targets: bool
    rows: tuple[HealthRow, ...]


class TargetGroups(Protocol):
    """The target groups of the test's AWS. All raise what its call raises when it fails."""

    def find(self, arn: str) -> TargetGroup | None:
        """Return a target group as it is now; ``None`` for one that is not there."""
        ...

    def register(self, target: Target) -> None:
        """Register a target."""
        ...

    def deregister(self, target: Target) -> None:
        """Register a target no longer."""
        ...

    def describe_health(self, body: bytes, signature: str) -> HealthAnswer:
        """Return what the AWS itself answers to a DescribeTargetHealth, sent with that ``Authorization``."""
        ...

    def write_health(self, rows: Sequence[HealthRow]) -> bytes:
        """Return the body of an answer to DescribeTargetHealth."""
        ...


class Names(Protocol):
    """The names that the test's AWS has in DNS."""

    def attach(self, sandbox: Sandbox, region: str) -> None:
        """Have the names of a region resolve in a namespace. Raises :class:`~pytest_ecs_tasks.engine.ports.EngineError`."""
        ...


class ServiceRegistries(Protocol):
    """Cloud Map of the test's AWS. All raise what its call raises when it fails."""

    def find(self, arn: str) -> Registry | None:
        """Return a service registry as it is now; ``None`` for one that is not there."""
        ...

    def register(self, instance: Instance) -> None:
        """Register an instance."""
        ...

    def deregister(self, instance: Instance) -> None:
        """Register an instance no longer."""
        ...

    def find_zone(self, name: str, region: str) -> Zone | None:
        """Return the namespace in whose DNS a name is, as it is now; ``None`` when there is none."""
        ...

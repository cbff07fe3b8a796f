"""What a task has on the engine and in AWS, and the tools that its orders are done with."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.spec import RegistryLogin, Sensitive
from pytest_ecs_tasks.engine.aws_ports import Names
from pytest_ecs_tasks.engine.log_outputs import LogOutput
from pytest_ecs_tasks.engine.ports import (
    Attachment,
    Clock,
    ContainerRuntime,
    ImageSource,
    Sandbox,
    SandboxSource,
)
from pytest_ecs_tasks.engine.shared_volumes import SharedVolumes
from pytest_ecs_tasks.engine.watcher import Watcher


@dataclass(frozen=True, slots=True)
class Tools:
    """What orders are done with; shared by every task of the run, but for ``images`` and ``names``, which are an AWS's."""

    runtime: ContainerRuntime
    sandboxes: SandboxSource
    images: ImageSource
    watcher: Watcher
    volumes: SharedVolumes
    clock: Clock
    pool: Executor
    labels: Mapping[str, str]
    strict: bool = False
    keep_engine_logs: bool = False
    names: Names | None = None


@dataclass(slots=True)
class Reader:
    """The thread that follows one life of a container's output."""

    attachment: Attachment
    thread: threading.Thread


@dataclass(slots=True)
class Belongings:
    """What one task has on the engine and in AWS."""

    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    containers: dict[str, str] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    readers: dict[str, Reader] = field(default_factory=dict)
    outputs: dict[str, LogOutput] = field(default_factory=dict)
    secrets: Mapping[tuple[str, str], Sensitive] = field(default_factory=dict, repr=False)
    logins: Mapping[str, RegistryLogin] = field(default_factory=dict, repr=False)
    file_environments: Mapping[str, Mapping[str, Sensitive]] = field(default_factory=dict, repr=False)
    router_file: bytes | None = field(default=None, repr=False)

"""What goes into the ECS API and what comes out of it: requests, answers, errors and orders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_ecs_tasks.core.api.project import Project
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.service_facts import ServiceFact
from pytest_ecs_tasks.core.service_model import Service, ServiceSettings
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.core.traffic import Registry, TargetGroup

if TYPE_CHECKING:
    from pytest_ecs_tasks.core.api.state import EcsState


class ApiError(Exception):
    """A request that ECS refuses: its error code, and the message that goes with it.

    ``members`` are what the error has besides.
    """

    def __init__(
        self, code: str, message: str, *, status: int = 400, members: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members or {}


def client_error(message: str) -> ApiError:
    """Return a ``ClientException``: ECS's word for a request that names what is not there."""
    return ApiError("ClientException", message)


def parameter_error(message: str) -> ApiError:
    """Return an ``InvalidParameterException``."""
    return ApiError("InvalidParameterException", message)


def check_word(name: str, value: object, words: Sequence[str]) -> None:
    """Raise :class:`ApiError` for a word that a member cannot have."""
    if value not in words:
        raise parameter_error(f"{name} is {value}; it is one of {', '.join(words)}")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and what the world is like when it comes.

    ``now`` is in seconds since the epoch; ``wall`` turns engine seconds into them. ``find_task`` returns a task's latest
    snapshot by its id, ``find_protection`` until when it is protected (seconds since the epoch), if it is. ``new_id``
    makes 32 hexadecimal digits.
    """

    operation: str
    request: Mapping[str, Any] = field(repr=False)
    now: float
    new_id: Callable[[], str]
    find_task: Callable[[str], Task | None]
    wall: Callable[[float], float]
    find_protection: Callable[[str], float | None] = lambda task_id: None
    project: Project = field(default_factory=Project)
    services: Mapping[str, Service] = field(default_factory=dict, repr=False)  # by ARN
    target_groups: Mapping[str, TargetGroup] = field(
        default_factory=dict, repr=False
    )  # those asked for, by ARN
    registries: Mapping[str, Registry] = field(default_factory=dict, repr=False)  # likewise


@dataclass(frozen=True, slots=True)
class StartTask:
    """Run one task. ``task_id`` is the last part of its ARN."""

    task_id: str
    request: RunTaskRequest


@dataclass(frozen=True, slots=True)
class StopTask:
    """Stop one task as StopTask does."""

    task_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProtectTask:
    """Protect one task from scale-in until ``until`` (seconds since the epoch), or no longer (``None``)."""

    task_id: str
    until: float | None


@dataclass(frozen=True, slots=True)
class Advise:
    """Warn of the fields of a task definition that are not emulated, or refuse them where that is asked for."""

    definition: TaskDefinition


@dataclass(frozen=True, slots=True)
class CreateService:
    """Have the service scheduler take a service on."""

    name: str
    arn: str
    cluster_arn: str
    settings: ServiceSettings
    deployment_id: str


@dataclass(frozen=True, slots=True)
class TellService:
    """Tell the service scheduler what was asked of a service."""

    arn: str
    fact: ServiceFact


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Have a command wait for its client; the answer gets a ``session`` by that.

    ``target`` is what Session Manager calls the container.
    """

    session_id: str
    target: str
    task_id: str
    container: str
    command: str = field(repr=False)


Effect = OpenSession | StartTask | StopTask | ProtectTask | Advise | CreateService | TellService


@dataclass(frozen=True, slots=True)
class Later:
    """A member of the answer that shows tasks as they are once the effects are done: a list, or one task."""

    member: str
    task_ids: tuple[str, ...]
    many: bool = True


@dataclass(frozen=True, slots=True)
class LaterService:
    """A member of the answer that shows a service as it is once the effects are done."""

    member: str
    arn: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request led to. ``later`` completes ``answer`` when the effects are done."""

    state: EcsState
    answer: Mapping[str, object] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    later: Later | LaterService | None = None


Operation = Callable[["EcsState", Call], Outcome]

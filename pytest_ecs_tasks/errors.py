"""Every exception and warning of the plugin, for the person at the keyboard.

ECS's own failures (``CannotPullContainerError: …``) are not exceptions: they are data in ``stopped_reason`` and ``reason``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_PROBLEMS_SHOWN = 100  # in a message; ``problems`` has all of them


class EcsTaskError(Exception):
    """Anything that goes wrong between a task definition and its containers."""


class Severity(StrEnum):
    """How bad a problem is: ``error`` for what is refused, ``warning`` for what is accepted and regretted."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a document, and where.

    ``path`` is written as in the API's own errors: ``containerDefinitions[0].dependsOn[1].condition``.
    ``line`` and ``column`` count from 1; they are ``None`` for a document that has no text, such as a ``dict``.
    ``code`` names the rule; ``--ecs-check`` shows it, and the reference lists every one.
    """

    path: str
    message: str
    line: int | None = None
    column: int | None = None
    code: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        where = f"line {self.line}  " if self.line is not None else ""
        place = f"{self.path}: " if self.path else ""
        return f"{where}{place}{self.message}"


class TaskDefinitionError(EcsTaskError):
    """A task definition that ECS would refuse; carries every problem at once.

    ``advice`` is what else would be said of the definition: warnings, which the message leaves out. ``choices`` are the
    names of the definitions in a file that has several, when the problem is that one of them has to be selected.
    ``unfilled`` are the placeholders that are to be filled, as ``substitute`` calls them, when one is in the way.
    """

    def __init__(
        self,
        source: str,
        problems: Sequence[Problem],
        advice: Sequence[Problem] = (),
        choices: Sequence[str] = (),
        unfilled: Sequence[str] = (),
    ) -> None:
        self.source = source
        self.choices = tuple(choices)
        self.unfilled = tuple(unfilled)
        self.problems = tuple(problems)
        self.advice = tuple(advice)
        count = len(self.problems)
        title = f"{source} has {count} problem{'' if count == 1 else 's'}"
        lines = [f"  {problem}" for problem in self.problems[:MOST_PROBLEMS_SHOWN]]
        if count > MOST_PROBLEMS_SHOWN:
            lines.append(f"  … and {count - MOST_PROBLEMS_SHOWN} more")
        super().__init__("\n".join([title, *lines]))


class UnsupportedFeature(EcsTaskError):  # noqa: N818 - the name is part of the public contract
    """Right for ECS, not emulated here; the message says what to do instead.

    ``problems`` are the places of a task definition that cannot work, ``advice`` the warnings, if it is about one.
    """

    def __init__(
        self, message: str, problems: Sequence[Problem] = (), advice: Sequence[Problem] = ()
    ) -> None:
        super().__init__(message)
        self.problems = tuple(problems)
        self.advice = tuple(advice)


class EngineUnavailable(EcsTaskError):  # noqa: N818 - the name is part of the public contract
    """No container engine answered; the message lists what was tried."""


class TaskFailedToStart(EcsTaskError):  # noqa: N818 - the name is part of the public contract
    """The task stopped before all of its containers ran (ECS's stop code ``TaskFailedToStart``)."""


class ImageError(TaskFailedToStart):
    """An image that cannot be had."""


class TaskStopped(EcsTaskError):  # noqa: N818 - the name is part of the public contract
    """The task stopped on its own while the test waited for something else."""


class WaitTimeout(EcsTaskError):  # noqa: N818 - the name is part of the public contract
    """The thing that the test waited for did not come in time; the message says what blocks it."""


class EngineCrashed(EcsTaskError):  # noqa: N818 - the name is part of the public contract
    """The plugin's own engine thread died: a bug of ours. The message holds the traceback to report."""


class EcsTasksWarning(UserWarning):
    """The parent of every warning of this plugin."""


class TaskDefinitionWarning(EcsTasksWarning):
    """Something in a task definition's file that is forgiven here and that other tools refuse: a comment, a stray comma."""


class EventDeliveryWarning(EcsTasksWarning):
    """ECS events that a rule of EventBridge is for, and that do not reach its target."""


class UnsupportedFieldWarning(EcsTasksWarning):
    """A field of the task definition that is not emulated; ``ecs_strict`` turns it into an error."""

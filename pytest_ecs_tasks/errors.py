"""Every exception and warning of the plugin, for the person at the keyboard.

ECS's own failures (``CannotPullContainerError: …``) are not exceptions: they are data in ``stopped_reason`` and ``reason``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class EcsTaskError(Exception):
    """Anything that goes wrong between a task definition and its containers."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a document, and where.

    ``path`` is written as in the API's own errors: ``containerDefinitions[0].dependsOn[1].condition``.
    ``line`` counts from 1; it is ``None`` for a document that has no text, such as a ``dict``.
    """

    path: str
    message: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}  " if self.line is not None else ""
        place = f"{self.path}: " if self.path else ""
        return f"{where}{place}{self.message}"


class TaskDefinitionError(EcsTaskError):
    """A task definition that ECS would refuse; carries every problem at once."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        title = f"{source} has {count} problem{'' if count == 1 else 's'}"
        super().__init__("\n".join([title, *(f"  {problem}" for problem in self.problems)]))


class UnsupportedFeature(EcsTaskError):  # noqa: N818 - the name is part of the public contract
    """Right for ECS, not emulated here; the message says what to do instead."""


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


class UnsupportedFieldWarning(EcsTasksWarning):
    """A field of the task definition that is not emulated; ``ecs_strict`` turns it into an error."""

"""A task definition as one of the readers of documents found it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_ecs_tasks.core.document import Path, PositionOf
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError


@dataclass(frozen=True, slots=True)
class Shape:
    """A task definition with the API's names, and how it was found.

    ``position_of`` and ``findings`` speak of places in the definition. ``lenient``: numbers and texts stand for each
    other there, as in Terraform and CloudFormation, but not in the field ``exact``, which Terraform decodes as Go does: with
    names in any case, and without those that are unknown. ``partial``: what belongs to the task is in another file.
    ``filled`` are the keys of ``substitute`` that were names of the document's own, and fill no placeholder of its texts.
    """

    definition: Mapping[object, object]
    position_of: PositionOf
    findings: tuple[Finding, ...] = ()
    lenient: bool = False
    exact: str = ""
    partial: bool = False
    filled: frozenset[str] = frozenset()


def choose_resource(names: Sequence[str], resource: str | None, source: str, what: str) -> str:
    """Return the name that is meant: the only one, or ``resource``.

    ``what`` is the kind of resource, for messages. Raises :class:`TaskDefinitionError` that lists the names.
    """
    if resource in names:
        return str(resource)
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    if not names:
        message = f"there is no {what} in it"
    elif resource is None and len(names) == 1:
        return names[0]
    elif resource is None:
        message = f"it has {len(names)} of {what}: choose one with ecs_taskdef(…, resource='{names[0]}'). They are {listed}"
    else:
        near = difflib.get_close_matches(resource, names, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else "."
        message = f"there is no {what} '{resource[:200]}' in it{hint} There is {listed}"
    choices = names if resource is None else ()
    raise TaskDefinitionError(source, [Problem("", message, code="resource")], choices=choices)


def within(position_of: PositionOf, prefix: Path) -> PositionOf:
    """Return the positions of what is in a part of the document."""
    return (lambda path: position_of((*prefix, *path))) if prefix else position_of

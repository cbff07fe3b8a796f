"""From what a test names to a task definition: a file, a dict, or a family that is registered in the test's AWS."""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ecs_tasks.errors import (
    EcsTaskError,
    EcsTasksWarning,
    Problem,
    TaskDefinitionError,
    TaskDefinitionWarning,
    UnsupportedFeature,
    UnsupportedFieldWarning,
)
from pytest_ecs_tasks.plugin.marks import MarkerError, Source

if TYPE_CHECKING:
    from pytest_ecs_tasks.core.taskdef import TaskDefinition

FAMILY = re.compile(
    r"^(?:arn:aws[a-z-]*:ecs:[^:]+:\d{12}:task-definition/)?(?P<family>[A-Za-z0-9_-]{1,255})(?::(?P<revision>\d+))?$"
)
SUFFIXES = (".json", ".jsonc", ".yaml", ".yml", ".tpl", ".tftpl", ".tf", ".tfstate", ".template")

# What DescribeTaskDefinition adds to what was registered.
RESPONSE_FIELDS = (
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where a relative path is looked for, in order; ``root`` is what shown paths are relative to.

    ``configured`` is ``ecs_taskdef_dir`` and where that came from, for the error message.
    """

    directories: tuple[Path, ...]
    root: Path
    configured: Path | None = None
    origin: str = "ini ecs_taskdef_dir"

    @property
    def all(self) -> tuple[Path, ...]:
        """Every directory, each once."""
        extra = () if self.configured is None else (self.configured,)
        return tuple(dict.fromkeys((*self.directories, *extra)))


Describe = Callable[[str], Mapping[str, Any]]


def read_source(
    source: Source,
    places: Places,
    *,
    substitute: Mapping[str, str],
    describe: Describe | None,
    name: str,
    resource: str | None = None,
    family: str | None = None,
) -> TaskDefinition:
    """Return the task definition that ``source`` names.

    ``describe`` asks ECS for a registered one. ``name`` is what a dict is called in messages. ``resource`` tells which of a
    file's task definitions is meant, and ``family`` names one that has no name. Raises :class:`TaskDefinitionError`, and
    :class:`MarkerError` for a path that leads nowhere.
    """
    from pytest_ecs_tasks.core.parse import parse_task_definition, read_task_definition

    if isinstance(source, Mapping):
        return parse_task_definition(
            dict(source), name, substitute=substitute, resource=resource, family=family
        )
    path = find_file(source, places)
    if path is not None:
        name = shown(path, places.root)
        return read_task_definition(
            _read_bytes(path, name), name, substitute=substitute, resource=resource, family=family
        )
    match = FAMILY.match(os.fspath(source))
    if match is not None and describe is not None:
        return _read_registered(os.fspath(source), match, describe, places)
    raise MarkerError(explain_missing(source, places))


def _read_bytes(path: Path, name: str) -> bytes:
    from pytest_ecs_tasks.core.text import check_size

    try:
        check_size(path.stat().st_size, name)
        return path.read_bytes()
    except OSError as error:
        text = f"cannot be read: {error.strerror or error}"
    raise TaskDefinitionError(name, [Problem("", text, code="unreadable-file")])


def _read_registered(source: str, match: re.Match[str], describe: Describe, places: Places) -> TaskDefinition:
    from pytest_ecs_tasks.core.parse import parse_task_definition

    family, revision = match["family"], match["revision"]
    try:
        found = describe(f"{family}:{revision}" if revision else family)
    except Exception as error:  # botocore's errors, which must not be imported here
        if type(error).__name__ not in {"ClientException", "ClientError"}:
            raise
        raise MarkerError(
            f"{explain_missing(source, places)}\n  No task definition {source!r} is registered in this test's AWS either: {error}"
        ) from error
    document = {
        key: value
        for key, value in found.items()
        if key not in RESPONSE_FIELDS and value not in (None, [], {})
    }
    definition = parse_task_definition(document, f"{family}:{found['revision']}")
    return replace(definition, revision=int(found["revision"]))


def find_file(source: str | os.PathLike[str], places: Places) -> Path | None:
    """Return the file that a path names, the first of the places that has it."""
    wanted = Path(source)
    candidates = [wanted] if wanted.is_absolute() else [directory / wanted for directory in places.all]
    return next((each for each in candidates if each.is_file()), None)


def explain_missing(source: str | os.PathLike[str], places: Places) -> str:
    """Return where a file was looked for, and which one may be meant."""
    looked = ", ".join(_shown_directory(directory, places) for directory in places.all)
    match = _nearest_file(Path(source), places)
    hint = "" if match is None else f" Did you mean {shown(match, places.root)}?"
    return f'ecs_taskdef("{os.fspath(source)}"): no such file. Looked in {looked}.{hint}'


def _shown_directory(directory: Path, places: Places) -> str:
    text = shown(directory, places.root)
    name = "./" if text == "." else f"{text.rstrip('/')}/"
    return f"{name} ({places.origin})" if directory == places.configured else name


def shown(path: Path, root: Path) -> str:
    """Return a path as it is shown: relative to the root where it lies below it."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return str(path)


def _nearest_file(wanted: Path, places: Places) -> Path | None:
    directories = dict.fromkeys(each for place in places.all for each in (place, place / wanted.parent))
    files = [
        file
        for directory in directories
        if directory.is_dir()
        for file in sorted(directory.iterdir())
        if file.suffix in SUFFIXES and file.is_file()
    ]
    names = difflib.get_close_matches(wanted.name, [file.name for file in files], n=1, cutoff=0.5)
    return next((file for file in files if names and file.name == names[0]), None)


def report_unsupported(definition: TaskDefinition, places: Places, *, strict: bool) -> None:
    """Warn of what was forgiven in the file, and of each field that is not emulated.

    Raises :class:`UnsupportedFeature` for the latter under ``ecs_strict``.
    """
    for problem in definition.repairs:
        _warn(TaskDefinitionWarning(f"{definition.source}: {problem}"), definition, problem, places)
    if strict and definition.unsupported:
        fields = "".join(f"\n  {problem}" for problem in definition.unsupported)
        raise UnsupportedFeature(
            f"{definition.source} has fields that are not emulated (ecs_strict):{fields}"
        )
    for problem in definition.unsupported:
        _warn(UnsupportedFieldWarning(f"{definition.source}: {problem}"), definition, problem, places)


def _warn(message: EcsTasksWarning, definition: TaskDefinition, problem: Problem, places: Places) -> None:
    file = str(places.root / definition.source)
    warnings.warn_explicit(message, type(message), file, problem.line or 1)


def override_environment(given: Mapping[str, object], containers: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return variables by container; a variable that stands beside the containers' names is meant for each of them."""
    result: dict[str, dict[str, str]] = {}
    for key, value in given.items():
        if isinstance(value, Mapping):
            result.setdefault(key, {}).update({str(name): str(text) for name, text in value.items()})
        elif isinstance(value, str):
            for container in containers:
                result.setdefault(container, {}).setdefault(key, value)
        else:
            raise EcsTaskError(
                f"environment[{key!r}] is a {type(value).__name__}: give a dict for a container, or a str for all of them"
            )
    return result

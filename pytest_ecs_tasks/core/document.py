"""JSON text turned into a document, and places in a document turned into lines of its text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_ecs_tasks.core.placeholders import fill_outside_strings, find_placeholder_at
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError, UnsupportedFeature

Path = tuple[str | int, ...]
LineOf = Callable[[Path], int | None]

_LONGEST_TEXT_WITH_LINES = 500_000  # PyYAML reads about 150 kB a second
_LONGEST_LINE = 100
_ENVIRONMENT_VALUE = re.compile(r'("value"\s*:\s*)"(?:[^"\\]|\\.)*"?')


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document read from text. ``repeated`` are the places of keys that an object has twice."""

    document: object
    line_of: LineOf
    repeated: tuple[Path, ...] = ()


@dataclass(slots=True)
class _Repetitions:
    """Objects that have a key twice, as the JSON reader meets them; kept alive, to be found again."""

    found: list[tuple[dict[str, object], list[str]]] = field(default_factory=list)

    def collect(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        """Return the object of these pairs; the last of equal keys wins, as everywhere in JSON."""
        value = dict(pairs)
        if len(value) < len(pairs):
            keys = [key for key, _ in pairs]
            self.found.append((value, [key for key in value if keys.count(key) > 1]))
        return value


def load_json(text: str, source: str, substitute: Mapping[str, str]) -> Loaded:
    """Return the document of a JSON text.

    Raises :class:`TaskDefinitionError` with the line, the column and the text of bad JSON.
    """
    text = text.removeprefix("\ufeff")
    if substitute:
        text = fill_outside_strings(text, substitute)
    repetitions = _Repetitions()
    try:
        document = json.loads(text, object_pairs_hook=repetitions.collect)
    except json.JSONDecodeError as error:
        raise TaskDefinitionError(source, [_describe_bad_json(text, error)]) from error
    except RecursionError as error:
        raise too_deep(source) from error
    except ValueError as error:  # Python refuses to read a number of more than 4,300 digits
        raise TaskDefinitionError(source, [Problem("", f"a number is too long to read: {error}")]) from error
    repeated = tuple(_find_places(document, repetitions)) if repetitions.found else ()
    return Loaded(document, _LineFinder(text).find, repeated)


def too_deep(source: str) -> TaskDefinitionError:
    """Return the error for a document that is nested without end."""
    return TaskDefinitionError(
        source, [Problem("", "lists and objects are nested too deeply to be a task definition")]
    )


def unwrap(document: object, source: str) -> tuple[Mapping[str, object], Path]:
    """Return the task definition in a document, and its place there.

    ``describe-task-definition`` wraps it. Raises :class:`UnsupportedFeature` for a CloudFormation template,
    and :class:`TaskDefinitionError` for anything that is no object.
    """
    if isinstance(document, (list, tuple)):
        text = (
            "this is a list, as Terraform's container_definitions is. Write it as an object: "
            '{"family": "…", "containerDefinitions": […]}'
        )
        raise TaskDefinitionError(source, [Problem("", text)])
    if not isinstance(document, Mapping):
        text = f"an object is wanted here, not {describe_type(document)}"
        raise TaskDefinitionError(source, [Problem("", text)])
    if (
        "AWSTemplateFormatVersion" in document
        or "Resources" in document
        or "ContainerDefinitions" in document
    ):
        raise UnsupportedFeature(
            f"{source} is a CloudFormation template, and those are not read yet. Give the task definition in "
            "RegisterTaskDefinition's form: family, containerDefinitions, …"
        )
    inner = document.get("taskDefinition")
    if "containerDefinitions" not in document and isinstance(inner, Mapping):
        return inner, ("taskDefinition",)
    return document, ()


def describe_type(value: object) -> str:
    """Return what a value is, in JSON's words, without the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def format_path(path: Path) -> str:
    """Return a place as the API writes it: ``containerDefinitions[0].dependsOn[1].condition``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return printable(text)


def printable(text: str) -> str:
    """Return the text in a form that any terminal and file takes: half surrogate pairs are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _find_places(value: object, repetitions: _Repetitions, path: Path = ()) -> list[Path]:
    places: list[Path] = []
    if isinstance(value, dict):
        for repeating, keys in repetitions.found:
            places += [(*path, key) for key in keys] if repeating is value else []
        for key, item in value.items():
            places += _find_places(item, repetitions, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            places += _find_places(item, repetitions, (*path, index))
    return places


def _describe_bad_json(text: str, error: json.JSONDecodeError) -> Problem:
    lines = text.split("\n")
    line = printable(lines[error.lineno - 1].rstrip("\r"))
    column = error.colno
    start = max(0, column - 1 - _LONGEST_LINE // 2)
    # The value of an environment variable may be a password: error reports do not show it.
    shown = _ENVIRONMENT_VALUE.sub(r'\1"***"', line)
    excerpt = f"\n    | {shown[start : start + _LONGEST_LINE].replace(chr(9), ' ')}"
    pointer = f"\n    | {' ' * (column - 1 - start)}^" if shown == line else ""
    return Problem("", f"column {column}: {_explain(text, error)}{excerpt}{pointer}", error.lineno)


def _explain(text: str, error: json.JSONDecodeError) -> str:
    before, rest = text[: error.pos].rstrip(), text[error.pos :].lstrip()
    if not text.strip():
        return "the document is empty"
    if text.lstrip()[0] not in "{[":
        return "this is not JSON, and JSON is all that is read yet"
    comma = before.endswith(",") or rest.startswith(",")
    if comma and rest.lstrip(", \t\r\n")[:1] in ("}", "]"):
        return "not JSON: a comma with nothing after it"
    # JSON's reader goes one brace into {{ name }} before it stops.
    placeholder = find_placeholder_at(text, error.pos) or find_placeholder_at(text, error.pos - 1)
    if placeholder:
        return (
            f"not JSON until the placeholder {placeholder} is filled: "
            f"ecs_taskdef(…, substitute={{{placeholder!r}: '…'}})"
        )
    return f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}"


class _LineFinder:
    """Finds the line of a place; the text is read again, by PyYAML, when the first problem asks."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: dict[Path, int] | None = None

    def find(self, path: Path) -> int | None:
        """Return the line of the place or of the nearest thing around it; ``None`` when it cannot be told."""
        if self._lines is None:
            self._lines = _read_lines(self._text)
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)


def _read_lines(text: str) -> dict[Path, int]:
    # Imported here: a definition without problems needs no YAML.
    import yaml

    if len(text) > _LONGEST_TEXT_WITH_LINES:
        return {}
    try:
        root = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
        lines: dict[Path, int] = {}
        _note_lines(root, (), lines)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return lines


def _note_lines(node: Any, path: Path, lines: dict[Path, int]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if node.id == "mapping":
        for key, value in node.value:
            lines[*path, key.value] = key.start_mark.line + 1
            _note_lines(value, (*path, key.value), lines)
    elif node.id == "sequence":
        for index, item in enumerate(node.value):
            _note_lines(item, (*path, index), lines)

"""JSON text turned into a document; what other tools forgive in it is forgiven, and told."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.document import Loaded, Path, Position, PositionOf, excerpt, too_deep
from pytest_ecs_tasks.core.placeholders import (
    describe_filling,
    fill_outside_strings,
    find_directive,
    find_unquoted,
    keys_of,
)
from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError

# Possessive quantifiers: what they took is not given back, which keeps a long text from costing memory or time twice.
_TOKEN = re.compile(r'"(?:[^"\\\n]++|\\.)*+"|//[^\n]*+|#[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/', re.DOTALL)
_EXTRA_COMMA = re.compile(r"(?:([^\s,\[{])\s*+)?,(?=\s*+[}\]])")
_PART = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)
# Private characters of Unicode, which no task definition has: they stand for placeholders while JSON is read.
_FIRST_STAND_IN, _PADDING = 0xE000, "\uf8ff"
_MOST_STAND_INS = 4096
_LONGEST_REPAIRED = 2_000_000  # characters; nobody writes more by hand


class Lines:
    """The line and column of each place in a text."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def position(self, offset: int) -> Position:
        """Return the position of an offset."""
        line = bisect_right(self._starts, offset)
        return Position(line, offset - self._starts[line - 1] + 1)


@dataclass(slots=True)
class _Repetitions:
    """Objects that have a key twice, as the JSON reader meets them; kept alive, to be found again."""

    found: dict[int, tuple[dict[str, object], list[str]]] = field(default_factory=dict)

    def collect(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        """Return the object of these pairs; the last of equal keys wins, as everywhere in JSON."""
        value = dict(pairs)
        if len(value) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            self.found[id(value)] = (value, [key for key, count in counts.items() if count > 1])
        return value


@dataclass(slots=True)
class _Repair:
    """A text of the same length that JSON's reader may take, and what was changed for that."""

    text: str
    masked: str = ""
    changes: list[Problem] = field(default_factory=list)
    placeholders: list[tuple[int, str]] = field(default_factory=list)


def load_json(text: str, source: str, substitute: Mapping[str, str]) -> Loaded:
    """Return the document of a JSON text.

    Commas with nothing after them and comments are forgiven; what was forgiven is in ``repairs``. A placeholder
    outside of quotes that nothing fills is read as a text, and is in ``unquoted``.

    Raises :class:`TaskDefinitionError` with the line, the column and the text of bad JSON.
    """
    if substitute:
        text = fill_outside_strings(text, substitute)
    try:
        return _load(_Repair(text), source)
    except json.JSONDecodeError as error:
        if len(text) > _LONGEST_REPAIRED:
            raise TaskDefinitionError(source, _describe_bad_json(text, error, _Repair(text))) from None
        repair = _repair(text)
    try:
        return _load(repair, source)
    except json.JSONDecodeError as error:
        keys = _keys_in_the_way(error, repair)
        problems = _describe_bad_json(text, error, repair)
        raise TaskDefinitionError(source, problems, unfilled=keys) from None


def _load(repair: _Repair, source: str) -> Loaded:
    repetitions = _Repetitions()
    try:
        document = json.loads(repair.text, object_pairs_hook=repetitions.collect)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise too_deep(source) from None
    except ValueError as error:  # Python refuses to read a number of more than 4,300 digits
        problem = Problem("", f"a number is too long to read: {error}", code="number-too-long")
        raise TaskDefinitionError(source, [problem]) from None
    repeated = tuple(_find_places(document, repetitions)) if repetitions.found else ()
    unquoted: tuple[tuple[Position, str], ...] = ()
    if repair.placeholders:
        lines = Lines(repair.text)
        unquoted = tuple((lines.position(offset), name) for offset, name in repair.placeholders)
        document = _restore(document, [name for _, name in repair.placeholders])
    return Loaded(document, find_positions(repair.text), repeated, tuple(repair.changes), unquoted)


def _repair(text: str) -> _Repair:
    """Return the text with blanks for comments and extra commas, and stand-ins for placeholders."""
    masked = _TOKEN.sub(lambda found: _mask(found.group()), text)
    repair, lines = _Repair(text, masked), Lines(text)
    readable = list(text)
    for found in _TOKEN.finditer(text):
        if not found.group().startswith('"'):
            _blank(readable, found.start(), found.end())
            what = f"a comment ({found.group()[:2] if found.group()[0] == '/' else '#'})"
            repair.changes.append(_change(lines.position(found.start()), what))
    for found in _EXTRA_COMMA.finditer(masked):
        if not found.group(1):
            continue  # nothing before it either
        readable[found.end() - 1] = " "
        repair.changes.append(_change(lines.position(found.end() - 1), "a comma with nothing after it"))
    repair.placeholders = list(find_unquoted("".join(readable)))[:_MOST_STAND_INS]
    for index, (offset, name) in enumerate(repair.placeholders):
        stand_in = chr(_FIRST_STAND_IN + index)
        readable[offset : offset + len(name)] = f'"{stand_in}{_PADDING * (len(name) - 3)}"'
    repair.text = "".join(readable)
    repair.changes.sort(key=lambda change: (change.line or 0, change.column or 0))
    return repair


def _change(position: Position, what: str) -> Problem:
    text = f"{what} is forgiven here; JSON has none, and other tools refuse the file"
    return Problem("", text, position.line, position.column, "forgiven-text", Severity.WARNING)


def _mask(token: str) -> str:
    """Return a token of the same length without anything that is structure: of a string only its end counts."""
    return '"' + "x" * (len(token) - 2) + '"' if token.startswith('"') else re.sub(r"[^\n]", " ", token)


def _blank(characters: list[str], start: int, end: int) -> None:
    for index in range(start, end):
        if characters[index] != "\n":
            characters[index] = " "


def _restore(value: object, placeholders: list[str]) -> object:
    """Return the document with the placeholders in place of what stood for them."""
    if isinstance(value, str):
        index = ord(value[0]) - _FIRST_STAND_IN if value else -1
        return placeholders[index] if 0 <= index < len(placeholders) else value
    if isinstance(value, dict):
        restored = {}
        for key, item in value.items():
            name = _restore(key, placeholders)
            restored[name if isinstance(name, str) else key] = _restore(item, placeholders)
        return restored
    if isinstance(value, list):
        return [_restore(item, placeholders) for item in value]
    return value


def _find_places(value: object, repetitions: _Repetitions, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict):
        for key in repetitions.found.get(id(value), (value, []))[1]:
            yield (*path, key)
        for key, item in value.items():
            yield from _find_places(item, repetitions, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _find_places(item, repetitions, (*path, index))


def _describe_bad_json(text: str, error: json.JSONDecodeError, repair: _Repair) -> list[Problem]:
    """Return what is wrong: the template that the text is, its placeholders, or the place where JSON ends."""
    lines = Lines(text)
    directive = find_directive(repair.masked)
    if directive is not None:
        return [describe_directive(text, *directive)]
    keys = _keys_in_the_way(error, repair)
    if keys:
        problems = []
        for offset, name in repair.placeholders:
            line, column = lines.position(offset)
            message = f"column {column}: not JSON until the placeholder {name} is filled"
            problems.append(Problem("", message + excerpt(text, line, column), line, column, "placeholder"))
        return [*problems, Problem("", describe_filling(keys), code="placeholder")]
    line, column = error.lineno, error.colno
    message = (
        "the document is empty" if not text.strip() else f"not JSON: {error.msg[:1].lower()}{error.msg[1:]}"
    )
    return [Problem("", f"column {column}: {message}{excerpt(text, line, column)}", line, column, "not-json")]


def describe_directive(text: str, start: int, end: int) -> Problem:
    """Return the problem of a template's directive at a place of a text."""
    line, column = Lines(text).position(start)
    message = (
        f"column {column}: {text[start:end]} is computed when the template is rendered: give the file that it "
        f"renders to{excerpt(text, line, column)}"
    )
    return Problem("", message, line, column, "template")


def _keys_in_the_way(error: json.JSONDecodeError, repair: _Repair) -> tuple[str, ...]:
    """Return what ``substitute`` calls the placeholders, if one of them is where JSON ends."""
    end = len(repair.text[: error.pos].rstrip())
    stopped = any(
        offset <= error.pos <= offset + len(name) or offset + len(name) == end
        for offset, name in repair.placeholders
    )
    return keys_of(name for _, name in repair.placeholders) if stopped else ()


def find_positions(text: str) -> PositionOf:
    """Return a function that tells the position of a place, or of the nearest thing around it.

    The text is read again when the first problem asks.
    """
    offsets: dict[Path, int] = {}
    lines: list[Lines] = []

    def find(path: Path) -> Position | None:
        if not lines:
            lines.append(Lines(text))
            offsets.update(_find_offsets(text))
        while path and path not in offsets:
            path = path[:-1]
        return lines[0].position(offsets[path]) if path in offsets else None

    return find


def _find_offsets(text: str) -> dict[Path, int]:
    """Return where each value of a list, and each key of an object, begins. The text is known to be JSON."""
    offsets: dict[Path, int] = {}
    path: list[str | int] = []  # of the value that comes next
    keys: list[bool] = []  # for each open object or list: is a key next?
    for found in _PART.finditer(text):
        part = found.group()
        if part in "}]":
            if keys:
                keys.pop()
                path.pop()
        elif part == ",":
            if path and isinstance(path[-1], int):
                path[-1] += 1
            elif keys:
                keys[-1] = True
        elif part == ":":
            continue
        elif keys and keys[-1]:
            path[-1] = json.loads(part) if "\\" in part else part[1:-1]
            keys[-1] = False
            offsets[tuple(path)] = found.start()
        else:
            offsets.setdefault(tuple(path), found.start())
            if part in "{[":
                keys.append(part == "{")
                path.append("" if part == "{" else 0)
    return offsets

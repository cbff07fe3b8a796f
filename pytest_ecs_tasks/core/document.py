"""What a document is while it is read: its places, their positions in the text, and its values in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pytest_ecs_tasks.errors import Problem, TaskDefinitionError

Path = tuple[str | int, ...]


class Position(NamedTuple):
    """A place in a text; both numbers count from 1."""

    line: int
    column: int


PositionOf = Callable[[Path], Position | None]

_LONGEST_LINE = 100
# The value of a variable, of a parameter, and of whatever is called a secret; also where JSON is a text inside of JSON.
_MAY_BE_SECRET = re.compile(
    r"""((?:\b(?:value|default)|(?:secret|token|passw|pwd|api_?-?key|credential)[\w.-]{0,60}+)\\?["']?\s*+[:=]\s*+)"""
    r"""(?:\\"(?:(?!\\").)*+(?:\\")?|"(?:[^"\\]++|\\.)*+"?|'[^']*+'?|[^\s"'\\{\[,][^}]*+)""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document read from text.

    ``repeated`` are the places of keys that an object has twice, ``repairs`` what was forgiven in the text, and
    ``unquoted`` the placeholders that stand outside of quotes and that nothing has filled.
    """

    document: object
    position_of: PositionOf
    repeated: tuple[Path, ...] = ()
    repairs: tuple[Problem, ...] = ()
    unquoted: tuple[tuple[Position, str], ...] = ()


class Computed(str):
    """An expression that its own tool would have to compute, as it is written in the file."""

    __slots__ = ()


class Word(str):
    """A word of YAML without quotes that is a flag in YAML 1.1 and a text in 1.2: ``yes``, ``no``, ``on``, ``off``."""

    __slots__ = ()


class ZeroLed(int):
    """A number of YAML without quotes that begins with 0: octal, or no number, in YAML 1.1; ``text`` is how it is written."""

    text: str


class Rounded(float):
    """A number of YAML without quotes that is written otherwise than it is read, as ``1.10``; ``text`` is how it is written."""

    text: str


class Unresolved(Computed):
    """A value of a template that cannot be told here: the text says why, ``keys`` what ``substitute`` calls what is missing.

    Without keys nothing can be given: ``code`` tells whose error it is.
    """

    __slots__ = ("code", "keys")
    keys: tuple[str, ...]
    code: str

    def __new__(cls, why: str, keys: tuple[str, ...] = (), code: str = "placeholder") -> Unresolved:
        """Make the text with its keys and its code."""
        value = super().__new__(cls, why)
        value.keys, value.code = keys, code
        return value


def too_deep(source: str) -> TaskDefinitionError:
    """Return the error for a document that is nested without end."""
    text = "lists and objects are nested too deeply to be a task definition"
    return TaskDefinitionError(source, [Problem("", text, code="too-deep")])


def refusal(source: str, message: str, position: Position | None = None) -> TaskDefinitionError:
    """Return the error for a document that is something else than a task definition."""
    line, column = position or (None, None)
    return TaskDefinitionError(source, [Problem("", message, line, column, "not-a-task-definition")])


def excerpt(text: str, line: int, column: int) -> str:
    """Return a line of the text below a message, with a pointer to the column, and without what may be a password."""
    lines = text.split("\n")
    written = printable(lines[line - 1].rstrip("\r").replace("\t", " ")) if line <= len(lines) else ""
    before, shown = (_MAY_BE_SECRET.sub(r'\1"***"', part) for part in (written[: column - 1], written))
    start = max(0, len(before) - _LONGEST_LINE // 2)
    pointer = f"\n    | {' ' * (len(before) - start)}^"
    return f"\n    | {shown[start : start + _LONGEST_LINE]}{pointer}"


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
    """Return the text in one line that any terminal and file takes: control characters and half surrogate pairs are escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)

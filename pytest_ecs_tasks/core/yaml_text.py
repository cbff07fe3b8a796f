"""YAML text turned into a document, by YAML 1.2's core schema: ``on``, ``08:30`` and ``2024-01-01`` are texts.

AWS's deploy action reads task definitions so; YAML 1.1 would make other values of them without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_ecs_tasks.core.document import Loaded, Path, Position, Rounded, Word, ZeroLed, excerpt, too_deep
from pytest_ecs_tasks.core.placeholders import fill
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError

LONGEST_YAML = 4_000_000  # characters, of which libyaml reads some 2 million a second
_LONGEST_WITHOUT_LIBYAML = 500_000  # PyYAML alone reads some 100,000 a second
_DEEPEST = 100
_MOST_NODES = 1_000_000
_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE, _FALSE = re.compile(r"true|True|TRUE"), re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,1000}|0o[0-7]{1,1000}|0x[0-9a-fA-F]{1,1000}")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_OPEN_BRACES = re.compile(
    r"(?m)^(?P<before>[^\"'#\n{]{0,200}[:\-][ \t]+)(?P<name>\{\{[^{}\n]{0,200}\}\})(?P<rest>[^\n]*)$"
)
_WORD_OF_1_1 = re.compile(r"yes|no|on|off|Yes|No|On|Off|YES|NO|ON|OFF")
_YAML_TAG = "tag:yaml.org,2002:"
_FULL_NAMES = {"Ref": "Ref", "Condition": "Condition"}  # CloudFormation's others are Fn::…


def load_yaml(text: str, source: str, substitute: Mapping[str, str]) -> Loaded:
    """Return the document of a YAML text.

    Short forms of CloudFormation's functions (``!Ref name``) come out in their long form (``{"Ref": "name"}``).
    Raises :class:`TaskDefinitionError` for what is no YAML, for several documents, and for a document that is too
    deep or, with its aliases, too large.
    """
    _refuse_long(text, LONGEST_YAML, source)
    try:
        return _load(text, source)
    except TaskDefinitionError:
        readable, unquoted = _fill_braces(text, substitute)
        if readable == text:
            raise
        return replace(_load(readable, source), unquoted=unquoted)


def _refuse_long(text: str, limit: int, source: str) -> None:
    if len(text) > limit:
        what = f"{len(text):,} characters of YAML are too many to read; up to {limit:,} are read"
        raise TaskDefinitionError(source, [Problem("", what, code="too-large")])


def _load(text: str, source: str) -> Loaded:
    # Imported here: most definitions are JSON.
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", None)
    if loader is None:
        _refuse_long(text, _LONGEST_WITHOUT_LIBYAML, source)
        loader = yaml.SafeLoader
    try:
        reader = _Reader(iter(yaml.parse(text, Loader=loader)))
        document = reader.read_stream()
    except yaml.MarkedYAMLError as error:
        raise TaskDefinitionError(source, [_describe(error, text)]) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:  # a character that YAML does not take
        found = yaml.reader.Reader.NON_PRINTABLE.search(text)
        line = text.count("\n", 0, found.start()) + 1 if found else 1
        problem = Problem("", f"not YAML: {str(error).splitlines()[0]}", line, 1, "not-yaml")
        raise TaskDefinitionError(source, [problem]) from None
    except _RefusedError as error:
        if error.code == "too-deep":
            raise too_deep(source) from None
        line, column = error.position
        raise TaskDefinitionError(source, [Problem("", str(error), line, column, error.code)]) from None
    positions = reader.positions

    def position_of(path: Path) -> Position | None:
        while path and path not in positions:
            path = path[:-1]
        return positions.get(path)

    return Loaded(document, position_of, tuple(reader.repeated))


def _fill_braces(text: str, substitute: Mapping[str, str]) -> tuple[str, tuple[tuple[Position, str], ...]]:
    """Return the text in which ``{{ name }}`` as a whole value is filled or in quotes, as it would be no YAML."""
    unquoted: list[tuple[Position, str]] = []

    def close(found: re.Match[str]) -> str:
        name = found["name"]
        filled = fill(name, substitute) if substitute else name
        if filled == name:
            line = text.count("\n", 0, found.start()) + 1
            unquoted.append((Position(line, len(found["before"]) + 1), name))
        if filled == name or found["rest"].strip():
            whole = (filled + found["rest"].rstrip()).replace("'", "''")
            return f"{found['before']}'{whole}'"
        return f"{found['before']}{filled}"

    return _OPEN_BRACES.sub(close, text), tuple(unquoted)


class _RefusedError(Exception):
    def __init__(self, message: str, mark: Any, code: str) -> None:
        super().__init__(message)
        self.position = _position(mark)
        self.code = code


@dataclass(slots=True)
class _Reader:
    """Builds the document from the events of YAML's parser, and counts what it builds."""

    events: Iterator[Any]
    positions: dict[Path, Position] = field(default_factory=dict)
    repeated: list[Path] = field(default_factory=list)
    anchors: dict[str, tuple[object, int]] = field(default_factory=dict)
    nodes: int = 0

    def read_stream(self) -> object:
        """Return the only document that has anything in it."""
        document: object = None
        for event in self.events:
            if type(event).__name__ != "DocumentStartEvent":
                continue
            self.anchors.clear()
            first = next(self.events)
            is_empty = type(first).__name__ == "ScalarEvent" and not first.value
            if document is not None and not is_empty:
                text = (
                    "another document begins here, and a file holds one task definition: split it into files"
                )
                raise _RefusedError(text, event.start_mark, "several-documents")
            document = document if is_empty else self._node(first, ())
        return document

    def _node(self, event: Any, path: Path) -> object:
        if len(path) > _DEEPEST:
            raise _RefusedError("", event.start_mark, "too-deep")
        self.positions.setdefault(path, _position(event.start_mark))
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event)
        before = self.nodes
        self._count(1, event)
        function = _function(event.tag)
        if function is not None:  # what is inside has the place that it has in the long form
            path = (*path, function)
            self.positions.setdefault(path, _position(event.start_mark))
        value: object
        if kind == "ScalarEvent":
            value = _scalar(event)
        elif kind == "SequenceStartEvent":
            value = self._sequence(path)
        else:
            value = self._mapping(path)
        if function is not None:
            if function == "Fn::GetAtt" and isinstance(value, str):
                value = value.split(".", 1)
            value = {function: value}
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.nodes - before)
        return value

    def _alias(self, event: Any) -> object:
        if event.anchor not in self.anchors:
            text = f"the alias *{event.anchor} has no anchor before it, or is inside of it"
            raise _RefusedError(text, event.start_mark, "not-yaml")
        value, size = self.anchors[event.anchor]
        self._count(size, event)
        return value

    def _count(self, number: int, event: Any) -> None:
        self.nodes += number
        if self.nodes > _MOST_NODES:
            text = f"the document has more than {_MOST_NODES:,} values, its aliases written out"
            raise _RefusedError(text, event.start_mark, "too-large")

    def _sequence(self, path: Path) -> list[object]:
        items: list[object] = []
        for event in self.events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            items.append(self._node(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, object]:
        own: dict[str, object] = {}
        merged: dict[str, object] = {}
        for event in self.events:
            if type(event).__name__ == "MappingEndEvent":
                break
            if type(event).__name__ != "ScalarEvent":
                text = "a key is to be a text here, not a list or an object"
                raise _RefusedError(text, event.start_mark, "not-yaml")
            key = event.value
            place = (*path, key)
            if key == "<<" and event.implicit[0]:
                first = next(self.events)
                if not _merge(self._node(first, place), merged):
                    text = "<< merges an object, or a list of objects, and this is neither"
                    raise _RefusedError(text, first.start_mark, "not-yaml")
                continue
            if key in own:
                self.repeated.append(place)
            self.positions[place] = _position(event.start_mark)
            own[key] = self._node(next(self.events), place)
        return {**merged, **own}


def _merge(value: object, merged: dict[str, object]) -> bool:
    """Add the keys of an object, or of a list of objects, that are not there yet; ``False`` for anything else."""
    objects = value if isinstance(value, list) else [value]
    for each in objects:
        if not isinstance(each, dict):
            return False
        for key, item in each.items():
            merged.setdefault(key, item)
    return True


def _scalar(event: Any) -> object:
    text: str = event.value
    if not event.implicit[0] or (event.tag or "").startswith("!"):
        return _explicit(event.tag, text)
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _INTEGER.fullmatch(text):
        if re.fullmatch(r"0[0-9]+", text):
            return _with_text(ZeroLed(text), text)
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text.removeprefix("0o"), base) if base == 8 else int(text, base)
    if _FLOAT.fullmatch(text):
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return number if str(number) == text else _with_text(Rounded(number), text)
    return Word(text) if _WORD_OF_1_1.fullmatch(text) else text


def _with_text(number: Any, text: str) -> object:
    number.text = text
    return number


def _explicit(tag: str | None, text: str) -> object:
    if tag in (f"{_YAML_TAG}int", f"{_YAML_TAG}float", f"{_YAML_TAG}bool", f"{_YAML_TAG}null"):
        return _scalar(_Plain(text))
    return text


@dataclass(frozen=True, slots=True)
class _Plain:
    value: str
    implicit: tuple[bool, bool] = (True, False)
    tag: None = None


def _function(tag: str | None) -> str | None:
    """Return CloudFormation's long form of a tag: ``Fn::Sub`` of ``!Sub``."""
    if not tag or not tag.startswith("!") or len(tag) == 1:
        return None
    return _FULL_NAMES.get(tag[1:], f"Fn::{tag[1:]}")


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)


def _describe(error: Any, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = _position(mark) if mark is not None else (1, 1)
    what = f"{error.problem or error}"
    message = f"column {column}: not YAML: {what}{excerpt(text, line, column)}"
    return Problem("", message, line, column, "not-yaml")

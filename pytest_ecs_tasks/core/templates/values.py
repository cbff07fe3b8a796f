"""Values of a template while it is resolved: each with its place, and with what is not known before it is deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.document import Path, Rounded, ZeroLed

# Not characters of any text, by Unicode: they enclose the number of what is not known.
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_UNKNOWN = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]")

LONGEST_TEXT = 1_000_000


@dataclass(frozen=True, slots=True)
class Node:
    """A resolved value: a scalar, a list of nodes, a dict of nodes or :data:`NOTHING`; ``path`` is its place in the template."""

    value: object
    path: Path


class Nothing:
    """What ``AWS::NoValue`` is: the property or the entry is not there."""

    __slots__ = ()


NOTHING = Nothing()


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that only a deployment knows.

    ``key`` is what ``substitute`` calls it, ``""`` where no value can stand for it. ``why`` says why it is not known.
    ``stand_in`` is a value that serves where a name is only passed on, for the resources that the template itself makes.
    ``code`` is the problem's where there is no key.
    """

    key: str
    why: str
    stand_in: str | None = None
    code: str = "template-function"


@dataclass(slots=True)
class Unknowns:
    """All that is not known in a template. In texts each is a mark, so that they can be joined and split."""

    found: list[Unknown] = field(default_factory=list)
    _numbers: dict[Unknown, int] = field(default_factory=dict)

    def mark(self, unknown: Unknown) -> str:
        """Return the text that stands for it."""
        if unknown not in self._numbers:
            self._numbers[unknown] = len(self.found)
            self.found.append(unknown)
        return f"{_OPEN}{self._numbers[unknown]}{_CLOSE}"

    def inside(self, text: str) -> Iterator[Unknown]:
        """Yield each that a text has, once."""
        for number in dict.fromkeys(_UNKNOWN.findall(text)):
            yield self.found[int(number)]

    def replace(self, text: str, texts: dict[Unknown, str]) -> str:
        """Return the text with others in place of what is not known."""
        return _UNKNOWN.sub(lambda found: texts[self.found[int(found.group(1))]], text)


def has_unknown(text: str) -> bool:
    """Tell whether a text has a part that is not known."""
    return _UNKNOWN.search(text) is not None


def clean(text: str) -> str:
    """Return a text of the file without what would look like our marks."""
    return _MARKS.sub("\ufffd", text) if _MARKS.search(text) else text


def literal(value: object) -> object:
    """Return a scalar of a parameter or a map: what is in the file, as it is written there."""
    if isinstance(value, ZeroLed | Rounded):
        return value.text
    return clean(value) if isinstance(value, str) else value


def as_text(value: object) -> str | None:
    """Return a scalar as CloudFormation writes it into a text, ``None`` for what is no scalar."""
    match value:
        case ZeroLed():
            return value.text
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
    return None

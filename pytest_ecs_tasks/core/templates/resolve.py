"""A template's functions and conditions computed, as far as they can be before it is deployed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.document import Path, Rounded, Word, ZeroLed
from pytest_ecs_tasks.core.templates.functions import FUNCTIONS
from pytest_ecs_tasks.core.templates.references import References, Section, section
from pytest_ecs_tasks.core.templates.values import (
    LONGEST_TEXT,
    NOTHING,
    Node,
    Unknowns,
    as_text,
    clean,
    has_unknown,
)
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError

PROCESSED = "aws cloudformation get-template --template-stage Processed"
_MOST_STEPS = 200_000


@dataclass(slots=True)
class Resolver:
    """Computes the values of one template, each condition once.

    ``references`` tells what names stand for, ``notes`` what was read otherwise than it looks, by its place.
    """

    document: Section
    source: str
    substitute: Mapping[str, str]
    is_whole: bool = True
    unknowns: Unknowns = field(default_factory=Unknowns)
    notes: dict[Path, str] = field(default_factory=dict)
    references: References = field(init=False)
    _conditions: dict[str, bool | str] = field(default_factory=dict)
    _active: set[str] = field(default_factory=set)
    _steps: int = 0

    def __post_init__(self) -> None:
        self.references = References(
            section(self.document, "Parameters"),
            section(self.document, "Resources"),
            self.substitute,
            self.unknowns,
            lambda value, path: self.text_of(self.resolve(value, path)),
            self.is_whole,
        )

    def resolve(self, value: object, path: Path) -> Node:
        """Return the value of a place, without the properties and entries that are ``AWS::NoValue``."""
        self.count(1)
        if isinstance(value, Mapping):
            name = function_name(value)
            if name is not None:
                return self._call(name, value[name], (*path, name))
            items = {str(key): self._member(str(key), item, (*path, str(key))) for key, item in value.items()}
            return Node({key: item for key, item in items.items() if item.value is not NOTHING}, path)
        if isinstance(value, list | tuple):
            nodes = [self.resolve(item, (*path, index)) for index, item in enumerate(value)]
            return Node([each for each in nodes if each.value is not NOTHING], path)
        if isinstance(value, Rounded) and path[0] == "Resources":
            self.notes[path] = (
                f"{value.text} without quotes is the number {as_text(float(value))}; put it in quotes where a text is meant"
            )
        if isinstance(value, Word | ZeroLed) and path[0] == "Resources":
            return self._scalar_of_yaml_1_1(value, path)
        return Node(clean(value) if isinstance(value, str) else value, path)

    def _member(self, key: str, value: object, path: Path) -> Node:
        """Return a member of an object, or what says that a macro would put others in its place."""
        if is_macro(key):
            return Node(self.references.unknown("", describe_macro(key)), path)
        return self.resolve(value, path)

    def _scalar_of_yaml_1_1(self, value: Word | ZeroLed, path: Path) -> Node:
        """Return what CloudFormation, which reads YAML 1.1, makes of a value without quotes, and note that."""
        written = value.text if isinstance(value, ZeroLed) else str(value)
        meant: object
        if isinstance(value, Word):
            meant = written.lower() in ("yes", "on")
        else:
            meant = written if re.search("[89]", written) else int(written, 8)
        self.notes[path] = (
            f"{written} without quotes is {as_text(meant)} for CloudFormation, which reads YAML 1.1; put it in quotes"
        )
        return Node(meant, path)

    def _call(self, name: str, argument: object, path: Path) -> Node:
        function = FUNCTIONS.get(name)
        return (
            self.failure(path, describe_macro(name)) if function is None else function(self, argument, path)
        )

    def value(self, value: object, path: Path) -> Node:
        """Return a value of a reference as nodes of the place where it is used."""
        if isinstance(value, list):
            return Node([Node(each, path) for each in value], path)
        return Node(value, path)

    def failure(self, path: Path, why: str) -> Node:
        """Return what stands for a value that cannot be computed as it is written; ``path`` is the function's."""
        return Node(self.references.unknown("", why), path[:-1])

    def text_of(self, node: Node) -> str | None:
        """Return a node as a text, ``None`` for what is none."""
        return "" if node.value is NOTHING else as_text(node.value)

    def limited(self, text: str, path: Path) -> Node:
        """Return a computed text; one that has grown without end is a failure."""
        self.count(len(text) // 1000)
        if len(text) > LONGEST_TEXT:
            return self.failure(path, f"the text has more than {LONGEST_TEXT:,} characters")
        return Node(text, path[:-1])

    def count(self, steps: int) -> None:
        """Count what was done. Raises :class:`TaskDefinitionError` when it is more than any template needs."""
        self._steps += steps
        if self._steps > _MOST_STEPS:
            text = "the template's functions make more of it than any task definition has"
            raise TaskDefinitionError(self.source, [Problem("", text, code="too-large")])

    def condition(self, name: str) -> bool | str:
        """Return whether a condition holds; a text with what it depends on where that is not known."""
        if name in self._conditions:
            return self._conditions[name]
        declared = section(self.document, "Conditions")
        if name in self._active:
            return self.references.unknown("", f"the condition {name[:60]} depends on itself")
        if name not in declared:
            return self.references.unknown("", f"the template has no condition '{name[:60]}'")
        self._active.add(name)
        try:
            result = self._judge(declared[name], ("Conditions", name))
        finally:
            self._active.discard(name)
        self._conditions[name] = result
        return result

    def _judge(self, value: object, path: Path) -> bool | str:
        self.count(1)
        if isinstance(value, Mapping) and len(value) == 1:
            ((name, argument),) = value.items()
            place = (*path, str(name))
            arguments = argument if isinstance(argument, list | tuple) else ()
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if name == "Fn::Equals" and len(arguments) == 2:
                return self._equals(arguments, place)
            if name in ("Fn::And", "Fn::Or") and arguments:
                judged = [self._judge(each, (*place, index)) for index, each in enumerate(arguments)]
                return _combine(judged, decisive=name == "Fn::Or")
            if name == "Fn::Not" and len(arguments) == 1:
                result = self._judge(arguments[0], (*place, 0))
                return not result if isinstance(result, bool) else result
        text = self.text_of(self.resolve(value, path))
        if text is not None and (text.lower() in ("true", "false") or has_unknown(text)):
            return text.lower() == "true" if not has_unknown(text) else text
        return self.references.unknown(
            "", f"the condition {path[1]} is not made of CloudFormation's conditions"
        )

    def _equals(self, arguments: list[object] | tuple[object, ...], path: Path) -> bool | str:
        left, right = (
            _comparable(self.resolve(each, (*path, index))) for index, each in enumerate(arguments)
        )
        unknown = [each for each in (left, right) if isinstance(each, str) and has_unknown(each)]
        return "".join(unknown) if unknown else left == right


def function_name(value: Section) -> str | None:
    """Return the function that an object calls, if it is a call."""
    if len(value) == 1:
        (name,) = value
        if isinstance(name, str) and (name == "Ref" or name.startswith("Fn::")):
            return name
    return None


def is_macro(name: str) -> bool:
    """Tell whether a key of an object is a macro's: CloudFormation puts what it makes in its place."""
    return name == "Fn::Transform" or name.startswith("Fn::ForEach::")


def describe_macro(name: str) -> str:
    """Return why what a macro, or a function that nobody knows, makes is not known."""
    what = (
        f"{name[:60]} is a macro, which only CloudFormation runs"
        if is_macro(name)
        else f"{name[:60]} is not known here"
    )
    return f"{what}: give what `{PROCESSED}` prints"


def _combine(judged: list[bool | str], *, decisive: bool) -> bool | str:
    """Return what And (decided by a False) or Or (by a True) makes of conditions."""
    if decisive in [each for each in judged if isinstance(each, bool)]:
        return decisive
    unknown = [each for each in judged if isinstance(each, str)]
    return "".join(unknown) if unknown else not decisive


def _comparable(node: Node) -> object:
    match node.value:
        case list() as items:
            return [_comparable(each) for each in items]
        case dict() as members:
            return {key: _comparable(each) for key, each in members.items()}
    return as_text(node.value)

"""EventBridge's event patterns: which events a rule is for.

Source: aws/event-ruler, which EventBridge is made of, JsonRuleCompiler.java (what a pattern may say), Event.java and
ACFinder.java (how it meets an event), and EventBridge's user guide, "Comparison operators".
"""

from __future__ import annotations

import ipaddress
import itertools
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Test = Callable[[object], bool]

# Names that an object of "$or" may not have. Source: Constants.java.
_RESERVED_IN_OR = frozenset(
    {
        *(
            "exactly",
            "equals-ignore-case",
            "prefix",
            "suffix",
            "wildcard",
            "anything-but",
            "exists",
            "numeric",
            "cidr",
        ),
        *("=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"),
        *("date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"),
        *("ip-address-in-range", "ip-address-not-in-range"),
    }
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LOWER_BOUNDS, _UPPER_BOUNDS = (">", ">="), ("<", "<=")
# How many alternatives "$or" may make. Source: EventBridge's user guide, "Comparison operators".
_MOST_ALTERNATIVES = 1000


class EventPatternError(Exception):
    """A pattern that EventBridge refuses; the text says why."""


@dataclass(frozen=True, slots=True)
class EventPattern:
    """A pattern that has been read. It matches where one of its alternatives (``$or`` makes several) does."""

    alternatives: tuple[tuple[_Condition, ...], ...]

    def matches(self, event: Mapping[str, object]) -> bool:
        """Tell whether a rule with this pattern gets an event."""
        fields: dict[str, list[_Field]] = {}
        for field in _flatten(event, "", {}, itertools.count()):
            fields.setdefault(field.path, []).append(field)
        return any(_all_hold(conditions, fields, {}) for conditions in self.alternatives)


@dataclass(frozen=True, slots=True)
class _Condition:
    """What is asked of one path: a value that passes any of the tests, or, if it may be ``absent``, no value."""

    path: str
    tests: tuple[Test, ...]
    absent: bool


@dataclass(frozen=True, slots=True)
class _Field:
    """A value of an event that is no object and no array, and which element of which array it is in."""

    path: str
    value: object
    elements: Mapping[int, int]


def parse_event_pattern(text: str) -> EventPattern:
    """Read a rule's ``EventPattern``. Raises :class:`EventPatternError`."""
    try:
        pattern = json.loads(text)
        if not isinstance(pattern, dict):
            raise EventPatternError("it has to be an object")
        alternatives = _read_object(pattern, "", [{}], in_or=False)
    except ValueError as error:
        raise EventPatternError(f"it is not JSON: {error}") from error
    except RecursionError:
        raise EventPatternError("it is nested too deeply") from None
    # Ruler looks at paths in this order, which matters to "exists": false inside of arrays.
    return EventPattern(
        tuple(tuple(each[path] for path in sorted(each)) for each in alternatives),
    )


def _flatten(
    node: object, path: str, elements: Mapping[int, int], numbers: Iterator[int]
) -> Iterator[_Field]:
    """Yield the values below a node; ``numbers`` names arrays. What is in an array has the array's own path."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _flatten(value, _join(path, name), elements, numbers)
    elif isinstance(node, list | tuple):
        array = next(numbers)
        for index, value in enumerate(node):
            is_nested = isinstance(value, Mapping | list | tuple)
            yield from _flatten(value, path, {**elements, array: index} if is_nested else elements, numbers)
    else:
        yield _Field(path, node, elements)


def _all_hold(
    conditions: Sequence[_Condition], fields: Mapping[str, Sequence[_Field]], elements: Mapping[int, int]
) -> bool:
    """Tell whether each condition is met, no two of them in different elements of the same array."""
    if not conditions:
        return True
    first, rest = conditions[0], conditions[1:]
    candidates = [field for field in fields.get(first.path, ()) if _agree(field.elements, elements)]
    if first.absent and not candidates and _all_hold(rest, fields, elements):
        return True
    return any(
        any(test(field.value) for test in first.tests)
        and _all_hold(rest, fields, {**elements, **field.elements})
        for field in candidates
    )


def _agree(some: Mapping[int, int], others: Mapping[int, int]) -> bool:
    return all(others.get(array, index) == index for array, index in some.items())


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


_Alternative = dict[str, _Condition]


def _read_object(
    node: Mapping[str, Any], path: str, alternatives: list[_Alternative], *, in_or: bool
) -> list[_Alternative]:
    """Return the alternatives with the conditions of an object of the pattern added to each."""
    if not node:
        raise EventPatternError(f"{path or 'it'}: empty objects are not allowed")
    for name, value in node.items():
        below = _join(path, name)
        if name == "$or":
            alternatives = _read_or(value, path, alternatives)
        elif in_or and name in _RESERVED_IN_OR:
            raise EventPatternError(f"{below}: {name!r} cannot be a field's name inside of $or")
        elif isinstance(value, dict):
            alternatives = _read_object(value, below, alternatives, in_or=in_or)
        elif isinstance(value, list):
            condition = _read_condition(value, below)
            alternatives = [{**each, below: condition} for each in alternatives]
        else:
            raise EventPatternError(f"{below}: it has to be an object or an array")
    return alternatives


def _read_or(choices: object, path: str, alternatives: list[_Alternative]) -> list[_Alternative]:
    where = _join(path, "$or")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise EventPatternError(f"{where}: it has to be an array of objects")
    if len(choices) < 2:
        raise EventPatternError(f"{where}: it needs two objects at least")
    found: list[_Alternative] = []
    for choice in choices:
        found += _read_object(choice, path, alternatives, in_or=True)
        if len(found) > _MOST_ALTERNATIVES:
            raise EventPatternError(f"{where}: more than {_MOST_ALTERNATIVES} combinations of rule fields")
    return found


def _read_condition(accepted: Sequence[object], path: str) -> _Condition:
    if not accepted:
        raise EventPatternError(f"{path}: empty arrays are not allowed")
    tests: list[Test] = []
    absent = False
    for value in accepted:
        if isinstance(value, dict) and len(value) == 1 and value.get("exists") is False:
            absent = True
        elif isinstance(value, dict):
            tests.append(_read_test(value, path))
        elif isinstance(value, list):
            raise EventPatternError(
                f"{path}: a value has to be a text, a number, true, false, null or an object"
            )
        else:
            tests.append(_equals(value))
    return _Condition(path, tuple(tests), absent)


def _read_test(expression: Mapping[str, Any], path: str) -> Test:
    if len(expression) != 1:
        raise EventPatternError(
            f"{path}: a comparison has one key, not {len(expression)}: {json.dumps(expression)}"
        )
    (name, value), *_ = expression.items()
    read = _COMPARISONS.get(name)
    if read is None:
        raise EventPatternError(f"{path}: unrecognized match type {name!r}")
    try:
        return read(value)
    except EventPatternError as error:
        raise EventPatternError(f"{path}: {name}: {error}") from error


def _equals(wanted: object) -> Test:
    """Compare as JSON does: true is no number, and 1 is 1.0."""
    if _is_number(wanted):
        return lambda value: _is_number(value) and value == wanted
    return lambda value: type(value) is type(wanted) and value == wanted


def _exactly(text: object) -> Test:
    return _equals(_text(text))


def _prefix(wanted: object) -> Test:
    start, fold = _text_to_fold(wanted)
    return lambda value: isinstance(value, str) and fold(value).startswith(start)


def _suffix(wanted: object) -> Test:
    end, fold = _text_to_fold(wanted)
    return lambda value: isinstance(value, str) and fold(value).endswith(end)


def _equals_ignore_case(text: object) -> Test:
    wanted = _text(text).lower()
    return lambda value: isinstance(value, str) and value.lower() == wanted


def _wildcard(text: object) -> Test:
    """``*`` stands for any characters; a backslash takes the meaning from a ``*`` and from a backslash."""
    parts: list[str] = []
    for part in re.findall(r"\\.?|\*+|[^\\*]+", _text(text), re.DOTALL):
        if part == "*":
            parts.append(".*")
        elif part in (r"\*", r"\\"):
            parts.append(re.escape(part[1]))
        elif part[0] in "\\*":
            problem = "consecutive wildcard characters" if part[0] == "*" else "invalid escape character"
            raise EventPatternError(f"{problem} in {text!r}")
        else:
            parts.append(re.escape(part))
    expression = re.compile("".join(parts), re.DOTALL)
    return lambda value: isinstance(value, str) and expression.fullmatch(value) is not None


def _anything_but(wanted: object) -> Test:
    """Pass what is there and is none of the wanted: each element of an array for itself."""
    if isinstance(wanted, dict):
        if len(wanted) != 1:
            raise EventPatternError("only one key is allowed")
        (name, values), *_ = wanted.items()
        read = _REVERSIBLE.get(name)
        if read is None:
            raise EventPatternError(f"unsupported pattern {name!r}")
        refused = [read(_not_empty(text, name)) for text in _as_list(values)]
    else:
        values = _as_list(wanted)
        if not (all(isinstance(each, str) for each in values) or all(_is_number(each) for each in values)):
            raise EventPatternError("the values have to be all texts or all numbers")
        refused = [_equals(each) for each in values]
    return lambda value: not any(test(value) for test in refused)


def _numeric(terms: object) -> Test:
    if not isinstance(terms, list) or not terms or len(terms) % 2:
        raise EventPatternError("it has to be an array of operators, each with a number")
    operators, numbers = terms[::2], terms[1::2]
    if not all(isinstance(each, str) and each in _COMPARE for each in operators):
        raise EventPatternError(f"an operator is one of {', '.join(_COMPARE)}")
    if not all(_is_number(each) for each in numbers):
        raise EventPatternError("an operator needs a number")
    if len(operators) > 1:
        is_range = len(operators) == 2 and operators[0] in _LOWER_BOUNDS and operators[1] in _UPPER_BOUNDS
        if not is_range or numbers[0] >= numbers[1]:
            raise EventPatternError("a range has a lower bound, then a greater upper one")
    comparisons = [(_COMPARE[name], number) for name, number in zip(operators, numbers, strict=True)]
    return lambda value: _is_number(value) and all(compare(value, number) for compare, number in comparisons)


def _exists(wanted: object) -> Test:
    if wanted is not True:
        raise EventPatternError("it has to be true or false")
    return lambda _: True


def _cidr(text: object) -> Test:
    try:
        network = ipaddress.ip_network(_text(text), strict=False)
    except ValueError as error:
        raise EventPatternError(str(error)) from error
    if "/" not in _text(text) or network.prefixlen == network.max_prefixlen:
        raise EventPatternError(
            f"{text!r} has to be a block: the address, a slash and fewer bits than it has"
        )

    def is_inside(value: object) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return is_inside


_REVERSIBLE: Mapping[str, Callable[[object], Test]] = {
    "equals-ignore-case": _equals_ignore_case,
    "prefix": _prefix,
    "suffix": _suffix,
    "wildcard": _wildcard,
}
_COMPARISONS: Mapping[str, Callable[[object], Test]] = {
    **_REVERSIBLE,
    "anything-but": _anything_but,
    "cidr": _cidr,
    "exactly": _exactly,
    "exists": _exists,
    "numeric": _numeric,
}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise EventPatternError("it has to be a text")
    return value


def _text_to_fold(wanted: object) -> tuple[str, Callable[[str], str]]:
    """Return the text that a prefix or suffix is compared with, and what is done to a value before."""
    if isinstance(wanted, dict):
        if list(wanted) != ["equals-ignore-case"]:
            raise EventPatternError("it has to be a text, or an object with equals-ignore-case alone")
        return _text(wanted["equals-ignore-case"]).lower(), str.lower
    return _text(wanted), str


def _not_empty(value: object, name: str) -> str:
    if not _text(value) and name in ("prefix", "suffix"):
        raise EventPatternError(f"an empty {name} is not allowed")
    return _text(value)


def _as_list(values: object) -> Sequence[Any]:
    if isinstance(values, list):
        if not values:
            raise EventPatternError("an empty array is not allowed")
        return values
    return [values]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

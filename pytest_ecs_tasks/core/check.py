"""A document checked against the fields of the API: types, names and values, each problem with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_ecs_tasks.core.document import Path, describe_type, printable
from pytest_ecs_tasks.core.fields import CONTAINER, TASK_DEFINITION, VOLUME, Fate, Field, Kind
from pytest_ecs_tasks.core.placeholders import find_placeholder
from pytest_ecs_tasks.core.sizes import parse_cpu, parse_memory

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_LARGEST = 2**31 - 1  # the API's Integer
_LONGEST_SHOWN = 80
_MOST_FIELDS_SHOWN = 10
_HOMES = (
    ("the task definition", TASK_DEFINITION),
    ("a container definition", CONTAINER),
    ("a volume", VOLUME),
)
_MISSPELT = 0.8  # difflib's ratio from which a misspelt field is also checked as the one that was meant

Noted = tuple[Path, str]


@dataclass(slots=True)
class Report:
    """What was found on the way through a document."""

    problems: list[Noted] = field(default_factory=list)
    warned: list[Noted] = field(default_factory=list)
    refused: list[Noted] = field(default_factory=list)

    def problem(self, path: Path, message: str) -> None:
        """Note something that ECS would refuse."""
        self.problems.append((path, message))

    def note(self, path: Path, field_: Field, value: object) -> None:
        """Note a field that is right for ECS and not emulated, if it is one."""
        fate = field_.fate_of(value)
        if fate in (Fate.HONOURED, Fate.RECORDED):
            return
        name = path[-1] if isinstance(path[-1], str) else path[-2]
        what = f"{name} '{value}'" if field_.choices and isinstance(value, str) else str(name)
        (self.refused if fate is Fate.REFUSED else self.warned).append((path, f"{what} {field_.why}"))


def is_empty(value: object) -> bool:
    """Tell whether a value says nothing: null, empty text, and lists and objects of nothing else.

    Source: aws-actions/amazon-ecs-deploy-task-definition, index.js, isEmptyValue.
    """
    if value is None or value == "":
        return True
    if isinstance(value, Mapping):
        return all(is_empty(item) for item in value.values())
    return isinstance(value, (list, tuple)) and all(is_empty(item) for item in value)


def check_structure(
    value: Mapping[object, object], members: Mapping[str, Field], path: Path, report: Report
) -> dict[str, Any]:
    """Return the object with its values in the API's types, without empty ones and without what is wrong."""
    checked: dict[str, Any] = {}
    for key, item in value.items():
        name = key if isinstance(key, str) else show(key)
        place = (*path, name)
        known = members.get(name) if isinstance(key, str) else None
        if is_empty(item):
            continue
        if known is None:
            report.problem(place, unknown_field(name, members, path))
            meant = _meant(name, members)
            if meant is None or meant in value:
                continue
            name, known = meant, members[meant]
        result = check_value(item, known, place, report)
        if result is not None:
            checked[name] = result
    for name, member in members.items():
        if member.required and name not in checked and not _has_problem(report, (*path, name)):
            report.problem((*path, name), "is missing")
    return checked


def check_value(value: object, known: Field, path: Path, report: Report) -> Any:
    """Return the value in the API's type; ``None`` when it is wrong, which is then in the report."""
    result: Any
    match known.kind:
        case Kind.STRUCTURE:
            result = _check_object(value, known, path, report)
        case Kind.STRUCTURES | Kind.TEXTS | Kind.INTEGERS:
            result = _check_list(value, known, path, report)
        case Kind.MAP:
            result = _check_map(value, path, report)
        case _:
            result = _check_scalar(value, known, path, report)
    if result is not None:
        report.note(path, known, result)
    return result


def _check_object(value: object, known: Field, path: Path, report: Report) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        report.problem(path, f"an object is wanted here, not {describe_type(value)}")
        return None
    inner = report if known.fate in (Fate.HONOURED, Fate.RECORDED) else Report(report.problems)
    return check_structure(value, known.members, path, inner)


def _check_list(value: object, known: Field, path: Path, report: Report) -> list[Any] | None:
    if not isinstance(value, (list, tuple)):
        report.problem(path, f"a list is wanted here, not {describe_type(value)}")
        return None
    checked: list[Any] = []
    for index, item in enumerate(value):
        place = (*path, index)
        if known.kind is Kind.STRUCTURES:
            if not is_empty(item):
                checked.append(_check_object(item, known, place, report) or {})
            continue
        if item is None:
            continue
        single = Field(Kind.TEXT if known.kind is Kind.TEXTS else Kind.INTEGER, choices=known.choices)
        result = _check_scalar(item, single, place, report)
        if result is not None:
            checked.append(result)
    return checked


def _check_map(value: object, path: Path, report: Report) -> dict[str, str] | None:
    if not isinstance(value, Mapping):
        report.problem(path, f"an object is wanted here, not {describe_type(value)}")
        return None
    checked: dict[str, str] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            report.problem(path, f"a key is to be a text, not {describe_type(key)}")
        elif item is not None:
            text = _check_scalar(item, Field(Kind.TEXT), (*path, key), report)
            if text is not None and _check_scalar(key, Field(Kind.TEXT), (*path, key), report) is not None:
                checked[key] = text
    return checked


def _check_scalar(value: object, known: Field, path: Path, report: Report) -> Any:
    result: Any
    match known.kind:
        case Kind.INTEGER:
            result, message = _read_integer(value)
        case Kind.FLAG:
            result = value if isinstance(value, bool) else None
            message = f"true or false is wanted here, not {show(value)}"
        case Kind.CPU | Kind.MEMORY:
            result, message = _read_size(value, known.kind)
        case _:
            result, message = _read_text(value, known)
    if result is None:
        report.problem(path, _with_placeholder(message, value))
    return result


def _read_integer(value: object) -> tuple[int | None, str]:
    number = value
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        number = int(value)
    if not isinstance(number, int) or isinstance(number, bool):
        return None, f"a whole number is wanted here, not {show(value)}"
    if abs(number) > _LARGEST:
        return None, f"a number up to {_LARGEST} is wanted here"
    return number, ""


def _read_size(value: object, kind: Kind) -> tuple[str | None, str]:
    is_cpu = kind is Kind.CPU
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
        return str(value), ""
    text = value if isinstance(value, str) else ""
    size = parse_cpu(text) if is_cpu else parse_memory(text)
    if size is not None:
        return str(size), ""
    example = "'256' or '.25 vCPU'" if is_cpu else "'512' or '0.5 GB'"
    return None, f"a size such as {example} is wanted here, not {show(value)}"


def _read_text(value: object, known: Field) -> tuple[str | None, str]:
    if not isinstance(value, str):
        # The value itself may be a password: an environment variable that somebody wrote without quotes.
        hint = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
        return None, f"a text is wanted here, not {describe_type(value)}{hint}"
    if known.choices and value not in known.choices:
        return None, f"{show(value)} is not one of {', '.join(known.choices)}"
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        return None, "holds a character that no program can be given: NUL, or half a surrogate pair"
    return value, ""


def _with_placeholder(message: str, value: object) -> str:
    placeholder = find_placeholder(value) if isinstance(value, str) else None
    if placeholder is None:
        return message
    return f"{message}. Fill the placeholder: ecs_taskdef(…, substitute={{{placeholder!r}: '…'}})"


def unknown_field(name: str, members: Mapping[str, Field], path: Path) -> str:
    """Return the message for a name that is no field, with the field that was probably meant."""
    if name == "valueFrom" and path[-2:-1] == ("environment",):
        return "an environment entry has a value, not valueFrom: move the entry to secrets"
    nearest = _nearest(name, members, cutoff=0.6)
    if nearest is not None and nearest.lower() == name.lower():
        return f"{show(name)} is not a field; did you mean {nearest}?"
    inside = next((outer for outer, member in members.items() if name in member.members), None)
    if inside is not None:
        return f"'{name}' is not a field here; it belongs inside {inside}"
    home = next((home for home, fields in _HOMES if name in fields and fields is not members), None)
    if home is not None:
        return f"'{name}' is not a field here; it belongs to {home}"
    if nearest is not None:
        return f"{show(name)} is not a field; did you mean {nearest}?"
    fields = f"; the fields are {', '.join(members)}" if len(members) <= _MOST_FIELDS_SHOWN else ""
    return f"{show(name)} is not a field here{fields}"


def _nearest(name: str, members: Mapping[str, Field], cutoff: float) -> str | None:
    if len(name) > _LONGEST_SHOWN:
        return None
    spellings = {member.lower(): member for member in members}
    found = difflib.get_close_matches(name.lower(), spellings, n=1, cutoff=cutoff)
    return spellings[found[0]] if found else None


def _meant(name: str, members: Mapping[str, Field]) -> str | None:
    return _nearest(name, members, cutoff=_MISSPELT)


def _has_problem(report: Report, path: Path) -> bool:
    return any(place[: len(path)] == path for place, _ in report.problems)


def show(value: object) -> str:
    """Return a value for a message: quoted, and never long."""
    if isinstance(value, str):
        text = value if len(value) <= _LONGEST_SHOWN else f"{value[:_LONGEST_SHOWN]}…"
        return f"'{printable(text)}'"
    if isinstance(value, (bool, type(None), Mapping, list, tuple)):
        return describe_type(value)
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "so large a number"
    return repr(value)[:_LONGEST_SHOWN] if isinstance(value, (int, float)) else describe_type(value)

"""A document checked against the fields of the API: types, names and values, each problem with its place."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_ecs_tasks.core.document import Computed, Path, Unresolved, describe_type, printable
from pytest_ecs_tasks.core.fields import CONTAINER, TASK_DEFINITION, VOLUME, Fate, Field, Kind
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.placeholders import Filled, find_placeholder, find_stand_in, may_hold_secret
from pytest_ecs_tasks.core.sizes import parse_cpu, parse_memory
from pytest_ecs_tasks.errors import Severity

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
UNUSABLE = "holds a character that no program can be given: NUL, or half a surrogate pair"
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_LARGEST = 2**31 - 1  # the API's Integer
_LONGEST_SHOWN = 80
_MOST_ENTRIES = 20_000
_MOST_FIELDS_SHOWN = 10
_HOMES = (
    ("the task definition", TASK_DEFINITION),
    ("a container definition", CONTAINER),
    ("a volume", VOLUME),
)
_MISSPELT = 0.8  # difflib's ratio from which a misspelt field is also checked as the one that was meant


@dataclass(slots=True)
class Report:
    """What was found on the way through a document.

    ``lenient``: numbers, flags and texts stand for each other, as in Terraform and CloudFormation, but not in the field
    ``exact``; elsewhere a number in quotes is ``repaired``. ``placeholders`` are those that stand where a value has to be.
    """

    problems: list[Finding] = field(default_factory=list)
    warned: list[Finding] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)
    repaired: list[Finding] = field(default_factory=list)
    regretted: list[Finding] = field(default_factory=list)
    placeholders: list[tuple[Path, str]] = field(default_factory=list)
    lenient: bool = False
    exact: str = ""
    places: set[Path] = field(default_factory=set)

    def problem(self, path: Path, code: str, message: str) -> None:
        """Note something that ECS would refuse."""
        self.problems.append(Finding(path, code, message))
        self.places.update(path[:length] for length in range(len(path) + 1))

    def is_lenient(self, path: Path) -> bool:
        """Tell whether numbers, flags and texts stand for each other at a place."""
        return self.lenient and path[:1] != (self.exact,)

    def drop(self, path: Path, name: str) -> None:
        """Note a name that Terraform does not pass on to ECS."""
        text = f"{show(name)} is not a field, and Terraform leaves it out"
        self.repaired.append(Finding(path, "unknown-field", text, severity=Severity.WARNING))

    def repeat(self, path: Path, name: str) -> None:
        """Note a name that Terraform takes for one that is there already."""
        text = f"{show(path[-1])} is {name} to Terraform, which is there twice; only the last one counts"
        self.repaired.append(Finding(path, "repeated-key", text, severity=Severity.WARNING))

    def repair(self, path: Path, message: str) -> None:
        """Note a value that is taken although ECS wants another type."""
        self.repaired.append(Finding(path, "forgiven-type", message, severity=Severity.WARNING))

    def regret(self, path: Path, code: str, message: str) -> None:
        """Note a value that ECS takes for another."""
        self.regretted.append(Finding(path, code, message, severity=Severity.WARNING))

    def warn(self, path: Path, code: str, message: str) -> None:
        """Note something that is right for ECS and has no effect here."""
        self.warned.append(Finding(path, code, message, severity=Severity.WARNING))

    def refuse(self, path: Path, code: str, message: str) -> None:
        """Note something that is right for ECS and could not work here as declared."""
        self.refused.append(Finding(path, code, message))

    def note(self, path: Path, field_: Field, value: object) -> None:
        """Note a field that is right for ECS and not emulated, if it is one."""
        fate = field_.fate_of(value)
        if fate in (Fate.HONOURED, Fate.RECORDED):
            return
        name = path[-1] if isinstance(path[-1], str) else path[-2]
        what = f"{name} '{value}'" if field_.choices and isinstance(value, str) else str(name)
        if field_.retired:
            self.problem(path, "retired-field", field_.why)
        elif fate is Fate.REFUSED:
            self.refuse(path, "unsupported-feature", f"{what} {field_.why}")
        else:
            self.warn(path, "unsupported-field", f"{what} {field_.why}")


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
    if len(value) > _MOST_ENTRIES:
        report.problem(path, "too-large", f"{len(value):,} keys; no task definition has so many")
        return checked
    for key, item in value.items():
        name = key if isinstance(key, str) else show(key)
        place = (*path, name)
        known = members.get(name) if isinstance(key, str) else None
        if is_empty(item):
            continue
        if known is None and path[:1] == (report.exact,):
            name = _go_name(name, members)
            known = members.get(name)
            if known is None:
                report.drop(place, name)
                continue
        if known is None:
            report.problem(place, "unknown-field", unknown_field(name, members, path))
            meant = _nearest(name, members, cutoff=_MISSPELT)
            if meant is None or meant in value:
                continue
            name, known = meant, members[meant]
        if name in checked and path[:1] == (report.exact,):
            report.repeat(place, name)
        result = check_value(item, known, place, report)
        if result is not None:
            checked[name] = result
    for name, member in members.items():
        if member.required and name not in checked and (*path, name) not in report.places:
            report.problem((*path, name), "missing-field", "is missing")
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
    value = _written_out(value)
    if not isinstance(value, Mapping):
        _note_shape("an object", value, path, report)
        return None
    inner = report
    if known.fate not in (Fate.HONOURED, Fate.RECORDED):  # what is inside needs no word of its own
        inner = replace(report, warned=[], refused=[])
    return check_structure(value, known.members, path, inner)


def _check_list(value: object, known: Field, path: Path, report: Report) -> list[Any] | None:
    value = _written_out(value)
    if not isinstance(value, (list, tuple)):
        _note_shape("a list", value, path, report)
        return None
    if len(value) > _MOST_ENTRIES:
        report.problem(path, "too-large", f"{len(value):,} entries; no task definition has so many")
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
    value = _written_out(value)
    if not isinstance(value, Mapping):
        _note_shape("an object", value, path, report)
        return None
    checked: dict[str, str] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            report.problem(path, "wrong-type", f"a key is to be a text, not {describe_type(key)}")
        elif item is not None:
            text = _check_scalar(item, Field(Kind.TEXT), (*path, key), report)
            if text is not None and _check_scalar(key, Field(Kind.TEXT), (*path, key), report) is not None:
                checked[key] = text
    return checked


def _written_out(value: object) -> object:
    """Return the list or object that a placeholder was filled with, as JSON."""
    if isinstance(value, Filled) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _note_shape(wanted: str, value: object, path: Path, report: Report) -> None:
    """Note a value that is no list, or no object."""
    if isinstance(value, Computed):
        _note_computed(value, path, report)
        return
    placeholder = find_placeholder(value) if isinstance(value, str) else None
    if placeholder is None or placeholder != value:
        report.problem(path, "wrong-type", f"{wanted} is wanted here, not {describe_type(value)}")
        return
    report.placeholders.append((path, placeholder))
    report.problem(path, "placeholder", f"{wanted} is wanted here, as JSON, not {show(value)}")


def _check_scalar(value: object, known: Field, path: Path, report: Report) -> Any:
    result: Any
    if isinstance(value, Computed):
        _note_computed(value, path, report)
        return None
    match known.kind:
        case Kind.INTEGER:
            result, code, message = _read_integer(value)
        case Kind.FLAG:
            result, code, message = _read_flag(value, report.is_lenient(path))
        case Kind.CPU | Kind.MEMORY:
            result, code, message = _read_size(value, known.kind)
        case _:
            result, code, message = _read_text(_as_text(value) if report.is_lenient(path) else value, known)
    if result is None and code == "unknown-value" and known.otherwise and not find_placeholder(str(value)):
        message = f"{message}, upper and lower case being two things: ECS takes it for {known.otherwise}"
        report.regret(path, "taken-for-another", message)
        result = known.otherwise
    elif result is None:
        _note_scalar(value, path, code, message, report)
    elif not report.is_lenient(path) and _is_repaired(value, known):
        report.repair(path, _describe_repair(value))
    return result


def _note_computed(value: Computed, path: Path, report: Report) -> None:
    """Note an expression; one that fits in a line can be filled as a placeholder is."""
    if isinstance(value, Unresolved):
        report.placeholders += [(path, key) for key in value.keys]
        report.problem(path, value.code, str(value))
        return
    if len(value) <= _LONGEST_SHOWN and "\n" not in value and not may_hold_secret(value, path):
        report.placeholders.append((path, str(value)))
        report.problem(path, "placeholder", f"{value} is computed by Terraform")
    else:
        text = "this is computed by Terraform: give what `terraform show -json` prints of the plan"
        report.problem(path, "computed", text)


def _is_repaired(value: object, known: Field) -> bool:
    """Tell whether a value is a number in quotes, or a size that is not; a filled placeholder may be either."""
    if known.kind is Kind.INTEGER:
        return isinstance(value, str) and not isinstance(value, Filled)
    return known.kind in (Kind.CPU, Kind.MEMORY) and isinstance(value, int)


def _describe_repair(value: object) -> str:
    if isinstance(value, str):
        return f"the number {value.strip()} is in quotes, which is forgiven here; other tools refuse it"
    return f'{value} is to be a text, "{value}", which is forgiven here; other tools refuse it'


def _as_text(value: object) -> object:
    """Return a number or a flag as the text that Terraform and CloudFormation make of it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _note_scalar(value: object, path: Path, code: str, message: str, report: Report) -> None:
    wanted = code in ("wrong-type", "unknown-value")
    find = find_stand_in if code == "wrong-type" else find_placeholder
    placeholder = find(value) if isinstance(value, str) and wanted else None
    if placeholder is not None:
        code = "placeholder"
        report.placeholders.append((path, placeholder))
    elif isinstance(value, Filled):
        code, message = "wrong-substitute", f"{message}, which substitute gives"
    report.problem(path, code, message)


def _read_integer(value: object) -> tuple[int | None, str, str]:
    number = value
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
        number = int(value)
    if not isinstance(number, int) or isinstance(number, bool):
        return None, "wrong-type", f"a whole number is wanted here, not {show(value)}"
    if abs(number) > _LARGEST:
        return None, "number-too-large", f"a number up to {_LARGEST} is wanted here"
    return number, "", ""


def _read_flag(value: object, lenient: bool) -> tuple[bool | None, str, str]:
    if lenient and value in ("true", "false"):
        value = value == "true"
    if isinstance(value, Filled) and value.lower() in ("true", "false"):
        value = value.lower() == "true"
    flag = value if isinstance(value, bool) else None
    return flag, "wrong-type", f"true or false is wanted here, not {show(value)}"


def _read_size(value: object, kind: Kind) -> tuple[str | None, str, str]:
    is_cpu = kind is Kind.CPU
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
        return str(value), "", ""
    text = value if isinstance(value, str) else ""
    size = parse_cpu(text) if is_cpu else parse_memory(text)
    if size is not None:
        return str(size), "", ""
    example = "'256' or '.25 vCPU'" if is_cpu else "'512' or '0.5 GB'"
    return None, "wrong-type", f"a size such as {example} is wanted here, not {show(value)}"


def _read_text(value: object, known: Field) -> tuple[str | None, str, str]:
    if not isinstance(value, str):
        # The value itself may be a password: an environment variable that somebody wrote without quotes.
        hint = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
        return None, "wrong-type", f"a text is wanted here, not {describe_type(value)}{hint}"
    if known.choices and value not in known.choices:
        message = f"{show(value)} is not one of {', '.join(known.choices)}"
        if (
            value == "default" and "bridge" in known.choices
        ):  # what the console calls a definition without a mode
            message = f"{message}; leave networkMode out for what the console calls <default>"
        return None, "unknown-value", message
    if is_unusable(value):
        return None, "unusable-character", UNUSABLE
    return str(value), "", ""


def is_unusable(text: str) -> bool:
    """Tell whether a text holds what neither a command nor a variable can hold."""
    return _UNUSABLE.search(text) is not None


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


def _go_name(name: str, members: Mapping[str, Field]) -> str:
    """Return the member that Go's JSON decoder takes a name for: upper and lower case are the same to it.

    Source: terraform-provider-aws, internal/json/decode.go.
    """
    return next((member for member in members if member.lower() == name.lower()), name)


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

"""The loader knows every field of the API, each becomes what the reference page says, and the page tells all of them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest

from field_pages import TASK_DEFINITION_PAGE, describe, render_task_definition, walk
from full_definition import FULL
from pytest_ecs_tasks.core.build import build_task_definition
from pytest_ecs_tasks.core.check import Report, check_structure
from pytest_ecs_tasks.core.fields import TASK_DEFINITION, Fate, Field, Kind
from pytest_ecs_tasks.core.taskdef import TaskDefinition

# The API has these as text, or leaves them optional; the loader is stricter or more lenient for a reason.
KINDS = {
    "string": {Kind.TEXT, Kind.CPU, Kind.MEMORY},
    "integer": {Kind.INTEGER},
    "boolean": {Kind.FLAG},
    "map": {Kind.MAP},
    "structure": {Kind.STRUCTURE},
    "list": {Kind.STRUCTURES, Kind.TEXTS, Kind.INTEGERS},
}
ROWS = list(walk(TASK_DEFINITION))
HAS_ONE_VALUE = {"containerDefinitions[].environmentFiles[].type"}


def register_task_definition() -> Any:
    model = botocore.session.get_session().get_service_model("ecs")
    return model.operation_model("RegisterTaskDefinition").input_shape


def compare(shape: Any, members: Mapping[str, Field], path: str = "") -> Iterator[str]:
    for name in sorted({*shape.members, *members}):
        place = f"{path}{name}"
        if name not in members or name not in shape.members:
            yield f"{place} is unknown to the {'loader' if name in shape.members else 'API'}"
            continue
        member, field = shape.members[name], members[name]
        if field.kind not in KINDS[member.type_name]:
            yield f"{place} is a {member.type_name} in the API"
        inner = member.member if member.type_name == "list" else member
        if sorted(getattr(inner, "enum", [])) != sorted(field.choices):
            yield f"{place} has other values in the API: {inner.enum}"
        if name in shape.required_members and not field.required:
            yield f"{place} is required by the API"
        if inner.type_name == "structure":
            yield from compare(inner, field.members, f"{place}.")


def test_every_field_of_the_api_is_known_with_its_type_and_its_values() -> None:
    assert list(compare(register_task_definition(), TASK_DEFINITION)) == []


def test_every_field_that_is_not_emulated_says_why() -> None:
    silent = [
        path
        for path, field, _ in ROWS
        if {Fate.WARNED, Fate.REFUSED} & {field.fate, *field.by_value.values()} and not field.why
    ]

    assert silent == []


def test_the_reference_page_is_the_one_that_is_made_from_the_table() -> None:
    assert TASK_DEFINITION_PAGE.read_text(encoding="utf-8") == render_task_definition()


@pytest.mark.parametrize(("path", "field", "fate"), ROWS)
def test_the_reference_page_has_a_row_for_every_field(path: str, field: Field, fate: Fate) -> None:
    row = rf"\| `{re.escape(path)}` \| {re.escape(describe(field, fate))}[^|]* \| "

    assert re.search(f"^{row}", TASK_DEFINITION_PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def judge(document: dict[str, Any]) -> tuple[TaskDefinition, Report]:
    """Return the typed form of a document and the report of its fields; rules are not asked."""
    report = Report()
    checked = check_structure(document, TASK_DEFINITION, (), report)
    return build_task_definition(checked, source="test", revision=1), report


def without(document: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the document without a field, which it has."""
    *outer, last = path.split(".")
    changed = copy.deepcopy(document)
    homes = [changed]
    for name in outer:
        found = [home[name.removesuffix("[]")] for home in homes if name.removesuffix("[]") in home]
        homes = [each for item in found for each in (item if name.endswith("[]") else [item])]
    removed = [home.pop(last.removesuffix("[]"), None) for home in homes]
    assert any(each is not None for each in removed), f"{path} is not in the full document"
    return changed


def told(findings: list[Any]) -> set[str]:
    """Return the fields that a report tells, written as the rows are."""
    places = set()
    for finding in findings:
        names = "".join("[]" if isinstance(each, int) else f".{each}" for each in finding.path)
        places.add(names.removeprefix("."))
    return places


@pytest.mark.parametrize(("path", "field", "fate"), [row for row in ROWS if not row[1].members])
def test_each_field_becomes_what_its_row_says(path: str, field: Field, fate: Fate) -> None:
    definition, report = judge(FULL)
    changed, _ = judge(without(FULL, path))
    assert {each.code for each in report.problems} <= {"retired-field"}
    outer = {path, *(path[: found.start()] for found in re.finditer(r"(\[\])?\.", path))}
    warned, refused = outer & told(report.warned), outer & told([*report.refused, *report.problems])

    match fate:
        case Fate.HONOURED:
            assert not warned | refused
            assert changed != definition or path in HAS_ONE_VALUE
        case Fate.RECORDED:
            assert not warned | refused
            assert changed == definition
            assert changed.document != definition.document
        case Fate.WARNED:
            assert warned
            assert not refused
        case Fate.REFUSED:
            assert refused


@pytest.mark.parametrize(
    ("path", "value", "fate"),
    [(path, value, fate) for path, field, _ in ROWS for value, fate in field.by_value.items()],
)
def test_each_value_with_a_fate_of_its_own_has_it(path: str, value: object, fate: Fate) -> None:
    document = copy.deepcopy(FULL)
    home, _, name = path.rpartition(".")
    (document[home] if home else document)[name] = value
    _, report = judge(document)

    assert (path in told(report.warned), path in told(report.refused)) == (
        fate is Fate.WARNED,
        fate is Fate.REFUSED,
    )

"""The loader knows every field of the API, and the reference page tells what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from pytest_ecs_tasks.core.fields import TASK_DEFINITION, Fate, Field, Kind
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.errors import UnsupportedFeature

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "task-definition-fields.md"
# The API has these as text, or leaves them optional; the loader is stricter or more lenient for a reason.
KINDS = {
    "string": {Kind.TEXT, Kind.CPU, Kind.MEMORY},
    "integer": {Kind.INTEGER},
    "boolean": {Kind.FLAG},
    "map": {Kind.MAP},
    "structure": {Kind.STRUCTURE},
    "list": {Kind.STRUCTURES, Kind.TEXTS, Kind.INTEGERS},
}


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
        for path, field, _ in walk(TASK_DEFINITION)
        if {Fate.WARNED, Fate.REFUSED} & {field.fate, *field.by_value.values()} and not field.why
    ]

    assert silent == []


def walk(
    members: Mapping[str, Field], path: str = "", outer: Fate = Fate.HONOURED
) -> Iterator[tuple[str, Field, Fate]]:
    for name, field in members.items():
        place = f"{path}{name}" + ("[]" if field.kind is Kind.STRUCTURES else "")
        fate = field.fate if outer is Fate.HONOURED else outer
        yield place, field, fate
        yield from walk(field.members, f"{place}.", fate)


def describe(field: Field, fate: Fate) -> str:
    if fate is not field.fate:
        return str(fate)
    exceptions = [
        f"`{str(value).lower() if isinstance(value, bool) else value}` {each}"
        for value, each in field.by_value.items()
    ]
    return ", ".join([str(fate), *exceptions])


@pytest.mark.parametrize(("path", "field", "fate"), list(walk(TASK_DEFINITION)))
def test_the_reference_page_has_a_row_for_every_field(path: str, field: Field, fate: Fate) -> None:
    row = f"| `{path}` | {describe(field, fate)} |"

    assert any(line.startswith(row) for line in PAGE.read_text().splitlines()), row


def test_the_reference_page_has_no_row_for_anything_else() -> None:
    rows = [line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]

    assert sorted(rows) == sorted(path for path, _, _ in walk(TASK_DEFINITION))


def sample(shape: Any) -> Any:
    """Return a value of the shape with every member that it can have."""
    match shape.type_name:
        case "structure":
            return {name: sample(member) for name, member in shape.members.items()}
        case "list":
            return [sample(shape.member)]
        case "map":
            return {"key": "value"}
        case "integer":
            return 100
        case "boolean":
            return True
        case _:
            return shape.enum[0] if getattr(shape, "enum", None) else "text"


@pytest.mark.parametrize(
    ("where", "name"),
    [
        *(("", name) for name, field in TASK_DEFINITION.items() if field.fate is not Fate.HONOURED),
        *(
            ("containerDefinitions", name)
            for name, field in TASK_DEFINITION["containerDefinitions"].members.items()
            if field.fate is not Fate.HONOURED
        ),
        *(
            ("volumes", name)
            for name, field in TASK_DEFINITION["volumes"].members.items()
            if field.fate is not Fate.HONOURED
        ),
    ],
)
def test_a_field_that_is_not_honoured_is_listed_or_refused_or_recorded(where: str, name: str) -> None:
    shape = register_task_definition()
    owner = shape.members[where].member if where else shape
    base: dict[str, Any] = {
        "family": "web",
        "containerDefinitions": [{"name": "app", "image": "busybox", "memory": 64}],
        "volumes": [{"name": "data"}],
    }
    (base[where][0] if where else base)[name] = sample(owner.members[name])
    fields = TASK_DEFINITION[where].members if where else TASK_DEFINITION

    match fields[name].fate:
        case Fate.REFUSED:
            with pytest.raises(UnsupportedFeature, match=f"{name}.* is not emulated yet"):
                parse_task_definition(base)
        case Fate.WARNED:
            assert [
                problem.path.rpartition(".")[2] for problem in parse_task_definition(base).unsupported
            ] == [name]
        case _:
            parsed = parse_task_definition(base)
            assert parsed.unsupported == ()
            document: Any = parsed.document
            assert name in (document[where][0] if where else document)

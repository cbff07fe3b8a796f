"""The table of requests' members, held against botocore's model."""

from __future__ import annotations

import pytest

from ecs_model import ecs_model
from ecs_world import EcsWorld
from pytest_ecs_tasks.core.api.calls import ApiError
from pytest_ecs_tasks.core.api.machine import OPERATIONS
from pytest_ecs_tasks.core.api.members import REQUIRED, SHAPES, check_members
from pytest_ecs_tasks.core.api.service_members import SERVICE_WORDS

WORDS = {str: "string", int: "integer", bool: "boolean", float: "double", dict: "map"}


def in_words(shape):
    """Return one of the table's shapes as botocore words it."""
    if isinstance(shape, list):
        return [in_words(shape[0])]
    if isinstance(shape, type):
        return WORDS[shape]
    return {name: in_words(inner) for name, inner in shape.items()}


def of_model(shape, known):
    """Return botocore's shape in the same form, without members that the table does not know."""
    if shape.type_name == "list":
        return [of_model(shape.member, known[0] if isinstance(known, list) else None)]
    if shape.type_name == "structure":
        members = shape.members.items()
        return {name: of_model(inner, known.get(name)) for name, inner in members if name in known}
    return {"long": "integer"}.get(shape.type_name, shape.type_name)


@pytest.mark.parametrize("operation", sorted(SHAPES))
def test_every_member_has_the_type_that_botocore_gives_it(operation):
    model = ecs_model().operation_model(operation).input_shape

    assert in_words(SHAPES[operation]) == of_model(model, SHAPES[operation])


@pytest.mark.parametrize("operation", sorted(SHAPES))
def test_every_operation_needs_what_botocore_says_that_it_needs(operation):
    model = ecs_model().operation_model(operation).input_shape

    assert sorted(REQUIRED.get(operation, ())) == sorted(model.required_members)


def test_every_operation_that_is_answered_has_its_members_in_the_table_or_in_the_fields_of_a_definition():
    assert set(OPERATIONS) - set(SHAPES) == {"RegisterTaskDefinition"}


def test_null_is_as_good_as_absent():
    assert check_members("StopTask", {"task": "a", "reason": None}) == {"task": "a"}


def test_a_member_that_the_operation_does_not_have_is_dropped_as_aws_does():
    assert check_members("StopTask", {"task": "a", "colour": "red"}) == {"task": "a"}


@pytest.mark.parametrize(
    ("operation", "request_", "words"),
    [
        ("RunTask", {"taskDefinition": "web", "count": "2"}, "count is not an integer"),
        ("RunTask", {"taskDefinition": "web", "count": True}, "count is not an integer"),
        ("RunTask", {"taskDefinition": 3}, "taskDefinition is not a string"),
        ("RunTask", {"taskDefinition": "web", "tags": {"key": "a"}}, "tags is not a list"),
        ("RunTask", {"taskDefinition": "web", "tags": ["a"]}, "tags[0] is not a structure"),
        (
            "RunTask",
            {"taskDefinition": "web", "overrides": {"containerOverrides": [{"command": "ls"}]}},
            "overrides.containerOverrides[0].command is not a list",
        ),
        ("UpdateTaskProtection", {"protectionEnabled": "yes"}, "protectionEnabled is not a boolean"),
    ],
)
def test_a_member_of_another_type_is_named(operation, request_, words):
    with pytest.raises(ApiError) as caught:
        check_members(operation, request_)

    assert str(caught.value) == f"SerializationException: {words}"


def test_a_member_that_is_needed_and_not_there_is_named():
    with pytest.raises(ApiError, match=r"^InvalidParameterException: RunTask needs taskDefinition$"):
        check_members("RunTask", {})


def test_a_call_that_is_not_answered_says_so_and_what_is():
    with pytest.raises(ApiError) as caught:
        EcsWorld().raw("CreateDaemon", {})

    assert caught.value.status == 501
    assert str(caught.value).startswith(
        "NotImplemented: pytest-ecs-tasks does not answer CreateDaemon; it answers "
    )
    assert "RunTask" in str(caught.value)


def words_of(shape, place=(), seen=()):
    """Yield the members of a shape that have certain words only, by their name and that of what they are in."""
    if getattr(shape, "enum", None):
        yield ".".join(place[-2:]), tuple(shape.enum)
    if shape.type_name == "list":
        yield from words_of(shape.member, place, seen)
    elif shape.type_name == "structure" and shape.name not in seen:
        for name, inner in shape.members.items():
            yield from words_of(inner, (*place, name), (*seen, shape.name))


def test_the_words_of_services_are_botocore_s():
    found = {}
    for operation in ("CreateService", "UpdateService"):
        found.update(words_of(ecs_model().operation_model(operation).input_shape))

    assert found == SERVICE_WORDS

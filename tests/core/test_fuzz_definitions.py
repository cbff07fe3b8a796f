"""Documents made from the table of fields, right and wrong: reading one ends in a definition, or in errors of ours with a place.

Some hundred cases by default; ``--hypothesis-profile=thorough`` tries 20,000 of each kind.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from full_definition import FULL
from pytest_ecs_tasks.core.codes import CODES
from pytest_ecs_tasks.core.fields import TASK_DEFINITION, Field, Kind
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError, UnsupportedFeature

THOROUGH = settings.get_profile("thorough").max_examples
EXAMPLES = 20_000 if settings.default.max_examples >= THOROUGH else settings.default.max_examples

# Few names, so that references meet; and what rules look for in texts.
TEXTS = st.sampled_from(
    [
        *(
            "app",
            "db",
            "a b",
            "",
            "<NAME>",
            "${X}",
            "/data",
            "..",
            "db:alias",
            "a:b:c",
            "80",
            "8000-8010",
            "70000-1",
        ),
        *(
            "CMD",
            "CMD-SHELL",
            "curl",
            "latest",
            "busybox",
            "busybox:latest",
            "http://db:80/",
            "localhost:80",
            "\0",
            "\ud800",
        ),
        *(
            "arn:aws:ssm:eu-west-1:1:parameter/a",
            "arn:aws:secretsmanager:eu-west-1:1:secret:a",
            "arn:aws:s3:::b/c.env",
        ),
        *(
            "net.core.somaxconn",
            "kernel.msgmax",
            "awslogs-group",
            "DB_PASSWORD",
            "aws:tag",
            "credentialspec:x",
            "x" * 300,
        ),
    ]
)
INTEGERS = st.sampled_from([0, 1, 5, 8, 80, 128, 512, -1, 65535, 65536, 2**31, "80", " 7 ", "x", 1.5, True])
SIZES = st.sampled_from(
    ["256", "1 vCPU", ".5 GB", "0.25vcpu", "2 gb", "x", "-1", 512, 1024, 10**12, "9" * 30]
)
ODD = st.sampled_from([None, "", [], {}, [None], {"x": 1}, 7, "text", True, 0.5, [[]], {1: 2}, b"bytes"])
MOST_MEMBERS = 7


def value_of(field: Field) -> st.SearchStrategy[Any]:
    """Return values for a field: most of its type, some of any other."""
    right: st.SearchStrategy[Any]
    match field.kind:
        case Kind.STRUCTURE:
            right = object_of(field.members)
        case Kind.STRUCTURES:
            right = st.lists(object_of(field.members), max_size=3)
        case Kind.TEXTS:
            right = st.lists(choice_of(field), max_size=3)
        case Kind.INTEGERS:
            right = st.lists(INTEGERS, max_size=3)
        case Kind.MAP:
            right = st.dictionaries(TEXTS, TEXTS, max_size=3)
        case Kind.INTEGER:
            right = INTEGERS
        case Kind.FLAG:
            right = st.booleans()
        case Kind.CPU | Kind.MEMORY:
            right = SIZES
        case _:
            right = choice_of(field)
    return st.one_of(right, right, right, right, right, ODD)


def choice_of(field: Field) -> st.SearchStrategy[Any]:
    return st.sampled_from([*field.choices, field.choices[0].lower()]) if field.choices else TEXTS


@st.composite
def object_of(draw: st.DrawFn, members: Mapping[str, Field]) -> dict[Any, Any]:
    """Return an object with what it needs, often, and some of the rest, and seldom a name that is no member."""
    needed = [name for name, field in members.items() if field.required]
    if draw(st.integers(0, 19)) == 0:
        needed = needed[1:]
    names = [*needed, *draw(st.lists(st.sampled_from(sorted(members)), max_size=MOST_MEMBERS))]
    document = {name: draw(value_of(members[name])) for name in dict.fromkeys(names)}
    if draw(st.integers(0, 19)) == 0:
        document[draw(st.sampled_from(["healthcheck", "Image", "x" * 200, 7, None, "valueFrom"]))] = draw(ODD)
    return document


DEFINITIONS = object_of(TASK_DEFINITION)


def check_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        assert problem.path or problem.message.startswith("fill with "), f"{problem} has no place"
        assert problem.code in CODES
        str(problem).encode()
        assert len(problem.message) < 2000


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(DEFINITIONS, st.sampled_from([None, *LaunchType]))
def test_any_document_of_the_fields_is_a_definition_or_has_problems_with_places(
    document: dict[Any, Any], launch_type: LaunchType | None
) -> None:
    try:
        definition = parse_task_definition(document)
        check_problems(definition.unsupported + definition.advice)
        make_plan(RunTaskRequest(definition, launch_type=launch_type), task_id="f" * 32)
    except (TaskDefinitionError, UnsupportedFeature) as error:
        assert error.problems
        check_problems(error.problems + error.advice)
        str(error).encode()


def places_in(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of everything in a document."""
    if path:
        yield path
    items: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, item in items:
        yield from places_in(item, (*path, key))


PLACES = sorted(places_in(FULL), key=str)


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.one_of(TEXTS, INTEGERS, ODD)), min_size=1, max_size=4))
def test_any_change_of_the_full_document_leaves_problems_with_places(
    changes: list[tuple[tuple[str | int, ...], Any]],
) -> None:
    document = copy.deepcopy(FULL)
    for path, value in changes:
        home: Any = document
        for key in path[:-1]:
            home = home[key] if isinstance(home, (dict, list)) and holds(home, key) else None
        if isinstance(home, dict) or (isinstance(home, list) and holds(home, path[-1])):
            home[path[-1]] = value

    with pytest.raises((TaskDefinitionError, UnsupportedFeature)) as caught:  # it is one of each kind at once
        parse_task_definition(document)

    check_problems(caught.value.problems + caught.value.advice)


def holds(home: Any, key: str | int) -> bool:
    return key in home if isinstance(home, dict) else isinstance(key, int) and key < len(home)


def app(number: int, **fields: Any) -> dict[str, Any]:
    return {"name": f"c{number}", "image": "busybox:1", "memory": 8, **fields}


MANY = 10_000
SHAPES: Mapping[str, Any] = {
    "plain": app,
    "dependent on each other": lambda number: app(
        number,
        environment=[{"name": "DB", "value": f"tcp://c{number + 1}:80"}] * 3,
        portMappings=[{"containerPort": number + 1}],
        dependsOn=[{"containerName": f"c{(number + 1) % MANY}", "condition": "START"}],
    ),
    "of one name and port": lambda number: app(0, portMappings=[{"containerPort": 80}]),
    "with unknown targets": lambda number: app(
        number, links=["x"], dependsOn=[{"containerName": "y", "condition": "SUCCESS"}]
    ),
    "without what they need": lambda number: {"image": "busybox"},
    "of wrong types": lambda number: app(number, cpu="x", essential="no", healthcheck={}),
    "that are no objects": lambda number: number,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_ten_thousand_containers_are_judged_in_seconds_and_told_in_few_words(shape: str) -> None:
    document = {
        "family": "web",
        "networkMode": "awsvpc",
        "containerDefinitions": [SHAPES[shape](number) for number in range(MANY)],
    }
    started = time.process_time()

    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(document)

    assert time.process_time() - started < 5
    assert len(str(caught.value)) < 50_000

"""awslogs: which options there are, what they may say, and which lines begin an event."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest

from pytest_ecs_tasks.core.awslogs import PatternError, event_start, translate_expression, translate_format
from pytest_ecs_tasks.core.log_plan import LogTarget, RouterTarget
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest
from pytest_ecs_tasks.errors import TaskDefinitionError, UnsupportedFeature

NEEDED = {"awslogs-group": "/ecs/web", "awslogs-region": "eu-west-1"}
OPTIONS = "containerDefinitions[0].logConfiguration.options"


def definition(options: dict[str, str]) -> dict[str, Any]:
    container = {
        "name": "app",
        "image": "busybox",
        "memory": 64,
        "logConfiguration": {"logDriver": "awslogs", "options": {**NEEDED, **options}},
    }
    return {"family": "web", "containerDefinitions": [container]}


def problem(options: dict[str, str]) -> str:
    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(definition(options))
    (found,) = caught.value.problems
    return str(found)


def target(options: dict[str, str]) -> LogTarget | RouterTarget | None:
    plan = make_plan(RunTaskRequest(parse_task_definition(definition(options))), task_id="0" * 32)
    return plan.containers[0].log


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"awslogs-stream-perfix": "ecs"},
            f"{OPTIONS}.awslogs-stream-perfix: Log driver awslogs disallows options: awslogs-stream-perfix. "
            "Did you mean awslogs-stream-prefix?",
        ),
        (
            {"log_key": "log"},
            f"{OPTIONS}.log_key: Log driver awslogs disallows options: log_key. It takes awslogs-group, "
            "awslogs-region, awslogs-stream-prefix, awslogs-create-group, awslogs-datetime-format, "
            "awslogs-multiline-pattern, mode, max-buffer-size",
        ),
        (
            {"awslogs-create-group": "yes"},
            f"{OPTIONS}.awslogs-create-group: awslogs-create-group is true or false, not 'yes'",
        ),
        ({"mode": "async"}, f"{OPTIONS}.mode: mode is blocking or non-blocking, not 'async'"),
        (
            {"max-buffer-size": "lots"},
            f"{OPTIONS}.max-buffer-size: max-buffer-size is a size such as 25m, not 'lots'",
        ),
        (
            {"awslogs-multiline-pattern": "^("},
            f'{OPTIONS}.awslogs-multiline-pattern: awslogs could not parse multiline pattern key "'
            'awslogs-multiline-pattern": error parsing regexp: missing ), unterminated subpattern at position 1',
        ),
        (
            {"awslogs-multiline-pattern": "^INFO", "awslogs-datetime-format": "%Y"},
            f"{OPTIONS}.awslogs-multiline-pattern: you cannot configure log opt 'awslogs-datetime-format' and "
            "'awslogs-multiline-pattern' at the same time; leave one of them out",
        ),
    ],
)
def test_an_option_that_the_driver_refuses_is_a_problem(options: dict[str, str], expected: str) -> None:
    assert problem(options) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "blocking"},
        {"mode": "non-blocking", "max-buffer-size": "25m"},
        {"max-buffer-size": "4096"},
        {"max-buffer-size": "1.5 MiB"},
        {"mode": "${LOG_MODE}", "max-buffer-size": "<SIZE>"},
        {"awslogs-create-group": "false"},
    ],
)
def test_what_the_driver_takes_is_taken_without_a_word(options: dict[str, str]) -> None:
    parsed = parse_task_definition(definition(options))

    assert parsed.unsupported == ()


@pytest.mark.parametrize("value", ["true", "True", "1", "t"])
def test_create_group_is_true_in_each_of_gos_spellings(value: str) -> None:
    assert target({"awslogs-create-group": value}) == LogTarget("/ecs/web", "eu-west-1", None, True)


def test_without_options_each_line_is_an_event() -> None:
    assert target({}) == LogTarget("/ecs/web", "eu-west-1", None, False, None)


def test_fargate_takes_the_format_and_ignores_the_pattern() -> None:
    document = definition(
        {"awslogs-multiline-pattern": "^(", "awslogs-datetime-format": "%y", "awslogs-stream-prefix": "p"}
    )
    document.update(
        {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"},
        executionRoleArn="arn:aws:iam::123456789012:role/execution",
    )

    request = RunTaskRequest(parse_task_definition(document), launch_type=LaunchType.FARGATE)
    log = make_plan(request, task_id="0" * 32).containers[0].log

    assert isinstance(log, LogTarget)
    assert log.event_start == r"\d{2}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("%Y-%m-%d %H:%M:%S%L", "2024-02-29 23:59:59.123 up"),
        ("%Y-%m-%dT%H:%M:%S,%f", "2024-12-01T00:00:00,123456 up"),
        (r"\[%b %d, %Y %I:%M:%S %p\]", "[Feb 09, 2024 11:59:00 PM] up"),
        ("%A %d %B %y %z", "Monday 31 December 24 +0100"),
        ("%a %w %j %Z", "Sun 0 366 CEST"),
    ],
)
def test_a_datetime_format_finds_its_own_times(text: str, line: str) -> None:
    assert re.search(translate_format(text), line)


@pytest.mark.parametrize(
    ("text", "line"),
    [("%m", "13"), ("%d", "32"), ("%H:", "24:"), ("%p", "am"), ("%b", "Foo"), ("%j", "367"), ("%L", "123")],
)
def test_a_datetime_format_finds_no_other_text(text: str, line: str) -> None:
    assert not re.search(translate_format(text), line)


def test_a_directive_that_docker_does_not_know_stands_for_nothing() -> None:
    assert translate_format("%F %Y%%") == r" \d{4}"


@pytest.mark.parametrize(
    ("expression", "line", "matches"),
    [
        (r"^\d+$", "12", True),
        (r"^\d+$", "\u0661\u0662", False),
        (r"end\z", "the end", True),
        (r"\Qa.b\E$", "a.b", True),
        (r"\Qa.b\E$", "axb", False),
        (r"\Q(", "(", True),
        ("^[[:upper:]]{2}[^[:space:]]$", "ABc", True),
        ("^[[:upper:]]{2}[^[:space:]]$", "AB ", False),
        ("^[]x]$", "]", True),
        ("^[^]x]$", "]", False),
        ("[[]", "[", True),
        ("[a&&b]", "&", True),
        (r"^[\w\]-]$", "]", True),
        ("(?i)^error", "Error", True),
        ("(?P<level>INFO|WARN)", "WARN", True),
    ],
)
def test_an_expression_of_gos_means_the_same_here(expression: str, line: str, matches: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = re.search(translate_expression(expression), line, re.ASCII)

    assert (found is not None) is matches


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("^(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<!a)b", "invalid or unsupported Perl syntax: `(?<!`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        (r"a\Z", r"invalid escape sequence: `\Z`"),
        ("[[:what:]]", "invalid character class range: `[:what:]`"),
        ("[abc", "missing closing ]"),
        ("a\\", "trailing backslash at end of expression"),
        ("*a", "nothing to repeat at position 0"),
    ],
)
def test_what_go_does_not_take_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(PatternError) as caught:
        translate_expression(expression)

    assert str(caught.value) == f"error parsing regexp: {reason}"


def test_an_escaped_group_is_no_look_ahead() -> None:
    assert event_start({"awslogs-multiline-pattern": r"^\(?=x"}) == r"^\(?=x"


def test_options_of_awslogs_from_secrets_are_refused() -> None:
    document = definition({})
    logs = document["containerDefinitions"][0]["logConfiguration"]
    logs["secretOptions"] = [{"name": "awslogs-group", "valueFrom": "/group"}]

    with pytest.raises(UnsupportedFeature, match="secretOptions: awslogs takes no option from a secret here"):
        parse_task_definition(document)

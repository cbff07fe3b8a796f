"""Expected texts are what Go's encoding/json and fmt print."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.aws.go_json import FieldProblem, render_field
from pytest_ecs_tasks.core.spec import Sensitive


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('"text"', "text"),
        ('""', ""),
        ("5432", "5432"),
        ("0", "0"),
        ("-0", "-0"),
        ("-12.25", "-12.25"),
        ("1.5", "1.5"),
        ("1.0", "1"),
        ("100", "100"),
        ("999999", "999999"),
        ("1000000", "1e+06"),
        ("1234567", "1.234567e+06"),
        ("100000000", "1e+08"),
        ("123456.5", "123456.5"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("0.00000015", "1.5e-07"),
        ("1e100", "1e+100"),
        ("9007199254740993", "9.007199254740992e+15"),
        ("true", "true"),
        ("false", "false"),
        ("null", "<nil>"),
        ("[]", "[]"),
        ('[1, "x", null, [true]]', "[1 x <nil> [true]]"),
        ("{}", "map[]"),
        ('{"b": 1, "a": {"z": [2.5], "B": "c d"}}', "map[a:map[B:c d z:[2.5]] b:1]"),
        ('"\\ud800"', "\ufffd"),
        ('"\\ud83d\\ude00"', "😀"),
    ],
)
def test_a_field_is_rendered_as_go_prints_it(document: str, expected: str) -> None:
    value = render_field(Sensitive(f'{{"key": {document}}}'), "key")

    assert isinstance(value, Sensitive)
    assert value.reveal() == expected


def test_the_last_of_equal_keys_wins() -> None:
    value = render_field(Sensitive('{"k": 1, "k": 2}'), "k")

    assert isinstance(value, Sensitive)
    assert value.reveal() == "2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plain password", "invalid character 'p' looking for beginning of value"),
        ("'quoted'", r"invalid character '\'' looking for beginning of value"),
        ("", "unexpected end of JSON input"),
        ("  ", "unexpected end of JSON input"),
        ('{"key": "v', "unexpected end of JSON input"),
        ('{"key": 1', "unexpected end of JSON input"),
        ('{"key": 1} x', "invalid character 'x' after top-level value"),
        ("{key: 1}", "invalid character 'k' looking for beginning of object key string"),
        ('{"key" 1}', "invalid character '1' after object key"),
        ('{"key": 1 "b": 2}', "invalid character '\"' after object key:value pair"),
        ('{"key": NaN}', "invalid character 'N' looking for beginning of value"),
        ('"text"', "json: cannot unmarshal string into Go value of type map[string]interface {}"),
        ("12", "json: cannot unmarshal number into Go value of type map[string]interface {}"),
        ("true", "json: cannot unmarshal bool into Go value of type map[string]interface {}"),
        ("[1]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ("null", "retrieved secret from Secrets Manager did not contain json key key"),
        ('{"Key": 1}', "retrieved secret from Secrets Manager did not contain json key key"),
    ],
)
def test_what_is_no_object_with_the_key_is_told_in_gos_words(text: str, message: str) -> None:
    problem = render_field(Sensitive(text), "key")

    assert isinstance(problem, FieldProblem)
    assert problem.message == message


def test_a_missing_key_is_told_with_the_keys_that_are_there() -> None:
    problem = render_field(Sensitive('{"user": "u", "host": "h"}'), "key")

    assert isinstance(problem, FieldProblem)
    assert problem.keys == ("host", "user")

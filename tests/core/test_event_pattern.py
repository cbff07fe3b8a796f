"""EventBridge's patterns. Examples are those of its user guide and of event-ruler's README and tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_ecs_tasks.core.event_pattern import EventPatternError, parse_event_pattern

EC2_EVENT = {
    "version": "0",
    "id": "ddddd4-aaaa-7777-4444-345dd43cc333",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "012345679012",
    "time": "2017-10-02T16:24:49Z",
    "region": "us-east-1",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
    "detail": {
        "c-count": 5,
        "d-count": 3,
        "x-limit": 301.8,
        "source-ip": "10.0.0.33",
        "instance-id": "i-000000aaaaaa00000",
        "state": "running",
        "nothing": None,
        "done": True,
    },
}
EMPLOYEES = {
    "employees": [
        [
            {"firstName": "John", "lastName": "Doe", "ids": [1234, 1000, 9999]},
            {"firstName": "Anna", "lastName": "Smith"},
        ],
        [{"firstName": "Peter", "lastName": "Jones", "ids": []}],
    ]
}


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    return parse_event_pattern(json.dumps(pattern)).matches(event)


def detail(**fields: Any) -> dict[str, Any]:
    return {"detail": {name.replace("_", "-"): value for name, value in fields.items()}}


@pytest.mark.parametrize(
    "pattern",
    [
        {
            "detail-type": ["EC2 Instance State-change Notification"],
            "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-000000aaaaaa00000"],
            "detail": {"state": ["initializing", "running"]},
        },
        {"time": [{"prefix": "2017-10-02"}]},
        {"source": [{"prefix": {"equals-ignore-case": "AWS"}}]},
        {"source": [{"suffix": "ec2"}]},
        {"source": [{"suffix": {"equals-ignore-case": "EC2"}}]},
        {"source": [{"equals-ignore-case": "AWS.EC2"}]},
        {"source": [{"exactly": "aws.ec2"}]},
        {"source": [{"wildcard": "aws.*2"}]},
        {"resources": [{"wildcard": "arn:aws:ec2:*:*:instance/*"}]},
        detail(state=[{"anything-but": "initializing"}]),
        detail(state=[{"anything-but": ["stopped", "overloaded"]}]),
        detail(x_limit=[{"anything-but": 123}]),
        detail(x_limit=[{"anything-but": [100, 200, 300]}]),
        detail(state=[{"anything-but": {"prefix": "init"}}]),
        detail(state=[{"anything-but": {"prefix": ["init", "error"]}}]),
        detail(instance_id=[{"anything-but": {"suffix": "1234"}}]),
        detail(instance_id=[{"anything-but": {"suffix": ["1234", "6789"]}}]),
        detail(state=[{"anything-but": {"equals-ignore-case": "Stopped"}}]),
        detail(state=[{"anything-but": {"equals-ignore-case": ["Stopped", "OverLoaded"]}}]),
        detail(state=[{"anything-but": {"wildcard": "*/bin/*.jar"}}]),
        detail(state=[{"anything-but": {"wildcard": ["*/bin/*.jar", "*/bin/*.class"]}}]),
        detail(
            c_count=[{"numeric": [">", 0, "<=", 5]}],
            d_count=[{"numeric": ["<", 10]}],
            x_limit=[{"numeric": ["=", 3.018e2]}],
        ),
        detail(source_ip=[{"cidr": "10.0.0.0/24"}]),
        detail(c_count=[{"exists": True}], y_count=[{"exists": False}]),
        detail(nothing=[None], done=[True]),
        detail(nothing=[{"exists": True}]),
        detail(c_count=[5.0]),
        {
            "time": [{"prefix": "2017-10-02"}],
            **detail(
                state=[{"anything-but": "initializing"}],
                c_count=[{"numeric": [">", 0, "<=", 5]}],
                d_count=[{"numeric": ["<", 10]}],
                x_limit=[{"anything-but": [100, 200, 300]}],
                source_ip=[{"cidr": "10.0.0.0/8"}],
            ),
        },
    ],
    ids=lambda pattern: json.dumps(pattern)[:70],
)
def test_the_documented_examples_match(pattern):
    assert matches(pattern, EC2_EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        {"detail-type": ["EC2 Instance State-change"]},
        {"source": ["AWS.EC2"]},
        {"source": [{"prefix": "ec2"}]},
        {"source": [{"suffix": "aws"}]},
        {"source": [{"wildcard": "ws.*"}]},
        {"source": [{"wildcard": "aws*e2"}]},
        {"resources": ["arn:aws:ec2:us-east-1:123456789012:instance/other"]},
        {"source": ["aws.ec2"], "region": ["eu-west-1"]},
        {"no-such-field": ["x"]},
        {"no-such-field": [{"anything-but": "x"}]},
        {"detail": ["running"]},
        {"source": {"deeper": ["aws.ec2"]}},
        detail(state=[{"anything-but": ["stopped", "running"]}]),
        detail(x_limit=[{"anything-but": 301.8}]),
        detail(state=[{"anything-but": {"prefix": "run"}}]),
        detail(state=[{"anything-but": {"suffix": ["xxx", "ing"]}}]),
        detail(state=[{"anything-but": {"equals-ignore-case": ["RUNNING"]}}]),
        detail(state=[{"anything-but": {"wildcard": "r*g"}}]),
        detail(c_count=[{"numeric": [">", 5]}]),
        detail(c_count=[{"numeric": [">=", 0, "<", 5]}]),
        detail(state=[{"numeric": ["=", 0]}]),
        detail(done=[{"numeric": ["=", 1]}]),
        detail(c_count=["5"]),
        detail(c_count=[{"prefix": "5"}]),
        detail(done=[1]),
        detail(done=["true"]),
        detail(nothing=[{"exists": False}]),
        detail(c_count=[{"exists": False}]),
        detail(y_count=[{"exists": True}]),
        detail(source_ip=[{"cidr": "10.0.1.0/24"}]),
        detail(state=[{"cidr": "10.0.0.0/8"}]),
        detail(source_ip=[{"cidr": "2001:db8::/32"}]),
    ],
    ids=lambda pattern: json.dumps(pattern)[:70],
)
def test_others_do_not_match(pattern):
    assert not matches(pattern, EC2_EVENT)


def test_any_of_several_kinds_of_values_will_do():
    accepted = ["stopped", {"prefix": "term"}, {"exists": False}]

    assert [
        matches({"state": accepted}, event) for event in ({"state": "stopped"}, {"state": "terminated"}, {})
    ] == [
        True,
        True,
        True,
    ]
    assert not matches({"state": accepted}, {"state": "running"})


def test_exists_is_about_leaves():
    assert matches(detail(c_count=[{"exists": False}]), {"detail": {"c-count": {"c1": 100}}})
    assert not matches(detail(c_count=[{"exists": True}]), {"detail": {"c-count": {"c1": 100}}})
    assert matches({"a": [{"exists": False}]}, {"a": []})


@pytest.mark.parametrize(
    ("text", "value", "does_match"),
    [
        ("*", "", True),
        ("a*", "a\nb", True),
        ("*b*", "abc", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        (r"a\\*", "a\\b", True),
        ("a.c", "abc", False),
    ],
)
def test_wildcards(text, value, does_match):
    assert matches({"x": [{"wildcard": text}]}, {"x": value}) is does_match


def test_addresses_of_version_6():
    assert matches({"ip": [{"cidr": "2001:db8::/32"}]}, {"ip": "2001:db8:1::5"})
    assert not matches({"ip": [{"cidr": "2001:db8::/32"}]}, {"ip": "2001:db9::5"})


@pytest.mark.parametrize(
    ("employee", "does_match"),
    [
        ({"firstName": ["Anna"]}, True),
        ({"firstName": ["John"], "ids": [1000]}, True),
        ({"firstName": ["Anna"], "ids": [{"exists": False}]}, True),
        ({"firstName": ["Peter"], "ids": [{"exists": False}]}, True),
        ({"firstName": ["Alice"]}, False),
        ({"firstName": ["Anna"], "lastName": ["Jones"]}, False),
        ({"firstName": ["Anna"], "ids": [1000]}, False),
        ({"firstName": ["Anna"], "ids": [{"exists": True}]}, False),
        ({"firstName": [{"anything-but": "Anna"}]}, True),
    ],
    ids=lambda value: json.dumps(value),
)
def test_fields_of_one_element_of_an_array_belong_together(employee, does_match):
    assert matches({"employees": employee}, EMPLOYEES) is does_match


def test_two_arrays_have_nothing_to_do_with_each_other():
    shared = [{"k": 1}, {"k": 2}]

    assert matches({"a": {"k": [1]}, "b": {"k": [2]}}, {"a": shared, "b": shared})


@pytest.mark.parametrize(
    ("exit_codes", "does_match"), [([0, 3], True), ([3], True), ([0, 0], False), ([None], False)]
)
def test_the_exit_code_of_any_container(exit_codes, does_match):
    containers = [
        {"name": f"c{n}", **({} if code is None else {"exitCode": code})} for n, code in enumerate(exit_codes)
    ]
    event = {"source": "aws.ecs", "detail": {"lastStatus": "STOPPED", "containers": containers}}

    assert matches({"detail": {"containers": {"exitCode": [{"numeric": [">", 0]}]}}}, event) is does_match
    assert matches({"detail": {"containers": {"exitCode": [{"anything-but": 0}]}}}, event) is does_match


def test_a_named_container_has_to_have_failed_itself():
    containers = [{"name": "app", "exitCode": 0}, {"name": "sidecar", "exitCode": 1}]
    pattern = {"detail": {"containers": {"name": ["app"], "exitCode": [{"anything-but": 0}]}}}

    assert not matches(pattern, {"detail": {"containers": containers}})


OR = {
    "source": ["aws.cloudwatch"],
    "$or": [
        {"metricName": ["CPUUtilization", "ReadLatency"]},
        {
            "metricType": ["MetricType"],
            "namespace": ["AWS/EC2", "AWS/ES"],
            "$or": [{"metricId": [1234]}, {"spaceId": [1000]}],
        },
        {"scope": ["Service"]},
    ],
}


@pytest.mark.parametrize(
    ("event", "does_match"),
    [
        ({"source": "aws.cloudwatch", "metricName": "ReadLatency"}, True),
        ({"source": "aws.cloudwatch", "scope": "Service"}, True),
        (
            {"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES", "spaceId": 1000},
            True,
        ),
        ({"source": "aws.cloudwatch", "metricType": "MetricType", "namespace": "AWS/ES"}, False),
        ({"source": "aws.cloudwatch"}, False),
        ({"source": "aws.ec2", "scope": "Service"}, False),
    ],
)
def test_or(event, does_match):
    assert matches(OR, event) is does_match


def test_or_below_the_top_and_beside_another():
    pattern = {
        "$or": [{"metricName": ["CPU"]}, {"namespace": ["AWS/EC2"]}],
        "detail": {"$or": [{"source": ["aws.cloudwatch"]}, {"detail-type": ["Alarm"]}]},
    }

    assert matches(pattern, {"namespace": "AWS/EC2", "detail": {"detail-type": "Alarm"}})
    assert not matches(pattern, {"namespace": "AWS/EC2", "detail": {"detail-type": "Other"}})
    assert not matches(pattern, {"detail": {"detail-type": "Alarm"}})


def or_of_pairs(count: int) -> dict[str, Any]:
    return {f"f{number}": {"$or": [{"a": ["b"]}, {"c": ["d"]}]} for number in range(count)}


def test_or_may_make_a_thousand_alternatives():
    pattern = {**or_of_pairs(3), "$or": [{f"g{number}": ["x"]} for number in range(125)]}

    assert matches(pattern, {**{f"f{number}": {"c": "d"} for number in range(3)}, "g124": "x"})


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("{", "it is not JSON"),
        ("[]", "it has to be an object"),
        ({}, "it: empty objects are not allowed"),
        ({"detail": {}}, "detail: empty objects are not allowed"),
        ({"source": []}, "source: empty arrays are not allowed"),
        ({"source": "aws.ecs"}, "source: it has to be an object or an array"),
        ({"source": [["aws.ecs"]]}, "source: a value has to be a text, a number"),
        ({"source": [{"starts-with": "aws"}]}, "source: unrecognized match type 'starts-with'"),
        ({"source": [{"prefix": "a", "suffix": "b"}]}, "source: a comparison has one key, not 2"),
        ({"source": [{}]}, "source: a comparison has one key, not 0"),
        ({"source": [{"prefix": 1}]}, "source: prefix: it has to be a text"),
        ({"source": [{"prefix": {"wildcard": "a"}}]}, "source: prefix: it has to be a text, or an object"),
        ({"source": [{"wildcard": "a**b"}]}, "source: wildcard: consecutive wildcard characters"),
        ({"source": [{"wildcard": "a\\b"}]}, "source: wildcard: invalid escape character"),
        ({"source": [{"wildcard": "a\\"}]}, "source: wildcard: invalid escape character"),
        ({"source": [{"exists": 1}]}, "source: exists: it has to be true or false"),
        ({"source": [{"anything-but": []}]}, "source: anything-but: an empty array"),
        (
            {"source": [{"anything-but": ["a", 1]}]},
            "source: anything-but: the values have to be all texts or all numbers",
        ),
        ({"source": [{"anything-but": None}]}, "source: anything-but: the values have to be all texts"),
        (
            {"source": [{"anything-but": {"numeric": [">", 1]}}]},
            "anything-but: unsupported pattern 'numeric'",
        ),
        ({"source": [{"anything-but": {"prefix": ""}}]}, "anything-but: an empty prefix is not allowed"),
        ({"n": [{"numeric": []}]}, "n: numeric: it has to be an array of operators"),
        ({"n": [{"numeric": ["!=", 1]}]}, "n: numeric: an operator is one of"),
        ({"n": [{"numeric": [">", "1"]}]}, "n: numeric: an operator needs a number"),
        ({"n": [{"numeric": ["<", 5, ">", 1]}]}, "n: numeric: a range has a lower bound"),
        ({"n": [{"numeric": [">", 5, "<", 1]}]}, "n: numeric: a range has a lower bound"),
        ({"ip": [{"cidr": "10.0.0.0"}]}, "ip: cidr: '10.0.0.0' has to be a block"),
        ({"ip": [{"cidr": "10.0.0.0/33"}]}, "ip: cidr: "),
        ({"$or": {"a": ["b"]}}, r"\$or: it has to be an array of objects"),
        ({"detail": {"$or": [{"a": ["b"]}]}}, r"detail.\$or: it needs two objects at least"),
        (
            {"$or": [{"numeric": [1]}, {"prefix": ["abc"]}]},
            r"'numeric' cannot be a field's name inside of \$or",
        ),
        (or_of_pairs(10), r"\$or: more than 1000 combinations of rule fields"),
        ('{"a":' * 100_000 + '["b"]' + "}" * 100_000, "it is nested too deeply"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_eventbridge_refuses(pattern, problem):
    text = pattern if isinstance(pattern, str) else json.dumps(pattern)

    with pytest.raises(EventPatternError, match=problem):
        parse_event_pattern(text)

"""What targets get. Templates and outputs are those of EventBridge's user guide, "Input transformation"."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_ecs_tasks.core.event_input import EventInputError, EventRule, find_values, make_input

EVENT = {
    "version": "0",
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "EC2 Instance State-change Notification",
    "source": "aws.ec2",
    "account": "123456789012",
    "time": "2015-11-11T21:29:54Z",
    "region": "us-east-1",
    "resources": ["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
    "detail": {
        "instance-id": "i-0123456789",
        "state": "RUNNING",
        "code": 16,
        "note": 'it said "é"',
        "containers": [{"name": "app", "exitCode": 3}, {"name": "log", "exitCode": 0}],
    },
}
PATHS = {"timestamp": "$.time", "instance": "$.detail.instance-id", "state": "$.detail.state"}
RULE = EventRule("example", "arn:aws:events:us-east-2:123456789012:rule/example")


def made(**target: Any) -> str:
    return make_input(target, EVENT, RULE, ingested_at="2015-11-11T21:29:55Z")


def transformed(template: str, **paths: str) -> str:
    return made(InputTransformer={"InputPathsMap": {**PATHS, **paths}, "InputTemplate": template})


def test_without_input_it_is_the_event_without_white_space():
    text = made()

    assert json.loads(text) == EVENT
    assert text.startswith('{"version":"0","id":"7bf7')
    assert '"é\\""' in text


def test_input_is_sent_as_it_is():
    assert made(Input='{"fixed":  true}') == '{"fixed":  true}'


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("$.detail.state", '"RUNNING"'),
        ("$.detail-type", '"EC2 Instance State-change Notification"'),
        ("$.resources[0]", '"arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"'),
        ("$.detail.containers[1]", '{"name":"log","exitCode":0}'),
        ("$.detail.containers[*].exitCode", "[3,0]"),
        ("$.detail.containers.*.name", '["app","log"]'),
    ],
)
def test_an_input_path_takes_a_part(path, text):
    assert made(InputPath=path) == text


def test_the_path_of_everything_is_the_event():
    assert made(InputPath="$") == made()


def test_an_input_path_that_finds_nothing_is_an_error():
    with pytest.raises(EventInputError, match=r"InputPath '\$.detail.exitCode' finds nothing"):
        made(InputPath="$.detail.exitCode")


@pytest.mark.parametrize(
    "path", ["detail", "$.detail['state']", "$..state", "$.detail.containers[?(@.name)]"]
)
def test_a_path_that_is_not_understood_is_an_error(path):
    with pytest.raises(EventInputError, match="JSON path"):
        find_values(EVENT, path)


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ('"instance <instance> is in <state>"', '"instance i-0123456789 is in RUNNING"'),
        (r'"instance \"<instance>\" is in <state>"', r'"instance \"i-0123456789\" is in RUNNING"'),
        (
            '{\n  "instance" : <instance>,\n  "state": <state>\n}',
            '{"instance":"i-0123456789","state":"RUNNING"}',
        ),
        (
            '{"instance" : <instance>, "state": "<state>", "instanceStatus": "instance \\"<instance>\\" is in <state>"}',
            '{"instance":"i-0123456789","state":"RUNNING","instanceStatus":"instance \\"i-0123456789\\" is in RUNNING"}',
        ),
        (
            '{"instance" : <instance>, "state": [ 9, <state>, true ], "Transformed" : "Yes"}',
            '{"instance":"i-0123456789","state":[9,"RUNNING",true],"Transformed":"Yes"}',
        ),
        ('"<aws.events.rule-name> triggered"', '"example triggered"'),
        (
            '{"ruleArn": <aws.events.rule-arn>, "at": <aws.events.event.ingestion-time>}',
            '{"ruleArn":"arn:aws:events:us-east-2:123456789012:rule/example","at":"2015-11-11T21:29:55Z"}',
        ),
        ('"first <instance>"\n"second <state>"', '"first i-0123456789"\n"second RUNNING"'),
    ],
)
def test_the_documented_templates(template, output):
    assert transformed(template) == output


def test_the_event_is_there_with_and_without_its_detail():
    text = transformed('{"with": <aws.events.event.json>, "without": <aws.events.event>}')

    without = {name: value for name, value in EVENT.items() if name != "detail"}
    assert json.loads(text) == {"with": EVENT, "without": without}


def test_numbers_and_structures_keep_their_kind_outside_of_quotes():
    text = transformed(
        '{"code": <code>, "names": <names>, "said": <note>}',
        code="$.detail.code",
        names="$.detail.containers[*].name",
        note="$.detail.note",
    )

    assert json.loads(text) == {"code": 16, "names": ["app", "log"], "said": 'it said "é"'}
    assert transformed('"code <code>"', code="$.detail.code") == '"code 16"'


def test_a_path_that_finds_nothing_leaves_nothing():
    assert transformed('"[<gone>]"', gone="$.detail.gone") == '"[]"'
    assert transformed('{"gone": <gone>}', gone="$.detail.gone") == '{"gone":""}'


@pytest.mark.parametrize(
    "template",
    ["<instance> is in <state>", '"<note>"', '{"all": "<aws.events.event.json>"}', '{"open": <state>'],
)
def test_what_is_no_json_is_an_error(template):
    with pytest.raises(EventInputError, match="is not JSON"):
        transformed(template, note="$.detail.note")


def test_a_placeholder_that_nothing_defines_is_an_error():
    with pytest.raises(EventInputError, match="<other>, which InputPathsMap does not define"):
        transformed('"<other>"')

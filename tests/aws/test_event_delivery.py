"""ECS's events reach the targets of EventBridge's rules, in a real moto."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pytest_ecs_tasks import EventDeliveryWarning
from pytest_ecs_tasks.aws.handle import Aws, AwsFactory

pytestmark = pytest.mark.any_engine

REGION = "us-east-1"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:on-stop"
ALL_OF_ECS = {"source": ["aws.ecs"]}


def make_event(
    number: int = 0, *, status: str = "STOPPED", exit_codes: tuple[int, ...] = (3,)
) -> dict[str, Any]:
    return {
        "version": "0",
        "id": f"00000000-0000-0000-0000-{number:012}",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",  # CloudWatch takes no old lines
        "region": REGION,
        "resources": ["arn:aws:ecs:us-east-1:123456789012:task/default/1"],
        "detail": {
            "lastStatus": status,
            "containers": [{"name": f"c{code}", "exitCode": code} for code in exit_codes],
        },
    }


@pytest.fixture
def put_rule(aws: Aws) -> Callable[..., None]:
    return lambda *arguments, **options: make_rule(aws.client("events"), *arguments, **options)


def make_rule(
    client: Any, name: str, pattern: dict[str, Any], *arns: str, state: str = "ENABLED", **target: Any
) -> None:
    client.put_rule(Name=name, EventPattern=json.dumps(pattern), State=state)
    targets = [{"Id": f"to-{number}", "Arn": arn, **target} for number, arn in enumerate(arns)]
    client.put_targets(Rule=name, Targets=targets)


def make_queue(client: Any, name: str = "events", **attributes: str) -> tuple[str, str]:
    """Return the new queue's URL and ARN."""
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]


def receive(client: Any, url: str, count: int) -> list[str]:
    """Return the bodies of that many messages, once they are there, and of whatever has come with them."""
    bodies: list[str] = []
    while len(bodies) < count:
        answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        messages = answer.get("Messages", [])
        assert messages, f"only {len(bodies)} of {count} came"
        for message in messages:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        bodies += [message["Body"] for message in messages]
    return bodies


def warnings_of(act: Callable[[], object]) -> list[str]:
    with pytest.warns(EventDeliveryWarning) as caught:
        act()
    return [str(each.message) for each in caught]


def record_and_receive(aws: Aws, url: str) -> None:
    """Have two events reach a queue, which is the last target of all."""
    aws.record_event(make_event(1))
    aws.record_event(make_event(2))
    receive(aws.client("sqs"), url, 2)


def test_events_that_match_reach_a_queue_in_order(aws, put_rule):
    url, arn = make_queue(aws.client("sqs"))
    put_rule("failed", {"detail": {"containers": {"exitCode": [{"numeric": [">", 0]}]}}}, arn)
    events = [make_event(number, exit_codes=(0, number % 2)) for number in range(12)]

    for event in events:
        aws.record_event(event)

    assert [json.loads(body) for body in receive(aws.client("sqs"), url, 6)] == events[1::2]
    assert aws.events() == events


def test_a_rule_that_is_disabled_or_of_another_bus_or_region_gets_none(aws, put_rule):
    sqs, events = aws.client("sqs"), aws.client("events")
    url, arn = make_queue(sqs)
    put_rule("disabled", ALL_OF_ECS, arn, state="DISABLED")
    make_rule(aws.client("events", region_name="eu-west-1"), "elsewhere", ALL_OF_ECS, arn)
    events.create_event_bus(Name="own")
    events.put_rule(Name="own", EventBusName="own", EventPattern=json.dumps(ALL_OF_ECS))
    events.put_targets(Rule="own", EventBusName="own", Targets=[{"Id": "1", "Arn": arn}])
    events.put_rule(Name="daily", ScheduleExpression="rate(1 day)")
    put_rule("stopped", {"detail": {"lastStatus": ["STOPPED"]}}, arn)

    stopped = make_event(2)

    aws.record_event(make_event(1, status="RUNNING"))
    aws.record_event(stopped)

    assert [json.loads(body) for body in receive(sqs, url, 1)] == [stopped]


def test_rules_and_targets_beyond_a_page_are_found(aws, put_rule):
    url, arn = make_queue(aws.client("sqs"))
    for number in range(51):
        aws.client("events").put_rule(
            Name=f"r{number:02}", EventPattern=json.dumps({"source": [f"s{number}"]})
        )
    put_rule("s-last", ALL_OF_ECS, arn)

    aws.record_event(make_event())

    assert len(receive(aws.client("sqs"), url, 1)) == 1


def test_a_fifo_queue_gets_the_group_of_its_target(aws, put_rule):
    sqs = aws.client("sqs")
    url, arn = make_queue(sqs, "events.fifo", FifoQueue="true", ContentBasedDeduplication="true")
    put_rule("all", ALL_OF_ECS, arn, SqsParameters={"MessageGroupId": "tasks"})

    aws.record_event(make_event())

    answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, AttributeNames=["MessageGroupId"])
    assert [each["Attributes"]["MessageGroupId"] for each in answer["Messages"]] == ["tasks"]


def test_a_log_group_gets_events_in_order_in_one_stream(aws, put_rule):
    logs = aws.client("logs")
    logs.create_log_group(logGroupName="/aws/events/ecs")
    arn = logs.describe_log_groups()["logGroups"][0]["arn"]
    url, queue = make_queue(aws.client("sqs"))
    put_rule("all", ALL_OF_ECS, arn, queue)
    events = [make_event(number) for number in range(3)]

    for event in events:
        aws.record_event(event)

    receive(aws.client("sqs"), url, 3)  # the second target: the first has had its turn
    kept = logs.filter_log_events(logGroupName="/aws/events/ecs")["events"]
    assert [json.loads(each["message"]) for each in kept] == events
    assert len({each["logStreamName"] for each in kept}) == 1


def test_a_template_for_a_log_group_makes_time_and_message(aws, put_rule):
    logs = aws.client("logs")
    logs.create_log_group(logGroupName="ecs")
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    url, queue = make_queue(aws.client("sqs"))
    paths = {"time": "$.time", "status": "$.detail.lastStatus"}
    template = {"InputPathsMap": paths, "InputTemplate": '{"timestamp": <time>, "message": "now <status>"}'}
    put_rule("logs", ALL_OF_ECS, arn, queue, InputTransformer=template)
    event = make_event()

    aws.record_event(event)

    assert json.loads(receive(aws.client("sqs"), url, 1)[0])["message"] == "now STOPPED"
    (kept,) = logs.filter_log_events(logGroupName="ecs")["events"]
    assert kept["message"] == "now STOPPED"
    assert datetime.fromtimestamp(kept["timestamp"] / 1000, UTC) == datetime.fromisoformat(event["time"])


def test_a_topic_hands_an_event_on(aws, put_rule):
    sns = aws.client("sns")
    topic = sns.create_topic(Name="tasks")["TopicArn"]
    url, queue = make_queue(aws.client("sqs"))
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    put_rule("all", ALL_OF_ECS, topic, InputPath="$.detail.containers[0].name")

    aws.record_event(make_event())

    assert json.loads(receive(aws.client("sqs"), url, 1)[0])["Message"] == '"c3"'


def test_a_state_machine_is_started_with_the_event(aws, put_rule):
    states = aws.client("stepfunctions")
    definition = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
    machine = states.create_state_machine(
        name="tasks", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/states"
    )["stateMachineArn"]
    url, queue = make_queue(aws.client("sqs"))
    put_rule("all", ALL_OF_ECS, machine, queue)
    event = make_event()

    aws.record_event(event)

    receive(aws.client("sqs"), url, 1)
    (execution,) = states.list_executions(stateMachineArn=machine)["executions"]
    found = states.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(found["input"]) == event


def test_a_target_of_another_kind_warns_once_and_stops_nothing(aws, put_rule):
    url, queue = make_queue(aws.client("sqs"))
    put_rule("all", ALL_OF_ECS, FUNCTION, queue)

    assert warnings_of(lambda: record_and_receive(aws, url)) == [
        f"rule 'all', target 'to-0' ({FUNCTION}): a target of lambda gets no ECS events here; SQS, CloudWatch Logs, SNS and "
        "Step Functions do. ecs_aws.events() has the events, so the test can hand them on itself"
    ]


def test_an_archive_says_that_it_stays_empty(aws, put_rule):
    bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
    aws.client("events").create_archive(ArchiveName="all", EventSourceArn=bus)
    url, queue = make_queue(aws.client("sqs"))
    put_rule("all", ALL_OF_ECS, queue)

    (warning,) = warnings_of(lambda: record_and_receive(aws, url))

    assert "an archive of EventBridge gets no ECS events here" in warning


@pytest.mark.parametrize(
    ("arn", "reason"),
    [
        ("arn:aws:sqs:us-east-1:123456789012:gone", "QueueDoesNotExist"),
        ("arn:aws:logs:us-east-1:123456789012:log-group:gone", "ResourceNotFoundException"),
        ("arn:aws:sns:us-east-1:123456789012:gone", "NotFound"),
        ("arn:aws:states:us-east-1:123456789012:stateMachine:gone", "StateMachineDoesNotExist"),
    ],
)
def test_a_target_that_is_gone_warns_once_and_stops_nothing(aws, put_rule, arn, reason):
    url, queue = make_queue(aws.client("sqs"))
    put_rule("all", ALL_OF_ECS, arn, queue)

    (warning,) = warnings_of(lambda: record_and_receive(aws, url))

    assert f"rule 'all', target 'to-0' ({arn}): an ECS event was refused, and is lost: {reason}" in warning


def test_a_queue_that_is_made_anew_gets_events_again(aws, put_rule):
    sqs = aws.client("sqs")
    url, queue = make_queue(sqs)
    put_rule("all", ALL_OF_ECS, queue)
    aws.record_event(make_event(1))
    receive(sqs, url, 1)

    sqs.delete_queue(QueueUrl=url)
    url, _ = make_queue(sqs)
    aws.record_event(make_event(2))

    assert json.loads(receive(sqs, url, 1)[0])["id"] == make_event(2)["id"]


def test_a_pattern_that_eventbridge_refuses_is_told(aws, put_rule):
    put_rule("odd", {"detail": {"lastStatus": [{"begins-with": "STOP"}]}}, FUNCTION)
    url, queue = make_queue(aws.client("sqs"))
    put_rule("all", ALL_OF_ECS, queue)

    (warning,) = warnings_of(lambda: record_and_receive(aws, url))

    assert warning.startswith("rule 'odd' gets no ECS events")
    assert warning.endswith("detail.lastStatus: unrecognized match type 'begins-with'")


def test_a_template_that_makes_no_json_is_told(aws, put_rule):
    url, queue = make_queue(aws.client("sqs"))
    put_rule("odd", ALL_OF_ECS, queue, InputTransformer={"InputTemplate": "<aws.events.rule-name> says"})
    put_rule("plain", ALL_OF_ECS, queue)

    (warning,) = warnings_of(lambda: record_and_receive(aws, url))

    assert "ECS events are not delivered: the template filled in is not JSON" in warning


def test_a_text_that_cannot_be_sent_is_told_and_holds_up_no_other_target(aws, put_rule):
    url, queue = make_queue(aws.client("sqs"))
    topic = aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    put_rule("half", ALL_OF_ECS, topic, InputTransformer={"InputTemplate": '"half of a character: \\ud83d"'})
    put_rule("plain", ALL_OF_ECS, queue)

    (warning,) = warnings_of(lambda: record_and_receive(aws, url))

    assert warning.startswith("rule 'half', target 'to-0'")
    assert "an ECS event could not be sent, and is lost: UnicodeEncodeError" in warning


def test_a_warning_that_is_an_error_is_raised_at_the_end_of_the_aws(aws, put_rule):
    url, queue = make_queue(aws.client("sqs"))
    put_rule("all", ALL_OF_ECS, FUNCTION, queue)
    record_and_receive(aws, url)

    with pytest.raises(EventDeliveryWarning, match="a target of lambda"):
        aws.close()

    aws.close()


def test_an_aws_that_nobody_uses_is_not_started_for_an_event(factory):
    aws = factory.new()

    aws.record_event(make_event())
    aws.close()

    assert repr(aws) == "<Aws not started us-east-1 123456789012>"


def test_after_a_reset_rules_and_warnings_begin_anew(aws, put_rule):
    def warn_once() -> None:
        url, queue = make_queue(aws.client("sqs"))
        put_rule("all", ALL_OF_ECS, FUNCTION, queue)
        record_and_receive(aws, url)

    first = warnings_of(warn_once)
    aws.reset()

    assert warnings_of(warn_once) == first


def test_rules_of_a_moto_of_the_users_own_are_applied_although_nobody_asked_us_for_it(aws, put_rule):
    url, queue = make_queue(aws.client("sqs"))
    put_rule("all", ALL_OF_ECS, queue)
    others = [AwsFactory(url=aws.endpoint_url).new() for _ in range(2)]  # as workers of xdist have them

    for number, other in enumerate(others):
        other.record_event(make_event(number))
        other.close()

    ids = {json.loads(body)["id"] for body in receive(aws.client("sqs"), url, 2)}
    assert ids == {make_event(0)["id"], make_event(1)["id"]}


def test_rules_of_the_users_mock_aws_are_applied_although_nobody_used_ours():
    factory = AwsFactory(in_process=True)
    with mock_aws():
        sqs = boto3.client("sqs", region_name=REGION)
        url, queue = make_queue(sqs)
        make_rule(boto3.client("events", region_name=REGION), "all", ALL_OF_ECS, queue)
        aws = factory.new()
        aws.record_event(make_event())

        assert len(receive(sqs, url, 1)) == 1

        aws.close()
    factory.close()


def test_rules_that_cannot_be_read_are_told():
    aws = AwsFactory(url="http://127.0.0.1:1").new()

    def record_and_end() -> None:
        aws.record_event({**make_event(), "region": "mars-north-1"})
        aws.record_event(make_event())
        aws.close()

    (warning,) = warnings_of(record_and_end)

    assert warning.startswith(
        "EventBridge's rules in us-east-1 could not be read, so ECS events reach none: "
    )

"""What a real task goes through reaches the targets of EventBridge's rules."""

from __future__ import annotations

import json
from typing import Any

from pytest_ecs_tasks.aws.handle import Aws
from tasks import Run, shell


def put_rule(aws: Aws, name: str, pattern: dict[str, Any], *targets: dict[str, Any]) -> None:
    events = aws.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(
        Rule=name, Targets=[{"Id": f"to-{number}", **target} for number, target in enumerate(targets)]
    )


def make_fifo_queue(aws: Aws, name: str) -> tuple[str, dict[str, Any]]:
    """Return the URL of a new queue that keeps the order, and what makes it a target."""
    sqs = aws.client("sqs")
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, {"Arn": arn, "SqsParameters": {"MessageGroupId": "tasks"}}


def receive(aws: Aws, url: str, count: int) -> list[Any]:
    """Return the next events of a queue, as many as are asked for and whatever comes with the last of them."""
    sqs = aws.client("sqs")
    found: list[Any] = []
    while len(found) < count:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=20)
        messages = answer.get("Messages", [])
        assert messages, f"only {len(found)} of {count} came"
        found += [json.loads(message["Body"]) for message in messages]
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_a_queue_and_a_log_group_get_every_event_and_another_queue_the_failure(run: Run, aws: Aws) -> None:
    logs = aws.client("logs")
    logs.create_log_group(logGroupName="/aws/events/ecs")
    all_url, all_queue = make_fifo_queue(aws, "all")
    failed_url, failed_queue = make_fifo_queue(aws, "failed")
    group = {"Arn": logs.describe_log_groups()["logGroups"][0]["arn"]}
    put_rule(aws, "every-change", {"source": ["aws.ecs"]}, group, all_queue)
    failure = {"lastStatus": ["STOPPED"], "containers": {"exitCode": [{"numeric": [">", 0]}]}}
    put_rule(aws, "failed", {"detail-type": ["ECS Task State Change"], "detail": failure}, failed_queue)

    task = run(shell("job", "sleep 0.2; exit 3"))
    task.wait_stopped()

    received = receive(aws, all_url, len(task.events))
    assert received == list(task.events)
    statuses = [event["detail"]["lastStatus"] for event in received]
    assert statuses.index("RUNNING") < statuses.index("STOPPED")
    kept = logs.filter_log_events(logGroupName="/aws/events/ecs")["events"]
    assert [json.loads(each["message"]) for each in kept] == received
    assert receive(aws, failed_url, 1) == [task.events[-1]]

"""Targets of EventBridge's rules: the calls by which each kind of them gets an event."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any
from xml.etree import ElementTree

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.json_api import JsonApi
from pytest_ecs_tasks.aws.query_api import call_query, text_of
from pytest_ecs_tasks.aws.references import Arn, parse_arn
from pytest_ecs_tasks.core.event_input import EventInputError

_SNS_VERSION = "2010-03-31"
_LOG_GROUP = "log-group:"


class UnsupportedTargetError(Exception):
    """A kind of target that gets no events here; the text names it."""


class EventTargets:
    """Sends events to the targets of one AWS. Used by one thread; every method raises :class:`AwsCallError`."""

    def __init__(self, api: JsonApi, endpoint_url: Callable[[], str]) -> None:
        self._api = api
        self._endpoint_url = endpoint_url
        self._queue_urls: dict[str, str] = {}
        self._log_streams: dict[str, str] = {}

    def forget(self) -> None:
        """Take note that everything has been deleted."""
        self._queue_urls.clear()
        self._log_streams.clear()

    def send(self, target: Mapping[str, Any], text: str, happened_at: str) -> None:
        """Send an event's text to a rule's target; ``happened_at`` is the event's ISO 8601 time.

        Raises :class:`UnsupportedTargetError`, and :class:`EventInputError` for a text that the target cannot take.
        """
        arn = parse_arn(target["Arn"])
        if arn is not None and arn.service == "sqs":
            self._send_message(arn, target, text)
        elif arn is not None and arn.service == "logs" and arn.resource.startswith(_LOG_GROUP):
            self._put_log_event(arn, target, text, happened_at)
        elif arn is not None and arn.service == "sns":
            self._publish(arn, text)
        elif arn is not None and arn.service == "states" and arn.resource.startswith("stateMachine:"):
            parameters = {"stateMachineArn": str(arn), "input": text}
            self._api.call("states:AWSStepFunctions.StartExecution", arn.region, parameters)
        else:
            raise UnsupportedTargetError(_describe_kind(arn))

    def _send_message(self, arn: Arn, target: Mapping[str, Any], text: str) -> None:
        key = str(arn)
        if key not in self._queue_urls:
            answer = self._api.call("sqs:AmazonSQS.GetQueueUrl", arn.region, {"QueueName": arn.resource})
            self._queue_urls[key] = answer["QueueUrl"]
        parameters = {"QueueUrl": self._queue_urls[key], "MessageBody": text}
        group = (target.get("SqsParameters") or {}).get("MessageGroupId")
        if group:
            parameters["MessageGroupId"] = group
        try:
            self._api.call("sqs:AmazonSQS.SendMessage", arn.region, parameters)
        except AwsCallError:
            del self._queue_urls[key]
            raise

    def _put_log_event(self, arn: Arn, target: Mapping[str, Any], text: str, happened_at: str) -> None:
        event = _make_log_event(target, text, happened_at)
        group = arn.resource.removeprefix(_LOG_GROUP).removesuffix(":*")
        key = str(arn)
        if key not in self._log_streams:
            stream = {"logGroupName": group, "logStreamName": str(uuid.uuid4())}
            self._api.call("logs:Logs_20140328.CreateLogStream", arn.region, stream)
            self._log_streams[key] = stream["logStreamName"]
        parameters = {
            "logGroupName": group,
            "logStreamName": self._log_streams[key],
            "logEvents": [event],
        }
        try:
            answer = self._api.call("logs:Logs_20140328.PutLogEvents", arn.region, parameters)
        except AwsCallError:
            del self._log_streams[key]
            raise
        if answer.get("rejectedLogEventsInfo"):
            raise EventInputError(
                f"CloudWatch refused the timestamp {event['timestamp']}: too old or too new"
            )

    def _publish(self, arn: Arn, text: str) -> None:
        form = {"Action": "Publish", "Version": _SNS_VERSION, "TopicArn": str(arn), "Message": text}
        status, answer = call_query(self._endpoint_url, "sns", arn.region, form)
        if status >= HTTPStatus.BAD_REQUEST:
            raise AwsCallError(*_read_error(answer))


def _make_log_event(target: Mapping[str, Any], text: str, happened_at: str) -> dict[str, object]:
    """Return what PutLogEvents takes. A template has to make time and message itself; else the text is the message.

    Source: EventBridge's user guide, "Input transformation", its example of a log group.
    """
    if target.get("InputTransformer") is None:
        return {"timestamp": _milliseconds(happened_at), "message": text}
    try:
        made = json.loads(text)
        message = made["message"]
        timestamp = _milliseconds(made["timestamp"])
    except (ValueError, TypeError, KeyError) as error:
        raise EventInputError(
            'the template of a log group has to make {"timestamp": <time>, "message": <text>}, with an ISO 8601 time or '
            "milliseconds"
        ) from error
    return {
        "timestamp": timestamp,
        "message": message if isinstance(message, str) else json.dumps(message),
    }


def _milliseconds(moment: object) -> int:
    """Raises ValueError."""
    if isinstance(moment, int):
        return moment
    return int(datetime.fromisoformat(str(moment)).timestamp() * 1000)


def _read_error(answer: bytes) -> tuple[str, str]:
    try:
        document = ElementTree.fromstring(answer)
    except ElementTree.ParseError:
        return "UnknownError", answer.decode(errors="replace")
    return text_of(document, "Code") or "UnknownError", text_of(document, "Message")


def _describe_kind(arn: Arn | None) -> str:
    if arn is None:
        return "a target whose ARN is none"
    if arn.service == "events" and not arn.resource.strip(":"):
        return "an archive of EventBridge"
    return f"a target of {arn.service}"

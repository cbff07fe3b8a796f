"""``--ecs-aws=in-process``: the test's AWS and a ``mock_aws`` of the user's are one."""

from __future__ import annotations

import gc
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import boto3
import pytest
import pytest_socket
from moto import mock_aws

from pytest_ecs_tasks.aws.handle import Aws, AwsFactory
from pytest_ecs_tasks.aws.services import BotoServices
from pytest_ecs_tasks.aws.shared_moto import is_mock_aws_active
from pytest_ecs_tasks.engine.aws_ports import LogStreamError, SecretRequest
from pytest_ecs_tasks.errors import EcsTaskError

REGION = "us-east-1"


@pytest.fixture
def shared() -> Iterator[AwsFactory]:
    factory = AwsFactory(in_process=True)
    yield factory
    factory.close()
    factory.close()


@pytest.fixture
def aws(shared: AwsFactory) -> Iterator[Aws]:
    aws = shared.new()
    yield aws
    aws.close()


@pytest.fixture
def mocked() -> Iterator[None]:
    with mock_aws():
        yield


def theirs(service: str):
    return boto3.client(service, region_name=REGION)


def buckets(client) -> list[str]:
    return sorted(bucket["Name"] for bucket in client.list_buckets()["Buckets"])


def test_what_either_side_makes_the_other_sees(mocked, aws):
    theirs("s3").create_bucket(Bucket="theirs")
    aws.client("s3").create_bucket(Bucket="ours")
    aws.resource("s3").Bucket("theirs").put_object(Key="key", Body=b"from us")

    assert buckets(theirs("s3")) == buckets(aws.client("s3")) == ["ours", "theirs"]
    assert theirs("s3").get_object(Bucket="theirs", Key="key")["Body"].read() == b"from us"


def test_secrets_of_either_side_are_resolved(mocked, aws):
    theirs("secretsmanager").create_secret(Name="theirs", SecretString="x")
    aws.create_secret("ours", "y")
    wanted = [
        SecretRequest("app", name, f"arn:aws:secretsmanager:{REGION}:123456789012:secret:{name}")
        for name in ("theirs", "ours")
    ]

    found = BotoServices(aws).resolve_secrets(wanted, region=REGION, fargate=True)

    assert {key: str.__getitem__(value, slice(None)) for key, value in found.items()} == {
        ("app", "theirs"): "x",
        ("app", "ours"): "y",
    }


def test_the_beginning_and_the_end_of_a_mock_aws_empty_it(aws):
    ours = aws.client("s3")
    ours.create_bucket(Bucket="before")

    with mock_aws():
        assert buckets(ours) == []
        ours.create_bucket(Bucket="within")
    assert buckets(ours) == []


def test_a_log_stream_that_a_mock_aws_swept_away_is_made_anew(aws):
    sink, _ = BotoServices(aws).open_log_sink(
        group="/ecs/web", stream="web/1", region=REGION, create_group=False, strict=False
    )

    with mock_aws():
        sink.write([b"after the sweep"], time.time())
        sink.close()
        events = theirs("logs").get_log_events(logGroupName="/ecs/web", logStreamName="web/1")["events"]

    assert [event["message"] for event in events] == ["after the sweep"]


def test_a_log_group_that_a_test_deletes_elsewhere_stays_deleted(factory):
    aws = factory.new()
    sink, _ = BotoServices(aws).open_log_sink(
        group="/ecs/web", stream="web/1", region=REGION, create_group=False, strict=False
    )
    aws.client("logs").delete_log_group(logGroupName="/ecs/web")
    sink.write([b"lost"], time.time())

    with pytest.raises(LogStreamError, match="ResourceNotFoundException"):
        sink.close()
    aws.close()


def test_the_end_of_the_last_use_empties_it_where_no_mock_aws_is_active(shared):
    first, second = shared.new(), shared.new()
    first.client("s3").create_bucket(Bucket="bucket")
    assert buckets(second.client("s3")) == ["bucket"]

    first.close()
    assert buckets(second.client("s3")) == ["bucket"]
    second.close()
    assert buckets(shared.new().client("s3")) == []


def test_the_end_of_the_last_use_leaves_the_users_mock_aws_alone(mocked, shared):
    aws = shared.new()
    aws.client("s3").create_bucket(Bucket="bucket")
    aws.close()

    assert buckets(theirs("s3")) == ["bucket"]


def test_one_that_was_never_used_empties_nothing(shared):
    other = shared.new()
    other.client("s3").create_bucket(Bucket="bucket")

    shared.new().close()

    assert buckets(other.client("s3")) == ["bucket"]
    other.close()


def test_reset_empties_both(mocked, aws):
    theirs("s3").create_bucket(Bucket="bucket")
    aws.record_event({"detail-type": "x"})

    aws.reset()

    assert buckets(theirs("s3")) == []
    assert aws.events() == []


def test_another_account_than_motos_is_an_error_that_says_how_to_have_it(shared, monkeypatch):
    with pytest.raises(EcsTaskError, match="Set MOTO_ACCOUNT_ID=111122223333"):
        shared.new(account_id="111122223333").client("sts")

    monkeypatch.setenv("MOTO_ACCOUNT_ID", "111122223333")
    aws = shared.new(account_id="111122223333")
    assert aws.client("sts").get_caller_identity()["Account"] == "111122223333"
    aws.close()


def test_it_is_started_and_used_while_sockets_are_forbidden(mocked, aws):
    pytest_socket.disable_socket()
    try:
        with pytest.raises(pytest_socket.SocketBlockedError), pytest.warns(UserWarning, match="tried to use"):
            socket.socket()
        aws.client("s3").create_bucket(Bucket="bucket")
    finally:
        pytest_socket.enable_socket()

    assert buckets(theirs("s3")) == ["bucket"]


def test_it_listens_on_loopback_alone_and_after_its_end_no_more(shared):
    url = shared.new().endpoint_url
    assert url.startswith("http://127.0.0.1:")

    shared.close()

    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(url, timeout=60)


def test_many_clients_at_once_are_served_and_no_thread_or_socket_stays(mocked, shared):
    before = threading.active_count()
    aws = shared.new()
    queue = aws.client("sqs").create_queue(QueueName="q")["QueueUrl"]

    clients = (theirs("sqs"), aws.client("sqs"))

    def send(number: int) -> None:
        clients[number % 2].send_message(QueueUrl=queue, MessageBody=str(number))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, range(64)))

    name = "ApproximateNumberOfMessages"
    attributes = theirs("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=[name])
    assert attributes["Attributes"][name] == "64"
    aws.close()
    shared.close()
    gc.collect()
    assert threading.active_count() <= before


def test_a_moto_that_is_just_being_imported_has_no_mock_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moto.core.models", ModuleType("moto.core.models"))

    assert not is_mock_aws_active()

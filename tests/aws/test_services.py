from __future__ import annotations

import time

import boto3
import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.aws.services import BotoServices
from pytest_ecs_tasks.engine.aws_ports import AwsServices, CredentialsError, SecretsError


def test_it_is_what_the_engine_asks_for(services: BotoServices, aws: Aws) -> None:
    port: AwsServices = services

    assert port.endpoint_url == aws.endpoint_url


def test_state_changes_are_the_events_of_the_aws(services: BotoServices, aws: Aws) -> None:
    services.state_changed({"detail-type": "ECS Task State Change", "detail": {"lastStatus": "RUNNING"}})

    assert [event["detail"]["lastStatus"] for event in aws.events()] == ["RUNNING"]
    assert "not started" in repr(aws)


ROLE = "arn:aws:iam::123456789012:role/team/app"


def test_a_session_with_a_role_is_one_that_sts_knows(services: BotoServices, aws: Aws) -> None:
    credentials = services.assume_role(ROLE, session_name="a-task", region="us-east-1")

    client = boto3.session.Session(
        credentials.access_key_id,
        credentials.secret_access_key.reveal(),
        credentials.session_token.reveal(),
    ).client("sts", region_name="us-east-1", endpoint_url=aws.endpoint_url)

    assert client.get_caller_identity()["Arn"] == "arn:aws:sts::123456789012:assumed-role/app/a-task"
    assert 3500 < credentials.expires_at - time.time() <= 3600


def test_two_sessions_have_keys_of_their_own(services: BotoServices) -> None:
    first, second = (
        services.assume_role(ROLE, session_name=name, region="us-east-1") for name in ("one", "two")
    )

    assert first.access_key_id != second.access_key_id
    assert first.secret_access_key.reveal() != second.secret_access_key.reveal()


def test_a_session_that_sts_refuses_says_why(services: BotoServices) -> None:
    with pytest.raises(
        CredentialsError, match=r"sts:AssumeRole of .*/app: ValidationError: .*roleSessionName"
    ):
        services.assume_role(ROLE, session_name="x" * 65, region="us-east-1")


def test_a_session_with_an_aws_that_is_gone_says_so(services: BotoServices, aws: Aws) -> None:
    aws.close()

    with pytest.raises(CredentialsError, match="this AWS is gone"):
        services.assume_role(ROLE, session_name="a-task", region="us-east-1")


def test_a_routers_file_is_the_objects_content(services: BotoServices, aws: Aws) -> None:
    client = aws.client("s3")
    client.create_bucket(Bucket="configs")
    client.put_object(Bucket="configs", Key="a/extra.conf", Body=b"[OUTPUT]\n")

    assert services.fetch_router_file("arn:aws:s3:::configs/a/extra.conf") == b"[OUTPUT]\n"


def test_a_routers_file_that_is_not_there_is_an_error_in_the_agents_words(services: BotoServices) -> None:
    with pytest.raises(SecretsError) as caught:
        services.fetch_router_file("arn:aws:s3:::configs/a/extra.conf")

    assert str(caught.value).startswith(
        "unable to download firelens s3 config file: unable to download s3 config a/extra.conf from bucket configs: "
    )
    assert "put the object into the test's S3" in caught.value.hint

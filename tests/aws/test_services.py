from __future__ import annotations

import boto3

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.aws.services import BotoServices
from pytest_ecs_tasks.engine.ports import AwsServices


def test_it_is_what_the_engine_asks_for(services: BotoServices, aws: Aws) -> None:
    port: AwsServices = services

    assert port.endpoint_url == aws.endpoint_url


def test_state_changes_are_the_events_of_the_aws(services: BotoServices, aws: Aws) -> None:
    services.state_changed({"detail-type": "ECS Task State Change", "detail": {"lastStatus": "RUNNING"}})

    assert [event["detail"]["lastStatus"] for event in aws.events()] == ["RUNNING"]
    assert "not started" in repr(aws)


def test_a_roles_credentials_are_keys_that_a_plain_sdk_takes(services: BotoServices, aws: Aws) -> None:
    keys = services.role_credentials()

    client = boto3.session.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]).client(
        "sts", region_name="us-east-1", endpoint_url=aws.endpoint_url
    )

    assert client.get_caller_identity()["Account"] == "123456789012"

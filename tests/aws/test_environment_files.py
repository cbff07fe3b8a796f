"""Environment files come from the test's S3, and what is missing is told in ECS's words."""

from __future__ import annotations

import logging

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.aws.services import BotoServices
from pytest_ecs_tasks.engine.aws_ports import EnvironmentFileError

ARN = "arn:aws:s3:::config/prod/app.env"


@pytest.fixture
def put(aws: Aws):  # type: ignore[no-untyped-def]
    """Put a file into the bucket ``config``."""
    client = aws.client("s3")
    client.create_bucket(Bucket="config")

    def put(key: str, content: bytes) -> None:
        client.put_object(Bucket="config", Key=key, Body=content)

    return put


def refusal(services: BotoServices, *arns: str, fargate: bool = False) -> EnvironmentFileError:
    with pytest.raises(EnvironmentFileError) as caught:
        services.fetch_environment_files(arns, fargate=fargate)
    return caught.value


def test_files_are_fetched_as_they_are(services: BotoServices, put) -> None:  # type: ignore[no-untyped-def]
    big = b"A=" + b"x" * 60_000 + b"\n"
    put("prod/app.env", b"A=1\r\n\xff=2\n")
    put("with space+plus/größe.env", big * 20)
    odd = "arn:aws-us-gov:s3:::config/with space+plus/größe.env"

    assert services.fetch_environment_files([ARN, odd], fargate=True) == {
        ARN: b"A=1\r\n\xff=2\n",
        odd: big * 20,
    }


def test_an_object_that_is_not_there_is_told_with_what_is(services: BotoServices, put) -> None:  # type: ignore[no-untyped-def]
    put("prod/api.env", b"")

    error = refusal(services, ARN)

    assert str(error) == (
        "unable to download env file with key prod/app.env from bucket config, error: "
        "NoSuchKey: The specified key does not exist."
    )
    assert error.hint == (
        f"environment file {ARN}\n"
        "In this test's AWS the bucket has no such object. In a fixture before ecs_task: "
        "ecs_aws.client('s3').put_object(Bucket='config', Key='prod/app.env', Body=…)\n"
        "present here: prod/api.env"
    )


def test_a_bucket_that_is_not_there_is_told_in_fargates_words(services: BotoServices) -> None:
    error = refusal(services, ARN, fargate=True)

    assert str(error) == (
        "failed to download env files: file download command: non empty error stream: "
        "unable to download env file with key prod/app.env from bucket config, error: "
        "NoSuchBucket: The specified bucket does not exist"
    )
    assert "create it, then ecs_aws.client('s3').put_object" in error.hint


def test_everything_that_is_missing_is_told_at_once(services: BotoServices, put) -> None:  # type: ignore[no-untyped-def]
    put("there.env", b"")
    absent = [f"arn:aws:s3:::config/{name}.env" for name in ("a", "b")]

    texts = str(refusal(services, absent[0], "arn:aws:s3:::config/there.env", absent[1])).split(";")

    assert ["key a.env" in texts[0], "key b.env" in texts[1], len(texts)] == [True, True, 2]


def test_a_key_that_leads_out_of_its_place_is_not_asked_for(services: BotoServices) -> None:
    assert "escapes envfile resource directory" in str(refusal(services, "arn:aws:s3:::config/../../x.env"))


def test_no_value_is_in_any_log(services: BotoServices, put, caplog: pytest.LogCaptureFixture) -> None:  # type: ignore[no-untyped-def]
    put("prod/app.env", b"A=canary-5ecret\n")

    with caplog.at_level(logging.DEBUG):
        caplog.clear()
        services.fetch_environment_files([ARN], fargate=False)

    assert "canary" not in caplog.text

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from moto import mock_aws

from pytest_ecs_tasks.aws.handle import Aws, AwsFactory
from pytest_ecs_tasks.errors import EcsTaskError


def buckets(client: object) -> list[str]:
    return [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]  # type: ignore[attr-defined]


def test_an_aws_that_nobody_uses_is_not_started(factory: AwsFactory) -> None:
    aws = factory.new()

    assert repr(aws) == "<Aws not started us-east-1 123456789012>"
    assert aws.events() == []
    aws.close()


def test_many_threads_that_use_it_first_get_the_same_aws(aws: Aws) -> None:
    with ThreadPoolExecutor(16) as pool:
        urls = set(pool.map(lambda _: aws.client("s3").meta.endpoint_url, range(32)))

    assert urls == {aws.endpoint_url}


def test_session_client_and_resource_talk_to_it(aws: Aws) -> None:
    aws.session.client("s3").create_bucket(Bucket="by-session")
    aws.client("s3").create_bucket(Bucket="by-client")

    assert {bucket.name for bucket in aws.resource("s3").buckets.all()} == {"by-session", "by-client"}
    assert aws.session.region_name == aws.region == "us-east-1"


def test_a_client_takes_boto3s_keywords(aws: Aws) -> None:
    aws.client("secretsmanager", region_name="eu-west-1").create_secret(Name="there", SecretString="x")

    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_PROFILE", "none-such"),
        ("AWS_CONFIG_FILE", "/proc/self/mem"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_MAX_ATTEMPTS", "none"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("ALL_PROXY", "http://127.0.0.1:1"),
    ],
)
def test_the_users_environment_does_not_matter(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    aws.client("s3").create_bucket(Bucket="bucket")
    aws.reset()

    assert buckets(aws.client("s3")) == []


def test_a_client_made_before_a_mock_aws_is_not_caught_by_it(aws: Aws) -> None:
    client = aws.client("s3")
    client.create_bucket(Bucket="ours")

    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="theirs")
        client.put_object(
            Bucket="ours", Key="host.amazonaws.com/key", Body=b"x"
        )  # moto answers 404 to such a path
        assert buckets(client) == ["ours"]

    assert buckets(client) == ["ours"]


def test_a_client_made_within_a_mock_aws_is_not_caught_by_it(aws: Aws) -> None:
    with mock_aws():
        theirs = boto3.client("s3", region_name="us-east-1")
        theirs.create_bucket(Bucket="theirs")
        ours = aws.client("s3")
        ours.create_bucket(Bucket="ours")
        ours.put_object(Bucket="ours", Key="host.amazonaws.com/key", Body=b"x")
        aws.resource("s3").Bucket("ours").put_object(Key="s3.us-east-1.amazonaws.com/key", Body=b"x")
        assert buckets(ours) == ["ours"]
        assert buckets(theirs) == ["theirs"]
        # The user's next client is still mocked: ours took nothing away from theirs.
        assert buckets(boto3.client("s3", region_name="us-east-1")) == ["theirs"]

    assert buckets(aws.client("s3")) == ["ours"]


def test_an_unknown_region_is_an_error_that_names_the_nearest(aws: Aws) -> None:
    with pytest.raises(EcsTaskError, match=r"AWS has no region 'us-esat-1'. Did you mean 'us-.*-1'?"):
        aws.client("s3", region_name="us-esat-1")


def test_an_unknown_default_region_is_an_error_at_first_use(factory: AwsFactory) -> None:
    bad = AwsFactory(url="http://127.0.0.1:1", region="mars")

    with pytest.raises(EcsTaskError, match="AWS has no region 'mars'"):
        bad.new().client("s3")
    with pytest.raises(EcsTaskError, match="AWS has no region 'mars'"):
        bad.warm()


def test_another_account_and_region_can_be_asked_for() -> None:
    factory = AwsFactory()
    aws = factory.new(region="eu-west-1", account_id="111122223333")

    assert aws.client("sts").get_caller_identity()["Account"] == "111122223333"
    assert ":eu-west-1:111122223333:" in aws.client("sns").create_topic(Name="t")["TopicArn"]
    factory.close()


def test_an_endpoint_of_the_users_is_used_as_it_is(aws: Aws) -> None:
    other = AwsFactory(url=aws.endpoint_url).new()

    other.client("s3").create_bucket(Bucket="bucket")
    other.close()

    assert buckets(aws.client("s3")) == ["bucket"]


def test_env_points_a_plain_boto3_client_here(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "none-such")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")

    conflicts = aws.find_conflicts(
        {"AWS_PROFILE": "p", "AWS_ENDPOINT_URL_S3": "u", "AWS_REGION": "r", "HOME": "/"}
    )
    for name in conflicts:
        monkeypatch.delenv(name)
    for name, value in aws.env.items():
        monkeypatch.setenv(name, value)
    boto3.session.Session().client("s3").create_bucket(Bucket="bucket")

    assert conflicts == ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3")
    assert buckets(aws.client("s3")) == ["bucket"]


def test_events_are_kept_in_order_and_handed_out_as_copies(aws: Aws) -> None:
    aws.record_event({"detail-type": "ECS Task State Change", "detail": {"lastStatus": "PENDING"}})
    aws.record_event({"detail-type": "ECS Deployment State Change", "detail": {}})
    aws.record_event({"detail-type": "ECS Task State Change", "detail": {"lastStatus": "RUNNING"}})

    aws.events()[0]["detail"]["lastStatus"] = "changed"

    assert [e["detail"]["lastStatus"] for e in aws.events("ECS Task State Change")] == ["PENDING", "RUNNING"]
    assert len(aws.events()) == 3


def test_reset_empties_it_and_forgets_its_events(aws: Aws) -> None:
    aws.client("s3").create_bucket(Bucket="bucket")
    aws.record_event({"detail-type": "ECS Task State Change"})

    aws.reset()

    assert buckets(aws.client("s3")) == []
    assert aws.events() == []


def test_reset_of_something_that_is_not_moto_says_so() -> None:
    aws = AwsFactory(url="http://127.0.0.1:1").new()

    with pytest.raises(EcsTaskError, match=r"http://127.0.0.1:1 could not be reset: .*must be moto"):
        aws.reset()


def test_a_closed_aws_says_that_its_owner_has_ended(factory: AwsFactory) -> None:
    aws = factory.new()
    aws.close()
    aws.close()

    with pytest.raises(EcsTaskError, match="this AWS is gone"):
        aws.client("s3")

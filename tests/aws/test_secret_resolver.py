from __future__ import annotations

import traceback

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.aws.services import BotoServices
from pytest_ecs_tasks.engine.aws_ports import SecretRequest, SecretsError
from pytest_ecs_tasks.errors import EcsTaskError

CANARY = "canary-9d41"
# As deployed: another account, another region, a suffix that moto cannot have.
DEPLOYED = "arn:aws:secretsmanager:eu-west-1:999999999999:secret:prod/db-AbCdEf"
PULL = "unable to pull secrets or registry auth: execution resource retrieval failed: "


def resolve(
    services: BotoServices, value_from: str, *, fargate: bool = False, region: str = "us-east-1"
) -> str:
    requests = [SecretRequest("web", "DB", value_from)]
    return services.resolve_secrets(requests, region=region, fargate=fargate)["web", "DB"].reveal()


def refusal(services: BotoServices, *values_from: str, fargate: bool) -> SecretsError:
    requests = [
        SecretRequest("web", f"V{number}", value_from) for number, value_from in enumerate(values_from)
    ]
    with pytest.raises(SecretsError) as caught:
        services.resolve_secrets(requests, region="us-east-1", fargate=fargate)
    return caught.value


@pytest.mark.parametrize(
    "value_from",
    [
        DEPLOYED,
        "arn:aws:secretsmanager:eu-west-1:999999999999:secret:prod/db",
        f"{DEPLOYED}:::",
        f"{DEPLOYED}::AWSCURRENT:",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf",
    ],
)
def test_a_deployed_arn_finds_the_secret_that_a_marker_named(
    services: BotoServices, aws: Aws, value_from: str
) -> None:
    aws.create_secret("prod/db", "value")

    assert resolve(services, value_from) == "value"


def test_the_true_arn_wins_over_a_secret_whose_name_it_resembles(services: BotoServices, aws: Aws) -> None:
    arn = aws.client("secretsmanager").create_secret(Name="db", SecretString="right")["ARN"]
    aws.create_secret(arn.rpartition(":")[2], "wrong")

    assert resolve(services, arn.replace("123456789012", "999999999999")) == "right"


def test_a_name_that_seems_to_end_in_a_random_suffix_is_found_whole(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("prod/my-secret", "whole")
    aws.create_secret("prod/my", "cut")

    assert resolve(services, "arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/my-secret") == "whole"


def test_a_json_key_is_selected(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("prod/db", {"password": "p w", "port": 5432, "id": 1234567})

    assert resolve(services, f"{DEPLOYED}:password::") == "p w"
    assert resolve(services, f"{DEPLOYED}:port::") == "5432"
    assert resolve(services, f"{DEPLOYED}:id::") == "1.234567e+06"


def test_a_version_is_selected_by_stage_and_by_id(services: BotoServices, aws: Aws) -> None:
    client = aws.client("secretsmanager")
    first = client.create_secret(Name="s", SecretString="old")
    client.put_secret_value(SecretId="s", SecretString="new")

    assert resolve(services, first["ARN"]) == "new"
    assert resolve(services, f"{first['ARN']}::AWSPREVIOUS:") == "old"
    assert resolve(services, f"{first['ARN']}:::{first['VersionId']}") == "old"


def test_creating_a_secret_again_updates_it(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("s", "one")
    aws.create_secret("s", "two")

    assert resolve(services, "arn:aws:secretsmanager:us-east-1:1:secret:s") == "two"


def test_a_binary_secret_is_an_empty_variable(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("s", b"\x00\x01")

    assert resolve(services, "arn:aws:secretsmanager:us-east-1:1:secret:s") == ""
    assert aws.client("secretsmanager").get_secret_value(SecretId="s")["SecretBinary"] == b"\x00\x01"


def test_a_secret_created_by_arn_is_in_that_region_only(services: BotoServices, aws: Aws) -> None:
    aws.create_secret(DEPLOYED, "value")

    assert aws.client("secretsmanager").list_secrets()["SecretList"] == []
    assert aws.client("secretsmanager", region_name="eu-west-1").get_secret_value(SecretId="prod/db")
    assert resolve(services, DEPLOYED) == "value"


def test_a_secret_that_one_task_was_given_is_there_for_the_next_tasks_region(aws: Aws) -> None:
    aws.create_secret("prod/db", "value")

    assert resolve(BotoServices(aws), DEPLOYED) == "value"


def test_reset_forgets_what_markers_created(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("prod/db", "value")

    aws.reset()

    assert "ResourceNotFoundException" in str(refusal(services, DEPLOYED, fargate=True))


def test_a_secret_that_the_test_made_in_the_definitions_region_is_not_overwritten(
    services: BotoServices, aws: Aws
) -> None:
    aws.client("secretsmanager", region_name="eu-west-1").create_secret(
        Name="prod/db", SecretString="the test's"
    )
    aws.create_secret("prod/db", "the marker's")

    assert resolve(services, DEPLOYED) == "the test's"


@pytest.mark.parametrize(
    ("created", "value_from"),
    [
        ("/app/db/password", "/app/db/password"),
        ("/app/db/password", "arn:aws:ssm:us-east-1:999999999999:parameter/app/db/password"),
        ("password", "password"),
        ("password", "arn:aws:ssm:us-east-1:999999999999:parameter/password"),
        ("/password", "arn:aws:ssm:us-east-1:999999999999:parameter/password"),
        ("arn:aws:ssm:us-east-1:1:parameter/app/db", "/app/db"),
        ("arn:aws:ssm:us-east-1:1:parameter/db", "db"),
        ("db", "arn:aws:ssm:eu-west-1:1:parameter/db"),
    ],
)
@pytest.mark.parametrize("secure", [True, False])
def test_a_parameter_is_found_by_name_and_by_arn(
    services: BotoServices, aws: Aws, created: str, value_from: str, secure: bool
) -> None:
    aws.create_parameter(created, "first")
    aws.create_parameter(created, "value", secure=secure)

    assert resolve(services, value_from) == "value"


def test_a_bare_parameter_name_belongs_to_the_tasks_region(services: BotoServices, aws: Aws) -> None:
    aws.client("ssm", region_name="eu-west-1").put_parameter(Name="n", Value="there", Type="String")

    assert resolve(services, "n", region="eu-west-1") == "there"
    assert "invalid parameters: n" in str(refusal(services, "n", fargate=False))


def test_a_string_list_is_its_raw_text(services: BotoServices, aws: Aws) -> None:
    aws.client("ssm").put_parameter(Name="n", Value="a,b,c", Type="StringList")

    assert resolve(services, "n") == "a,b,c"


def test_more_secrets_than_one_call_takes(services: BotoServices, aws: Aws) -> None:
    for number in range(23):
        aws.create_parameter(f"/p/{number}", f"parameter {number}")
        aws.create_secret(f"s{number}", f"secret {number}")
    secret = "arn:aws:secretsmanager:us-east-1:1:secret:s"
    requests = [SecretRequest("c", f"P{number}", f"/p/{number}") for number in range(23)]
    requests += [SecretRequest("c", f"S{number}", f"{secret}{number}") for number in range(23)]

    values = services.resolve_secrets(requests, region="us-east-1", fargate=False)

    assert len(values) == 46
    assert {key[1]: value.reveal() for key, value in values.items()} == {
        **{f"P{number}": f"parameter {number}" for number in range(23)},
        **{f"S{number}": f"secret {number}" for number in range(23)},
    }


def test_one_secret_fills_variables_of_several_containers(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("prod/db", {"user": "u"})
    requests = [SecretRequest("a", "X", DEPLOYED), SecretRequest("b", "X", f"{DEPLOYED}:user::")]

    values = services.resolve_secrets(requests, region="us-east-1", fargate=True)

    assert {key: value.reveal() for key, value in values.items()} == {
        ("a", "X"): '{"user": "u"}',
        ("b", "X"): "u",
    }


def test_no_requests_need_no_aws(aws: Aws) -> None:
    assert BotoServices(aws).resolve_secrets([], region="us-east-1", fargate=False) == {}
    assert "not started" in repr(aws)


def test_a_missing_secret_on_ec2(services: BotoServices) -> None:
    assert str(refusal(services, DEPLOYED, fargate=False)) == (
        f"ResourceNotFoundException: The task can't retrieve the secret with ARN '{DEPLOYED}' "
        "from AWS Secrets Manager. Check whether the secret exists in the specified Region: "
        "ResourceNotFoundException: Secrets Manager can't find the specified secret."
    )


def test_a_missing_secret_on_fargate(services: BotoServices) -> None:
    assert str(refusal(services, f"{DEPLOYED}:k::", fargate=True)) == (
        f"{PULL}unable to retrieve secret from asm: service call has been retried 1 time(s): "
        f"failed to fetch secret {DEPLOYED} from secrets manager: "
        "ResourceNotFoundException: Secrets Manager can't find the specified secret."
    )


def test_a_missing_secret_is_hinted_at_with_the_marker_to_add(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("prod/db-replica", "x")

    hint = refusal(services, f"{DEPLOYED}:password::", fargate=True).hint

    assert hint.splitlines() == [
        f'container "web", secret "V0" <- {DEPLOYED}:password::',
        "In this test's AWS there is no such secret in eu-west-1. "
        'Add  @pytest.mark.ecs_secret("prod/db", {"password": "…"})',
        "present here: prod/db-replica",
    ]


def test_a_missing_parameter(services: BotoServices, aws: Aws) -> None:
    aws.create_parameter("/app/password", "x")

    ec2 = refusal(services, "/app/pasword", "/app/password", "other", fargate=False)
    fargate = refusal(services, "/app/pasword", fargate=True)

    assert str(ec2) == (
        "Fetching secret data from SSM Parameter Store in us-east-1: invalid parameters: /app/pasword,other"
    )
    assert str(fargate) == (
        f"{PULL}unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
        "invalid ssm parameters: /app/pasword"
    )
    assert '@pytest.mark.ecs_parameter("/app/pasword", "…")\npresent here: /app/password' in fargate.hint


def test_a_missing_json_key(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("prod/db", {"user": "u"})

    ec2 = refusal(services, f"{DEPLOYED}:pass::", fargate=False)
    fargate = refusal(services, f"{DEPLOYED}:pass::", fargate=True)

    assert str(ec2) == "Retrieved secret from Secrets Manager did not contain json key pass"
    assert str(fargate) == (
        f"{PULL}unable to retrieve secret from asm: service call has been retried 1 time(s): "
        "retrieved secret from Secrets Manager did not contain json key pass"
    )
    assert ec2.hint.endswith("The secret has the keys: user")


def test_a_missing_version_is_an_error(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("prod/db", "x")

    message = str(refusal(services, f"{DEPLOYED}::NEXT:", fargate=True))

    assert f"failed to fetch secret {DEPLOYED} from secrets manager: ResourceNotFoundException: " in message


def test_a_deleted_secret_has_awss_own_error(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("db", "x")
    aws.client("secretsmanager").delete_secret(SecretId="db")

    message = str(refusal(services, "arn:aws:secretsmanager:us-east-1:1:secret:db", fargate=True))

    assert "InvalidRequestException: " in message
    assert "deleted" in message


@pytest.mark.parametrize("selectors", [":key", ":key:", ":key::::"])
def test_an_arn_with_some_of_the_colons_is_refused(services: BotoServices, selectors: str) -> None:
    told = (
        f"rying to retrieve secret with value {DEPLOYED}{selectors} resulted in error: "
        "an invalid ARN format for the AWS Secrets Manager secret was specified. "
        "Specify a valid ARN and try again."
    )

    assert str(refusal(services, DEPLOYED + selectors, fargate=False)) == f"T{told}"
    assert str(refusal(services, DEPLOYED + selectors, fargate=True)) == (
        f"{PULL}unable to retrieve secret from asm: t{told}"
    )


@pytest.mark.parametrize(
    "value_from", ["name:3", "/a/b:label", "arn:aws:ssm:us-east-1:1:parameter/n:3", "arn:aws:s3:::x"]
)
def test_a_parameter_name_with_a_version_or_label_is_refused(services: BotoServices, value_from: str) -> None:
    message = str(refusal(services, value_from, fargate=True))

    assert message.startswith("The Systems Manager parameter name specified for secret V0 is invalid.")


def test_an_ec2_agent_reports_every_missing_secret_and_fargate_the_first(services: BotoServices) -> None:
    one, other = (f"arn:aws:secretsmanager:us-east-1:1:secret:{name}" for name in ("one", "other"))

    assert str(refusal(services, one, other, fargate=False)).count(";ResourceNotFoundException") == 1
    assert other not in str(refusal(services, one, other, fargate=True))


@pytest.mark.parametrize(
    "value_from", ["arn:aws:secretsmanager:eu-wset-1:1:secret:s", "arn:aws:ssm:eu-wset-1:1:parameter/s"]
)
@pytest.mark.parametrize("fargate", [True, False])
def test_an_arn_of_an_unknown_region_says_so(
    services: BotoServices, aws: Aws, value_from: str, fargate: bool
) -> None:
    aws.create_secret("s", "x")

    message = str(refusal(services, value_from, fargate=fargate))

    assert "no such host (AWS has no region 'eu-wset-1'. Did you mean 'eu-west-1'?)" in message


def test_an_aws_that_is_gone_is_a_secrets_error(aws: Aws) -> None:
    services = BotoServices(aws)
    aws.close()

    assert "RequestError: send request failed: this AWS is gone" in str(
        refusal(services, DEPLOYED, fargate=True)
    )


def test_a_name_that_aws_refuses_is_an_error_without_the_value(services: BotoServices, aws: Aws) -> None:
    with pytest.raises(EcsTaskError, match=r"PutParameter of '/aws/mine' in us-east-1 was refused") as caught:
        aws.create_parameter("/aws/mine", CANARY)

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("value", [5, None, ["a"]])
def test_a_value_of_another_type_is_refused(services: BotoServices, aws: Aws, value: object) -> None:
    with pytest.raises(EcsTaskError, match="has to be a str, a dict"):
        aws.create_secret("s", value)


@pytest.mark.parametrize(
    "text", [CANARY, '{"k": "' + CANARY, '["' + CANARY + '"]', '{"k": "' + CANARY + '"}']
)
@pytest.mark.parametrize("fargate", [True, False])
def test_no_error_and_no_frame_of_it_shows_a_secrets_value(
    services: BotoServices, aws: Aws, text: str, fargate: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    aws.create_secret("prod/db", text)
    aws.create_parameter("/p", CANARY)
    requests = [SecretRequest("c", "A", f"{DEPLOYED}:other::"), SecretRequest("c", "B", "/p")]

    with pytest.raises(SecretsError) as caught:
        services.resolve_secrets(requests, region="us-east-1", fargate=fargate)

    error = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in error.stack if frame.filename != __file__]
    assert frames
    assert CANARY not in str([frame.locals for frame in frames])
    assert CANARY not in str(caught.value)
    assert CANARY not in caught.value.hint
    assert CANARY not in caplog.text
    assert caught.value.__context__ is None


def test_values_do_not_show_in_reprs(services: BotoServices, aws: Aws) -> None:
    aws.create_secret("prod/db", {"k": CANARY})
    aws.create_parameter("/p", CANARY)
    requests = [SecretRequest("c", "A", f"{DEPLOYED}:k::"), SecretRequest("c", "B", "/p")]

    values = services.resolve_secrets(requests, region="us-east-1", fargate=True)

    assert CANARY not in repr(values)
    assert CANARY not in repr(aws.provisions._anywhere)
    assert {value.reveal() for value in values.values()} == {CANARY}

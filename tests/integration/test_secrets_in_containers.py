"""Secrets reach containers as the ECS agent hands them over, and are nowhere else."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.task import EcsTask
from tasks import Run, shell

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
CANARY = "c4n4ry-5ecret-value"
FARGATE = {
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
}
PRINT_VALUE = 'printf "<%s>" "$VALUE"'


def secret(value_from: str, name: str = "VALUE") -> dict[str, Any]:
    """Return the ``secrets`` of a container that has one."""
    return {"secrets": [{"name": name, "valueFrom": value_from}]}


def value_in_container(run: Run, value_from: str, **task: Any) -> str:
    """Run a container that prints the secret, and return what it printed."""
    ended = run(shell("app", PRINT_VALUE, **secret(value_from)), **task).wait_stopped()
    assert ended.exit_code("app") == 0, ended.transcript()
    return ended.logs("app").removeprefix("<").removesuffix(">")


@pytest.fixture
def arn(aws: Aws) -> str:
    """The true ARN, random suffix and all, of a secret whose versions are told apart by their values."""
    client = aws.client("secretsmanager")
    made = client.create_secret(Name="prod/db", SecretString=json.dumps({"password": "first", "port": 1}))
    client.put_secret_value(SecretId="prod/db", SecretString=json.dumps({"password": "second", "port": 5432}))
    return str(made["ARN"])


def version_id(aws: Aws, stage: str) -> str:
    return str(
        aws.client("secretsmanager").get_secret_value(SecretId="prod/db", VersionStage=stage)["VersionId"]
    )


def test_a_whole_secret_is_its_text(run: Run, arn: str) -> None:
    assert value_in_container(run, arn) == '{"password": "second", "port": 5432}'


def test_a_text_keeps_its_newlines_quotes_and_characters(run: Run, aws: Aws) -> None:
    text = "-----BEGIN KEY-----\n$HOME 'single' \"double\" \\n é 😀\n-----END KEY-----\n"
    aws.create_secret("key", text)

    assert value_in_container(run, f"{ARN}:key-AbCdEf") == text


def test_a_key_of_a_json_secret(run: Run, arn: str) -> None:
    assert value_in_container(run, f"{arn}:password::") == "second"


def test_a_version_by_its_stage(run: Run, arn: str) -> None:
    assert value_in_container(run, f"{arn}:password:AWSPREVIOUS:") == "first"


def test_a_version_by_its_id(run: Run, arn: str, aws: Aws) -> None:
    assert value_in_container(run, f"{arn}:password::{version_id(aws, 'AWSPREVIOUS')}") == "first"


def test_a_whole_version_without_a_key(run: Run, arn: str, aws: Aws) -> None:
    assert value_in_container(run, f"{arn}::AWSPREVIOUS:") == '{"password": "first", "port": 1}'


@pytest.mark.parametrize(
    ("case", "value_from"),
    [
        ("an ARN without the random suffix", f"{ARN}:prod/db"),
        ("an ARN with another random suffix", f"{ARN}:prod/db-Zz9Yy8"),
        ("another suffix and a key", f"{ARN}:prod/db-Zz9Yy8:password::"),
        ("another account", "arn:aws:secretsmanager:us-east-1:999988887777:secret:prod/db-Zz9Yy8:password::"),
    ],
)
def test_a_deployed_arn_finds_the_tests_own_secret(run: Run, arn: str, case: str, value_from: str) -> None:
    assert "second" in value_in_container(run, value_from), case


def test_a_deployed_arn_of_another_account_and_region_finds_what_a_marker_named(run: Run, aws: Aws) -> None:
    aws.create_secret("prod/db", {"password": "here"})

    deployed = "arn:aws:secretsmanager:ap-southeast-2:999988887777:secret:prod/db-AbCdEf:password::"
    assert value_in_container(run, deployed) == "here"


def test_a_secret_of_another_region_is_not_taken_for_one_that_the_test_made_here(run: Run, aws: Aws) -> None:
    aws.client("secretsmanager").create_secret(Name="prod/db", SecretString="here")

    task = run(
        shell("app", "true", **secret(f"{ARN.replace('us-east-1', 'eu-west-1')}:prod/db"))
    ).wait_stopped()

    assert "ResourceNotFoundException" in str(task.stopped_reason)


@pytest.mark.parametrize(
    ("made", "value_from", "secure"),
    [
        ("/prod/url", "/prod/url", False),
        ("/prod/url", "/prod/url", True),
        ("plain", "plain", True),
        ("/prod/url", "arn:aws:ssm:us-east-1:123456789012:parameter/prod/url", True),
        ("plain", "arn:aws:ssm:us-east-1:123456789012:parameter/plain", False),
        ("/prod/url", "arn:aws:ssm:us-east-1:999988887777:parameter/prod/url", True),
        ("/prod/url", "arn:aws:ssm:eu-central-1:999988887777:parameter/prod/url", True),
    ],
)
def test_a_parameter_by_name_and_by_arn(run: Run, aws: Aws, made: str, value_from: str, secure: bool) -> None:
    aws.create_parameter(made, "postgres://db", secure=secure)

    assert value_in_container(run, value_from) == "postgres://db"


def test_numbers_and_other_json_values_are_printed_as_go_prints_them(run: Run, aws: Aws) -> None:
    values = {
        "small": 42, "port": 1234567, "part": 1.5, "yes": True, "none": None, "list": [1, "two"], "map": {"a": 1},
    }  # fmt: skip
    aws.create_secret("numbers", values)
    references = [{"name": key.upper(), "valueFrom": f"{ARN}:numbers-AbCdEf:{key}::"} for key in values]
    task = run(shell("app", "env", secrets=references)).wait_stopped()

    printed = dict(line.split("=", 1) for line in task.logs("app").splitlines())
    assert {key: printed[key.upper()] for key in values} == {
        "small": "42", "port": "1.234567e+06", "part": "1.5", "yes": "true", "none": "<nil>", "list": "[1 two]",
        "map": "map[a:1]",
    }  # fmt: skip


def test_every_container_gets_its_own_secrets_only(run: Run, aws: Aws) -> None:
    aws.create_secret("one", "of one")
    aws.create_secret("two", "of two")
    task = run(
        shell(
            "one",
            "env",
            secrets=[{"name": "ONE", "valueFrom": f"{ARN}:one-AbCdEf"}],
            dependsOn=[{"containerName": "two", "condition": "SUCCESS"}],
        ),
        shell(
            "two",
            "env",
            secrets=[{"name": "TWO", "valueFrom": f"{ARN}:two-AbCdEf"}],
            essential=False,
        ),
    ).wait_stopped()

    assert "ONE=of one\n" in task.logs("one")
    assert "of two" not in task.logs("one")
    assert "TWO=of two\n" in task.logs("two")
    assert "of one" not in task.logs("two")


def assert_failed_before_any_container(task: EcsTask) -> str:
    assert task.stop_code == "TaskFailedToStart"
    assert task.exit_code("app") is None
    assert task["app"].runtime_id is None
    assert task.describe().get("startedAt") is None
    return str(task.stopped_reason)


def test_a_missing_secret_on_ec2(run: Run) -> None:
    task = run(shell("app", "true", **secret(f"{ARN}:nope-AbCdEf"))).wait_stopped()

    assert assert_failed_before_any_container(task) == (
        f"ResourceNotFoundException: The task can't retrieve the secret with ARN '{ARN}:nope-AbCdEf' "
        "from AWS Secrets Manager. Check whether the secret exists in the specified Region: "
        "ResourceNotFoundException: Secrets Manager can't find the specified secret."
    )


def test_a_missing_secret_on_fargate(run: Run) -> None:
    task = run(shell("app", "true", **secret(f"{ARN}:nope-AbCdEf")), **FARGATE).wait_stopped()

    assert assert_failed_before_any_container(task) == (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        "unable to retrieve secret from asm: service call has been retried 1 time(s): "
        f"failed to fetch secret {ARN}:nope-AbCdEf from secrets manager: "
        "ResourceNotFoundException: Secrets Manager can't find the specified secret."
    )


def test_a_missing_key_on_ec2(run: Run, arn: str) -> None:
    task = run(shell("app", "true", **secret(f"{arn}:user::"))).wait_stopped()

    assert assert_failed_before_any_container(task) == (
        "Retrieved secret from Secrets Manager did not contain json key user"
    )


def test_a_missing_key_on_fargate(run: Run, arn: str) -> None:
    task = run(shell("app", "true", **secret(f"{arn}:user::")), **FARGATE).wait_stopped()

    reason = assert_failed_before_any_container(task)
    assert reason.startswith("ResourceInitializationError: ")
    assert reason.endswith("retrieved secret from Secrets Manager did not contain json key user")


def test_missing_parameters_on_ec2_and_fargate(run: Run) -> None:
    ec2 = run(shell("app", "true", **secret("/nope"))).wait_stopped()
    fargate = run(shell("app", "true", **secret("/nope")), **FARGATE).wait_stopped()

    assert assert_failed_before_any_container(ec2) == (
        "Fetching secret data from SSM Parameter Store in us-east-1: invalid parameters: /nope"
    )
    reason = assert_failed_before_any_container(fargate)
    assert reason.startswith("ResourceInitializationError: ")
    assert reason.endswith("unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
                           "invalid ssm parameters: /nope")  # fmt: skip


def texts_about(task: EcsTask) -> Iterator[str]:
    """Everything about a task that a report, a log or a curious test would show."""
    yield task.transcript()
    yield repr(task)
    yield repr(task.definition)
    yield repr(task.describe())
    yield repr(task.events)
    for container in task.containers.values():
        yield repr(container)
        yield repr(container.reason)


def reprs_of_ours() -> Iterator[str]:
    """The repr of every object of the package that exists now."""
    for each in gc.get_objects():
        if str(type(each).__module__).startswith("pytest_ecs_tasks"):
            yield repr(each)


def test_a_secret_shows_in_nothing_but_the_containers_environment(
    run: Run, aws: Aws, engine_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    aws.create_secret("canary", {"key": CANARY})
    health = {"command": ["CMD-SHELL", f'test "$VALUE" = {CANARY[:5]}"{CANARY[5:]}"'], "interval": 5}
    task = run(
        shell("app", "exec sleep 600", healthCheck=health, **secret(f"{ARN}:canary-AbCdEf:key::")),
        networkMode="awsvpc",
    ).wait_healthy()

    client = docker.APIClient(base_url=engine_url, version="1.41", timeout=60)
    facts = client.inspect_container(str(task["app"].runtime_id))
    client.close()
    environment = facts["Config"].pop("Env")
    assert f"VALUE={CANARY}" in environment
    assert CANARY not in json.dumps(facts)
    assert [text for text in texts_about(task) if CANARY in text] == []
    assert [text[:200] for text in reprs_of_ours() if CANARY in text] == []
    assert CANARY not in caplog.text


def test_the_secrets_of_a_task_that_cannot_start_do_not_show(
    run: Run, aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    aws.create_secret("canary", {"key": CANARY})
    typo = {"name": "app", "command": ["no-such-program"], **secret(f"{ARN}:canary-AbCdEf:key::")}

    task = run(typo).wait_stopped()

    assert task.stop_code == "TaskFailedToStart"
    assert [text for text in texts_about(task) if CANARY in text] == []
    assert [text[:200] for text in reprs_of_ours() if CANARY in text] == []
    assert CANARY not in caplog.text


def test_no_report_of_a_failure_shows_a_secret(pytester: pytest.Pytester, engine_url: str) -> None:
    """Printed output is the application's own; the value here is only handed over, never printed by it."""
    pytester.makepyfile(
        conftest=f"""
import pytest

@pytest.fixture
def password():
    return "".join({list(CANARY)!r})  # so that no line of the sources, which a report quotes, has it whole
""",
        test_it=f"""
import pytest

def task(name, *command):
    return {{
        "family": "web", "networkMode": "awsvpc", "memory": "64", "executionRoleArn": "role",
        "containerDefinitions": [{{
            "name": "app", "image": "pytest-ecs-tasks/busybox:1", "command": list(command),
            "secrets": [{{"name": "VALUE", "valueFrom": "{ARN}:canary-AbCdEf:key::"}}],
            "healthCheck": {{"command": ["CMD", "false"], "interval": 5, "retries": 1}},
        }}],
    }}

@pytest.fixture
def given(ecs_aws, password):
    ecs_aws.create_secret("canary", {{"key": password}})

def test_exits(given, ecs_task_factory):
    ecs_task_factory.run(task("exits", "sh", "-c", "echo out; exit 3"))

def test_cannot_start(given, ecs_task_factory):
    ecs_task_factory.run(task("typo", "no-such-program"))

def test_times_out(given, ecs_task_factory):
    ecs_task_factory.run(task("slow", "sleep", "600"), start_timeout=1)

def test_fails(given, ecs_task_factory):
    running = ecs_task_factory.run(task("fine", "sleep", "600"), wait="running")
    assert running.exec("app", "exit 4").exit_code == 0

def test_wrong_key(given, ecs_task_factory):
    wrong = task("key", "sleep", "600")
    wrong["containerDefinitions"][0]["secrets"][0]["valueFrom"] = "{ARN}:canary-AbCdEf:other::"
    ecs_task_factory.run(wrong)
""",
    )

    result = pytester.runpytest_subprocess(
        "-p", "no:cacheprovider", "-vv", "-ra", "--showlocals", "--log-level=DEBUG", "--ecs-logs=all",
        f"--ecs-engine={engine_url}", "--junitxml=junit.xml",
    )  # fmt: skip

    result.assert_outcomes(failed=5)
    result.stdout.fnmatch_lines(["*json key other*"])
    # The user's own fixture value is the user's to show, with --showlocals; it is not an argument of these tests.
    assert CANARY not in result.stdout.str()
    assert CANARY not in result.stderr.str()
    assert CANARY not in (pytester.path / "junit.xml").read_text()


def test_a_value_that_no_process_can_have_is_refused_and_does_not_show(run: Run, aws: Aws) -> None:
    aws.create_secret("token", f"{CANARY}\0{CANARY}")
    task = run(shell("app", "true", **secret(f"{ARN}:token"))).wait_stopped()

    assert task["app"].reason == (
        'CannotStartContainerError: environment variable can\'t contain null(\\x00): "VALUE=***"'
    )
    assert CANARY not in f"{task.transcript()} {task.describe()} {task.events}"


def test_a_file_with_nul_is_refused_and_does_not_show(run: Run, aws: Aws) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="config")
    s3.put_object(Bucket="config", Key="app.env", Body=f"VALUE=\0{CANARY}\n".encode())
    files = [{"type": "s3", "value": "arn:aws:s3:::config/app.env"}]
    task = run(shell("app", "true", environmentFiles=files)).wait_stopped()

    assert str(task["app"].reason).startswith("CannotStartContainerError: environment variable")
    assert CANARY not in f"{task.transcript()} {task.describe()} {task.events}"

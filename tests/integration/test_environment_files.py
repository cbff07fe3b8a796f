"""Environment files reach containers as the ECS agent hands them over, below everything else that sets a variable."""

from __future__ import annotations

import json
import logging
from typing import Any

import docker
import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.core.request import ContainerOverride
from tasks import Run, shell

BUCKET = "arn:aws:s3:::config"
CANARY = "c4n4ry-5ecret-value"
FARGATE = {
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
}


def files(*keys: str) -> dict[str, Any]:
    return {"environmentFiles": [{"type": "s3", "value": f"{BUCKET}/{key}"} for key in keys]}


@pytest.fixture(autouse=True)
def bucket(aws: Aws) -> Any:
    client = aws.client("s3")
    client.create_bucket(Bucket="config")
    return client


@pytest.mark.parametrize("launch_type", [{}, FARGATE], ids=["EC2", "Fargate"])
def test_files_fill_variables_by_the_agents_rules(run: Run, bucket: Any, launch_type: dict[str, Any]) -> None:
    content = (
        b'# comment\r\n\r\nPLAIN=a b\r\nQUOTED="x"\nEQUALS=a=b=\nEMPTY=\nexport NO=1\nnothing\nUTF=\xc3\xa9\n'
    )
    bucket.put_object(Bucket="config", Key="a/app.env", Body=content)

    task = run(
        shell(
            "c",
            'echo "<$PLAIN> <$QUOTED> <$EQUALS> <${EMPTY-unset}> <${NO-unset}> <$UTF>"',
            **files("a/app.env"),
        ),
        **launch_type,
    ).wait_stopped()

    assert task.logs() == '<a b> <"x"> <a=b=> <> <unset> <é>\n'


def test_an_earlier_file_wins_over_a_later_one_and_everything_over_files(
    run: Run, aws: Aws, bucket: Any
) -> None:
    names = ("FIRST", "SECOND", "LISTED", "OVERRIDDEN", "TOKEN", "AWS_EXECUTION_ENV", "PATH")
    for number in (1, 2):
        variables = [f"{name}=file {number}" for name in names[number - 1 :]]
        bucket.put_object(Bucket="config", Key=f"{number}.env", Body="\n".join(variables).encode())
    aws.create_secret("token", "secret")

    task = run(
        shell(
            "c",
            "",
            environment=[{"name": "LISTED", "value": "definition"}],
            secrets=[
                {"name": "TOKEN", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token"}
            ],
            entryPoint=["/bin/sh", "-c"],
            **files("1.env", "2.env"),
        )
        | {"command": ['echo "$FIRST, $SECOND, $LISTED, $OVERRIDDEN, $TOKEN, $AWS_EXECUTION_ENV, $PATH"']},
        overrides=(ContainerOverride("c", environment={"OVERRIDDEN": "override"}),),
    ).wait_stopped()

    assert task.logs() == "file 1, file 1, definition, override, secret, AWS_ECS_EC2, file 1\n"


@pytest.mark.parametrize(
    ("launch_type", "region"), [({}, ""), (FARGATE, "us-east-1")], ids=["EC2", "Fargate"]
)
def test_a_region_from_a_file_counts_as_on_each(
    run: Run, bucket: Any, launch_type: dict[str, Any], region: str
) -> None:
    """The EC2 agent then sets neither variable; Fargate sets both whatever the files say."""
    bucket.put_object(Bucket="config", Key="app.env", Body=b"AWS_REGION=eu-central-1\n")

    task = run(
        shell("c", 'echo "$AWS_REGION $AWS_DEFAULT_REGION"', **files("app.env")), **launch_type
    ).wait_stopped()

    assert task.logs() == (f"{region} {region}\n" if region else "eu-central-1 \n")


def test_each_container_gets_its_own_files(run: Run, bucket: Any) -> None:
    for name in ("one", "two"):
        bucket.put_object(Bucket="config", Key=f"{name}.env", Body=f"{name}={name}\n".encode())
    ended = [{"containerName": name, "condition": "SUCCESS"} for name in "bc"]

    task = run(
        shell("a", 'echo "$one$two"', dependsOn=ended, **files("one.env")),
        shell("b", 'echo "$one$two"', essential=False, **files("two.env")),
        shell("c", 'echo "$one$two."', essential=False),
    ).wait_stopped()

    assert [task.logs(name) for name in "abc"] == ["one\n", "two\n", ".\n"]


@pytest.mark.parametrize(
    ("launch_type", "reason"),
    [
        (
            {},
            "Unable to download env file with key absent.env from bucket config, error: "
            "NoSuchKey: The specified key does not exist.",
        ),
        (
            FARGATE,
            "ResourceInitializationError: failed to download env files: file download command: non empty error stream: "
            "unable to download env file with key absent.env from bucket config, error: "
            "NoSuchKey: The specified key does not exist.",
        ),
    ],
    ids=["EC2", "Fargate"],
)
def test_a_file_that_is_not_there_stops_the_task(run: Run, launch_type: dict[str, Any], reason: str) -> None:
    task = run(shell("c", "true", **files("absent.env")), **launch_type).wait_stopped()

    assert (task.stop_code, task.stopped_reason) == ("TaskFailedToStart", reason)
    assert task.exit_code("c") is None
    assert "could not fetch environment files: " in task.transcript()


def test_a_line_that_is_too_long_stops_the_task(run: Run, bucket: Any) -> None:
    bucket.put_object(Bucket="config", Key="long.env", Body=b"A=" + b"x" * 70_000)

    task = run(shell("c", "true", **files("long.env"))).wait_stopped()

    assert (
        task.stopped_reason
        == f"Resource cannot be initialized for task {task.arn}: bufio.Scanner: token too long"
    )


def test_no_value_shows_but_in_the_container(
    run: Run, bucket: Any, engine_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    bucket.put_object(Bucket="config", Key="app.env", Body=f"VALUE={CANARY}\n".encode())
    caplog.clear()

    task = run(shell("c", 'test "$VALUE" && exec sleep 600', **files("app.env"))).wait_running()

    shown = [repr(task), repr(task.definition), task.transcript(), json.dumps(task.describe(), default=str)]
    shown += [json.dumps(task.events, default=str), repr(task._control.snapshot()), caplog.text]  # type: ignore[attr-defined]
    assert [text[:200] for text in shown if CANARY in text] == []
    client = docker.APIClient(base_url=engine_url, version="1.41", timeout=60)
    facts = client.inspect_container(task["c"].runtime_id)
    client.close()
    assert f"VALUE={CANARY}" in facts["Config"].pop("Env")
    assert CANARY not in json.dumps(facts)

"""What the agent adds to a container's environment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_ecs_tasks.core.agent_environment import agent_environment, endpoint_id, task_role_arn
from pytest_ecs_tasks.core.containers import container_spec
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import TaskPlan, make_plan
from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest
from pytest_ecs_tasks.core.spec import Sensitive
from simulation import Simulation

ROLE = "arn:aws:iam::444455556666:role/team/app"


def plan(role: str | None = None, launch_type: LaunchType = LaunchType.EC2) -> TaskPlan:
    document = {"family": "f", "memory": "64", "containerDefinitions": [{"name": "app", "image": "i"}]}
    definition = replace(parse_task_definition(document, "test"), task_role_arn=role)
    made = make_plan(RunTaskRequest(definition), task_id="0" * 32)
    return replace(made, launch_type=launch_type)


def test_every_container_finds_its_metadata() -> None:
    identifier = endpoint_id(plan(), "app")

    assert agent_environment(plan(), "app", credentials_id="c") == {
        "ECS_CONTAINER_METADATA_URI": f"http://169.254.170.2/v3/{identifier}",
        "ECS_CONTAINER_METADATA_URI_V4": f"http://169.254.170.2/v4/{identifier}",
        "ECS_AGENT_URI": f"http://169.254.170.2/api/{identifier}",
    }


def test_a_task_with_a_role_finds_its_credentials() -> None:
    environment = agent_environment(plan(ROLE), "app", credentials_id="some-id")

    assert environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] == "/v2/credentials/some-id"
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" not in environment


def test_on_loopback_credentials_have_a_full_uri() -> None:
    environment = agent_environment(
        plan(ROLE), "app", credentials_id="c", loopback_url="http://127.0.0.1:9/x"
    )

    assert environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:9/x/v2/credentials/c"
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" not in environment
    assert environment["ECS_CONTAINER_METADATA_URI_V4"].startswith("http://127.0.0.1:9/x/v4/")


def test_ids_have_the_form_of_their_launch_type() -> None:
    on_ec2, on_fargate = endpoint_id(plan(), "app"), endpoint_id(plan(None, LaunchType.FARGATE), "app")

    assert [len(part) for part in on_ec2.split("-")] == [8, 4, 4, 4, 12]
    assert on_fargate.startswith("0" * 32 + "-")
    assert len(on_fargate.rpartition("-")[2]) == 10
    assert endpoint_id(plan(), "other") != on_ec2


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (ROLE, "arn:aws:iam::123456789012:role/team/app"),
        ("app", "arn:aws:iam::123456789012:role/app"),
        ("arn:aws-cn:iam::1:role/app", "arn:aws-cn:iam::123456789012:role/app"),
        (None, None),
    ],
)
def test_the_role_is_of_the_tests_account(written: str | None, meant: str | None) -> None:
    assert task_role_arn(plan(written)) == meant


def test_the_agents_variables_win_over_the_definition_and_secrets_over_them() -> None:
    variables = {
        "ECS_AGENT_URI": "mine",
        "AWS_ENDPOINT_URL": "mine",
        "FREE": "mine",
        "AWS_REGION": "eu-west-1",
    }
    document = {
        "family": "f",
        "memory": "64",
        "containerDefinitions": [
            {
                "name": "app",
                "image": "i",
                "environment": [{"name": name, "value": value} for name, value in variables.items()],
            }
        ],
    }
    task = Simulation(parse_task_definition(document, "test")).run(until=1)

    spec = container_spec(
        task,
        task.container("app"),
        labels={},
        secrets={"ECS_CONTAINER_METADATA_URI": Sensitive("secret")},
        aws_environment={"AWS_ENDPOINT_URL": "ours"},
        agent_environment={"ECS_AGENT_URI": "agent", "ECS_CONTAINER_METADATA_URI": "agent"},
    )

    assert spec.environment == {
        **variables,
        "ECS_AGENT_URI": "agent",
        "ECS_CONTAINER_METADATA_URI": "secret",
        "AWS_EXECUTION_ENV": "AWS_ECS_EC2",
    }

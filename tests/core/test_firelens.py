"""FireLens without an engine: the generated configuration, who waits for whom, and what is refused.

The golden files have the sections of the agent's own expected configurations, in their order and spelling.
Source: amazon-ecs-agent, agent/taskresource/firelens/firelensconfig_unix_test.go.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_ecs_tasks.core import firelens
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import TaskPlan, make_plan
from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest
from pytest_ecs_tasks.core.secrets import wanted_secrets
from pytest_ecs_tasks.core.taskdef import Condition, Dependency, TaskDefinition
from pytest_ecs_tasks.errors import TaskDefinitionError, UnsupportedFeature

GOLDEN = Path(__file__).parent / "golden"
TASK_ARN = "arn:aws:ecs:eu-west-1:123456789012:task/default/0123"
OUTPUT_KEY = {"fluentbit": "Name", "fluentd": "@type"}
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:splunk-AbCdEf"


def container(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "memory": 64, **fields}


def routed(name: str, options: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    logs = {"logDriver": "awsfirelens", "options": options or {}}
    return container(name, logConfiguration={**logs, **fields.pop("logs", {})}, **fields)


def router(kind: str = "fluentbit", options: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    return container("router", firelensConfiguration={"type": kind, "options": options or {}}, **fields)


def definition(*containers: dict[str, Any], network: str = "awsvpc", **fields: Any) -> TaskDefinition:
    document = {
        "family": "shop",
        "revision": 7,
        "networkMode": network,
        "containerDefinitions": list(containers),
        **fields,
    }
    return parse_task_definition(document)


def configuration(task: TaskDefinition) -> str:
    return firelens.render(firelens.router_config(task, cluster="default", task_arn=TASK_ARN))


def plan(task: TaskDefinition) -> TaskPlan:
    return make_plan(RunTaskRequest(task, region="eu-west-1"), task_id="0" * 32)


def problems(*containers: dict[str, Any], **fields: Any) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        definition(*containers, **fields)
    return [str(problem) for problem in caught.value.problems]


def shop(kind: str, options: dict[str, str]) -> TaskDefinition:
    """Return a task with everything that a configuration can have."""
    key = OUTPUT_KEY[kind]
    return definition(
        routed(
            "web",
            {
                key: "kinesis_firehose",
                "region": "eu-west-1",
                "delivery_stream": "logs",
                "include-pattern": "^[A-Z]",
                "exclude-pattern": "/health",
                "log-driver-buffer-limit": "2097152",
            },
        ),
        routed(
            "worker",
            {key: "splunk", "host": "splunk.example"},
            logs={"secretOptions": [{"name": "splunk_token", "valueFrom": SECRET}]},
        ),
        router(kind, options, memory=200, memoryReservation=100),
    )


@pytest.mark.parametrize(
    ("golden", "task"),
    [
        (
            "fluentbit-awsvpc",
            shop("fluentbit", {"config-file-type": "s3", "config-file-value": "arn:aws:s3:::b/extra.conf"}),
        ),
        (
            "fluentd-awsvpc",
            shop("fluentd", {"config-file-type": "file", "config-file-value": "/etc/extra.conf"}),
        ),
        (
            "fluentbit-bridge-plain",
            definition(
                routed("web", memory=64),
                {**router(options={"enable-ecs-log-metadata": "false"}), "memory": 0},
                network="bridge",
                memory="512",
            ),
        ),
        (
            "fluentd-bridge-plain",
            definition(
                routed("web"), router("fluentd", {"enable-ecs-log-metadata": "maybe"}), network="bridge"
            ),
        ),
    ],
)
def test_the_configuration_is_the_agents(golden: str, task: TaskDefinition) -> None:
    assert configuration(task) == (GOLDEN / f"{golden}.conf").read_text(encoding="utf-8")


def test_without_a_network_of_its_own_a_router_has_its_socket_alone() -> None:
    config = firelens.RouterConfig(
        firelens.FirelensType.FLUENTBIT, firelens.NetworkMode.HOST, outputs={"web": {"Name": "cloudwatch"}}
    )

    assert firelens.render(config) == (GOLDEN / "fluentbit-host.conf").read_text(encoding="utf-8")


def test_a_container_that_uses_the_router_waits_for_its_start() -> None:
    task = plan(definition(routed("web"), container("plain"), router()))

    assert [each.depends_on for each in task.containers] == [
        (Dependency("router", Condition.START),),
        (),
        (),
    ]


def test_a_container_that_waits_for_the_router_anyway_keeps_its_own_condition() -> None:
    health = {"healthCheck": {"command": ["CMD", "true"]}}
    waits = {"dependsOn": [{"containerName": "router", "condition": "HEALTHY"}]}

    task = plan(definition(routed("web", **waits), router(**health)))

    assert task.containers[0].depends_on == (Dependency("router", Condition.HEALTHY),)


def test_nobody_waits_for_a_router_that_waits_itself() -> None:
    waits = {"dependsOn": [{"containerName": "init", "condition": "START"}]}

    task = plan(definition(container("init"), routed("web"), router(**waits)))

    assert task.containers[1].depends_on == ()


def test_a_router_that_uses_itself_does_not_wait_for_itself() -> None:
    both = {**router(), "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "stdout"}}}

    assert plan(definition(both)).containers[0].depends_on == ()


def test_secret_log_options_are_variables_of_the_router_named_by_the_containers_place() -> None:
    assert list(wanted_secrets(plan(shop("fluentbit", {})))) == [("router", "splunk_token_1", SECRET)]


def test_an_address_is_told_where_the_network_has_one() -> None:
    modes = firelens.NetworkMode

    assert firelens.client_environment(modes.AWSVPC, None) == {
        "FLUENT_HOST": "127.0.0.1",
        "FLUENT_PORT": "24224",
    }
    assert firelens.client_environment(modes.BRIDGE, "10.0.0.5")["FLUENT_HOST"] == "10.0.0.5"
    assert firelens.client_environment(modes.HOST, None) == {}


def test_a_driver_without_a_router_is_refused() -> None:
    assert problems(routed("web")) == [
        "containerDefinitions[0].logConfiguration.logDriver: When awsfirelens log driver is specified in log "
        "configuration, a firelens configuration object must be configured in one of the containers."
    ]


def test_a_router_that_nobody_uses_is_refused() -> None:
    assert problems(container("web"), router()) == [
        "containerDefinitions[1].firelensConfiguration: When a firelensConfiguration object is specified, at least "
        "one container has to be configured with the awsfirelens log driver."
    ]


def test_a_second_router_is_refused() -> None:
    second = {**router(), "name": "second"}

    assert problems(routed("web"), router(), second) == [
        "containerDefinitions[2].firelensConfiguration: a task has one log router, and 'router' is it already"
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"config-file-type": "http", "config-file-value": "x"},
            ".config-file-type: invalid value http is specified for option config-file-type; it is s3 or file",
        ),
        (
            {"config-file-type": "file"},
            ": option config-file-type is specified but config-file-value is not specified",
        ),
        (
            {"config-file-type": "s3", "config-file-value": "s3://bucket/key"},
            ".config-file-value: 's3://bucket/key' is not the ARN of an S3 object, such as "
            "arn:aws:s3:::bucket/path/extra.conf",
        ),
    ],
)
def test_options_that_the_agent_refuses_are_problems(options: dict[str, str], expected: str) -> None:
    place = "containerDefinitions[1].firelensConfiguration.options"

    assert problems(routed("web"), router(options=options)) == [place + expected]


@pytest.mark.parametrize("kind", ["fluentbit", "fluentd"])
def test_options_that_name_no_output_are_refused_in_the_agents_words(kind: str) -> None:
    assert problems(routed("web", {"region": "eu-west-1"}), router(kind)) == [
        "containerDefinitions[0].logConfiguration.options: unable to apply log options of container web to firelens "
        f"config: missing output key {OUTPUT_KEY[kind]} which is required for firelens configuration of type {kind}"
    ]


def test_the_output_may_be_named_by_a_secret_option() -> None:
    secrets = [{"name": "$$$KEY$$$", "valueFrom": SECRET}]
    assert definition(routed("web", {"region": "r"}, logs={"secretOptions": secrets}), router()).router

    secrets = [{"name": "Name", "valueFrom": SECRET}]
    task = definition(routed("web", {"region": "r"}, logs={"secretOptions": secrets}), router())
    assert "    Name ${Name_0}\n    Match web-firelens*\n    region r\n" in configuration(task)


@pytest.mark.parametrize("options", [{}, {"include-pattern": "x"}, {"log-driver-buffer-limit": "1"}])
def test_the_output_may_be_left_to_a_configuration_file(options: dict[str, str]) -> None:
    assert "kinesis" not in configuration(definition(routed("web", options), router()))


def test_fargate_takes_no_configuration_from_s3() -> None:
    options = {"config-file-type": "s3", "config-file-value": "arn:aws:s3:::bucket/extra.conf"}
    task = definition(
        routed("web"),
        router(options=options),
        cpu="256",
        memory="512",
        executionRoleArn="arn:aws:iam::1:role/e",
    )

    with pytest.raises(TaskDefinitionError) as caught:
        make_plan(RunTaskRequest(task, launch_type=LaunchType.FARGATE), task_id="0" * 32)

    assert [str(each) for each in caught.value.problems] == [
        "containerDefinitions[1].firelensConfiguration.options.config-file-type: Fargate takes a router's "
        "configuration from a file of its image only, not from S3"
    ]


@pytest.mark.parametrize("network", ["host", "none"])
def test_a_network_mode_without_a_way_to_the_router_is_refused(network: str) -> None:
    with pytest.raises(UnsupportedFeature, match=f"awsvpc and bridge only here, not {network}"):
        definition(routed("web"), router(), network=network)

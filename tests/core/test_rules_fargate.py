"""Every rule that only Fargate has, and its text."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import LaunchType
from pytest_ecs_tasks.core.rules import validate
from pytest_ecs_tasks.errors import TaskDefinitionError

EXECUTION_ROLE = "arn:aws:iam::123456789012:role/execution"


def definition(*containers: object, **fields: Any) -> dict[str, Any]:
    return {"family": "web", "containerDefinitions": list(containers), **fields}


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "memory": 64, **fields}


def fargate(*containers: object, **fields: Any) -> dict[str, Any]:
    sizes = {"cpu": "256", "memory": "512", "networkMode": "awsvpc"}
    return definition(*containers, **{"requiresCompatibilities": ["FARGATE"], **sizes, **fields})


def problems(document: dict[str, Any]) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(document)
    return [str(problem) for problem in caught.value.problems]


APP = "containerDefinitions[0]"
WINDOWS = {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}


AWSLOGS = {"awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "p"}


@pytest.mark.parametrize(
    ("task", "fields", "expected"),
    [
        ({"networkMode": "bridge"}, {}, "networkMode: Fargate only supports network mode ‘awsvpc’."),
        ({"cpu": None}, {}, "cpu: Fargate requires that 'cpu' be defined at the task level."),
        ({"memory": None}, {}, "memory: Fargate requires that 'memory' be defined at the task level."),
        (
            {"cpu": "300"},
            {},
            "cpu: Invalid 'cpu' setting for task. Fargate allows 256, 512, 1024, 2048, 4096, "
            "8192, 16384; this is "
            "300",
        ),
        (
            {"memory": "4096"},
            {},
            "memory: No Fargate configuration exists for given values: 256 CPU, 4096 memory. With cpu 256 memory is "
            "512, 1024, 2048 MiB",
        ),
        (
            {"cpu": "1024", "memory": "512"},
            {},
            "memory: No Fargate configuration exists for given values: 1024 CPU, 512 memory. With cpu 1024 memory is "
            "2048 to 8192 in steps of 1024 MiB",
        ),
        (
            {"ephemeralStorage": {"sizeInGiB": 10}},
            {},
            "ephemeralStorage.sizeInGiB: EphemeralStorage size should be at least 21: it is 10",
        ),
        (
            {"ephemeralStorage": {"sizeInGiB": 201}},
            {},
            "ephemeralStorage.sizeInGiB: EphemeralStorage size should be at most 200: it is 201",
        ),
        (
            {"volumes": [{"name": "a", "host": {"sourcePath": "/a"}}]},
            {},
            "volumes[0].host.sourcePath: Fargate compatible task definitions do not support sourcePath: there is no host "
            "whose directory could be mounted",
        ),
        (
            {"volumes": [{"name": "a", "dockerVolumeConfiguration": {"scope": "task"}}]},
            {},
            "volumes[0].dockerVolumeConfiguration: Fargate compatible task definitions do not support "
            "dockerVolumeConfiguration; a volume without it lives as long as the task",
        ),
        (
            {},
            {"startTimeout": 1},
            f"{APP}.startTimeout: startTimeout is 2 to 120 seconds on Fargate, not 1",
        ),
        (
            {},
            {"stopTimeout": 121},
            f"{APP}.stopTimeout: stopTimeout is 2 to 120 seconds on Fargate, not 121",
        ),
        (
            {},
            {"logConfiguration": {"logDriver": "awslogs", "options": AWSLOGS}},
            "executionRoleArn: Fargate requires task definition to have execution role ARN to "
            "support log driver "
            "awslogs.",
        ),
        (
            {"executionRoleArn": EXECUTION_ROLE},
            {
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {**AWSLOGS, "awslogs-stream-prefix": ""},
                }
            },
            f"{APP}.logConfiguration.options: Fargate requires log configuration options to include "
            "awslogs-stream-prefix to support log driver awslogs.",
        ),
        (
            {},
            {"secrets": [{"name": "A", "valueFrom": "/a"}]},
            f"{APP}.secrets: When you are specifying container secrets, you must also specify a value for "
            "'executionRoleArn'.",
        ),
        (
            {},
            {
                "logConfiguration": {
                    "logDriver": "splunk",
                    "secretOptions": [{"name": "splunk-token", "valueFrom": "/a"}],
                }
            },
            f"{APP}.logConfiguration.secretOptions: Fargate fetches secrets with the task execution role, and there is "
            "no executionRoleArn",
        ),
        (
            {},
            {"logConfiguration": {"logDriver": "json-file"}},
            f"{APP}.logConfiguration.logDriver: json-file is not a valid log driver. Must be one of "
            "[awslogs,splunk,awsfirelens] on Fargate",
        ),
        (
            {},
            {"image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1"},
            f"{APP}.image: Fargate requires task definition to have execution role ARN to support ECR images.",
        ),
        (
            {},
            {"repositoryCredentials": {"credentialsParameter": "hub"}},
            f"{APP}.repositoryCredentials: Fargate fetches registry credentials with the task execution role, and there "
            "is no executionRoleArn",
        ),
        ({}, {"privileged": True}, f"{APP}.privileged: Fargate has no privileged containers"),
        (
            {},
            {"dockerSecurityOptions": ["no-new-privileges"]},
            f"{APP}.dockerSecurityOptions: Fargate compatible task definitions do not support dockerSecurityOptions",
        ),
        (
            {},
            {"linuxParameters": {"maxSwap": 0}},
            f"{APP}.linuxParameters.maxSwap: Fargate compatible task definitions do not support maxSwap",
        ),
        (
            {},
            {"linuxParameters": {"capabilities": {"add": ["SYS_PTRACE", "NET_ADMIN"]}}},
            f"{APP}.linuxParameters.capabilities.add[1]: NET_ADMIN is not allowed on Fargate. It adds no capability but "
            "SYS_PTRACE",
        ),
        (
            {"cpu": "512", "memory": "2048", "runtimePlatform": WINDOWS},
            {},
            "cpu: No Fargate configuration exists for given values: 512 CPU, 2048 memory. With Windows cpu is 1024 or more",
        ),
    ],
)
def test_a_rule_of_fargate(task: dict[str, Any], fields: dict[str, Any], expected: str) -> None:
    found = problems(fargate(container(**fields), **task))

    assert [each for each in found if "emulated" not in each] == [expected]


def test_gpus_on_fargate_are_refused_by_ecs_too() -> None:
    gpu = {"type": "GPU", "value": "1"}

    assert problems(fargate(container(resourceRequirements=[gpu])))[0] == (
        f"{APP}.resourceRequirements[0]: Tasks using the Fargate launch type do not support GPU resource requirements."
    )


def test_a_limit_that_fargate_leaves_as_it_is_is_taken_and_told() -> None:
    limit = {"name": "memlock", "softLimit": -1, "hardLimit": -1}
    parsed = parse_task_definition(fargate(container(ulimits=[limit])))

    [told] = [each for each in parsed.advice if each.code == "fargate-ulimit"]
    assert str(told) == (
        f"{APP}.ulimits[0].name: Fargate sets no limit but nofile; memlock stays what its operating system has"
    )


def test_ipc_mode_on_fargate_is_refused() -> None:
    assert problems(fargate(container(), ipcMode="task")) == [
        "ipcMode: Fargate compatible task definitions do not support ipcMode",
    ]


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        ("256", "512"),
        ("512", "4096"),
        ("1 vCPU", "8GB"),
        ("4096", "30720"),
        ("8192", "20480"),
        ("16384", "122880"),
    ],
)
def test_fargate_s_sizes_are_taken(cpu: str, memory: str) -> None:
    parsed = parse_task_definition(fargate(container(), cpu=cpu, memory=memory))

    assert parsed.cpu


def test_run_task_on_fargate_checks_a_definition_that_ec2_took() -> None:
    parsed = parse_task_definition(definition(container()))

    validate(parsed)
    validate(parsed, LaunchType.EC2)
    with pytest.raises(TaskDefinitionError) as caught:
        validate(parsed, LaunchType.FARGATE)
    assert [str(problem) for problem in caught.value.problems] == [
        "networkMode: Fargate only supports network mode ‘awsvpc’.",
        "cpu: Fargate requires that 'cpu' be defined at the task level.",
        "memory: Fargate requires that 'memory' be defined at the task level.",
    ]


def test_fargate_needs_no_memory_of_a_container() -> None:
    assert parse_task_definition(fargate(container(memory=None))).containers[0].memory_mib is None

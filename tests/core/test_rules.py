"""Every rule that a definition can break on any launch type, and its text."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.errors import TaskDefinitionError


def definition(*containers: object, **fields: Any) -> dict[str, Any]:
    return {"family": "web", "containerDefinitions": list(containers), **fields}


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "memory": 64, **fields}


def problems(document: dict[str, Any]) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(document)
    return [str(problem) for problem in caught.value.problems]


APP = "containerDefinitions[0]"


def after(name: str, condition: str = "START") -> dict[str, Any]:
    return {"dependsOn": [{"containerName": name, "condition": condition}]}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            definition(container(essential=False)),
            "containerDefinitions: no container is essential; at least one has to be, or the "
            "task would never end",
        ),
        (
            definition(container(), container()),
            "containerDefinitions[1].name: two containers are named 'app'",
        ),
        (
            definition(container("my app")),
            f"{APP}.name: 'my app' is not a name: letters, digits, hyphens and underscores are allowed",
        ),
        (
            definition(container("x" * 256)),
            f"{APP}.name: a name has up to 255 characters; this one has 256",
        ),
        (
            {**definition(container()), "family": "web/api"},
            "family: 'web/api' is not a name: letters, digits, hyphens and underscores are allowed",
        ),
        (
            definition(container(), volumes=[{"name": "a"}, {"name": "a"}]),
            "volumes[1].name: two volumes are named 'a'",
        ),
        (
            definition(
                container(), volumes=[{"name": "a", "dockerVolumeConfiguration": {"autoprovision": True}}]
            ),
            "volumes[0].dockerVolumeConfiguration.autoprovision: volume [a] : task scoped "
            "volume could not be "
            "autoprovisioned",
        ),
        (
            definition(
                container(),
                volumes=[
                    {
                        "name": "a",
                        "host": {"sourcePath": "/a"},
                        "dockerVolumeConfiguration": {"scope": "task"},
                    }
                ],
            ),
            "volumes[0]: volume 'a' has both host and dockerVolumeConfiguration",
        ),
        (
            definition(container(cpu=200), container("db", cpu=100), cpu="256"),
            "cpu: The sum of all container 'cpu' values cannot be greater than the value of the "
            "task 'cpu'. The "
            "containers have 300, the task has 256",
        ),
        (
            definition(container(memory=1024), memory="512"),
            f"{APP}.memory: container memory limit(1024) greater than task memory limit(512)",
        ),
    ],
)
def test_a_rule_of_the_whole_task(document: dict[str, Any], expected: str) -> None:
    assert problems(document) == [expected]


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        (
            [container(**after("nobody"))],
            f"{APP}.dependsOn[0].containerName: Cannot depend on container + 'nobody' because it "
            "does not exist; "
            "the containers are app",
        ),
        (
            [container(**after("app"))],
            f"{APP}.dependsOn[0].containerName: container 'app' depends on itself",
        ),
        (
            [container(**after("job", "SUCCESS")), container("job")],
            f"{APP}.dependsOn[0].condition: A dependency container with SUCCESS or COMPLETE "
            "condition cannot be "
            "an essential container: give 'job' \"essential\": false",
        ),
        (
            [container(**after("job", "COMPLETE")), container("job")],
            f"{APP}.dependsOn[0].condition: A dependency container with SUCCESS or COMPLETE "
            "condition cannot be "
            "an essential container: give 'job' \"essential\": false",
        ),
        (
            [container(**after("db", "HEALTHY")), container("db")],
            f"{APP}.dependsOn[0].condition: condition HEALTHY, but container 'db' has no "
            "healthCheck that can run",
        ),
        (
            [
                container("a", **after("b")),
                container("b", **after("c")),
                container("c", **after("b")),
            ],
            "containerDefinitions[1].dependsOn: these containers wait for each other, so that "
            "none can start: "
            "b → c → b",
        ),
        (
            [container("a", **after("b")), container("b", links=["a"])],
            "containerDefinitions[0].dependsOn: these containers wait for each other, so that "
            "none can start: "
            "a → b → a",
        ),
        (
            [container("a", links=["b"]), container("b", links=["a:alias"])],
            "containerDefinitions[0].links: Container links should not have a cycle: a → b → a",
        ),
        (
            [container(links=["nobody:db"])],
            f"{APP}.links[0]: could not find container for link nobody; the containers are app",
        ),
        (
            [container(links=["a:b:c"])],
            f"{APP}.links[0]: invalid link format: 'a:b:c' is to be a container, or container:alias",
        ),
    ],
)
def test_a_rule_of_the_start_order(containers: list[dict[str, Any]], expected: str) -> None:
    assert problems(definition(*containers)) == [expected]


def test_a_diamond_of_dependencies_is_no_cycle() -> None:
    parsed = parse_task_definition(
        definition(
            container("a", dependsOn=[*after("b")["dependsOn"], *after("c")["dependsOn"]]),
            container("b", **after("d")),
            container("c", **after("d"), links=["d"]),
            container("d"),
        )
    )

    assert len(parsed.containers) == 4


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"memory": None},
            "memory: Invalid setting for container 'app'. At least one of 'memory' or "
            "'memoryReservation' must be "
            "specified.",
        ),
        (
            {"memory": 64, "memoryReservation": 128},
            "memory: memory (64) is to be greater than memoryReservation (128)",
        ),
        ({"cpu": -1}, "cpu: -1 is less than 0"),
        ({"memoryReservation": -5}, "memoryReservation: -5 is less than 0"),
        (
            {"portMappings": [{"containerPort": 70000}]},
            "portMappings[0].containerPort: Invalid 'containerPort' setting for container "
            "'app'. A port is 1 to "
            "65535",
        ),
        (
            {"portMappings": [{"protocol": "tcp"}]},
            "portMappings[0].containerPort: Invalid 'containerPort' setting for container "
            "'app'. A port is 1 to "
            "65535",
        ),
        (
            {"portMappings": [{"containerPort": 80, "hostPort": 70000}]},
            "portMappings[0].hostPort: a host port is 0 to 65535, not 70000",
        ),
        (
            {"portMappings": [{"containerPort": 80, "name": "x" * 65}]},
            "portMappings[0].name: a port's name has up to 64 characters",
        ),
        (
            {"portMappings": [{"containerPortRange": "8010-8000"}]},
            "portMappings[0].containerPortRange: '8010-8000' is not a range of ports such as '8000-8010'",
        ),
        (
            {"portMappings": [{"containerPortRange": "8000-8010", "hostPort": 8000}]},
            "portMappings[0].containerPortRange: a mapping with containerPortRange has no hostPort",
        ),
        (
            {"portMappings": [{"containerPortRange": f"{n}-{n + 1}"} for n in range(1000, 1202, 2)]},
            "portMappings: 101 port ranges; a container has up to 100",
        ),
        ({"stopTimeout": -1}, "stopTimeout: -1 seconds is less than 0"),
        (
            {"healthCheck": {"command": ["CMD", "true"], "interval": 1}},
            "healthCheck.interval: interval is 5 to 300, not 1",
        ),
        (
            {"healthCheck": {"command": ["CMD", "true"], "timeout": 61}},
            "healthCheck.timeout: timeout is 2 to 60, not 61",
        ),
        (
            {"healthCheck": {"command": ["CMD", "true"], "retries": 11}},
            "healthCheck.retries: retries is 1 to 10, not 11",
        ),
        (
            {"healthCheck": {"command": ["CMD", "true"], "startPeriod": 301}},
            "healthCheck.startPeriod: startPeriod is 0 to 300, not 301",
        ),
        (
            {"healthCheck": {"command": ["CMD-SHELL"]}},
            "healthCheck.command: CMD-SHELL alone runs nothing; the command follows it",
        ),
        (
            {"logConfiguration": {"logDriver": "awslogs"}},
            "logConfiguration.options: Log driver awslogs requires options: awslogs-region, awslogs-group",
        ),
        (
            {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-region": "eu-west-1"}}},
            "logConfiguration.options: Log driver awslogs requires options: awslogs-group",
        ),
        (
            {
                "environment": [{"name": "TOKEN", "value": "a"}],
                "secrets": [{"name": "TOKEN", "valueFrom": "/token"}],
            },
            "secrets[0].name: The secret name must be unique and not shared with any new or "
            "existing environment "
            "variables set on the container, such as 'TOKEN'.",
        ),
        (
            {"secrets": [{"name": "A", "valueFrom": "/a"}, {"name": "A", "valueFrom": "/b"}]},
            "secrets[1].name: The secret name must be unique and not shared with any new or "
            "existing environment "
            "variables set on the container, such as 'A'.",
        ),
        (
            {"secrets": [{"name": "A", "valueFrom": "/a:3"}]},
            "secrets[0].valueFrom: The Systems Manager parameter name specified for secret A is "
            "invalid. A name "
            "has letters, digits and ._-/ and ECS takes no version and no label",
        ),
        (
            {"secrets": [{"name": "A", "valueFrom": "arn:aws:s3:::bucket"}]},
            "secrets[0].valueFrom: secret 'A': an ARN here is one of Secrets Manager or of an SSM parameter",
        ),
        (
            {"restartPolicy": {"enabled": True, "restartAttemptPeriod": 10}},
            "restartPolicy.restartAttemptPeriod: restartAttemptPeriod is 60 to 1800, not 10",
        ),
        (
            {"restartPolicy": {"enabled": True, "ignoredExitCodes": list(range(51))}},
            "restartPolicy.ignoredExitCodes: 51 exit codes; up to 50 can be ignored",
        ),
        (
            {"mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]},
            "mountPoints[0].sourceVolume: Invalid volume referenced: data; 'data' is not in volumes",
        ),
        (
            {"ulimits": [{"name": "nofile", "softLimit": 2, "hardLimit": 1}]},
            "ulimits[0].softLimit: softLimit (2) is greater than hardLimit (1)",
        ),
        (
            {"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 0}]}},
            "linuxParameters.tmpfs[0].size: size is a number of MiB from 1, not 0",
        ),
        (
            {"linuxParameters": {"sharedMemorySize": 0}},
            "linuxParameters.sharedMemorySize: sharedMemorySize is a number of MiB from 1, not 0",
        ),
    ],
)
def test_a_rule_of_one_container(fields: dict[str, Any], expected: str) -> None:
    assert problems(definition(container(**fields))) == [f"{APP}.{expected}"]


@pytest.mark.parametrize(
    ("mode", "fields", "expected"),
    [
        ("awsvpc", {"links": ["db"]}, "links: Links are not supported when networkMode=awsvpc."),
        (
            "awsvpc",
            {"hostname": "web"},
            "hostname: hostname is not supported on container when networkMode=awsvpc.",
        ),
        (
            "awsvpc",
            {"dnsServers": ["1.1.1.1"]},
            "dnsServers: dnsServers cannot be used with networkMode awsvpc",
        ),
        (
            "awsvpc",
            {"dnsSearchDomains": ["example.org"]},
            "dnsSearchDomains: dnsSearchDomains cannot be used with networkMode awsvpc",
        ),
        (
            "awsvpc",
            {"extraHosts": [{"hostname": "a", "ipAddress": "1.1.1.1"}]},
            "extraHosts: extraHosts cannot be used with networkMode awsvpc",
        ),
        (
            "awsvpc",
            {"disableNetworking": True},
            "disableNetworking: disableNetworking cannot be used with networkMode awsvpc",
        ),
        (
            "awsvpc",
            {"portMappings": [{"containerPort": 80, "hostPort": 8080}]},
            "portMappings[0].hostPort: When networkMode=awsvpc, the host ports and container ports in port "
            "mappings must match. 8080 and 80 differ; hostPort may be left out",
        ),
        (
            "host",
            {"portMappings": [{"containerPort": 80, "hostPort": 8080}]},
            "portMappings[0].hostPort: When networkMode=host, the host ports and container ports in port "
            "mappings must match. 8080 and 80 differ; hostPort may be left out",
        ),
        ("host", {"links": ["db"]}, "links: links need networkMode bridge, not host"),
        (
            "host",
            {"portMappings": [{"containerPortRange": "80-90"}]},
            "portMappings: containerPortRange needs networkMode bridge or awsvpc, not host",
        ),
        (
            "host",
            {"systemControls": [{"namespace": "net.core.somaxconn", "value": "1"}]},
            "systemControls: systemControls of the network (net.*) cannot be set with networkMode host",
        ),
        (
            "none",
            {"portMappings": [{"containerPort": 80}]},
            "portMappings: a task with networkMode none has no ports",
        ),
    ],
)
def test_a_rule_of_the_network_mode(mode: str, fields: dict[str, Any], expected: str) -> None:
    document = definition(container(**fields), container("db"), networkMode=mode)

    assert problems(document) == [f"{APP}.{expected}"]


@pytest.mark.parametrize(
    "value_from",
    [
        "SESSION_SECRET",
        "gokabot.DATABASE_URL",
        "/ecs-param/db-host",
        "arn:aws:ssm:eu-west-1:123456789012:parameter/db/host",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db",
        "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf:password::",
        "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:db-AbCdEf::AWSPREVIOUS:",
        "arn:aws:secretsmanager:<REGION>:<ACCOUNT>:secret:db",
    ],
)
def test_the_spellings_of_a_secret_are_taken(value_from: str) -> None:
    parsed = parse_task_definition(definition(container(secrets=[{"name": "A", "valueFrom": value_from}])))

    assert parsed.containers[0].secrets[0].value_from == value_from


def test_equal_memory_and_reservation_are_taken() -> None:
    assert parse_task_definition(definition(container(memory=64, memoryReservation=64))).containers


def test_a_placeholder_in_a_name_is_left_as_it_is() -> None:
    parsed = parse_task_definition({**definition(container()), "family": "<FAMILY>"})

    assert parsed.family == "<FAMILY>"

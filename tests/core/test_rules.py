"""Every rule that a definition can break on any launch type, and its text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition, read_task_definition
from pytest_ecs_tasks.errors import TaskDefinitionError

EXECUTION_ROLE = "arn:aws:iam::123456789012:role/execution"


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
            "containerDefinitions: Task definition doesn't have any essential container: one has to be, or the "
            "task would never end",
        ),
        (
            definition(container(), container()),
            "containerDefinitions[1].name: Container names must be unique within a task definition: two are named 'app'",
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
            "family: Family contains invalid characters. 'web/api' is not a name: letters, digits, hyphens and "
            "underscores are allowed",
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
            f"{APP}.memory: The 'memory' setting for container 'app' is greater than for the task: 1024, and 512",
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
            f"{APP}.dependsOn[0].condition: A dependency container with HEALTHY condition must have health check "
            "configured: 'db' has no healthCheck",
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
            "memory: 'memory' must be greater than or equal to 'memoryReservation': 64 is less than 128",
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
            "portMappings[0].containerPortRange: Invalid 'containerPortRange' setting for container 'app'. '8010-8000' is "
            "not a range such as '8000-8010'",
        ),
        (
            {"portMappings": [{"containerPortRange": "8000-8010", "hostPort": 8000}]},
            "portMappings[0].containerPortRange: Invalid port mapping for container 'app', cannot specify both single "
            "port and port range.",
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
            "healthCheck.timeout: Health check timeout must be less than or equal to the maximum allowed value 60 for container "
            "'app'. It is 61",
        ),
        (
            {"healthCheck": {"command": ["CMD", "true"], "retries": 11}},
            "healthCheck.retries: Health check retries must be less than or equal to the maximum allowed value 10 for container "
            "'app'. It is 11",
        ),
        (
            {"healthCheck": {"command": ["CMD", "true"], "startPeriod": 301}},
            "healthCheck.startPeriod: Health check startPeriod must be less than or equal to the maximum allowed value 300 for "
            "container 'app'. It is 301",
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
            {
                "logConfiguration": {
                    "logDriver": "splunk",
                    "secretOptions": [{"name": "A", "valueFrom": "arn:aws:s3:::bucket"}],
                }
            },
            "logConfiguration.secretOptions[0].valueFrom: secret 'A': an ARN here is one of Secrets Manager or of an "
            "SSM parameter",
        ),
        (
            {"secrets": [{"name": "A", "valueFrom": "arn:aws:s3:::bucket"}]},
            "secrets[0].valueFrom: secret 'A': an ARN here is one of Secrets Manager or of an SSM parameter",
        ),
        (
            {"restartPolicy": {"enabled": True, "restartAttemptPeriod": 10}},
            "restartPolicy.restartAttemptPeriod: The 'restartAttemptPeriod' setting for container 'app' must be between 60 and "
            "1800. It is 10",
        ),
        (
            {"restartPolicy": {"enabled": True, "ignoredExitCodes": list(range(51))}},
            "restartPolicy.ignoredExitCodes: 51 exit codes; up to 50 can be ignored",
        ),
        (
            {"mountPoints": [{"sourceVolume": "data", "containerPath": "/data"}]},
            "mountPoints[0].sourceVolume: Unknown volume 'data'. It is not in volumes",
        ),
        (
            {"ulimits": [{"name": "nofile", "softLimit": 2, "hardLimit": 1}]},
            "ulimits[0].softLimit: Soft limit exceeds hard limit for ulimit nofile: 2 is greater than 1",
        ),
        (
            {"linuxParameters": {"tmpfs": [{"containerPath": "/t", "size": 0}]}},
            "linuxParameters.tmpfs[0].size: size is a number of MiB from 1, not 0",
        ),
        (
            {"linuxParameters": {"sharedMemorySize": -1}},
            "linuxParameters.sharedMemorySize: sharedMemorySize is a number of MiB, not -1",
        ),
    ],
)
def test_a_rule_of_one_container(fields: dict[str, Any], expected: str) -> None:
    document = definition(container(**fields), executionRoleArn=EXECUTION_ROLE)

    assert problems(document) == [f"{APP}.{expected}"]


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
            "dnsServers: DNS servers are not supported on container when networkMode=awsvpc.",
        ),
        (
            "awsvpc",
            {"dnsSearchDomains": ["example.org"]},
            "dnsSearchDomains: dnsSearchDomains cannot be used with networkMode awsvpc",
        ),
        (
            "awsvpc",
            {"extraHosts": [{"hostname": "a", "ipAddress": "1.1.1.1"}]},
            "extraHosts: Extra hosts are not supported on container when networkMode=awsvpc.",
        ),
        (
            "awsvpc",
            {"disableNetworking": True},
            "disableNetworking: Disable Networking is not supported on container when networkMode=awsvpc.",
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
    app = container(secrets=[{"name": "A", "valueFrom": value_from}])
    parsed = parse_task_definition(definition(app, executionRoleArn=EXECUTION_ROLE))

    assert parsed.containers[0].secrets[0].value_from == value_from


def test_secrets_need_an_execution_role_on_any_launch_type() -> None:
    app = container(secrets=[{"name": "A", "valueFrom": "/a"}])
    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(definition(app))

    [problem] = caught.value.problems
    assert (problem.path, problem.code) == (f"{APP}.secrets", "secrets-execution-role")
    assert "you must also specify a value for 'executionRoleArn'" in problem.message


def test_containers_alone_may_have_secrets_since_the_role_is_the_tasks() -> None:
    app = container(secrets=[{"name": "A", "valueFrom": "/a"}])

    assert read_task_definition(json.dumps([app]), "containers.json").containers[0].secrets


def test_a_shared_memory_of_0_is_left_to_the_engine() -> None:
    parsed = parse_task_definition(definition(container(linuxParameters={"sharedMemorySize": 0})))

    assert parsed.containers[0].linux_parameters.shared_memory_size_mib == 0


def test_waiting_for_a_health_check_that_never_runs_is_taken_and_told() -> None:
    waiting = container(**after("db", "HEALTHY"))
    parsed = parse_task_definition(
        definition(waiting, container("db", healthCheck={"command": ["/healthcheck"]}))
    )

    [told] = [each for each in parsed.advice if each.code == "depends-on-no-health-check"]
    assert (told.path, told.severity) == (f"{APP}.dependsOn[0].condition", "warning")
    assert told.message == "the healthCheck of container 'db' never runs, so that it never becomes HEALTHY"


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "http"])
def test_a_protocol_that_is_none_is_taken_for_tcp_and_told(protocol: str) -> None:
    mapping = {"containerPort": 80, "protocol": protocol}
    parsed = parse_task_definition(definition(container(portMappings=[mapping])))

    assert parsed.containers[0].port_mappings[0].protocol == "tcp"
    [told] = [each for each in parsed.advice if each.code == "taken-for-another"]
    assert str(told) == (
        f"{APP}.portMappings[0].protocol: '{protocol}' is not one of tcp, udp, upper and lower case being two things: "
        "ECS takes it for tcp"
    )


def test_a_placeholder_for_a_protocol_is_to_be_filled() -> None:
    mapping = {"containerPort": 80, "protocol": "${PROTOCOL}"}

    assert (
        "'${PROTOCOL}' is not one of tcp, udp" in problems(definition(container(portMappings=[mapping])))[0]
    )


@pytest.mark.parametrize("mode", ["AWSVPC", "Bridge"])
def test_a_network_mode_in_other_case_is_refused(mode: str) -> None:
    assert problems(definition(container(), networkMode=mode)) == [
        f"networkMode: '{mode}' is not one of awsvpc, bridge, host, none"
    ]


def test_the_default_network_mode_of_the_console_is_one_that_is_left_out() -> None:
    assert problems(definition(container(), networkMode="default")) == [
        "networkMode: 'default' is not one of awsvpc, bridge, host, none; leave networkMode out for what the console "
        "calls <default>"
    ]


def test_a_problem_is_one_line_that_a_terminal_takes() -> None:
    name = "web\n::error::\x1b[31m\u2028"

    assert problems(definition(container(name, dockerLabels={"a\tb": 1}))) == [
        "containerDefinitions[0].dockerLabels.a\\tb: a text is wanted here, not a number; put it in quotes",
        "containerDefinitions[0].name: 'web\\n::error::\\x1b[31m\\u2028' is not a name: letters, digits, hyphens and "
        "underscores are allowed",
    ]


def test_equal_memory_and_reservation_are_taken() -> None:
    assert parse_task_definition(definition(container(memory=64, memoryReservation=64))).containers


def test_a_placeholder_in_a_name_is_left_as_it_is() -> None:
    parsed = parse_task_definition({**definition(container()), "family": "<FAMILY>"})

    assert parsed.family == "<FAMILY>"

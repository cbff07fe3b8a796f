"""A task definition's values: what is read, what is dropped, what is filled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import image_slot, parse_task_definition, read_task_definition
from pytest_ecs_tasks.core.taskdef import (
    Condition,
    ContainerDefinition,
    Dependency,
    HealthCheck,
    LinuxParameters,
    LogConfiguration,
    MountPoint,
    NetworkMode,
    PortMapping,
    RestartPolicy,
    Secret,
    TaskDefinition,
    Tmpfs,
    Ulimit,
    Volume,
)


def definition(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"family": "web", "containerDefinitions": list(containers), **fields}


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "memory": 64, **fields}


def parse_one(**fields: Any) -> ContainerDefinition:
    return parse_task_definition(definition(container(**fields), executionRoleArn="role")).container("app")


def test_a_definition_of_one_container_has_ecs_defaults() -> None:
    parsed = parse_task_definition(definition(container()))

    assert parsed == TaskDefinition(
        family="web", containers=(ContainerDefinition(name="app", image="busybox", memory_mib=64),)
    )
    assert parsed.network_mode is NetworkMode.BRIDGE
    assert parsed.containers[0].essential
    assert parsed.unsupported == ()


def test_the_task_s_own_fields_are_read() -> None:
    parsed = parse_task_definition(
        definition(
            container(),
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu=".25 vCPU",
            memory="0.5GB",
            taskRoleArn="arn:aws:iam::123456789012:role/task",
            executionRoleArn="arn:aws:iam::123456789012:role/execution",
        )
    )

    assert parsed.network_mode is NetworkMode.AWSVPC
    assert parsed.requires_compatibilities == ("FARGATE",)
    assert (parsed.cpu, parsed.memory_mib) == (256, 512)
    assert parsed.task_role_arn == "arn:aws:iam::123456789012:role/task"
    assert parsed.execution_role_arn == "arn:aws:iam::123456789012:role/execution"


@pytest.mark.parametrize(
    ("cpu", "units"), [("256", 256), ("1 vCPU", 1024), (".25 vcpu", 256), ("0.5vCPU", 512), (256, 256)]
)
def test_the_task_s_cpu_is_read_in_units_and_in_vcpu(cpu: object, units: int) -> None:
    assert parse_task_definition(definition(container(), cpu=cpu)).cpu == units


@pytest.mark.parametrize(
    ("memory", "mib"), [("512", 512), ("0.5GB", 512), ("2 gb", 2048), (".5 gb", 512), (1024, 1024)]
)
def test_the_task_s_memory_is_read_in_mib_and_in_gb(memory: object, mib: int) -> None:
    assert parse_task_definition(definition(container(), memory=memory)).memory_mib == mib


def test_a_container_s_program_is_read() -> None:
    app = parse_one(
        entryPoint=["sh", "-c"],
        command=["echo", ""],
        user="1000:1000",
        workingDirectory="/srv",
        environment=[{"name": "MODE", "value": "test"}, {"name": "EMPTY"}],
        secrets=[{"name": "PASSWORD", "valueFrom": "/prod/password"}],
        interactive=True,
        pseudoTerminal=True,
        readonlyRootFilesystem=True,
        privileged=True,
    )

    assert app.entry_point == ("sh", "-c")
    assert app.command == ("echo", "")
    assert (app.user, app.working_directory) == ("1000:1000", "/srv")
    assert app.environment == {"MODE": "test", "EMPTY": ""}
    assert app.secrets == (Secret("PASSWORD", "/prod/password"),)
    assert (app.interactive, app.pseudo_terminal) == (True, True)
    assert (app.readonly_root_filesystem, app.privileged) == (True, True)


def test_a_container_s_resources_are_read() -> None:
    app = parse_one(
        cpu=128,
        memory=256,
        memoryReservation=128,
        ulimits=[{"name": "nofile", "softLimit": 1024, "hardLimit": 4096}],
        linuxParameters={
            "initProcessEnabled": True,
            "capabilities": {"add": ["SYS_PTRACE"], "drop": ["ALL"]},
            "sharedMemorySize": 64,
            "tmpfs": [{"containerPath": "/run", "size": 16, "mountOptions": ["noexec"]}],
        },
    )

    assert (app.cpu, app.memory_mib, app.memory_reservation_mib) == (128, 256, 128)
    assert app.ulimits == (Ulimit("nofile", 1024, 4096),)
    assert app.linux_parameters == LinuxParameters(
        init_process_enabled=True,
        capabilities_add=("SYS_PTRACE",),
        capabilities_drop=("ALL",),
        shared_memory_size_mib=64,
        tmpfs=(Tmpfs("/run", 16, ("noexec",)),),
    )


def test_a_container_s_network_is_read() -> None:
    parsed = parse_task_definition(
        definition(
            container(
                portMappings=[
                    {"containerPort": 80},
                    {"containerPort": 53, "hostPort": 5353, "protocol": "udp", "name": "dns"},
                    {"containerPortRange": "8000-8010"},
                ],
                links=["db:database"],
                hostname="web",
                extraHosts=[{"hostname": "gateway", "ipAddress": "10.0.0.1"}],
                dnsServers=["10.0.0.2"],
                dnsSearchDomains=["example.org"],
                systemControls=[{"namespace": "net.core.somaxconn", "value": "1024"}],
            ),
            container("db"),
        )
    )

    app = parsed.container("app")
    assert app.port_mappings == (
        PortMapping(80),
        PortMapping(53, 5353, "udp", name="dns"),
        PortMapping(8000, last_port=8010),
    )
    assert app.links == ("db:database",)
    assert app.hostname == "web"
    assert app.extra_hosts == {"gateway": "10.0.0.1"}
    assert (app.dns_servers, app.dns_search_domains) == (("10.0.0.2",), ("example.org",))
    assert app.system_controls == {"net.core.somaxconn": "1024"}


@pytest.mark.parametrize("mode", ["awsvpc", "host"])
def test_the_host_port_is_the_container_port_where_the_modes_say_so(mode: str) -> None:
    parsed = parse_task_definition(
        definition(container(portMappings=[{"containerPort": 80}]), networkMode=mode)
    )

    assert parsed.containers[0].port_mappings == (PortMapping(80, 80),)


def test_a_container_s_life_is_read() -> None:
    parsed = parse_task_definition(
        definition(
            container(
                dependsOn=[
                    {"containerName": "db", "condition": "HEALTHY"},
                    {"containerName": "migrate", "condition": "SUCCESS"},
                ],
                startTimeout=30,
                stopTimeout=5,
                restartPolicy={"enabled": True, "ignoredExitCodes": [0], "restartAttemptPeriod": 60},
            ),
            container("db", healthCheck={"command": ["CMD-SHELL", "true"], "interval": 5, "startPeriod": 1}),
            container("migrate", essential=False),
        )
    )

    app = parsed.container("app")
    assert app.depends_on == (Dependency("db", Condition.HEALTHY), Dependency("migrate", Condition.SUCCESS))
    assert (app.start_timeout_s, app.stop_timeout_s) == (30, 5)
    assert app.restart_policy == RestartPolicy(enabled=True, ignored_exit_codes=(0,), attempt_period_s=60)
    assert parsed.container("db").health_check == HealthCheck(
        ("CMD-SHELL", "true"), interval_s=5, timeout_s=5, retries=3, start_period_s=1
    )
    assert not parsed.container("migrate").essential


def test_logs_labels_and_mounts_are_read() -> None:
    options = {"awslogs-group": "/ecs/web", "awslogs-region": "eu-west-1"}
    parsed = parse_task_definition(
        definition(
            container(
                logConfiguration={"logDriver": "awslogs", "options": options},
                dockerLabels={"team": "blue", "note": ""},
                mountPoints=[{"sourceVolume": "data", "containerPath": "/data", "readOnly": True}],
            ),
            volumes=[
                {"name": "data"},
                {"name": "etc", "host": {"sourcePath": "/etc"}},
                {"name": "bare", "host": {}},
                {
                    "name": "fast",
                    "dockerVolumeConfiguration": {
                        "scope": "task",
                        "driver": "local",
                        "driverOpts": {"type": "tmpfs"},
                        "labels": {"kind": "scratch"},
                    },
                },
            ],
        )
    )

    app = parsed.container("app")
    assert app.log_configuration == LogConfiguration("awslogs", options)
    assert app.docker_labels == {"team": "blue", "note": ""}
    assert app.mount_points == (MountPoint("data", "/data", read_only=True),)
    assert parsed.volumes == (
        Volume("data"),
        Volume("etc", host_path="/etc"),
        Volume("bare"),
        Volume("fast", driver="local", driver_options={"type": "tmpfs"}, labels={"kind": "scratch"}),
    )


def test_numbers_given_as_text_are_numbers() -> None:
    app = parse_one(memory="128", portMappings=[{"containerPort": "80"}])

    assert app.memory_mib == 128
    assert app.port_mappings == (PortMapping(80),)


@pytest.mark.parametrize("wrapped", [True, False])
def test_the_output_of_describe_task_definition_is_read(wrapped: bool) -> None:
    described = {
        **definition(container()),
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:7",
        "revision": 7,
        "status": "ACTIVE",
        "requiresAttributes": [{"name": "com.amazonaws.ecs.capability.docker-remote-api.1.18"}],
        "compatibilities": ["EC2"],
        "registeredAt": "2024-05-01T12:00:00Z",
        "registeredBy": "arn:aws:iam::123456789012:user/someone",
        "placementConstraints": [],
    }

    parsed = parse_task_definition({"taskDefinition": described, "tags": []} if wrapped else described)

    assert parsed.revision == 7
    assert parsed.unsupported == ()
    assert set(parsed.document) == {"family", "containerDefinitions"}


def test_the_tags_that_cloudformation_has_put_on_a_registered_definition_are_left_out() -> None:
    tags = [{"key": "aws:cloudformation:stack-name", "value": "web"}, {"key": "team", "value": "a"}]
    described = definition(container(), revision=7, tags=tags)

    assert parse_task_definition(described).document["tags"] == [{"key": "team", "value": "a"}]


def test_what_says_nothing_is_dropped_as_the_deploy_action_does() -> None:
    parsed = parse_task_definition(
        definition(
            container(
                command=None,
                entryPoint=[""],
                user="",
                mountPoints=[],
                healthCheck={},
                volumesFrom=[None],
                linuxParameters={"capabilities": {"add": []}},
                environment=[{"name": "A", "value": None}],
            ),
            networkMode=None,
            ipcMode="",
            proxyConfiguration=None,
            tags=[],
        )
    )

    assert parsed.document == {
        "family": "web",
        "containerDefinitions": [
            {"name": "app", "image": "busybox", "memory": 64, "environment": [{"name": "A", "value": ""}]}
        ],
    }


def test_tags_and_placement_are_recorded_and_do_not_warn() -> None:
    tags = [{"key": "team", "value": "blue"}]
    constraints = [{"type": "memberOf", "expression": "attribute:ecs.os-type == linux"}]

    parsed = parse_task_definition(definition(container(), tags=tags, placementConstraints=constraints))

    assert parsed.unsupported == ()
    assert parsed.document["tags"] == tags
    assert parsed.document["placementConstraints"] == constraints


def test_the_document_keeps_sizes_as_ecs_echoes_them() -> None:
    parsed = parse_task_definition(definition(container(), cpu="1 vCPU", memory="2 GB"))

    assert (parsed.document["cpu"], parsed.document["memory"]) == ("1024", "2048")


def test_values_of_the_environment_are_in_no_repr() -> None:
    parsed = parse_task_definition(
        definition(container(environment=[{"name": "PASSWORD", "value": "hunter2"}]))
    )

    assert "hunter2" not in repr(parsed)


def test_text_and_dict_give_the_same_definition() -> None:
    document = definition(container(), networkMode="awsvpc")

    read = read_task_definition(json.dumps(document, indent="\t"), "web.json")

    assert read == parse_task_definition(document, "web.json")
    assert read.source == "web.json"


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("<IMAGE1_NAME>", "<IMAGE1_NAME>"),
        ("IMAGE1_NAME", "<IMAGE1_NAME>"),
        ("TAG", "web:${TAG}"),
        ("image", "{{ image }}"),
        ("IMAGE", "$$$IMAGE$$$"),
        ("REPLACE_IMAGE", "REPLACE_IMAGE"),
    ],
)
def test_placeholders_are_filled(key: str, image: str) -> None:
    text = json.dumps(definition(container(image=image)))
    filled = "web:1" if image != "web:${TAG}" else "1"

    read = read_task_definition(text, "web.json", substitute={key: filled})
    parsed = parse_task_definition(definition(container(image=image)), substitute={key: filled})

    assert read.containers[0].image == "web:1"
    assert parsed.containers[0].image == "web:1"


def test_a_placeholder_that_json_escapes_is_filled() -> None:
    text = (
        '{"family": "web", "containerDefinitions": [{"name": "a", "memory": 8, '
        '"image": "b", "user": "\\u003cUSER\\u003e"}]}'
    )

    assert read_task_definition(text, "w", substitute={"<USER>": 'a"\\b'}).containers[0].user == 'a"\\b'


def test_a_placeholder_outside_of_quotes_is_filled() -> None:
    text = '{"family": "web", "containerDefinitions": [{"name": "a", "image": "b", "memory": ${memory}}]}'

    assert read_task_definition(text, "web.json", substitute={"memory": "64"}).containers[0].memory_mib == 64


def test_a_lower_case_key_does_not_replace_words() -> None:
    parsed = parse_task_definition(definition(container()), substitute={"app": "x", "web": "y"})

    assert (parsed.family, parsed.containers[0].name) == ("web", "app")


@pytest.mark.parametrize("image", [None, "", "<IMAGE1_NAME>"])
def test_an_image_slot_is_no_problem_of_the_definition(image: str | None) -> None:
    assert parse_one(image=image).image == (image or "")


@pytest.mark.parametrize(
    ("image", "slot"),
    [
        ("", ""),
        ("  ", ""),
        ("<IMAGE1_NAME>", "<IMAGE1_NAME>"),
        ("${ecr_repository_url}:latest", "${ecr_repository_url}"),
        ("{{ image }}", "{{ image }}"),
        ("$$$TEST_REGISTRY_HOST$$$/busybox", "$$$TEST_REGISTRY_HOST$$$"),
        ("$IMAGE:latest", "$IMAGE"),
        ("REPLACE_IMAGE", "REPLACE_IMAGE"),
        ("IMAGE_URI", "IMAGE_URI"),
        ("public.ecr.aws/REPLACE_ME/app:1", "REPLACE_ME"),
        ("ACCOUNT_ID.dkr.ecr.us-east-1.amazonaws.com/app:latest", "ACCOUNT_ID"),
        ("busybox", None),
        ("nginx:1.27-alpine", None),
        ("app:RELEASE", None),
        ("localhost:5000/app", None),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/web:1.4", None),
        ("busybox@sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7", None),
    ],
)
def test_a_slot_is_told_from_an_image(image: str, slot: str | None) -> None:
    assert image_slot(image) == slot

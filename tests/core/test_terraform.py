"""``aws_ecs_task_definition`` in plans, states and configuration, and lists of container definitions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import read_task_definition
from pytest_ecs_tasks.core.taskdef import NetworkMode, TaskDefinition
from pytest_ecs_tasks.core.terraform_arguments import ARGUMENTS
from pytest_ecs_tasks.errors import TaskDefinitionError, UnsupportedFeature

CONTAINERS = json.dumps([{"name": "app", "image": "busybox", "portMappings": [{"containerPort": 80}]}])
ARGUMENTS_OF_WEB: dict[str, Any] = {
    "arn": "arn:aws:ecs:us-east-1:123456789012:task-definition/web:7",
    "container_definitions": CONTAINERS,
    "cpu": "256",
    "enable_fault_injection": False,
    "ephemeral_storage": [{"size_in_gib": 30}],
    "execution_role_arn": "arn:aws:iam::123456789012:role/execution",
    "family": "web",
    "id": "web",
    "inference_accelerator": [],
    "ipc_mode": "",
    "memory": 512,
    "network_mode": "awsvpc",
    "pid_mode": None,
    "placement_constraints": [],
    "proxy_configuration": [],
    "requires_compatibilities": ["FARGATE"],
    "revision": 7,
    "runtime_platform": [{"cpu_architecture": "X86_64", "operating_system_family": "LINUX"}],
    "skip_destroy": False,
    "tags": {"Team": "web"},
    "tags_all": {"Team": "web"},
    "track_latest": False,
    "volume": [
        {
            "name": "data",
            "host_path": "",
            "configure_at_launch": False,
            "docker_volume_configuration": [],
            "efs_volume_configuration": [
                {
                    "file_system_id": "fs-1",
                    "root_directory": "/",
                    "transit_encryption": "ENABLED",
                    "transit_encryption_port": 0,
                    "authorization_config": [{"access_point_id": "fsap-1", "iam": "ENABLED"}],
                }
            ],
            "fsx_windows_file_server_volume_configuration": [],
        }
    ],
}


def resource(name: str = "web", address: str = "", **arguments: Any) -> dict[str, Any]:
    values = {**ARGUMENTS_OF_WEB, **arguments}
    kind = "aws_ecs_task_definition"
    return {
        "address": address or f"{kind}.{name}",
        "mode": "managed",
        "type": kind,
        "name": name,
        "values": values,
    }


def plan(*resources: dict[str, Any], **children: Any) -> str:
    module = {"resources": [{"type": "aws_vpc", "values": {}}, *resources], **children}
    document = {
        "format_version": "1.2",
        "terraform_version": "1.9.0",
        "planned_values": {"root_module": module},
    }
    return json.dumps(document, indent=1)


def read(text: str, name: str = "plan.json", **keywords: Any) -> TaskDefinition:
    return read_task_definition(text, name, **keywords)


def problems(text: str, name: str = "plan.json", **keywords: Any) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text, name, **keywords)
    return [str(problem) for problem in caught.value.problems]


def test_every_argument_becomes_the_field_of_the_api() -> None:
    definition = read(plan(resource()))

    assert definition.document == {
        "containerDefinitions": [
            {"name": "app", "image": "busybox", "portMappings": [{"containerPort": 80}]}
        ],
        "cpu": "256",
        "enableFaultInjection": False,
        "ephemeralStorage": {"sizeInGiB": 30},
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
        "family": "web",
        "memory": "512",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "tags": [{"key": "Team", "value": "web"}],
        "volumes": [
            {
                "name": "data",
                "configuredAtLaunch": False,
                "efsVolumeConfiguration": {
                    "fileSystemId": "fs-1",
                    "rootDirectory": "/",
                    "transitEncryption": "ENABLED",
                    "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
                },
            }
        ],
    }
    assert definition.repairs == ()


def test_the_blocks_that_are_seldom_become_fields_too() -> None:
    rare = {
        "requires_compatibilities": ["EC2"],
        "ephemeral_storage": [],
        "runtime_platform": [],
        "placement_constraints": [{"type": "memberOf", "expression": "attribute:a == b"}],
        "volume": [
            {"name": "a", "host_path": "/srv"},
            {
                "name": "b",
                "docker_volume_configuration": [
                    {
                        "scope": "shared",
                        "autoprovision": True,
                        "driver": "local",
                        "driver_opts": {"type": "none"},
                        "labels": {"x": "y"},
                    }
                ],
            },
        ],
    }

    document = read(plan(resource(**rare))).document

    assert document["placementConstraints"] == [{"type": "memberOf", "expression": "attribute:a == b"}]
    assert document["volumes"] == [
        {"name": "a", "host": {"sourcePath": "/srv"}},
        {
            "name": "b",
            "dockerVolumeConfiguration": {
                "scope": "shared",
                "autoprovision": True,
                "driver": "local",
                "driverOpts": {"type": "none"},
                "labels": {"x": "y"},
            },
        },
    ]


def test_what_is_not_emulated_is_told_by_the_name_of_the_api() -> None:
    mesh = [{"type": "APPMESH", "container_name": "app", "properties": {"ProxyIngressPort": "1"}}]

    with pytest.raises((UnsupportedFeature, TaskDefinitionError)) as caught:
        read(
            plan(
                resource(
                    proxy_configuration=mesh,
                    inference_accelerator=[{"device_name": "a", "device_type": "eia1.medium"}],
                    requires_compatibilities=["EC2"],
                )
            )
        )

    assert any(each.path.startswith("inferenceAccelerators") and each.line for each in caught.value.problems)


def test_a_resource_of_a_module_is_found_and_one_of_several_is_chosen() -> None:
    inner = "module.api.aws_ecs_task_definition.this[0]"
    child = {"address": "module.api", "resources": [resource("this", inner, family="api")]}
    text = plan(resource(), child_modules=[child])

    assert read(text, resource=inner).family == "api"
    assert read(text, resource="aws_ecs_task_definition.web").family == "web"
    assert problems(text) == [
        "it has 2 of aws_ecs_task_definition: choose one with ecs_taskdef(…, resource='aws_ecs_task_definition.web'). "
        f"They are aws_ecs_task_definition.web, {inner}"
    ]
    assert (
        "did you mean 'aws_ecs_task_definition.web'?"
        in problems(text, resource="aws_ecs_task_definition.wep")[0]
    )


def test_a_plan_without_a_task_definition_says_so() -> None:
    assert problems(plan()) == ["there is no aws_ecs_task_definition in it"]


def test_a_state_file_and_what_show_prints_of_it_are_read() -> None:
    shown = json.dumps({"format_version": "1.0", "values": {"root_module": {"resources": [resource()]}}})
    kept = {
        "version": 4,
        "terraform_version": "1.9.0",
        "resources": [
            {
                "module": "module.a",
                "mode": "managed",
                "type": "aws_ecs_task_definition",
                "name": "web",
                "instances": [
                    {"index_key": key, "attributes": {**ARGUMENTS_OF_WEB, "family": key}}
                    for key in ("blue", "green")
                ],
            }
        ],
    }

    assert read(shown, "state.json").family == "web"
    address = 'module.a.aws_ecs_task_definition.web["green"]'
    assert read(json.dumps(kept), "terraform.tfstate", resource=address).family == "green"


def test_configuration_in_json_is_read_with_its_placeholders() -> None:
    arguments = {
        "family": "web",
        "container_definitions": CONTAINERS.replace("busybox", "${var.image}"),
        "memory": 64,
    }
    text = json.dumps({"resource": {"aws_ecs_task_definition": {"web": arguments}}})

    assert read(text, "web.tf.json", substitute={"var.image": "nginx"}).containers[0].image == "nginx"


def test_problems_are_at_the_line_of_their_argument() -> None:
    text = plan(resource(network_mode="vpc", zzz=1, container_definitions='[{"name": "app", "memory": "x"}]'))
    lines = text.splitlines()

    with pytest.raises(TaskDefinitionError) as caught:
        read(text)

    places = {
        each.path: lines[(each.line or 0) - 1].strip().partition(":")[0] for each in caught.value.problems
    }
    assert places == {
        "networkMode": '"network_mode"',
        "zzz": '"zzz"',
        "containerDefinitions[0].memory": '"container_definitions"',
    }


def with_unknown(text: str, unknown: dict[str, Any]) -> str:
    change = {"address": "aws_ecs_task_definition.web", "change": {"after_unknown": unknown}}
    deposed = {**change, "deposed": "a1b2", "change": {"after_unknown": {"family": True}}}
    return json.dumps({**json.loads(text), "resource_changes": [change, deposed]}, indent=1)


def test_values_that_are_known_only_after_apply_are_placeholders() -> None:
    volume = {"name": "data", "efs_volume_configuration": [{"root_directory": "/"}]}
    planned = resource(volume=[volume], requires_compatibilities=[])
    del planned["values"]["execution_role_arn"], planned["values"]["memory"]
    unknown = {"arn": True, "execution_role_arn": True, "memory": True, "runtime_platform": [{}], "tags": {}}
    inside = {"volume": [{"efs_volume_configuration": [{"file_system_id": True}], "docker": []}]}
    text = with_unknown(plan(planned), unknown | inside)

    assert (
        problems(text)[0]
        .partition("  ")[2]
        .startswith("memory: a size such as '512' or '0.5 GB' is wanted here, not '${memory}'")
    )
    definition = read(
        text, substitute={"memory": "512", "execution_role_arn": "arn:aws:iam::123456789012:role/e"}
    )
    assert definition.execution_role_arn == "arn:aws:iam::123456789012:role/e"
    assert definition.document["volumes"][0]["efsVolumeConfiguration"] == {  # type: ignore[index]
        "rootDirectory": "/",
        "fileSystemId": "${volume.efs_volume_configuration.file_system_id}",
    }
    assert [each.path for each in definition.advice if each.code == "unfilled-placeholder"] == [
        "volumes[0].efsVolumeConfiguration.fileSystemId"
    ]


def test_a_volume_that_is_known_only_after_apply_is_no_missing_one() -> None:
    found = problems(with_unknown(plan(resource(volume=[])), {"volume": True}))

    assert "volumes[0]: an object is wanted here, as JSON, not '${volume}'" in found[0]


def test_what_a_newer_provider_does_not_set_needs_no_word() -> None:
    assert read(plan(resource(newer=None, another=[], flag=False, number=0))).family == "web"
    assert "'newer' is not an argument" in problems(plan(resource(newer="x")))[0]


def test_default_tags_of_the_provider_are_the_definitions() -> None:
    definition = read(plan(resource(tags={"Team": "web"}, tags_all={"Team": "web", "Owner": "me"})))

    assert definition.document["tags"] == [{"key": "Team", "value": "web"}, {"key": "Owner", "value": "me"}]


def test_an_instance_that_is_still_to_be_destroyed_is_not_read() -> None:
    instances = [
        {"attributes": {**ARGUMENTS_OF_WEB, "family": "new"}},
        {"deposed": "a1b2", "attributes": {**ARGUMENTS_OF_WEB, "family": "old"}},
    ]
    kind = {"mode": "managed", "type": "aws_ecs_task_definition", "name": "web"}
    state = {"terraform_version": "1.9.0", "resources": [{**kind, "instances": instances}]}

    assert read(json.dumps(state)).family == "new"


def test_a_key_that_is_there_twice_in_the_containers_text_is_told() -> None:
    twice = CONTAINERS.replace('"name": "app"', '"name": "app", "name": "web"')

    (repair,) = read(plan(resource(container_definitions=twice))).repairs

    assert str(repair).endswith(
        "containerDefinitions[0].name: the key 'name' is there twice; only the last one counts"
    )


@pytest.mark.parametrize(("first", "second"), [("name", "Name"), ("Name", "name")])
def test_a_name_that_is_there_twice_in_another_case_is_told(first: str, second: str) -> None:
    twice = CONTAINERS.replace('"name": "app"', f'"{first}": "app", "{second}": "web"')

    (repair,) = read(plan(resource(container_definitions=twice))).repairs

    assert str(repair).endswith(
        f"containerDefinitions[0].{second}: '{second}' is name to Terraform, which is there twice; only the last one counts"
    )


def test_a_misspelt_argument_is_told_with_the_one_that_was_meant() -> None:
    assert problems(plan(resource(network_mod="awsvpc")))[0].endswith(
        "'network_mod' is not an argument of aws_ecs_task_definition here; did you mean network_mode?"
    )


def test_what_is_forgiven_in_the_containers_text_is_told() -> None:
    definition = read(plan(resource(container_definitions=CONTAINERS.replace("]}]", "]},]"))))

    (forgiven,) = definition.repairs
    assert forgiven.path == "containerDefinitions"
    assert forgiven.line


def test_an_argument_that_is_there_twice_is_a_problem() -> None:
    body = f'{{"family": "web", "cpu": 256, "cpu": 512, "container_definitions": {json.dumps(CONTAINERS)}}}'

    found = problems(f'{{"resource": {{"aws_ecs_task_definition": {{"web": {body}}}}}}}', "web.tf.json")

    assert "line 1  cpu: the key 'cpu' is there twice; only the last one counts" in found


def test_containers_that_are_known_only_after_apply_are_told_so() -> None:
    values = {key: value for key, value in ARGUMENTS_OF_WEB.items() if key != "container_definitions"}
    text = plan({**resource(), "values": values})

    assert problems(text)[0].partition("  ")[2].startswith("container_definitions: is known only after apply")


@pytest.mark.parametrize(
    ("containers", "message"),
    [
        ('[{"name": ]', "container_definitions: column 11: not JSON"),
        (
            "${jsonencode(local.containers)}",
            "is computed by Terraform: give what `terraform show -json` prints",
        ),
        (5, "a text with JSON is wanted here, not a number"),
    ],
)
def test_container_definitions_that_are_no_json_are_refused(containers: object, message: str) -> None:
    assert message in problems(plan(resource(container_definitions=containers)))[0]


def test_arguments_are_converted_and_what_is_in_the_containers_is_not() -> None:
    container = {"name": "app", "image": "b", "cpu": "10", "environment": [{"name": "PORT", "value": 80}]}

    def text() -> str:
        return plan(resource(cpu=256, memory=512, container_definitions=json.dumps([container])))

    (problem,) = problems(text())
    assert "environment[0].value: a text is wanted here, not a number; put it in quotes" in problem

    container["environment"] = [{"name": "PORT", "value": "80"}]
    assert [each.path for each in read(text()).repairs] == ["containerDefinitions[0].cpu"]


def test_names_inside_of_the_containers_are_taken_as_terraform_takes_them() -> None:
    container = {
        "Name": "app",
        "image": "b",
        "healthcheck": {"Command": ["CMD", "true"], "start_period": 60, "Interval": 10},
        "network_mode": "none",
    }

    definition = read(plan(resource(container_definitions=json.dumps([container]))))

    (app,) = definition.containers
    assert app.health_check is not None
    assert (app.name, app.health_check.interval_s) == ("app", 10)
    assert [each.message for each in definition.repairs] == [
        "'start_period' is not a field, and Terraform leaves it out",
        "'network_mode' is not a field, and Terraform leaves it out",
    ]


def test_every_argument_of_the_resource_has_a_meaning_here() -> None:
    """The arguments of the AWS provider, version 6; and what a state adds."""
    provider = """arn arn_without_revision container_definitions cpu enable_fault_injection ephemeral_storage
        execution_role_arn family id inference_accelerator ipc_mode memory network_mode pid_mode placement_constraints
        proxy_configuration region requires_compatibilities revision runtime_platform skip_destroy tags tags_all
        task_role_arn track_latest volume"""

    assert set(provider.split()) <= set(ARGUMENTS)


# -- a list of containers alone


def test_a_list_of_containers_takes_its_family_from_the_file_and_says_so() -> None:
    definition = read(CONTAINERS, "infra/my api.json.tpl")

    assert (definition.family, definition.network_mode) == ("my-api", NetworkMode.BRIDGE)
    (advice,) = [each for each in definition.advice if each.code == "list-of-containers"]
    assert "ecs_taskdef(…, family='…')" in str(advice)


def test_a_family_names_a_list_of_containers_and_any_other_definition() -> None:
    assert read(CONTAINERS, "api.json", family="web").family == "web"
    assert read(plan(resource()), family="other").family == "other"


def test_what_a_list_of_containers_cannot_say_is_no_problem() -> None:
    containers = [
        {"name": "app", "image": "b", "mountPoints": [{"sourceVolume": "data", "containerPath": "/d"}]}
    ]

    definition = read(json.dumps(containers), "api.json")

    assert [volume.name for volume in definition.volumes] == ["data"]
    assert definition.containers[0].memory_mib is None


def test_problems_of_a_list_of_containers_have_their_lines() -> None:
    text = '[\n{"name": "app",\n"image": "b",\n"cpu": "x", "name": "app"}]'

    assert problems(text, "api.json") == [
        "line 4  containerDefinitions[0].cpu: a whole number is wanted here, not 'x'",
        "line 4  containerDefinitions[0].name: the key 'name' is there twice; JSON readers keep only the last, "
        "AWS's deploy action refuses the file",
    ]


@pytest.mark.parametrize("text", [CONTAINERS, '{"family": "web", "containerDefinitions": []}'])
def test_a_resource_can_be_chosen_only_where_there_are_some(text: str) -> None:
    assert problems(text, "web.json", resource="Web")[0].startswith("resource=… selects one of")

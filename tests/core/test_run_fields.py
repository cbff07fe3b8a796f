"""Every member of RunTask is decided on, and what the table says of it is so."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from ecs_world import SUBNETS, EcsWorld
from field_pages import RUN_TASK_PAGE, render_run_task
from pytest_ecs_tasks.core.api.calls import StartTask
from pytest_ecs_tasks.core.fields import Fate
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import ContainerOverride, LaunchType, RunTaskRequest
from pytest_ecs_tasks.plugin.marks import MARKS, MarkerError, call_checked
from run_fields import RUN_TASK, RunMember

DOCUMENT = {
    "family": "web",
    "networkMode": "awsvpc",
    "cpu": "256",
    "memory": "1024",
    "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
    "containerDefinitions": [
        {"name": "app", "image": "app:1", "environment": [{"name": "COLOUR", "value": "red"}]}
    ],
}
TAGS = [{"key": "team", "value": "shop"}]
REFUSED = [path for path, member in RUN_TASK.items() if member.fate is Fate.REFUSED]


def run_task() -> Any:
    model = botocore.session.get_session().get_service_model("ecs")
    return model.operation_model("RunTask").input_shape


def members(shape: Any, path: str = "") -> Iterator[str]:
    for name, member in shape.members.items():
        inner = member.member if member.type_name == "list" else member
        is_structures = member.type_name == "list" and inner.type_name == "structure"
        place = f"{path}{name}" + ("[]" if is_structures else "")
        yield place
        decided = RUN_TASK.get(place)
        if inner.type_name == "structure" and not (decided and decided.fate is Fate.REFUSED):
            yield from members(inner, f"{place}.")


def test_every_member_of_the_api_is_decided_on() -> None:
    # Lists of objects have "[]"; the few that the API has and the table writes otherwise would show here.
    assert sorted(members(run_task())) == sorted(RUN_TASK)


def test_every_member_that_is_refused_says_what_is_there_instead() -> None:
    assert [path for path in REFUSED if not RUN_TASK[path].why] == []


def test_the_reference_page_is_the_one_that_is_made_from_the_table() -> None:
    assert RUN_TASK_PAGE.read_text(encoding="utf-8") == render_run_task()


@pytest.mark.parametrize("path", REFUSED)
def test_no_marker_takes_a_member_that_is_refused(path: str) -> None:
    name = re.sub(r"([A-Z]+)", r"_\1", path.rpartition(".")[2].removesuffix("[]")).lower()
    marker = "ecs_overrides" if path.startswith("overrides.containerOverrides[].") else "ecs_taskdef"

    with pytest.raises(MarkerError, match=name):
        call_checked(marker, ["app"], {name: "x"})


@pytest.mark.parametrize(
    ("path", "member"), [(path, member) for path, member in RUN_TASK.items() if member.asked_by]
)
def test_a_marker_takes_a_member_that_is_honoured(path: str, member: RunMember) -> None:
    assert member.fate is Fate.HONOURED
    assert member.asked_by is not None
    marker, argument = member.asked_by

    assert argument in inspect.signature(MARKS[marker]).parameters


def test_an_override_reaches_the_plan_with_each_of_its_members() -> None:
    override = ContainerOverride("app", ("run",), {"SIZE": "9"}, "other:2", 128, 256)
    plan = make_plan(
        RunTaskRequest(parse_task_definition(DOCUMENT), overrides=(override,), launch_type=LaunchType.EC2),
        task_id="f" * 32,
    )

    [container] = plan.containers
    assert container.definition.command == ("run",)
    assert {"COLOUR": "red", "SIZE": "9"}.items() <= container.environment.items()
    assert (container.image, container.definition.cpu, container.definition.memory_mib) == (
        "other:2",
        128,
        256,
    )


@pytest.mark.parametrize(
    ("launch_type", "fargate"), [(LaunchType.EC2, False), (LaunchType.FARGATE, True), (None, False)]
)
def test_a_launch_type_decides_which_rules_apply(launch_type: LaunchType | None, fargate: bool) -> None:
    request = RunTaskRequest(parse_task_definition(DOCUMENT), launch_type=launch_type)

    assert make_plan(request, task_id="f" * 32).fargate is fargate


def overridden(**members: Any) -> dict[str, Any]:
    return {"overrides": {"containerOverrides": [{"name": "app", **members}]}}


# A request that has the member, beside taskDefinition.
CALLS: dict[str, dict[str, Any]] = {
    "taskDefinition": {"taskDefinition": "other"},
    "count": {"count": 2},
    "launchType": {"launchType": "FARGATE"},
    "overrides": overridden(cpu=64),
    "overrides.containerOverrides[]": overridden(cpu=64),
    "overrides.containerOverrides[].name": overridden(cpu=64),
    "overrides.containerOverrides[].command": overridden(command=["run"]),
    "overrides.containerOverrides[].environment[]": overridden(environment=[{"name": "A", "value": "b"}]),
    "overrides.containerOverrides[].environment[].name": overridden(environment=[{"name": "A"}]),
    "overrides.containerOverrides[].environment[].value": overridden(
        environment=[{"name": "COLOUR", "value": "b"}]
    ),
    "overrides.containerOverrides[].cpu": overridden(cpu=64),
    "overrides.containerOverrides[].memory": overridden(memory=256),
    "overrides.containerOverrides[].memoryReservation": overridden(memoryReservation=32),
    "overrides.containerOverrides[].environmentFiles[]": overridden(
        environmentFiles=[{"type": "s3", "value": "arn:aws:s3:::bucket/a.env"}]
    ),
    "overrides.containerOverrides[].resourceRequirements[]": overridden(
        resourceRequirements=[{"type": "GPU", "value": "1"}]
    ),
    "overrides.cpu": {"overrides": {"cpu": "512"}},
    "overrides.memory": {"overrides": {"memory": "2048"}},
    "overrides.taskRoleArn": {"overrides": {"taskRoleArn": "arn:aws:iam::123456789012:role/other"}},
    "overrides.executionRoleArn": {"overrides": {"executionRoleArn": "arn:aws:iam::123456789012:role/other"}},
    "overrides.ephemeralStorage": {"overrides": {"ephemeralStorage": {"sizeInGiB": 30}}},
    "overrides.inferenceAcceleratorOverrides[]": {
        "overrides": {"inferenceAcceleratorOverrides": [{"deviceName": "a", "deviceType": "b"}]}
    },
    "capacityProviderStrategy[]": {"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
    "cluster": {"cluster": "shop"},
    "enableECSManagedTags": {"enableECSManagedTags": True},
    "enableExecuteCommand": {"enableExecuteCommand": True},
    "group": {"group": "batch"},
    "networkConfiguration": {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-9"]}}},
    "placementConstraints[]": {"placementConstraints": [{"type": "distinctInstance"}]},
    "placementStrategy[]": {"placementStrategy": [{"type": "random"}]},
    "platformVersion": {"platformVersion": "1.4.0"},
    "propagateTags": {"propagateTags": "TASK_DEFINITION"},
    "referenceId": {"referenceId": "me"},
    "startedBy": {"startedBy": "me"},
    "tags[]": {"tags": [{"key": "team", "value": "shop"}]},
    "clientToken": {"clientToken": "once"},
    "volumeConfigurations[]": {"volumeConfigurations": [{"name": "disk"}]},
}


def orders_of(**request: Any) -> list[RunTaskRequest]:
    """Return what is run for two calls of RunTask that are alike, without what DescribeTasks alone shows."""
    world = EcsWorld()
    world.call("CreateCluster", clusterName="shop")
    for family in ("web", "other"):
        world.call("RegisterTaskDefinition", **{**DOCUMENT, "family": family, "tags": TAGS})
    base = {"taskDefinition": "web", "networkConfiguration": SUBNETS}
    for _ in range(2):
        world.call("RunTask", **{**base, **request})
    asked = [order.request for order in world.orders if isinstance(order, StartTask)]
    return [
        replace(
            each,
            overrides=tuple(one for one in each.overrides if one != ContainerOverride(one.name)),
            group=None,
            started_by=None,
            subnet=None,
            shown={},
        )
        for each in asked
    ]


@pytest.mark.parametrize(("path", "member"), RUN_TASK.items())
def test_a_call_has_the_members_that_it_is_said_to_have(path: str, member: RunMember) -> None:
    same = orders_of(**CALLS[path]) == orders_of()

    assert same is (member.api is Fate.RECORDED)

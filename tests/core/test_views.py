"""DescribeTasks' shape and EventBridge's, checked against the service's own model."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import botocore.loaders
import pytest
from botocore.model import ListShape, ServiceModel, StructureShape

from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.views import describe_task, iso_time, state_change_event
from simulation import Behaviour, Simulation

DOCUMENT = {
    "family": "web",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "containerDefinitions": [
        {
            "name": "web",
            "image": "web:1",
            "memoryReservation": 64,
            "portMappings": [{"containerPort": 80}],
            "healthCheck": {"command": ["CMD", "true"]},
            "environment": [{"name": "SECRET_IN_PLAIN", "value": "hunter2"}],
        },
        {"name": "init", "image": "init:1", "essential": False},
    ],
}


def wall(moment):
    return datetime.fromtimestamp(1_769_860_800 + moment, UTC)


@pytest.fixture
def simulation():
    return Simulation(parse_task_definition(DOCUMENT, "test"), {"init": Behaviour(exits_after=0.1)})


@pytest.fixture(scope="session")
def task_shape():
    loader = botocore.loaders.create_loader()
    return ServiceModel(loader.load_service_model("ecs", "service-2"), "ecs").shape_for("Task")


def problems(value, shape, path="task"):
    """Yield where a value differs from what botocore would give for a shape."""
    match shape:
        case StructureShape():
            for key, inner in value.items():
                if key not in shape.members:
                    yield f"{path}.{key} is not in the model"
                else:
                    yield from problems(inner, shape.members[key], f"{path}.{key}")
        case ListShape():
            for index, inner in enumerate(value):
                yield from problems(inner, shape.member, f"{path}[{index}]")
        case _:
            types = {"string": str, "integer": int, "long": int, "boolean": bool, "timestamp": datetime}
            if not isinstance(value, types[shape.type_name]):
                yield f"{path} is a {type(value).__name__}, the model says {shape.type_name}"
            if getattr(shape, "enum", None) and value not in shape.enum:
                yield f"{path} {value!r} is not one of {shape.enum}"


def test_every_state_of_a_task_has_the_models_shape(simulation, task_shape):
    simulation.stop(at=5)
    simulation.run()

    views = [describe_task(task, wall) for task in (*simulation.changes, simulation.task)]

    assert [problem for view in views for problem in problems(view, task_shape)] == []
    assert {view["lastStatus"] for view in views} >= {"PROVISIONING", "RUNNING", "STOPPED"}


def test_a_description_is_json_but_for_its_times(simulation):
    simulation.run(until=2)

    view = describe_task(simulation.task, lambda moment: 0.0)

    assert json.loads(json.dumps(view))["taskArn"].startswith(
        "arn:aws:ecs:us-east-1:123456789012:task/default/"
    )


def test_keys_are_absent_while_their_value_is_unknown(simulation):
    first = describe_task(simulation.run(until=0), wall)
    simulation.run(until=2)
    running = describe_task(simulation.task, wall)

    for key in ("startedAt", "stoppedAt", "stopCode", "stoppedReason", "executionStoppedAt"):
        assert key not in first
    web, init = running["containers"]
    assert "exitCode" not in web
    assert init["exitCode"] == 0
    assert running["startedAt"] == wall(simulation.task.started_at)
    assert (running["cpu"], running["memory"], web["cpu"]) == ("256", "512", "0")
    assert web["memoryReservation"] == "64"
    assert "memory" not in web


def test_an_awsvpc_task_has_an_interface(simulation):
    simulation.run(until=2)

    view = describe_task(simulation.task, wall)
    event = state_change_event(simulation.task, wall=wall, event_id="0", at=2)

    attachment = view["attachments"][0]
    sandbox = simulation.task.sandboxes["task"]
    assert attachment["type"] == "ElasticNetworkInterface"
    assert attachment["status"] == "ATTACHED"
    assert {"name": "privateIPv4Address", "value": sandbox.address} in attachment["details"]
    assert view["containers"][0]["networkBindings"] == []
    assert view["containers"][0]["networkInterfaces"][0]["attachmentId"] == attachment["id"]
    assert event["detail"]["attachments"][0]["type"] == "eni"


def test_the_event_is_an_envelope_of_strings(simulation):
    simulation.run(until=2)

    event = state_change_event(simulation.task, wall=wall, event_id="an-id", at=1.25)

    assert json.loads(json.dumps(event)) == event
    detail = event.pop("detail")
    assert event == {
        "version": "0",
        "id": "an-id",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": "2026-01-31T12:00:01Z",
        "region": "us-east-1",
        "resources": [simulation.task.plan.arn],
    }
    assert detail["updatedAt"] == "2026-01-31T12:00:01.250Z"
    assert detail["group"] == "family:web"
    assert detail["overrides"]["containerOverrides"] == [{"name": "web"}, {"name": "init"}]
    assert "hunter2" not in json.dumps(detail)


def test_the_event_of_a_stopped_task_tells_why_and_with_which_exit_codes(simulation):
    simulation.stop(at=5)
    simulation.run()

    detail = state_change_event(simulation.task, wall=wall, event_id="an-id", at=9)["detail"]

    assert (detail["lastStatus"], detail["desiredStatus"]) == ("STOPPED", "STOPPED")
    assert (detail["stopCode"], detail["stoppedReason"]) == ("UserInitiated", "enough")
    containers = {each["name"]: each for each in detail["containers"]}
    assert (containers["web"]["exitCode"], containers["init"]["exitCode"]) == (143, 0)
    assert {each["lastStatus"] for each in containers.values()} == {"STOPPED"}
    assert containers["web"]["containerArn"].startswith(
        f"arn:aws:ecs:us-east-1:123456789012:container/default/{simulation.task.plan.task_id}/"
    )


def test_versions_rise_with_each_change(simulation):
    simulation.stop(at=5)
    simulation.run()

    versions = [describe_task(task, wall)["version"] for task in simulation.changes]

    assert versions == sorted(set(versions))


def test_iso_time_is_utc_with_milliseconds():
    assert iso_time(wall(0.12)) == "2026-01-31T12:00:00.120Z"

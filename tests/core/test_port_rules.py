"""Every rule between port mappings, and its text."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.errors import TaskDefinitionError

ONE_ADDRESS = "under awsvpc all containers share one address"


def definition(mode: str, **ports: list[dict[str, Any]]) -> dict[str, Any]:
    containers = [
        {"name": name, "image": "busybox:1", "memory": 64, "portMappings": mappings}
        for name, mappings in ports.items()
    ]
    return {"family": "web", "networkMode": mode, "containerDefinitions": containers}


def problems(document: dict[str, Any]) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(document)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("mode", "app", "db", "expected"),
    [
        (
            "awsvpc",
            [{"containerPort": 80}],
            [{"containerPort": 80}],
            "[1].portMappings[0].containerPort: TCP host port '80' is mapped multiple times in task. It is mapped in app and "
            f"db; {ONE_ADDRESS}",
        ),
        (
            "host",
            [{"containerPort": 80}],
            [{"containerPort": 80, "hostPort": 80}],
            "[1].portMappings[0].containerPort: TCP host port '80' is mapped multiple times in task. It is mapped in app and "
            "db; under host all containers share one address",
        ),
        (
            "awsvpc",
            [{"containerPort": 80}, {"containerPort": 80}],
            [],
            "[0].portMappings[1].containerPort: TCP host port '80' is mapped multiple times in task. It is mapped in app; "
            f"{ONE_ADDRESS}",
        ),
        (
            "awsvpc",
            [{"containerPort": 8005}],
            [{"containerPortRange": "8000-8010"}],
            "[1].portMappings[0].containerPortRange: TCP container port '8005' is used multiple times in task when "
            f"networkMode=awsvpc. It is mapped in app and db; {ONE_ADDRESS}",
        ),
        (
            "awsvpc",
            [{"containerPortRange": "8000-8010"}, {"containerPortRange": "8010-8020"}],
            [],
            "[0].portMappings[1].containerPortRange: TCP container port '8010' is used multiple times in task when "
            f"networkMode=awsvpc. It is mapped in app; {ONE_ADDRESS}",
        ),
        (
            "bridge",
            [{"containerPort": 80, "hostPort": 8080}],
            [{"containerPort": 90, "hostPort": 8080}],
            "[1].portMappings[0].hostPort: TCP host port '8080' is mapped multiple times in task. It is mapped in app and db",
        ),
    ],
)
def test_a_port_is_taken_once(
    mode: str, app: list[dict[str, Any]], db: list[dict[str, Any]], expected: str
) -> None:
    assert problems(definition(mode, app=app, db=db)) == [f"containerDefinitions{expected}"]


@pytest.mark.parametrize(
    ("mode", "app", "db"),
    [
        ("awsvpc", [{"containerPort": 53}, {"containerPort": 53, "protocol": "udp"}], []),
        ("awsvpc", [{"containerPortRange": "8000-8010"}], [{"containerPort": 8011}]),
        ("bridge", [{"containerPort": 80}], [{"containerPort": 80}]),
        ("bridge", [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 80, "hostPort": 8081}], []),
        ("bridge", [{"containerPortRange": "8000-8010"}], [{"containerPortRange": "8000-8010"}]),
    ],
)
def test_ports_that_do_not_meet_are_taken(
    mode: str, app: list[dict[str, Any]], db: list[dict[str, Any]]
) -> None:
    assert len(parse_task_definition(definition(mode, app=app, db=db)).containers) == 2


def test_a_wide_range_beside_two_single_ports_is_told_for_each() -> None:
    wide = [{"containerPortRange": "1-60000"}]
    found = problems(definition("awsvpc", a=wide, b=[{"containerPort": 10}], c=[{"containerPort": 20}]))

    assert [each.partition(":")[0] for each in found] == [
        "containerDefinitions[1].portMappings[0].containerPort",
        "containerDefinitions[2].portMappings[0].containerPort",
    ]


def test_the_name_of_a_port_is_its_own_under_awsvpc() -> None:
    ports = {name: [{"containerPort": port, "name": "http"}] for name, port in {"app": 80, "db": 81}.items()}

    assert problems(definition("awsvpc", **ports)) == [
        "containerDefinitions[1].portMappings[0].name: When networkMode=awsvpc, port mapping name is already used: 'http'"
    ]
    assert parse_task_definition(definition("bridge", **ports)).containers


@pytest.mark.parametrize("name", ["Web", "-web", "web.1"])
def test_the_name_of_a_port_has_its_own_letters(name: str) -> None:
    assert problems(definition("awsvpc", app=[{"containerPort": 80, "name": name}])) == [
        f"containerDefinitions[0].portMappings[0].name: '{name}' is not a port's name: lower-case letters, digits, "
        "underscores and hyphens are allowed, and no hyphen at the beginning"
    ]


@pytest.mark.parametrize("name", ["web-80-tcp", "_", "<PORT_NAME>", "8080"])
def test_the_names_of_ports_that_ecs_takes_are_taken(name: str) -> None:
    parsed = parse_task_definition(definition("awsvpc", app=[{"containerPort": 80, "name": name}]))

    assert parsed.containers[0].port_mappings[0].name == name

"""Which containers share which namespaces, and what the engine is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core import effects
from pytest_ecs_tasks.core.containers import container_spec
from pytest_ecs_tasks.core.model import StopCode
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import TaskPlan, make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.sandboxes import NAMESPACES, TASK_SANDBOX
from pytest_ecs_tasks.core.spec import ContainerSpec
from pytest_ecs_tasks.core.taskdef import Device, NetworkMode
from pytest_ecs_tasks.runtimes.bodies import container_body
from simulation import Behaviour, Simulation, container, task


def plan(mode: str, *containers: dict[str, Any], **fields: Any) -> TaskPlan:
    document = {
        "family": "web",
        "networkMode": mode,
        "memory": "512",
        "containerDefinitions": [{"image": "busybox:1", **each} for each in containers or ({"name": "app"},)],
        **fields,
    }
    return make_plan(RunTaskRequest(parse_task_definition(document)), task_id="0" * 32)


@pytest.mark.parametrize(
    ("mode", "field", "value", "keys", "holder"),
    [
        ("awsvpc", "pidMode", "task", [TASK_SANDBOX], TASK_SANDBOX),
        ("awsvpc", "ipcMode", "task", [TASK_SANDBOX], TASK_SANDBOX),
        ("bridge", "pidMode", "task", [NAMESPACES, "app"], NAMESPACES),
        ("host", "ipcMode", "task", [NAMESPACES], NAMESPACES),
        ("none", "pidMode", "task", [NAMESPACES], NAMESPACES),
        ("bridge", "pidMode", "host", ["app"], None),
        ("awsvpc", "ipcMode", "none", [TASK_SANDBOX], None),
    ],
)
def test_a_namespace_of_the_task_has_a_holder(
    mode: str, field: str, value: str, keys: list[str], holder: str | None
) -> None:
    made = plan(mode, **{field: value})

    assert [each.key for each in made.sandboxes] == keys
    assert made.namespace_holder == holder


@pytest.mark.parametrize(("mode", "plain"), [("task", False), ("host", True), ("none", True)])
def test_only_a_sandbox_whose_ipc_is_shared_is_not_plain(mode: str, plain: bool) -> None:
    [sandbox] = plan("awsvpc", ipcMode=mode).sandboxes

    assert (sandbox.plain, sandbox.shareable_ipc) == (plain, not plain)


def test_a_container_without_networking_has_no_sandbox_and_no_links_to_it() -> None:
    made = plan(
        "bridge",
        {"name": "app", "links": ["job", "db"]},
        {"name": "job", "disableNetworking": True},
        {"name": "db"},
    )

    assert [each.sandbox for each in made.containers] == ["app", None, "db"]
    assert [each.key for each in made.sandboxes] == ["app", "db"]
    assert made.sandboxes[0].links == (("db", "db"),)


def spec_of(mode: str, fields: dict[str, Any] | None = None, **task_fields: Any) -> ContainerSpec:
    made = plan(mode, {"name": "app", **(fields or {})}, **task_fields)
    run = Simulation(made.definition, {"app": Behaviour()})
    run.run(until=1)
    return container_spec(
        run.task, run.task.container("app"), labels={}, secrets={}, aws_environment={}, agent_environment={}
    )


@pytest.mark.parametrize(
    ("mode", "task_fields", "expected"),
    [
        ("awsvpc", {"pidMode": "task"}, {"PidMode": "container:"}),
        (
            "bridge",
            {"pidMode": "task", "ipcMode": "task"},
            {"PidMode": "container:", "IpcMode": "container:"},
        ),
        ("host", {"pidMode": "host", "ipcMode": "host"}, {"PidMode": "host", "IpcMode": "host"}),
        ("none", {"ipcMode": "none"}, {"IpcMode": "none"}),
        ("awsvpc", {}, {}),
    ],
)
def test_shared_namespaces_reach_the_engine(
    mode: str, task_fields: dict[str, str], expected: dict[str, str]
) -> None:
    config = container_body(spec_of(mode, **task_fields))["HostConfig"]

    found = {name: config[name] for name in ("PidMode", "IpcMode") if name in config}
    assert found.keys() == expected.keys()
    assert all(found[name].startswith(text) for name, text in expected.items())


def test_devices_swap_and_security_options_reach_the_engine() -> None:
    devices = [
        {"hostPath": "/dev/fuse"},
        {"hostPath": "/dev/zero", "containerPath": "/dev/z", "permissions": ["read", "mknod"]},
    ]
    spec = spec_of(
        "awsvpc",
        {
            "memory": 64,
            "linuxParameters": {"devices": devices, "maxSwap": 16, "swappiness": 0},
            "dockerSecurityOptions": ["no-new-privileges", "label:type:app_t"],
        },
    )

    assert spec.devices == (Device("/dev/fuse", "/dev/fuse", "rwm"), Device("/dev/zero", "/dev/z", "rm"))
    config = container_body(spec)["HostConfig"]
    assert config["Devices"][1] == {
        "PathOnHost": "/dev/zero",
        "PathInContainer": "/dev/z",
        "CgroupPermissions": "rm",
    }
    assert (config["Memory"], config["MemorySwap"], config["MemorySwappiness"]) == (64 << 20, 80 << 20, 0)
    assert config["SecurityOpt"] == ["no-new-privileges", "label:type:app_t"]


@pytest.mark.parametrize(
    ("linux", "swap", "swappiness"),
    [({"maxSwap": 0}, 512 << 20, None), ({"swappiness": 10}, None, None), ({}, None, None)],
)
def test_swap_counts_beside_the_tasks_memory_and_swappiness_beside_max_swap_only(
    linux: dict[str, int], swap: int | None, swappiness: int | None
) -> None:
    spec = spec_of("awsvpc", {"linuxParameters": linux})

    assert (spec.memory_and_swap, spec.swappiness) == (swap, swappiness)


@pytest.mark.parametrize("mode", ["bridge", "host"])
def test_a_container_without_networking_gets_none(mode: str) -> None:
    assert spec_of(mode, {"disableNetworking": True}).network == "none"


def test_a_network_of_a_containers_own_that_cannot_be_had_is_the_containers_failure() -> None:
    run = Simulation(
        task(container("web"), container("side", essential=False), network=NetworkMode.BRIDGE),
        sandbox_errors={"side": "port is already allocated"},
    )

    run.run(until=5)

    side = run.container("side")
    assert (side.stopped, side.reason) == (True, "CannotStartContainerError: port is already allocated")
    assert run.container("web").status.name == "RUNNING"


def test_a_task_whose_essential_container_has_no_network_does_not_start() -> None:
    run = Simulation(
        task(container("web"), network=NetworkMode.BRIDGE),
        sandbox_errors={"web": "port is already allocated"},
    )

    ended = run.run()

    assert ended.stop_code is StopCode.TASK_FAILED_TO_START
    assert ended.stopped_reason == "CannotStartContainerError: port is already allocated"
    assert run.times(effects.CreateContainer, "web") == []

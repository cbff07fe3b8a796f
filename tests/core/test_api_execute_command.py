"""ExecuteCommand's rules, with tasks on paper."""

from __future__ import annotations

from typing import Any

import pytest

from ecs_model import check_request
from ecs_world import ACCOUNT, REGION, EcsWorld, arn
from pytest_ecs_tasks.core import events
from pytest_ecs_tasks.core.api import calls

NOT_ENABLED = "InvalidParameterException: The execute command failed because execute command was not enabled"


@pytest.fixture
def ecs() -> EcsWorld:
    ecs = EcsWorld()
    ecs.register()
    return ecs


def running(ecs: EcsWorld, **members: Any) -> str:
    """Run a task until its containers run; return its ARN."""
    task = ecs.run(enableExecuteCommand=True, **members)
    befall(ecs, task)
    return task


def befall(ecs: EcsWorld, task: str) -> None:
    names = [each.name for each in ecs.tasks[task.rpartition("/")[2]].containers]
    ecs.post(task, events.TaskSubmitted(), events.SecretsResolved(), events.VolumesReady())
    for name in names:
        ecs.post(task, events.SandboxReady(name, f"sandbox-{name}", "10.0.0.2", None, None))
    ecs.post(task, events.ImageReady("busybox", "sha256:1", None, None))
    for name in names:
        ecs.post(task, events.LogOpened(name), events.ContainerCreated(name, f"id-{name}"))
        ecs.post(task, events.ContainerStarted(name, 0))


def execute(ecs: EcsWorld, task: str, **members: Any) -> dict[str, Any]:
    request = {"task": task, "command": "sh", "interactive": True, **members}
    check_request("ExecuteCommand", request)
    return ecs.raw("ExecuteCommand", request)


def refused(ecs: EcsWorld, task: str, **members: Any) -> str:
    return ecs.refused("ExecuteCommand", **{"task": task, "command": "sh", "interactive": True, **members})


def test_a_session_is_opened_for_the_only_container(ecs):
    task = running(ecs)

    answer = execute(ecs, task, command="ls -l")

    order = ecs.orders[-1]
    assert isinstance(order, calls.OpenSession)
    assert (order.container, order.command) == ("app", "ls -l")
    assert order.session_id.startswith("ecs-execute-command-0")
    assert order.target == f"ecs:default_{task.rpartition('/')[2]}_id-app"
    assert answer["containerArn"].startswith(f"arn:aws:ecs:{REGION}:{ACCOUNT}:container/default/")
    assert (answer["containerName"], answer["interactive"]) == ("app", True)
    assert (answer["clusterArn"], answer["taskArn"]) == (arn("cluster/default"), task)
    assert "ls -l" not in repr(order)


def test_the_agent_is_told_of_beside_its_container(ecs):
    task = running(ecs)

    (container,) = ecs.call("DescribeTasks", tasks=[task])["tasks"][0]["containers"]

    (agent,) = container["managedAgents"]
    assert (agent["name"], agent["lastStatus"]) == ("ExecuteCommandAgent", "RUNNING")
    plain = ecs.run()
    assert "managedAgents" not in ecs.call("DescribeTasks", tasks=[plain])["tasks"][0]["containers"][0]


def test_it_has_to_be_enabled_when_the_task_is_run(ecs):
    task = ecs.run()
    befall(ecs, task)

    assert refused(ecs, task).startswith(NOT_ENABLED)


def test_a_fixtures_task_needs_nothing(ecs):
    task = ecs.adopt()
    befall(ecs, task)

    assert execute(ecs, task)["containerName"] == "app"


def test_the_container_has_to_run(ecs):
    early = ecs.run(enableExecuteCommand=True)
    ended = running(ecs)
    ecs.post(ended, events.ContainerInspected("app", 0, False, 0))

    assert refused(ecs, early).startswith(NOT_ENABLED)
    assert refused(ecs, ended).startswith(NOT_ENABLED)


def test_interactive_is_the_only_mode(ecs):
    task = running(ecs)

    refusal = refused(ecs, task, interactive=False)

    assert refusal == "InvalidParameterException: Interactive is the only mode supported currently."


def test_one_of_several_containers_has_to_be_named(ecs):
    containers = [{"name": name, "image": "busybox", "memory": 64} for name in ("app", "proxy")]
    ecs.register("two", containerDefinitions=containers)
    task = running(ecs, task_definition="two")

    assert "container is needed: the task has app, proxy" in refused(ecs, task)
    assert "container is none; the task has app, proxy" in refused(ecs, task, container="none")
    assert execute(ecs, task, container="proxy")["containerName"] == "proxy"


def test_a_read_only_root_keeps_the_agent_from_running(ecs):
    container = {"name": "app", "image": "busybox", "memory": 64, "readonlyRootFilesystem": True}
    ecs.register("sealed", containerDefinitions=[container])
    mount = {"sourceVolume": "agent", "containerPath": "/var/lib/amazon"}
    ecs.register(
        "open", containerDefinitions=[{**container, "mountPoints": [mount]}], volumes=[{"name": "agent"}]
    )

    assert refused(ecs, running(ecs, task_definition="sealed")).startswith("TargetNotConnectedException")
    assert execute(ecs, running(ecs, task_definition="open"))["containerName"] == "app"


@pytest.mark.parametrize(
    ("members", "refusal"),
    [
        ({"task": "0" * 32}, "InvalidParameterException: The referenced task was not found."),
        ({"task": "short"}, "InvalidParameterException: taskId length should be one of [32,36]"),
        ({"cluster": "none"}, "ClusterNotFoundException: Cluster not found."),
    ],
)
def test_what_is_not_there_is_refused(ecs, members, refusal):
    assert refused(ecs, **{"task": running(ecs), **members}) == refusal


def test_what_is_needed_is_asked_for(ecs):
    with pytest.raises(calls.ApiError, match="ExecuteCommand needs interactive"):
        ecs.raw("ExecuteCommand", {"task": "0" * 32, "command": "sh"})

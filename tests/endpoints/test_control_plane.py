"""The ECS of one AWS, with tasks that are simulated: what happens when the world does not play along."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from ecs_model import check_answer, check_request
from exec_client import ExecClient
from pytest_ecs_tasks.clusters.control_plane import ControlPlane, Launched
from pytest_ecs_tasks.core.api import machine
from pytest_ecs_tasks.core.api.calls import ApiError
from pytest_ecs_tasks.core.api.project import Project
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.endpoints.ecs_api import EcsApiServer
from pytest_ecs_tasks.engine.protection import Protection
from pytest_ecs_tasks.errors import EngineUnavailable, UnsupportedFieldWarning
from pytest_ecs_tasks.testing.clock import FakeClock
from pytest_ecs_tasks.testing.task import FakeAws, FakeTask

CONTAINER = {"name": "app", "image": "app:1", "memory": 64, "command": ["serve"]}


class World:
    """A control plane, and the tasks that it has run."""

    def __init__(self, *, strict: bool = False) -> None:
        self.clock = FakeClock()
        self.server = EcsApiServer()
        self.aws = FakeAws(1)
        self.controls: list[FakeTask] = []
        self.fails_at: int | None = None
        self.before_start: list[Any] = []
        self.ecs = ControlPlane(self.aws, self.server, self.run, self.clock, strict=strict)

    def run(self, request: RunTaskRequest, task_id: str, observe: object) -> Launched:
        for action in self.before_start:
            action()
        if self.fails_at == len(self.controls):
            raise EngineUnavailable("no container engine answered")
        self.controls.append(FakeTask(request, task_id, self.aws))
        return Launched(self.controls[-1], Protection(self.clock))

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        check_request(operation, request)
        answer = dict(self.ecs.call(operation, request, None))
        check_answer(operation, answer)
        return answer

    def register(self, **members: Any) -> None:
        self.call(
            "RegisterTaskDefinition", **{"family": "web", "containerDefinitions": [CONTAINER], **members}
        )


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.ecs.close()
    world.server.close()


def test_nothing_listens_until_the_url_is_asked_for(world):
    assert world.server._server is None

    assert world.ecs.url == world.ecs.url


def test_tasks_that_cannot_be_started_are_an_error_and_are_forgotten_and_those_before_them_are_not(world):
    world.register()
    world.fails_at = 1

    with pytest.raises(ApiError, match="no container engine answered"):
        world.call("RunTask", taskDefinition="web", count=3, clientToken="t")

    assert len(world.call("ListTasks")["taskArns"]) == 1
    world.fails_at = None
    assert len(world.call("RunTask", taskDefinition="web", count=3, clientToken="t")["tasks"]) == 3


def test_the_end_of_the_aws_removes_every_task_that_it_has_started(world):
    world.register()
    world.call("RunTask", taskDefinition="web", count=3)

    world.ecs.close()

    assert all(control.snapshot().removed for control in world.controls)
    with pytest.raises(ApiError, match="this ECS is gone"):
        world.call("ListTasks")


def test_a_task_that_starts_while_its_aws_ends_is_removed_too(world):
    world.register()
    world.before_start.append(world.ecs.close)

    with pytest.raises(ApiError, match="this ECS is gone"):
        world.call("RunTask", taskDefinition="web")

    assert [control.snapshot().removed for control in world.controls] == [True]


def test_tasks_that_are_let_go_outlive_the_aws(world):
    world.register()
    world.call("RunTask", taskDefinition="web")

    (task,) = world.ecs.let_go()
    world.ecs.close()

    assert task.arn == world.controls[0].snapshot().plan.arn
    assert not world.controls[0].snapshot().removed


def test_who_watches_is_told_of_each_task(world):
    world.register()
    seen: list[str] = []
    world.ecs.configure(Project({"app:1": "app:local"}), lambda task: seen.append(task.arn))

    arns = [task["taskArn"] for task in world.call("RunTask", taskDefinition="web", count=2)["tasks"]]

    assert seen == arns
    assert world.controls[0].snapshot().plan.containers[0].image == "app:local"


UNSUPPORTED = {"enableFaultInjection": True}


def test_a_field_that_is_not_emulated_is_warned_of_as_for_a_file(world):
    with pytest.warns(UnsupportedFieldWarning, match="enableFaultInjection"):
        world.register(**UNSUPPORTED)


def test_where_warnings_are_errors_such_a_definition_is_refused(world):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ApiError, match="enableFaultInjection"):
            world.register(**UNSUPPORTED)

    assert world.call("ListTaskDefinitions")["taskDefinitionArns"] == []


def test_under_ecs_strict_such_a_definition_is_refused():
    world = World(strict=True)

    with pytest.raises(ApiError, match=r"fields that are not emulated \(ecs_strict\)"):
        world.register(**UNSUPPORTED)

    world.ecs.close()


def test_a_client_token_that_comes_twice_at_once_runs_one_task_and_both_are_told_of_it(world):
    world.register()
    second: list[dict[str, Any]] = []
    thread = threading.Thread(
        target=lambda: second.append(world.call("RunTask", taskDefinition="web", clientToken="t"))
    )
    world.before_start.append(lambda: thread.ident or thread.start())
    world.before_start.append(lambda: thread.join(0.3))  # it waits for the one that is being started

    first = world.call("RunTask", taskDefinition="web", clientToken="t")
    thread.join(60)

    assert len(world.controls) == 1
    assert [task["taskArn"] for task in second[0]["tasks"]] == [task["taskArn"] for task in first["tasks"]]


def test_what_is_forgotten_while_a_request_is_under_way_is_an_error_that_says_so(world, monkeypatch):
    world.register()
    arn = world.call("RunTask", taskDefinition="web")["tasks"][0]["taskArn"]
    answer = machine.answer

    def answer_and_forget(*arguments: Any) -> Any:
        outcome = answer(*arguments)
        world.ecs.reset()
        return outcome

    monkeypatch.setattr(machine, "answer", answer_and_forget)

    with pytest.raises(ApiError, match="was forgotten meanwhile"):
        world.call("StopTask", task=arn)


def test_a_session_of_executecommand_leads_to_the_container_and_ends_with_the_aws(world):
    world.register()
    task = world.call("RunTask", taskDefinition="web", enableExecuteCommand=True)["tasks"][0]["taskArn"]

    answer = world.call("ExecuteCommand", task=task, command="sh -c 'echo \"two words\"'", interactive=True)
    client = ExecClient(answer["session"])
    client.read_until(b"\r\n")
    world.ecs.close()
    client.read_to_the_end()
    client.close()

    assert client.shown == b"app: ['sh', '-c', 'echo \"two words\"']\r\n"
    assert world.controls[0].terminals[0].closed.wait(60)


def test_a_command_of_executecommand_that_is_no_list_of_words_ends_with_the_reason(world):
    world.register()
    task = world.call("RunTask", taskDefinition="web", enableExecuteCommand=True)["tasks"][0]["taskArn"]

    client = ExecClient(
        world.call("ExecuteCommand", task=task, command="sh -c 'open", interactive=True)["session"]
    )
    client.read_to_the_end()
    client.close()

    assert client.closed is not None
    assert "Failed to parse commands input: No closing quotation" in client.closed

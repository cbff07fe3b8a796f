"""ExecuteCommand in real containers: with a client that follows session-manager-plugin, and with the AWS CLI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import exec_client
from ecs_model import check_answer
from exec_client import ExecClient
from pytest_ecs_tasks.aws.handle import Aws
from tasks import BUSYBOX

ALIVE = "trap exit TERM; sleep 600 & wait"
GONE = "while grep -l 'sleep.432[1]' /proc/[0-9]*/cmdline; do sleep 0.2; done; echo go''ne"
Open = Callable[..., ExecClient]


@pytest.fixture
def ecs(aws: Aws) -> Any:
    return aws.client("ecs")


@pytest.fixture
def task(ecs: Any) -> str:
    """Run a task of a container that is not root, with ECS Exec; return its ARN."""
    container = {
        "name": "app",
        "image": BUSYBOX,
        "memory": 64,
        "user": "1000",
        "command": ["sh", "-c", ALIVE],
        "environment": [{"name": "DAY", "value": "sunday"}],
    }
    ecs.register_task_definition(family="job", containerDefinitions=[container])
    arn = ecs.run_task(taskDefinition="job", enableExecuteCommand=True)["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(tasks=[arn], WaiterConfig={"Delay": 1})
    return str(arn)


@pytest.fixture
def open_session(ecs: Any, task: str) -> Iterator[Open]:
    clients: list[ExecClient] = []

    def open_session(command: str) -> ExecClient:
        answer = ecs.execute_command(task=task, command=command, interactive=True)
        check_answer("ExecuteCommand", answer)
        clients.append(ExecClient(answer["session"]))
        return clients[-1]

    yield open_session
    for client in clients:
        client.close()


def test_a_command_has_a_terminal_the_containers_variables_and_is_root(ecs, task, open_session):
    client = open_session("sh")
    client.resize(133, 40)

    client.type("stty size; tty; id -u; echo $DAY $TERM\r")
    client.read_until(b"sunday xterm-256color")
    client.type("exit 3\r")
    shown = client.read_to_the_end().decode().split("\r\n")

    assert {"40 133", "/dev/pts/0", "0"} <= set(shown)
    assert client.closed == ""
    (container,) = ecs.describe_tasks(tasks=[task])["tasks"][0]["containers"]
    assert [agent["lastStatus"] for agent in container["managedAgents"]] == ["RUNNING"]

    unknown = open_session("nope --help")
    unknown.read_to_the_end()
    assert (
        'Unable to start command: Failed to start pty: exec: "nope": executable file not found'
        in unknown.closed
    )
    missing = open_session("/bin/nope")
    missing.read_to_the_end()
    assert "fork/exec /bin/nope: no such file or directory" in missing.closed


def test_a_command_does_not_outlive_its_client_nor_a_session_its_container(ecs, task, open_session):
    client = open_session("sh -c 'echo begun; sleep 4321; true'")
    client.read_until(b"begun")
    client.close()

    left = open_session("sh")
    left.type(f"{GONE}\r")
    left.read_until(b"gone\r\n")

    last = open_session("sh -c 'echo begun; sleep 999'")
    last.read_until(b"begun")
    ecs.stop_task(task=task)
    last.read_to_the_end()
    ecs.get_waiter("tasks_stopped").wait(tasks=[task], WaiterConfig={"Delay": 1})
    with pytest.raises(ClientError, match="the execute command agent isn’t running"):
        ecs.execute_command(task=task, command="sh", interactive=True)


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_the_aws_cli_executes_a_command(aws: Aws, task: str, tmp_path: Path):
    """With the real session-manager-plugin where it is installed, else with ours, which does as it does."""
    environment = {**os.environ, **aws.env}
    if shutil.which("session-manager-plugin") is None:
        plugin = tmp_path / "session-manager-plugin"
        plugin.write_text(f'#!/bin/sh\nexec {sys.executable} {exec_client.__file__} "$@"\n')
        plugin.chmod(0o755)
        environment["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    ran = subprocess.Popen(
        [
            "aws",
            "ecs",
            "execute-command",
            "--interactive",
            "--task",
            task,
            "--command",
            "sh -c 'read x; echo got $x'",
        ],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Its input stays open: the plugin gives up at the end of it.
    ran.stdin.write("this\n")
    ran.stdin.flush()
    stdout = ran.stdout.read()

    assert ran.wait(60) == 0, ran.stderr.read()
    assert "got this" in stdout
    assert "Exiting session with sessionId: ecs-execute-command-" in stdout
    for pipe in (ran.stdin, ran.stdout, ran.stderr):
        pipe.close()

"""The engine goes away in the middle of a run: everything ends, with the reason, and nothing is left once it is back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from left_over import label_of, wait_for, wait_until_gone

RUN = "pytest-ecs-tasks.run"
SUITE = """
import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SLEEPS = {
    "family": "sleeps",
    "networkMode": "awsvpc",
    "memory": "64",
    "containerDefinitions": [{"name": "c", "image": "pytest-ecs-tasks/busybox:1", "command": ["sleep", "600"]}],
}


@pytest.mark.ecs_taskdef(SLEEPS)
def test_it(ecs_task, ecs_aws):
    ecs = ecs_aws.client("ecs")
    ecs.register_task_definition(**SLEEPS)
    network = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    tasks = [task["taskArn"] for task in ecs.run_task(
        taskDefinition="sleeps", count=2, networkConfiguration=network)["tasks"]]
    often = {"Delay": 1, "MaxAttempts": 100}
    ecs.get_waiter("tasks_running").wait(tasks=tasks, WaiterConfig=often)
    (HERE / "part").write_text(ecs_task["c"].runtime_id)
    (HERE / "part").rename(HERE / "ready")
    ecs.get_waiter("tasks_stopped").wait(tasks=tasks, WaiterConfig=often)
    described = ecs.describe_tasks(tasks=tasks)["tasks"]
    ecs_task.wait_stopped(timeout=100)
    described += ecs.describe_tasks(tasks=[ecs_task.arn])["tasks"]
    (HERE / "ends").write_text(json.dumps([[task["lastStatus"], task["containers"][0]["reason"]] for task in described]))
    assert ecs_task["c"].exit_code == 0
"""


# Stands before the engine's socket. When it is killed, the engine is as good as ended.
GATE = """
import socket, sys, threading

def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(64)
print("open", flush=True)
while True:
    client, _ = listener.accept()
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(sys.argv[2])
    for ends in ((client, engine), (engine, client)):
        threading.Thread(target=copy, args=ends, daemon=True).start()
"""


class Gate:
    """The way to the engine."""

    def __init__(self, path: Path, engine: str) -> None:
        self.path = path
        self._engine = engine
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Let through who connects; returns when it does."""
        command = [sys.executable, "-c", GATE, str(self.path), self._engine]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"open\n"

    def shut(self) -> None:
        """Cut every connection; nobody can connect any more. Safe to call twice."""
        if self._process is not None:
            self.path.unlink()  # first: nobody is refused meanwhile, who would tell of that
            self._process.kill()
            self._process.communicate()
            self._process = None


@pytest.fixture
def gate(tmp_path: Path, engine_url: str) -> Iterator[Gate]:
    gate = Gate(tmp_path / "engine.sock", urlsplit(engine_url).path)
    gate.open()
    yield gate
    gate.shut()


def run_until_the_engine_goes(gate: Gate, directory: Path, engine_url: str) -> tuple[int, str, str]:
    """Return a run's exit status, its output and its label."""
    (directory / "test_it.py").write_text(SUITE)
    log = directory / "run.log"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--ecs-engine=unix://{gate.path}"]
    with log.open("wb") as output:
        run = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        ready = directory / "ready"
        assert wait_for(ready.exists, patience_s=120), log.read_text()
        label = label_of(engine_url, ready.read_text(), RUN)
        gate.shut()
        return run.wait(timeout=250), log.read_text(), label
    finally:
        run.kill()
        run.wait()


def test_tasks_end_with_the_reason_and_nothing_is_left_once_it_is_back(
    gate: Gate, tmp_path: Path, engine_url: str
) -> None:
    status, output, label = run_until_the_engine_goes(gate, tmp_path, engine_url)

    assert status == 1, output
    assert (
        json.loads((tmp_path / "ends").read_text())
        == [["STOPPED", f"CannotInspectContainerError: unix://{gate.path}: No such file or directory"]] * 3
    )
    assert f"could not inspect c: unix://{gate.path}: No such file or directory" in output
    gate.open()
    assert wait_until_gone(engine_url, label, patience_s=60) == []

"""The transcript as a reader sees it."""

from __future__ import annotations

import heapq
import math
import re
from dataclasses import replace

from pytest_ecs_tasks.core import events
from pytest_ecs_tasks.core.explain import explain_stop
from pytest_ecs_tasks.core.lifecycle import advance
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.transcript import TranscriptEntry, render
from simulation import TASK_ID, Behaviour, Simulation


class Recorder(Simulation):
    """A simulation that writes down what it has handled."""

    def record(self, until):
        """Run it and return the transcript."""
        entries = []
        while True:
            due = min(self._queue[0][0] if self._queue else math.inf, self.wake_at)
            if due > until:
                return render(entries, self.task)
            self.now = max(self.now, due)
            is_fact = self._queue and self._queue[0][0] <= self.now
            event = heapq.heappop(self._queue)[2] if is_fact else events.Tick()
            step = advance(self.task, event, self.now)
            ignored = step.task == self.task
            entries.append(
                TranscriptEntry(self.now, event, step.effects, step.task.last_status.value, ignored)
            )
            self.handle(step)


def transcript(containers, behaviours, until=60.0):
    """Run a task on virtual time and return its transcript."""
    definition = parse_task_definition({"family": "web", "containerDefinitions": containers}, "test")
    return Recorder(definition, behaviours).record(until)


def container(name, **fields):
    return {"name": name, "image": f"{name}:1", "memory": 64, **fields}


def test_it_reads_as_fact_order_and_cause():
    containers = [
        container("db", healthCheck={"command": ["CMD", "true"]}, stopTimeout=2),
        container("web", dependsOn=[{"containerName": "db", "condition": "HEALTHY"}]),
    ]

    text = transcript(
        containers, {"db": Behaviour(ignores_sigterm=True), "web": Behaviour(exits_after=5, exit_code=3)}
    )

    assert text.startswith(
        f"web:1 (EC2) arn:aws:ecs:us-east-1:123456789012:task/default/{TASK_ID}\n   0.000  RunTask "
    )
    for part in (
        "-> create db (nothing to wait for)",
        "db: health check passed",
        "-> create web (dependencies met)",
        "the task is RUNNING",
        "web: exited 3",
        "-> send SIGTERM to db (Essential container in task exited)",
        "-> send SIGKILL to db (stopTimeout 2 s passed)",
        "the task is STOPPED",
    ):
        assert part in text
    times = [float(line.split()[0]) for line in text.splitlines()[1:] if line[:8].strip()]
    assert times == sorted(times)


def test_repeated_probes_are_folded():
    check = {"command": ["CMD", "true"], "interval": 30, "retries": 3}

    text = transcript([container("web", healthCheck=check)], {"web": Behaviour(healthy_from=4.0)})

    assert text.count("health check failed") == 1
    assert " times, the last at " in text
    assert text.count("health check passed") == 1
    assert "run the health check" not in text


def test_values_of_the_environment_never_show():
    containers = [
        container("web", environment=[{"name": "PASSWORD", "value": "hunter2"}], command=["--token=hunter2"])
    ]

    assert "hunter2" not in transcript(containers, {})


def test_a_container_whose_log_is_still_open_is_told_as_stopped_once_its_exit_code_is_known():
    document = {"family": "web", "networkMode": "awsvpc", "containerDefinitions": [container("web")]}
    task = Simulation(parse_task_definition(document, "test"), {}).run(until=1)
    ended = replace(task.containers[0], exited=True, exit_code=137)
    assert ended.last_status == "RUNNING"

    text = explain_stop(replace(task.with_container(ended), desired_stopped=True), "it was HEALTHY")

    assert re.search(r"^  web  STOPPED  exit 137", text, re.MULTILINE)

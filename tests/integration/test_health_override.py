"""Health checks whose program the image lacks, and health checks of a test's in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_ecs_tasks.core.request import ContainerOverride
from pytest_ecs_tasks.errors import WaitTimeout
from pytest_ecs_tasks.task import EcsTask
from tasks import BUSYBOX, Run, shell

UP = "touch /tmp/up; exec sleep 600"
LACKING = {"command": ["CMD-SHELL", "no-such-tool -f localhost || exit 1"], "interval": 5}


def checked(check: Mapping[str, Any]) -> dict[str, Any]:
    return shell("web", UP, healthCheck=check)


def wait_for_probe(task: EcsTask) -> None:
    task.wait_for(lambda: "web: health check failed" in task.transcript())


@pytest.mark.parametrize(
    "command",
    [
        ["CMD-SHELL", "no-such-tool -f localhost || exit 1"],
        ["CMD-SHELL", "no-such-tool"],
        ["CMD", "no-such-tool", "-f", "localhost"],
    ],
)
def test_a_check_whose_program_is_not_there_says_so_and_what_to_do(run: Run, command: list[str]) -> None:
    task = run(checked({"command": command, "interval": 5}))
    wait_for_probe(task)

    with pytest.raises(WaitTimeout) as caught:
        task.wait_healthy(timeout=0.1)

    lines = str(caught.value).splitlines()
    assert (
        f"  the healthCheck of 'web' cannot run: no-such-tool is not in {BUSYBOX}, the image that was run. "
        in lines[-2]
    )
    assert '@pytest.mark.ecs_overrides("web", health_check=["CMD-SHELL", "…"])' in lines[-1]


def test_a_file_that_is_no_program_says_that_it_cannot_be_executed(run: Run) -> None:
    task = run(checked({"command": ["CMD", "/etc/passwd"], "interval": 5}))
    wait_for_probe(task)

    with pytest.raises(
        WaitTimeout, match="the healthCheck of 'web' cannot run: /etc/passwd cannot be executed in"
    ):
        task.wait_healthy(timeout=0.1)


def test_a_check_of_the_test_s_runs_in_the_place_of_one_that_cannot(run: Run) -> None:
    override = ContainerOverride("web", health_check=("CMD", "test", "-e", "/tmp/up"))

    task = run(checked(LACKING), overrides=(override,)).wait_healthy(timeout=60)

    assert task.health_status == "HEALTHY"
    assert task["web"].health_status == "HEALTHY"


def test_without_a_check_the_task_is_ready_when_it_is_running(run: Run) -> None:
    task = run(checked(LACKING), overrides=(ContainerOverride("web", health_check=False),)).wait_healthy(
        timeout=60
    )

    assert task.last_status == "RUNNING"
    assert task.health_status == "UNKNOWN"


def test_who_waits_for_the_check_waits_for_the_test_s(run: Run) -> None:
    app = shell("app", UP, dependsOn=[{"containerName": "web", "condition": "HEALTHY"}])
    override = ContainerOverride(
        "web", health_check={"command": ["CMD-SHELL", "test -e /tmp/up"], "interval": 5}
    )

    task = run(checked(LACKING), app, overrides=(override,)).wait_running(timeout=60)

    assert task["app"].last_status == "RUNNING"

"""A health check that cannot run in the image that was run says so, and says what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_ecs_tasks.core.explain import explain_stop, explain_timeout
from pytest_ecs_tasks.core.health import HealthProgress, HealthStatus
from pytest_ecs_tasks.core.health_words import advise, describe_health
from pytest_ecs_tasks.core.lifecycle import submit
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest

SHELL = ("CMD-SHELL", "curl -f localhost || exit 1")
EXEC = ("CMD", "curl", "-f", "localhost")
WHAT_TO_DO = '    @pytest.mark.ecs_overrides("web", health_check=["CMD-SHELL", "…"])  # or health_check=False, for none'


def probed(exit_code: int | None, output: str = "", command: tuple[str, ...] = SHELL) -> Task:
    """Return a task whose only container's health check ended so."""
    container = {"name": "web", "image": "web:1", "memory": 64, "healthCheck": {"command": list(command)}}
    definition = parse_task_definition({"family": "web", "containerDefinitions": [container]})
    plan = make_plan(RunTaskRequest(definition, images={"web": "web:dev"}), task_id="0" * 32)
    task = submit(plan, 0.0)
    status = HealthStatus.HEALTHY if exit_code == 0 else HealthStatus.UNKNOWN
    progress = HealthProgress(0, 0, 0, status, probes=1, last_exit_code=exit_code, last_output=output)
    return task.with_container(replace(task.container("web"), health=progress))


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        (probed(127), "its program is not in web:dev, the image that was run"),
        (probed(127, "", EXEC), "curl is not in web:dev, the image that was run"),
        (probed(1, "/bin/sh: curl: not found\n"), "curl is not in web:dev, the image that was run"),
        (probed(1, "/bin/sh: 1: curl: not found\n"), "curl is not in web:dev, the image that was run"),
        (
            probed(1, "x\nbash: line 1: curl: command not found"),
            "curl is not in web:dev, the image that was run",
        ),
        (
            probed(126, 'exec: "curl": executable file not found in $PATH: unknown', EXEC),
            "curl is not in web:dev, the image that was run",
        ),
        (
            probed(126, "permission denied", EXEC),
            "curl cannot be executed in web:dev, the image that was run",
        ),
    ],
)
def test_a_program_that_cannot_run_is_named_with_the_image_and_what_to_do(task: Task, cause: str) -> None:
    assert list(advise(task)) == [
        f"the healthCheck of 'web' cannot run: {cause}. Replace it in this test:",
        WHAT_TO_DO,
    ]


@pytest.mark.parametrize(
    "task",
    [
        probed(0, "/bin/sh: curl: not found"),
        probed(1, "curl: (7) Failed to connect"),
        probed(1, "404 page not found"),
        probed(None, "curl: not found"),
    ],
)
def test_a_check_that_runs_and_fails_is_no_matter_of_the_image(task: Task) -> None:
    assert list(advise(task)) == []


def test_the_failure_of_a_wait_ends_with_the_advice() -> None:
    task = probed(127, "curl: not found")

    lines = explain_timeout(task, "HEALTHY", 5).splitlines()

    assert describe_health(task.container("web")) == "healthCheck failed with exit 127: curl: not found"
    assert lines[-2].startswith("  the healthCheck of 'web' cannot run: ")
    assert lines[-1] == f"  {WHAT_TO_DO}"
    assert explain_stop(task, "it was HEALTHY").splitlines()[-1] == f"  {WHAT_TO_DO}"
    assert "ecs_overrides" not in explain_timeout(task, "STOPPED", 5)

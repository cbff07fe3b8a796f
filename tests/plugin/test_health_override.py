"""``ecs_overrides(health_check=…)`` as a marker and as the factory's argument."""

from __future__ import annotations

import pytest

from project import taskdef

DECLARED = {"healthCheck": {"command": ["CMD-SHELL", "curl -f localhost"], "interval": 7}}


def test_a_marker_replaces_or_switches_off_a_health_check_and_the_inner_one_wins(project):
    project.file("taskdef.json", taskdef(**DECLARED))
    project.file(
        "test_it.py",
        """
import pytest
pytestmark = pytest.mark.ecs_overrides("web", health_check=False)

def check(task):
    return task.definition.container("web").health_check

@pytest.mark.ecs_taskdef("taskdef.json")
def test_off(ecs_task):
    assert check(ecs_task) is None
    assert ecs_task.health_status == "UNKNOWN"

@pytest.mark.ecs_taskdef("taskdef.json")
@pytest.mark.ecs_overrides("web", health_check=["CMD", "true"])
def test_command(ecs_task):
    assert (check(ecs_task).command, check(ecs_task).interval_s) == (("CMD", "true"), 7)
    assert ecs_task.health_status == "HEALTHY"

@pytest.mark.ecs_taskdef("taskdef.json")
@pytest.mark.ecs_overrides("web", health_check={"command": ["CMD", "true"], "retries": 9})
def test_whole(ecs_task):
    assert (check(ecs_task).retries, check(ecs_task).interval_s) == (9, 30)

def test_factory(ecs_task_factory):
    task = ecs_task_factory.run("taskdef.json", overrides={"web": {"health_check": ["CMD", "true"]}})
    assert check(task).command == ("CMD", "true")
""",
    )

    project.run().assert_outcomes(passed=4)


@pytest.mark.parametrize("value", ["'curl localhost'", "True", "[1]", "0"])
def test_a_value_of_another_kind_is_refused_with_the_forms_there_are(project, value):
    project.file(
        "test_it.py",
        f"""
import pytest

@pytest.mark.ecs_taskdef("taskdef.json")
@pytest.mark.ecs_overrides("web", health_check={value})
def test_it(ecs_task): pass
""",
    )

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            'ecs_overrides(): health_check=* is not valid: use a command such as [[]"CMD-SHELL", "wget -qO- localhost"], '
            "a dict as in the task definition, or False for no health check"
        ]
    )
    assert project.cluster.requests == []


def test_switching_off_what_is_waited_for_fails_the_test_and_the_check(project):
    document = taskdef(**DECLARED)
    document["containerDefinitions"].append(
        {
            "name": "app",
            "image": "app:1",
            "memory": 64,
            "dependsOn": [{"containerName": "web", "condition": "HEALTHY"}],
        }
    )
    project.file("taskdef.json", document)
    project.file(
        "test_it.py",
        """
import pytest

@pytest.mark.ecs_taskdef("taskdef.json")
@pytest.mark.ecs_overrides("web", health_check=False)
def test_it(ecs_task): pass
""",
    )
    said = "*container 'app' waits for 'web' to be HEALTHY, and ecs_overrides('web', health_check=False) switches off*"

    run = project.run()
    checked = project.run("--ecs-check")

    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines(["E   pytest_ecs_tasks.TaskDefinitionError: taskdef.json has 1 problem", said])
    checked.stdout.fnmatch_lines(
        ["test_it.py:4:1  error  override-health-check  containerDefinitions[[]1[]]" + said]
    )

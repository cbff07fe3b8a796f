"""A health check of a test's in the place of the declared one: what it changes and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.overrides import settle
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import ContainerOverride, HealthCheckOverride, LaunchType, RunTaskRequest
from pytest_ecs_tasks.core.taskdef import HealthCheck, TaskDefinition
from pytest_ecs_tasks.errors import TaskDefinitionError

DECLARED = {"command": ["CMD-SHELL", "curl -f localhost"], "interval": 10, "retries": 2, "startPeriod": 7}


def definition(*, waits: bool = False, check: Any = DECLARED) -> TaskDefinition:
    db = {"name": "db", "image": "db:1", "memory": 64, **({"healthCheck": check} if check else {})}
    app: dict[str, Any] = {"name": "app", "image": "app:1", "memory": 64}
    if waits:
        app["dependsOn"] = [{"containerName": "db", "condition": "HEALTHY"}]
    return parse_task_definition(
        {"family": "web", "cpu": ".25 vCPU", "containerDefinitions": [app, db]}, "web.json"
    )


def request(
    declared: TaskDefinition, *checks: HealthCheckOverride | None, name: str = "db"
) -> RunTaskRequest:
    overrides = tuple(ContainerOverride(name, health_check=check) for check in checks)
    return RunTaskRequest(declared, overrides=overrides)


def settled(declared: TaskDefinition, *checks: HealthCheckOverride | None) -> HealthCheck | None:
    return settle(request(declared, *checks)).definition.container("db").health_check


def problems(declared: TaskDefinition, check: HealthCheckOverride) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        settle(request(declared, check))
    return [f"{problem.code} {problem}" for problem in caught.value.problems]


def test_a_command_keeps_the_other_numbers_of_the_declared_check() -> None:
    assert settled(definition(), ("CMD", "true")) == HealthCheck(("CMD", "true"), 10, 5, 2, 7)


def test_a_whole_check_replaces_the_declared_one_with_ecs_s_defaults_for_what_it_leaves_out() -> None:
    assert settled(definition(), {"command": ["CMD", "true"], "interval": 5}) == HealthCheck(
        ("CMD", "true"), 5, 5, 3, 0
    )


def test_a_check_can_be_given_to_a_container_that_has_none() -> None:
    assert settled(definition(check=None), ("CMD", "true")) == HealthCheck(("CMD", "true"))


def test_false_switches_a_check_off() -> None:
    assert settled(definition(), False) is None


def test_the_last_override_that_says_anything_of_the_check_wins() -> None:
    assert settled(definition(), False, ("CMD", "true"), None) == HealthCheck(("CMD", "true"), 10, 5, 2, 7)


def test_nothing_else_of_the_definition_changes_and_the_plan_has_the_check() -> None:
    declared = definition(waits=True)

    plan = make_plan(request(declared, ("CMD", "true")), task_id="0" * 32)

    assert plan.containers[1].definition.health_check == HealthCheck(("CMD", "true"), 10, 5, 2, 7)
    assert plan.definition.container("app") == declared.container("app")
    assert (plan.definition.family, plan.definition.cpu, plan.definition.source) == ("web", 256, "web.json")


def test_a_request_without_such_an_override_is_returned_as_it_is() -> None:
    asked = request(definition(), None)

    assert settle(asked) is asked


def test_switching_off_a_check_that_a_container_waits_for_is_refused_with_what_to_do() -> None:
    assert problems(definition(waits=True), False) == [
        "override-health-check containerDefinitions[0].dependsOn[0].condition: container 'app' waits for 'db' to be "
        "HEALTHY, and ecs_overrides('db', health_check=False) switches off the health check that would tell. Give one "
        "that can run in its place: health_check=['CMD-SHELL', '…']"
    ]


@pytest.mark.parametrize("check", [("true",), (), {"command": ["true"]}])
def test_a_command_that_would_never_run_is_refused(check: HealthCheckOverride) -> None:
    (problem,) = problems(definition(), check)

    assert problem.startswith(
        "override-health-check containerDefinitions[1].healthCheck.command: ecs_overrides('db', "
    )


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"interval": 5}, "missing-field containerDefinitions[1].healthCheck.command: is missing"),
        (
            {"comand": ["CMD", "true"]},
            "unknown-field containerDefinitions[1].healthCheck.comand: 'comand' is not a field; did you mean command?",
        ),
    ],
)
def test_a_whole_check_without_its_command_is_told_as_in_a_definition(
    check: HealthCheckOverride, expected: str
) -> None:
    assert problems(definition(), check) == [expected]


def test_a_whole_check_is_judged_as_one_of_a_definition() -> None:
    check = {"command": ["CMD", "true"], "interval": 1, "retires": 3}

    with pytest.raises(TaskDefinitionError) as caught:
        settle(request(definition(), check))

    assert [(each.code, each.path) for each in caught.value.problems] == [
        ("unknown-field", "containerDefinitions[1].healthCheck.retires"),
    ]
    assert caught.value.source == "web.json with ecs_overrides(health_check=…)"
    assert (
        "interval is 5 to 300, not 1"
        in problems(definition(), {"command": ["CMD", "true"], "interval": 1})[0]
    )


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            ContainerOverride("db", command=("echo", "s3c\0ret")),
            "unusable-character an override of container 'db': command[1] holds a character that no program can be given: "
            "NUL, or half a surrogate pair",
        ),
        (
            ContainerOverride("db", environment={"A": "s3c\0ret"}),
            "unusable-character an override of container 'db': variable 'A' holds a character that no program can be "
            "given: NUL, or half a surrogate pair",
        ),
        (
            ContainerOverride("db", environment={"B\udc80": "s3cret"}),
            "unusable-character an override of container 'db': variable 'B\\udc80' holds a character that no program can "
            "be given: NUL, or half a surrogate pair",
        ),
        (
            ContainerOverride("db", memory_mib=-1),
            "negative-size an override of container 'db': memory is -1, which is less than 0",
        ),
        (
            ContainerOverride("db", cpu=-2),
            "negative-size an override of container 'db': cpu is -2, which is less than 0",
        ),
    ],
)
def test_what_no_definition_could_have_is_refused_and_no_value_shown(
    override: ContainerOverride, expected: str
) -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        settle(RunTaskRequest(definition(), overrides=(override,)))

    assert [f"{each.code} {each}" for each in caught.value.problems] == [expected]
    assert "s3c" not in str(caught.value)


def test_a_variable_of_the_tests_that_no_program_can_be_given_is_refused() -> None:
    with pytest.raises(
        TaskDefinitionError, match="the test's environment of container 'app': variable 'A' "
    ) as caught:
        settle(RunTaskRequest(definition(), environment={"app": {"A": "s3c\0ret"}}))

    assert "s3c" not in str(caught.value)


def test_a_container_that_is_not_there_and_a_launch_type_that_refuses_are_told_first() -> None:
    with pytest.raises(
        TaskDefinitionError, match="an override names container 'nobody'; the task has app, db"
    ):
        settle(request(definition(), False, name="nobody"))
    with pytest.raises(TaskDefinitionError, match="Fargate only supports network mode"):
        settle(RunTaskRequest(definition(), launch_type=LaunchType.FARGATE))

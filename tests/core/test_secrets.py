"""Which secrets a task needs, and to whom each value goes."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import TaskPlan, make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.secrets import find_null, secret_log_options, secret_variables, wanted_secrets
from pytest_ecs_tasks.core.spec import Sensitive, hide


def plan(*containers: dict[str, Any]) -> TaskPlan:
    full = [{"image": "busybox", "memory": 64, **container} for container in containers]
    document = {"family": "web", "executionRoleArn": "role", "containerDefinitions": full}
    return make_plan(RunTaskRequest(parse_task_definition(document)), task_id="0" * 32)


def secret(name: str, value_from: str) -> dict[str, str]:
    return {"name": name, "valueFrom": value_from}


APP = {
    "name": "app",
    "secrets": [secret("TOKEN", "/variable")],
    "logConfiguration": {"logDriver": "splunk", "secretOptions": [secret("TOKEN", "/option")]},
}


def test_a_variable_and_a_log_option_of_one_name_are_two_secrets() -> None:
    wanted = list(wanted_secrets(plan(APP)))
    values = {(owner, name): Sensitive(value_from) for owner, name, value_from in wanted}

    assert len(values) == 2
    assert {name: value.reveal() for name, value in secret_variables(values, "app").items()} == {
        "TOKEN": "/variable"
    }
    assert {name: value.reveal() for name, value in secret_log_options(values, "app").items()} == {
        "TOKEN": "/option"
    }
    assert secret_variables(values, "other") == secret_log_options(values, "other") == {}


def test_log_options_alone_are_secrets_to_fetch() -> None:
    assert plan({**APP, "secrets": []}).needs_fetching
    assert not plan({"name": "app"}).needs_fetching


def test_secret_options_of_another_driver_stay_with_it_beside_a_router() -> None:
    router = {"name": "router", "firelensConfiguration": {"type": "fluentbit"}}
    routed = {"name": "web", "logConfiguration": {"logDriver": "awsfirelens"}}

    owners = [owner for owner, _, _ in wanted_secrets(plan(router, routed, APP))]

    assert owners == ["app", "app"]


def test_a_foreign_text_loses_the_values_that_it_quotes() -> None:
    values = [Sensitive("c4n"), Sensitive("c4nary"), Sensitive("")]

    assert hide("invalid splunk-token: c4nary (c4n)", values) == "invalid splunk-token: *** (***)"


@pytest.mark.parametrize("variables", [{"A": "s3cr\0et"}, {"A\0s3cret": "x"}])
def test_a_variable_with_nul_is_named_without_its_value(variables: dict[str, str]) -> None:
    text = find_null({name: Sensitive(value) for name, value in variables.items()})

    assert text is not None
    assert '"A=***"' in text
    assert "s3cr" not in text


def test_variables_without_nul_are_fit() -> None:
    assert find_null({"A": Sensitive(""), "B": Sensitive("\n")}) is None

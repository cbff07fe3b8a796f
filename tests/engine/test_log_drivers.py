"""Log drivers that the engine has, and those that it has not."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from pytest_ecs_tasks.clusters.log_drivers import settle_log_drivers
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import TaskPlan, make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.spec import ContainerSpec, Sensitive
from pytest_ecs_tasks.errors import UnsupportedFeature, UnsupportedFieldWarning
from pytest_ecs_tasks.runtimes.bodies import container_body
from pytest_ecs_tasks.testing.runtime import FakeRuntime


def plan(driver: str, **options: str) -> TaskPlan:
    logs: dict[str, Any] = {"logDriver": driver, "options": options}
    container = {"name": "app", "image": "busybox", "memory": 64, "logConfiguration": logs}
    document = {"family": "web", "containerDefinitions": [container]}
    return make_plan(RunTaskRequest(parse_task_definition(document, "web.json")), task_id="0" * 32)


def test_a_driver_that_the_engine_has_is_kept_with_its_options() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settled = settle_log_drivers(plan("json-file", tag="x"), FakeRuntime(), strict=True)

    log = settled.containers[0].engine_log
    assert log is not None
    assert (log.driver, log.options) == ("json-file", {"tag": "x"})


def test_a_driver_that_the_engine_has_not_warns_and_is_left_out() -> None:
    with pytest.warns(UnsupportedFieldWarning) as caught:
        settled = settle_log_drivers(plan("splunk"), FakeRuntime(), strict=False)

    assert settled.containers[0].engine_log is None
    assert str(caught[0].message) == (
        "web.json: containerDefinitions[0].logConfiguration.logDriver: docker 0 has no log driver 'splunk', only "
        "json-file: the output is captured for the test, and goes nowhere else"
    )


def test_a_driver_that_the_engine_has_not_is_refused_when_strict() -> None:
    with pytest.raises(
        UnsupportedFeature, match=r"web.json needs what the engine has not \(ecs_strict\):\n  cont"
    ):
        settle_log_drivers(plan("splunk"), FakeRuntime(), strict=True)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"mode": "non-blocking"}, "10m"),
        ({"mode": "non-blocking", "max-buffer-size": "1m"}, "1m"),
        ({"mode": "blocking"}, None),
        ({}, None),
    ],
)
def test_a_buffer_has_the_agents_size_when_none_is_given(options: dict[str, str], size: str | None) -> None:
    log = plan("syslog", **options).containers[0].engine_log

    assert log is not None
    assert log.options.get("max-buffer-size") == size


def test_secret_options_reach_the_engine_and_no_repr() -> None:
    spec = ContainerSpec(
        "app",
        "sha256:1",
        {},
        "none",
        log_driver="splunk",
        log_options={"splunk-url": "https://splunk.example", "splunk-token": Sensitive("t0ken")},
    )

    assert container_body(spec)["HostConfig"]["LogConfig"] == {
        "Type": "splunk",
        "Config": {"splunk-url": "https://splunk.example", "splunk-token": "t0ken"},
    }
    assert "t0ken" not in repr(spec)

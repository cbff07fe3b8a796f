"""A definition for another architecture than the engine's is told before it runs."""

from __future__ import annotations

import warnings

import pytest

from pytest_ecs_tasks.clusters.platforms import report_platform
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import TaskPlan, make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.errors import UnsupportedFeature, UnsupportedFieldWarning
from pytest_ecs_tasks.testing.runtime import FakeRuntime


def plan(architecture: str | None) -> TaskPlan:
    document = {
        "family": "web",
        "containerDefinitions": [{"name": "app", "image": "busybox:1", "memory": 64}],
        "runtimePlatform": {"cpuArchitecture": architecture, "operatingSystemFamily": "LINUX"},
    }
    return make_plan(RunTaskRequest(parse_task_definition(document, "web.json")), task_id="0" * 32)


@pytest.mark.parametrize(
    ("declared", "engine"),
    [
        (None, "arm64"),
        ("X86_64", "amd64"),
        ("X86_64", "x86_64"),
        ("ARM64", "arm64"),
        ("ARM64", "aarch64"),
    ],
)
def test_an_architecture_that_the_engine_has_is_not_told(declared: str | None, engine: str) -> None:
    runtime = FakeRuntime()
    runtime.architecture = engine
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report_platform(plan(declared), runtime, strict=True)


def test_another_architecture_warns_with_both_names() -> None:
    with pytest.warns(UnsupportedFieldWarning) as caught:
        report_platform(plan("ARM64"), FakeRuntime(), strict=False)

    assert str(caught[0].message) == (
        "web.json: runtimePlatform.cpuArchitecture: the definition is for ARM64, and docker at fake:// runs on amd64: images "
        "run for that, or by emulation if the engine has it"
    )


def test_another_architecture_is_refused_when_strict() -> None:
    with pytest.raises(
        UnsupportedFeature, match=r"web.json needs what the engine has not \(ecs_strict\):\n  runt"
    ):
        report_platform(plan("ARM64"), FakeRuntime(), strict=True)

"""The fixtures. None is autouse; nothing heavy is imported before one of them is used."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ecs_tasks.plugin.run import run_of

if TYPE_CHECKING:
    from pytest_ecs_tasks.plugin.factory import EcsTaskFactory
    from pytest_ecs_tasks.plugin.handle import EcsAws
    from pytest_ecs_tasks.plugin.registry import EcsRegistry
    from pytest_ecs_tasks.plugin.service import EcsService
    from pytest_ecs_tasks.task import EcsTask


@pytest.fixture
def ecs_task(request: pytest.FixtureRequest, ecs_task_factory: EcsTaskFactory) -> EcsTask:
    """The task of ``@pytest.mark.ecs_taskdef`` (or of an indirect parameter), waited for as the marker says."""
    from pytest_ecs_tasks.plugin.marked import start_marked

    return start_marked(run_of(request.config), request)


@pytest.fixture
def ecs_service(request: pytest.FixtureRequest, ecs_aws: EcsAws) -> Iterator[EcsService]:
    """A service of ``@pytest.mark.ecs_taskdef``, of as many tasks as its ``count`` says, waited for until it is steady."""
    from pytest_ecs_tasks.plugin.service import create_marked, end_marked

    run = run_of(request.config)
    service = create_marked(run, request)
    yield service
    end_marked(run, service)


@pytest.fixture(scope="session")
def ecs_task_factory(pytestconfig: pytest.Config) -> EcsTaskFactory:
    """``.run(source, …)`` starts a task; it ends with the fixture or test that started it."""
    from pytest_ecs_tasks.plugin.factory import EcsTaskFactory

    return EcsTaskFactory(run_of(pytestconfig))


@pytest.fixture(scope="session")
def ecs_aws(pytestconfig: pytest.Config) -> EcsAws:
    """The test's AWS: boto3 clients and resources, events, ``reset()``."""
    from pytest_ecs_tasks.plugin.handle import EcsAws

    return EcsAws(run_of(pytestconfig))


@pytest.fixture(scope="session")
def ecs_registry(pytestconfig: pytest.Config) -> EcsRegistry:
    """The registry of the test's ECR: ``push()`` images, and tasks pull ECR's names from it."""
    from pytest_ecs_tasks.plugin.registry import EcsRegistry

    return EcsRegistry(run_of(pytestconfig))


@pytest.fixture
def ecs_aws_env(ecs_aws: EcsAws, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The ``AWS_*`` variables of the test's AWS, set in this process for code that makes its own clients."""
    aws = ecs_aws.current
    variables = aws.env
    for name in aws.find_conflicts(os.environ):
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture(scope="session")
def ecs_network(pytestconfig: pytest.Config) -> Any:
    """The network that tasks join; testcontainers' ``with_network()`` takes it."""
    run = run_of(pytestconfig)
    run.require_engine()
    return run.cluster.network


@pytest.fixture(scope="session")
def ecs_images() -> Mapping[str, str]:
    """Which image runs in place of which: container name or image reference → image. Redefine it in ``conftest.py``."""
    return {}


@pytest.fixture(scope="session")
def ecs_environment() -> Mapping[str, object]:
    """Variables added to containers: container name → variables, or variables for all. Redefine it in ``conftest.py``."""
    return {}


@pytest.fixture(scope="session")
def ecs_substitute() -> Mapping[str, str]:
    """What fills the placeholders of every file: placeholder → text. Redefine it in ``conftest.py``; a marker's own wins."""
    return {}


@pytest.fixture(scope="session")
def ecs_taskdef_dir(pytestconfig: pytest.Config) -> str | os.PathLike[str] | None:
    """Where task definitions are looked for when they are not beside the test; by default the ini option of this name."""
    value: str | None = pytestconfig.getini("ecs_taskdef_dir")
    return value or None


@pytest.fixture(scope="session")
def ecs_region() -> str:
    """The region of tests and tasks. Redefine it in ``conftest.py``."""
    return "us-east-1"


@pytest.fixture(scope="session")
def ecs_account_id() -> str:
    """The account of tests and tasks, 12 digits. Redefine it in ``conftest.py``."""
    return "123456789012"


@pytest.fixture
def _ecs_values(request: pytest.FixtureRequest) -> None:
    """Lend the test's request to the run, so that what a test body starts sees the values of the test's own conftest."""
    run = run_of(request.config)
    if run.test is not None:
        run.test.request = request


def uses_ecs(item: pytest.Item) -> bool:
    """Tell whether an item uses one of our fixtures."""
    from pytest_ecs_tasks.plugin.run import OUR_FIXTURES

    return not OUR_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def check_marks(item: pytest.Item) -> None:
    """Fail an item whose markers are wrong, before anything is set up for it."""
    if not any(mark.name.startswith("ecs_") for mark in item.iter_markers()):
        return
    from pytest_ecs_tasks.plugin import marks

    problem = next(marks.find_problems(item.iter_markers()), None)
    if problem is not None:
        pytest.fail(problem, pytrace=False)

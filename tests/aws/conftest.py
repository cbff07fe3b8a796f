"""Real moto processes for these tests: one parent, an AWS for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_ecs_tasks.aws.handle import Aws, AwsFactory
from pytest_ecs_tasks.aws.services import BotoServices


@pytest.fixture(scope="session")
def factory() -> Iterator[AwsFactory]:
    factory = AwsFactory()
    factory.start()
    yield factory
    factory.close()


@pytest.fixture
def aws(factory: AwsFactory) -> Iterator[Aws]:
    aws = factory.new()
    yield aws
    aws.close()


@pytest.fixture
def services(aws: Aws) -> BotoServices:
    return BotoServices(aws)

"""What all examples share: which local image stands for which deployed one."""

import pytest

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.fixture(scope="session")
def ecs_images():
    return {
        f"{REGISTRY}/shop-web": "pytest-ecs-tasks/nginx:1",
        f"{REGISTRY}/redis": "pytest-ecs-tasks/redis:1",
        f"{REGISTRY}/visits-api": "pytest-ecs-tasks/example-02:1",
        f"{REGISTRY}/nightly-report": "pytest-ecs-tasks/example-03:1",
        f"{REGISTRY}/importer": "pytest-ecs-tasks/example-04:1",
        f"{REGISTRY}/worker": "pytest-ecs-tasks/example-05:1",
    }


@pytest.fixture(scope="session")
def ecs_region():
    return "eu-west-1"

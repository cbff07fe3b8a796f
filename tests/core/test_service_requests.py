"""CreateService and UpdateService read into what the scheduler acts on, and refused as ECS refuses them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.service_model import CircuitBreaker, ThresholdType
from pytest_ecs_tasks.core.service_requests import (
    Definition,
    ServiceRequestError,
    read_create,
    read_update,
)
from pytest_ecs_tasks.core.service_views import describe_service
from service_run import ServiceRun
from service_shapes import check_service, wall

WEB = Definition("arn:web:1", "FARGATE", awsvpc=True)
WEB_2 = Definition("arn:web:2", "FARGATE", awsvpc=True)
ON_EC2 = Definition("arn:bridge:1", "EC2", awsvpc=False)
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}


def create(definition: Definition = WEB, **more: Any) -> Any:
    """Read a request that ECS accepts, with these members besides."""
    request: dict[str, Any] = {"serviceName": "web", "desiredCount": 2, "networkConfiguration": NETWORK}
    return read_create({**request, **more}, definition)


def test_a_request_with_nothing_but_the_necessary_gets_ecs_defaults() -> None:
    given = create()

    assert given.desired_count == 2
    assert (given.minimum_healthy_percent, given.maximum_percent) == (100, 200)
    assert given.circuit_breaker == CircuitBreaker()
    view = describe_service(ServiceRun(given).service, wall)
    check_service(view)
    shown = {key: view[key] for key in ("launchType", "platformVersion", "platformFamily", "propagateTags")}
    assert shown == {
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "propagateTags": "NONE",
    }
    assert view["networkConfiguration"] == {
        "awsvpcConfiguration": {
            "subnets": ["subnet-1"],
            "securityGroups": [],
            "assignPublicIp": "DISABLED",
        }
    }
    assert view["schedulingStrategy"] == "REPLICA"
    assert view["deploymentController"] == {"type": "ECS"}


def test_the_deployment_configuration_is_read_whole() -> None:
    given = create(
        deploymentConfiguration={
            "minimumHealthyPercent": 50,
            "maximumPercent": 150,
            "deploymentCircuitBreaker": {
                "enable": True,
                "rollback": True,
                "resetOnHealthyTask": False,
                "thresholdConfiguration": {"type": "COUNT", "value": 5},
            },
        },
        healthCheckGracePeriodSeconds=30,
    )

    assert (given.minimum_healthy_percent, given.maximum_percent, given.grace_period_s) == (50, 150, 30)
    assert given.circuit_breaker == CircuitBreaker(
        enabled=True,
        rollback=True,
        reset_on_healthy_task=False,
        threshold_type=ThresholdType.COUNT,
        threshold_value=5,
    )


def test_a_daemon_service_is_one_task_on_the_one_engine() -> None:
    given = read_create({"serviceName": "agent", "schedulingStrategy": "DAEMON"}, ON_EC2)

    assert (given.desired_count, given.minimum_healthy_percent, given.maximum_percent) == (1, 0, 100)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]},
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ),
        (
            {"networkConfiguration": None},
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        ({"desiredCount": -1}, "Task count can not be lesser than 0"),
        ({"desiredCount": None}, "desiredCount is required for the REPLICA scheduling strategy."),
        (
            {"deploymentConfiguration": {"minimumHealthyPercent": 100, "maximumPercent": 100}},
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
        ),
        (
            {"serviceName": "a b"},
            "serviceName 'a b' is not 1 to 255 letters, digits, hyphens and underscores.",
        ),
        (
            {"schedulingStrategy": "DAEMON"},
            "Fargate tasks don't support the DAEMON scheduling strategy.",
        ),
    ],
)
def test_a_request_that_ecs_refuses_is_refused_with_its_code(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ServiceRequestError) as refusal:
        create(**more)

    assert (refusal.value.code, str(refusal.value)) == ("InvalidParameterException", message)


def test_a_daemon_service_has_no_desired_count() -> None:
    with pytest.raises(ServiceRequestError, match="does not support a desired count for services"):
        create(ON_EC2, schedulingStrategy="DAEMON")


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"deploymentController": {"type": "CODE_DEPLOY"}}, "the deployment controller CODE_DEPLOY"),
        ({"deploymentConfiguration": {"strategy": "BLUE_GREEN"}}, "the deployment strategy BLUE_GREEN"),
        ({"deploymentConfiguration": {"alarms": {"enable": True}}}, "deployment alarms"),
        ({"deploymentConfiguration": {"lifecycleHooks": [{}]}}, "lifecycle hooks"),
        ({"loadBalancers": [{"loadBalancerName": "old"}]}, "Classic Load Balancers"),
    ],
)
def test_what_is_not_emulated_says_so(more: dict[str, Any], what: str) -> None:
    with pytest.raises(ServiceRequestError, match=what) as refusal:
        create(**more)

    assert refusal.value.code == "UnsupportedFeatureException"


def test_alarms_that_are_off_are_nothing_to_refuse() -> None:
    given = create(deploymentConfiguration={"alarms": {"enable": False, "alarmNames": [], "rollback": False}})

    assert given.maximum_percent == 200


@pytest.mark.parametrize(
    "change",
    [
        {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-2"]}}},
        {"platformVersion": "1.3.0"},
        {"loadBalancers": [{"targetGroupArn": "arn", "containerName": "web", "containerPort": 80}]},
        {"serviceRegistries": [{"registryArn": "arn"}]},
        {"forceNewDeployment": True},
    ],
)
def test_these_changes_start_a_deployment(change: dict[str, Any]) -> None:
    assert read_update(change, create(), None)[1]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"desiredCount": 5},
        {"deploymentConfiguration": {"maximumPercent": 150}},
        {"propagateTags": "SERVICE"},
        {"enableExecuteCommand": True},
        {"healthCheckGracePeriodSeconds": 5},
        {"placementConstraints": []},
        {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]},
        {"forceNewDeployment": False},
    ],
)
def test_these_changes_start_none(change: dict[str, Any]) -> None:
    assert not read_update(change, create(), None)[1]


def test_another_task_definition_starts_a_deployment_and_the_same_one_does_not() -> None:
    before = create()

    after, deploys = read_update({"taskDefinition": "web:2"}, before, WEB_2)

    assert deploys
    assert after.revision.task_definition == "arn:web:2"
    assert not read_update({"taskDefinition": "web:1"}, before, WEB)[1]


def test_an_update_keeps_what_it_does_not_name() -> None:
    before = create(
        propagateTags="SERVICE",
        deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
    )

    after, _ = read_update(
        {"desiredCount": 7, "deploymentConfiguration": {"maximumPercent": 150}}, before, None
    )

    assert after.desired_count == 7
    assert after.maximum_percent == 150
    assert after.circuit_breaker == before.circuit_breaker
    assert after.details["propagateTags"] == "SERVICE"
    assert after.revision == before.revision

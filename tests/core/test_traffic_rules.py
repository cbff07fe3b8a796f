"""What ECS refuses of loadBalancers and serviceRegistries, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.service_requests import ServiceRequestError
from pytest_ecs_tasks.core.target_health import (
    FAILED,
    HEALTHY,
    NOT_REGISTERED,
    HealthRow,
    TargetHealth,
    judge,
    merge,
)
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.core.traffic import Registry, TargetGroup
from pytest_ecs_tasks.core.traffic_rules import check_containers, check_groups, check_registries

AWSVPC, BRIDGE, HOST = NetworkMode.AWSVPC, NetworkMode.BRIDGE, NetworkMode.HOST
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/1"
REGISTRY = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1"
DEFINITION = parse_task_definition(
    {
        "family": "web",
        "networkMode": "bridge",
        "containerDefinitions": [
            {
                "name": "web",
                "image": "web",
                "memory": 64,
                "portMappings": [{"containerPort": 80}, {"containerPortRange": "9000-9002"}],
            }
        ],
    },
    "test",
)


def balancer(**more: Any) -> dict[str, Any]:
    return {"targetGroupArn": GROUP, "containerName": "web", "containerPort": 80, **more}


@pytest.mark.parametrize(
    ("mode", "group", "message"),
    [
        (AWSVPC, None, f"The target group with targetGroupArn {GROUP} does not exist."),
        (
            AWSVPC,
            TargetGroup(GROUP, "ip", balanced=False),
            f"The target group with targetGroupArn {GROUP} does not have an associated load balancer.",
        ),
        (
            AWSVPC,
            TargetGroup(GROUP, "instance"),
            f"The provided target group {GROUP} has target type instance, which is incompatible with the awsvpc "
            "network mode specified in the task definition.",
        ),
        (
            BRIDGE,
            TargetGroup(GROUP, "ip"),
            f"The provided target group {GROUP} has target type ip, which is incompatible with the bridge "
            "network mode specified in the task definition.",
        ),
    ],
)
def test_a_target_group_that_cannot_be_used_is_refused(
    mode: NetworkMode, group: TargetGroup | None, message: str
) -> None:
    with pytest.raises(ServiceRequestError) as refusal:
        check_groups([balancer()], mode, {GROUP: group} if group else {})

    assert (refusal.value.code, str(refusal.value)) == ("InvalidParameterException", message)


def test_a_target_groups_name_in_place_of_its_arn_is_refused_as_ecs_does() -> None:
    with pytest.raises(
        ServiceRequestError, match=r"^Unable to assume role and validate the specified targetGroupArn\."
    ):
        check_groups([balancer(targetGroupArn="web")], AWSVPC, {})


@pytest.mark.parametrize(("mode", "kind"), [(AWSVPC, "ip"), (BRIDGE, "instance"), (HOST, "instance")])
def test_target_types_fit_network_modes(mode: NetworkMode, kind: str) -> None:
    check_groups([balancer()], mode, {GROUP: TargetGroup(GROUP, kind)})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"containerName": "db"}, "The container db does not exist in the task definition."),
        ({"containerPort": 81}, "The container web did not have a container port 81 defined."),
        ({"containerPort": 9003}, "The container web did not have a container port 9003 defined."),
    ],
)
def test_a_container_or_port_that_the_definition_lacks_is_refused(more: dict[str, Any], message: str) -> None:
    for member in ("loadBalancers", "serviceRegistries"):
        with pytest.raises(ServiceRequestError) as refusal:
            check_containers({member: [balancer(**more)]}, DEFINITION)

        assert str(refusal.value) == message


def test_a_port_of_a_range_is_a_port() -> None:
    check_containers({"loadBalancers": [balancer(containerPort=9001)]}, DEFINITION)


@pytest.mark.parametrize(
    ("mode", "more", "records", "message"),
    [
        (
            AWSVPC,
            {"registryArn": f"{REGISTRY}/x"},
            "A",
            "The format of the supplied service registry ARN is invalid:",
        ),
        (AWSVPC, {}, None, f"The service registry {REGISTRY} does not exist"),
        (
            BRIDGE,
            {},
            "SRV",
            "When specifying 'host' or 'bridge' for networkMode, values for 'containerName' and",
        ),
        (
            AWSVPC,
            {"port": 80, "containerName": "web", "containerPort": 80},
            "SRV",
            "Specify a value for either 'port' or the 'containerName' and 'containerPort' combination, but not both.",
        ),
        (
            AWSVPC,
            {"containerName": "web", "containerPort": 80},
            "A",
            "The values specified for serviceRegistries do not require a value for 'containerPort'. Remove the value",
        ),
        (AWSVPC, {}, "SRV", "serviceRegistries: the registry .* has SRV records, which need 'port'"),
    ],
)
def test_a_registry_that_cannot_be_used_is_refused(
    mode: NetworkMode, more: dict[str, Any], records: str | None, message: str
) -> None:
    known = {} if records is None else {REGISTRY: Registry(REGISTRY, "web", frozenset({records}))}

    with pytest.raises(ServiceRequestError, match=message):
        check_registries([{"registryArn": REGISTRY, **more}], mode, known)


def test_registries_that_fit_are_taken() -> None:
    by_name = {REGISTRY: Registry(REGISTRY, "web", frozenset({"A"}))}
    by_port = {REGISTRY: Registry(REGISTRY, "web", frozenset({"SRV"}))}
    place = {"containerName": "web", "containerPort": 80}

    check_registries([{"registryArn": REGISTRY}], AWSVPC, by_name)
    check_registries([{"registryArn": REGISTRY, "port": 80}], AWSVPC, by_port)
    check_registries([{"registryArn": REGISTRY, **place}], BRIDGE, by_port)
    with pytest.raises(ServiceRequestError, match="one registry at most"):
        check_registries([{"registryArn": REGISTRY}] * 2, AWSVPC, by_name)


@pytest.mark.parametrize(
    ("status", "matcher", "healthy"),
    [
        (200, "200", True),
        (204, "200", False),
        (204, "200-299", True),
        (302, "200,300-399", True),
        (404, "200, 301", False),
        (200, "nonsense", False),
    ],
)
def test_a_matcher_says_which_codes_are_healthy(status: int, matcher: str, healthy: bool) -> None:
    mismatch = TargetHealth(
        "unhealthy", "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]"
    )

    assert judge(status, matcher) == (HEALTHY if healthy else mismatch)


def row(target_id: str, port: int, health: TargetHealth = HEALTHY) -> HealthRow:
    return HealthRow(target_id, port, str(port), health)


def test_targets_of_others_stay_as_they_are_and_ours_take_the_place_of_what_the_aws_says() -> None:
    ours = {("i-1", 32768): row("i-1", 32768, FAILED), ("i-1", 32769): row("i-1", 32769)}

    everything = merge([row("10.0.0.9", 80), row("i-1", 32769)], ours, asked=False)
    named = merge([row("i-1", 32768), row("i-1", 80), row("10.0.0.9", 80)], ours, asked=True)

    assert everything == (row("10.0.0.9", 80), row("i-1", 32768, FAILED), row("i-1", 32769))
    assert named == (row("i-1", 32768, FAILED), row("i-1", 80, NOT_REGISTERED), row("10.0.0.9", 80))

"""What ECS refuses of ``loadBalancers`` and ``serviceRegistries``.

The texts are ECS's as they stand in reports of its users (hashicorp/terraform#24266 and #32908,
hashicorp/terraform-provider-aws#4373 and #11723, umotif-public/terraform-aws-ecs-fargate#25,
techservicesillinois/terraform-aws-ecs-service#16, cloudposse/terraform-aws-ecs-web-app#208, Shippable/support#4698); where
nobody has published one, they say in our words what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_ecs_tasks.core.service_requests import ServiceRequestError
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode, TaskDefinition
from pytest_ecs_tasks.core.traffic import BALANCERS, REGISTRIES, Registry, TargetGroup, Traffic

_REGISTRY_ARN = re.compile(r"arn:[^:]+:servicediscovery:[^:]*:[^:]*:service/[^/]+")


def check_groups(
    balancers: Sequence[Mapping[str, Any]], mode: NetworkMode, groups: Mapping[str, TargetGroup]
) -> None:
    """Raise :class:`ServiceRequestError` for a target group that no task of that network mode can be registered with."""
    for balancer in balancers:
        arn = balancer.get("targetGroupArn") or ""
        if not arn.startswith("arn:"):
            raise _invalid(
                "Unable to assume role and validate the specified targetGroupArn. "
                "Please verify that the ECS service role being passed has the proper permissions."
            )
        group = groups.get(arn)
        if group is None:
            raise _invalid(f"The target group with targetGroupArn {arn} does not exist.")
        if not group.balanced:
            raise _invalid(
                f"The target group with targetGroupArn {arn} does not have an associated load balancer."
            )
        if group.target_type != ("ip" if mode is NetworkMode.AWSVPC else "instance"):
            raise _invalid(
                f"The provided target group {arn} has target type {group.target_type}, which is incompatible with "
                f"the {mode} network mode specified in the task definition."
            )


def check_registries(
    given: Sequence[Mapping[str, Any]], mode: NetworkMode, registries: Mapping[str, Registry]
) -> None:
    """Raise :class:`ServiceRequestError` for a service registry that no task of that network mode can be entered in."""
    if len(given) > 1:  # API, CreateService.serviceRegistries
        raise _invalid(f"serviceRegistries has {len(given)} entries; a service has one registry at most")
    for each in given:
        arn = each.get("registryArn") or ""
        if not _REGISTRY_ARN.fullmatch(arn):
            raise _invalid(f"The format of the supplied service registry ARN is invalid: {arn}.")
        registry = registries.get(arn)
        if registry is None:
            raise _invalid(f"The service registry {arn} does not exist.")
        _check_ports(each, mode, registry)


def _check_ports(given: Mapping[str, Any], mode: NetworkMode, registry: Registry) -> None:
    name, container_port, port = (given.get(key) for key in ("containerName", "containerPort", "port"))
    if mode is not NetworkMode.AWSVPC:
        if not name or not container_port:
            raise _invalid(
                "When specifying 'host' or 'bridge' for networkMode, values for 'containerName' and 'containerPort' "
                f"must be specified from the task definition. Registry: {registry.arn}"
            )
    elif port and (name or container_port):
        raise _invalid(
            "Specify a value for either 'port' or the 'containerName' and 'containerPort' combination, but not both. "
            "Remove one and retry."
        )
    elif registry.resolves and "SRV" not in registry.record_types:
        for key in ("containerPort", "containerName", "port"):
            if given.get(key):
                raise _invalid(
                    f"The values specified for serviceRegistries do not require a value for '{key}'. "
                    f"Remove the value and retry. Registry: {registry.arn}"
                )
    elif "SRV" in registry.record_types and not port and not (name and container_port):
        raise _invalid(
            f"serviceRegistries: the registry {registry.arn} has SRV records, which need 'port', or 'containerName' "
            "and 'containerPort'"
        )


def check_containers(traffic: Traffic, definition: TaskDefinition) -> None:
    """Raise :class:`ServiceRequestError` for a container, or a port of it, that the task definition does not have."""
    for balancer in traffic.get(BALANCERS, ()):
        container = _find_container(balancer.get("containerName", ""), definition)
        _check_mapped(container, balancer.get("containerPort", 0))
    for registry in traffic.get(REGISTRIES, ()):
        if registry.get("containerName"):
            container = _find_container(registry["containerName"], definition)
            _check_mapped(container, registry.get("containerPort", 0))


def _find_container(name: str, definition: TaskDefinition) -> ContainerDefinition:
    for container in definition.containers:
        if container.name == name:
            return container
    raise _invalid(f"The container {name} does not exist in the task definition.")


def _check_mapped(container: ContainerDefinition, port: int) -> None:
    for mapping in container.port_mappings:
        if mapping.container_port <= port <= (mapping.last_port or mapping.container_port):
            return
    raise _invalid(f"The container {container.name} did not have a container port {port} defined.")


def _invalid(message: str) -> ServiceRequestError:
    return ServiceRequestError("InvalidParameterException", message)

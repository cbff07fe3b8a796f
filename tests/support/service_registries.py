"""What tests of services in Cloud Map begin with, and wait for."""

from __future__ import annotations

from typing import Any

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.control_plane import ControlPlane

STEADY_WITHIN_S = 200.0


def create_namespace(cloud_map: Any, name: str, vpc: str = "vpc-1") -> str:
    """Create a private namespace with a client of Cloud Map; return its id."""
    operation = cloud_map.create_private_dns_namespace(Name=name, Vpc=vpc)["OperationId"]
    namespace: str = cloud_map.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
    return namespace


def wait_steady(aws: Aws) -> None:
    """Wait until every service of an AWS is steady; what one has said is in the assertion's message."""
    plane = aws.ecs
    assert isinstance(plane, ControlPlane)
    desk = plane.services.desk
    for service in desk.services():
        if not desk.wait_until(service.arn, lambda service: service.steady, STEADY_WITHIN_S):
            last = desk.find(service.arn)
            said = [event.message for event in reversed(last.events)] if last else []
            raise AssertionError(f"{service.name} is not steady: {said}")

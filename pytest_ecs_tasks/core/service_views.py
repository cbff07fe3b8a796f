"""A service as the world sees it: DescribeServices, and the two kinds of events that EventBridge has of services."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from pytest_ecs_tasks.core.service_facts import Announcement
from pytest_ecs_tasks.core.service_model import (
    CircuitBreaker,
    Deployment,
    DeploymentStatus,
    Service,
    ServiceSettings,
    ServiceTask,
    ThresholdType,
)
from pytest_ecs_tasks.core.service_requests import DEPLOYMENT_ONLY
from pytest_ecs_tasks.core.views import iso_time

Moment = TypeVar("Moment")


def describe_service(service: Service, wall: Callable[[float], Moment]) -> dict[str, object]:
    """Return one element of DescribeServices' ``services``, without tags.

    ``wall`` turns engine seconds into what a timestamp shall be.
    """
    settings = service.settings
    return {
        **{key: value for key, value in settings.revision.details.items() if key not in DEPLOYMENT_ONLY},
        **settings.details,
        **settings.revision.traffic,
        "serviceArn": service.arn,
        "serviceName": service.name,
        "clusterArn": service.cluster_arn,
        "status": service.status.value,
        "desiredCount": settings.desired_count,
        **_counts(service.tasks),
        "taskDefinition": settings.revision.task_definition,
        "deploymentConfiguration": _configuration(settings),
        "deployments": [_describe_deployment(service, each, wall) for each in service.deployments],
        "events": [
            {"id": event_id(service, event.number), "createdAt": wall(event.at), "message": event.message}
            for event in service.events
        ],
        "createdAt": wall(service.created_at),
        "healthCheckGracePeriodSeconds": int(settings.grace_period_s),
    }


def service_event(
    service: Service,
    announcement: Announcement,
    *,
    wall: Callable[[float], datetime],
    event_id: str,
    at: float,
) -> dict[str, object]:
    """Return an ECS Service Action or an ECS Deployment State Change as EventBridge delivers it.

    Source: developer guide, ecs_service_events and ecs_service_deployment_events.
    """
    _, _, _, region, account, _ = service.arn.split(":", 5)
    moment = wall(at)
    detail: dict[str, object] = {
        "eventType": announcement.event_type,
        "eventName": announcement.event_name,
    }
    if announcement.deployment_id is None:
        detail["clusterArn"] = service.cluster_arn
        detail["createdAt"] = iso_time(moment)
        if announcement.reason:
            detail["reason"] = announcement.reason
    else:
        detail["deploymentId"] = announcement.deployment_id
        detail["updatedAt"] = iso_time(moment)
        detail["reason"] = announcement.reason
    deployment = announcement.deployment_id is not None
    return {
        "version": "0",
        "id": event_id,
        "detail-type": "ECS Deployment State Change" if deployment else "ECS Service Action",
        "source": "aws.ecs",
        "account": account,
        "time": f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [service.arn],
        "detail": detail,
    }


def event_id(service: Service, number: int) -> str:
    """Return the id of a line of the service's event log: always the same for the same line."""
    digits = hashlib.sha256(f"{service.arn} {service.created_at} {number}".encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _counts(tasks: Iterable[ServiceTask]) -> dict[str, int]:
    tasks = tuple(tasks)
    return {
        "runningCount": sum(task.running for task in tasks),
        "pendingCount": sum(task.pending and not task.desired_stopped for task in tasks),
    }


def _describe_deployment(
    service: Service, deployment: Deployment, wall: Callable[[float], Moment]
) -> dict[str, object]:
    primary = deployment.status is DeploymentStatus.PRIMARY
    return {
        **deployment.revision.details,
        "id": deployment.deployment_id,
        "status": deployment.status.value,
        "taskDefinition": deployment.revision.task_definition,
        "desiredCount": service.settings.desired_count if primary else 0,
        **_counts(service.tasks_of(deployment.deployment_id)),
        "failedTasks": deployment.failed_tasks,
        "createdAt": wall(deployment.created_at),
        "updatedAt": wall(deployment.updated_at),
        "rolloutState": deployment.rollout_state.value,
        "rolloutStateReason": deployment.rollout_reason,
    }


def _configuration(settings: ServiceSettings) -> dict[str, object]:
    return {
        "deploymentCircuitBreaker": _circuit_breaker(settings.circuit_breaker),
        "maximumPercent": settings.maximum_percent,
        "minimumHealthyPercent": settings.minimum_healthy_percent,
        "strategy": "ROLLING",
        "bakeTimeInMinutes": 0,
    }


def _circuit_breaker(breaker: CircuitBreaker) -> Mapping[str, object]:
    view: dict[str, object] = {"enable": breaker.enabled, "rollback": breaker.rollback}
    if not breaker.reset_on_healthy_task:
        view["resetOnHealthyTask"] = False
    if (breaker.threshold_type, breaker.threshold_value) != (ThresholdType.BOUNDED_PERCENT, 50):
        view["thresholdConfiguration"] = {
            "type": breaker.threshold_type.value,
            "value": breaker.threshold_value,
        }
    return view

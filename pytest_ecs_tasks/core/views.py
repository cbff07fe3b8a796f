"""A task as the outside sees it: DescribeTasks' shape, and the state change that EventBridge delivers.

Keys that ECS leaves out while it does not know their value are left out here too.

Source: API reference, Task and Container; ECS developer guide, task state change events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from pytest_ecs_tasks.core.model import Container, Task, TaskStatus
from pytest_ecs_tasks.core.plan import TASK_SANDBOX
from pytest_ecs_tasks.core.request import ContainerOverride
from pytest_ecs_tasks.core.taskdef import NetworkMode

FARGATE_PLATFORM_VERSION = "1.4.0"
FARGATE_STORAGE_GIB = 20

Moment = TypeVar("Moment")


def describe_task(task: Task, wall: Callable[[float], Moment]) -> dict[str, object]:
    """Return one element of DescribeTasks' ``tasks``. ``wall`` turns engine seconds into what a timestamp shall be."""
    plan, request = task.plan, task.plan.request
    cpu, memory = _task_size(task)
    view: dict[str, object] = {
        "taskArn": plan.arn,
        "taskDefinitionArn": plan.definition_arn,
        "clusterArn": request.arn(f"cluster/{request.cluster}"),
        "availabilityZone": f"{request.region}a",
        "lastStatus": task.last_status.value,
        "desiredStatus": task.desired_status,
        "healthStatus": task.health_status.value,
        "launchType": plan.launch_type.value,
        "cpu": cpu,
        "memory": memory,
        "group": request.group or f"family:{plan.definition.family}",
        "version": task.version,
        "enableExecuteCommand": False,
        "attachments": _attachments(task),
        "containers": [_describe_container(task, container, wall) for container in task.containers],
        "overrides": _overrides(task),
        "tags": [],
    }
    view.update(_fargate_fields(task))
    view.update(request.shown)
    known: dict[str, object | None] = {
        "startedBy": request.started_by,
        "stopCode": task.stop_code.value if task.stop_code else None,
        "stoppedReason": task.stopped_reason,
    }
    view.update({key: value for key, value in known.items() if value is not None})
    view.update({key: wall(moment) for key, moment in _moments(task).items() if moment is not None})
    if "connectivityAt" in view:
        view["connectivity"] = "CONNECTED"
    return view


def state_change_event(
    task: Task, *, wall: Callable[[float], datetime], event_id: str, at: float
) -> dict[str, object]:
    """Return an ECS Task State Change as EventBridge delivers it; ``at`` is when it happened, in engine seconds."""

    def iso(moment: float) -> str:
        return iso_time(wall(moment))

    request = task.plan.request
    detail = describe_task(task, iso)
    detail["updatedAt"] = iso(at)
    detail["attachments"] = [{**each, "type": "eni"} for each in _attachments(task)]
    detail.pop("tags")
    return {
        "version": "0",
        "id": event_id,
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": request.account_id,
        "time": f"{wall(at).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": request.region,
        "resources": [task.plan.arn],
        "detail": detail,
    }


def iso_time(moment: datetime) -> str:
    """Return a time as ECS events write it: ``2026-01-31T12:00:00.120Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moments(task: Task) -> Mapping[str, float | None]:
    connected = task.last_status is not TaskStatus.PROVISIONING
    return {
        "createdAt": task.created_at,
        "connectivityAt": (task.pull_started_at or task.created_at) if connected else None,
        "pullStartedAt": task.pull_started_at,
        "pullStoppedAt": task.pull_stopped_at,
        "startedAt": task.started_at,
        "executionStoppedAt": task.execution_stopped_at,
        "stoppingAt": task.stopping_at,
        "stoppedAt": task.stopped_at,
    }


def _task_size(task: Task) -> tuple[str, str]:
    """Return the task's own ``cpu`` and ``memory``, else the sums over its containers, as strings."""
    definition = task.plan.definition
    containers = [container.plan.definition for container in task.containers]
    cpu = definition.cpu if definition.cpu is not None else sum(each.cpu for each in containers)
    memory = definition.memory_mib
    if memory is None:
        memory = sum(each.memory_mib or each.memory_reservation_mib or 0 for each in containers)
    return str(cpu), str(memory)


def _fargate_fields(task: Task) -> dict[str, object]:
    if not task.plan.fargate:
        return {}
    document = task.plan.definition.document
    storage = document.get("ephemeralStorage")
    size = (
        storage.get("sizeInGiB", FARGATE_STORAGE_GIB) if isinstance(storage, Mapping) else FARGATE_STORAGE_GIB
    )
    return {
        "platformVersion": FARGATE_PLATFORM_VERSION,
        "platformFamily": "Linux",
        "ephemeralStorage": {"sizeInGiB": size},
    }


def _attachment_id(task: Task) -> str:
    digits = hashlib.sha256(task.plan.task_id.encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def _attachments(task: Task) -> list[dict[str, object]]:
    """Return the task's network interface, under awsvpc; its details are there once the sandbox is."""
    if task.plan.definition.network_mode is not NetworkMode.AWSVPC:
        return []
    sandbox = task.sandboxes.get(TASK_SANDBOX)
    subnet = task.plan.request.subnet
    details = {"subnetId": subnet} if subnet else {}
    details["networkInterfaceId"] = f"eni-{task.plan.task_id[:17]}"
    if sandbox is not None and sandbox.mac_address:
        details["macAddress"] = sandbox.mac_address
    if sandbox is not None and sandbox.address:
        details["privateIPv4Address"] = sandbox.address
    return [
        {
            "id": _attachment_id(task),
            "type": "ElasticNetworkInterface",
            "status": _attachment_status(task, attached=sandbox is not None),
            "details": [{"name": name, "value": value} for name, value in details.items()],
        }
    ]


def _attachment_status(task: Task, *, attached: bool) -> str:
    if task.stopped:
        return "DELETED"
    return "ATTACHED" if attached else "PRECREATED"


def _describe_container(
    task: Task, container: Container, wall: Callable[[float], Moment]
) -> dict[str, object]:
    plan, definition = container.plan, container.plan.definition
    image = task.images.get(plan.image)
    view: dict[str, object] = {
        "containerArn": plan.arn,
        "taskArn": task.plan.arn,
        "name": container.name,
        "image": plan.image,
        "lastStatus": container.last_status,
        "healthStatus": container.health_status.value,
        "networkBindings": _network_bindings(container),
        "networkInterfaces": _network_interfaces(task),
        "cpu": str(definition.cpu),
    }
    known: dict[str, object | None] = {
        "imageDigest": image.digest if image else None,
        "runtimeId": container.runtime_id,
        "exitCode": container.exit_code,
        "reason": container.reason,
        "memory": _text(definition.memory_mib),
        "memoryReservation": _text(definition.memory_reservation_mib),
    }
    view.update({key: value for key, value in known.items() if value is not None})
    if task.plan.request.shown.get("enableExecuteCommand"):
        view["managedAgents"] = [_exec_agent(container, wall)]
    return view


def _exec_agent(container: Container, wall: Callable[[float], Moment]) -> dict[str, object]:
    """Return ECS Exec's agent, which lives and dies with its container."""
    view: dict[str, object] = {"name": "ExecuteCommandAgent", "lastStatus": container.last_status}
    if container.started_at is not None:
        view["lastStartedAt"] = wall(container.started_at)
    return view


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _network_bindings(container: Container) -> list[dict[str, object]]:
    return [
        {
            "bindIP": binding.bind_ip,
            "containerPort": binding.container_port,
            "hostPort": binding.host_port,
            "protocol": binding.protocol,
        }
        for binding in container.network_bindings
    ]


def _network_interfaces(task: Task) -> list[dict[str, object]]:
    sandbox = task.sandboxes.get(TASK_SANDBOX)
    if sandbox is None or sandbox.address is None:
        return []
    return [{"attachmentId": _attachment_id(task), "privateIpv4Address": sandbox.address}]


def _overrides(task: Task) -> dict[str, object]:
    """Return the overrides with every container named, as ECS does."""
    asked = task.plan.request.overrides
    return {
        "containerOverrides": [
            _container_override(container.name, [each for each in asked if each.name == container.name])
            for container in task.containers
        ],
        "inferenceAcceleratorOverrides": [],
    }


def _container_override(name: str, overrides: Sequence[ContainerOverride]) -> dict[str, object]:
    view: dict[str, object] = {"name": name}
    environment: dict[str, str] = {}
    for override in overrides:
        environment.update(override.environment)
        if override.command is not None:
            view["command"] = list(override.command)
        if override.cpu is not None:
            view["cpu"] = override.cpu
        if override.memory_mib is not None:
            view["memory"] = override.memory_mib
    if environment:
        view["environment"] = [{"name": key, "value": value} for key, value in environment.items()]
    return view

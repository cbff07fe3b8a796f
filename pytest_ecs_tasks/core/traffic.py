"""How a service's tasks are found: as targets of load balancers and as instances of service registries.

Nothing here calls anything: what is in the AWS comes in as :class:`TargetGroup` and :class:`Registry`, what is to be
registered goes out as :class:`Target` and :class:`Instance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_ecs_tasks.core.cloud_map import ADDRESSES, PORT
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.plan import TASK_SANDBOX
from pytest_ecs_tasks.core.request import LaunchType
from pytest_ecs_tasks.core.target_progress import CheckSchedule
from pytest_ecs_tasks.core.taskdef import NetworkMode

# The members of a service that lead traffic to its tasks, and the one that names what is registered with.
BALANCERS, REGISTRIES = "loadBalancers", "serviceRegistries"
TRAFFIC = (BALANCERS, REGISTRIES)

Traffic = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class TargetCheck:
    """How a target group checks its targets' health. ``port`` is a number or ``traffic-port``; ``timeout_s`` in seconds."""

    protocol: str = "HTTP"
    port: str = "traffic-port"
    path: str = "/"
    matcher: str = "200"
    timeout_s: float = 5.0
    schedule: CheckSchedule = field(default_factory=CheckSchedule)


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group of the AWS. ``balanced``: a load balancer's listener or rule leads to it."""

    arn: str
    target_type: str = "instance"
    balanced: bool = True
    check: TargetCheck = field(default_factory=TargetCheck)


@dataclass(frozen=True, slots=True)
class Registry:
    """A service of Cloud Map. ``record_types`` are of its DNS records, none in a namespace without DNS."""

    arn: str
    name: str
    record_types: frozenset[str] = frozenset()

    @property
    def resolves(self) -> bool:
        """Whether its name is in DNS on AWS."""
        return bool(self.record_types)


@dataclass(frozen=True, slots=True)
class Target:
    """A task as a target: an address or an instance id, a port there, and the container port that it leads to."""

    group_arn: str
    target_id: str
    port: int
    container: str
    container_port: int


@dataclass(frozen=True, slots=True)
class Place:
    """An address, and the port there where one is known."""

    address: str
    port: int | None


@dataclass(frozen=True, slots=True)
class Instance:
    """A task as an instance of a service registry; its id is the task's.

    ``inside`` is where other tasks reach it, if not at the address and port of its attributes.
    """

    registry_arn: str
    instance_id: str
    attributes: Mapping[str, str]
    inside: Place | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What has been registered of a task: how many targets, by target group, and how often they are to be checked."""

    targets: Mapping[str, int] = field(default_factory=dict)
    schedule: CheckSchedule | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """The machine that a task runs on: the container instance's id, and the address at which its host ports are reached.

    ``gateway`` is that address for containers; empty where it is not known.
    """

    instance_id: str
    address: str
    gateway: str = ""


def find_targets(task: Task, traffic: Traffic, host: Host) -> tuple[Target, ...]:
    """Return the targets that a running task is, in the order of ``loadBalancers``."""
    found: list[Target] = []
    for balancer in traffic.get(BALANCERS, ()):
        name, port = balancer["containerName"], balancer["containerPort"]
        place = _find_place(task, name, port, host)
        if place is not None:
            target_id = place.address if _is_awsvpc(task) else host.instance_id
            found.append(Target(balancer["targetGroupArn"], target_id, place.port or port, name, port))
    return tuple(found)


def find_instances(task: Task, traffic: Traffic, service: str, host: Host) -> tuple[Instance, ...]:
    """Return the instances of service registries that a running task is."""
    found: list[Instance] = []
    for registry in traffic.get(REGISTRIES, ()):
        name, port = registry.get("containerName", ""), registry.get("containerPort")
        port = port or registry.get("port")
        place = _find_place(task, name, port, host)
        if place is not None:
            attributes = _attributes(task, service, host, place)
            inside = _find_inside(task, name, port, host)
            found.append(Instance(registry["registryArn"], task.plan.task_id, attributes, inside))
    return tuple(found)


def find_checked_port(task: Task, target: Target, check: TargetCheck) -> tuple[str, int] | None:
    """Return the container and the port of it that a health check reaches; ``None`` when nothing is at its port."""
    if check.port == "traffic-port":
        return target.container, target.container_port
    if not check.port.isdecimal():  # moto takes what ELB refuses
        return None
    port = int(check.port)
    if task.plan.definition.network_mode is not NetworkMode.BRIDGE:
        return target.container, port
    for container in task.containers:
        for binding in container.network_bindings:
            if (binding.host_port, binding.protocol) == (port, "tcp"):
                return container.name, binding.container_port
    return None


def _is_awsvpc(task: Task) -> bool:
    return task.plan.definition.network_mode is NetworkMode.AWSVPC


def _find_place(task: Task, container: str, port: int | None, host: Host) -> Place | None:
    """Return address and port of a container port; ``None`` when the task has none."""
    match task.plan.definition.network_mode:
        case NetworkMode.AWSVPC:
            return _place_in_sandbox(task, TASK_SANDBOX, port)
        case NetworkMode.BRIDGE:
            for binding in task.container(container).network_bindings:
                if binding.container_port == port:
                    return Place(host.address, binding.host_port)
            return None
        case NetworkMode.HOST:
            return Place(host.address, port)
        case NetworkMode.NONE:
            return None


def _find_inside(task: Task, container: str, port: int | None, host: Host) -> Place | None:
    """Return where other tasks reach a container port whose host port they do not: the latter is open to this process alone."""
    match task.plan.definition.network_mode:
        case NetworkMode.BRIDGE:
            return _place_in_sandbox(task, container, port)
        case NetworkMode.HOST:
            return Place(host.gateway, port) if host.gateway else None
        case NetworkMode.AWSVPC | NetworkMode.NONE:
            return None


def _place_in_sandbox(task: Task, key: str, port: int | None) -> Place | None:
    sandbox = task.sandboxes.get(key)
    return Place(sandbox.address, port) if sandbox is not None and sandbox.address else None


def _attributes(task: Task, service: str, host: Host, place: Place) -> dict[str, str]:
    """Return what ECS tells Cloud Map of a task. Source: developer guide, service-discovery, "Service discovery concepts"."""
    region = task.plan.request.region
    attributes = {
        "AVAILABILITY_ZONE": f"{region}a",
        "AWS_INIT_HEALTH_STATUS": "HEALTHY",
        ADDRESSES["A"]: place.address,
        "ECS_CLUSTER_NAME": task.plan.request.cluster,
        "ECS_SERVICE_NAME": service,
        "ECS_TASK_DEFINITION_FAMILY": task.plan.definition.family,
        "REGION": region,
    }
    if place.port is not None:
        attributes[PORT] = str(place.port)
    if task.plan.launch_type is LaunchType.EC2:
        attributes["EC2_INSTANCE_ID"] = host.instance_id
    return attributes

"""A task as its own containers see it: the documents of the task metadata endpoints, versions 2, 3 and 4.

Keys are in the agent's order, and absent where the agent leaves them out.

Source: amazon-ecs-agent, ecs-agent/tmds/handlers/v2/response.go and v4/state/response.go (shapes);
agent/handlers/v2/response.go and v4/tmdsstate.go (values); developer guide, task metadata (Fargate).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from pytest_ecs_tasks.core.agent_environment import endpoint_id
from pytest_ecs_tasks.core.go import format_time
from pytest_ecs_tasks.core.health import HealthStatus
from pytest_ecs_tasks.core.log_plan import LogTarget
from pytest_ecs_tasks.core.model import Container, ContainerStatus, Task
from pytest_ecs_tasks.core.plan import TASK_SANDBOX, engine_name
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.core.views import FARGATE_STORAGE_GIB

MINIMUM_CPU = 2  # agent/handlers/v2/response.go: minimumCPUUnit
PAUSE_NAME = "~internal~ecs~pause"
PAUSE_IMAGE = "amazon/amazon-ecs-pause:0.1.0"
PROVISIONED = "RESOURCES_PROVISIONED"

Document = dict[str, object]


class Version(IntEnum):
    """A version of the task metadata endpoint."""

    V2 = 2
    V3 = 3
    V4 = 4


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a task does not know of itself: wall time, and the network it is in (``10.1.0.0/16``, ``10.1.0.1``)."""

    wall: Callable[[float], datetime]
    subnet: str | None = None
    gateway: str | None = None


def task_document(task: Task, version: Version, around: Surroundings, *, with_tags: bool = False) -> Document:
    """Return the metadata of the whole task, with the tags that it was run with if they are asked for."""
    plan, request = task.plan, task.plan.request
    cluster = request.arn(f"cluster/{request.cluster}")
    head: Document = {
        "Cluster": cluster if plan.fargate else request.cluster,
        "TaskARN": plan.arn,
        "Family": plan.definition.family,
        "Revision": str(plan.definition.revision),
        "DesiredStatus": task.desired_status,
        "KnownStatus": _known_status(task),
    }
    containers = list(_listed_containers(task, version, around))
    limits = {
        "CPU": plan.definition.cpu / 1024 if plan.definition.cpu else None,
        "Memory": plan.definition.memory_mib,
    }
    tail = {
        "Limits": _present(limits),
        "PullStartedAt": _time(task.pull_started_at, around),
        "PullStoppedAt": _time(task.pull_stopped_at, around),
        "ExecutionStoppedAt": _time(task.execution_stopped_at, around),
        "AvailabilityZone": f"{request.region}a",
        "TaskTags": dict(request.tags) if with_tags and request.tags else None,
    }
    if version is not Version.V4:
        return {**head, **_present({"Containers": containers, **tail})}
    newer = {"LaunchType": plan.launch_type.value, "Containers": containers, **_fargate_fields(task, around)}
    enabled = bool(plan.definition.document.get("enableFaultInjection"))
    return {**head, **_present({**tail, **newer}), "FaultInjectionEnabled": enabled}


def _fargate_fields(task: Task, around: Surroundings) -> Document:
    if not task.plan.fargate:
        return {}
    storage = task.plan.definition.document.get("ephemeralStorage")
    size = storage.get("sizeInGiB") if isinstance(storage, Mapping) else None
    return {
        # The container's clock is the one that is compared with.
        "ClockDrift": {
            "ReferenceTimestamp": _time(task.started_at or task.created_at, around),
            "ClockSynchronizationStatus": "SYNCHRONIZED",
        },
        "EphemeralStorageMetrics": {"Utilized": 0, "Reserved": (size or FARGATE_STORAGE_GIB) * 1024},
    }


def _known_status(task: Task) -> str:
    """Return the least advanced container's status, as the agent names it for a task."""
    least = min((_status(container) for container in task.containers), key=lambda status: status.value)
    return least.name


def _status(container: Container) -> ContainerStatus:
    return ContainerStatus.STOPPED if container.exited else container.status


def _listed_containers(task: Task, version: Version, around: Surroundings) -> Iterator[Document]:
    """Yield the created ones and, on EC2, the one that holds the task's network; then what is only pulled so far."""
    created = [container for container in task.containers if container.runtime_id is not None]
    for container in created:
        yield container_document(task, container, version, around)
    if has_pause_container(task):
        yield _pause_document(task, version, around)
    if version is Version.V4:
        for container in task.containers:
            if container not in created and container.plan.image in task.images:
                yield container_document(task, container, version, around)


def has_pause_container(task: Task) -> bool:
    """Tell whether the documents list a container that holds the network: on EC2, not on Fargate."""
    return not task.plan.fargate and TASK_SANDBOX in task.sandboxes


def container_document(task: Task, container: Container, version: Version, around: Surroundings) -> Document:
    """Return the metadata of one container; one that was pulled and not created has no id and no networks."""
    plan, definition = container.plan, container.plan.definition
    created = container.runtime_id is not None
    name = container.name if task.plan.fargate else plan.engine_name
    status = _status(container)
    gone = container.stopped and not container.ever_ran
    head: Document = {
        "DockerId": docker_id(task, container),
        "Name": container.name,
        "DockerName": name if created else "",
        "Image": plan.image,
        "ImageID": _image_id(task, container),
        **_present(
            {
                "Ports": _ports(task, container, version),
                "Labels": dict(sorted(plan.labels.items())) if created else None,
            }
        ),
        "DesiredStatus": "STOPPED" if gone else task.desired_status,
        "KnownStatus": "PULLED" if status is ContainerStatus.NONE else status.name,
        **({} if container.exit_code is None else {"ExitCode": container.exit_code}),
        "Limits": {"CPU": max(definition.cpu, MINIMUM_CPU), "Memory": definition.memory_mib or 0},
        **_present(
            {
                "CreatedAt": _time(container.created_at, around),
                "StartedAt": _time(container.started_at, around),
                "FinishedAt": _time(container.finished_at, around),
            }
        ),
        "Type": "NORMAL",
    }
    health = {} if definition.health_check is None else {"Health": _health(container, around)}
    volumes = _present({"Volumes": _volumes(task, container)}) if created else {}
    networks = _present({"Networks": _networks(task, container, version, around) if created else None})
    if version is not Version.V4:
        return {**head, **networks, **health, **volumes}
    return {
        **head,
        **health,
        **volumes,
        **_log(container),
        "ContainerARN": plan.arn,
        **networks,
        **_v4_tail(task, container),
    }


def docker_id(task: Task, container: Container) -> str:
    """Return a container's id: the engine's on EC2; on Fargate, where there is no Docker, one that tells the task."""
    if container.runtime_id is None:
        return ""
    return endpoint_id(task.plan, container.name) if task.plan.fargate else container.runtime_id


def _image_id(task: Task, container: Container) -> str:
    image = task.images.get(container.plan.image)
    if image is None:
        return ""
    return (image.digest if task.plan.fargate else None) or image.image_id


def _ports(task: Task, container: Container, version: Version) -> list[Document]:
    """Return what Docker publishes: nothing, unless the container has a bridged network of its own."""
    if task.plan.definition.network_mode is not NetworkMode.BRIDGE:
        return []
    return [
        {
            "ContainerPort": binding.container_port,
            "Protocol": binding.protocol,
            "HostPort": binding.host_port,
            **({"HostIp": binding.bind_ip} if version is Version.V4 else {}),
        }
        for binding in container.network_bindings
    ]


def _health(container: Container, around: Surroundings) -> Document:
    health = container.health
    if health is None or health.status is HealthStatus.UNKNOWN:
        return {}
    failed = health.status is HealthStatus.UNHEALTHY
    return _present(
        {
            "status": health.status.value,
            "statusSince": _time(health.since, around),
            "exitCode": (health.status_exit_code or None) if failed else None,
            "output": health.status_output,
        }
    )


def _volumes(task: Task, container: Container) -> list[Document]:
    """Return the container's own mount points; a directory is told by its path, a volume by its name on the engine."""
    own = {plan.volume.name: plan.engine_name for plan in task.plan.volumes}
    paths = {volume.name: volume.host_path for volume in task.plan.definition.volumes if volume.host_path}
    sources = {**own, **task.volume_sources, **paths}
    told = []
    for point in container.plan.definition.mount_points:
        source = sources.get(point.source_volume, "")
        kind = "Source" if source.startswith("/") else "DockerName"
        told.append(_present({kind: source, "Destination": point.container_path}))
    return told


def _log(container: Container) -> Document:
    """Return driver and options as the engine gets them: the stream's whole name in its prefix's place."""
    configuration = container.plan.definition.log_configuration
    if configuration is None:
        return {}
    options = {
        name: value for name, value in configuration.options.items() if name != "awslogs-stream-prefix"
    }
    target = container.plan.log
    if isinstance(target, LogTarget) and target.stream is not None:
        options["awslogs-stream"] = target.stream
    return {"LogDriver": configuration.driver, **_present({"LogOptions": dict(sorted(options.items()))})}


def _networks(
    task: Task, container: Container | None, version: Version, around: Surroundings
) -> list[Document]:
    mode = task.plan.definition.network_mode
    key = TASK_SANDBOX if mode is NetworkMode.AWSVPC else container.name if container else ""
    sandbox = task.sandboxes.get(key)
    address = (sandbox.address if sandbox else None) or ""
    network: Document = {"NetworkMode": mode.value, "IPv4Addresses": [address]}
    if mode is not NetworkMode.AWSVPC:
        return [] if version is Version.V2 else [network]
    if version is Version.V4:
        network.update(_interface(task, address, sandbox.mac_address if sandbox else None, around))
    return [network]


def _interface(task: Task, address: str, mac_address: str | None, around: Surroundings) -> Document:
    region = task.plan.request.region
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    prefix = (around.subnet or "").partition("/")[2]
    return {
        "AttachmentIndex": 0,
        **_present(
            {
                "MACAddress": mac_address,
                "IPv4SubnetCIDRBlock": around.subnet,
                "PrivateDNSName": f"ip-{address.replace('.', '-')}.{domain}" if address else None,
                "SubnetGatewayIpv4Address": f"{around.gateway}/{prefix}"
                if around.gateway and prefix
                else None,
            }
        ),
    }


def _v4_tail(task: Task, container: Container) -> Document:
    policy = container.plan.definition.restart_policy
    return {
        **({"Snapshotter": "overlayfs"} if task.plan.fargate else {}),
        **({"RestartCount": container.restart_count} if policy is not None and policy.enabled else {}),
    }


def _pause_document(task: Task, version: Version, around: Surroundings) -> Document:
    """Return the container that holds the task's network; the sandbox has its part here."""
    labels = {**task.containers[0].plan.labels, "com.amazonaws.ecs.container-name": PAUSE_NAME}
    return {
        "DockerId": task.sandboxes[TASK_SANDBOX].runtime_id,
        "Name": PAUSE_NAME,
        "DockerName": engine_name(task.plan.definition, PAUSE_NAME, task.plan.task_id),
        "Image": PAUSE_IMAGE,
        "ImageID": "",
        "Labels": {name: value for name, value in labels.items() if name.startswith("com.amazonaws.ecs.")},
        "DesiredStatus": PROVISIONED,
        "KnownStatus": PROVISIONED,
        "Limits": {"CPU": MINIMUM_CPU, "Memory": 0},
        "CreatedAt": _time(task.created_at, around),
        "StartedAt": _time(task.created_at, around),
        "Type": "CNI_PAUSE",
        "Networks": _networks(task, None, version, around),
    }


def _time(moment: float | None, around: Surroundings) -> str | None:
    return None if moment is None else format_time(around.wall(moment))


def _present(values: Mapping[str, object]) -> Document:
    """Return what is not empty: Go's ``omitempty``."""
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}

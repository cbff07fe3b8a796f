"""The rules of one container: memory, ports, network, health, logs, secrets, mounts, limits.

Sources as in :mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ecs_tasks.core import log_rules
from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.placeholders import find_placeholder, image_slot
from pytest_ecs_tasks.core.s3 import find_object
from pytest_ecs_tasks.core.sizes import parse_port_range
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode, TaskDefinition

_LAST_PORT = 65535
_SAME_PORTS = (NetworkMode.AWSVPC, NetworkMode.HOST)
_MOST_RANGES = 100  # [API] containerPortRange
_MOST_EXIT_CODES = 50
_MOST_ENVIRONMENT_FILES = 10  # [API] environmentFiles
# [API] HealthCheck
_HEALTH_RANGES = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
_SWAPPINESS_RANGE = (0, 100)  # [API]
_RESTART_PERIOD = (60, 1800)  # [API]
# [D], but for the second
_NOT_UNDER_AWSVPC = {
    "dnsServers": "DNS servers are not supported on container when networkMode=awsvpc.",
    "dnsSearchDomains": "dnsSearchDomains cannot be used with networkMode awsvpc",
    "extraHosts": "Extra hosts are not supported on container when networkMode=awsvpc.",
    "disableNetworking": "Disable Networking is not supported on container when networkMode=awsvpc.",
}
_SECRET_ARN = re.compile(r"arn:aws[a-z-]*:(secretsmanager|ssm):")
_IMAGE = re.compile(r"[A-Za-z0-9_.:/@#+-]+")  # [API] image; "+" is in digests' algorithms
_LONGEST_IMAGE = 255
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9_./-]+")
_PARAMETER_ARN = re.compile(r"arn:aws[a-z-]*:ssm:[^:]*:[^:]*:parameter/[A-Za-z0-9_./-]+")


def check(definition: TaskDefinition, *, fargate: bool) -> Iterator[Finding]:
    """Return what is wrong with each container by itself."""
    volumes = {volume.name for volume in definition.volumes}
    declared = definition.document.get("containerDefinitions")
    documents = declared if isinstance(declared, list) else []
    for index, container in enumerate(definition.containers):
        path: Path = ("containerDefinitions", index)
        document = documents[index] if index < len(documents) else {}
        yield from _check_memory(definition, container, path, fargate=fargate)
        yield from _check_ports(definition.network_mode, container, path)
        yield from _check_port_texts(document, path)
        yield from _check_network(definition.network_mode, container, document, path)
        yield from _check_times(container, path)
        yield from _check_health(container, path)
        yield from _check_environment_files(container, path)
        yield from log_rules.check_container(container, path, fargate=fargate)
        yield from _check_secrets(container, path)
        if container.secrets and not definition.execution_role_arn:
            # [I]: on any launch type; a text that is Fargate's alone begins with its name
            text = "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'."
            yield Finding((*path, "secrets"), "secrets-execution-role", text, (("executionRoleArn",),))
        yield from _check_restarts(container, path)
        yield from _check_limits(container, document, path)
        yield from _check_image(container, path)
        yield from _check_mounts(container, volumes, path)


def _check_image(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    image = container.image.strip()
    if image_slot(image) is not None or find_placeholder(image):
        return
    if not _IMAGE.fullmatch(image):
        # [I]
        text = f"Container.image contains invalid characters. '{image}' is not the name of an image"
        yield Finding((*path, "image"), "invalid-image", text)
    elif len(image.partition("@")[0]) > _LONGEST_IMAGE:
        text = f"the name of an image has up to {_LONGEST_IMAGE} characters"
        yield Finding((*path, "image"), "invalid-image", text)


def _check_mounts(container: ContainerDefinition, volumes: set[str], path: Path) -> Iterator[Finding]:
    taken: set[str] = set()
    for place, mount in enumerate(container.mount_points):
        where = (*path, "mountPoints", place)
        if mount.source_volume not in volumes:
            text = f"Unknown volume '{mount.source_volume}'. It is not in volumes"  # [D], but for the end
            yield Finding((*where, "sourceVolume"), "mount-unknown-volume", text, (("volumes",),))
        if mount.container_path in taken:
            text = (
                f"two volumes are mounted at '{mount.container_path}'"  # no engine creates such a container
            )
            yield Finding((*where, "containerPath"), "mount-path-taken", text)
        taken.add(mount.container_path)


def _check_memory(
    definition: TaskDefinition, container: ContainerDefinition, path: Path, *, fargate: bool
) -> Iterator[Finding]:
    hard, soft = container.memory_mib, container.memory_reservation_mib
    needs = ((*path, "memoryReservation"), ("memory",), ("requiresCompatibilities",))
    if not hard and not soft and definition.memory_mib is None and not fargate:
        text = (  # [I]
            f"Invalid setting for container '{container.name}'. "
            "At least one of 'memory' or 'memoryReservation' must be specified."
        )
        yield Finding((*path, "memory"), "memory-missing", text, needs)
    for field, size in (("cpu", container.cpu), ("memory", hard), ("memoryReservation", soft)):
        if size is not None and size < 0:
            yield Finding((*path, field), "negative-size", f"{size} is less than 0")
    # [API] says that memory must be greater, and ECS takes equal values.
    if hard and soft and hard < soft:
        text = "'memory' must be greater than or equal to 'memoryReservation'"  # [D]
        text = f"{text}: {hard} is less than {soft}"
        yield Finding((*path, "memory"), "memory-reservation", text, needs)


def _check_ports(mode: NetworkMode, container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    for place, mapping in enumerate(container.port_mappings):
        where = (*path, "portMappings", place)
        if mapping.last_port is None and not 1 <= mapping.container_port <= _LAST_PORT:
            text = f"Invalid 'containerPort' setting for container '{container.name}'."  # [I]
            yield Finding((*where, "containerPort"), "invalid-port", f"{text} A port is 1 to {_LAST_PORT}")
        elif not 0 <= mapping.host_port <= _LAST_PORT:
            yield Finding(
                (*where, "hostPort"),
                "invalid-port",
                f"a host port is 0 to {_LAST_PORT}, not {mapping.host_port}",
            )
        elif mode in _SAME_PORTS and mapping.host_port not in (0, mapping.container_port):
            # [D]
            text = f"When networkMode={mode}, the host ports and container ports in port mappings must match."
            what = f"{mapping.host_port} and {mapping.container_port} differ; hostPort may be left out"
            yield Finding((*where, "hostPort"), "host-port-differs", f"{text} {what}", (("networkMode",),))
    if mode is NetworkMode.NONE and container.port_mappings:
        text = "a task with networkMode none has no ports"
        yield Finding((*path, "portMappings"), "ports-network-mode", text, (("networkMode",),))
    ranges = [mapping for mapping in container.port_mappings if mapping.last_port is not None]
    if ranges and mode not in (NetworkMode.AWSVPC, NetworkMode.BRIDGE):
        text = f"containerPortRange needs networkMode bridge or awsvpc, not {mode}"  # [API]
        yield Finding((*path, "portMappings"), "port-range-network-mode", text, (("networkMode",),))
    if len(ranges) > _MOST_RANGES:
        text = f"{len(ranges)} port ranges; a container has up to {_MOST_RANGES}"
        yield Finding((*path, "portMappings"), "port-range-count", text)


def _check_port_texts(document: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    for place, mapping in enumerate(document.get("portMappings", [])):
        text = mapping.get("containerPortRange")
        if text is None:
            continue
        where = (*path, "portMappings", place, "containerPortRange")
        ports = parse_port_range(text)
        name = document.get("name", "")
        if ports is None or not 1 <= ports[0] < ports[1] <= _LAST_PORT:
            problem = f"Invalid 'containerPortRange' setting for container '{name}'."  # [D]
            yield Finding(where, "port-range", f"{problem} '{text}' is not a range such as '8000-8010'")
        if "containerPort" in mapping or "hostPort" in mapping:
            problem = f"Invalid port mapping for container '{name}', cannot specify both single port and port range."
            yield Finding(where, "port-range", problem)  # [D]


def _check_network(
    mode: NetworkMode, container: ContainerDefinition, document: Mapping[str, Any], path: Path
) -> Iterator[Finding]:
    needs = (("networkMode",),)
    if mode is NetworkMode.AWSVPC:
        if container.links:
            yield Finding(
                (*path, "links"),
                "links-network-mode",
                "Links are not supported when networkMode=awsvpc.",
                needs,
            )  # [D]
        if container.hostname:
            text = "hostname is not supported on container when networkMode=awsvpc."  # [I]
            yield Finding((*path, "hostname"), "hostname-network-mode", text, needs)
        for field, text in _NOT_UNDER_AWSVPC.items():
            if document.get(field):
                yield Finding((*path, field), "field-network-mode", text, needs)
    elif container.links and mode is not NetworkMode.BRIDGE:
        yield Finding(
            (*path, "links"), "links-network-mode", f"links need networkMode bridge, not {mode}", needs
        )  # [API]
    if mode is NetworkMode.HOST and any(name.startswith("net.") for name in container.system_controls):
        text = "systemControls of the network (net.*) cannot be set with networkMode host"
        yield Finding((*path, "systemControls"), "system-controls-network-mode", text, needs)


def _check_times(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    times = {"startTimeout": container.start_timeout_s, "stopTimeout": container.stop_timeout_s}
    for field, seconds in times.items():
        if seconds is not None and seconds < 0:
            yield Finding((*path, field), "negative-time", f"{seconds} seconds is less than 0")


def _check_health(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    health = container.health_check
    if health is None:
        return
    values = {
        "interval": health.interval_s,
        "timeout": health.timeout_s,
        "retries": health.retries,
        "startPeriod": health.start_period_s,
    }
    for field, value in values.items():
        low, high = _HEALTH_RANGES[field]
        if not low <= value <= high:
            text = f"{field} is {low} to {high}, not {value}"
            if value > high:
                limit = f"must be less than or equal to the maximum allowed value {high}"
                text = f"Health check {field} {limit} for container '{container.name}'. It is {value}"  # [D]
            yield Finding((*path, "healthCheck", field), "health-check-range", text)
    if len(health.command) == 1:
        text = f"{health.command[0]} alone runs nothing; the command follows it"
        yield Finding((*path, "healthCheck", "command"), "health-check-command", text)


def _check_environment_files(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    count = len(container.environment_files)
    if count > _MOST_ENVIRONMENT_FILES:
        # [D]
        text = f"The maximum number of environment files was exceeded. Specify ten or less and try again. It has {count}"
        yield Finding((*path, "environmentFiles"), "environment-file-count", text)
    for place, arn in enumerate(container.environment_files):
        where = (*path, "environmentFiles", place, "value")
        if find_placeholder(arn):
            continue
        if find_object(arn) is None:
            yield Finding(
                where,
                "environment-file",
                f"Invalid arn syntax. '{arn}' is to be the ARN of an S3 object, such as "  # [D]
                "arn:aws:s3:::bucket/path/name.env",
            )
        elif not arn.endswith(".env"):
            yield Finding(
                where, "environment-file", f"the name of an environment file ends in .env; this is '{arn}'"
            )  # [API]


def _check_secrets(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    for place, secret in enumerate(container.log_secrets):
        problem = _describe_bad_secret(secret.name, secret.value_from)
        if problem:
            yield Finding(
                (*path, "logConfiguration", "secretOptions", place, "valueFrom"), "secret-reference", problem
            )
    taken = set(container.environment)
    for place, secret in enumerate(container.secrets):
        where = (*path, "secrets", place)
        if secret.name in taken:
            text = (  # [I]
                "The secret name must be unique and not shared with any new or existing environment "
                f"variables set on the container, such as '{secret.name}'."
            )
            yield Finding((*where, "name"), "secret-name-taken", text, ((*path, "environment"),))
        taken.add(secret.name)
        problem = _describe_bad_secret(secret.name, secret.value_from)
        if problem:
            yield Finding((*where, "valueFrom"), "secret-reference", problem)


def _describe_bad_secret(name: str, value_from: str) -> str | None:
    if find_placeholder(value_from):
        return None
    if value_from.startswith("arn:") and not _SECRET_ARN.match(value_from):
        return f"secret '{name}': an ARN here is one of Secrets Manager or of an SSM parameter"
    is_parameter = not value_from.startswith("arn:") or ":ssm:" in value_from[: len("arn:aws-us-gov:ssm:")]
    shape = _PARAMETER_ARN if value_from.startswith("arn:") else _PARAMETER_NAME
    if is_parameter and not shape.fullmatch(value_from):
        return (  # [I], whose remainder is not known
            f"The Systems Manager parameter name specified for secret {name} is invalid. "
            "A name has letters, digits and ._-/ and ECS takes no version and no label"
        )
    return None


def _check_restarts(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    policy = container.restart_policy
    if policy is None:
        return
    low, high = _RESTART_PERIOD
    if not low <= policy.attempt_period_s <= high:
        name, given = container.name, policy.attempt_period_s
        text = f"The 'restartAttemptPeriod' setting for container '{name}' must be between {low} and {high}."  # [D]
        text = f"{text} It is {given}"
        yield Finding((*path, "restartPolicy", "restartAttemptPeriod"), "restart-period", text)
    if len(policy.ignored_exit_codes) > _MOST_EXIT_CODES:
        text = f"{len(policy.ignored_exit_codes)} exit codes; up to {_MOST_EXIT_CODES} can be ignored"
        yield Finding((*path, "restartPolicy", "ignoredExitCodes"), "restart-exit-codes", text)


def _check_limits(
    container: ContainerDefinition, document: Mapping[str, Any], path: Path
) -> Iterator[Finding]:
    for place, limit in enumerate(container.ulimits):
        if limit.hard_limit >= 0 and not limit.soft_limit <= limit.hard_limit:
            text = f"Soft limit exceeds hard limit for ulimit {limit.name}"  # [D]
            text = f"{text}: {limit.soft_limit} is greater than {limit.hard_limit}"
            yield Finding((*path, "ulimits", place, "softLimit"), "ulimit-order", text)
    linux = container.linux_parameters
    for place, mount in enumerate(linux.tmpfs):
        if mount.size_mib <= 0:
            where = (*path, "linuxParameters", "tmpfs", place, "size")
            yield Finding(where, "tmpfs-size", f"size is a number of MiB from 1, not {mount.size_mib}")
    shared = linux.shared_memory_size_mib
    if shared is not None and shared < 0:  # 0 leaves it to Docker, as nothing does
        where = (*path, "linuxParameters", "sharedMemorySize")
        yield Finding(where, "shared-memory-size", f"sharedMemorySize is a number of MiB, not {shared}")
    yield from _check_swap(document.get("linuxParameters", {}), (*path, "linuxParameters"))


def _check_swap(linux: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    low, high = _SWAPPINESS_RANGE
    swappiness = linux.get("swappiness")
    if linux.get("maxSwap", 0) < 0:
        yield Finding(
            (*path, "maxSwap"), "swap", f"maxSwap is a number of MiB from 0, not {linux['maxSwap']}"
        )
    if swappiness is not None and not low <= swappiness <= high:
        yield Finding((*path, "swappiness"), "swap", f"swappiness is {low} to {high}, not {swappiness}")

"""The rules of one container: memory, ports, network, health, logs, secrets, mounts, limits.

Sources as in :mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.placeholders import find_placeholder
from pytest_ecs_tasks.core.sizes import parse_port_range
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode, TaskDefinition

_LAST_PORT = 65535
_SAME_PORTS = (NetworkMode.AWSVPC, NetworkMode.HOST)
_MOST_RANGES = 100  # [API] containerPortRange
_LONGEST_PORT_NAME = 64
_MOST_EXIT_CODES = 50
_AWSLOGS_OPTIONS = ("awslogs-region", "awslogs-group")
# [API] HealthCheck
_HEALTH_RANGES = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}
_RESTART_PERIOD = (60, 1800)  # [API]
_SECRET_ARN = re.compile(r"arn:aws[a-z-]*:(secretsmanager|ssm):")
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
        yield from _check_logs(container, path)
        yield from _check_secrets(container, path)
        yield from _check_restarts(container, path)
        yield from _check_limits(container, path)
        for place, mount in enumerate(container.mount_points):
            if mount.source_volume not in volumes:
                text = f"Invalid volume referenced: {mount.source_volume}"  # [A]
                where = (*path, "mountPoints", place, "sourceVolume")
                yield Finding(where, f"{text}; '{mount.source_volume}' is not in volumes", (("volumes",),))


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
        yield Finding((*path, "memory"), text, needs)
    for field, size in (("cpu", container.cpu), ("memory", hard), ("memoryReservation", soft)):
        if size is not None and size < 0:
            yield Finding((*path, field), f"{size} is less than 0")
    # [API] says that memory must be greater; equal values are registered every day, by the CDK among others.
    if hard and soft and hard < soft:
        text = f"memory ({hard}) is to be greater than memoryReservation ({soft})"
        yield Finding((*path, "memory"), text, needs)


def _check_ports(mode: NetworkMode, container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    for place, mapping in enumerate(container.port_mappings):
        where = (*path, "portMappings", place)
        if mapping.last_port is None and not 1 <= mapping.container_port <= _LAST_PORT:
            text = f"Invalid 'containerPort' setting for container '{container.name}'."  # [I]
            yield Finding((*where, "containerPort"), f"{text} A port is 1 to {_LAST_PORT}")
        elif not 0 <= mapping.host_port <= _LAST_PORT:
            yield Finding((*where, "hostPort"), f"a host port is 0 to {_LAST_PORT}, not {mapping.host_port}")
        elif mode in _SAME_PORTS and mapping.host_port not in (0, mapping.container_port):
            # [I]
            text = f"When networkMode={mode}, the host ports and container ports in port mappings must match."
            what = f"{mapping.host_port} and {mapping.container_port} differ; hostPort may be left out"
            yield Finding((*where, "hostPort"), f"{text} {what}", (("networkMode",),))
        if mapping.name and len(mapping.name) > _LONGEST_PORT_NAME:
            yield Finding((*where, "name"), f"a port's name has up to {_LONGEST_PORT_NAME} characters")
    if mode is NetworkMode.NONE and container.port_mappings:
        text = "a task with networkMode none has no ports"
        yield Finding((*path, "portMappings"), text, (("networkMode",),))
    ranges = [mapping for mapping in container.port_mappings if mapping.last_port is not None]
    if ranges and mode not in (NetworkMode.AWSVPC, NetworkMode.BRIDGE):
        text = f"containerPortRange needs networkMode bridge or awsvpc, not {mode}"  # [API]
        yield Finding((*path, "portMappings"), text, (("networkMode",),))
    if len(ranges) > _MOST_RANGES:
        text = f"{len(ranges)} port ranges; a container has up to {_MOST_RANGES}"
        yield Finding((*path, "portMappings"), text)


def _check_port_texts(document: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    for place, mapping in enumerate(document.get("portMappings", [])):
        text = mapping.get("containerPortRange")
        if text is None:
            continue
        where = (*path, "portMappings", place, "containerPortRange")
        ports = parse_port_range(text)
        if ports is None or not 1 <= ports[0] < ports[1] <= _LAST_PORT:
            yield Finding(where, f"'{text}' is not a range of ports such as '8000-8010'")
        for other in ("containerPort", "hostPort"):
            if other in mapping:
                yield Finding(where, f"a mapping with containerPortRange has no {other}")


def _check_network(
    mode: NetworkMode, container: ContainerDefinition, document: Mapping[str, Any], path: Path
) -> Iterator[Finding]:
    needs = (("networkMode",),)
    if mode is NetworkMode.AWSVPC:
        if container.links:
            yield Finding((*path, "links"), "Links are not supported when networkMode=awsvpc.", needs)  # [I]
        if container.hostname:
            text = "hostname is not supported on container when networkMode=awsvpc."  # [I]
            yield Finding((*path, "hostname"), text, needs)
        for field in ("dnsServers", "dnsSearchDomains", "extraHosts", "disableNetworking"):
            if document.get(field):
                yield Finding((*path, field), f"{field} cannot be used with networkMode awsvpc", needs)
    elif container.links and mode is not NetworkMode.BRIDGE:
        yield Finding((*path, "links"), f"links need networkMode bridge, not {mode}", needs)  # [API]
    if mode is NetworkMode.HOST and any(name.startswith("net.") for name in container.system_controls):
        text = "systemControls of the network (net.*) cannot be set with networkMode host"
        yield Finding((*path, "systemControls"), text, needs)


def _check_times(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    times = {"startTimeout": container.start_timeout_s, "stopTimeout": container.stop_timeout_s}
    for field, seconds in times.items():
        if seconds is not None and seconds < 0:
            yield Finding((*path, field), f"{seconds} seconds is less than 0")


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
            yield Finding((*path, "healthCheck", field), f"{field} is {low} to {high}, not {value}")
    if len(health.command) == 1:
        text = f"{health.command[0]} alone runs nothing; the command follows it"
        yield Finding((*path, "healthCheck", "command"), text)


def _check_logs(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    logs = container.log_configuration
    if logs is None or logs.driver != "awslogs":
        return
    missing = [option for option in _AWSLOGS_OPTIONS if not logs.options.get(option)]
    if missing:
        text = f"Log driver awslogs requires options: {', '.join(missing)}"  # [I]
        yield Finding((*path, "logConfiguration", "options"), text)


def _check_secrets(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    taken = set(container.environment)
    for place, secret in enumerate(container.secrets):
        where = (*path, "secrets", place)
        if secret.name in taken:
            text = (  # [I]
                "The secret name must be unique and not shared with any new or existing environment "
                f"variables set on the container, such as '{secret.name}'."
            )
            yield Finding((*where, "name"), text, ((*path, "environment"),))
        taken.add(secret.name)
        problem = _describe_bad_secret(secret.name, secret.value_from)
        if problem:
            yield Finding((*where, "valueFrom"), problem)


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
        text = f"restartAttemptPeriod is {low} to {high}, not {policy.attempt_period_s}"
        yield Finding((*path, "restartPolicy", "restartAttemptPeriod"), text)
    if len(policy.ignored_exit_codes) > _MOST_EXIT_CODES:
        text = f"{len(policy.ignored_exit_codes)} exit codes; up to {_MOST_EXIT_CODES} can be ignored"
        yield Finding((*path, "restartPolicy", "ignoredExitCodes"), text)


def _check_limits(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    for place, limit in enumerate(container.ulimits):
        if limit.hard_limit >= 0 and not limit.soft_limit <= limit.hard_limit:
            text = f"softLimit ({limit.soft_limit}) is greater than hardLimit ({limit.hard_limit})"
            yield Finding((*path, "ulimits", place, "softLimit"), text)
    linux = container.linux_parameters
    for place, mount in enumerate(linux.tmpfs):
        if mount.size_mib <= 0:
            where = (*path, "linuxParameters", "tmpfs", place, "size")
            yield Finding(where, f"size is a number of MiB from 1, not {mount.size_mib}")
    shared = linux.shared_memory_size_mib
    if shared is not None and shared <= 0:
        where = (*path, "linuxParameters", "sharedMemorySize")
        yield Finding(where, f"sharedMemorySize is a number of MiB from 1, not {shared}")

"""A checked document turned into the values of :mod:`pytest_ecs_tasks.core.taskdef`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_ecs_tasks.core.sizes import parse_cpu, parse_memory, parse_port_range
from pytest_ecs_tasks.core.taskdef import (
    Condition,
    ContainerDefinition,
    Dependency,
    Device,
    FileSystem,
    FileSystemKind,
    FirelensConfiguration,
    FirelensType,
    HealthCheck,
    LinuxParameters,
    LogConfiguration,
    MountPoint,
    NetworkMode,
    PortMapping,
    RestartPolicy,
    Secret,
    TaskDefinition,
    Tmpfs,
    Ulimit,
    Volume,
    VolumesFrom,
)

Document = Mapping[str, Any]

_PERMISSIONS = {"read": "r", "write": "w", "mknod": "m"}


def build_task_definition(document: Document, *, source: str, revision: int) -> TaskDefinition:
    """Return the typed form of a checked document; what the check found wrong has its default."""
    mode = NetworkMode(document.get("networkMode", NetworkMode.BRIDGE))
    return TaskDefinition(
        family=document.get("family", ""),
        containers=tuple(_container(each, mode) for each in document.get("containerDefinitions", [])),
        revision=revision,
        network_mode=mode,
        requires_compatibilities=tuple(document.get("requiresCompatibilities", [])),
        task_role_arn=document.get("taskRoleArn"),
        execution_role_arn=document.get("executionRoleArn"),
        cpu=parse_cpu(document["cpu"]) if "cpu" in document else None,
        memory_mib=parse_memory(document["memory"]) if "memory" in document else None,
        pid_mode=document.get("pidMode"),
        ipc_mode=document.get("ipcMode"),
        volumes=tuple(_volume(each) for each in document.get("volumes", [])),
        source=source,
        document=document,
    )


def _container(document: Document, mode: NetworkMode) -> ContainerDefinition:
    return ContainerDefinition(
        name=document.get("name", ""),
        image=document.get("image", ""),
        registry_credentials=document.get("repositoryCredentials", {}).get("credentialsParameter"),
        essential=document.get("essential", True),
        entry_point=_texts(document, "entryPoint") or None,
        command=_texts(document, "command") or None,
        environment={
            each["name"]: each.get("value", "") for each in _entries(document, "environment", "name")
        },
        environment_files=tuple(each["value"] for each in _entries(document, "environmentFiles", "value")),
        secrets=tuple(
            Secret(each["name"], each["valueFrom"])
            for each in _entries(document, "secrets", "name", "valueFrom")
        ),
        port_mappings=tuple(_port_mapping(each, mode) for each in document.get("portMappings", [])),
        depends_on=tuple(
            Dependency(each["containerName"], Condition(each["condition"]))
            for each in _entries(document, "dependsOn", "containerName", "condition")
        ),
        start_timeout_s=document.get("startTimeout"),
        stop_timeout_s=document.get("stopTimeout"),
        health_check=_health_check(document.get("healthCheck", {})),
        log_configuration=_log_configuration(document.get("logConfiguration", {})),
        mount_points=tuple(
            MountPoint(each["sourceVolume"], each["containerPath"], each.get("readOnly", False))
            for each in _entries(document, "mountPoints", "sourceVolume", "containerPath")
        ),
        volumes_from=tuple(
            VolumesFrom(each["sourceContainer"], each.get("readOnly", False))
            for each in _entries(document, "volumesFrom", "sourceContainer")
        ),
        cpu=document.get("cpu", 0),
        memory_mib=document.get("memory") or None,
        memory_reservation_mib=document.get("memoryReservation") or None,
        user=document.get("user"),
        working_directory=document.get("workingDirectory"),
        hostname=document.get("hostname"),
        links=_texts(document, "links"),
        docker_labels=document.get("dockerLabels", {}),
        ulimits=tuple(
            Ulimit(each["name"], each["softLimit"], each["hardLimit"])
            for each in _entries(document, "ulimits", "name", "softLimit", "hardLimit")
        ),
        linux_parameters=_linux_parameters(document.get("linuxParameters", {})),
        readonly_root_filesystem=document.get("readonlyRootFilesystem", False),
        privileged=document.get("privileged", False),
        interactive=document.get("interactive", False),
        pseudo_terminal=document.get("pseudoTerminal", False),
        extra_hosts={
            each["hostname"]: each["ipAddress"]
            for each in _entries(document, "extraHosts", "hostname", "ipAddress")
        },
        dns_servers=_texts(document, "dnsServers"),
        dns_search_domains=_texts(document, "dnsSearchDomains"),
        system_controls={
            each["namespace"]: each["value"]
            for each in _entries(document, "systemControls", "namespace", "value")
        },
        restart_policy=_restart_policy(document.get("restartPolicy", {})),
        firelens=_firelens(document.get("firelensConfiguration", {})),
        security_options=_texts(document, "dockerSecurityOptions"),
        disable_networking=document.get("disableNetworking", False),
    )


def _entries(document: Document, name: str, *needed: str) -> list[Document]:
    """Return the entries of a list that have what they need; the check has complained of the others."""
    return [each for each in document.get(name, []) if all(key in each for key in needed)]


def _texts(document: Document, name: str) -> tuple[str, ...]:
    return tuple(document.get(name, []))


def _port_mapping(document: Document, mode: NetworkMode) -> PortMapping:
    first, last = parse_port_range(document.get("containerPortRange", "")) or (None, None)
    port = document.get("containerPort", 0) if first is None else first
    host_port = document.get("hostPort", 0)
    if not host_port and last is None and mode in (NetworkMode.AWSVPC, NetworkMode.HOST):
        host_port = port
    return PortMapping(port, host_port, document.get("protocol", "tcp"), last, document.get("name"))


def has_runnable_health_check(document: Document) -> bool:
    """Tell whether a health check's command is one that Docker runs: it starts with CMD or CMD-SHELL."""
    command = document.get("command", [])
    return bool(command) and command[0] in ("CMD", "CMD-SHELL")


def _health_check(document: Document) -> HealthCheck | None:
    if not has_runnable_health_check(document):
        return None
    return HealthCheck(
        command=tuple(document["command"]),
        interval_s=document.get("interval", 30),
        timeout_s=document.get("timeout", 5),
        retries=document.get("retries", 3),
        start_period_s=document.get("startPeriod", 0),
    )


def _log_configuration(document: Document) -> LogConfiguration | None:
    if "logDriver" not in document:
        return None
    return LogConfiguration(
        document["logDriver"],
        document.get("options", {}),
        tuple(
            Secret(each["name"], each["valueFrom"])
            for each in _entries(document, "secretOptions", "name", "valueFrom")
        ),
    )


def _firelens(document: Document) -> FirelensConfiguration | None:
    if "type" not in document:
        return None
    return FirelensConfiguration(FirelensType(document["type"]), document.get("options", {}))


def _linux_parameters(document: Document) -> LinuxParameters:
    capabilities = document.get("capabilities", {})
    return LinuxParameters(
        init_process_enabled=document.get("initProcessEnabled", False),
        capabilities_add=_texts(capabilities, "add"),
        capabilities_drop=_texts(capabilities, "drop"),
        shared_memory_size_mib=document.get("sharedMemorySize"),
        tmpfs=tuple(
            Tmpfs(each["containerPath"], each["size"], _texts(each, "mountOptions"))
            for each in _entries(document, "tmpfs", "containerPath", "size")
        ),
        devices=tuple(_device(each) for each in _entries(document, "devices", "hostPath")),
        max_swap_mib=document.get("maxSwap"),
        swappiness=document.get("swappiness"),
    )


def _device(document: Document) -> Device:
    letters = "".join(_PERMISSIONS[each] for each in document.get("permissions", []))
    host_path = document["hostPath"]
    return Device(host_path, document.get("containerPath", host_path), letters or "rwm")


def _restart_policy(document: Document) -> RestartPolicy | None:
    if "enabled" not in document:
        return None
    return RestartPolicy(
        enabled=document["enabled"],
        ignored_exit_codes=tuple(document.get("ignoredExitCodes", [])),
        attempt_period_s=document.get("restartAttemptPeriod", 300),
    )


def _volume(document: Document) -> Volume:
    docker = document.get("dockerVolumeConfiguration", {})
    return Volume(
        name=document.get("name", ""),
        host_path=document.get("host", {}).get("sourcePath"),
        driver=docker.get("driver"),
        driver_options=docker.get("driverOpts", {}),
        labels=docker.get("labels", {}),
        shared=docker.get("scope") == "shared",
        autoprovision=docker.get("autoprovision", False),
        file_system=_file_system(document),
        configured_at_launch=document.get("configuredAtLaunch", False),
    )


def _file_system(document: Document) -> FileSystem | None:
    if "efsVolumeConfiguration" in document:
        efs = document["efsVolumeConfiguration"]
        access_point = efs.get("authorizationConfig", {}).get("accessPointId")
        return _directory_of(FileSystemKind.EFS, efs, "fileSystemId", access_point)
    if "fsxWindowsFileServerVolumeConfiguration" in document:
        fsx = document["fsxWindowsFileServerVolumeConfiguration"]
        return _directory_of(FileSystemKind.FSX, fsx, "fileSystemId", None)
    if "s3filesVolumeConfiguration" in document:
        s3_files = document["s3filesVolumeConfiguration"]
        return _directory_of(
            FileSystemKind.S3_FILES, s3_files, "fileSystemArn", s3_files.get("accessPointArn")
        )
    return None


def _directory_of(
    kind: FileSystemKind, document: Document, id_field: str, access_point: str | None
) -> FileSystem:
    parts = document.get("rootDirectory", "").replace("\\", "/").split("/")  # FSx has Windows paths
    root_directory = "/".join(part for part in parts if part not in ("", "."))
    return FileSystem(kind, document.get(id_field, ""), access_point, root_directory)

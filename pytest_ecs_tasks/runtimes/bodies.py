"""What the Docker API is told and what it answers, translated from and to our own values."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pytest_ecs_tasks.core.spec import ContainerSpec, Mount, NetworkBinding, Sensitive
from pytest_ecs_tasks.engine.ports import ContainerFacts, ImageFacts, NetworkFacts, VolumeFacts

CPU_PERIOD_US = 100_000
CPU_UNITS = 1024
LEAST_CPU_QUOTA_US = 1_000  # the kernel refuses less
NEVER = "0001-01-01T00:00:00Z"


def container_body(spec: ContainerSpec) -> dict[str, Any]:
    """Return the body of ``POST /containers/create``."""
    body: dict[str, Any] = {
        "Image": spec.image_id,
        "Labels": dict(spec.labels),
        "Env": [f"{name}={reveal(value)}" for name, value in spec.environment.items()],
        # Health checks are the plugin's own; an image's HEALTHCHECK does not count in ECS either.
        "Healthcheck": {"Test": ["NONE"]},
        "AttachStdout": True,
        "AttachStderr": True,
        "AttachStdin": spec.open_stdin,
        "OpenStdin": spec.open_stdin,
        "StdinOnce": spec.open_stdin,
        "Tty": spec.tty,
        "ExposedPorts": {f"{port.container_port}/{port.protocol}": {} for port in spec.published_ports},
        "Volumes": {directory: {} for directory in spec.image_volumes},
        "HostConfig": _host_config(spec),
    }
    optional = {
        "Entrypoint": None if spec.entry_point is None else list(spec.entry_point),
        "Cmd": None if spec.command is None else list(spec.command),
        "User": spec.user,
        "WorkingDir": spec.working_directory,
        "Hostname": spec.hostname,
    }
    body.update({name: value for name, value in optional.items() if value is not None})
    return body


def reveal(value: str) -> str:
    """Return the text itself, also of a value that hides itself."""
    return value.reveal() if isinstance(value, Sensitive) else value


def _host_config(spec: ContainerSpec) -> dict[str, Any]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.published_ports:
        target = bindings.setdefault(f"{port.container_port}/{port.protocol}", [])
        target.append({"HostIp": port.host_ip, "HostPort": str(port.host_port or "")})
    config: dict[str, Any] = {
        "NetworkMode": spec.network,
        "PortBindings": bindings,
        "LogConfig": _log_config(spec),
        "Binds": [_bind(mount) for mount in spec.mounts],
        "VolumesFrom": [f"{each.container_id}:{'ro' if each.read_only else 'rw'}" for each in spec.mounts_of],
        "Tmpfs": {
            mount.container_path: ",".join([f"size={mount.size_mib}m", *mount.mount_options])
            for mount in spec.tmpfs
        },
        "Ulimits": [
            {"Name": limit.name, "Soft": limit.soft_limit, "Hard": limit.hard_limit} for limit in spec.ulimits
        ],
        "CapAdd": list(spec.capabilities_add),
        "CapDrop": list(spec.capabilities_drop),
        "Init": spec.init,
        "Privileged": spec.privileged,
        "ReadonlyRootfs": spec.read_only_root,
        "SecurityOpt": [*(["no-new-privileges"] if spec.no_new_privileges else []), *spec.security_options],
        "Devices": [
            {
                "PathOnHost": each.host_path,
                "PathInContainer": each.container_path,
                "CgroupPermissions": each.permissions,
            }
            for each in spec.devices
        ],
        "Sysctls": dict(spec.sysctls),
        "ExtraHosts": [f"{name}:{address}" for name, address in spec.extra_hosts.items()],
        "Dns": list(spec.dns_servers),
        "DnsSearch": list(spec.dns_search),
    }
    sizes = {
        "Memory": spec.memory,
        "MemoryReservation": spec.memory_reservation,
        "MemorySwap": spec.memory_and_swap,
        "CpuShares": spec.cpu_shares,
        "ShmSize": spec.shared_memory_size,
    }
    config.update({name: value for name, value in sizes.items() if value})
    modes = {"PidMode": spec.pid_mode, "IpcMode": spec.ipc_mode, "MemorySwappiness": spec.swappiness}
    config.update({name: value for name, value in modes.items() if value is not None})
    if spec.cpu_quota:
        config["CpuPeriod"] = CPU_PERIOD_US
        config["CpuQuota"] = max(LEAST_CPU_QUOTA_US, spec.cpu_quota * CPU_PERIOD_US // CPU_UNITS)
    return config


def _bind(mount: Mount) -> str:
    options = ["ro"] if mount.read_only else []
    if not mount.copy_up and not mount.is_bind:
        options.append("nocopy")
    return ":".join([mount.source, mount.target, *([",".join(options)] if options else [])])


def volume_facts(document: Mapping[str, Any]) -> VolumeFacts:
    """Read the answer of ``GET /volumes/{name}``."""
    return VolumeFacts(str(document["Name"]), str(document.get("Mountpoint") or ""))


def _log_config(spec: ContainerSpec) -> dict[str, Any]:
    if spec.log_driver is not None:
        options = {name: reveal(value) for name, value in spec.log_options.items()}
        return {"Type": spec.log_driver, "Config": options}
    # Attached output is complete and half as expensive as a log file that nobody reads.
    return {"Type": "json-file" if spec.keep_engine_logs else "none", "Config": {}}


def container_facts(document: Mapping[str, Any]) -> ContainerFacts:
    """Read the answer of ``GET /containers/{id}/json``."""
    state = document.get("State") or {}
    config = document.get("Config") or {}
    network = document.get("NetworkSettings") or {}
    started = (state.get("StartedAt") or NEVER) not in ("", NEVER)
    running = bool(state.get("Running")) or state.get("Status") in ("running", "paused", "stopping")
    address, mac_address = _address(network)
    started_at = parse_time(state.get("StartedAt"))
    finished_at = None if running else parse_time(state.get("FinishedAt"))
    if started_at is not None and finished_at is not None:
        # Both engines note the start after the process has begun: a short life seems to end before it.
        finished_at = max(started_at, finished_at)
    return ContainerFacts(
        container_id=str(document["Id"]),
        running=running,
        started=started,
        exit_code=int(state["ExitCode"]) if started and not running and "ExitCode" in state else None,
        error=str(state.get("Error") or ""),
        out_of_memory=bool(state.get("OOMKilled")),
        started_at=started_at,
        finished_at=finished_at,
        stop_signal=signal_name(config.get("StopSignal")),
        address=address,
        mac_address=mac_address,
        pid=int(state.get("Pid") or 0) or None,
        bindings=_bindings(network.get("Ports") or {}),
        labels=dict(config.get("Labels") or {}),
    )


def _address(network: Mapping[str, Any]) -> tuple[str | None, str | None]:
    for endpoint in [*(network.get("Networks") or {}).values(), network]:
        if endpoint and endpoint.get("IPAddress"):
            return str(endpoint["IPAddress"]), str(endpoint.get("MacAddress") or "") or None
    return None, None


def _bindings(ports: Mapping[str, Sequence[Mapping[str, str]] | None]) -> tuple[NetworkBinding, ...]:
    found = []
    for place, bindings in ports.items():
        port, _, protocol = place.partition("/")
        for binding in bindings or ():
            # Podman leaves the address of a binding to every address empty.
            ip = binding.get("HostIp") or "0.0.0.0"  # noqa: S104 - read, not bound
            found.append(NetworkBinding(ip, int(port), int(binding["HostPort"]), protocol or "tcp"))
    return tuple(found)


def signal_name(value: object) -> str | None:
    """Return a stop signal by name: Podman says ``15`` where Docker says ``SIGTERM`` or nothing."""
    text = str(value or "")
    if not text.isdigit():
        return text or None
    try:
        return signal.Signals(int(text)).name
    except ValueError:
        return f"SIGRTMIN+{int(text) - 34}" if int(text) > 34 else text


def parse_time(value: object) -> float | None:
    """Return RFC 3339 with nanoseconds as seconds since the epoch; ``None`` for the engine's "never"."""
    text = str(value or "")
    if text in ("", NEVER):
        return None
    whole, dot, rest = text.partition(".")
    if not dot:
        return datetime.fromisoformat(text).timestamp()
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return datetime.fromisoformat(whole + (rest[digits:] or "Z")).timestamp() + float(f"0.{rest[:digits]}")


def listed_container(document: Mapping[str, Any]) -> ContainerFacts:
    """Read one entry of ``GET /containers/json``: id, running and labels."""
    state = str(document.get("State") or "").lower()
    return ContainerFacts(
        container_id=str(document["Id"]),
        running=state in ("running", "paused", "stopping", "restarting"),
        started=state not in ("created", "configured", "initialized"),
        labels=dict(document.get("Labels") or {}),
    )


def image_facts(document: Mapping[str, Any], reference: str) -> ImageFacts:
    """Read the answer of ``GET /images/{name}/json``."""
    config = document.get("Config") or {}
    pairs = (str(entry).partition("=") for entry in config.get("Env") or ())
    image_id = str(document["Id"])
    return ImageFacts(
        image_id=image_id if ":" in image_id else f"sha256:{image_id}",
        digest=_digest(document.get("RepoDigests") or (), reference),
        stop_signal=signal_name(config.get("StopSignal")),
        environment={name: value for name, _, value in pairs},
    )


def _digest(repository_digests: Sequence[str], reference: str) -> str | None:
    _, at, wanted = reference.partition("@")
    if at:
        return wanted
    repository = _repository(reference)
    pairs = [entry.partition("@") for entry in repository_digests]
    same = [digest for name, _, digest in pairs if name == repository or name.endswith(f"/{repository}")]
    return next(iter(same), None) or next((digest for _, _, digest in pairs), None)


def _repository(reference: str) -> str:
    head, slash, tail = reference.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}"


def network_facts(document: Mapping[str, Any]) -> NetworkFacts:
    """Read the answer of ``GET /networks/{id}``; the first IPv4 range counts."""
    pools = [
        pool
        for pool in (document.get("IPAM") or {}).get("Config") or ()
        if ":" not in str(pool.get("Subnet", ""))
    ]
    pool = pools[0] if pools else {}
    return NetworkFacts(
        str(document["Id"]), str(document["Name"]), pool.get("Gateway") or None, pool.get("Subnet") or None
    )

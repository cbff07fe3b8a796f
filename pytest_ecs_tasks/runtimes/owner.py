"""Who a thing on the engine belongs to, and the removal of what dead owners left.

Everything that a run makes bears two labels: the run's id, and the process that owns it.
``pytest-ecs-tasks.keep`` marks what a person wants to look at later.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pytest_ecs_tasks.engine.system import SystemClock

RUN_LABEL = "pytest-ecs-tasks.run"
OWNER_LABEL = "pytest-ecs-tasks.owner"
KEEP_LABEL = "pytest-ecs-tasks.keep"
SANDBOX_LABEL = "pytest-ecs-tasks.sandbox"

# An owner of another host, boot or pid namespace cannot be looked up from here; no test run lasts a day.
FOREIGN_OWNER_LIFE_S = 24 * 3600.0

_clock = SystemClock()  # in a future that a test has frozen, every owner on another host would be dead


def image_prefix(run_id: str) -> str:
    """Return the first part, behind the registry, of the names of images that a run pulls; the guard finds them by it."""
    return f"ecs-tasks-{run_id}"


class Sweepable(Protocol):
    """What the sweep needs of an engine."""

    def list_labels(self, label: str) -> Sequence[Mapping[str, str]]:
        """Return all labels of every container, network and volume that bears a label, whatever its value."""
        ...

    def sweep(self, label: str, *, kept: bool = False) -> int:
        """Remove what bears ``key=value``; what is marked as kept only if ``kept``."""
        ...

    def create_volume(
        self, name: str, labels: Mapping[str, str], driver: str | None, driver_options: Mapping[str, str]
    ) -> None:
        """Create a volume."""
        ...


def owner_of_this_process() -> str:
    """Return ``<host>/<pid>/<start time of the process>/<seconds since the epoch>`` for this process.

    The host is the kernel's boot id and the pid namespace: a test run in a container beside the engine has
    pids of its own.
    """
    pid = os.getpid()
    return f"{_host()}/{pid}/{_start_time(pid) or '-'}/{int(_clock.wall())}"


def is_alive(owner: str, now: float) -> bool:
    """Tell whether the owning process may still live.

    One that cannot be looked up from here counts as alive for a day.
    """
    parts = owner.split("/")
    if len(parts) != 4 or not (parts[1].isdigit() and parts[3].isdigit()):
        return True  # not ours to judge
    host, pid, start_time, since = parts
    if host != _host():
        return now - int(since) < FOREIGN_OWNER_LIFE_S
    if start_time == "-":
        return _process_exists(int(pid))
    return _start_time(int(pid)) == start_time


def sweep_dead_owners(runtime: Sweepable, now: float | None = None) -> tuple[str, ...]:
    """Remove what runs left whose owner is dead, except kept runs; return a line for each.

    Raises ``EngineError``.
    """
    return _sweep(runtime, _clock.wall() if now is None else now, kept=False)


def sweep_all(runtime: Sweepable, now: float | None = None) -> tuple[str, ...]:
    """Remove what dead owners left, kept runs too; return a line for each.

    Runs whose owner lives are left alone.
    """
    return _sweep(runtime, _clock.wall() if now is None else now, kept=True)


def keep_run(runtime: Sweepable, labels: Mapping[str, str]) -> None:
    """Mark a whole run as kept, by a volume with its labels: labels of what exists already cannot be changed."""
    runtime.create_volume(f"ecs-tasks-{labels[RUN_LABEL]}-kept", {**labels, KEEP_LABEL: "1"}, None, {})


def _sweep(runtime: Sweepable, now: float, *, kept: bool) -> tuple[str, ...]:
    owners: dict[str, str] = {}
    kept_runs: set[str] = set()
    for labels in runtime.list_labels(RUN_LABEL):
        run = labels[RUN_LABEL]
        owners[run] = labels.get(OWNER_LABEL) or owners.get(run, "")
        if KEEP_LABEL in labels:
            kept_runs.add(run)
    told = []
    for run, owner in owners.items():
        if is_alive(owner, now) or (run in kept_runs and not kept):
            continue
        count = runtime.sweep(f"{RUN_LABEL}={run}", kept=kept)
        if count:
            told.append(f"removed {count} {'thing' if count == 1 else 'things'} of run {run}: {_fate(owner)}")
    return tuple(told)


def _fate(owner: str) -> str:
    host, pid = owner.split("/")[:2]
    if host == _host():
        return f"its process {pid} is gone"
    return f"its process {pid}, on another host or before a reboot, is more than a day old"


def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return (
            platform.node() or "unknown"
        )  # no Linux: the engine is in a machine of its own, shared by nobody
    return f"{boot}.{namespace}"


def _start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks since the boot; ``None`` when it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

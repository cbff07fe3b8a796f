"""Starts an installed container engine as a process of its own session, remembers it, and ends it again.

A machine with systemd is asked through ``systemctl``; elsewhere (a container, a bare virtual machine) the daemon is
started directly. Only Linux; standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import engine_api
from engine_api import Engine

Say = Callable[[str], None]

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
ASK_AGAIN_S = 0.05
CAP_SYS_RESOURCE = 24
MARK = "PYTEST_ECS_TASKS_ENGINE_RECORD"
"""A variable in the environment of what this script starts, by which it knows the processes again."""


class EngineProcessError(Exception):
    """An engine is installed but could not be started or ended; the text has the end of its log."""


@dataclass(frozen=True, slots=True)
class Started:
    """An engine that this script started: ``started_at`` (clock ticks since boot) tells a reused pid apart."""

    name: str
    url: str
    pid: int
    started_at: int
    systemd_unit: str = ""


def state_dir() -> Path:
    """Return the directory outside the checkout that holds records, logs and configuration of started engines."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    directory = cache / "pytest-ecs-tasks" / "engines"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def search_path() -> str:
    """Return PATH with the sbin directories, which a root shell opened by ``su`` lacks."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


# -- starting ------------------------------------------------------------------------------------------------------


def start(name: str, say: Say) -> Engine:
    """Start an installed engine and wait until it answers; raises EngineProcessError."""
    if Path("/run/systemd/system").is_dir() and os.getuid() == 0:
        return _start_unit(name, say)
    socket_path = _socket_path(name)
    _clear_stale_state(name, socket_path, say)
    log = state_dir() / f"{name}.log"
    arguments, environment = _command(name, socket_path)
    say(f"{name}: starting {' '.join(arguments)} (log: {log})")
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=_scratch_dir(),
            start_new_session=True,
        )
    url = f"unix://{socket_path}"
    _record(Started(name, url, process.pid, _start_time(process.pid) or 0))
    engine = _wait_until_it_answers(name, url, lambda: process.poll() is None)
    if engine is None:
        stop(name, say)
        raise EngineProcessError(
            f"{name} did not answer at {url} within {START_TIMEOUT_S} s; its log ends:\n{_tail(log)}"
        )
    return engine


def _start_unit(name: str, say: Say) -> Engine:
    unit = {"docker": "docker.service", "podman": "podman.socket"}[name]
    url = f"unix://{_socket_path(name)}"
    say(f"{name}: systemctl start {unit}")
    done = subprocess.run(["systemctl", "start", unit], capture_output=True, text=True, check=False)
    engine = _wait_until_it_answers(name, url, lambda: done.returncode == 0)
    if engine is None:
        raise EngineProcessError(
            f"systemctl could not start {unit}: {done.stderr.strip()}; see 'journalctl -u {unit}'"
        )
    _record(Started(name, url, 0, 0, systemd_unit=unit))
    return engine


def _socket_path(name: str) -> Path:
    """Choose where a new engine listens: the place where every client looks first."""
    if name == "docker":
        return Path("/var/run/docker.sock")
    if os.getuid() == 0:
        return Path("/run/podman/podman.sock")
    runtime_dir = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime_dir) / "podman" / "podman.sock" if runtime_dir else state_dir() / "podman.sock"


def _command(name: str, socket_path: Path) -> tuple[list[str], dict[str, str]]:
    """Return the daemon's arguments and environment."""
    environment = {**os.environ, "PATH": search_path(), MARK: str(_record_path(name))}
    if name == "docker":
        return ["dockerd", f"--host=unix://{socket_path}"], environment
    socket_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = _podman_configuration()
    if configuration and "CONTAINERS_CONF" not in os.environ:
        conf = state_dir() / "containers.conf"
        conf.write_text(configuration)
        environment["CONTAINERS_CONF"] = str(conf)
    return ["podman", "system", "service", "--time=0", f"unix://{socket_path}"], environment


def _podman_configuration() -> str:
    """Return the containers.conf that this machine needs, with a reason for each key; empty when it needs none."""
    engine, containers = [], []
    if not Path("/run/systemd/system").is_dir():
        engine.append('cgroup_manager = "cgroupfs"  # the default asks systemd')
        engine.append('events_logger = "file"  # the default asks journald')
    if shutil.which("crun", path=search_path()) is None:
        engine.append('runtime = "runc"  # the default, crun, is not installed')
    if not _has_capability(CAP_SYS_RESOURCE):
        limits = '["nofile=20000:20000", "nproc=4096:4096"]'
        containers.append(
            f"default_ulimits = {limits}  # the defaults raise hard limits, which is not allowed here"
        )
    sections = (("[engine]", engine), ("[containers]", containers))
    return "".join("\n".join((title, *lines)) + "\n" for title, lines in sections if lines)


def _has_capability(bit: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> bit & 1)
    return False


def _scratch_dir() -> Path:
    """Return a working directory for the daemon: conmon drops a file named ``oom`` into the one that it inherits."""
    directory = state_dir() / "scratch"
    directory.mkdir(exist_ok=True)
    return directory


def _clear_stale_state(name: str, socket_path: Path, say: Say) -> None:
    """Remove what a killed engine left behind; raises EngineProcessError when it lives but does not answer."""
    if name == "docker":
        _clear_pid_file(Path("/var/run/docker.pid"), "dockerd", say)
        _clear_pid_file(Path("/var/run/docker/containerd/containerd.pid"), "containerd", say)
    if socket_path.is_socket():
        if not engine_api.is_deserted(socket_path):
            raise EngineProcessError(
                f"something listens at {socket_path}, but it does not answer as {name}; end it first"
            )
        say(f"{name}: nobody listens at {socket_path}: removing the stale socket")
        socket_path.unlink()


def _clear_pid_file(pid_file: Path, program: str, say: Say) -> None:
    """Remove a pid file whose process is gone, or is by now another program (a pid is soon used again)."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        pid = 0
    if pid and _program_of(pid) == program:
        if program == "dockerd":
            raise EngineProcessError(
                f"dockerd runs (pid {pid}) but its socket does not answer; end it or set DOCKER_HOST"
            )
        return
    if pid_file.exists():
        say(f"docker: {pid_file} names no running {program}: removing it")
        pid_file.unlink()


def _wait_until_it_answers(name: str, url: str, is_alive: Callable[[], bool]) -> Engine | None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while is_alive() and time.monotonic() < deadline:
        engine = engine_api.probe(url)
        if engine is not None and engine.name == name:
            return engine
        time.sleep(ASK_AGAIN_S)
    return None


# -- stopping ------------------------------------------------------------------------------------------------------


def stop(name: str, say: Say) -> None:
    """End an engine that this script started, and what runs on it; leaves every other alone."""
    ours = recorded(name)
    _record_path(name).unlink(missing_ok=True)
    if ours is None:
        return
    if ours.systemd_unit:
        say(f"{name}: systemctl stop {ours.systemd_unit}")
        units = [ours.systemd_unit, ours.systemd_unit.replace(".service", ".socket")]
        subprocess.run(["systemctl", "stop", *dict.fromkeys(units)], check=False)
        return
    say(f"{name}: ending the one that this script started (pid {ours.pid})")
    if name == "podman":
        # conmon and the containers outlive the service, which has no part in them once they run.
        _remove_containers_of_our_podman(ours, say)
    _end(ours)
    Path(ours.url.removeprefix("unix://")).unlink(missing_ok=True)


def _end(ours: Started) -> None:
    """End the daemon, which ends its containers and its containerd before it goes, then whatever outlives it.

    A rootless Podman is two processes and leaves a third that holds its user namespace.
    """
    for number in (signal.SIGTERM, signal.SIGKILL):
        if _start_time(ours.pid) == ours.started_at:
            os.kill(ours.pid, number)
        if _is_true_within(STOP_TIMEOUT_S, lambda: _start_time(ours.pid) != ours.started_at):
            break
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _belonging_to(ours):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if _is_true_within(STOP_TIMEOUT_S / 10, lambda: not _belonging_to(ours)):
            return
    raise EngineProcessError(f"{ours.name}: {_belonging_to(ours)} did not end; end these processes yourself")


def _is_true_within(timeout_s: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(ASK_AGAIN_S)
    return condition()


def _belonging_to(ours: Started) -> list[int]:
    """List the live processes that were started by the engine: most inherit its environment, conmon parts of it."""
    marks = {f"{MARK}={_record_path(ours.name)}".encode()}
    if ours.name == "podman":
        marks.add(_conf_mark())
    return [pid for pid in _pids() if _start_time(pid) is not None and marks & set(_environment_of(pid))]


def _conf_mark() -> bytes:
    return f"CONTAINERS_CONF={state_dir() / 'containers.conf'}".encode()


def _remove_containers_of_our_podman(ours: Started, say: Say) -> None:
    conmons = [
        pid for pid in _pids() if _program_of(pid) == "conmon" and _conf_mark() in _environment_of(pid)
    ]
    arguments = [_arguments_of(pid) for pid in conmons]
    # A container may have several: each exec has a conmon too, which stays for minutes.
    for container_id in sorted({words[words.index("-c") + 1] for words in arguments if "-c" in words}):
        try:
            engine_api.call(ours.url, "DELETE", f"/v1.41/containers/{container_id}?force=1&v=1", timeout_s=30)
        except (OSError, engine_api.ApiError) as error:
            if "no such container" not in str(error):
                say(f"podman: {error}")
        else:
            say(f"podman: removed container {container_id[:12]}, which was started through it")


# -- records and /proc ---------------------------------------------------------------------------------------------


def recorded(name: str) -> Started | None:
    """Return the engine of this name that this script started, if it still runs."""
    try:
        ours = Started(**json.loads(_record_path(name).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    is_alive = bool(ours.systemd_unit) or _start_time(ours.pid) == ours.started_at
    return ours if is_alive else None


def _record(started: Started) -> None:
    with tempfile.NamedTemporaryFile("w", dir=state_dir(), delete=False) as file:
        json.dump(asdict(started), file)
    os.replace(file.name, _record_path(started.name))


def _record_path(name: str) -> Path:
    return state_dir() / f"{name}.json"


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _start_time(pid: int) -> int | None:
    """Return when a process started (clock ticks since boot); None when it is gone or a zombie."""
    try:
        # The program's name (field 2) is in parentheses and may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _program_of(pid: int) -> str:
    """Return a live process's program; "" for one that is gone, or a zombie that nobody has waited for."""
    if _start_time(pid) is None:
        return ""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _arguments_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def _environment_of(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])

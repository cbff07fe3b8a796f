"""Finds a running container engine, or gets one: starts an installed one, else installs Debian's.

    python tools/engines.py docker|podman|any [--url]     find or start; --url prints nothing but the URL on stdout
    python tools/engines.py --status                      what runs, and what this script started
    python tools/engines.py --stop [docker|podman]        stops only what this script started

An engine that already runs is left exactly as it is. What this script starts is recorded (pid and start time) in a
cache directory outside the checkout, stays up for the next test run, and ends with ``--stop``.

Exit status: 0 done · 1 an engine would not end · 3 no engine can be had here (the reason is printed).
Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent))

import engine_api
import engine_process
from engine_api import Engine
from engine_process import EngineProcessError

ENGINES = ("docker", "podman")
EXIT_NO_ENGINE = 3

PACKAGES = {
    "docker": ("docker.io", "containerd", "runc", "iptables"),
    "podman": ("podman", "netavark", "aardvark-dns", "catatonit", "conmon", "runc", "iptables"),
}
PROGRAM = {"docker": "dockerd", "podman": "podman"}


class NoEngineError(Exception):
    """No engine can be had on this machine; the text says why and what to do."""


def say(text: str) -> None:
    """Print one line for the person at the keyboard; stderr, so that stdout can be a URL alone."""
    print(f"engines: {text}", file=sys.stderr, flush=True)


@contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Keep two test environments from installing or starting the same engine together."""
    with (engine_process.state_dir() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def candidate_urls(name: str) -> list[str]:
    """List the addresses at which an engine of this name may listen, likeliest first."""
    ours = engine_process.recorded(name)
    runtime_dir = os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    home = Path.home()
    places = {
        "docker": [
            os.environ.get("DOCKER_HOST", ""),
            "unix:///var/run/docker.sock",
            f"unix://{runtime_dir}/docker.sock",
            f"unix://{home}/.docker/run/docker.sock",
        ],
        "podman": [
            os.environ.get("CONTAINER_HOST", ""),
            os.environ.get("DOCKER_HOST", ""),
            "unix:///run/podman/podman.sock",
            f"unix://{runtime_dir}/podman/podman.sock",
            "unix:///var/run/docker.sock",
        ],
    }
    urls = [*places[name], ours.url if ours else ""]
    return list(dict.fromkeys(url for url in urls if url))


def find_running(name: str) -> Engine | None:
    """Ask every likely address; the first that answers as this engine wins (a socket may belong to the other one)."""
    for url in candidate_urls(name):
        engine = engine_api.probe(url)
        if engine is not None and engine.name == name:
            return engine
    return None


def program(name: str) -> str | None:
    """Find the engine's program, also where root's PATH has no sbin directory."""
    return shutil.which(PROGRAM[name], path=engine_process.search_path())


def why_not_installable() -> str | None:
    """Tell what keeps this script from installing packages here, or None."""
    if not sys.platform.startswith("linux"):
        return f"this is {sys.platform}, not Linux"
    if shutil.which("apt-get") is None:
        return "there is no apt-get here"
    if os.getuid() != 0:
        return "installing needs root"
    return None


def advice(name: str) -> str:
    """Say what a person has to do to get this engine."""
    if not sys.platform.startswith("linux"):
        return {
            "docker": "install and start Docker Desktop, or set DOCKER_HOST",
            "podman": "run 'podman machine init && podman machine start', or set CONTAINER_HOST",
        }[name]
    if program(name) is not None:
        return {
            "docker": "start it ('sudo systemctl start docker') and join its group, or set DOCKER_HOST",
            "podman": "run 'systemctl --user start podman.socket', or set CONTAINER_HOST",
        }[name]
    return f"run 'sudo apt-get install {' '.join(PACKAGES[name])}' or your system's equivalent"


def install(name: str) -> None:
    """Install Debian's packages of an engine; raises NoEngineError where that is not allowed or does not work."""
    reason = why_not_installable()
    if reason is not None:
        raise NoEngineError(f"no {name} answers and none is installed; {reason}; {advice(name)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES[name]]):
        say(f"{name}: apt-get {' '.join(command)}")
        done = subprocess.run(
            ["apt-get", *options, *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # A failed update may still leave lists good enough to install from.
        if done.returncode != 0 and command[0] == "install":
            tail = "\n".join(done.stdout.splitlines()[-15:])
            raise NoEngineError(f"apt-get could not install {name}; {advice(name)}; it said:\n{tail}")


def get(name: str) -> Engine:
    """Return a running engine of this name, whatever it takes; raises NoEngineError or EngineProcessError."""
    with only_one_at_a_time():
        began = time.monotonic()
        running = find_running(name)
        if running is not None:
            say(f"{name}: {running.version} already answers at {running.url}; left as it is")
            return running
        if program(name) is None:
            install(name)
        elif name == "docker" and os.getuid() != 0:
            raise NoEngineError(f"no docker answers to this user; starting one needs root; {advice(name)}")
        if not sys.platform.startswith("linux"):
            raise NoEngineError(
                f"no {name} answers; this script starts engines on Linux only; {advice(name)}"
            )
        # Installing a package may start its service where there is an init system.
        engine = find_running(name) or engine_process.start(name, say)
        say(f"{name}: {engine.version} answers at {engine.url} after {time.monotonic() - began:.1f} s")
        return engine


def get_any() -> Engine:
    """Return whichever engine runs, docker first; else the first that can be started or installed."""
    for name in ENGINES:
        running = find_running(name)
        if running is not None:
            say(f"{running.name}: {running.version} already answers at {running.url}; left as it is")
            return running
    installed_first = sorted(ENGINES, key=lambda name: program(name) is None)
    reasons = []
    for name in installed_first:
        try:
            return get(name)
        except (NoEngineError, EngineProcessError) as error:
            reasons.append(str(error))
    raise NoEngineError("; ".join(reasons))


def show_status() -> None:
    """Print a line per engine: what answers, where, and whether this script started it."""
    for name in ENGINES:
        running = find_running(name)
        ours = engine_process.recorded(name)
        if running is None:
            print(f"{name}: not running")
        elif ours is None:
            print(f"{name}: {running.version} at {running.url}, not started by this script")
        else:
            print(f"{name}: {running.version} at {running.url}, started by this script (pid {ours.pid})")


def stop(names: list[str]) -> int:
    """Stop what this script started; returns 1 when something could not be ended."""
    failed = 0
    with only_one_at_a_time():
        for name in names:
            try:
                engine_process.stop(name, say)
            except EngineProcessError as error:
                say(str(error))
                failed = 1
    return failed


def main(arguments: list[str]) -> int:
    """Run the command line described at the top of this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("engine", nargs="?", choices=(*ENGINES, "any"))
    parser.add_argument("--url", action="store_true", help="print the URL alone on stdout")
    parser.add_argument("--status", action="store_true")
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args(arguments)
    if options.status:
        show_status()
        return 0
    if options.stop:
        return stop(list(ENGINES) if options.engine in (None, "any") else [options.engine])
    if options.engine is None:
        parser.error("say which engine: docker, podman or any")
    try:
        engine = get_any() if options.engine == "any" else get(options.engine)
    except (NoEngineError, EngineProcessError) as error:
        say(str(error))
        return EXIT_NO_ENGINE
    print(engine.url if options.url else f"{engine.name}: {engine.url}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

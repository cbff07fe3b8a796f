"""The guard removes what a killed process leaves, and only that."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_ecs_tasks.runtimes.guard import Guard
from pytest_ecs_tasks.runtimes.owner import RUN_LABEL

# A process that sets a guard and makes containers, a network and a volume; then it waits to be killed, or kills itself.
VICTIM = """
import os, signal, sys, threading
from pytest_ecs_tasks.core.spec import ContainerSpec
from pytest_ecs_tasks.runtimes.detect import find_runtime
url, run, image, count, action = sys.argv[1:]
labels = {"pytest-ecs-tasks.run": run}
found = find_runtime(url, os.environ)
guard = found.guard(f"pytest-ecs-tasks.run={run}")
runtime = found.runtime
network = runtime.create_network(f"{run}-net", labels)
runtime.create_volume(f"{run}-volume", labels, None, {})
def make(number, network):
    name, command = f"{run}-{number}", ("sleep", "600")
    own = labels if number else {**labels, "pytest-ecs-tasks.sandbox": "1"}
    spec = ContainerSpec(name=name, image_id=image, labels=own, network=network, command=command)
    container = runtime.create_container(spec)
    runtime.start_container(container)
    return container
sandbox = make(0, network.network_id)
threads = [threading.Thread(target=make, args=(n, f"container:{sandbox}")) for n in range(1, int(count))]
for thread in threads: thread.start()
if action != "kill-in-the-middle":
    for thread in threads: thread.join()
if action == "fork":
    if os.fork() == 0:
        os.close(1)
        os.read(0, 1)  # until the test lets it go; the pipe of the guard stays open meanwhile
        os._exit(0)
if action.startswith("close"):
    if action == "close-after-sweep":
        runtime.sweep(f"pytest-ecs-tasks.run={run}")
        make("left", "none")
    guard.close(swept=action == "close-after-sweep")
    print(guard.pid, flush=True)
    sys.exit()
print(guard.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
GONE_WITHIN_S = 2.0


def wait_for_the_end_of(pid: int, timeout_s: float) -> None:
    """Wait for a process that is not our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], timeout_s)[0], (
            f"the guard {pid} still runs after {timeout_s} s"
        )
    finally:
        os.close(descriptor)


@pytest.fixture(params=range(3))
def again(request):
    """Once more: what is being made at the moment of death is another thing each time."""
    return request.param


@pytest.fixture
def victim(real, engine_url):
    def start(action: str, count: int = 3) -> tuple[int, float]:
        """Run the victim to its end; returns its guard's pid, and how long the containers took to go."""
        events = real.runtime.events(real.label)
        process = subprocess.Popen(
            [sys.executable, "-c", VICTIM, engine_url, real.run, real.spec().image_id, str(count), action],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            guard = int(process.stdout.readline())
            process.stdout.read()  # to the end: then it is dead
            began = time.monotonic()
            if action != "kill-in-the-middle":
                wait_for_removals(events, count)
            took_s = time.monotonic() - began
        events.close()
        return guard, took_s

    return start


def wait_for_removals(events, count: int) -> None:
    removals = (event for event in events if event.action == "remove")
    for _, _ in zip(range(count), removals, strict=False):
        pass


def removal_of_ten_s(real) -> float:
    """Return how long the removal of as many containers takes here and now, without a guard."""
    for _ in range(10):
        real.runtime.start_container(real.create())
    began = time.monotonic()
    real.runtime.sweep(real.label)
    return time.monotonic() - began


def test_everything_is_gone_soon_after_a_kill(real, victim):
    late_s = []
    for _ in range(3):  # others may keep the engine busy at one moment, and not at the next
        longest_s = GONE_WITHIN_S + 3 * removal_of_ten_s(real)

        guard, took_s = victim("kill", count=10)

        wait_for_the_end_of(guard, 60)
        assert real.runtime.list_labels(real.label) == ()
        if took_s < longest_s:
            return
        late_s.append((took_s, longest_s))
    raise AssertionError(late_s)


def test_containers_that_were_being_made_at_the_moment_of_death_go_too(real, victim, again):
    guard, _ = victim("kill-in-the-middle", count=8)

    wait_for_the_end_of(guard, 60)

    assert real.runtime.list_labels(real.label) == ()


def test_a_forked_child_that_holds_the_pipe_does_not_hold_up_the_guard(real, victim):
    guard, _ = victim("fork", count=1)  # the child lives until the containers are gone

    wait_for_the_end_of(guard, 60)


def test_a_guard_that_is_let_go_after_a_sweep_ends_and_looks_for_nothing(real, victim):
    guard, _ = victim("close-after-sweep", count=1)

    wait_for_the_end_of(guard, 60)

    assert len(real.runtime.list_containers(real.label)) == 1


def test_a_guard_that_is_let_go_without_a_sweep_removes_the_rest(real, victim):
    guard, _ = victim("close-unswept", count=2)

    wait_for_the_end_of(guard, 60)

    assert real.runtime.list_labels(real.label) == ()


def test_the_guard_leaves_what_is_kept_and_what_is_not_its_own(real, engine_url):
    kept = real.create(labels={**real.labels, "pytest-ecs-tasks.keep": "1"})
    other = {**real.labels, RUN_LABEL: f"{real.run}-other"}
    stranger = real.create(labels=other)
    real.create()

    guard = Guard(engine_url, real.label)
    pid = guard.pid
    guard.close(swept=False)
    assert pid is not None
    os.waitpid(pid, 0)

    assert [facts.container_id for facts in real.runtime.list_containers(real.label)] == [kept]
    assert [facts.container_id for facts in real.runtime.list_containers(f"{real.label}-other")] == [stranger]
    real.runtime.remove_container(kept)
    real.runtime.remove_container(stranger)


def test_the_guard_outlives_the_signals_of_a_terminal(real, engine_url):
    guard = Guard(engine_url, real.label)
    assert guard.pid is not None
    status = Path(f"/proc/{guard.pid}/status")
    wanted = (1 << signal.SIGINT - 1) | (1 << signal.SIGTERM - 1) | (1 << signal.SIGHUP - 1)

    def ignored() -> int:
        line = next(line for line in status.read_text().splitlines() if line.startswith("SigIgn"))
        return int(line.split()[1], 16)

    deadline = time.monotonic() + 60
    while ignored() & wanted != wanted:
        assert time.monotonic() < deadline, "the guard does not ignore the signals of a terminal"

    assert os.getsid(guard.pid) != os.getsid(0)
    guard.close(swept=True)
    guard.close(swept=True)


def test_the_guard_ends_an_engine_that_ran_for_us_alone(engine_url, real):
    service = subprocess.Popen(["sleep", "600"])

    guard = Guard(engine_url, real.label, service_pid=service.pid)
    guard.close(swept=False)

    assert service.wait(60) == -signal.SIGTERM
    assert guard.pid is not None
    os.waitpid(guard.pid, 0)


def test_an_engine_over_ssh_has_no_guard():
    guard = Guard("ssh://somewhere", "a=b")

    assert guard.pid is None
    guard.close(swept=False)


def test_the_guards_program_imports_nothing_but_the_standard_library(engine_url):
    program = Path(sys.modules[Guard.__module__].__file__ or "").with_name("guard_main.py")

    imported = [
        line.split()[1].partition(".")[0]
        for line in program.read_text().splitlines()
        if line[:5] in ("from ", "impor")
    ]

    assert set(imported) <= sys.stdlib_module_names

"""Whose a thing on the engine is, and what becomes of the dead's."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import freezegun
import pytest

from pytest_ecs_tasks.runtimes.owner import (
    FOREIGN_OWNER_LIFE_S,
    OWNER_LABEL,
    RUN_LABEL,
    is_alive,
    keep_run,
    owner_of_this_process,
    sweep_all,
    sweep_dead_owners,
)
from pytest_ecs_tasks.testing.runtime import FakeRuntime

NOW = 1_700_000_000.0


@contextlib.contextmanager
def another_owner() -> Iterator[str]:
    """A process that owns things and lives as long as the block."""
    code = "from pytest_ecs_tasks.runtimes.owner import owner_of_this_process as f; print(f(), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.communicate("\n")


def dead_owner() -> str:
    """The owner of a process that has ended."""
    code = "from pytest_ecs_tasks.runtimes.owner import owner_of_this_process as f; print(f())"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def leave():
    runtime = FakeRuntime()

    def leave(run: str, owner: str) -> dict[str, str]:
        labels = {RUN_LABEL: run, OWNER_LABEL: owner}
        runtime.create_network(f"{run}-net", labels)
        runtime.create_volume(f"{run}-volume", labels, None, {})
        return labels

    leave.runtime = runtime
    return leave


def test_this_process_is_alive_and_one_that_has_ended_is_not():
    assert is_alive(owner_of_this_process(), NOW)
    assert not is_alive(dead_owner(), NOW)


def test_a_process_that_got_the_pid_of_a_dead_one_is_not_its_owner():
    host, pid, start, since = owner_of_this_process().split("/")

    assert not is_alive(f"{host}/{pid}/{int(start) - 1}/{since}", NOW)


def test_an_owner_of_another_host_counts_as_alive_for_a_day():
    foreign = f"another-boot.4026531836/1/2/{int(NOW)}"

    assert is_alive(foreign, NOW + FOREIGN_OWNER_LIFE_S - 1)
    assert not is_alive(foreign, NOW + FOREIGN_OWNER_LIFE_S)


def test_an_owner_in_another_pid_namespace_is_not_looked_up_by_our_pids():
    host = owner_of_this_process().partition("/")[0]
    boot = host.partition(".")[0]

    assert is_alive(f"{boot}.1/999999/1/{int(NOW)}", NOW)


@pytest.mark.parametrize("owner", ["", "x", "a/b/c", "a/b/c/d"])
def test_what_has_no_readable_owner_is_left_alone(owner):
    assert is_alive(owner, NOW)


def test_what_a_dead_owner_left_is_removed_and_told(leave):
    owner = dead_owner()
    leave("dead", owner)
    leave("living", owner_of_this_process())

    told = sweep_dead_owners(leave.runtime)

    assert told == (f"removed 2 things of run dead: its process {owner.split('/')[1]} is gone",)
    assert {labels[RUN_LABEL] for labels in leave.runtime.list_labels(RUN_LABEL)} == {"living"}


def test_a_kept_run_stays_until_everything_is_swept(leave):
    labels = leave("kept", dead_owner())
    keep_run(leave.runtime, labels)

    assert sweep_dead_owners(leave.runtime) == ()
    assert len(sweep_all(leave.runtime)) == 1
    assert leave.runtime.list_labels(RUN_LABEL) == ()


def test_a_sweep_of_everything_leaves_runs_that_live(leave):
    keep_run(leave.runtime, leave("living", owner_of_this_process()))

    assert sweep_all(leave.runtime) == ()


def test_a_future_that_a_test_has_frozen_makes_nobody_dead(leave):
    since = owner_of_this_process().split("/")[3]
    leave("foreign", f"another-boot.4026531836/1/2/{since}")

    with freezegun.freeze_time("2099-01-01"):
        assert sweep_dead_owners(leave.runtime) == ()
        assert sweep_all(leave.runtime) == ()
    assert len(leave.runtime.list_labels(RUN_LABEL)) == 2


def test_a_dead_owners_containers_are_removed_from_the_real_engine(real):
    """Whichever run begins next removes them: it may be one that another test has just started."""
    expected, told = [], []
    for _ in range(3):
        with another_owner() as owner:
            real.labels[OWNER_LABEL] = owner
            real.runtime.start_container(real.create())
            real.network()

        told += sweep_dead_owners(real.runtime)

        expected.append(f"removed 2 things of run {real.run}: its process {owner.split('/')[1]} is gone")
        assert real.runtime.list_labels(real.label) == ()
        if expected[-1] in told:
            return
    raise AssertionError((expected, told))

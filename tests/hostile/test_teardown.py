"""Nothing is left behind, however the run ends: real runs in processes of their own, and a look at the engine afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from left_over import label_of, labelled_objects, wait_for, wait_until_gone

PATIENCE_S = 60.0
RUN = "pytest-ecs-tasks.run"

CONFTEST = """
import threading
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TASK = {
    "family": "victim",
    "networkMode": "awsvpc",
    "memory": "256",
    "volumes": [
        {"name": "data"},
        {"name": "cache", "dockerVolumeConfiguration": {"scope": "shared", "autoprovision": True}},
        {"name": "files", "efsVolumeConfiguration": {"fileSystemId": "fs-1", "rootDirectory": "/app"}},
    ],
    "containerDefinitions": [
        {
            "name": f"c{number}",
            "image": "pytest-ecs-tasks/busybox:1",
            "command": ["sleep", "600"],
            "mountPoints": [
                {"sourceVolume": name, "containerPath": f"/{name}"} for name in ("data", "cache", "files")
            ],
        }
        for number in range(COUNT)
    ],
}


def announce(task, name="ready"):
    (HERE / f"{name}.part").write_text(task["c0"].runtime_id)
    (HERE / f"{name}.part").rename(HERE / name)


def block():
    threading.Event().wait()
"""


class Victim:
    """A pytest run that is about to meet a bad end."""

    def __init__(
        self, directory: Path, engine_url: str, test: str, *, count: int, arguments: tuple[str, ...]
    ) -> None:
        self.directory = directory
        self._engine_url = engine_url
        (directory / "conftest.py").write_text(CONFTEST.replace("COUNT", str(count)))
        (directory / "test_victim.py").write_text(
            "import os, pytest\nfrom conftest import *\n" + dedent(test)
        )
        self.log = directory / "run.log"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "-v",
            f"--ecs-engine={engine_url}",
        ]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *arguments, "test_victim.py"],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self, *names: str) -> list[str]:
        """Wait until the run's tasks are up; return the labels of their runs."""
        names = names or ("ready",)
        files = [self.directory / name for name in names]
        assert wait_for(lambda: all(file.exists() for file in files), patience_s=120), self.log.read_text()
        return [label_of(self._engine_url, file.read_text(), RUN) for file in files]

    def finish(self) -> int:
        """Wait for the run's end; return its exit status."""
        return self.process.wait(timeout=120)

    def kill_group(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to every process of the run's group."""
        os.killpg(self.process.pid, number)


@pytest.fixture
def victims(tmp_path: Path, engine_url: str) -> Iterator[object]:
    """Start runs; whatever still lives at the end is killed."""
    started: list[Victim] = []

    def start(test: str, *arguments: str, count: int = 3) -> Victim:
        started.append(Victim(tmp_path, engine_url, test, count=count, arguments=arguments))
        return started[-1]

    yield start
    for victim in started:
        if victim.process.poll() is None:
            victim.kill_group()
            victim.process.wait()


BLOCKING_TEST = """
@pytest.mark.ecs_taskdef(TASK)
def test_it(ecs_task):
    announce(ecs_task)
    block()
"""


def guards_of(label: str) -> list[Path]:
    """Return the guard processes of a run."""
    return [
        entry
        for entry in Path("/proc").glob("[0-9]*/cmdline")
        if label.encode() in (words := _read(entry)) and b"guard_main" in words
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # the process has ended meanwhile


def assert_nothing_left(engine_url: str, label: str, victim: Victim) -> None:
    left = wait_until_gone(engine_url, label, patience_s=PATIENCE_S)
    assert left == [], f"{left}\n{victim.log.read_text()}"


def test_after_sigkill(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(BLOCKING_TEST, count=10)
    [label] = victim.wait_ready()

    victim.process.kill()
    victim.finish()

    assert_nothing_left(engine_url, label, victim)


def test_after_sigterm(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(BLOCKING_TEST)
    [label] = victim.wait_ready()

    victim.process.terminate()
    victim.finish()

    assert_nothing_left(engine_url, label, victim)


@pytest.mark.usefixtures("no_other_sweep")
def test_what_was_to_be_kept_outlives_a_kill_until_it_is_swept(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(
        """
        def test_fails(ecs_task_factory):
            announce(ecs_task_factory.run(TASK), "kept")
            assert False

        def test_blocks(ecs_task_factory):
            announce(ecs_task_factory.run(TASK))
            block()
        """,
        "--ecs-keep=on-failure",
        count=1,
    )
    [label, _] = victim.wait_ready("kept", "ready")

    victim.process.kill()
    victim.finish()

    assert wait_for(lambda: not guards_of(label), patience_s=PATIENCE_S)
    assert any("c0" in each for each in labelled_objects(engine_url, label)), victim.log.read_text()
    sweeping = [sys.executable, "-m", "pytest", f"--ecs-engine={engine_url}", "--ecs-sweep"]
    subprocess.run(sweeping, cwd=victim.directory, check=True, stdout=subprocess.DEVNULL)
    assert_nothing_left(engine_url, label, victim)


def test_after_ctrl_c_in_a_test(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(BLOCKING_TEST)
    [label] = victim.wait_ready()

    victim.kill_group(signal.SIGINT)

    assert victim.finish() == pytest.ExitCode.INTERRUPTED
    assert_nothing_left(engine_url, label, victim)


def test_after_ctrl_c_during_set_up(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(
        """
        @pytest.fixture
        def slow(ecs_task_factory):
            task = ecs_task_factory.run(TASK, wait="running")
            announce(task)
            task.wait_for_log("this never comes", container="c0", timeout=300)

        def test_it(slow):
            pass
        """
    )
    [label] = victim.wait_ready()

    victim.kill_group(signal.SIGINT)

    assert victim.finish() == pytest.ExitCode.INTERRUPTED
    assert_nothing_left(engine_url, label, victim)


def test_after_os_exit(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(
        """
        @pytest.mark.ecs_taskdef(TASK)
        def test_it(ecs_task):
            announce(ecs_task)
            while not (HERE / "go").exists():
                pass
            os._exit(9)
        """
    )
    [label] = victim.wait_ready()

    (victim.directory / "go").touch()

    assert victim.finish() == 9
    assert_nothing_left(engine_url, label, victim)


def test_after_pytest_timeouts_thread_method(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(
        """
        @pytest.fixture
        def task(ecs_task_factory):
            announce(ecs_task_factory.run(TASK, wait="running"))
            while not (HERE / "go").exists():
                pass

        @pytest.mark.timeout(1, method="thread", func_only=True)
        def test_it(task):
            block()
        """
    )
    [label] = victim.wait_ready()
    (victim.directory / "go").touch()

    assert victim.finish() != 0
    assert_nothing_left(engine_url, label, victim)


def test_after_an_exception_in_a_fixture_of_the_users(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(
        """
        @pytest.fixture(scope="module")
        def broken(ecs_task_factory):
            announce(ecs_task_factory.run(TASK, wait="running"))
            raise RuntimeError("the user's own mistake")

        def test_it(broken):
            pass

        def test_the_task_is_gone_before_the_next_module_fixture(ecs_task_factory):
            while not (HERE / "go").exists():
                pass
        """
    )
    [label] = victim.wait_ready()
    (victim.directory / "go").touch()

    assert victim.finish() == pytest.ExitCode.TESTS_FAILED
    assert "the user's own mistake" in victim.log.read_text()
    assert_nothing_left(engine_url, label, victim)


def test_after_the_engine_thread_has_crashed(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(
        """
        @pytest.mark.ecs_taskdef(TASK)
        def test_it(ecs_task):
            announce(ecs_task)
            while not (HERE / "go").exists():
                pass
            ecs_task._control._supervisor.post(ecs_task.task_id, "not a fact at all")
            ecs_task.wait_stopped(timeout=60)
        """
    )
    [label] = victim.wait_ready()
    (victim.directory / "go").touch()

    assert victim.finish() == pytest.ExitCode.TESTS_FAILED
    assert "EngineCrashed" in victim.log.read_text()
    assert_nothing_left(engine_url, label, victim)


def test_after_sigkill_of_a_whole_xdist_group(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(
        """
        @pytest.mark.ecs_taskdef(TASK)
        @pytest.mark.parametrize("number", range(4))
        def test_it(ecs_task, number):
            announce(ecs_task, f"ready{number}")
            block()
        """,
        "-n4",
        count=1,
    )
    labels = victim.wait_ready("ready0", "ready1", "ready2", "ready3")
    assert len(set(labels)) == 4

    victim.kill_group()
    victim.finish()

    for label in labels:
        assert_nothing_left(engine_url, label, victim)


def test_after_a_green_run(victims, engine_url: str) -> None:  # type: ignore[no-untyped-def]
    victim = victims(
        """
        @pytest.mark.ecs_taskdef(TASK)
        def test_it(ecs_task):
            announce(ecs_task)
            while not (HERE / "go").exists():
                pass
        """
    )
    [label] = victim.wait_ready()
    (victim.directory / "go").touch()

    assert victim.finish() == 0, victim.log.read_text()
    assert_nothing_left(engine_url, label, victim)

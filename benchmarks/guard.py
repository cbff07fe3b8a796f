"""How long a killed pytest run's containers outlive it.

    python benchmarks/guard.py [--engine URL] [--rounds 3]

The bars: 2 s after the SIGKILL of a run of ten containers, 5 s after the SIGKILL of an xdist group of four workers.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import BUSYBOX, judge, open_bench, parse_arguments

from pytest_ecs_tasks.runtimes.owner import RUN_LABEL

ONE_RUN_BAR_S = 2.0
GROUP_BAR_S = 5.0

TEST = """
import threading
from pathlib import Path

import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_victim(ecs_task_factory, number):
    containers = [{{"name": f"c{{each}}", "image": "{image}", "command": ["sleep", "600"]}} for each in range({count})]
    document = {{"family": "victim", "networkMode": "awsvpc", "memory": "512", "containerDefinitions": containers}}
    ecs_task_factory.run(document)
    Path(f"ready-{{number}}").touch()
    threading.Event().wait()
"""


def wait_until(condition, patience_s: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    """Wait for a condition, or fail. Not asked so often that the asking keeps the engine from its work."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def sample(runtime, *, tests: int, count: int, arguments: list[str]) -> float:  # type: ignore[no-untyped-def]
    """Return the seconds from the SIGKILL of a run's process group to an engine without anything of it."""
    others = {labels[RUN_LABEL] for labels in runtime.list_labels(RUN_LABEL)}

    def left() -> bool:
        return any(labels[RUN_LABEL] not in others for labels in runtime.list_labels(RUN_LABEL))

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "test_victim.py").write_text(TEST.format(tests=tests, count=count, image=BUSYBOX))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
        environment = {**os.environ, "PYTEST_ECS_ENGINE": runtime.url}
        process = subprocess.Popen(
            command, cwd=directory, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: len(list(directory.glob("ready-*"))) == tests)
            assert left(), "nothing of the run was on the engine"
        finally:
            os.killpg(process.pid, signal.SIGKILL)
        begun = time.perf_counter()
        process.wait()
        wait_until(lambda: not left())
        return time.perf_counter() - begun


def main() -> int:
    """Print the figures; the exit status is 1 when a bar is missed."""
    arguments = parse_arguments(__doc__ or "", rounds=3)
    with open_bench(arguments.engine) as bench:
        runtime = bench.cluster.room().runtime
        bench.cluster.room().sandboxes.close()
        one = [sample(runtime, tests=1, count=10, arguments=[]) for _ in range(arguments.rounds)]
        good = judge("ten containers, slowest", max(one), ONE_RUN_BAR_S, "s")
        group = [sample(runtime, tests=4, count=3, arguments=["-n", "4"]) for _ in range(arguments.rounds)]
        return 0 if judge("four workers, slowest", max(group), GROUP_BAR_S, "s") and good else 1


if __name__ == "__main__":
    sys.exit(main())

"""How long a task takes to be RUNNING and to be gone, as a ratio to the raw engine API in the same run.

    python benchmarks/ready_and_gone.py [--engine URL] [--rounds 15]

The bar: at most 1.15 times the floor, or the floor + 20 ms where that is more. Also timed, for comparison: the engine's own
command line, one container after the other, and testcontainers.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from bench import BUSYBOX, parse_arguments
from raw import Floor, milliseconds, quiet

from pytest_ecs_tasks.aws.handle import AwsFactory
from pytest_ecs_tasks.aws.services import BotoServices
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.runtimes.sandbox.pool import ensure_sandbox_image

TOLERANCE = 1.15
ALLOWANCE_S = 0.020


def definition(count: int) -> dict[str, object]:
    """Return a task of ``count`` sleeping containers."""
    members = [
        {"name": f"c{number}", "image": BUSYBOX, "command": ["sleep", "600"]} for number in range(count)
    ]
    return {"family": "benchmark", "networkMode": "awsvpc", "memory": "512", "containerDefinitions": members}


def ours(cluster: LocalCluster, services: BotoServices, count: int) -> tuple[float, float]:
    """Return the seconds that one task of ours takes to start, and to go."""
    request = RunTaskRequest(parse_task_definition(definition(count), "benchmark"))
    quiet()
    begun = time.perf_counter()
    task = cluster.start(request, services)
    task.wait_running()
    up = time.perf_counter() - begun
    begun = time.perf_counter()
    with task:
        pass
    return up, time.perf_counter() - begun


def command_line(program: str, count: int) -> tuple[float, float]:
    """Return the same for the engine's own command line, one container after the other."""
    names = [f"ecs-benchmark-{time.time_ns()}-{number}" for number in range(count)]
    quiet()
    begun = time.perf_counter()
    for name in names:
        subprocess.run(
            [program, "run", "-d", "--name", name, BUSYBOX, "sleep", "600"], check=True, capture_output=True
        )
    up = time.perf_counter() - begun
    begun = time.perf_counter()
    for name in names:
        subprocess.run([program, "rm", "-f", "-v", name], check=True, capture_output=True)
    return up, time.perf_counter() - begun


def testcontainers_equivalent(count: int) -> tuple[float, float]:
    """Return the same for testcontainers."""
    from testcontainers.core.container import DockerContainer

    containers = [DockerContainer(BUSYBOX).with_command("sleep 600") for _ in range(count)]
    quiet()
    begun = time.perf_counter()
    for container in containers:
        container.start()
    up = time.perf_counter() - begun
    begun = time.perf_counter()
    for container in containers:
        container.stop()
    return up, time.perf_counter() - begun


def compare(name: str, sample: Callable[[], tuple[float, float]], rounds: int) -> None:
    """Time another way to run the same containers."""
    try:
        samples = [sample() for _ in range(rounds)]
    except Exception as error:  # noqa: BLE001 - a comparison that cannot be had is said and left out
        print(f"    {name:24} not to be had here: {type(error).__name__}: {str(error)[:80]}")
        return
    print(
        f"    {name:24} up {milliseconds([up for up, _ in samples])} ms, gone {milliseconds([down for _, down in samples])} ms"
    )


def verdict(mine: list[float], floor: list[float]) -> tuple[str, bool]:
    """Return the ratio to the floor in words, and whether it is within the bar."""
    bar = max(TOLERANCE * median(floor), median(floor) + ALLOWANCE_S)
    good = median(mine) <= bar
    ratio = median(mine) / median(floor)
    return (
        f"{ratio:.2f}x of {milliseconds(floor)}, bar {1000 * bar:.0f} ms: {'within' if good else 'OVER'}",
        good,
    )


def main() -> int:
    """Print the figures; the exit status is 1 when a bar is missed."""
    arguments = parse_arguments(__doc__ or "", rounds=15, compare_rounds=3)
    cluster = LocalCluster(LocalSettings(engine=arguments.engine, pull="never"), environ=os.environ)
    aws = AwsFactory().new()
    services = BotoServices(aws)
    runtime = cluster.room().runtime
    image = runtime.find_image(BUSYBOX)
    assert image is not None, f"{BUSYBOX} is not on {arguments.engine}"
    limits = {"Memory": 512 << 20, "CpuShares": 2}
    floor = Floor(arguments.engine, image.image_id, ensure_sandbox_image(runtime), limits)
    print(cluster.describe_engine())
    within = True
    try:
        for count in (1, 3, 10):
            pairs = [(ours(cluster, services, count), floor.sample(count)) for _ in range(arguments.rounds)]
            for phase, index in (("up", 0), ("gone", 1)):
                mine = [pair[0][index] for pair in pairs]
                words, good = verdict(mine, [pair[1][index] for pair in pairs])
                within = within and good
                print(f"{count:3} containers {phase:5} {milliseconds(mine)} ms = {words}", flush=True)
            program = shutil.which(runtime.name)
            if program:
                compare(
                    f"{runtime.name} run", partial(command_line, program, count), arguments.compare_rounds
                )
            if runtime.name == "docker":
                os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
                compare("testcontainers", partial(testcontainers_equivalent, count), arguments.compare_rounds)
    finally:
        floor.close()
        cluster.close()
        aws.close()
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())

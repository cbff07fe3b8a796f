"""What the benchmarks share: a cluster of ours, and a yes or no about a bar."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_ecs_tasks.aws.handle import Aws, AwsFactory
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.task import EcsTask

BUSYBOX = "pytest-ecs-tasks/busybox:1"


def parse_arguments(description: str, **integers: int) -> argparse.Namespace:
    """Return the command line's ``--engine`` and the given whole numbers."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    engine = os.environ.get("PYTEST_ECS_ENGINE", "unix:///var/run/docker.sock")
    parser.add_argument("--engine", default=engine)
    for name, default in integers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser.parse_args()


@dataclass(frozen=True)
class Bench:
    """A cluster and an AWS."""

    cluster: LocalCluster
    aws: Aws

    def run(self, *containers: dict[str, object]) -> EcsTask:
        """Start a task of busybox containers under awsvpc; returns at once."""
        document = {
            "family": "benchmark",
            "networkMode": "awsvpc",
            "memory": "512",
            "containerDefinitions": [{"image": BUSYBOX, **container} for container in containers],
        }
        return self.cluster.run_task(RunTaskRequest(parse_task_definition(document, "benchmark")), self.aws)


@contextmanager
def open_bench(engine: str) -> Iterator[Bench]:
    """Open the engine, warm, and leave nothing on it."""
    cluster = LocalCluster(LocalSettings(engine=engine, pull="never"), environ=os.environ)
    factory = AwsFactory()
    try:
        cluster.warm_up()
        print(cluster.describe_engine(), flush=True)
        yield Bench(cluster, factory.new())
    finally:
        cluster.close()
        factory.close()


def judge(what: str, measured: float, bar: float, unit: str) -> bool:
    """Print a figure beside its bar, and tell whether it is within."""
    good = measured <= bar
    print(f"{what}: {measured:.3g} {unit}, bar {bar:g} {unit}: {'within' if good else 'OVER'}", flush=True)
    return good

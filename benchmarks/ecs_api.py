"""What answering ECS's calls costs: DescribeTasks of 100 tasks, a step of 100 services, and RunTask until RUNNING.

    python benchmarks/ecs_api.py [--engine URL] [--rounds 15]

The bars: DescribeTasks answers 100 tasks within 10 ms, from the request's bytes to the answer's; a step of the service
scheduler that looks at each of 100 services takes 5 ms; a task that RunTask starts is RUNNING within 1.1 times what a
fixture's takes, or that + 10 ms where it is more.

Only the last starts containers. The tasks of the first are simulated: it is the answering that is measured, and an answer is
made of the same values whether an engine stands behind them or not. What it takes a caller of boto3 is shown beside it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

from bench import BUSYBOX, Bench, judge, open_bench, parse_arguments

from pytest_ecs_tasks.aws.handle import AwsFactory
from pytest_ecs_tasks.clusters.control_plane import ControlPlane, Launched
from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core.api.project import Project
from pytest_ecs_tasks.core.model import TaskStatus
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.service_model import FAST_PACE, Revision, Service, ServiceSettings
from pytest_ecs_tasks.core.service_scheduler import advance_service, create_service
from pytest_ecs_tasks.endpoints.answer import Request
from pytest_ecs_tasks.endpoints.ecs_api import TARGET_PREFIX, EcsApiServer, answer_request
from pytest_ecs_tasks.engine.protection import Protection
from pytest_ecs_tasks.engine.system import SystemClock
from pytest_ecs_tasks.task import EcsTask
from pytest_ecs_tasks.testing.task import FakeAws, FakeTask

DESCRIBE_BAR_MS = 10.0
STEP_BAR_MS = 5.0
RUN_TOLERANCE = 1.1
RUN_ALLOWANCE_S = 0.010
TASKS = 100
SERVICES = 100
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
DEFINITION: dict[str, Any] = {
    "family": "benchmark",
    "networkMode": "awsvpc",
    "memory": "512",
    "containerDefinitions": [{"name": "app", "image": BUSYBOX, "command": ["sleep", "600"]}],
}


def milliseconds(work: Callable[[], object], rounds: int) -> list[float]:
    """Return how long each round of some work takes."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - begun))
    return taken


class PaperEcs:
    """An ECS whose tasks are simulated."""

    def __init__(self) -> None:
        self.aws = FakeAws(1)
        self.clock = SystemClock()
        self.server = EcsApiServer()
        self.plane = ControlPlane(self.aws, self.server, self._run, self.clock)
        self.plane.call("RegisterTaskDefinition", DEFINITION, None)
        self.arns: list[str] = []
        for _ in range(TASKS // 10):
            request = {"taskDefinition": "benchmark", "count": 10, "networkConfiguration": NETWORK}
            answer: Any = self.plane.call("RunTask", request, None)
            self.arns += [task["taskArn"] for task in answer["tasks"]]

    def _run(self, request: RunTaskRequest, task_id: str, watch: object) -> Launched:
        return Launched(FakeTask(request, task_id, self.aws), Protection(self.clock))

    def describe(self) -> bytes:
        """Answer DescribeTasks of every task, as it comes from the wire and goes to it."""
        body = json.dumps({"tasks": self.arns, "include": ["TAGS"]}).encode()
        request = Request("POST", "/", body=body, headers={"x-amz-target": f"{TARGET_PREFIX}DescribeTasks"})
        return answer_request(self.plane, request).body

    def close(self) -> None:
        self.plane.close()
        self.server.close()


def measure_describe(rounds: int) -> bool:
    """Tell whether DescribeTasks of 100 simulated tasks is answered in time."""
    ecs = PaperEcs()
    try:
        answer = json.loads(ecs.describe())
        assert len(answer["tasks"]) == TASKS
        assert {task["lastStatus"] for task in answer["tasks"]} == {"RUNNING"}
        taken = milliseconds(ecs.describe, rounds)
        show_describe_by_boto3(ecs, rounds)
    finally:
        ecs.close()
    print(f"DescribeTasks of {TASKS}, answered: median {median(taken):.2f} ms, slowest {max(taken):.2f} ms")
    return judge(f"DescribeTasks of {TASKS}", median(taken), DESCRIBE_BAR_MS, "ms")


def show_describe_by_boto3(ecs: PaperEcs, rounds: int) -> None:
    """Show what the same takes a caller of boto3: signing, the way through moto's process, and its parsing besides."""
    factory = AwsFactory()
    try:
        client: Any = factory.new(make_ecs=lambda aws: ecs.plane).client("ecs")
        taken = milliseconds(lambda: client.describe_tasks(tasks=ecs.arns, include=["TAGS"]), rounds)
    finally:
        factory.close()
    print(f"DescribeTasks of {TASKS} by boto3: median {median(taken):.2f} ms, slowest {max(taken):.2f} ms")


def steady_service(number: int) -> Service:
    """Return a service of three healthy tasks."""
    settings = ServiceSettings(Revision("arn:aws:ecs:us-east-1:123456789012:task-definition/web:1"), 3)
    arn = f"arn:aws:ecs:us-east-1:123456789012:service/default/s{number}"
    step = create_service(
        name=f"s{number}",
        arn=arn,
        cluster_arn="arn:aws:ecs:us-east-1:123456789012:cluster/default",
        settings=settings,
        deployment_id=f"ecs-svc/{number}",
        pace=FAST_PACE,
        now=0.0,
    )
    service, now = step.service, 0.0
    while not service.steady:
        now += 1.0
        unstarted = [task.number for task in service.tasks if task.task_id is None]
        if unstarted:
            started = tuple((each, f"{number}-{each}") for each in unstarted)
            service = advance_service(service, facts.TasksStarted(started), now).service
        for task in service.tasks:
            if not task.running:
                seen = facts.TaskChanged(task.number, TaskStatus.RUNNING)
                service = advance_service(service, seen, now).service
        service = advance_service(service, facts.TimePassed(), now).service
    return service


def measure_step(rounds: int) -> bool:
    """Tell whether the scheduler looks at 100 services in time."""
    services = [steady_service(number) for number in range(SERVICES)]
    assert all(service.steady for service in services)

    def step() -> None:
        for service in services:
            advance_service(service, facts.TimePassed(), 1000.0)

    return judge(f"a step of {SERVICES} services", median(milliseconds(step, rounds)), STEP_BAR_MS, "ms")


def measure_run_task(bench: Bench, rounds: int) -> bool:
    """Tell whether RunTask's tasks are RUNNING as soon as a fixture's."""
    started: list[EcsTask] = []
    aws = bench.cluster.new_aws()  # the bench's own has no ECS
    plane = aws.ecs
    assert isinstance(plane, ControlPlane)
    plane.configure(Project(), started.append)
    ecs: Any = aws.client("ecs")
    ecs.register_task_definition(**DEFINITION)
    request = RunTaskRequest(parse_task_definition(DEFINITION, "benchmark"))

    def by_fixture() -> EcsTask:
        return bench.cluster.run_task(request, aws)

    def by_api() -> EcsTask:
        ecs.run_task(taskDefinition="benchmark", networkConfiguration=NETWORK)
        return started[-1]

    taken: dict[str, list[float]] = {"fixture": [], "RunTask": []}
    for _ in range(rounds):  # one after the other, so that both meet the same engine
        for name, run in (("fixture", by_fixture), ("RunTask", by_api)):
            begun = time.perf_counter()
            with run().wait_running():
                taken[name].append(time.perf_counter() - begun)
    # The lower quartile: what else the machine does meanwhile is nobody's fault.
    floor, measured = (quantiles(taken[name][1:], n=4)[0] for name in ("fixture", "RunTask"))
    print(f"until RUNNING: fixture {1000 * floor:.0f} ms, RunTask by boto3 {1000 * measured:.0f} ms")
    bar = max(RUN_TOLERANCE * floor, floor + RUN_ALLOWANCE_S)
    return judge("RunTask until RUNNING", 1000 * measured, round(1000 * bar, 1), "ms")


def main() -> int:
    """Print the figures; the exit status is 1 when a bar is missed."""
    arguments = parse_arguments(__doc__ or "", rounds=15)
    good = [measure_describe(10 * arguments.rounds), measure_step(10 * arguments.rounds)]
    with open_bench(arguments.engine) as bench:
        good.append(measure_run_task(bench, arguments.rounds))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

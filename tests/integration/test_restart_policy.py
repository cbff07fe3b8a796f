"""restartPolicy with real containers.

Its shortest period is 60 s. The tests move the clock ahead by that much: containers and engine are the real ones, only the
decision "has it lived long enough?" is taken on that clock. One test, which is slow, takes the true time; it runs when
``PYTEST_ECS_SLOW_TESTS`` is set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.engine.system import SystemClock
from pytest_ecs_tasks.task import EcsTask
from tasks import BUSYBOX, Run, shell

PERIOD_S = 60
UNTIL_SIGNAL = "while :; do sleep 0.05; done"
SLOW = pytest.mark.skipif(
    not os.environ.get("PYTEST_ECS_SLOW_TESTS"), reason="takes 65 s; set PYTEST_ECS_SLOW_TESTS=1"
)


class MovedClock(SystemClock):
    """The machine's clock, which a test moves ahead."""

    def __init__(self) -> None:
        super().__init__(monotonic=lambda: time.monotonic() + self.ahead_s)
        self.ahead_s = 0.0


def policy(*ignored: int) -> dict[str, Any]:
    """Return the ``restartPolicy`` of a container."""
    codes = {"ignoredExitCodes": list(ignored)} if ignored else {}
    return {"restartPolicy": {"enabled": True, "restartAttemptPeriod": PERIOD_S, **codes}}


def lives(first: str, later: str) -> str:
    """Return a script that counts its lives on its own file system; the first one does something else than the others."""
    return f'echo x >> /lives; n=$(wc -l < /lives); echo "life $n"; if [ "$n" = 1 ]; then {first}; else {later}; fi'


def lives_until_told(ending: str, later: str) -> str:
    """Return a script whose first life lasts until SIGTERM, which it answers with ``ending``."""
    return f"trap '{ending}' TERM; {lives(UNTIL_SIGNAL, later)}"


@pytest.fixture(scope="module")
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(scope="module")
def moved_cluster(engine_url: str, clock: MovedClock) -> Iterator[LocalCluster]:
    cluster = LocalCluster(LocalSettings(engine=engine_url, pull="never"), environ=os.environ, clock=clock)
    cluster.warm_up()
    yield cluster
    cluster.close()


@pytest.fixture
def moved_aws(moved_cluster: LocalCluster) -> Iterator[Aws]:
    aws = moved_cluster.new_aws()
    yield aws
    aws.close()


@pytest.fixture
def run_moved(moved_cluster: LocalCluster, moved_aws: Aws) -> Iterator[Run]:
    """Start a task on the clock that is moved; it is removed at the end of the test."""
    started: list[EcsTask] = []

    def run_moved(*containers: dict[str, Any]) -> EcsTask:
        document = {
            "family": "it",
            "networkMode": "awsvpc",
            "memory": "512",
            "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",  # secrets need one
            "containerDefinitions": [{"image": BUSYBOX, **container} for container in containers],
        }
        request = RunTaskRequest(parse_task_definition(document, "test"))
        started.append(moved_cluster.run_task(request, moved_aws))
        return started[-1]

    yield run_moved
    for task in started:
        task.remove()


def let_live(task: EcsTask, clock: MovedClock, line: str = "life 1") -> None:
    """Wait until the container runs, and let it have lived as long as the period."""
    task.wait_for_log(line, container="web")
    task.wait_for(lambda: task["web"].last_status == "RUNNING")
    clock.ahead_s += PERIOD_S


def test_a_container_that_lived_long_enough_is_started_again_as_it_was(
    run_moved: Run, clock: MovedClock
) -> None:
    task = run_moved(shell("web", lives_until_told("exit 3", "exec sleep 600"), **policy()))
    let_live(task, clock)
    runtime_id = task["web"].runtime_id

    task.kill("web", "SIGTERM")
    task.wait_for_log("life 2")  # its file system is the same, else this would be life 1 again

    assert (task.last_status, task["web"].last_status) == ("RUNNING", "RUNNING")
    assert task["web"].runtime_id == runtime_id
    assert task["web"].exit_code is None
    assert task.stop_code is None
    seen = {container["lastStatus"] for event in task.events for container in event["detail"]["containers"]}
    assert "STOPPED" not in seen


def test_exit_code_0_is_a_reason_to_restart_too_and_an_essential_container_does_not_end_the_task(
    run_moved: Run, clock: MovedClock
) -> None:
    task = run_moved(
        shell("web", lives_until_told("exit 0", "exec sleep 600"), **policy()),
        shell("side", "echo side; exec sleep 600"),
    )
    task.wait_for_log("side", container="side")
    let_live(task, clock)

    task.kill("web", "SIGTERM")
    task.wait_for_log("life 2", container="web")

    assert task["side"].last_status == "RUNNING"
    assert task.logs("side") == "side\n"


def test_a_container_that_exits_before_the_period_is_not_started_again(run_moved: Run) -> None:
    task = run_moved(shell("web", lives("exit 3", "exec sleep 600"), **policy())).wait_stopped()

    assert task.exit_code("web") == 3
    assert task.logs("web") == "life 1\n"
    assert task.stop_code == "EssentialContainerExited"


def test_a_second_life_must_last_as_long_as_the_first(run_moved: Run, clock: MovedClock) -> None:
    task = run_moved(shell("web", lives_until_told("exit 3", "exit 4"), **policy()))
    let_live(task, clock)

    task.kill("web", "SIGTERM")
    task.wait_stopped()

    assert task.logs("web") == "life 1\nlife 2\n"
    assert task.exit_code("web") == 4


def test_an_ignored_exit_code_ends_it_for_good(run_moved: Run, clock: MovedClock) -> None:
    task = run_moved(shell("web", lives_until_told("exit 7", "exec sleep 600"), **policy(7)))
    let_live(task, clock)

    task.kill("web", "SIGTERM")
    task.wait_stopped()

    assert task.exit_code("web") == 7
    assert task.logs("web") == "life 1\n"


def test_a_stop_is_not_answered_with_a_restart(run_moved: Run, clock: MovedClock) -> None:
    task = run_moved(shell("web", f"trap 'exit 5' TERM; echo up; {UNTIL_SIGNAL}", **policy()))
    let_live(task, clock, "up")

    task.stop()

    assert task.exit_code("web") == 5
    assert task.logs("web") == "up\n"


def test_secrets_and_the_log_stream_last_from_life_to_life(
    run_moved: Run, moved_aws: Aws, clock: MovedClock
) -> None:
    moved_aws.create_secret("token", "the same")
    options = {"awslogs-group": "/it", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs"}
    task = run_moved(
        shell(
            "web",
            f'echo "token $TOKEN"; {lives_until_told("exit 1", "exit 2")}',
            secrets=[
                {
                    "name": "TOKEN",
                    "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf",
                }
            ],
            logConfiguration={"logDriver": "awslogs", "options": options},
            **policy(),
        )
    )
    let_live(task, clock)

    task.kill("web", "SIGTERM")
    task.wait_stopped()

    found = moved_aws.client("logs").get_log_events(
        logGroupName="/it", logStreamName=f"ecs/web/{task.task_id}", startFromHead=True
    )
    expected = ["token the same", "life 1", "token the same", "life 2"]
    assert [event["message"] for event in found["events"]] == expected
    assert task.logs("web").splitlines() == expected


def test_last_words_without_a_newline_are_a_line_of_their_own(
    run_moved: Run, moved_aws: Aws, clock: MovedClock
) -> None:
    script = lives_until_told('printf "last words"; exit 1', "exit 2")
    options = {"awslogs-group": "/it", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs"}
    task = run_moved(
        shell("web", script, logConfiguration={"logDriver": "awslogs", "options": options}, **policy())
    )
    let_live(task, clock)

    task.kill("web", "SIGTERM")
    task.wait_stopped()

    found = moved_aws.client("logs").get_log_events(
        logGroupName="/it", logStreamName=f"ecs/web/{task.task_id}", startFromHead=True
    )
    expected = ["life 1", "last words", "life 2"]
    assert [event["message"] for event in found["events"]] == expected
    assert [line.text for line in task.log_lines("web")] == expected


@SLOW
def test_a_container_is_started_again_after_its_shortest_period_in_true_time(run: Run) -> None:
    task = run(shell("web", lives(f"sleep {PERIOD_S + 5}; exit 3", "exit 4"), **policy())).wait_stopped(
        timeout=120
    )

    assert task.logs("web") == "life 1\nlife 2\n"
    assert task.exit_code("web") == 4

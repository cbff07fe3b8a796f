"""restartPolicy with real containers.

Its shortest period is 60 s. On a clock that runs 30 times as fast that takes 2 s: containers and engine are the real ones,
only the decision "has it lived long enough?" is taken on that clock. One test, which is slow, takes the true time; it runs when
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

SPEED = 30
PERIOD_S = 60
LONG_ENOUGH_S = 2.3  # 69 s on the fast clock
SLOW = pytest.mark.skipif(
    not os.environ.get("PYTEST_ECS_SLOW_TESTS"), reason="takes 65 s; set PYTEST_ECS_SLOW_TESTS=1"
)


def policy(*ignored: int) -> dict[str, Any]:
    """Return the ``restartPolicy`` of a container."""
    codes = {"ignoredExitCodes": list(ignored)} if ignored else {}
    return {"restartPolicy": {"enabled": True, "restartAttemptPeriod": PERIOD_S, **codes}}


def lives(first: str, later: str) -> str:
    """Return a script that counts its lives on its own file system; the first one does something else than the others."""
    return f'echo x >> /lives; n=$(wc -l < /lives); echo "life $n"; if [ "$n" = 1 ]; then {first}; else {later}; fi'


@pytest.fixture(scope="module")
def fast_cluster(engine_url: str) -> Iterator[LocalCluster]:
    begun = time.monotonic()
    clock = SystemClock(monotonic=lambda: begun + SPEED * (time.monotonic() - begun))
    cluster = LocalCluster(LocalSettings(engine=engine_url, pull="never"), environ=os.environ, clock=clock)
    cluster.warm_up()
    yield cluster
    cluster.close()


@pytest.fixture
def fast_aws(fast_cluster: LocalCluster) -> Iterator[Aws]:
    aws = fast_cluster.new_aws()
    yield aws
    aws.close()


@pytest.fixture
def run_fast(fast_cluster: LocalCluster, fast_aws: Aws) -> Iterator[Run]:
    """Start a task on the fast clock; it is removed at the end of the test."""
    started: list[EcsTask] = []

    def run_fast(*containers: dict[str, Any]) -> EcsTask:
        document = {
            "family": "it",
            "networkMode": "awsvpc",
            "memory": "512",
            "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",  # secrets need one
            "containerDefinitions": [{"image": BUSYBOX, **container} for container in containers],
        }
        request = RunTaskRequest(parse_task_definition(document, "test"))
        started.append(fast_cluster.run_task(request, fast_aws))
        return started[-1]

    yield run_fast
    for task in started:
        task.remove()


def test_a_container_that_lived_long_enough_is_started_again_as_it_was(run_fast: Run) -> None:
    task = run_fast(shell("web", lives(f"sleep {LONG_ENOUGH_S}; exit 3", "exec sleep 600"), **policy()))
    task.wait_for_log("life 1", timeout=600)
    runtime_id = task["web"].runtime_id

    task.wait_for_log("life 2", timeout=600)  # its file system is the same, else this would be life 1 again

    assert (task.last_status, task["web"].last_status) == ("RUNNING", "RUNNING")
    assert task["web"].runtime_id == runtime_id
    assert task["web"].exit_code is None
    assert task.stop_code is None
    seen = {container["lastStatus"] for event in task.events for container in event["detail"]["containers"]}
    assert "STOPPED" not in seen


def test_exit_code_0_is_a_reason_to_restart_too_and_an_essential_container_does_not_end_the_task(
    run_fast: Run,
) -> None:
    task = run_fast(
        shell("web", lives(f"sleep {LONG_ENOUGH_S}; exit 0", "exec sleep 600"), **policy()),
        shell("side", "echo side; exec sleep 600"),
    )

    task.wait_for_log("life 2", container="web", timeout=600)

    assert task["side"].last_status == "RUNNING"
    assert task.logs("side") == "side\n"


def test_a_container_that_exits_before_the_period_is_not_started_again(run_fast: Run) -> None:
    task = run_fast(shell("web", lives("exit 3", "exec sleep 600"), **policy())).wait_stopped(timeout=600)

    assert task.exit_code("web") == 3
    assert task.logs("web") == "life 1\n"
    assert task.stop_code == "EssentialContainerExited"


def test_a_second_life_must_last_as_long_as_the_first(run_fast: Run) -> None:
    script = lives(f"sleep {LONG_ENOUGH_S}; exit 3", "exit 4")
    task = run_fast(shell("web", script, **policy())).wait_stopped(timeout=900)

    assert task.logs("web") == "life 1\nlife 2\n"
    assert task.exit_code("web") == 4


def test_an_ignored_exit_code_ends_it_for_good(run_fast: Run) -> None:
    script = lives(f"sleep {LONG_ENOUGH_S}; exit 7", "exec sleep 600")
    task = run_fast(shell("web", script, **policy(7))).wait_stopped(timeout=900)

    assert task.exit_code("web") == 7
    assert task.logs("web") == "life 1\n"


def test_a_stop_is_not_answered_with_a_restart(run_fast: Run) -> None:
    script = "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"
    task = run_fast(shell("web", script, **policy()))
    up = task.wait_for_log("up", timeout=600)
    task.wait_for(lambda: time.time() - up.time.timestamp() > LONG_ENOUGH_S, timeout=600)

    task.stop()

    assert task.exit_code("web") == 5
    assert task.logs("web") == "up\n"


def test_secrets_and_the_log_stream_last_from_life_to_life(run_fast: Run, fast_aws: Aws) -> None:
    fast_aws.create_secret("token", "the same")
    script = lives(f"sleep {LONG_ENOUGH_S}; exit 1", "exit 2")
    options = {"awslogs-group": "/it", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs"}
    task = run_fast(
        shell(
            "web",
            f'echo "token $TOKEN"; {script}',
            secrets=[
                {
                    "name": "TOKEN",
                    "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf",
                }
            ],
            logConfiguration={"logDriver": "awslogs", "options": options},
            **policy(),
        )
    ).wait_stopped(timeout=900)

    found = fast_aws.client("logs").get_log_events(
        logGroupName="/it", logStreamName=f"ecs/web/{task.task_id}", startFromHead=True
    )
    expected = ["token the same", "life 1", "token the same", "life 2"]
    assert [event["message"] for event in found["events"]] == expected
    assert task.logs("web").splitlines() == expected


def test_last_words_without_a_newline_are_a_line_of_their_own(run_fast: Run, fast_aws: Aws) -> None:
    script = lives(f"sleep {LONG_ENOUGH_S}; printf 'last words'; exit 1", "exit 2")
    options = {"awslogs-group": "/it", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs"}
    task = run_fast(
        shell("web", script, logConfiguration={"logDriver": "awslogs", "options": options}, **policy())
    ).wait_stopped(timeout=900)

    found = fast_aws.client("logs").get_log_events(
        logGroupName="/it", logStreamName=f"ecs/web/{task.task_id}", startFromHead=True
    )
    expected = ["life 1", "last words", "life 2"]
    assert [event["message"] for event in found["events"]] == expected
    assert [line.text for line in task.log_lines("web")] == expected


@SLOW
def test_a_container_is_started_again_after_its_shortest_period_in_true_time(run: Run) -> None:
    task = run(shell("web", lives(f"sleep {PERIOD_S + 1}; exit 3", "exit 4"), **policy())).wait_stopped(
        timeout=120
    )

    assert task.logs("web") == "life 1\nlife 2\n"
    assert task.exit_code("web") == 4

"""What ECS does with a task, with real containers."""

from __future__ import annotations

import pytest

from left_over import labelled_objects
from pytest_ecs_tasks.clusters.local import LocalCluster
from tasks import Run, python, shell

INIT = {"initProcessEnabled": True}  # so that SIGTERM ends a container


def test_a_job_runs_and_its_exit_code_and_output_are_known(run: Run) -> None:
    task = run(shell("job", "echo out; echo err >&2; exit 7")).wait_stopped()

    assert task.exit_code("job") == 7
    assert sorted(task.logs("job").splitlines()) == ["err", "out"]
    assert {(line.stream, line.text) for line in task.log_lines("job")} == {
        ("stdout", "out"),
        ("stderr", "err"),
    }
    assert task.stop_code == "EssentialContainerExited"
    assert task.stopped_reason == "Essential container in task exited"


def test_events_tell_every_status_in_order(run: Run) -> None:
    task = run(shell("job", "true")).wait_stopped()

    seen = [event["detail"]["lastStatus"] for event in task.events]
    assert list(dict.fromkeys(seen)) == [
        "PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED",
    ]  # fmt: skip


def test_an_essential_exit_stops_its_siblings(run: Run) -> None:
    task = run(
        shell("main", "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done"),
        shell("side", "echo up; exec sleep 600", linuxParameters={"initProcessEnabled": True}),
    ).wait_running()
    for name in ("main", "side"):
        task.wait_for_log("up", container=name)

    task.kill("main", "SIGTERM")
    task.wait_stopped()

    assert task.exit_code("main") == 3
    assert task.exit_code("side") == 143


def test_a_process_that_ignores_sigterm_is_killed_after_stop_timeout(run: Run) -> None:
    task = run(shell("deaf", "trap '' TERM; while :; do sleep 0.1; done", stopTimeout=2)).wait_running()

    task.stop(reason="no longer needed")

    assert task.exit_code("deaf") == 137
    assert task.stop_code == "UserInitiated"
    assert task.stopped_reason == "no longer needed"


def test_a_process_that_handles_sigterm_says_how_it_ended(run: Run) -> None:
    task = run(shell("polite", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"))
    task.wait_for_log("up")

    task.stop()

    assert task.exit_code("polite") == 5
    assert task.logs("polite") == "up\nbye\n"


def test_a_crash_by_signal_is_seen_in_the_exit_code(run: Run) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    task = run(python("crash", crash, linuxParameters={"initProcessEnabled": True})).wait_stopped()

    assert task.exit_code("crash") == 139


def test_a_container_that_runs_out_of_memory_says_so(run: Run) -> None:
    eat = "x = []\nwhile True: x.append(bytearray(4 << 20))"
    task = run(python("eater", eat, memory=48)).wait_stopped()

    assert task.exit_code("eater") == 137
    assert task["eater"].reason == "OutOfMemoryError: Container killed due to memory usage"


def test_a_command_that_does_not_exist_has_no_exit_code_and_leaves_nothing(
    run: Run, cluster: LocalCluster
) -> None:
    task = run({"name": "typo", "command": ["no-such-program"]}).wait_stopped()

    assert task.exit_code("typo") is None
    assert task["typo"].reason.startswith("CannotStartContainerError: ")
    assert "no-such-program" in task["typo"].reason
    assert task.stop_code == "TaskFailedToStart"
    assert task.describe().get("startedAt") is None
    task.__exit__(None, None, None)
    label = f"com.amazonaws.ecs.task-arn={task.arn}"
    assert labelled_objects(cluster.room().runtime.url, label) == []


def test_an_image_that_cannot_be_had_is_named_as_ecs_names_it(run: Run) -> None:
    task = run({"name": "web", "image": "no-such-image:1"}).wait_stopped()

    assert task["web"].reason.startswith("CannotPullContainerError: ")
    assert task.stop_code == "TaskFailedToStart"
    assert task.exit_code("web") is None
    assert task.logs("web") == ""


def test_dependencies_are_met_in_order(run: Run) -> None:
    health = {"command": ["CMD-SHELL", "test -f /tmp/ready"], "interval": 30}
    task = run(
        shell(
            "web",
            "echo web; exec sleep 600",
            dependsOn=[{"containerName": "migrate", "condition": "SUCCESS"}],
        ),
        shell("db", "sleep 0.4; echo ready; touch /tmp/ready; exec sleep 600", healthCheck=health),
        shell(
            "migrate",
            "echo done",
            essential=False,
            dependsOn=[{"containerName": "db", "condition": "HEALTHY"}],
        ),
    )
    task.wait_running()
    task.wait_for_log("web", container="web")

    moments = {line.text: line.time for name in ("db", "migrate", "web") for line in task.log_lines(name)}
    assert moments["ready"] < moments["done"] < moments["web"]
    assert task.exit_code("migrate") == 0
    assert task["db"].health_status == "HEALTHY"


def test_a_failed_dependency_takes_the_essential_dependent_and_the_task_down(run: Run) -> None:
    task = run(
        shell("app", "exec sleep 600", dependsOn=[{"containerName": "init", "condition": "SUCCESS"}]),
        shell("init", "exit 1", essential=False),
    )
    task.wait_stopped()

    assert task.exit_code("app") == 143
    assert "as dependency did not exit successfully." in task["app"].reason


def test_complete_takes_any_exit_code_and_start_needs_no_end(run: Run) -> None:
    def after(name: str, condition: str) -> dict[str, object]:
        return {"dependsOn": [{"containerName": name, "condition": condition}]}

    task = run(
        shell("web", "echo web", **after("sweep", "COMPLETE")),
        shell("sweep", "echo swept; exit 3", essential=False, **after("db", "START")),
        shell("db", "exec sleep 600", linuxParameters=INIT),
    ).wait_stopped()

    assert [task.exit_code(name) for name in ("web", "sweep", "db")] == [0, 3, 143]
    assert task.log_lines("sweep")[0].time < task.log_lines("web")[0].time
    assert task.stop_code == "EssentialContainerExited"


def test_a_gate_that_never_opens_ends_the_task_at_the_start_timeout(run: Run) -> None:
    never = {"command": ["CMD-SHELL", "exit 1"], "interval": 5}
    task = run(
        shell("web", "true", dependsOn=[{"containerName": "db", "condition": "HEALTHY"}]),
        shell("db", "exec sleep 600", startTimeout=2, healthCheck=never, linuxParameters=INIT),
    ).wait_stopped()

    assert "has timed out." in str(task["web"].reason)
    assert (task.stop_code, task.exit_code("db")) == ("TaskFailedToStart", 143)
    assert task.logs("web") == ""


def test_a_stop_goes_in_reverse_dependency_order(run: Run) -> None:
    script = "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    task = run(
        shell("front", script, dependsOn=[{"containerName": "back", "condition": "START"}]),
        shell("back", script),
    )
    task.wait_for_log("up", container="front")
    task.wait_for_log("up", container="back")

    task.stop()

    assert task.log_lines("front")[-1].text == task.log_lines("back")[-1].text == "stopped"
    assert task.log_lines("front")[-1].time < task.log_lines("back")[-1].time


def test_a_stop_right_after_run_task_is_honoured(run: Run) -> None:
    task = run(shell("web", "exec sleep 600"))

    task.stop()

    assert task.last_status == "STOPPED"
    assert task.stop_code == "UserInitiated"


def test_a_health_check_opens_the_gate_soon_after_the_service_is_up(run: Run) -> None:
    health = {"command": ["CMD-SHELL", "test -f /tmp/ready"], "interval": 30}
    task = run(shell("web", "sleep 1.5; echo ready; touch /tmp/ready; exec sleep 600", healthCheck=health))

    task.wait_healthy()

    assert task.health_status == "HEALTHY"
    assert task["web"].last_status == "RUNNING"


def test_a_failing_health_check_makes_it_unhealthy_and_leaves_it_running(run: Run) -> None:
    health = {"command": ["CMD-SHELL", "exit 1"], "interval": 5, "retries": 1}
    task = run(shell("web", "exec sleep 600", healthCheck=health))

    task.wait_for(lambda task: task["web"].health_status == "UNHEALTHY", timeout=60)

    assert (task.health_status, task.last_status) == ("UNHEALTHY", "RUNNING")


def test_closed_output_is_not_taken_for_an_exit(run: Run) -> None:
    program = """
import os, time
os.close(1); os.close(2)
os.mkdir("/tmp/closed")
while not os.path.exists("/tmp/go"): time.sleep(0.05)
os._exit(9)
"""
    task = run(python("quiet", program)).wait_running()
    task.wait_for(lambda: task.exec("quiet", "test -e /tmp/closed").exit_code == 0)

    assert (task.last_status, task.exit_code("quiet")) == ("RUNNING", None)
    task.exec("quiet", "touch /tmp/go", check=True)
    assert task.wait_stopped().exit_code("quiet") == 9


def test_a_killed_container_is_noticed(run: Run) -> None:
    task = run(shell("web", "exec sleep 600", memory=64)).wait_running()

    task.kill("web")
    task.wait_stopped()

    assert task.exit_code("web") == 137
    assert task["web"].reason is None


def test_a_container_that_somebody_removes_ends_the_task_and_nothing_is_left(
    run: Run, cluster: LocalCluster
) -> None:
    with run(
        shell("web", "exec sleep 600"),
        shell("side", "echo up; exec sleep 600", linuxParameters=INIT),
        volumes=[{"name": "data"}],
    ) as task:
        task.wait_running()
        task.wait_for_log("up", container="side")  # its init takes SIGTERM by now
        cluster.room().runtime.remove_container(task["web"].runtime_id)

        task.wait_stopped()
        assert task.stop_code == "EssentialContainerExited"
        assert task.exit_code("side") == 143
        label = f"com.amazonaws.ecs.task-arn={task.arn}"

    assert labelled_objects(cluster.room().runtime.url, label) == []


def test_nothing_is_left_when_the_with_block_ends(run: Run, cluster: LocalCluster) -> None:
    with run(shell("a", "exec sleep 600"), shell("b", "exec sleep 600"), volumes=[{"name": "data"}]) as task:
        task.wait_running()
        task_id = task.task_id
        assert len(cluster.room().runtime.list_containers(f"pytest-ecs-tasks.task={task_id}")) == 2

    assert cluster.room().runtime.list_containers(f"pytest-ecs-tasks.task={task_id}") == ()


@pytest.mark.parametrize("count", [10])
def test_ten_containers_start_together(run: Run, count: int) -> None:
    task = run(*(shell(f"c{number}", "exec sleep 600") for number in range(count))).wait_running()

    assert {container.last_status for container in task.containers.values()} == {"RUNNING"}

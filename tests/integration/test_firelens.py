"""FireLens: containers' lines reach a log router that reads the generated configuration, first to start, last to stop.

The router is the tests' own (``tests/support/log_router.py``): it speaks the forward protocol by the msgpack library.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.task import EcsTask
from tasks import Run, python, shell

PROGRAM = (Path(__file__).parents[1] / "support" / "log_router.py").read_text(encoding="utf-8")
ROUTER = "pytest-ecs-tasks/router:1"
ROUTERS = ["fluentbit", "fluentd"]
OUTPUT_KEY = {"fluentbit": "Name", "fluentd": "@type"}
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret"


def router(kind: str = "fluentbit", options: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Return the container of the tests' own router."""
    return {
        "name": "router",
        "image": ROUTER,
        "command": ["python3", "-u", "-c", PROGRAM, kind],
        "firelensConfiguration": {"type": kind, "options": options or {}},
        **more,
    }


def routed(kind: str = "fluentbit", **options: str) -> dict[str, Any]:
    """Return the ``logConfiguration`` of a container whose lines go to the router's output "collector"."""
    named = {OUTPUT_KEY[kind]: "collector", **options}
    return {"logConfiguration": {"logDriver": "awsfirelens", "options": named}}


def documents(task: EcsTask) -> list[dict[str, Any]]:
    """Return what the router has told."""
    return [json.loads(line) for line in task.logs("router").splitlines()]


def delivered(task: EcsTask) -> list[dict[str, Any]]:
    """Return what reached the router's outputs."""
    return [each for each in documents(task) if "output" in each]


@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
@pytest.mark.parametrize("kind", ROUTERS)
def test_lines_reach_the_output_with_the_tasks_names(run: Run, kind: str, network: str) -> None:
    app = shell("app", "echo out; echo err >&2", **routed(kind, region="eu-west-1"))
    task = run(app, router(kind), network=network).wait_stopped()

    assert len(delivered(task)) == 2, task.transcript() + task.logs("router")
    second, first = sorted(delivered(task), key=lambda each: str(each["record"]["source"]))  # each on its way
    assert first["output"] == "collector"
    assert first["options"] == {"region": "eu-west-1"}
    assert first["tag"] == f"app-firelens-{task.task_id}"
    assert first["record"] == {
        "container_id": task["app"].runtime_id,
        "container_name": f"/ecs-it-1-app-{task.task_id[:20]}",
        "source": "stdout",
        "log": "out",
        "ecs_cluster": "default",
        "ecs_task_arn": task.arn,
        "ecs_task_definition": "it:1",
    }
    assert (second["record"]["source"], second["record"]["log"]) == ("stderr", "err")
    assert sorted(task.logs("app").splitlines()) == ["err", "out"]


def test_times_are_those_of_the_lines_with_fractions_of_a_second(run: Run) -> None:
    task = run(shell("app", "echo out", **routed()), router()).wait_stopped()

    code, seconds, nanoseconds = delivered(task)[0]["time"]
    assert code == 0
    (line,) = task.log_lines("app")
    assert seconds + nanoseconds / 1e9 == pytest.approx(line.time.timestamp(), abs=0.001)
    assert nanoseconds % 1_000_000_000 != 0


def test_the_router_is_first_and_last(run: Run) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    task = run(shell("app", script, **routed()), router(stopTimeout=20)).wait_running()
    task.wait_for_log("up", container="app")

    task.stop()

    started = {each: task.transcript().index(f"start {each}") for each in ("app", "router")}
    assert started["router"] < started["app"]
    assert [each["record"]["log"] for each in delivered(task)] == ["up", "bye"]
    assert documents(task)[-1] == {"ends": "SIGTERM"}
    assert task.exit_code("router") == 0


def test_a_router_that_listens_late_gets_every_line(run: Run) -> None:
    slow = router(environment=[{"name": "ROUTER_WAITS", "value": "1.5"}])
    task = run(shell("app", "seq 1 2000", **routed()), slow).wait_stopped()

    assert [each["record"]["log"] for each in delivered(task)] == [str(number) for number in range(1, 2001)]


def test_a_router_that_never_listens_loses_the_lines_and_the_transcript_says_so(run: Run) -> None:
    deaf = {**router(stopTimeout=1), "command": ["sleep", "600"]}
    task = run(shell("app", "echo lost", **routed()), deaf).wait_stopped()

    assert task.logs("app") == "lost\n"
    assert (
        f"1 messages for app-firelens-{task.task_id} did not reach the log router 'router'"
        in task.transcript()
    )


def test_long_lines_go_in_parts_as_docker_cuts_them(run: Run) -> None:
    task = run(python("app", "print('x' * 40_000); print('short')", **routed()), router()).wait_stopped()

    *parts, short = [each["record"] for each in delivered(task)]
    assert [len(part["log"]) for part in parts] == [16384, 16384, 7232]
    assert [part["partial_ordinal"] for part in parts] == ["1", "2", "3"]
    assert [part["partial_last"] for part in parts] == ["false", "false", "true"]
    assert len({part["partial_id"] for part in parts}) == 1
    assert short["log"] == "short"
    assert "partial_message" not in short


@pytest.mark.parametrize("kind", ROUTERS)
def test_patterns_choose_the_lines_of_their_own_container(run: Run, kind: str) -> None:
    script = "echo keep; echo drop; echo 'keep not'"
    options = {"include-pattern": "^keep", "exclude-pattern": "not$"}
    task = run(
        shell("app", script, **routed(kind, **options)),
        shell("other", script, essential=False, **routed(kind)),
        router(kind),
    )
    task.wait_stopped()

    found = [each["record"]["log"] for each in delivered(task) if each["tag"].startswith("app-")]
    assert found == ["keep"]


@pytest.mark.parametrize("kind", ROUTERS)
def test_secret_options_reach_the_router_and_nobody_else(run: Run, aws: Aws, kind: str) -> None:
    aws.create_secret("splunk", "t0ken-c4nary")
    app = shell("app", "echo out; env", **routed(kind, host="logs.example"))
    app["logConfiguration"]["secretOptions"] = [{"name": "token", "valueFrom": f"{ARN}:splunk-AbCdEf"}]
    task = run(app, router(kind)).wait_stopped()

    assert delivered(task)[0]["options"] == {"host": "logs.example", "token": "t0ken-c4nary"}
    assert "t0ken-c4nary" not in task.logs("app")
    assert "t0ken-c4nary" not in task.transcript()
    assert "t0ken-c4nary" not in repr(task.definition)


@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_containers_that_use_the_router_are_told_where_it_is(run: Run, network: str) -> None:
    task = run(
        shell(
            "app",
            'echo "$FLUENT_HOST:$FLUENT_PORT"; nc "$FLUENT_HOST" "$FLUENT_PORT" </dev/null',
            dependsOn=[{"containerName": "router", "condition": "HEALTHY"}],
            **routed(),
        ),
        shell("plain", 'echo "<$FLUENT_HOST$FLUENT_PORT>"; sleep 600', stopTimeout=1),
        {**router(), "healthCheck": {"command": ["CMD-SHELL", "test -S /var/run/fluent.sock"]}},
        network=network,
    ).wait_stopped()

    host = task.logs("app").partition(":")[0]
    assert task.logs("app") == f"{host}:24224\n"
    assert (host == "127.0.0.1") is (network == "awsvpc")
    assert task.exit_code("app") == 0
    assert task.logs("plain") == "<>\n"


def test_fluentd_is_told_to_be_root_and_listens_where_its_configuration_says(run: Run) -> None:
    task = run(shell("app", "echo out", **routed("fluentd")), router("fluentd")).wait_stopped()
    assert [each["listens"] for each in documents(task) if "listens" in each] == [
        "/var/run/fluent.sock",
        "127.0.0.1:24224",
    ]

    shown = {**router("fluentd"), "command": ["sh", "-c", "echo uid $FLUENT_UID; sleep 600"]}
    task = run(shell("app", "sleep 600", **routed("fluentd")), shown)

    assert task.wait_for_log("uid", container="router").text == "uid 0"


def test_metadata_can_be_left_out(run: Run) -> None:
    task = run(
        shell("app", "echo out", **routed()), router(options={"enable-ecs-log-metadata": "false"})
    ).wait_stopped()

    assert set(delivered(task)[0]["record"]) == {"container_id", "container_name", "source", "log"}


@pytest.mark.parametrize("kind", ROUTERS)
def test_a_configuration_file_from_s3_is_included(run: Run, aws: Aws, kind: str) -> None:
    extra = {
        "fluentbit": "[OUTPUT]\n    Name extra\n    Match *\n    bucket logs\n",
        "fluentd": "<match **>\n    @type extra\n    bucket logs\n</match>\n",
    }
    client = aws.client("s3")
    client.create_bucket(Bucket="configs")
    client.put_object(Bucket="configs", Key="routers/extra.conf", Body=extra[kind].encode())
    options = {"config-file-type": "s3", "config-file-value": "arn:aws:s3:::configs/routers/extra.conf"}
    app = shell("app", "echo out", logConfiguration={"logDriver": "awsfirelens"})

    task = run(app, router(kind, options)).wait_stopped()

    (only,) = delivered(task)
    assert (only["output"], only["options"], only["record"]["log"]) == ("extra", {"bucket": "logs"}, "out")


def test_a_configuration_file_of_the_image_is_included(run: Run) -> None:
    options = {"config-file-type": "file", "config-file-value": "/extra.conf"}
    program = (
        "printf '[OUTPUT]\\n Name extra\\n Match *\\n' > /extra.conf; exec python3 -u -c \"$0\" fluentbit"
    )
    custom = {**router(options=options), "command": ["sh", "-c", program, PROGRAM]}

    task = run(shell("app", "echo out", logConfiguration={"logDriver": "awsfirelens"}), custom).wait_stopped()

    assert [each["output"] for each in delivered(task)] == ["extra"]


def test_a_configuration_file_that_is_not_in_s3_stops_the_task_in_the_agents_words(run: Run) -> None:
    options = {"config-file-type": "s3", "config-file-value": "arn:aws:s3:::configs/extra.conf"}

    task = run(shell("app", "echo out", **routed()), router(options=options)).wait_stopped()

    assert task.stop_code == "TaskFailedToStart"
    assert str(task.stopped_reason).startswith(
        "Unable to download firelens s3 config file: unable to download s3 config extra.conf from bucket configs: "
    )


def test_a_test_that_ends_does_not_wait_for_a_router_that_is_deaf(run: Run) -> None:
    deaf = {**router(stopTimeout=1), "command": ["sleep", "600"]}
    task = run(shell("app", "echo lost; sleep 600", **routed()), deaf)
    task.wait_for_log("lost", container="app")

    with task:
        pass

    assert task.last_status == "STOPPED"


def test_20_000_lines_of_two_containers_arrive_whole_and_in_order(run: Run) -> None:
    write = "for number in range(10_000): print('%05d ' % number + 'x' * 90)"
    task = run(
        python("app", write, **routed()),
        python("second", write, essential=False, **routed()),
        router(),
        memory="1024",
    )
    task.wait_for(lambda: task["second"].last_status == "STOPPED", timeout=200)
    task.wait_stopped()

    for name in ("app", "second"):
        found = [each["record"]["log"] for each in delivered(task) if each["tag"].startswith(f"{name}-")]
        assert found == [f"{number:05d} " + "x" * 90 for number in range(10_000)]


def test_a_router_with_a_read_only_root_has_its_configuration_and_socket(run: Run) -> None:
    task = run(shell("app", "echo out", **routed()), router(readonlyRootFilesystem=True)).wait_stopped()

    assert [each["record"]["log"] for each in delivered(task)] == ["out"]


@pytest.mark.skipif("podman" in os.environ.get("PYTEST_ECS_ENGINE", ""), reason="see docs/fidelity.md")
def test_a_router_that_is_not_root_has_its_socket(run: Run) -> None:
    task = run(shell("app", "echo out", **routed()), router(user="1000")).wait_stopped()

    assert [each["record"]["log"] for each in delivered(task)] == ["out"]


def test_a_router_that_has_ended_is_not_waited_for(run: Run) -> None:
    short = {**router(essential=False), "command": ["true"]}
    script = "sleep 1; echo lost"
    task = run(shell("app", script, **routed()), short).wait_stopped()

    lost = f"1 messages for app-firelens-{task.task_id} did not reach the log router 'router' at port 24224"
    assert lost in task.transcript()
    described = task.describe()
    assert (described["stoppedAt"] - described["executionStoppedAt"]).total_seconds() < 4

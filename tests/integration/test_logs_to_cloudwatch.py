"""What containers print is in CloudWatch Logs: live, whole, in order, and there before STOPPED is visible."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.task import EcsTask
from tasks import Run, python, shell

REGION = "us-east-1"
FARGATE = {
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
}


def awslogs(group: str = "/ecs/it", prefix: str | None = "ecs", **options: str) -> dict[str, Any]:
    """Return the ``logConfiguration`` of a container."""
    named = {"awslogs-group": group, "awslogs-region": REGION, **options}
    if prefix is not None:
        named["awslogs-stream-prefix"] = prefix
    return {"logConfiguration": {"logDriver": "awslogs", "options": named}}


def stream_names(aws: Aws, group: str = "/ecs/it") -> list[str]:
    streams = aws.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    return sorted(stream["logStreamName"] for stream in streams)


def messages(aws: Aws, stream: str, group: str = "/ecs/it") -> list[str]:
    """Return every event of a stream, page by page."""
    client = aws.client("logs")
    arguments = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
    found: list[str] = []
    page = client.get_log_events(**arguments)
    while page["events"]:
        found += [event["message"] for event in page["events"]]
        page = client.get_log_events(**arguments, nextToken=page["nextForwardToken"])
    return found


def stream_of(task: EcsTask, container: str, prefix: str = "ecs") -> str:
    return f"{prefix}/{container}/{task.task_id}"


@pytest.fixture(scope="module")
def strict_cluster(engine_url: str) -> Iterator[LocalCluster]:
    cluster = LocalCluster(LocalSettings(engine=engine_url, pull="never", strict=True), environ=os.environ)
    cluster.warm_up()
    yield cluster
    cluster.close()


@pytest.fixture
def strict_aws(strict_cluster: LocalCluster) -> Iterator[Aws]:
    aws = strict_cluster.new_aws()
    yield aws
    aws.close()


def run_strictly(cluster: LocalCluster, aws: Aws, container: dict[str, Any], **task: Any) -> EcsTask:
    """Run a task that is expected to stop by itself, and remove it."""
    document = {
        "family": "it",
        "networkMode": "awsvpc",
        "memory": "512",
        "containerDefinitions": [{"image": "pytest-ecs-tasks/busybox:1", **container}],
        **task,
    }
    with cluster.run_task(RunTaskRequest(parse_task_definition(document, "test")), aws) as started:
        return started.wait_stopped()


def test_lines_are_in_cloudwatch_while_the_task_runs(run: Run, aws: Aws) -> None:
    task = run(shell("web", "echo up; exec sleep 600", **awslogs())).wait_running()

    task.wait_for(lambda: stream_names(aws) and messages(aws, stream_of(task, "web")) == ["up"], timeout=60)

    assert task.last_status == "RUNNING"


def test_a_stream_is_named_by_prefix_container_and_task_id(run: Run, aws: Aws) -> None:
    task = run(
        shell("web", "echo web", essential=False, **awslogs(prefix="prod")),
        shell(
            "job",
            "echo job",
            dependsOn=[{"containerName": "web", "condition": "SUCCESS"}],
            **awslogs(prefix="prod/eu"),
        ),
    ).wait_stopped()

    assert stream_names(aws) == [f"prod/eu/job/{task.task_id}", f"prod/web/{task.task_id}"]
    assert messages(aws, f"prod/web/{task.task_id}") == ["web"]


def test_without_a_prefix_the_stream_is_named_by_the_engines_container_id(run: Run, aws: Aws) -> None:
    task = run(shell("web", "echo hello", **awslogs(prefix=None))).wait_stopped()

    assert stream_names(aws) == [task["web"].runtime_id]
    assert messages(aws, str(task["web"].runtime_id)) == ["hello"]


def test_lines_go_to_the_region_that_the_definition_names(run: Run, aws: Aws) -> None:
    task = run(shell("web", "echo far", **awslogs(**{"awslogs-region": "eu-west-3"}))).wait_stopped()

    far = aws.client("logs", region_name="eu-west-3")
    found = far.get_log_events(logGroupName="/ecs/it", logStreamName=stream_of(task, "web"))
    assert [event["message"] for event in found["events"]] == ["far"]
    assert aws.client("logs").describe_log_groups()["logGroups"] == []


def test_a_missing_group_is_made_and_the_transcript_says_so(run: Run, aws: Aws) -> None:
    task = run(shell("web", "echo hello", **awslogs("/not/there"))).wait_stopped()

    assert messages(aws, stream_of(task, "web"), "/not/there") == ["hello"]
    assert "/not/there" in task.transcript()


def test_strict_and_no_such_group_fails_the_start_in_the_ec2_agents_words(
    strict_cluster: LocalCluster, strict_aws: Aws
) -> None:
    task = run_strictly(strict_cluster, strict_aws, shell("web", "echo hello", **awslogs("/not/there")))

    assert task.stop_code == "TaskFailedToStart"
    assert task.exit_code("web") is None
    assert str(task["web"].reason).startswith("CannotStartContainerError: ")
    assert "ResourceNotFoundException: The specified log group does not exist." in str(task["web"].reason)
    assert task.logs("web") == ""


def test_strict_and_no_such_group_fails_the_task_in_fargates_words(
    strict_cluster: LocalCluster, strict_aws: Aws
) -> None:
    task = run_strictly(
        strict_cluster, strict_aws, shell("web", "echo hello", **awslogs("/not/there")), **FARGATE
    )

    assert task.stop_code == "TaskFailedToStart"
    assert str(task.stopped_reason).startswith("ResourceInitializationError: ")
    assert "The specified log group does not exist." in str(task.stopped_reason)
    assert task.exit_code("web") is None


def test_strict_and_create_group_makes_the_group(strict_cluster: LocalCluster, strict_aws: Aws) -> None:
    container = shell("web", "echo hello", **awslogs("/made", **{"awslogs-create-group": "true"}))

    task = run_strictly(strict_cluster, strict_aws, container)

    assert task.exit_code("web") == 0
    assert messages(strict_aws, stream_of(task, "web"), "/made") == ["hello"]


def test_strict_and_a_group_that_is_there(strict_cluster: LocalCluster, strict_aws: Aws) -> None:
    strict_aws.create_log_group("/there")

    task = run_strictly(strict_cluster, strict_aws, shell("web", "echo hello", **awslogs("/there")))

    assert messages(strict_aws, stream_of(task, "web"), "/there") == ["hello"]


def test_every_line_is_there_the_moment_that_stopped_is_visible(run: Run, aws: Aws) -> None:
    script = "i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done; printf unfinished"
    expected = [*(f"line {number}" for number in range(50)), "unfinished"]
    tasks = []
    for _ in range(4):
        tasks += [run(shell("job", script, **awslogs())) for _ in range(5)]
        for task in tasks[-5:]:
            task.wait_stopped()
            assert messages(aws, stream_of(task, "job")) == expected
            assert task.logs("job").splitlines() == expected

    assert len({task.task_id for task in tasks}) == 20


def test_a_stopped_containers_lines_are_there_when_its_own_status_is_stopped(run: Run, aws: Aws) -> None:
    task = run(
        shell("job", "seq 1 1000; exit 0", essential=False, **awslogs()), shell("web", "exec sleep 600")
    )

    task.wait_for(lambda: task["job"].last_status == "STOPPED", timeout=60)

    assert messages(aws, stream_of(task, "job")) == [str(number) for number in range(1, 1001)]
    assert task.last_status in ("ACTIVATING", "RUNNING")


def test_the_last_words_of_a_stopped_service_are_there(run: Run, aws: Aws) -> None:
    script = "trap 'echo bye; echo ciao >&2; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    task = run(shell("web", script, **awslogs()))
    task.wait_for_log("up")

    task.stop()

    found = messages(aws, stream_of(task, "web"))
    assert found[0] == "up"
    assert sorted(found[1:]) == ["bye", "ciao"]


def test_a_line_longer_than_the_engines_frames_stays_one_line(run: Run, aws: Aws) -> None:
    write = "import sys; sys.stdout.write('a' + 'x' * 20_000 + 'z\\n' + 'b' + 'y' * 200_000 + 'z\\nend\\n')"
    task = run(python("long", write, **awslogs())).wait_stopped()

    expected = ["a" + "x" * 20_000 + "z", "b" + "y" * 200_000 + "z", "end"]
    assert messages(aws, stream_of(task, "long")) == expected
    assert [line.text for line in task.log_lines("long")] == expected


def test_long_lines_of_both_streams_are_not_torn_into_each_other(run: Run, aws: Aws) -> None:
    write = (
        "import os, threading\n"
        "def write(fd, letter):\n"
        "    for number in range(20): os.write(fd, letter * 20_000); os.write(fd, b'\\n')\n"
        "threads = [threading.Thread(target=write, args=pair) for pair in ((1, b'o'), (2, b'e'))]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
    )
    task = run(python("both", write, **awslogs())).wait_stopped()

    expected = ["e" * 20_000] * 20 + ["o" * 20_000] * 20
    assert sorted(messages(aws, stream_of(task, "both"))) == expected
    assert sorted(line.text for line in task.log_lines("both")) == expected
    assert {(line.stream, line.text[0]) for line in task.log_lines("both")} == {
        ("stdout", "o"),
        ("stderr", "e"),
    }


def test_stdout_and_stderr_are_in_the_one_stream(run: Run, aws: Aws) -> None:
    task = run(shell("web", "echo out; echo err >&2", **awslogs())).wait_stopped()

    assert sorted(messages(aws, stream_of(task, "web"))) == ["err", "out"]


def test_what_is_not_utf_8_is_replaced_and_the_rest_of_the_line_stays(run: Run, aws: Aws) -> None:
    task = run(shell("web", r"printf 'caf\351 ol\303\251\n\377\376\nplain\n'", **awslogs())).wait_stopped()

    expected = ["caf\ufffd olé", "\ufffd\ufffd", "plain"]
    assert messages(aws, stream_of(task, "web")) == expected
    assert [line.text for line in task.log_lines("web")] == expected


def test_blank_lines_are_in_the_logs_and_not_in_cloudwatch_which_refuses_them(run: Run, aws: Aws) -> None:
    task = run(shell("web", r"printf '\n\none\n\n  \ntwo\n\n'", **awslogs())).wait_stopped()

    assert messages(aws, stream_of(task, "web")) == ["one", "  ", "two"]
    assert task.logs("web") == "\n\none\n\n  \ntwo\n\n"


def test_output_of_nothing_but_the_newline_that_was_missing(run: Run, aws: Aws) -> None:
    task = run(shell("web", "printf 'no newline'", **awslogs())).wait_stopped()

    assert messages(aws, stream_of(task, "web")) == ["no newline"]
    assert task.logs("web") == "no newline"


def test_a_silent_container_has_an_empty_stream(run: Run, aws: Aws) -> None:
    task = run(shell("web", "true", **awslogs())).wait_stopped()

    assert stream_names(aws) == [stream_of(task, "web")]
    assert messages(aws, stream_of(task, "web")) == []


def test_a_terminals_lines_end_as_terminals_end_them(run: Run, aws: Aws) -> None:
    script = "if [ -t 1 ]; then echo a terminal; else echo none; fi; echo err >&2"
    task = run(shell("tty", script, pseudoTerminal=True, **awslogs())).wait_stopped()

    assert task.logs("tty") == "a terminal\r\nerr\r\n"
    assert [(line.stream, line.text) for line in task.log_lines("tty")] == [
        ("stdout", "a terminal"),
        ("stdout", "err"),
    ]
    assert [text.removesuffix("\r") for text in messages(aws, stream_of(task, "tty"))] == [
        "a terminal",
        "err",
    ]


def test_200_000_lines_are_complete_and_in_order(run: Run, aws: Aws) -> None:
    write = "import sys\nfor number in range(200_000): sys.stdout.write('%06d ' % number + 'x' * 92 + '\\n')"
    task = run(python("flood", write, **awslogs()), memory="256").wait_stopped()

    expected = [f"{number:06d} " + "x" * 92 for number in range(200_000)]
    assert task.logs("flood").splitlines() == expected
    assert [line.text for line in task.log_lines("flood")] == expected
    assert messages(aws, stream_of(task, "flood")) == expected


def test_times_in_cloudwatch_are_those_of_the_lines(run: Run, aws: Aws) -> None:
    script = "echo one; until [ -e /tmp/go ]; do sleep 0.05; done; echo two"
    task = run(shell("web", script, **awslogs())).wait_running()
    task.wait_for_log("one")
    task.exec("web", "touch /tmp/go", check=True)
    task.wait_stopped()

    found = aws.client("logs").get_log_events(
        logGroupName="/ecs/it", logStreamName=stream_of(task, "web"), startFromHead=True
    )["events"]
    times = [int(line.time.timestamp() * 1000) for line in task.log_lines("web")]
    assert [event["timestamp"] for event in found] == pytest.approx(times, abs=1)
    assert found[1]["timestamp"] > found[0]["timestamp"]


def test_a_pattern_joins_the_lines_of_a_stack_trace_to_one_event(run: Run, aws: Aws) -> None:
    script = "echo 'ERROR one'; echo '  at a'; echo; echo '  at b'; echo 'INFO two'; printf '  last'"
    options = {"awslogs-multiline-pattern": "^(INFO|ERROR) "}
    task = run(shell("web", script, **awslogs(**options))).wait_stopped()

    assert messages(aws, stream_of(task, "web")) == ["ERROR one\n  at a\n\n  at b\n", "INFO two\n  last\n"]
    assert len(task.log_lines("web")) == 6


def test_a_datetime_format_begins_an_event(run: Run, aws: Aws) -> None:
    script = "echo '[2024-02-29 23:59:58] one'; echo more; echo '[2024-13-01 00:00:00] no'; echo '[2024-03-01 00:00:00] two'"
    options = {"awslogs-datetime-format": r"\[%Y-%m-%d %H:%M:%S\]"}
    task = run(shell("web", script, **awslogs(**options))).wait_stopped()

    assert messages(aws, stream_of(task, "web")) == [
        "[2024-02-29 23:59:58] one\nmore\n[2024-13-01 00:00:00] no\n",
        "[2024-03-01 00:00:00] two\n",
    ]


def test_non_blocking_mode_with_a_small_buffer_loses_nothing(run: Run, aws: Aws) -> None:
    options = {"mode": "non-blocking", "max-buffer-size": "1k"}
    task = run(shell("web", "seq 1 20000", **awslogs(**options))).wait_stopped()

    assert messages(aws, stream_of(task, "web")) == [str(number) for number in range(1, 20001)]

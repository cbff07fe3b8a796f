"""``task.exec`` as ECS Exec has it, and what ECS Exec has not: separate streams, an exit code, a timeout that kills."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.errors import EcsTaskError, WaitTimeout
from tasks import Run, shell

FOREVER = "exec sleep 600"
PROCESSES = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 77[0-9]'"


def test_a_command_is_root_whoever_the_containers_user_is(run: Run) -> None:
    task = run(shell("c", FOREVER, user="1000")).wait_running()

    assert task.exec("c", "id -u").stdout == "0\n"
    assert task.exec("c", ["id", "-u"], user="1000").stdout == "1000\n"


def test_a_command_has_the_containers_environment(run: Run, aws: Aws) -> None:
    aws.create_secret("token", "from a secret")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="config")
    s3.put_object(Bucket="config", Key="app.env", Body=b"FILED=from a file\n")
    task = run(
        shell(
            "c",
            FOREVER,
            environment=[{"name": "PLAIN", "value": "from the definition"}],
            environmentFiles=[{"type": "s3", "value": "arn:aws:s3:::config/app.env"}],
            secrets=[
                {"name": "TOKEN", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:token"}
            ],
        ),
        taskRoleArn="arn:aws:iam::123456789012:role/app",
    ).wait_running()

    shown = task.exec("c", "env").stdout.splitlines()

    assert {"PLAIN=from the definition", "FILED=from a file", "TOKEN=from a secret"} <= set(shown)
    main = task.exec("c", "tr '\\0' '\\n' </proc/1/environ").stdout.splitlines()
    own = {"HOME", "PWD", "SHLVL", "OLDPWD", "TERM", "_", "HOSTNAME"}  # the shell's and the engine's
    assert {line for line in main if line.partition("=")[0] not in own} <= set(shown)


def test_at_the_timeout_the_command_is_killed_and_the_container_goes_on(run: Run) -> None:
    task = run(shell("c", FOREVER)).wait_running()

    with pytest.raises(WaitTimeout, match=r"still running after 3 s, and was killed: .*\n  begun"):
        task.exec("c", "echo begun; sleep 771; true", timeout=3)

    assert task.exec("c", PROCESSES).stdout == "0\n"
    assert task.last_status == "RUNNING"


def test_a_health_check_that_runs_out_of_time_is_killed(run: Run) -> None:
    check = {
        "command": ["CMD-SHELL", "touch /tmp/probed; sleep 772; true"],
        "interval": 5,
        "timeout": 2,
        "retries": 1,
    }
    task = run(shell("c", FOREVER, healthCheck=check)).wait_running()

    task.wait_for(lambda: task.health_status == "UNHEALTHY", timeout=60)

    assert int(task.exec("c", PROCESSES).stdout) <= 1  # the next probe may be under way


def test_the_exit_code_and_both_streams_are_told(run: Run) -> None:
    task = run(shell("c", FOREVER)).wait_running()

    result = task.exec("c", "printf out; printf err >&2; exit 7")

    assert (result.exit_code, result.stdout, result.stderr) == (7, "out", "err")
    with pytest.raises(EcsTaskError, match="exited 7"):
        task.exec("c", "exit 7", check=True)


def test_a_read_only_root_is_no_obstacle(run: Run) -> None:
    task = run(shell("c", FOREVER, readonlyRootFilesystem=True)).wait_running()

    assert task.exec("c", "echo fine").stdout == "fine\n"


def test_what_the_engine_refuses_is_an_error_for_the_test(run: Run) -> None:
    task = run(shell("c", FOREVER)).wait_running()

    with pytest.raises(EcsTaskError, match=r"container 'c' could not be unpaused: .*not paused"):
        task.unpause("c")
    task.pause("c")
    with pytest.raises(EcsTaskError, match=r"container 'c' could not be paused: .*already paused"):
        task.pause("c")
    task.unpause("c")
    with pytest.raises(EcsTaskError, match=r"SIGNOPE could not be sent to container 'c': .*SIGNOPE"):
        task.kill("c", "SIGNOPE")
    assert task.last_status == "RUNNING"

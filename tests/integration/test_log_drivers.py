"""The engine's own log drivers, beside the output that the test reads."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.errors import UnsupportedFieldWarning
from tasks import Run, shell

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret"


def logs(driver: str, secrets: dict[str, str] | None = None, **options: str) -> dict[str, Any]:
    """Return the ``logConfiguration`` of a container."""
    named = [{"name": name, "valueFrom": value} for name, value in (secrets or {}).items()]
    return {"logConfiguration": {"logDriver": driver, "options": options, "secretOptions": named}}


@pytest.fixture
def engine(engine_url: str) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=engine_url)
    yield client
    client.close()


@pytest.fixture
def syslog() -> Iterator[tuple[int, socket.socket]]:
    """A syslog server on this machine, where the engine under test is, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(60)
        yield server.getsockname()[1], server


@pytest.fixture
def only_docker(engine: docker.DockerClient) -> None:
    if any(part["Name"] == "Podman Engine" for part in engine.version().get("Components") or ()):
        pytest.skip("Podman has no such log driver")


@pytest.fixture
def only_podman(engine: docker.DockerClient) -> None:
    if all(part["Name"] != "Podman Engine" for part in engine.version().get("Components") or ()):
        pytest.skip("Docker has this log driver")


def test_json_file_keeps_the_engines_own_log_and_the_test_still_reads(
    run: Run, engine: docker.DockerClient
) -> None:
    options = {"max-size": "1m"}
    task = run(shell("app", "echo hello; echo bad >&2; exec sleep 600", **logs("json-file", **options)))
    task.wait_for_log("hello")
    task.wait_for_log("bad")

    container = engine.containers.get(task["app"].runtime_id)
    task.wait_for(lambda: len(container.logs().splitlines()) == 2)
    assert container.attrs["HostConfig"]["LogConfig"]["Type"] in ("json-file", "k8s-file")
    assert sorted(container.logs().splitlines()) == [b"bad", b"hello"]
    assert sorted(task.logs("app").splitlines()) == ["bad", "hello"]


@pytest.mark.usefixtures("only_docker")
def test_syslog_gets_the_lines_that_the_test_reads(run: Run, syslog: tuple[int, socket.socket]) -> None:
    port, server = syslog
    options = {"syslog-address": f"udp://127.0.0.1:{port}", "tag": "shop"}
    task = run(shell("app", "echo hello", **logs("syslog", **options))).wait_stopped()

    assert b"shop" in (message := server.recv(4096))
    assert message.endswith(b"hello\n")
    assert task.logs("app") == "hello\n"


@pytest.mark.usefixtures("only_docker")
def test_a_secret_option_reaches_the_driver_and_is_shown_nowhere(
    run: Run, aws: Aws, syslog: tuple[int, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    aws.create_secret("tag", "t4g-c4nary")
    port, server = syslog
    secrets = {"tag": f"{ARN}:tag-AbCdEf"}
    with caplog.at_level("DEBUG"):
        task = run(
            shell(
                "app",
                "echo hello; env",
                **logs("syslog", secrets, **{"syslog-address": f"udp://127.0.0.1:{port}"}),
            )
        ).wait_stopped()

    assert b"t4g-c4nary" in server.recv(4096)
    shown = "".join(
        [
            task.logs("app"),
            task.transcript(),
            repr(task),
            repr(task.describe()),
            repr(task.definition),
            caplog.text,
        ]
    )
    assert "t4g-c4nary" not in shown


@pytest.mark.usefixtures("only_docker")
def test_an_engine_that_refuses_a_secret_option_does_not_show_it(run: Run, aws: Aws) -> None:
    aws.create_secret("size", "c4nary")
    task = run(
        shell("app", "echo hello", **logs("json-file", {"max-size": f"{ARN}:size-AbCdEf"}))
    ).wait_stopped()

    assert "***" in str(task["app"].reason)
    assert "c4nary" not in "".join([task.transcript(), repr(task.describe()), str(task.stopped_reason)])


def test_a_secret_option_that_is_not_there_fails_the_task_as_a_secret_does(run: Run) -> None:
    secrets = {"tag": f"{ARN}:nowhere-AbCdEf"}
    task = run(shell("app", "echo hello", **logs("json-file", secrets))).wait_stopped()

    assert task.stop_code == "TaskFailedToStart"
    assert "Secrets Manager can't find the specified secret" in str(task.stopped_reason)


@pytest.mark.usefixtures("only_docker")
def test_an_option_that_the_driver_does_not_know_fails_the_container_in_the_engines_words(run: Run) -> None:
    task = run(shell("app", "echo hello", **logs("json-file", **{"max-sise": "1m"}))).wait_stopped()

    assert task.stop_code == "TaskFailedToStart"
    assert "unknown log opt 'max-sise' for json-file log driver" in str(task["app"].reason)


@pytest.mark.usefixtures("only_podman")
def test_podman_warns_of_a_driver_that_it_has_not_and_the_test_reads_the_output(run: Run) -> None:
    with pytest.warns(UnsupportedFieldWarning, match="has no log driver 'syslog'"):
        task = run(shell("app", "echo hello", **logs("syslog")))

    assert task.wait_stopped().logs("app") == "hello\n"

"""Which engine is found, where, and what is said when there is none."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import threading

import pytest

from pytest_ecs_tasks.errors import EngineUnavailable
from pytest_ecs_tasks.runtimes import detect
from pytest_ecs_tasks.runtimes.detect import find_runtime
from pytest_ecs_tasks.runtimes.podman import PodmanRuntime


@pytest.fixture
def nothing_usual(monkeypatch, tmp_path):
    """A machine whose usual sockets have nobody behind them."""
    monkeypatch.setattr(detect, "_docker_sockets", lambda environ: [f"{tmp_path}/docker.sock"])
    monkeypatch.setattr(detect, "_podman_sockets", lambda environ: [f"{tmp_path}/podman/podman.sock"])
    return {"HOME": str(tmp_path), "PATH": ""}


def add_context(home, name, host):
    key = hashlib.sha256(name.encode()).hexdigest()
    folder = home / ".docker" / "contexts" / "meta" / key
    folder.mkdir(parents=True)
    document = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (folder / "meta.json").write_text(json.dumps(document))


def test_a_url_is_used_and_named_by_what_answers(engine, engine_url):
    found = find_runtime(engine_url, {})

    assert (found.runtime.name, found.runtime.url, found.source) == (engine.name, engine_url, engine_url)
    assert isinstance(found.runtime, PodmanRuntime) == (engine.name == "podman")
    found.close()


def test_docker_host_is_taken_before_any_socket(engine, engine_url, nothing_usual):
    found = find_runtime("auto", {**nothing_usual, "DOCKER_HOST": engine_url})

    assert (found.runtime.name, found.source, found.tried) == (engine.name, "DOCKER_HOST", ())
    found.close()


def test_the_current_docker_context_is_used(engine, engine_url, nothing_usual, tmp_path):
    add_context(tmp_path, "colima", engine_url)
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"currentContext": "colima"}))

    found = find_runtime("docker", nothing_usual)

    assert (found.runtime.url, found.source) == (engine_url, 'docker context "colima"')
    assert [(item.place, item.outcome) for item in found.tried] == [("DOCKER_HOST", "not set")]
    found.close()


def test_a_docker_host_that_does_not_answer_is_not_passed_over(nothing_usual):
    with pytest.raises(EngineUnavailable) as caught:
        find_runtime("auto", {**nothing_usual, "DOCKER_HOST": "tcp://127.0.0.1:1"})

    assert str(caught.value).splitlines() == [
        "no container engine answered",
        "  tried  DOCKER_HOST tcp://127.0.0.1:1  connection refused",
        "  Start one, set --ecs-engine=URL, or skip these tests with --ecs-missing-engine=skip.",
    ]


def test_a_context_that_is_named_and_unknown_is_said(nothing_usual):
    with pytest.raises(EngineUnavailable, match=r'docker context "nowhere"  no such context in .*contexts'):
        find_runtime("auto", {**nothing_usual, "DOCKER_CONTEXT": "nowhere"})


def test_everything_that_was_tried_is_told_with_its_reason(nothing_usual, tmp_path):
    refused = socket.socket(socket.AF_UNIX)
    refused.bind(f"{tmp_path}/docker.sock")
    refused.close()

    with pytest.raises(EngineUnavailable) as caught:
        find_runtime("auto", nothing_usual)

    lines = [re.split(r"  +", line.strip()) for line in str(caught.value).splitlines()]
    assert lines == [
        ["no container engine answered"],
        ["tried", "DOCKER_HOST", "not set"],
        ["docker context", '"default"'],
        [f"unix://{tmp_path}/docker.sock", "connection refused (is dockerd running?)"],
        [f"unix://{tmp_path}/podman/podman.sock", "no such file (systemctl --user start podman.socket)"],
        ["podman system service", "there is no podman in PATH"],
        ["Start one, set --ecs-engine=URL, or skip these tests with --ecs-missing-engine=skip."],
    ]


def test_a_choice_that_is_no_engine_is_said():
    with pytest.raises(EngineUnavailable, match="dockre  not auto, docker, podman or a URL"):
        find_runtime("dockre", {})


def test_something_else_that_listens_is_no_engine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client_url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.settimeout(20)

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(EngineUnavailable, match="what answers is not a container engine"):
            find_runtime(client_url, {})
        thread.join(60)


@pytest.mark.skipif(shutil.which("podman") is None, reason="there is no podman here")
def test_a_podman_service_of_our_own_runs_and_ends_with_us(nothing_usual):
    found = find_runtime("auto", {**nothing_usual, "PATH": os.environ["PATH"]})
    assert found.service is not None
    pid, path = found.service.pid, found.runtime.url.removeprefix("unix://")

    assert found.source == "a podman service of our own"
    assert found.runtime.name == "podman"
    assert found.runtime.list_containers("a=b") == ()
    found.close()
    found.close()

    assert not os.path.exists(path)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)

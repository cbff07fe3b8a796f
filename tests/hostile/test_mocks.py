"""What a test swaps in its own process does not reach the engine client."""

from __future__ import annotations

import itertools
import logging
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import freezegun
import pytest
import pytest_socket
import requests
import requests_mock
import responses

from pytest_ecs_tasks.core.spec import ContainerSpec
from pytest_ecs_tasks.engine.ports import EngineEvent
from pytest_ecs_tasks.runtimes.detect import open_runtime
from pytest_ecs_tasks.runtimes.docker import DockerRuntime
from pytest_ecs_tasks.runtimes.transport import Endpoint

BUSYBOX = "pytest-ecs-tasks/busybox:1"
RUN = f"mocks-{os.getpid()}"
LIVES = itertools.count(1)
LABELS = {"pytest-ecs-tasks.run": RUN}
LABEL = f"pytest-ecs-tasks.run={RUN}"


@pytest.fixture
def runtime(engine_url: str) -> Iterator[DockerRuntime]:
    runtime = open_runtime(Endpoint(engine_url))
    yield runtime
    runtime.sweep(LABEL)
    assert runtime.list_labels(LABEL) == ()
    runtime.close()


@contextmanager
def mocked_by_responses():
    with responses.RequestsMock():
        with pytest.raises(requests.ConnectionError):
            requests.get("http://127.0.0.1:9/")
        yield


@contextmanager
def mocked_by_requests_mock():
    with requests_mock.Mocker():
        with pytest.raises(requests_mock.NoMockAddress):
            requests.get("http://127.0.0.1:9/")
        yield


@contextmanager
def frozen_time():
    with freezegun.freeze_time("2020-01-01"):
        yield


@contextmanager
def without_sockets():
    pytest_socket.disable_socket()
    try:
        with (
            pytest.raises(pytest_socket.SocketBlockedError),
            pytest.warns(UserWarning, match="tried to use socket"),
        ):
            socket.socket()
        yield
    finally:
        pytest_socket.enable_socket()


@contextmanager
def with_allowed_hosts():
    pytest_socket.socket_allow_hosts(["192.0.2.1"])
    try:
        yield
    finally:
        pytest_socket._remove_restrictions()


def live(runtime: DockerRuntime) -> list[EngineEvent]:
    """A life with every kind of call in it; returns its events."""
    image = runtime.find_image(BUSYBOX)
    assert image is not None
    life = f"{RUN}-{next(LIVES)}"
    events = runtime.events(f"mocks.life={life}")
    network = runtime.create_network(life, LABELS)
    spec = ContainerSpec(
        name=life,
        image_id=image.image_id,
        labels={**LABELS, "mocks.life": life},
        network=network.network_id,
        command=("/bin/sh", "-c", "echo begun; cat; exit 3"),
        open_stdin=True,
    )
    container = runtime.create_container(spec)
    attachment = runtime.attach(container, stdin=True)
    runtime.start_container(container)
    outcome = runtime.execute(container, ("/bin/sh", "-c", "echo probed; exit 1"), timeout_s=20)
    assert (outcome.exit_code, outcome.stdout) == (1, b"probed\n")
    timed_out = runtime.execute(container, ("/bin/sleep", "100"), timeout_s=0.2)
    assert timed_out.exit_code is None
    connection, _ = attachment.detach_socket()
    connection.close()  # the end of the input ends the cat
    seen = []
    for event in events:
        seen.append(event)
        if event.action == "die":
            break
    events.close()
    assert runtime.inspect_container(container).exit_code == 3
    runtime.remove_container(container)
    runtime.remove_network(network.network_id)
    return seen


@pytest.mark.parametrize(
    "mock", [mocked_by_responses, mocked_by_requests_mock, frozen_time, without_sockets, with_allowed_hosts]
)
def test_a_container_lives_its_life_while_a_test_mocks(runtime, mock):
    with mock():
        seen = live(runtime)

    assert [event.action for event in seen] == ["start", "die"]


@pytest.mark.parametrize("mock", [mocked_by_responses, mocked_by_requests_mock, frozen_time, without_sockets])
def test_an_engine_is_found_and_used_for_the_first_time_while_a_test_mocks(engine_url, mock):
    with mock():
        runtime = open_runtime(Endpoint(engine_url))
        names = runtime.list_image_names()
        runtime.close()

    assert BUSYBOX in names


def test_proxies_in_the_environment_do_not_reach_the_engine_client(runtime, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert BUSYBOX in runtime.list_image_names()


def test_no_thread_gets_a_warning_into_the_captured_log(runtime, caplog):
    caplog.set_level(logging.WARNING)
    with ThreadPoolExecutor(4) as executor:
        lives = list(executor.map(lambda _: live(runtime), range(4)))

    assert len(lives) == 4
    assert [record.getMessage() for record in caplog.records] == []

"""Host networking: a listener on loopback, at a path that cannot be guessed, gone with the task."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest

from endpoint_world import CREDENTIALS_ID, Reply, make_world, send
from pytest_ecs_tasks.endpoints.answer import Request
from pytest_ecs_tasks.engine.ports import EngineError


def fetch(url: str) -> Reply:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        return send(connection, parts.path)
    finally:
        connection.close()


def test_credentials_and_metadata_are_at_the_urls_in_the_environment() -> None:
    world = make_world("host")
    environment = world.endpoints.environment("app")

    credentials = fetch(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    task = fetch(environment["ECS_CONTAINER_METADATA_URI_V4"] + "/task")
    world.endpoints.close()

    assert credentials.json["AccessKeyId"] == "ASIA1"
    assert task.json["TaskARN"] == world.plan.arn
    assert urlsplit(environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]).hostname == "127.0.0.1"


def test_every_container_is_led_to_the_same_listener() -> None:
    world = make_world("host")

    first, second = (world.endpoints.environment("app")["ECS_AGENT_URI"] for _ in range(2))
    world.endpoints.close()

    assert first == second


def test_without_the_secret_nothing_is_found() -> None:
    world = make_world("host")
    url = urlsplit(world.endpoints.environment("app")["ECS_CONTAINER_METADATA_URI_V4"])
    base = f"http://{url.netloc}"
    secret = url.path.split("/")[1]

    refused = [
        fetch(f"{base}{path}")
        for path in (
            f"/v2/credentials/{CREDENTIALS_ID}",
            f"/wrong/v2/credentials/{CREDENTIALS_ID}",
            "/",
            f"/{secret[:-1]}/v4/{world.identifier}",
        )
    ]
    redirect = fetch(f"{base}/{secret}//v4/x")
    world.endpoints.close()

    assert [(reply.status, reply.body) for reply in refused] == [(404, b"404 page not found\n")] * 4
    assert "ASIA" not in repr(refused)
    assert redirect.headers["Location"] == f"/{secret}/v4/x"
    assert len(secret) >= 32
    assert secret not in repr(world.endpoints._loopback)


def test_nothing_listens_when_the_endpoints_are_closed() -> None:
    world = make_world("host")
    url = world.endpoints.environment("app")["ECS_AGENT_URI"]
    server = world.endpoints._loopback
    assert server is not None
    world.endpoints.close()
    world.endpoints.close()
    server.thread.join(60)

    with pytest.raises(ConnectionRefusedError):
        fetch(url)


@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_nothing_listens_for_other_networks(network: str) -> None:
    world = make_world(network)
    world.endpoints.environment("app")

    assert world.endpoints._loopback is None


def test_nothing_listens_for_a_task_that_is_being_removed() -> None:
    world = make_world("host")
    world.endpoints.close()

    with pytest.raises(EngineError, match="the task is being removed"):
        world.endpoints.environment("app")


def test_no_repr_shows_the_path_of_a_request() -> None:
    path = f"/v2/credentials/{CREDENTIALS_ID}"

    request = Request("GET", path, query={"id": CREDENTIALS_ID}, target=path)

    assert CREDENTIALS_ID not in repr(request)

"""Which path gives which document, and the agent's errors for the others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from endpoint_world import World, make_world, send

UNKNOWN_CONTAINER = (
    "unable to get container ID from request: unable to get docker ID from v3 endpoint ID: wrong"
)
UNKNOWN_TASK = "unable to get task arn from request: unable to get task Arn from v3 endpoint ID: wrong"


@pytest.mark.parametrize("version", ["v3", "v4"])
def test_a_container_and_its_task_are_told(world: World, version: str) -> None:
    container, task = world.ask(f"/{version}/ID"), world.ask(f"/{version}/ID/task")

    assert (container.status, task.status) == (200, 200)
    assert container.headers["Content-Type"] == "application/json"
    assert container.json["Name"] == "app"
    assert task.json["TaskARN"] == world.plan.arn
    assert world.ask(f"/{version}/ID/taskWithTags").body == task.body  # it was run without tags
    assert ("LaunchType" in task.json) is (version == "v4")


def test_documents_follow_the_task(world: World) -> None:
    assert world.ask("/v4/ID/task").json["KnownStatus"] == "RUNNING"
    world.simulation.stop(at=3)
    world.simulation.run()

    assert world.ask("/v4/ID/task").json["KnownStatus"] == "STOPPED"


def test_answers_are_compact_and_whole_numbers_have_no_fraction() -> None:
    world = make_world(cpu="1024")

    assert b'"Limits":{"CPU":1,"Memory":512}' in world.ask("/v4/ID/task").body


def test_signs_of_html_are_escaped_as_go_does(world: World) -> None:
    body = world.ask("/v4/a%3Cb%3E%26").body

    assert body.endswith(b'v3 endpoint ID: a\\u003cb\\u003e\\u0026"')


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v4/wrong", 404, f"V4 container metadata handler: {UNKNOWN_CONTAINER}"),
        ("/v4/wrong/task", 404, f"V4 task metadata handler: {UNKNOWN_TASK}"),
        ("/v4/wrong/taskWithTags", 404, f"V4 task metadata handler: {UNKNOWN_TASK}"),
        ("/v4/wrong/stats", 404, f"V4 container stats handler: {UNKNOWN_TASK}"),
        ("/v4/wrong/task/stats", 404, f"V4 task stats handler: {UNKNOWN_TASK}"),
        ("/v3/wrong", 500, f"V3 container metadata handler: {UNKNOWN_CONTAINER}"),
        ("/v3/wrong/task", 500, f"V3 task metadata handler: {UNKNOWN_TASK}"),
        ("/v3/wrong/stats", 400, f"V3 container stats handler: {UNKNOWN_TASK}"),
        ("/v3/wrong/task/stats", 400, f"V3 task stats handler: {UNKNOWN_TASK}"),
        ("/v4/wrong/associations/kind", 400, f"V4 container associations handler: {UNKNOWN_CONTAINER}"),
    ],
)
def test_an_unknown_id_is_told_as_a_bare_string(world: World, path: str, status: int, words: str) -> None:
    reply = world.ask(path)

    assert (reply.status, reply.json) == (status, words)


def test_another_tasks_id_is_unknown(world: World) -> None:
    other = make_world()
    other.plan = replace(other.plan, task_id="f" * 32)

    assert other.identifier != world.identifier
    assert world.ask(f"/v4/{other.identifier}/task").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v2/meta",
        "/v2/statss",
        "/v2/credentials",
        "/v3",
        "/v3/ID/",
        "/v3/ID/wrong",
        "/v3/ID/task/",
        "/v3/ID/task/stats/",
        "/v4/ID/",
        "/v4/ID/task/",
        "/v4/ID/task/stats/more",
        "/api/ID/task-protection/v2/state",
    ],
)
def test_paths_that_the_agent_has_not_are_not_found(world: World, path: str) -> None:
    reply = world.ask(path)

    assert (reply.status, reply.body) == (404, b"404 page not found\n")


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("/v3///task/", "/v3/task/"),
        ("//v2/credentials/test", "/v2/credentials/test"),
        ("/v4/x/../y?a=1", "/v4/y?a=1"),
    ],
)
def test_an_unclean_path_is_redirected(world: World, path: str, clean: str) -> None:
    reply = world.ask(path)

    assert (reply.status, reply.headers["Location"]) == (301, clean)


@pytest.mark.parametrize("path", ["/v2/metadata", "/v2/metadata/", "/v2/metadataWithTags"])
def test_version_2_knows_the_task_by_its_address(world: World, path: str) -> None:
    assert world.ask(path).json["TaskARN"] == world.plan.arn


def test_version_2_tells_one_container_by_its_engine_id(world: World) -> None:
    assert world.ask("/v2/metadata/id-app").json["Name"] == "app"
    wrong = world.ask("/v2/metadata/wrong")

    assert (wrong.status, wrong.json) == (400, "Unable to generate metadata for container 'wrong'")


def test_version_2_is_for_awsvpc_alone() -> None:
    reply = make_world("bridge").ask("/v2/metadata", source="172.17.0.9")

    assert reply.status == 400
    assert reply.json == "Unable to get task arn from request: unable to associate '172.17.0.9' with task"


def test_no_task_has_associations(world: World) -> None:
    assert world.ask("/v4/ID/associations/elastic-inference").json == {"Associations": None}
    assert world.ask("/v4/ID/associations/elastic-inference/dev1").status == 400


def test_the_first_statistics_have_rates_in_version_4(world: World) -> None:
    document = world.ask("/v4/ID/stats").json

    assert document["network_rate_stats"] == {"rx_bytes_per_sec": 100, "tx_bytes_per_sec": 0}
    assert document["preread"] == "2026-01-31T12:00:01.000000000Z"
    assert document["precpu_stats"] == {"cpu_usage": {"total_usage": 1}}
    assert (document["id"], document["name"]) == ("id-app", "/engine-name")


def test_later_statistics_take_one_sample_and_compare_it_with_the_last(world: World) -> None:
    world.ask("/v4/ID/stats")
    document = world.ask("/v3/ID/stats").json

    assert world.statistics.samples == 3
    assert document["preread"] == "2026-01-31T12:00:02.000000000Z"
    assert "network_rate_stats" not in document


def test_a_tasks_statistics_are_by_container_with_none_for_what_has_none(world: World) -> None:
    assert world.ask("/v4/ID/task/stats").json["id-app"]["cpu_stats"]
    world.statistics.unknown.add("id-app")

    assert world.ask("/v4/ID/task/stats").json == {"id-app": {}, "box-task": {}}
    assert world.ask("/v3/ID/task/stats").json == {"id-app": None, "box-task": None}
    assert world.ask("/v2/stats").json == {"id-app": None, "box-task": None}


def test_a_containers_statistics_that_cannot_be_had_are_an_error(world: World) -> None:
    world.statistics.unknown.add("id-app")

    new, old = world.ask("/v4/ID/stats"), world.ask("/v3/ID/stats")

    assert (new.status, new.json) == (500, "Unable to get container stats for: id-app")
    assert (old.status, old.json) == (400, "Unable to get container stats for: id-app")


def test_a_connection_serves_many_requests(world: World) -> None:
    connection = world.connect()
    try:
        replies = [send(connection, f"/v4/{world.identifier}") for _ in range(5)]
    finally:
        connection.close()

    assert [reply.status for reply in replies] == [200] * 5
    assert "Connection" not in replies[0].headers
    assert "Server" not in replies[0].headers


def test_a_request_may_ask_for_the_end_of_its_connection(world: World) -> None:
    connection = world.connect()
    connection.request("GET", "/", headers={"Connection": "close"})
    response = connection.getresponse()
    response.read()

    assert response.getheader("Connection") == "close"
    connection.close()


def test_head_has_no_body(world: World) -> None:
    reply = world.ask("/v4/ID", "HEAD")

    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["Content-Length"]) > 100


def test_nonsense_is_refused_and_ends_the_connection(world: World) -> None:
    connection = world.endpoints.dial("10.0.0.2")
    connection.sendall(b"PUT /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n")
    answer = b""
    while data := connection.recv(4096):
        answer += data
    connection.close()

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")

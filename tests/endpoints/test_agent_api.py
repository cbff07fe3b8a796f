"""The agent's API: task protection, and why no network fault is injected."""

from __future__ import annotations

import pytest

from endpoint_world import World, make_world, send

STATE = "/api/ID/task-protection/v1/state"
BLACKHOLE = {"Port": 80, "Protocol": "tcp", "TrafficType": "ingress"}
LATENCY = {"DelayMilliseconds": 10, "JitterMilliseconds": 0, "Sources": ["10.0.0.0/8"]}
LOSS = {"LossPercent": 5, "Sources": ["10.0.0.1", "::1"]}


def test_a_task_is_unprotected_at_first(world: World) -> None:
    reply = world.ask(STATE)

    assert reply.status == 200
    assert list(reply.json["protection"].items()) == [
        ("ExpirationDate", None),
        ("ProtectionEnabled", False),
        ("TaskArn", world.plan.arn),
    ]


def test_protection_lasts_two_hours_unless_told_otherwise(world: World) -> None:
    reply = world.ask(STATE, "PUT", {"ProtectionEnabled": True})
    assert reply.json["protection"]["ExpirationDate"] == "2023-11-15T00:13:20Z"
    assert world.ask(STATE).body == reply.body

    world.clock.advance(7201)

    assert world.ask(STATE).json["protection"]["ProtectionEnabled"] is False


def test_protection_can_be_bounded_and_ended(world: World) -> None:
    bounded = world.ask(STATE, "PUT", {"ProtectionEnabled": True, "ExpiresInMinutes": 1})
    ended = world.ask(STATE, "PUT", {"ProtectionEnabled": False})

    assert bounded.json["protection"]["ExpirationDate"] == "2023-11-14T22:14:20Z"
    assert ended.json["protection"] == world.ask(STATE).json["protection"]
    assert ended.json["protection"]["ProtectionEnabled"] is False


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", {"Unknown": 1}, {"ProtectionEnabled": "yes"}, {"ExpiresInMinutes": 1.5}],
)
def test_a_request_that_cannot_be_decoded_is_refused(world: World, body: object) -> None:
    reply = world.ask(STATE, "PUT", body)

    assert reply.status == 400
    assert reply.json == {
        "error": {
            "Code": "InvalidParameterException",
            "Message": "UpdateTaskProtection: failed to decode request",
        }
    }


def test_a_request_must_say_whether_to_protect(world: World) -> None:
    reply = world.ask(STATE, "PUT", {"ExpiresInMinutes": 5})

    assert reply.status == 400
    assert reply.json["error"] == {
        "Arn": world.plan.arn,
        "Code": "InvalidParameterException",
        "Message": "Invalid request: does not contain 'ProtectionEnabled' field",
    }


def test_protection_is_bounded_by_two_days(world: World) -> None:
    reply = world.ask(STATE, "PUT", {"ProtectionEnabled": True, "ExpiresInMinutes": 2881})

    assert (reply.status, reply.json["error"]["Code"]) == (400, "InvalidParameterException")


def test_names_are_taken_in_any_case_as_go_does(world: World) -> None:
    assert (
        world.ask(STATE, "PUT", {"protectionEnabled": True}).json["protection"]["ProtectionEnabled"] is True
    )


def test_an_unknown_id_has_no_task(world: World) -> None:
    reply = world.ask("/api/wrong/task-protection/v1/state")

    assert reply.status == 404
    assert reply.json == {
        "error": {
            "Code": "ResourceNotFoundException",
            "Message": "Failed to find a task for the request",
        }
    }


def test_protection_needs_a_task_role() -> None:
    world = make_world(role=None)
    reply = world.ask(STATE)

    assert reply.status == 403
    assert reply.json["error"] == {
        "Arn": world.plan.arn,
        "Code": "AccessDeniedException",
        "Message": "Invalid Request: no task IAM role credentials available for task",
    }


def test_another_method_is_not_allowed(world: World) -> None:
    assert world.ask(STATE, "DELETE").status == 405
    assert world.ask("/api/ID/fault/v1/network-latency/start").status == 405


def test_a_body_in_chunks_is_read(world: World) -> None:
    connection = world.connect()
    try:
        connection.request(
            "PUT",
            STATE.replace("ID", world.identifier),
            iter([b'{"Protection', b'Enabled": true}']),
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )
        response = connection.getresponse()
        assert b'"ProtectionEnabled":true' in response.read()
        assert send(connection, f"/v4/{world.identifier}").status == 200
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("network-blackhole-port/start", BLACKHOLE),
        ("network-blackhole-port/stop", BLACKHOLE),
        ("network-blackhole-port/status", BLACKHOLE),
        ("network-latency/start", LATENCY),
        ("network-latency/stop", None),
        ("network-packet-loss/start", LOSS),
        ("network-packet-loss/status", None),
    ],
)
def test_faults_are_refused_where_they_are_not_enabled(world: World, path: str, body: object) -> None:
    reply = world.ask(f"/api/ID/fault/v1/{path}", "POST", body)

    assert reply.status == 400
    assert reply.json == {"Error": f"enableFaultInjection is not enabled for task: {world.plan.arn}"}


@pytest.mark.parametrize(
    ("path", "body", "problem"),
    [
        ("network-blackhole-port/start", b"", "required request body is missing"),
        ("network-blackhole-port/stop", {"Port": 1}, "required parameter Protocol is missing"),
        (
            "network-blackhole-port/start",
            {**BLACKHOLE, "Protocol": "icmp"},
            "invalid value icmp for parameter Protocol",
        ),
        (
            "network-blackhole-port/start",
            {**BLACKHOLE, "SourcesToFilter": ["home"]},
            "invalid value home for parameter SourcesToFilter",
        ),
        (
            "network-latency/start",
            {**LATENCY, "DelayMilliseconds": 0},
            "required either DelayMilliseconds or JitterMilliseconds to be non-zero",
        ),
        ("network-latency/start", {**LATENCY, "Sources": []}, "required parameter Sources is missing"),
        (
            "network-latency/start",
            {**LATENCY, "FlowsPercent": 101},
            "invalid value 101 for parameter flowsPercent",
        ),
        (
            "network-packet-loss/start",
            {**LOSS, "LossPercent": 0},
            "invalid value 0 for parameter LossPercent",
        ),
    ],
)
def test_a_wrong_request_for_a_fault_is_told_first(
    world: World, path: str, body: object, problem: str
) -> None:
    reply = world.ask(f"/api/ID/fault/v1/{path}", "POST", body)

    assert (reply.status, reply.json) == (400, {"Error": problem})


def test_faults_need_a_network_of_the_tasks_own() -> None:
    world = make_world("bridge", enableFaultInjection=True)

    reply = world.ask("/api/ID/fault/v1/network-latency/stop", "POST")

    assert reply.json == {"Error": "bridge mode is not supported. Please use either host or awsvpc mode."}


def test_enabled_faults_are_not_injected_and_said_so() -> None:
    world = make_world(enableFaultInjection=True)

    reply = world.ask("/api/ID/fault/v1/network-latency/start", "POST", LATENCY)

    assert world.ask("/v4/ID/task").json["FaultInjectionEnabled"] is True
    assert (reply.status, reply.json) == (500, {"Error": "pytest-ecs-tasks does not inject network faults"})


def test_a_fault_for_an_unknown_id_is_not_found(world: World) -> None:
    reply = world.ask("/api/wrong/fault/v1/network-latency/stop", "POST")

    assert reply.status == 404
    assert reply.json["Error"].endswith("v3 endpoint ID: wrong")

"""The task role's credentials: to this task, while it lives, and to nobody else."""

from __future__ import annotations

import json

import pytest

from endpoint_world import CREDENTIALS_ID, World, make_world
from pytest_ecs_tasks.engine.aws_ports import CredentialsError

PATH = f"/v2/credentials/{CREDENTIALS_ID}"


def test_they_are_a_session_of_the_role_named_after_the_task(world: World) -> None:
    reply = world.ask(PATH)

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert list(reply.json.items()) == [
        ("RoleArn", "arn:aws:iam::123456789012:role/team/app"),
        ("AccessKeyId", "ASIA1"),
        ("SecretAccessKey", "secret-1"),
        ("Token", "token-1"),
        ("Expiration", "2023-11-14T23:13:20Z"),
    ]
    [(role, session, region)] = world.sts.sessions
    assert (role, session, region) == (reply.json["RoleArn"], world.plan.task_id, "us-east-1")


def test_version_1_has_the_id_in_its_query(world: World) -> None:
    assert world.ask(f"/v1/credentials?id={CREDENTIALS_ID}").json["AccessKeyId"] == "ASIA1"


def test_one_session_serves_many_requests_and_is_renewed_before_it_ends(world: World) -> None:
    world.ask(PATH)
    world.clock.advance(2399)
    assert world.ask(PATH).json["AccessKeyId"] == "ASIA1"

    world.clock.advance(2)
    renewed = world.ask(PATH).json

    assert renewed["AccessKeyId"] == "ASIA2"
    assert renewed["Expiration"] == "2023-11-14T23:53:21Z"
    assert len(world.sts.sessions) == 2


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/v2/credentials/", "NoIdInRequest", "CredentialsV2Request: No Credential ID in the request"),
        ("/v1/credentials", "NoIdInRequest", "CredentialsV1Request: No Credential ID in the request"),
        ("/v2/credentials/other", "InvalidIdInRequest", "CredentialsV2Request: Credentials not found"),
        (f"{PATH}/more", "InvalidIdInRequest", "CredentialsV2Request: Credentials not found"),
        ("/v1/credentials?id=other", "InvalidIdInRequest", "CredentialsV1Request: Credentials not found"),
    ],
)
def test_another_id_or_none_is_refused_in_the_agents_words(
    world: World, path: str, code: str, message: str
) -> None:
    reply = world.ask(path)

    assert reply.status == 400
    assert list(reply.json.items()) == [("code", code), ("message", message), ("HTTPErrorCode", 400)]
    assert world.sts.sessions == []


def test_a_task_without_a_role_has_none() -> None:
    reply = make_world(role=None).ask(PATH)

    assert (reply.status, reply.json["code"]) == (400, "InvalidIdInRequest")


def test_a_stopped_task_has_none_any_more(world: World) -> None:
    assert world.ask(PATH).status == 200
    world.simulation.stop(at=3)
    world.simulation.run()

    assert world.simulation.task.stopped
    assert (world.ask(PATH).status, world.ask(PATH).json["code"]) == (400, "InvalidIdInRequest")


def test_a_removed_task_has_none_any_more(world: World) -> None:
    world.removed = True

    assert world.ask(PATH).status == 400


def test_a_session_that_cannot_begin_is_an_error_with_its_reason(world: World) -> None:
    world.sts.error = "sts:AssumeRole of role/app: AccessDenied: no"

    reply = world.ask(PATH)

    assert (reply.status, reply.json["code"]) == (500, "InternalServerError")
    assert reply.json["message"].endswith("AccessDenied: no")
    world.sts.error = None
    assert world.ask(PATH).status == 200


def test_the_session_begins_before_any_container_does(world: World) -> None:
    world.endpoints.begin()
    world.endpoints.wait_until_ready()

    assert len(world.sts.sessions) == 1
    assert world.ask(PATH).json["AccessKeyId"] == "ASIA1"


def test_a_container_does_not_start_without_its_role(world: World) -> None:
    world.sts.error = "sts:AssumeRole of role/app: AccessDenied: no"
    world.endpoints.begin()

    with pytest.raises(
        CredentialsError, match=r"unable to assume the role 'arn:.*role/team/app'.*AccessDenied: no"
    ):
        world.endpoints.wait_until_ready()


def test_a_task_without_a_role_begins_no_session() -> None:
    world = make_world(role=None)
    world.endpoints.begin()
    world.endpoints.wait_until_ready()

    assert world.sts.sessions == []


def test_credentials_hide_in_every_repr(world: World) -> None:
    credentials = world.sts.assume_role("role", session_name="task", region="us-east-1")

    shown = f"{credentials!r} {credentials} {json.dumps(str(credentials.session_token))}"

    assert "secret-1" not in shown
    assert "token-1" not in shown
    assert "ASIA1" not in shown

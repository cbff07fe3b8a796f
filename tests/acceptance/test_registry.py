"""``ecs_registry``: images of ECR, as a test author pushes and runs them."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks import EcrImage, EcsRegistry, EcsTaskError, ImageError
from registry_program import require_program

pytestmark = pytest.mark.any_engine

IMAGE = "pytest-ecs-tasks/busybox:1"
HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


def web(image):
    container = {"name": "web", "image": image, "memory": 64, "command": ["echo", "here"]}
    role = "arn:aws:iam::123456789012:role/execution"
    return {"family": "web", "executionRoleArn": role, "containerDefinitions": [container]}


@pytest.fixture(scope="module")
def released(ecs_registry):
    """What every test of the module that asks for it finds in ECR."""
    require_program()
    return ecs_registry.push(IMAGE, "team/web:1", create=True)


@pytest.mark.ecs_taskdef(web(f"{HOST}/team/web:1"), wait="stopped")
def test_a_task_runs_what_a_wider_fixture_has_pushed(released, ecs_task):
    assert isinstance(released, EcrImage)
    assert released.uri == f"{HOST}/team/web:1"
    assert ecs_task.logs() == "here\n"
    assert ecs_task["web"].image == released.uri
    assert ecs_task["web"].image_digest == released.digest


def test_run_task_pulls_it_too(released, ecs_registry, ecs_aws):
    ecs = ecs_aws.client("ecs")
    ecs.register_task_definition(**web(released.uri_with_digest))

    (task,) = ecs.run_task(cluster="default", taskDefinition="web")["tasks"]
    ecs.get_waiter("tasks_stopped").wait(
        tasks=[task["taskArn"]], WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )

    (task,) = ecs.describe_tasks(tasks=[task["taskArn"]])["tasks"]
    (container,) = task["containers"]
    assert (container["exitCode"], container["image"]) == (0, released.uri_with_digest)
    assert container["imageDigest"] == released.digest


def test_another_tests_ecr_has_none_of_it(ecs_registry, ecs_aws):
    require_program()
    assert isinstance(ecs_registry, EcsRegistry)
    assert ecs_aws.client("ecr").describe_repositories()["repositories"] == []
    with pytest.raises(EcsTaskError, match="'team/web' does not exist in the registry") as caught:
        ecs_registry.push(IMAGE, "team/web:1")
    assert ecs_registry.address not in str(caught.value)


def test_ecrs_own_login_is_the_registrys(ecs_registry, ecs_aws):
    require_program()
    (login,) = ecs_aws.client("ecr").get_authorization_token()["authorizationData"]

    assert login["proxyEndpoint"] == f"https://{ecs_registry.host}"
    assert (ecs_registry.username, ecs_registry.password) == ("AWS", "123456789012-auth-token")
    assert ecs_registry.local_name("team/web:1").startswith(f"{ecs_registry.address}/")
    assert ecs_registry.local_name("team/web:1").endswith("/us-east-1/team/web:1")


@pytest.mark.parametrize(
    ("image", "name", "words"),
    [
        ("no/such-image:1", "team/web:1", "there is no such image on the engine"),
        ("0123456789ab", "team/web:1", "give it a name"),
        (IMAGE, f"team/web@sha256:{'0' * 64}", "pushed by a tag"),
    ],
)
def test_what_cannot_be_pushed_is_said_so(ecs_registry, image, name, words):
    require_program()
    with pytest.raises(EcsTaskError, match=words):
        ecs_registry.push(image, name, create=True)


def test_without_a_registry_a_test_that_wants_one_says_what_to_install(
    ecs_registry, ecs_task_factory, monkeypatch
):
    monkeypatch.setattr("pytest_ecs_tasks.clusters.registry.find_program", lambda path: None)
    monkeypatch.setattr("pytest_ecs_tasks.clusters.registry.find_image", lambda runtime, wanted: None)

    with pytest.raises(EcsTaskError, match="apt-get install docker-registry"):
        ecs_task_factory.run(web(f"{HOST}/team/web:1"), wait="stopped")


def test_a_tag_that_nobody_pushed_is_an_error_that_says_what_to_push(
    released, ecs_registry, ecs_task_factory
):
    with pytest.raises(ImageError) as caught:
        ecs_task_factory.run(web(f"{HOST}/team/web:2"))

    assert 'ecs_registry.push("web:dev", "team/web:2", create=True)' in str(caught.value)
    assert "present here: team/web:1" in str(caught.value)

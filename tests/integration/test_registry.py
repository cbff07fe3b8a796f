"""Images of ECR: pushed to a real registry, pulled from it by real tasks, and listed by moto."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from left_over import wait_for
from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.registry import Registry
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.ecr import EcrImage
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.task import EcsTask
from registry_program import require_program
from tasks import BUSYBOX, Run, shell

ROLE = "arn:aws:iam::123456789012:role/execution"
HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
REGISTRY_IMAGE = "pytest-ecs-tasks/registry:1"
GONE_WITHIN_S = 60.0

# A run that has pulled an image of its registry; it says where everything is and kills itself.
VICTIM = """
import json, os, signal, sys
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.ecr import parse_ecr_name
cluster = LocalCluster(LocalSettings(engine=sys.argv[1], pull="never"), environ=os.environ)
registry = cluster.add_registry(cluster.new_aws())
image = registry.push(sys.argv[2], "team/box:1", create=True)
registry.provide(parse_ecr_name(image.uri))
store = registry._store
print(json.dumps([registry.local_name("team/box"), store._folder, store._keeper.pid]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def cluster(engine_url: str) -> Iterator[LocalCluster]:
    """One that pulls what the engine lacks, as the tests of another registry do."""
    cluster = LocalCluster(LocalSettings(engine=engine_url), environ=os.environ)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def team(cluster: LocalCluster) -> Iterator[tuple[Aws, Registry, EcrImage]]:
    """An AWS whose registry has one image, team/box:1."""
    require_program()
    aws = cluster.new_aws()
    registry = cluster.add_registry(aws)
    yield aws, registry, registry.push(BUSYBOX, "team/box:1", create=True)
    aws.close()


@pytest.fixture
def pull(cluster: LocalCluster, team: tuple[Aws, Registry, EcrImage]) -> Iterator[Callable[..., EcsTask]]:
    """Run a task of one container with an image, to its end."""
    started: list[EcsTask] = []

    def pull(image: str, *, role: str | None = ROLE, **container: Any) -> EcsTask:
        document = {
            "family": "pull",
            "memory": "128",
            "containerDefinitions": [{**shell("app", "echo here"), "image": image, **container}],
            **({"executionRoleArn": role} if role else {}),
        }
        request = RunTaskRequest(parse_task_definition(document, "test"))
        started.append(cluster.run_task(request, team[0]))
        return started[-1].wait_stopped()

    yield pull
    for task in started:
        task.__exit__(None, None, None)


def names_on(engine_url: str, part: str) -> list[str]:
    client = docker.APIClient(base_url=engine_url, version="1.41", timeout=60)
    try:
        images = client.images()
    finally:
        client.close()
    names = [name for each in images for name in (*(each["RepoTags"] or ()), *(each["RepoDigests"] or ()))]
    return [name for name in names if part in name]


def test_an_image_that_was_pushed_runs_by_its_tag_and_by_its_digest(
    team: tuple[Aws, Registry, EcrImage], pull: Callable[..., EcsTask]
) -> None:
    aws, _, image = team

    by_tag, by_digest = pull(image.uri), pull(image.uri_with_digest)
    by_both = pull(f"{image.uri}@{image.digest}")

    assert [task.logs() for task in (by_tag, by_digest, by_both)] == ["here\n"] * 3
    (container,) = by_tag.describe()["containers"]
    assert (container["image"], container["imageDigest"]) == (f"{HOST}/team/box:1", image.digest)
    assert by_digest["app"].image == f"{HOST}/team/box@{image.digest}"
    (listed,) = aws.client("ecr").describe_images(repositoryName="team/box")["imageDetails"]
    assert (listed["imageDigest"], listed["imageTags"]) == (image.digest, ["1"])


def test_a_tag_follows_ecrs_own_calls(
    team: tuple[Aws, Registry, EcrImage], pull: Callable[..., EcsTask]
) -> None:
    ecr = team[0].client("ecr")
    (found,) = ecr.batch_get_image(repositoryName="team/box", imageIds=[{"imageTag": "1"}])["images"]

    ecr.put_image(repositoryName="team/box", imageManifest=found["imageManifest"], imageTag="live")
    assert pull(f"{HOST}/team/box:live").exit_code() == 0
    ecr.batch_delete_image(repositoryName="team/box", imageIds=[{"imageTag": "live"}])
    assert "Requested image not found" in str(pull(f"{HOST}/team/box:live").stopped_reason)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("team/box:2", "manifest unknown: Requested image not found"),
        (f"team/box@sha256:{'0' * 64}", "manifest unknown: Requested image not found"),
        (
            "team/other:1",
            "The repository with name 'team/other' does not exist in the registry with id '123456789012'",
        ),
    ],
)
def test_what_is_not_in_ecr_cannot_be_pulled(pull: Callable[..., EcsTask], name: str, words: str) -> None:
    task = pull(f"{HOST}/{name}")

    assert task.stop_code == "TaskFailedToStart"
    assert str(task.stopped_reason).startswith("CannotPullContainerError: ")
    assert words in str(task.stopped_reason)
    assert HOST in str(task.stopped_reason)
    assert "127.0.0.1" not in str(task.stopped_reason)
    assert "ecs-tasks-" not in str(task.stopped_reason)
    assert "ecs_registry.push" in task.transcript() + task._control.snapshot().hint


def test_a_task_that_is_stopped_during_its_pull_stops_at_once(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_registry:
        task = run(shell("app", "true", image=f"127.0.0.1:{silent_registry.getsockname()[1]}/slow:1"))
        silent_registry.settimeout(100)
        connection, _ = silent_registry.accept()
        with connection:
            task.stop(reason="too slow")

            assert (task.stop_code, task.stopped_reason) == ("UserInitiated", "too slow")
            assert task.exit_code("app") is None
            assert task.describe().get("startedAt") is None


def test_a_push_to_a_repository_that_is_not_there_fails_as_in_ecr(
    team: tuple[Aws, Registry, EcrImage],
) -> None:
    with pytest.raises(EcsTaskError, match="The repository with name 'team/new' does not exist") as caught:
        team[1].push(BUSYBOX, "team/new:1")

    assert "create=True" in str(caught.value)
    assert team[0].client("ecr").describe_repositories()["repositories"][0]["repositoryName"] == "team/box"


def test_repository_credentials_let_a_task_pull_or_keep_it_out(
    team: tuple[Aws, Registry, EcrImage], pull: Callable[..., EcsTask]
) -> None:
    """A registry of somebody else's is the same one by its address, which takes nothing but its own login."""
    aws, registry, _ = team
    login = registry.login()
    words = {"username": login.username, "password": login.password.reveal()}
    aws.create_secret("good", words)
    aws.create_secret("bad", {**words, "password": "not-the-password"})
    registry.push(BUSYBOX, "team/private:1", create=True)
    image = registry.local_name("team/private:1")

    def with_secret(name: str, **more: Any) -> EcsTask:
        arn = f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}"
        return pull(image, repositoryCredentials={"credentialsParameter": arn}, **more)

    bad, missing, no_role = with_secret("bad"), with_secret("none"), with_secret("good", role=None)
    without = pull(image)
    good = with_secret("good")

    assert good.logs() == "here\n"
    assert str(bad.stopped_reason).startswith("CannotPullContainerError: ")
    assert "Your Authorization Token is invalid." in str(bad.stopped_reason)
    assert str(without.stopped_reason).startswith("CannotPullContainerError: ")
    assert str(missing.stopped_reason).startswith(
        "Asm fetching secret from the service for arn:aws:secretsmanager:us-east-1:123456789012:secret:none: "
        "ResourceNotFoundException: "
    )
    assert no_role.stopped_reason == "Asm resource: unable to find execution role credentials"
    for task in (good, bad):
        told = f"{task!r}{task.describe()}{task.transcript()}{task.events}"
        assert words["password"] not in told
        assert "not-the-password" not in told


def test_the_registry_may_be_a_container(cluster: LocalCluster, run: Run, aws: Aws, engine_url: str) -> None:
    registry = cluster.add_registry(aws, image=REGISTRY_IMAGE)

    image = registry.push(BUSYBOX, "team/box:1", create=True)
    task = run({**shell("app", "echo here"), "image": image.uri_with_digest}, executionRoleArn=ROLE)

    assert task.wait_stopped().logs() == "here\n"
    local = registry.local_name("")
    task.__exit__(None, None, None)
    aws.close()
    assert names_on(engine_url, local) == []


def test_a_killed_run_leaves_no_registry_and_no_names(engine_url: str) -> None:
    require_program()
    process = subprocess.run(
        [sys.executable, "-c", VICTIM, engine_url, BUSYBOX], stdout=subprocess.PIPE, text=True, check=False
    )
    assert process.returncode == -signal.SIGKILL
    name, folder, keeper = json.loads(process.stdout)

    assert wait_for(lambda: not names_on(engine_url, name), patience_s=GONE_WITHIN_S)
    assert wait_for(lambda: not Path(folder).exists(), patience_s=GONE_WITHIN_S)
    assert wait_for(lambda: not is_alive(keeper), patience_s=GONE_WITHIN_S)
    assert names_on(engine_url, BUSYBOX)


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False

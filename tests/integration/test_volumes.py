"""Volumes as ECS has them: of a task, of a run, from another container, and file systems that tasks share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from left_over import labelled_objects
from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from tasks import BUSYBOX, PYTHON, Run, shell


def mount(volume: str, path: str = "/data", *, read_only: bool = False) -> dict[str, Any]:
    return {"mountPoints": [{"sourceVolume": volume, "containerPath": path, "readOnly": read_only}]}


def after(name: str, condition: str = "SUCCESS") -> dict[str, Any]:
    return {"dependsOn": [{"containerName": name, "condition": condition}]}


def efs(name: str = "fs", system: str = "fs-0a1b2c3d", **more: Any) -> dict[str, Any]:
    return {"name": name, "efsVolumeConfiguration": {"fileSystemId": system, **more}}


def access_point(name: str) -> dict[str, Any]:
    return {"transitEncryption": "ENABLED", "authorizationConfig": {"accessPointId": name}}


@pytest.fixture
def system() -> str:
    """The id of a file system that no other test uses."""
    return f"fs-{uuid.uuid4().hex[:12]}"


def output(run: Run, script: str, *, volume: dict[str, Any], **container: Any) -> str:
    """Run a container with the volume at /data to its end, and return what it wrote."""
    task = run(shell("c", script, **mount(volume["name"]), **container), volumes=[volume]).wait_stopped()
    assert task.exit_code("c") == 0, task.transcript()
    return task.logs("c")


def test_tasks_share_a_file_system_by_its_id(run: Run, system: str) -> None:
    output(run, "echo kept > /data/note", volume=efs(system=system))

    assert output(run, "cat /data/note", volume=efs("other-name", system)) == "kept\n"
    assert output(run, "ls /data", volume=efs(system=f"{system}b")) == ""


def test_a_root_directory_is_a_directory_of_the_file_system(run: Run, system: str) -> None:
    output(run, "echo inside > /data/note", volume=efs(system=system, rootDirectory="/exports/app"))

    whole = efs(system=system, rootDirectory="/")
    assert (
        output(run, "cat /data/exports/app/note; echo more > /data/exports/app/more", volume=whole)
        == "inside\n"
    )
    again = efs(system=system, rootDirectory="exports/app/")
    assert output(run, "cat /data/more", volume=again) == "more\n"


def test_a_directory_that_is_there_keeps_its_owner_and_mode(run: Run, system: str) -> None:
    output(run, "mkdir -m 700 /data/app; chown 1000 /data/app", volume=efs(system=system))

    owned = efs(system=system, rootDirectory="/app")
    assert (
        output(run, "touch /data/x; ls -ldn /data | cut -c1-10", volume=owned, user="1000") == "drwx------\n"
    )


def test_access_points_are_apart_and_open_to_any_user(run: Run, system: str) -> None:
    point = efs(system=system, **access_point("fsap-1"))
    output(run, "echo mine > /data/note", volume=point, user="1000")

    assert output(run, "cat /data/note", volume=point, user="1001") == "mine\n"
    assert output(run, "ls /data", volume=efs(system=system, **access_point("fsap-2"))) == ""


def test_a_file_system_hides_what_the_image_has_there(run: Run, system: str) -> None:
    task = run(
        shell("c", "ls /etc/group", **mount("fs", "/etc")), volumes=[efs(system=system)]
    ).wait_stopped()

    assert task.exit_code("c") != 0


@pytest.mark.parametrize(
    "configuration",
    [
        {
            "fsxWindowsFileServerVolumeConfiguration": {
                "fileSystemId": "SYSTEM",
                "rootDirectory": "\\share\\app",
                "authorizationConfig": {"credentialsParameter": "arn", "domain": "example.com"},
            }
        },
        {
            "s3filesVolumeConfiguration": {
                "fileSystemArn": "arn:aws:s3files:us-east-1:123456789012:file-system/SYSTEM",
                "rootDirectory": "/app",
            }
        },
    ],
)
def test_other_file_systems_are_shared_likewise(run: Run, system: str, configuration: dict[str, Any]) -> None:
    [(kind, fields)] = configuration.items()
    named = {
        key: value.replace("SYSTEM", system) if isinstance(value, str) else value
        for key, value in fields.items()
    }
    volume = {"name": "fs", kind: named}
    output(run, "echo kept > /data/note", volume=volume)

    assert output(run, "cat /data/note", volume=volume) == "kept\n"


def test_a_volume_configured_at_launch_is_empty_and_the_tasks_own(run: Run) -> None:
    volume = {"name": "disk", "configuredAtLaunch": True}

    for _ in range(2):
        assert output(run, "ls /data; touch /data/x", volume=volume) == ""


def shared(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "dockerVolumeConfiguration": {"scope": "shared", **more}}


def test_a_shared_volume_outlives_its_task(run: Run, engine_url: str, cluster: LocalCluster) -> None:
    name = f"cache-{uuid.uuid4().hex[:8]}"
    volume = shared(name, autoprovision=True, labels={"team": "shop"})
    output(run, "echo kept > /data/note", volume=volume)

    assert output(run, "cat /data/note", volume=shared(name)) == "kept\n"
    [found] = volumes(engine_url, f"pytest-ecs-tasks.run={cluster.run_id}", name)
    assert found["Labels"]["team"] == "shop"


def test_a_shared_volume_that_has_to_be_there_and_is_not_stops_the_task(run: Run) -> None:
    task = run(shell("c", "true", **mount("absent-1")), volumes=[shared("absent-1")]).wait_stopped()

    assert task.stop_code == "TaskFailedToStart"
    assert str(task.stopped_reason).lower() == (
        "initialize volume: volume detection failed, volume 'absent-1' does not exist and autoprovision is set to false"
    )


def test_a_shared_volume_of_the_users_own_is_used_and_stays(
    users_volume: str, run: Run, engine_url: str
) -> None:
    output(run, "echo kept > /data/note", volume=shared(users_volume))

    assert output(run, "cat /data/note", volume=shared(users_volume)) == "kept\n"
    assert volumes(engine_url, "made-by=user", users_volume)


def test_a_volume_of_the_users_own_is_not_taken_for_one_to_provision(users_volume: str, run: Run) -> None:
    output(run, "echo kept > /data/note", volume=shared(users_volume))

    assert output(run, "ls /data", volume=shared(users_volume, autoprovision=True)) == ""


@pytest.fixture
def users_volume(engine_url: str) -> Iterator[str]:
    """A volume that somebody else has made."""
    client = docker.APIClient(base_url=engine_url, version="1.41", timeout=60)
    name = f"users-{uuid.uuid4().hex[:8]}"
    client.create_volume(name, labels={"made-by": "user"})
    yield name
    client.remove_volume(name)
    client.close()


def volumes(engine_url: str, label: str, part: str) -> list[dict[str, Any]]:
    """Return the volumes with a label whose names hold that text."""
    client = docker.APIClient(base_url=engine_url, version="1.41", timeout=60)
    try:
        found = client.volumes(filters={"label": [label]}).get("Volumes") or []
        return [each for each in found if part in each["Name"]]
    finally:
        client.close()


def test_a_volume_with_driver_options_of_its_own(run: Run) -> None:
    options = {"type": "tmpfs", "device": "tmpfs", "o": "mode=750,uid=1000"}
    volume = {
        "name": "scratch",
        "dockerVolumeConfiguration": {"scope": "task", "driver": "local", "driverOpts": options},
    }

    assert (
        output(run, "ls -ldn /data | cut -c1-10; grep -c '^tmpfs /data tmpfs' /proc/mounts", volume=volume)
        == "drwxr-x---\n1\n"
    )


def test_an_empty_volume_takes_what_the_image_has_there(run: Run) -> None:
    task = run(
        shell("first", "true", essential=False, **mount("data", "/etc")),
        shell(
            "second", "cat /data/nsswitch.conf | head -1", **mount("data", read_only=True), **after("first")
        ),
        volumes=[{"name": "data"}],
    ).wait_stopped()

    assert task.logs("second") == "passwd: files\n"


def test_a_read_only_mount_cannot_be_written(run: Run) -> None:
    task = run(
        shell("c", "touch /data/x 2>&1 | grep -o 'Read-only.*'", **mount("data", read_only=True)),
        volumes=[{"name": "data"}],
    ).wait_stopped()

    assert task.logs() == "Read-only file system\n"


def test_volumes_from_another_container(run: Run) -> None:
    task = run(
        shell(
            "app",
            "cat /data/note; touch /data/x 2>&1 | grep -o 'Read-only.*'",
            **after("writer"),
            volumesFrom=[{"sourceContainer": "writer", "readOnly": True}],
        ),
        shell("writer", "echo theirs > /data/note", essential=False, **mount("data")),
        volumes=[{"name": "data"}],
    ).wait_stopped()

    assert task.logs("app") == "theirs\nRead-only file system\n"


def test_volumes_from_a_container_that_is_created_and_waits(run: Run) -> None:
    """The agent waits for the source to be created, not to be started; here it runs on beside its taker."""
    task = run(
        shell("app", "echo first > /data/note", essential=False, volumesFrom=[{"sourceContainer": "source"}]),
        shell("source", "exec sleep 600", stopTimeout=1, **mount("data")),
        shell("reader", "cat /data/note", **mount("data"), **after("app")),
        volumes=[{"name": "data"}],
    ).wait_stopped()

    assert task.logs("reader") == "first\n"


def test_nothing_of_a_run_is_left_behind(engine_url: str) -> None:
    cluster = LocalCluster(LocalSettings(engine=engine_url, pull="never"), environ={})
    aws: Aws = cluster.new_aws()
    try:
        document = {
            "family": "it",
            "networkMode": "awsvpc",
            "memory": "512",
            "containerDefinitions": [
                {
                    "image": BUSYBOX,
                    **shell(
                        "c",
                        "sleep 600",
                        mountPoints=[
                            {"sourceVolume": name, "containerPath": f"/{name}"}
                            for name in ("own", "kept", "fs", "sub")
                        ],
                    ),
                },
                {"image": PYTHON, **shell("d", "sleep 600", volumesFrom=[{"sourceContainer": "c"}])},
            ],
            "volumes": [
                {"name": "own"},
                shared("kept", autoprovision=True),
                efs("fs"),
                efs("sub", rootDirectory="/a/b"),
            ],
        }
        task = cluster.run_task(RunTaskRequest(parse_task_definition(document, "test")), aws).wait_running()
        label = f"pytest-ecs-tasks.run={cluster.run_id}"
        made = [each for each in labelled_objects(engine_url, label) if each.startswith("volume")]
        assert len(made) == 4
        task.remove()
        left = [each for each in labelled_objects(engine_url, label) if each.startswith("volume")]
        assert len(left) == 3
        assert not any("own" in each for each in left)
    finally:
        aws.close()
        cluster.close()

    assert labelled_objects(engine_url, label) == []

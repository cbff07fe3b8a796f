"""Volumes, volumesFrom and environment files: what ECS refuses, and what becomes of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import implicit_dependencies
from pytest_ecs_tasks.core.taskdef import (
    Condition,
    Dependency,
    FileSystem,
    FileSystemKind,
    TaskDefinition,
    Volume,
    VolumesFrom,
)
from pytest_ecs_tasks.errors import TaskDefinitionError, UnsupportedFeature

APP = "containerDefinitions[0]"
DOCKER = "dockerVolumeConfiguration"
EFS = "efsVolumeConfiguration"
FSX = "fsxWindowsFileServerVolumeConfiguration"
S3_FILES = "s3filesVolumeConfiguration"
FSX_LOGIN = {"credentialsParameter": "arn", "domain": "example.com"}


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "memory": 64, **fields}


def parse(*containers: dict[str, Any], **fields: Any) -> TaskDefinition:
    document = {"family": "web", "containerDefinitions": list(containers or [container()]), **fields}
    return parse_task_definition(document)


def problems(*containers: dict[str, Any], **fields: Any) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        parse(*containers, **fields)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        (
            {"host": {"sourcePath": "/srv"}, DOCKER: {"scope": "task"}},
            ": volume 'v' has both host and dockerVolumeConfiguration",
        ),
        (
            {EFS: {"fileSystemId": "fs-1"}, S3_FILES: {"fileSystemArn": "arn"}},
            ": volume 'v' has both efsVolumeConfiguration and s3filesVolumeConfiguration",
        ),
        (
            {"configuredAtLaunch": True},
            ": Volumes [v] are not referenced by any of the containers",
        ),
        (
            {DOCKER: {"scope": "task", "autoprovision": True}},
            f".{DOCKER}.autoprovision: volume [v] : task scoped volume could not be autoprovisioned",
        ),
        (
            {
                EFS: {
                    "fileSystemId": "fs-1",
                    "rootDirectory": "/app",
                    "transitEncryption": "ENABLED",
                    "authorizationConfig": {"accessPointId": "fsap-1"},
                }
            },
            f'.{EFS}.rootDirectory: When using an EFS access point, the root directory must either be set to "/" or be '
            "omitted.",
        ),
        (
            {EFS: {"fileSystemId": "fs-1", "transitEncryptionPort": 2999}},
            f".{EFS}.transitEncryption: TransitEncryptionPort requires that TransitEncryption is enabled.",
        ),
        (
            {EFS: {"fileSystemId": "fs-1", "authorizationConfig": {"accessPointId": "fsap-1"}}},
            f".{EFS}.transitEncryption: accessPointId needs transitEncryption ENABLED",
        ),
        (
            {EFS: {"fileSystemId": "fs-1", "authorizationConfig": {"iam": "ENABLED"}}},
            f".{EFS}.transitEncryption: EFS IAM authorization requires TransitEncryption to be enabled.",
        ),
        (
            {EFS: {"fileSystemId": "fs-1", "rootDirectory": "/app/../.."}},
            f".{EFS}.rootDirectory: '/app/../..' leads out of the file system",
        ),
        (
            {S3_FILES: {"fileSystemArn": "arn", "rootDirectory": "/app", "accessPointArn": "arn"}},
            f".{S3_FILES}.rootDirectory: with an access point, rootDirectory is left out or '/': "
            "the access point has its own path",
        ),
    ],
)
def test_a_rule_of_one_volume(volume: dict[str, Any], expected: str) -> None:
    assert problems(volumes=[{"name": "v", **volume}]) == [f"volumes[0]{expected}"]


def test_only_one_volume_is_configured_at_launch() -> None:
    volumes = [{"name": name, "configuredAtLaunch": True} for name in ("a", "b")]
    mounts = [{"sourceVolume": name, "containerPath": f"/{name}"} for name in ("a", "b")]

    assert problems(container(mountPoints=mounts), volumes=volumes) == [
        "volumes: only one volume may be configuredAtLaunch"
    ]


def test_fargate_mounts_efs_and_no_fsx_and_no_docker_volume() -> None:
    fargate = {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"}
    fsx = {"fileSystemId": "fs-2", "rootDirectory": "share", "authorizationConfig": FSX_LOGIN}

    assert problems(
        volumes=[{"name": "e", EFS: {"fileSystemId": "fs-1"}}, {"name": "f", FSX: fsx}], **fargate
    ) == [f"volumes[1].{FSX}: Fargate mounts no FSx for Windows File Server"]


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({}, Volume("v")),
        ({"configuredAtLaunch": True}, Volume("v", configured_at_launch=True)),
        (
            {DOCKER: {"scope": "shared", "autoprovision": True, "driver": "local", "labels": {"a": "b"}}},
            Volume("v", driver="local", labels={"a": "b"}, shared=True, autoprovision=True),
        ),
        (
            {EFS: {"fileSystemId": "fs-1"}},
            Volume("v", file_system=FileSystem(FileSystemKind.EFS, "fs-1")),
        ),
        (
            {EFS: {"fileSystemId": "fs-1", "rootDirectory": "//exports/./app/"}},
            Volume("v", file_system=FileSystem(FileSystemKind.EFS, "fs-1", None, "exports/app")),
        ),
        (
            {
                EFS: {
                    "fileSystemId": "fs-1",
                    "rootDirectory": "/",
                    "transitEncryption": "ENABLED",
                    "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"},
                }
            },
            Volume("v", file_system=FileSystem(FileSystemKind.EFS, "fs-1", "fsap-1")),
        ),
        (
            {
                FSX: {
                    "fileSystemId": "fs-2",
                    "rootDirectory": "\\share\\app",
                    "authorizationConfig": FSX_LOGIN,
                }
            },
            Volume("v", file_system=FileSystem(FileSystemKind.FSX, "fs-2", None, "share/app")),
        ),
        (
            {S3_FILES: {"fileSystemArn": "arn:fs", "accessPointArn": "arn:ap"}},
            Volume("v", file_system=FileSystem(FileSystemKind.S3_FILES, "arn:fs", "arn:ap")),
        ),
    ],
)
def test_a_volume_is_read_as_what_it_is(volume: dict[str, Any], expected: Volume) -> None:
    app = container(mountPoints=[{"sourceVolume": "v", "containerPath": "/v"}])
    parsed = parse(app, volumes=[{"name": "v", **volume}])

    assert parsed.volumes == (expected,)
    assert parsed.unsupported == ()


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        (
            [container(volumesFrom=[{"sourceContainer": "nobody"}])],
            f"{APP}.volumesFrom[0].sourceContainer: Invalid 'volumesFrom' setting. Unknown container: 'nobody'. "
            "The containers are app",
        ),
        (
            [container(volumesFrom=[{"sourceContainer": "app"}])],
            f"{APP}.volumesFrom[0].sourceContainer: container 'app' takes its volumes from itself",
        ),
        (
            [
                container(volumesFrom=[{"sourceContainer": "db"}]),
                container("db", dependsOn=[{"containerName": "app", "condition": "START"}]),
            ],
            f"{APP}.dependsOn: these containers wait for each other, so that none can start: app → db → app",
        ),
    ],
)
def test_a_rule_of_volumes_from(containers: list[dict[str, Any]], expected: str) -> None:
    assert problems(*containers) == [expected]


def test_volumes_from_is_a_dependency_on_the_sources_creation() -> None:
    parsed = parse(container(volumesFrom=[{"sourceContainer": "db", "readOnly": True}]), container("db"))

    assert parsed.containers[0].volumes_from == (VolumesFrom("db", read_only=True),)
    assert implicit_dependencies(parsed.containers[0]) == (Dependency("db", Condition.CREATE),)


def test_create_is_no_condition_that_a_definition_may_have() -> None:
    waiting = container(dependsOn=[{"containerName": "db", "condition": "CREATE"}])

    [problem] = problems(waiting, container("db"))

    assert problem.startswith(f"{APP}.dependsOn[0].condition: 'CREATE' is not one of")


def files(*arns: str) -> dict[str, Any]:
    return {"environmentFiles": [{"type": "s3", "value": arn} for arn in arns]}


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (
            "arn:aws:s3:::bucket/app.txt",
            "the name of an environment file ends in .env; this is 'arn:aws:s3:::bucket/app.txt'",
        ),
        (
            "s3://bucket/app.env",
            "Invalid arn syntax. 's3://bucket/app.env' is to be the ARN of an S3 object, such as "
            "arn:aws:s3:::bucket/path/name.env",
        ),
        (
            "arn:aws:s3:::bucket",
            "Invalid arn syntax. 'arn:aws:s3:::bucket' is to be the ARN of an S3 object, such as "
            "arn:aws:s3:::bucket/path/name.env",
        ),
    ],
)
def test_an_environment_file_is_an_s3_object_whose_name_ends_in_env(arn: str, expected: str) -> None:
    assert problems(container(**files(arn))) == [f"{APP}.environmentFiles[0].value: {expected}"]


def test_a_container_has_up_to_ten_environment_files() -> None:
    ten = [f"arn:aws:s3:::bucket/{number}.env" for number in range(10)]

    assert len(parse(container(**files(*ten))).containers[0].environment_files) == 10
    assert problems(container(**files(*ten, "arn:aws:s3:::bucket/11.env"))) == [
        f"{APP}.environmentFiles: The maximum number of environment files was exceeded. Specify ten or less and try again. "
        "It has 11"
    ]


def test_fargate_needs_an_execution_role_for_environment_files() -> None:
    fargate = {"requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512"}

    assert problems(container(**files("arn:aws:s3:::bucket/app.env")), **fargate) == [
        f"{APP}.environmentFiles: Fargate fetches environment files with the task execution role, "
        "and there is no executionRoleArn"
    ]


@pytest.mark.parametrize("source", ["data", "./data", "${DATA}"])
def test_a_source_path_that_would_make_a_lasting_volume_is_refused(source: str) -> None:
    with pytest.raises(UnsupportedFeature, match=r"volumes\[0\]\.host\.sourcePath: '.*' is no absolute path"):
        parse(volumes=[{"name": "v", "host": {"sourcePath": source}}])

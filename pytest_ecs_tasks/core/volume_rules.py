"""The rules of a task's volumes: one kind each, and what goes with which.

Sources as in :mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import EVERY, Finding
from pytest_ecs_tasks.core.taskdef import TaskDefinition

_KINDS = (
    "host",
    "dockerVolumeConfiguration",
    "efsVolumeConfiguration",
    "fsxWindowsFileServerVolumeConfiguration",
    "s3filesVolumeConfiguration",
)
_FILE_SYSTEMS = _KINDS[2:]


def check(definition: TaskDefinition) -> Iterator[Finding]:
    """Return what is wrong with each volume."""
    declared = definition.document.get("volumes")
    volumes = declared if isinstance(declared, list) else []
    if sum(1 for volume in volumes if volume.get("configuredAtLaunch")) > 1:
        yield Finding(
            ("volumes",), "volume-configured-at-launch", "only one volume may be configuredAtLaunch"
        )  # [API]
    mounted = {mount.source_volume for each in definition.containers for mount in each.mount_points}
    for index, volume in enumerate(volumes):
        path: Path = ("volumes", index)
        name = volume.get("name", "")
        if volume.get("configuredAtLaunch") and name not in mounted:
            text = f"Volumes [{name}] are not referenced by any of the containers"  # [D]
            yield Finding(path, "volume-unused", text, (("containerDefinitions", EVERY, "mountPoints"),))
        kinds = [kind for kind in _KINDS if kind in volume]
        if volume.get("configuredAtLaunch"):
            kinds.append("configuredAtLaunch")
        if len(kinds) > 1:
            yield Finding(path, "volume-kinds", f"volume '{name}' has both {' and '.join(kinds)}")
        docker = volume.get("dockerVolumeConfiguration", {})
        if docker.get("scope", "task") == "task" and docker.get("autoprovision"):
            text = f"volume [{name}] : task scoped volume could not be autoprovisioned"  # [A]
            yield Finding((*path, "dockerVolumeConfiguration", "autoprovision"), "volume-autoprovision", text)
        yield from _check_access_point(volume, path)
        yield from _check_efs(volume.get("efsVolumeConfiguration", {}), path)
        for kind in _FILE_SYSTEMS:
            root = volume.get(kind, {}).get("rootDirectory", "")
            if ".." in root.replace("\\", "/").split("/"):
                where = (*path, kind, "rootDirectory")
                yield Finding(where, "volume-root-directory", f"'{root}' leads out of the file system")


def _check_access_point(volume: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    efs = volume.get("efsVolumeConfiguration", {}).get("authorizationConfig", {})
    points = {
        "efsVolumeConfiguration": (("authorizationConfig", "accessPointId"), efs.get("accessPointId")),
        "s3filesVolumeConfiguration": (
            ("accessPointArn",),
            volume.get("s3filesVolumeConfiguration", {}).get("accessPointArn"),
        ),
    }
    for kind, (field, access_point) in points.items():
        if access_point and volume[kind].get("rootDirectory", "/") != "/":
            text = "with an access point, rootDirectory is left out or '/': the access point has its own path"  # [API]
            if kind == "efsVolumeConfiguration":  # [D]
                text = 'When using an EFS access point, the root directory must either be set to "/" or be omitted.'
            yield Finding(
                (*path, kind, "rootDirectory"), "volume-access-point", text, ((*path, kind, *field),)
            )


def _check_efs(efs: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    authorization = efs.get("authorizationConfig", {})
    where = (*path, "efsVolumeConfiguration")
    port = ("transitEncryptionPort",)
    point, iam = ("authorizationConfig", "accessPointId"), ("authorizationConfig", "iam")
    texts = {
        point: "accessPointId needs transitEncryption ENABLED",  # [API]
        iam: "EFS IAM authorization requires TransitEncryption to be enabled.",  # [D]
        port: "TransitEncryptionPort requires that TransitEncryption is enabled.",  # [D]
    }
    asked = {
        point: "accessPointId" in authorization,
        iam: authorization.get("iam") == "ENABLED",
        port: "transitEncryptionPort" in efs,
    }
    for field, text in texts.items():
        if asked[field] and efs.get("transitEncryption") != "ENABLED":
            place = (*where, "transitEncryption")
            yield Finding(place, "volume-transit-encryption", text, ((*where, *field),))

"""How requests name things: by name, by id, or by ARN."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from pytest_ecs_tasks.core.api.calls import ApiError, client_error, parameter_error
from pytest_ecs_tasks.core.api.state import (
    DEFAULT_CLUSTER,
    FARGATE_PROVIDERS,
    Cluster,
    EcsState,
    Registered,
    TaskRecord,
)

_ARN = re.compile(r"arn:[^:]*:ecs:(?P<region>[^:]*):(?P<account>[^:]*):(?P<kind>[^/]+)/(?P<rest>.+)")
_CLUSTER_NAME = re.compile(r"[a-zA-Z0-9\-_]{1,255}")
TASK_ID_LENGTHS = (32, 36)


def split_arn(reference: str, kind: str) -> tuple[str, ...] | None:
    """Return the parts of an ARN behind its kind of resource; ``None`` for what is no ARN.

    Raises :class:`ApiError` for the ARN of another kind.
    """
    found = _ARN.fullmatch(reference)
    if found is None:
        return None
    if found["kind"] != kind:
        raise parameter_error(f"Unsupported resource type: {found['kind']}")
    return tuple(found["rest"].split("/"))


def cluster_name(reference: str | None) -> str:
    """Return the name in a cluster's short name or ARN; the default cluster's without one."""
    if not reference:
        return DEFAULT_CLUSTER
    parts = split_arn(reference, "cluster")
    name = parts[-1] if parts else reference
    check_cluster_name(name)
    return name


def check_cluster_name(name: str) -> None:
    """Raise :class:`ApiError` for what cannot be a cluster's name."""
    if _CLUSTER_NAME.fullmatch(name) is None:
        raise parameter_error(f"Cluster must match ^{_CLUSTER_NAME.pattern}$, but was {name}")


def find_cluster(state: EcsState, request: Mapping[str, Any]) -> tuple[EcsState, Cluster]:
    """Return the cluster that a request is for; the default one comes to be with the first request for it.

    Raises :class:`ApiError` for one that is not there or no longer ACTIVE.
    """
    name = cluster_name(request.get("cluster"))
    found = state.clusters.get(name)
    if found is None and name == DEFAULT_CLUSTER:
        found = Cluster(name, state.arn(f"cluster/{name}"), capacity_providers=FARGATE_PROVIDERS)
        state = state.with_cluster(found)
    if found is None:
        raise ApiError("ClusterNotFoundException", "Cluster not found.")
    if not found.active:
        raise ApiError("ClusterNotFoundException", "The referenced cluster was inactive.")
    return state, found


def find_registered(state: EcsState, reference: str) -> Registered | None:
    """Return a revision of a task definition by ARN, ``family:revision``, or family: then its latest ACTIVE revision."""
    parts = split_arn(reference, "task-definition")
    name = parts[-1] if parts else reference
    family, colon, number = name.rpartition(":")
    if not colon:
        active = [each for each in state.families.get(name, {}).values() if each.active]
        return active[-1] if active else None
    return state.families.get(family, {}).get(int(number)) if number.isdecimal() else None


def find_runnable(state: EcsState, reference: str) -> Registered:
    """Return the task definition to run. Raises :class:`ApiError` for one that is not there or not ACTIVE."""
    found = find_registered(state, reference)
    if found is None:
        raise client_error("TaskDefinition not found.")
    if not found.active:
        raise parameter_error("TaskDefinition is inactive")
    return found


def find_task(state: EcsState, reference: str, cluster: Cluster) -> TaskRecord | None:
    """Return a task of a cluster by id or ARN; ``None`` for one that is not there.

    Raises :class:`ApiError` for the ARN of something else, or of another cluster's task.
    """
    parts = split_arn(reference, "task")
    check_cluster_of(parts, cluster)
    record = state.tasks.get(parts[-1] if parts else reference)
    return record if record is not None and record.cluster == cluster.name else None


def check_cluster_of(parts: tuple[str, ...] | None, cluster: Cluster) -> None:
    """Raise :class:`ApiError` for the parts of an ARN that is of another cluster's task or service."""
    if parts and len(parts) > 1 and parts[0] != cluster.name:
        words = f"Invalid identifier: Identifier is for cluster {parts[0]}. Your cluster is {cluster.name}"
        raise parameter_error(words)


def check_task_reference(reference: str) -> None:
    """Raise :class:`ApiError` for what cannot name a task."""
    parts = split_arn(reference, "task")
    if len(parts[-1] if parts else reference) not in TASK_ID_LENGTHS:
        raise parameter_error(f"taskId length should be one of [{','.join(map(str, TASK_ID_LENGTHS))}]")


def ec2_instance_id(state: EcsState, cluster: str) -> str:
    """Return the id of the EC2 instance that a cluster's one container instance says it is."""
    return f"i-{instance_arn(state, cluster).rpartition('/')[2][:17]}"


def instance_arn(state: EcsState, cluster: str) -> str:
    """Return the ARN of a cluster's one container instance, the engine."""
    digits = hashlib.sha256(state.arn(f"cluster/{cluster}").encode()).hexdigest()[:32]
    return state.arn(f"container-instance/{cluster}/{digits}")

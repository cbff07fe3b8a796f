"""Clusters: CreateCluster, DescribeClusters, ListClusters and their kin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_ecs_tasks.core.api.account_settings import setting
from pytest_ecs_tasks.core.api.calls import ApiError, Call, Outcome, check_word, parameter_error
from pytest_ecs_tasks.core.api.names import check_cluster_name, cluster_name, find_cluster
from pytest_ecs_tasks.core.api.paging import page
from pytest_ecs_tasks.core.api.state import DEFAULT_CLUSTER, Cluster, EcsState
from pytest_ecs_tasks.core.api.tags import show_tags, with_request_tags
from pytest_ecs_tasks.core.model import PENDING_STATUSES, Task, TaskStatus
from pytest_ecs_tasks.core.service_model import ServiceStatus

MOST_DESCRIBED = 100  # API, DescribeClusters
_DETAILS = ("settings", "configuration", "serviceConnectDefaults")


def create_cluster(state: EcsState, call: Call) -> Outcome:
    """Answer CreateCluster: one that is ACTIVE already is returned as it is."""
    name = call.request.get("clusterName", DEFAULT_CLUSTER)
    check_cluster_name(name)
    existing = state.clusters.get(name)
    if existing is not None and existing.active:
        return Outcome(state, {"cluster": show_cluster(state, existing, call, {"TAGS"})})
    cluster = Cluster(name, state.arn(f"cluster/{name}"), details={"settings": _default_settings(state)})
    cluster = _with_providers(_with_details(cluster, call.request), call.request)
    state = with_request_tags(state.with_cluster(cluster), cluster.arn, call.request)
    return Outcome(state, {"cluster": show_cluster(state, cluster, call, {"TAGS"})})


def update_cluster(state: EcsState, call: Call) -> Outcome:
    """Answer UpdateCluster and UpdateClusterSettings."""
    state, cluster = find_cluster(state, call.request)
    cluster = _with_details(cluster, call.request)
    state = state.with_cluster(cluster)
    return Outcome(state, {"cluster": show_cluster(state, cluster, call, {"SETTINGS", "CONFIGURATIONS"})})


def put_capacity_providers(state: EcsState, call: Call) -> Outcome:
    """Answer PutClusterCapacityProviders."""
    state, cluster = find_cluster(state, call.request)
    cluster = _with_providers(cluster, call.request)
    state = state.with_cluster(cluster)
    return Outcome(state, {"cluster": show_cluster(state, cluster, call, ())})


def delete_cluster(state: EcsState, call: Call) -> Outcome:
    """Answer DeleteCluster: it stays, INACTIVE, unless it has services or tasks."""
    state, cluster = find_cluster(state, call.request)
    if _active_services(cluster, call):
        words = "The Cluster cannot be deleted while Services are active."
        raise ApiError("ClusterContainsServicesException", words)
    if any(not task.stopped for task in _tasks_of(state, cluster, call)):
        words = "The Cluster cannot be deleted while Tasks are active."
        raise ApiError("ClusterContainsTasksException", words)
    cluster = replace(cluster, status="INACTIVE")
    state = state.with_cluster(cluster)
    return Outcome(state, {"cluster": show_cluster(state, cluster, call, ())})


def describe_clusters(state: EcsState, call: Call) -> Outcome:
    """Answer DescribeClusters; a cluster that is not there is a failure among the answers."""
    include = set(call.request.get("include", ()))
    found, failures = [], []
    references = call.request.get("clusters") or [DEFAULT_CLUSTER]
    if len(references) > MOST_DESCRIBED:
        raise parameter_error(f"clusters has {len(references)} entries; it is {MOST_DESCRIBED} at most")
    for reference in references:
        name = cluster_name(reference)
        cluster = state.clusters.get(name)
        if cluster is None:
            failures.append({"arn": state.arn(f"cluster/{name}"), "reason": "MISSING"})
        else:
            found.append(show_cluster(state, cluster, call, include))
    return Outcome(state, {"clusters": found, "failures": failures})


def list_clusters(state: EcsState, call: Call) -> Outcome:
    """Answer ListClusters."""
    arns = sorted(cluster.arn for cluster in state.clusters.values() if cluster.active)
    shown, more = page(arns, call.request, str)
    return Outcome(state, {"clusterArns": shown, **more})


def show_cluster(state: EcsState, cluster: Cluster, call: Call, include: Iterable[str]) -> dict[str, Any]:
    """Return a cluster as the API shows it; ``include`` are DescribeClusters' words for what is shown on request."""
    tasks = _tasks_of(state, cluster, call)
    shown: dict[str, Any] = {
        "clusterArn": cluster.arn,
        "clusterName": cluster.name,
        "status": cluster.status,
        "registeredContainerInstancesCount": 1 if cluster.active else 0,
        "runningTasksCount": sum(task.last_status is TaskStatus.RUNNING for task in tasks),
        "pendingTasksCount": sum(task.last_status in PENDING_STATUSES for task in tasks),
        "activeServicesCount": _active_services(cluster, call),
        "statistics": _statistics(tasks) if "STATISTICS" in include else [],
        "tags": show_tags(state, cluster.arn) if "TAGS" in include else [],
        "settings": cluster.details.get("settings", []),
        "capacityProviders": list(cluster.capacity_providers),
        "defaultCapacityProviderStrategy": list(cluster.default_strategy),
    }
    shown.update({name: cluster.details[name] for name in _DETAILS if name in cluster.details})
    return shown


def check_strategy(cluster: Cluster, strategy: Sequence[Mapping[str, Any]]) -> None:
    """Raise :class:`ApiError` for a capacity provider that the cluster has not."""
    for item in strategy:
        if item.get("capacityProvider") not in cluster.capacity_providers:
            raise parameter_error(
                "The specified capacity provider strategy cannot contain a capacity provider that is not associated "
                "with the cluster. Associate the capacity provider with the cluster and try again."
            )


def _default_settings(state: EcsState) -> list[dict[str, str]]:
    return [{"name": "containerInsights", "value": setting(state, "containerInsights")}]


def _with_details(cluster: Cluster, request: Mapping[str, Any]) -> Cluster:
    given = {name: request[name] for name in _DETAILS if name in request}
    for each in given.get("settings", ()):
        check_word("settings.name", each.get("name"), ("containerInsights",))
        check_word("settings.value", each.get("value"), ("enhanced", "enabled", "disabled"))
    return replace(cluster, details={**cluster.details, **given})


def _with_providers(cluster: Cluster, request: Mapping[str, Any]) -> Cluster:
    providers = tuple(request.get("capacityProviders", ()))
    cluster = replace(cluster, capacity_providers=providers)
    strategy = tuple(
        {"weight": 0, "base": 0, **item} for item in request.get("defaultCapacityProviderStrategy", ())
    )
    check_strategy(cluster, strategy)
    return replace(cluster, default_strategy=strategy)


def _active_services(cluster: Cluster, call: Call) -> int:
    ours = (service for service in call.services.values() if service.cluster_arn == cluster.arn)
    return sum(service.status is ServiceStatus.ACTIVE for service in ours)


def _tasks_of(state: EcsState, cluster: Cluster, call: Call) -> list[Task]:
    records = (record for record in state.tasks.values() if record.cluster == cluster.name)
    return [task for record in records if (task := call.find_task(record.task_id)) is not None]


def _statistics(tasks: Sequence[Task]) -> list[dict[str, str]]:
    """Return the counts by launch type. Source: API, Cluster.statistics."""
    counts = {}
    for launch_type, word in (("EC2", "EC2"), ("FARGATE", "Fargate")):
        ours = [task for task in tasks if task.plan.launch_type == launch_type]
        counts[f"running{word}TasksCount"] = sum(task.last_status is TaskStatus.RUNNING for task in ours)
        counts[f"pending{word}TasksCount"] = sum(task.last_status in PENDING_STATUSES for task in ours)
    return [{"name": name, "value": str(count)} for name, count in counts.items()]

"""Capacity providers: CreateCapacityProvider, UpdateCapacityProvider, DeleteCapacityProvider, DescribeCapacityProviders.

They are kept and told: whatever provider a task has, it runs on the one engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_ecs_tasks.core.api.calls import Call, Outcome, client_error, parameter_error
from pytest_ecs_tasks.core.api.names import find_cluster, split_arn
from pytest_ecs_tasks.core.api.paging import page
from pytest_ecs_tasks.core.api.state import FARGATE_PROVIDERS, CapacityProvider, EcsState
from pytest_ecs_tasks.core.api.tags import show_tags, with_request_tags

_KINDS = {"autoScalingGroupProvider": "EC2_AUTOSCALING", "managedInstancesProvider": "MANAGED_INSTANCES"}
_RESERVED_PREFIXES = ("aws", "ecs", "fargate")  # API, CreateCapacityProvider.name
_LONGEST_NAME = 255


def create_capacity_provider(state: EcsState, call: Call) -> Outcome:
    """Answer CreateCapacityProvider; it is ACTIVE at once."""
    request = call.request
    name = request["name"]
    if not 1 <= len(name) <= _LONGEST_NAME or name.startswith(_RESERVED_PREFIXES):
        words = f"name is {name}; it has 1 to {_LONGEST_NAME} characters and does not begin with "
        raise client_error(words + ", ".join(_RESERVED_PREFIXES))
    kind, details = _checked_kind(request)
    cluster = None
    if "cluster" in request:
        state, found = find_cluster(state, request)
        cluster = found.name
    if (cluster is None) == (kind == "managedInstancesProvider"):
        raise parameter_error(
            f"cluster is needed with managedInstancesProvider, and with nothing else: {name}"
        )
    if name in state.providers:
        raise client_error(f"A capacity provider with the name {name} exists already.")
    provider = CapacityProvider(name, state.arn(f"capacity-provider/{name}"), kind, details, cluster)
    state = replace(state, providers={**state.providers, name: provider})
    state = with_request_tags(state, provider.arn, request)
    return Outcome(state, {"capacityProvider": _show(state, provider, update="CREATE_COMPLETE")})


def update_capacity_provider(state: EcsState, call: Call) -> Outcome:
    """Answer UpdateCapacityProvider: what is given is changed, the rest stays."""
    provider = _find(state, call.request["name"])
    kind, details = _checked_kind(call.request)
    if kind != provider.kind:
        raise parameter_error(f"{provider.name} has {provider.kind}, and no {kind}")
    provider = replace(provider, details=_merged(provider.details, details))
    state = replace(state, providers={**state.providers, provider.name: provider})
    return Outcome(state, {"capacityProvider": _show(state, provider, update="UPDATE_COMPLETE")})


def delete_capacity_provider(state: EcsState, call: Call) -> Outcome:
    """Answer DeleteCapacityProvider; one that a cluster has is kept."""
    provider = _find(state, call.request["capacityProvider"])
    if any(
        provider.name in cluster.capacity_providers for cluster in state.clusters.values() if cluster.active
    ):
        raise client_error("The specified capacity provider is in use and cannot be removed.")
    shown = {**_show(state, provider, update="DELETE_COMPLETE"), "status": "INACTIVE"}
    kept = {name: other for name, other in state.providers.items() if name != provider.name}
    state = replace(state, providers=kept).with_tags(provider.arn, ())
    return Outcome(state, {"capacityProvider": shown})


def describe_capacity_providers(state: EcsState, call: Call) -> Outcome:
    """Answer DescribeCapacityProviders: Fargate's two are always there."""
    known = {
        name: CapacityProvider(name, state.arn(f"capacity-provider/{name}")) for name in FARGATE_PROVIDERS
    }
    known.update(state.providers)
    asked = [_name(each) for each in call.request.get("capacityProviders") or known]
    found = [known[name] for name in asked if name in known]
    failures = [
        {"arn": state.arn(f"capacity-provider/{name}"), "reason": "MISSING"}
        for name in asked
        if name not in known
    ]
    with_tags = "TAGS" in call.request.get("include", ())
    shown, more = page(sorted(found, key=_by_name), call.request, _by_name)
    views = [_show(state, each, with_tags=with_tags) for each in shown]
    return Outcome(state, {"capacityProviders": views, "failures": failures, **more})


def _by_name(provider: CapacityProvider) -> str:
    return provider.name


def _name(reference: str) -> str:
    parts = split_arn(reference, "capacity-provider")
    return parts[-1] if parts else reference


def _find(state: EcsState, reference: str) -> CapacityProvider:
    name = _name(reference)
    if name in FARGATE_PROVIDERS:
        raise client_error("The specified capacity provider is reserved and cannot be changed.")
    if name not in state.providers:
        raise client_error(
            "The specified capacity provider does not exist. Specify a valid name or ARN and try again."
        )
    return state.providers[name]


def _checked_kind(request: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    given = [kind for kind in _KINDS if kind in request]
    if len(given) != 1:
        raise parameter_error(f"one of {' and '.join(_KINDS)} is needed")
    return given[0], request[given[0]]


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    result = dict(old)
    for name, value in new.items():
        known = old.get(name)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            result[name] = _merged(known, value)
        else:
            result[name] = value
    return result


def _show(
    state: EcsState, provider: CapacityProvider, *, with_tags: bool = True, update: str | None = None
) -> dict[str, object]:
    shown: dict[str, object] = {
        "capacityProviderArn": provider.arn,
        "name": provider.name,
        "status": "ACTIVE",
        "tags": show_tags(state, provider.arn) if with_tags else [],
        "type": _KINDS.get(provider.kind, provider.name),
    }
    if provider.kind:
        shown[provider.kind] = provider.details
    if provider.cluster is not None:
        shown["cluster"] = provider.cluster
    if update is not None:
        shown["updateStatus"] = update
    return shown

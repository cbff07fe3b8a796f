"""Attributes of the container instance: PutAttributes, ListAttributes, DeleteAttributes.

They are kept and told; nothing is placed by them, as there is one instance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_ecs_tasks.core.api.calls import ApiError, Call, Outcome, parameter_error
from pytest_ecs_tasks.core.api.names import find_cluster, instance_arn
from pytest_ecs_tasks.core.api.paging import page
from pytest_ecs_tasks.core.api.state import Cluster, EcsState

# API, PutAttributes and Attribute.
MOST_ATTRIBUTES = 10
_TARGET_TYPE = "container-instance"
_NAME = re.compile(r"[A-Za-z0-9_\-./\\]{1,128}")
_VALUE = re.compile(r"(?! )[A-Za-z0-9_\-.@:/\\ ]{1,128}(?<! )")


def put_attributes(state: EcsState, call: Call) -> Outcome:
    """Answer PutAttributes; an attribute that is there gets the new value."""
    state, cluster = find_cluster(state, call.request)
    asked = _checked(state, cluster, call.request["attributes"])
    kept = {**state.attributes.get(cluster.name, {}), **{each["name"]: each.get("value") for each in asked}}
    if len(kept) > MOST_ATTRIBUTES:
        words = f"a container instance has {MOST_ATTRIBUTES} attributes at most; these would be {len(kept)}"
        raise ApiError("AttributeLimitExceededException", words)
    state = replace(state, attributes={**state.attributes, cluster.name: kept})
    return Outcome(state, {"attributes": [_show(state, cluster, each["name"]) for each in asked]})


def delete_attributes(state: EcsState, call: Call) -> Outcome:
    """Answer DeleteAttributes; one with a value is deleted where that is its value, one that is not there is no error."""
    state, cluster = find_cluster(state, call.request)
    asked = _checked(state, cluster, call.request["attributes"])
    there = state.attributes.get(cluster.name, {})
    gone = [
        each["name"]
        for each in asked
        if each["name"] in there and each.get("value", there[each["name"]]) == there[each["name"]]
    ]
    shown = [_show(state, cluster, name) for name in gone]
    kept = {name: value for name, value in there.items() if name not in gone}
    state = replace(state, attributes={**state.attributes, cluster.name: kept})
    return Outcome(state, {"attributes": shown})


def list_attributes(state: EcsState, call: Call) -> Outcome:
    """Answer ListAttributes."""
    request = call.request
    state, cluster = find_cluster(state, request)
    _check_target_type(request["targetType"])
    if "attributeValue" in request and "attributeName" not in request:
        raise parameter_error("attributeValue needs attributeName")
    listed = [
        name
        for name, value in sorted(state.attributes.get(cluster.name, {}).items())
        if request.get("attributeName") in (None, name) and request.get("attributeValue") in (None, value)
    ]
    shown, more = page(listed, request, str)
    return Outcome(state, {"attributes": [_show(state, cluster, name) for name in shown], **more})


def instance_attributes(state: EcsState, cluster: Cluster) -> list[dict[str, object]]:
    """Return the attributes of a cluster's container instance as it shows them itself."""
    return [_pair(name, value) for name, value in sorted(state.attributes.get(cluster.name, {}).items())]


def _checked(
    state: EcsState, cluster: Cluster, attributes: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Return the attributes of a request. Raises :class:`ApiError` for what is none of this cluster's instance."""
    if not 1 <= len(attributes) <= MOST_ATTRIBUTES:
        raise parameter_error(f"attributes has {len(attributes)} entries; it is 1 to {MOST_ATTRIBUTES}")
    ours = instance_arn(state, cluster.name)
    for index, each in enumerate(attributes):
        place = f"attributes[{index}]"
        _check_target_type(each.get("targetType", _TARGET_TYPE))
        if _NAME.fullmatch(each.get("name", "")) is None:
            raise parameter_error(f"{place}.name must match {_NAME.pattern}")
        if "value" in each and _VALUE.fullmatch(each["value"]) is None:
            raise parameter_error(f"{place}.value must match {_VALUE.pattern}")
        if each.get("targetId") not in (ours, ours.rpartition("/")[2]):
            raise ApiError(
                "TargetNotFoundException", f"{place}.targetId is no container instance of the cluster"
            )
    return attributes


def _check_target_type(target_type: str) -> None:
    if target_type != _TARGET_TYPE:
        raise parameter_error(f"targetType is {target_type}; it is {_TARGET_TYPE}")


def _show(state: EcsState, cluster: Cluster, name: str) -> dict[str, object]:
    pair = _pair(name, state.attributes[cluster.name][name])
    return {**pair, "targetType": _TARGET_TYPE, "targetId": instance_arn(state, cluster.name)}


def _pair(name: str, value: str | None) -> dict[str, object]:
    return {"name": name} if value is None else {"name": name, "value": value}

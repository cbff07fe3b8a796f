"""Requests and answers of ECS held against botocore's model of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ServiceModel, Shape

from pytest_ecs_tasks.core.api.calls import ApiError

TYPES = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "double": int | float,
    "timestamp": int | float | datetime,
}
# What the front of every AWS service may answer, whatever the operation.
COMMON_ERRORS = {"SerializationException"}


@cache
def ecs_model() -> ServiceModel:
    """Return botocore's model of ECS."""
    return botocore.session.Session().get_service_model("ecs")


def check_request(operation: str, request: Mapping[str, Any]) -> None:
    """Fail for a request that an SDK would not send."""
    shape = ecs_model().operation_model(operation).input_shape
    check(request, shape, operation)
    missing = [name for name in shape.required_members if name not in request]
    assert not missing, f"{operation} needs {missing}"


def check_answer(operation: str, answer: Mapping[str, Any]) -> None:
    """Fail for an answer that an SDK could not read, or would read less of than there is."""
    body = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    check(body, ecs_model().operation_model(operation).output_shape, f"{operation}'s answer")


def check_error(operation: str, code: str) -> None:
    """Fail for an error code that ECS does not have for an operation."""
    codes = {shape.name for shape in ecs_model().operation_model(operation).error_shapes} | COMMON_ERRORS
    assert code in codes, f"{operation} never fails with {code}"


def call_checked(
    call: Callable[[str, Mapping[str, Any], None], Mapping[str, Any]],
    operation: str,
    request: Mapping[str, Any],
) -> dict[str, Any]:
    """Call ECS as an SDK does; the request and the answer, or the error's code, fit the model."""
    check_request(operation, request)
    try:
        answer = dict(call(operation, request, None))
    except ApiError as error:
        check_error(operation, error.code)
        raise
    check_answer(operation, answer)
    return answer


def check(value: object, shape: Shape, place: str) -> None:
    """Fail where a value is not what a shape says."""
    match shape.type_name:
        case "structure":
            assert isinstance(value, Mapping), f"{place} is {value!r}"
            unknown = set(value) - set(shape.members)
            assert not unknown, f"{place} has {sorted(unknown)}"
            for name, inner in value.items():
                check(inner, shape.members[name], f"{place}.{name}")
        case "list":
            assert isinstance(value, list), f"{place} is {value!r}"
            for index, inner in enumerate(value):
                check(inner, shape.member, f"{place}[{index}]")
        case "map":
            assert isinstance(value, Mapping), f"{place} is {value!r}"
            for name, inner in value.items():
                check(inner, shape.value, f"{place}.{name}")
        case name:
            is_right = isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
            assert is_right, f"{place} is {value!r}, no {name}"
            allowed = getattr(shape, "enum", None)
            assert not allowed or value in allowed, f"{place} is {value!r}, none of {allowed}"

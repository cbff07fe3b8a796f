"""Calls of AWS's JSON protocol, made by the engine for itself: secrets, parameters, log events."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from pytest_ecs_tasks.aws.calls import AwsCallError, authorization, call_patiently


class JsonApi:
    """One endpoint.

    ``find_region_problem`` says what is wrong with a region's name, for no such host would answer.
    """

    def __init__(
        self, endpoint_url: Callable[[], str], find_region_problem: Callable[[str], str | None]
    ) -> None:
        self._endpoint_url = endpoint_url
        self._find_region_problem = find_region_problem

    def has_region(self, region: str) -> bool:
        """Tell whether AWS has a region of that name."""
        return self._find_region_problem(region) is None

    def call(self, target: str, region: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Call ``SERVICE:Target.Operation`` in a region, at most three times while it fails on the way.

        Raises :class:`AwsCallError`.
        """
        service, _, operation = target.partition(":")
        problem = self._find_region_problem(region)
        if problem is not None:
            host = f"{service}.{region}.amazonaws.com"
            raise AwsCallError(
                "RequestError", f"send request failed: lookup {host}: no such host ({problem})"
            )
        body = json.dumps(parameters).encode()
        response, text = call_patiently(
            "POST", self._endpoint_url, "/", _headers(service, operation, region), body
        )
        answer: dict[str, Any] = json.loads(text) if text.strip() else {}
        if response.status >= HTTPStatus.BAD_REQUEST:
            code = str(answer.get("__type") or response.headers.get("x-amzn-errortype") or "UnknownError")
            message = answer.get("message") or answer.get("Message") or ""
            raise AwsCallError(code.rpartition("#")[2].partition(":")[0], str(message))
        return answer

    def pages(self, target: str, region: str, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield every page of a call that has ``NextToken``."""
        token: str | None = None
        while True:
            page = self.call(target, region, {**parameters, **({"NextToken": token} if token else {})})
            yield page
            token = page.get("NextToken")
            if not token:
                return


def _headers(service: str, operation: str, region: str) -> dict[str, str]:
    return {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": operation,
        "Authorization": authorization(service, region),
    }

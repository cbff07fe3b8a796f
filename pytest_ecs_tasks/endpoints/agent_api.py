"""The agent's API for applications: task protection, and the refusal of fault injection.

Source: amazon-ecs-agent, ecs-agent/tmds/handlers/taskprotection/v1 and fault/v1.
"""

from __future__ import annotations

import json
from typing import Any

from pytest_ecs_tasks.core.go import format_time
from pytest_ecs_tasks.endpoints.answer import Answer, json_answer
from pytest_ecs_tasks.endpoints.credentials import RoleSession
from pytest_ecs_tasks.endpoints.fault_requests import find_fault_problem
from pytest_ecs_tasks.endpoints.view import TaskView
from pytest_ecs_tasks.engine.ports import Clock
from pytest_ecs_tasks.engine.protection import Protection

DEFAULT_PROTECTION_MINUTES = 120
LONGEST_PROTECTION_MINUTES = 2880
_FIELDS = {"protectionenabled": "ProtectionEnabled", "expiresinminutes": "ExpiresInMinutes"}


class AgentApi:
    """The agent's API for one task.

    ECS protects tasks of services only. Every task can be protected here, for it stands in for its service's; nothing
    follows from it, for nothing scales in.
    """

    def __init__(self, view: TaskView, role: RoleSession, clock: Clock, protection: Protection) -> None:
        self._view = view
        self._role = role
        self._clock = clock
        self._protection = protection

    def get_protection(self, identifier: str) -> Answer:
        """Answer GET ``/api/ID/task-protection/v1/state``."""
        return self._refusal(identifier) or self._protection_answer()

    def put_protection(self, identifier: str, body: bytes) -> Answer:
        """Answer PUT ``/api/ID/task-protection/v1/state``."""
        request = _decode(body)
        if request is None:
            return _error(400, "InvalidParameterException", "UpdateTaskProtection: failed to decode request")
        if self._view.find(identifier) is None:
            return self._unknown()
        enabled, minutes = request.get("ProtectionEnabled"), request.get("ExpiresInMinutes")
        if enabled is None:
            words = "Invalid request: does not contain 'ProtectionEnabled' field"
            return _error(400, "InvalidParameterException", words, self._view.plan.arn)
        refusal = self._refusal(identifier)
        if refusal is not None:
            return refusal
        if minutes is not None and not 1 <= minutes <= LONGEST_PROTECTION_MINUTES:
            words = f"expiresInMinutes must be between 1 and {LONGEST_PROTECTION_MINUTES}"
            return _error(400, "InvalidParameterException", words, self._view.plan.arn)
        until = self._clock.now() + 60 * (minutes or DEFAULT_PROTECTION_MINUTES)
        self._protection.set(until if enabled else None)
        return self._protection_answer()

    def _refusal(self, identifier: str) -> Answer | None:
        if self._view.find(identifier) is None:
            return self._unknown()
        if not self._role.is_available:
            words = "Invalid Request: no task IAM role credentials available for task"
            return _error(403, "AccessDeniedException", words, self._view.plan.arn)
        return None

    def _unknown(self) -> Answer:
        return _error(404, "ResourceNotFoundException", "Failed to find a task for the request")

    def _protection_answer(self) -> Answer:
        until = self._protection.expires_at()
        document = {
            "ExpirationDate": None if until is None else format_time(self._view.around.wall(until)),
            "ProtectionEnabled": until is not None,
            "TaskArn": self._view.plan.arn,
        }
        return json_answer(200, {"protection": document})

    def fault(self, identifier: str, kind: str, operation: str, body: bytes) -> Answer:
        """Answer POST ``/api/ID/fault/v1/KIND/OPERATION``: the request is checked, and no fault is injected."""
        problem = find_fault_problem(kind, operation, body)
        if problem is not None:
            return json_answer(400, {"Error": problem})
        found = self._view.find(identifier)
        if found is None:
            words = f"unable to get task arn from request: unable to get task Arn from v3 endpoint ID: {identifier}"
            return json_answer(404, {"Error": words})
        plan = self._view.plan
        if not plan.definition.document.get("enableFaultInjection"):
            return json_answer(400, {"Error": f"enableFaultInjection is not enabled for task: {plan.arn}"})
        mode = plan.definition.network_mode.value
        if mode not in ("host", "awsvpc"):
            words = f"{mode} mode is not supported. Please use either host or awsvpc mode."
            return json_answer(400, {"Error": words})
        return json_answer(500, {"Error": "pytest-ecs-tasks does not inject network faults"})


def _decode(body: bytes) -> dict[str, Any] | None:
    """Return the fields of a request by their own names; ``None`` for what the agent cannot decode.

    Go's decoder reads one value, whatever follows it, and takes names in any case.
    """
    try:
        document, _ = json.JSONDecoder().raw_decode(body.decode().lstrip())
    except ValueError:
        return None
    if document is None:
        return {}
    if not isinstance(document, dict) or any(name.lower() not in _FIELDS for name in document):
        return None
    request = {_FIELDS[name.lower()]: value for name, value in document.items()}
    enabled, minutes = request.get("ProtectionEnabled"), request.get("ExpiresInMinutes")
    if (
        not isinstance(enabled, bool | None)
        or not isinstance(minutes, int | None)
        or isinstance(minutes, bool)
    ):
        return None
    return request


def _error(status: int, code: str, message: str, arn: str = "") -> Answer:
    error = {**({"Arn": arn} if arn else {}), "Code": code, "Message": message}
    return json_answer(status, {"error": error})

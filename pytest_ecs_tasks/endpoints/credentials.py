"""The task role's credentials: a real session with STS, renewed before it ends, told to this task alone.

Source: amazon-ecs-agent, ecs-agent/tmds/handlers/v1/credentials_handler.go.
"""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime

from pytest_ecs_tasks.core.agent_environment import task_role_arn
from pytest_ecs_tasks.endpoints.answer import Answer, json_answer
from pytest_ecs_tasks.endpoints.view import TaskView
from pytest_ecs_tasks.engine.aws_ports import AwsServices, CredentialsError, RoleCredentials
from pytest_ecs_tasks.engine.ports import Clock

RENEW_BEFORE_S = 20 * 60.0  # SDKs ask again from a quarter of an hour before the end


class RoleSession:
    """The session of one task with its role."""

    def __init__(self, view: TaskView, services: AwsServices, clock: Clock, credentials_id: str) -> None:
        self._view = view
        self._services = services
        self._clock = clock
        self._credentials_id = credentials_id
        self._lock = threading.Lock()
        self._credentials: RoleCredentials | None = None

    def begin(self) -> None:
        """Begin the session, if the task has a role; returns at once.

        ECS has the credentials before a container starts, and some SDKs wait a second for them, once.
        """
        if self._view.plan.definition.task_role_arn:
            threading.Thread(target=self._try_to_begin, name="ecs-tasks/task role", daemon=True).start()

    def _try_to_begin(self) -> None:
        with contextlib.suppress(Exception):  # wait_until_begun tries again, and tells
            self._current()

    def wait_until_begun(self) -> None:
        """Return when the task has its credentials, if it has a role. Raises :class:`CredentialsError`."""
        if self._view.plan.definition.task_role_arn:
            try:
                self._current()
            except CredentialsError as error:
                role = task_role_arn(self._view.plan)
                raise CredentialsError(
                    f"ECS was unable to assume the role '{role}' that was provided for this task: {error}"
                ) from error

    @property
    def is_available(self) -> bool:
        """Whether the task has a role and has not stopped."""
        task = self._view.snapshot()
        return task is not None and not task.stopped and task_role_arn(task.plan) is not None

    def answer(self, credentials_id: str, api_version: int) -> Answer:
        """Answer a request for the credentials of that id."""
        prefix = f"CredentialsV{api_version}Request: "
        if not credentials_id:
            return _refusal(400, "NoIdInRequest", f"{prefix}No Credential ID in the request")
        if credentials_id != self._credentials_id or not self.is_available:
            return _refusal(400, "InvalidIdInRequest", f"{prefix}Credentials not found")
        try:
            credentials = self._current()
        except CredentialsError as error:
            # The agent has its credentials from ECS and cannot fail so; the reason helps whoever reads the log.
            return _refusal(500, "InternalServerError", f"Internal server error: {error}")
        expiration = datetime.fromtimestamp(credentials.expires_at, UTC)
        document = {
            "RoleArn": credentials.role_arn,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key.reveal(),
            "Token": credentials.session_token.reveal(),
            "Expiration": f"{expiration:%Y-%m-%dT%H:%M:%SZ}",
        }
        return json_answer(200, document)

    def _current(self) -> RoleCredentials:
        with self._lock:  # across the call: who comes meanwhile wants the same session
            held = self._credentials
            if held is None or held.expires_at - self._clock.wall() < RENEW_BEFORE_S:
                plan = self._view.plan
                self._credentials = held = self._services.assume_role(
                    task_role_arn(plan) or "", session_name=plan.task_id, region=plan.request.region
                )
            return held


def _refusal(status: int, code: str, message: str) -> Answer:
    return json_answer(status, {"code": code, "message": message, "HTTPErrorCode": status})

"""Everything that answers at 169.254.170.2 for one task."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping

from pytest_ecs_tasks.core.agent_environment import agent_environment
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.endpoints.agent_api import AgentApi
from pytest_ecs_tasks.endpoints.connection import open_connection
from pytest_ecs_tasks.endpoints.credentials import RoleSession
from pytest_ecs_tasks.endpoints.loopback import LoopbackServer
from pytest_ecs_tasks.endpoints.metadata import Metadata
from pytest_ecs_tasks.endpoints.routes import make_handle
from pytest_ecs_tasks.endpoints.statistics import Sampler, Statistics
from pytest_ecs_tasks.endpoints.view import TaskView
from pytest_ecs_tasks.engine.aws_ports import AwsServices
from pytest_ecs_tasks.engine.ports import Clock, EngineError
from pytest_ecs_tasks.engine.protection import Protection


class LocalEndpoints:
    """The endpoints of one task of the local engine. Implements :class:`~pytest_ecs_tasks.engine.aws_ports.TaskEndpoints`.

    Whoever holds a connection is taken for a container of the task: a connection cannot come from anywhere else.
    """

    def __init__(
        self,
        view: TaskView,
        services: AwsServices,
        clock: Clock,
        *,
        sample: Sampler,
        credentials_id: str,
        protection: Protection | None = None,
    ) -> None:
        self._view = view
        self._credentials_id = credentials_id
        self._role = role = RoleSession(view, services, clock, credentials_id)
        agent = AgentApi(view, role, clock, protection or Protection(clock))
        self._handle = make_handle(role, Metadata(view, Statistics(sample)), agent)
        self._lock = threading.Lock()
        self._loopback: LoopbackServer | None = None
        self._is_closed = False

    def begin(self) -> None:
        """Get the task role's credentials; returns at once."""
        self._role.begin()

    def dial(self, source: str) -> socket.socket:
        """Return a connection to the endpoints, for a container whose address is ``source``."""
        return open_connection(self._handle, source)

    def environment(self, container: str) -> Mapping[str, str]:
        """Return the variables that lead a container here.

        Under host networking this begins to listen on loopback, and raises :class:`EngineError` once it is closed.
        """
        return agent_environment(
            self._view.plan,
            container,
            credentials_id=self._credentials_id,
            loopback_url=self._loopback_url(),
        )

    def wait_until_ready(self) -> None:
        """Return when the task's credentials are here. Raises :class:`CredentialsError`."""
        self._role.wait_until_begun()

    def _loopback_url(self) -> str | None:
        if self._view.plan.definition.network_mode is not NetworkMode.HOST:
            return None
        with self._lock:
            if self._is_closed:
                raise EngineError("the task is being removed: its containers have no endpoints any more")
            if self._loopback is None:
                self._loopback = LoopbackServer(self._handle)
            return self._loopback.url

    def close(self) -> None:
        """Stop listening, where anything listens. Safe to call twice."""
        with self._lock:
            self._is_closed = True
            if self._loopback is not None:
                self._loopback.close()

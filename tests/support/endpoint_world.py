"""One task's endpoints, with a task that is simulated and an AWS that is made up, over real sockets."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pytest_ecs_tasks.core.agent_environment import endpoint_id
from pytest_ecs_tasks.core.metadata import Surroundings
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.spec import Sensitive
from pytest_ecs_tasks.endpoints.task_endpoints import LocalEndpoints
from pytest_ecs_tasks.endpoints.view import TaskView
from pytest_ecs_tasks.engine.aws_ports import CredentialsError, RoleCredentials
from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.testing.clock import FakeClock
from simulation import Simulation

ROLE = "arn:aws:iam::444455556666:role/team/app"
CREDENTIALS_ID = "8f0c4c5e-0000-4000-8000-000000000001"


class FakeSts:
    """An AWS that knows how to begin sessions, each of an hour."""

    endpoint_url = "http://127.0.0.1:1"

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.sessions: list[tuple[str, str, str]] = []
        self.error: str | None = None

    def assume_role(self, role_arn: str, *, session_name: str, region: str) -> RoleCredentials:
        if self.error is not None:
            raise CredentialsError(self.error)
        self.sessions.append((role_arn, session_name, region))
        number = len(self.sessions)
        return RoleCredentials(
            role_arn,
            f"ASIA{number}",
            Sensitive(f"secret-{number}"),
            Sensitive(f"token-{number}"),
            self._clock.wall() + 3600,
        )


class FakeStatistics:
    """An engine's statistics: a hundred bytes come in every second."""

    def __init__(self) -> None:
        self.samples = 0
        self.unknown: set[str] = set()

    def __call__(self, runtime_id: str) -> dict[str, Any]:
        if runtime_id in self.unknown:
            raise EngineError(f"No such container: {runtime_id}", status=404)
        self.samples += 1
        return {
            "read": f"2026-01-31T12:00:{self.samples:02d}.000000000Z",
            "preread": "0001-01-01T00:00:00Z",
            "cpu_stats": {"cpu_usage": {"total_usage": self.samples}},
            "precpu_stats": {},
            "name": "/engine-name",
            "id": runtime_id,
            "networks": {"eth0": {"rx_bytes": 100 * self.samples, "tx_bytes": 0}},
        }


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class World:
    """One task's endpoints and everything around them."""

    simulation: Simulation
    clock: FakeClock = field(default_factory=FakeClock)
    statistics: FakeStatistics = field(default_factory=FakeStatistics)
    removed: bool = False

    def __post_init__(self) -> None:
        self.sts = FakeSts(self.clock)
        self.simulation.run(until=2)
        self.plan = self.simulation.task.plan
        around = Surroundings(lambda moment: datetime.fromtimestamp(1_700_000_000 + moment, UTC))
        view = TaskView(self.plan, self.snapshot, around)
        self.endpoints = LocalEndpoints(
            view,
            self.sts,  # type: ignore[arg-type] # the endpoints begin sessions and nothing else
            self.clock,
            sample=self.statistics,
            credentials_id=CREDENTIALS_ID,
        )

    def snapshot(self) -> Task | None:
        return None if self.removed else self.simulation.task

    @property
    def identifier(self) -> str:
        return endpoint_id(self.plan, "app")

    def connect(self, source: str = "10.0.0.2") -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("169.254.170.2")
        connection.sock = self.endpoints.dial(source)
        return connection

    def ask(self, path: str, method: str = "GET", body: object = None, source: str = "10.0.0.2") -> Reply:
        """Send one request on a connection of its own; ``ID`` in the path is the container's."""
        connection = self.connect(source)
        try:
            return send(connection, path.replace("ID", self.identifier), method, body)
        finally:
            connection.close()


def send(
    connection: http.client.HTTPConnection, path: str, method: str = "GET", body: object = None
) -> Reply:
    text = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, text)
    response = connection.getresponse()
    return Reply(response.status, dict(response.getheaders()), response.read())


def make_world(network: str = "awsvpc", *, role: str | None = ROLE, **more: Any) -> World:
    document = {
        "family": "web",
        "networkMode": network,
        "memory": "512",
        "containerDefinitions": [{"name": "app", "image": "app:1"}],
        **more,
    }
    definition = parse_task_definition(document, "test")
    return World(Simulation(replace(definition, task_role_arn=role)))

"""A registry for images as a container of the run, where its image is on the engine."""

from __future__ import annotations

import http.client
import uuid

from pytest_ecs_tasks.clusters.engine_room import LOOPBACK, EngineRoom
from pytest_ecs_tasks.core.spec import ContainerSpec, PublishedPort
from pytest_ecs_tasks.engine.ports import ContainerFacts, EngineError
from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.engine.system import comes_true
from pytest_ecs_tasks.runtimes.docker import DockerRuntime

IMAGES = ("registry:2", "registry:3", "registry:latest", "distribution/distribution:latest")
PORT = 5000
START_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 300.0


def find_image(runtime: DockerRuntime, wanted: str | None) -> str | None:
    """Return the id of the registry's image if the engine has it: the one asked for, else one of its usual names."""
    for name in (wanted,) if wanted else IMAGES:
        facts = runtime.find_image(name)
        if facts is not None:
            return facts.image_id
    return None


class RegistryContainer:
    """A running registry whose port is published on loopback; it bears the run's labels, so the guard ends it, too."""

    def __init__(self, room: EngineRoom, image_id: str) -> None:
        """Start it; returns when it answers. Raises :class:`EngineError`."""
        self._runtime = room.runtime
        self._id = self._runtime.create_container(
            ContainerSpec(
                name=f"ecs-tasks-{room.run_id}-registry-{uuid.uuid4().hex[:8]}",
                image_id=image_id,
                labels=room.labels,
                network=room.network.network_id,
                environment={"REGISTRY_HTTP_ADDR": f":{PORT}", "REGISTRY_LOG_LEVEL": "error"},
                published_ports=(PublishedPort(PORT),),
            )
        )
        try:
            self._runtime.start_container(self._id)
            bindings = self._runtime.inspect_container(self._id).bindings
            self._port = next(each.host_port for each in bindings if each.container_port == PORT)
            self._await_start()
        except BaseException:
            self.close()
            raise

    def _await_start(self) -> None:
        comes_true(lambda: self._answers() or not self._facts().running, START_TIMEOUT_S)
        if not self._answers():
            exit_code = self._facts().exit_code
            raise EngineError(f"the registry's container does not answer (exit code {exit_code})")

    def _facts(self) -> ContainerFacts:
        return self._runtime.inspect_container(self._id)

    def _answers(self) -> bool:
        try:
            connection = self.connect()
            try:
                connection.request("GET", "/v2/")
                return connection.getresponse().status == http.HTTPStatus.OK
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return False

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection to it; the caller closes it. Raises OSError."""
        connection = http.client.HTTPConnection(LOOPBACK, self._port)
        connection.sock = dial_tcp(LOOPBACK, self._port)
        connection.sock.settimeout(CALL_TIMEOUT_S)
        return connection

    def close(self) -> None:
        """Remove it with what it keeps. Safe to call twice."""
        self._runtime.remove_container(self._id)

"""The floor: the same steps over the raw engine API, with nothing between us and the socket."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

LABELS = {"pytest-ecs-tasks.benchmark": "1"}


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=120)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class RawEngine:
    """One keep-alive connection for each thread."""

    def __init__(self, url: str) -> None:
        self.path = url.removeprefix("unix://")
        self._local = threading.local()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Make one call; raises ``RuntimeError`` with the engine's words."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = UnixConnection(self.path)
        payload = None if body is None else json.dumps(body)
        connection.request(
            method, f"/v1.41{path}", payload, {"Content-Type": "application/json"} if payload else {}
        )
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return json.loads(data) if data else None

    @property
    def is_podman(self) -> bool:
        """Whether the engine is Podman."""
        return any("Podman" in part["Name"] for part in self.call("GET", "/version").get("Components", []))


class Floor:
    """A task of n members in a warm sandbox: create and start all members at once, then remove everything at once."""

    def __init__(self, url: str, image_id: str, sandbox_id: str, limits: dict[str, object]) -> None:
        self.engine = RawEngine(url)
        self._podman = self.engine.is_podman
        self._image_id, self._sandbox_image, self._limits = image_id, sandbox_id, limits
        self._pool = ThreadPoolExecutor(12)
        name = f"ecs-benchmark-{time.time_ns()}"
        self._network = self.engine.call("POST", "/networks/create", {"Name": name, "Labels": LABELS})["Id"]

    def sample(self, count: int) -> tuple[float, float]:
        """Return the seconds that one task of ``count`` members takes to start, and to go."""
        sandbox = self._create(self._network, self._sandbox_image, None)
        self._start(sandbox)
        quiet()
        begun = time.perf_counter()
        members = list(self._pool.map(lambda _: self._create_and_start(sandbox), range(count)))
        up = time.perf_counter() - begun
        begun = time.perf_counter()
        if self._podman:
            list(self._pool.map(self._remove, members))
            self._remove(sandbox)
        else:
            list(self._pool.map(self._remove, [*members, sandbox]))
        return up, time.perf_counter() - begun

    def close(self) -> None:
        """Remove the network."""
        self.engine.call("DELETE", f"/networks/{self._network}")
        self._pool.shutdown()

    def _create_and_start(self, sandbox: str) -> str:
        member = self._create(f"container:{sandbox}", self._image_id, ["sleep", "600"])
        self._start(member)
        return member

    def _create(self, network: str, image: str, command: list[str] | None) -> str:
        body: dict[str, object] = {
            "Image": image,
            "Labels": LABELS,
            "HostConfig": {
                "NetworkMode": network,
                "LogConfig": {"Type": "none"},
                **(self._limits if command else {}),
            },
        }
        if command:
            body["Cmd"] = command
        return str(self.engine.call("POST", "/containers/create", body)["Id"])

    def _start(self, container: str) -> None:
        self.engine.call("POST", f"/containers/{container}/start")

    def _remove(self, container: str) -> None:
        self.engine.call("DELETE", f"/containers/{container}?force=1&v=1")


def _busy_and_total() -> tuple[int, int]:
    with open("/proc/stat") as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def quiet(limit: float = 0.2, window_s: float = 0.15, patience_s: float = 10.0) -> None:
    """Wait until the machine was mostly idle for a moment."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        busy, total = _busy_and_total()
        time.sleep(window_s)
        busy_after, total_after = _busy_and_total()
        if (busy_after - busy) / max(1, total_after - total) < limit:
            return


def milliseconds(samples: list[float]) -> str:
    """Return ``median (min-max)`` in milliseconds."""
    return f"{1000 * median(samples):.0f} ({1000 * min(samples):.0f}-{1000 * max(samples):.0f})"

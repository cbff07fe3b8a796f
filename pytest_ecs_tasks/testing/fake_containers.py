"""The fake runtime's containers: what a script says about them, and their state."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pytest_ecs_tasks.core.spec import ContainerSpec, NetworkBinding
from pytest_ecs_tasks.engine.ports import ContainerFacts, EngineError, EngineEvent, ExecOutcome

Output = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Script:
    """How the containers of one image behave.

    - ``exits``: the exit code, ``after`` that many seconds; ``None`` runs until a signal.
    - ``output`` is written at the start.
    - ``on_signal``: exit codes by signal name; a signal with ``None`` is ignored, one without an entry ends it
      with 128 + its number.
    - ``start_error``: the engine's words when it refuses to start it.
    - ``executes``: what commands in it do; exit code 127 otherwise.
    """

    exits: int | None = None
    after: float = 0.0
    output: Output = ()
    on_signal: Mapping[str, int | None] = field(default_factory=dict)
    start_error: str = ""
    out_of_memory: bool = False
    executes: Mapping[tuple[str, ...], ExecOutcome] = field(default_factory=dict)


class FakeAttachment:
    """The output of a fake container from the moment of the attachment on."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[str, bytes]] = deque()
        self._ended = False
        self._changed = threading.Condition()

    def feed(self, stream: str, data: bytes) -> None:
        """Take a piece of output."""
        with self._changed:
            self._pieces.append((stream, data))
            self._changed.notify_all()

    def chunks(self) -> Iterator[tuple[str, bytes]]:
        """Yield the pieces as they come."""
        while True:
            with self._changed:
                while not self._pieces and not self._ended:
                    self._changed.wait()
                if not self._pieces:
                    return
                piece = self._pieces.popleft()
            yield piece

    def detach_socket(self) -> tuple[socket.socket, bytes]:
        """Refuse: there is no socket behind a fake container."""
        raise EngineError("a fake container has no raw socket; give the engine a fake SandboxSource")

    def close(self) -> None:
        """End it."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class FakeEvents:
    """The events of one label."""

    def __init__(self, key: str, value: str) -> None:
        self._key, self._value = key, value
        self._events: deque[EngineEvent] = deque()
        self._closed = False
        self._cut = ""
        self._changed = threading.Condition()

    def feed(self, event: EngineEvent, labels: Mapping[str, str]) -> None:
        """Take an event of a container with these labels."""
        if labels.get(self._key) == self._value:
            with self._changed:
                self._events.append(event)
                self._changed.notify_all()

    def __iter__(self) -> Iterator[EngineEvent]:
        while True:
            with self._changed:
                while not (self._events or self._closed or self._cut):
                    self._changed.wait()
                if self._closed:
                    return
                if not self._events:
                    raise EngineError(f"the engine's events were cut: {self._cut}")
                event = self._events.popleft()
            yield event

    def cut(self, reason: str) -> None:
        """Let the stream break, as when the engine dies."""
        with self._changed:
            self._cut = reason
            self._changed.notify_all()

    def close(self) -> None:
        """End it."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


@dataclass(slots=True)
class FakeContainer:
    """One container and its state. Changed by its runtime alone, under the runtime's lock."""

    container_id: str
    spec: ContainerSpec
    script: Script
    stop_signal: str | None = None
    address: str | None = None
    bindings: tuple[NetworkBinding, ...] = ()
    attachments: list[FakeAttachment] = field(default_factory=list)
    running: bool = False
    life: int = 0
    exit_code: int | None = None
    error: str = ""
    started_at: float | None = None
    finished_at: float | None = None

    def facts(self) -> ContainerFacts:
        """Return what inspect says."""
        ended = self.started_at is not None and not self.running
        return ContainerFacts(
            container_id=self.container_id,
            running=self.running,
            started=self.started_at is not None,
            exit_code=self.exit_code if ended else None,
            error=self.error,
            out_of_memory=ended and self.script.out_of_memory,
            started_at=self.started_at,
            finished_at=self.finished_at,
            stop_signal=self.stop_signal,
            address=self.address if self.running else None,
            mac_address="02:00:00:00:00:01" if self.running and self.address else None,
            pid=1000 + int(self.container_id[-4:], 16) if self.running else None,
            bindings=self.bindings if self.running else (),
            labels=dict(self.spec.labels),
        )

    def statistics(self, now: float) -> dict[str, object]:
        """Return a sample of a container that uses nothing; ``now`` in seconds since the epoch."""
        read = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
        return {"read": read, "cpu_stats": {}, "name": f"/{self.spec.name}", "id": self.container_id}


def published(spec: ContainerSpec, spare_port: int) -> tuple[NetworkBinding, ...]:
    """Return where a container's ports are on the host; ``spare_port`` is for those that ask for any."""
    return tuple(
        NetworkBinding(port.host_ip, port.container_port, port.host_port or spare_port, port.protocol)
        for port in spec.published_ports
    )


def bears(labels: Mapping[str, str], label: str) -> bool:
    """Tell whether there is a label ``key``, or ``key=value``."""
    key, equals, value = label.partition("=")
    return key in labels and (not equals or labels[key] == value)

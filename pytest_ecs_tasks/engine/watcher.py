"""The second source of facts: the engine's own event stream, one for the whole run, never trusted alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from pytest_ecs_tasks.engine.ports import ContainerRuntime, EngineError, EventStream

RECONNECT_AFTER_S = (0.1, 0.5, 1.0, 2.0, 5.0)


class Watcher:
    """Tells whoever asked that a container has died.

    An engine replays little or nothing after a cut (Docker keeps 256 events): each new connection begins with one list call.
    """

    def __init__(self, runtime: ContainerRuntime, label: str) -> None:
        self._runtime = runtime
        self._label = label
        self._lock = threading.Lock()
        self._callbacks: dict[str, Callable[[], None]] = {}
        self._stream: EventStream | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to follow the engine's events."""
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="ecs-tasks/engine events", daemon=True)
                self._thread.start()

    def register(self, container_id: str, died: Callable[[], None]) -> None:
        """Call ``died`` whenever the engine reports that the container has died."""
        with self._lock:
            self._callbacks[container_id] = died

    def forget(self, container_id: str) -> None:
        """Stop telling about a container."""
        with self._lock:
            self._callbacks.pop(container_id, None)

    def close(self) -> None:
        """End the stream and its thread."""
        with self._lock:
            self._closed.set()
            stream, thread = self._stream, self._thread
        if stream is not None:
            stream.close()
        if thread is not None:
            thread.join(timeout=5)

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                with contextlib.closing(self._runtime.events(self._label)) as stream:
                    with self._lock:
                        self._stream = stream
                        if self._closed.is_set():
                            return
                    self._reconcile()
                    failures = 0
                    for event in stream:
                        if event.action == "die":
                            self._tell(event.container_id)
            except (EngineError, OSError):
                pass
            self._closed.wait(RECONNECT_AFTER_S[min(failures, len(RECONNECT_AFTER_S) - 1)])
            failures += 1

    def _reconcile(self) -> None:
        running = {
            facts.container_id for facts in self._runtime.list_containers(self._label) if facts.running
        }
        with self._lock:
            gone = [container_id for container_id in self._callbacks if container_id not in running]
        for container_id in gone:
            self._tell(container_id)

    def _tell(self, container_id: str) -> None:
        with self._lock:
            died = self._callbacks.get(container_id)
        if died is not None:
            died()

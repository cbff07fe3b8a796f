"""The engine's events, in one spelling for both engines."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ecs_tasks.engine.ports import EngineError, EngineEvent
from pytest_ecs_tasks.runtimes.wire import Head, Wire

# Docker says die and destroy, Podman died (and die) and remove.
_ACTIONS = {
    "start": "start",
    "die": "die",
    "died": "die",
    "oom": "oom",
    "destroy": "remove",
    "remove": "remove",
}
REMEMBERED_EVENTS = 256
_EXIT_CODES = ("exitCode", "containerExitCode")


def parse_event(document: Mapping[str, Any]) -> EngineEvent | None:
    """Return the event; ``None`` for one that says nothing about a container's life."""
    action = _ACTIONS.get(str(document.get("Action") or document.get("status") or ""))
    if action is None or document.get("Type", "container") != "container":
        return None
    actor = document.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    code = next((attributes[name] for name in _EXIT_CODES if attributes.get(name)), None)
    exit_code = int(code) if action == "die" and code is not None else None
    return EngineEvent(action, str(actor.get("ID") or document.get("id") or ""), exit_code)


class WireEvents:
    """The events stream over a connection of its own."""

    def __init__(self, wire: Wire, head: Head) -> None:
        self._wire = wire
        self._head = head
        # Podman writes its log of events anew when it has grown, and may then tell some a second time.
        self._told: deque[tuple[object, ...]] = deque(maxlen=REMEMBERED_EVENTS)

    def __iter__(self) -> Iterator[EngineEvent]:
        try:
            for line in self._lines():
                document = json.loads(line)
                event = parse_event(document)
                key = (event, document.get("timeNano"))
                if event is not None and key not in self._told:
                    self._told.append(key)
                    yield event
        except (OSError, EngineError) as error:
            if not self._wire.closed:
                raise EngineError(f"the engine's events were cut: {error}") from error
        else:
            # docker-py takes this for the end of the events; it is the end of the engine.
            if not self._wire.closed:
                raise EngineError("the engine's events were cut: the engine ended the stream")
        finally:
            self._wire.close()

    def _lines(self) -> Iterator[bytes]:
        pending = b""
        for piece in self._wire.body(self._head):
            *lines, pending = (pending + piece).split(b"\n")
            yield from (line for line in lines if line.strip())

    def close(self) -> None:
        """End the stream from any thread."""
        self._wire.close()

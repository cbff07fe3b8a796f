"""Where the sessions of ExecuteCommand are served: WebSockets on this machine's loopback."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping

from pytest_ecs_tasks.control import Terminal
from pytest_ecs_tasks.endpoints.answer import Answer, Request, Stream, not_found
from pytest_ecs_tasks.endpoints.exec_channel import ExecChannel, Session
from pytest_ecs_tasks.endpoints.loopback import LoopbackServer
from pytest_ecs_tasks.endpoints.websocket import upgrade_headers
from pytest_ecs_tasks.engine.ports import Clock
from pytest_ecs_tasks.errors import EcsTaskError

_PATH = "/v1/data-channel/"
_ROLE = "publish_subscribe"


class ExecSessions:
    """The sessions of one ECS. Nothing listens until the first is made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._server: LoopbackServer | None = None
        self._waiting: dict[str, Session] = {}
        self._open: list[ExecChannel] = []
        self._is_closed = False

    def add(self, session_id: str, target: str, start: Callable[[], Terminal]) -> Mapping[str, str]:
        """Return ExecuteCommand's ``session``: where its client is served, once, and with which token.

        Raises :class:`EcsTaskError` when this has been closed for good.
        """
        session = Session(session_id, target, secrets.token_urlsafe(48), start)
        with self._lock:
            if self._is_closed:
                raise EcsTaskError("there are no more sessions: the AWS that they belonged to has ended")
            if self._server is None:
                self._server = LoopbackServer(self._handle)
            self._waiting[session_id] = session
            base = self._server.url.replace("http://", "ws://", 1)
        return {
            "sessionId": session_id,
            "streamUrl": f"{base}{_PATH}{session_id}?role={_ROLE}",
            "tokenValue": session.token,
        }

    def close(self, *, for_good: bool = False) -> None:
        """End every session and stop listening; unless it is for good, the next one that is added listens anew."""
        with self._lock:
            self._is_closed = self._is_closed or for_good
            server, self._server = self._server, None
            channels, self._open = self._open, []
            self._waiting = {}
        if server is not None:
            server.close()
        for channel in channels:
            channel.close()

    def _handle(self, request: Request) -> Answer:
        headers = upgrade_headers(request)
        session_id = request.path.removeprefix(_PATH)
        with self._lock:
            known = session_id in self._waiting
        if headers is None or not known:
            return not_found()
        return Answer(101, headers=headers, takes_over=lambda stream: self._converse(session_id, stream))

    def _converse(self, session_id: str, stream: Stream) -> None:
        with self._lock:
            session = self._waiting.pop(session_id, None)
            if session is None:  # another client was faster
                return
            channel = ExecChannel(session, stream, self._clock)
            self._open.append(channel)
        try:
            channel.run()
        finally:
            with self._lock:
                self._open = [each for each in self._open if each is not channel]

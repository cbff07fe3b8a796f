"""The endpoints of a task with host networking: a listener on this machine's loopback, at a path that cannot be guessed."""

from __future__ import annotations

import dataclasses
import secrets
import selectors
import threading
from http import HTTPStatus

from pytest_ecs_tasks.endpoints.answer import Answer, Handle, Request, not_found
from pytest_ecs_tasks.endpoints.connection import serve_on_thread
from pytest_ecs_tasks.engine.sockets import accept_connection, make_loopback_listener, make_socket_pair


class LoopbackServer:
    """Serves one task's endpoints on 127.0.0.1 until it is closed."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._secret = secrets.token_urlsafe(24)
        self._listener = make_loopback_listener()
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/{self._secret}"
        self._stop, self._stopped = make_socket_pair()
        self.thread = threading.Thread(target=self._run, name="ecs-tasks/endpoints listener", daemon=True)
        self.thread.start()

    def __repr__(self) -> str:
        return f"<LoopbackServer {self.url.removesuffix(self._secret)}***>"

    def close(self) -> None:
        """Stop listening; connections that are open end with their clients. Safe to call twice."""
        self._stop.close()

    def _run(self) -> None:
        with self._listener, self._stopped, selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._stopped in ready:
                    return
                self._accept()

    def _accept(self) -> None:
        try:
            connection = accept_connection(self._listener)
        except OSError:
            return  # the client has given up already
        connection.setblocking(True)
        serve_on_thread(connection, self._strip_secret, "127.0.0.1")

    def _strip_secret(self, request: Request) -> Answer:
        _, given, path = (*request.path.split("/", 2), "", "")[:3]
        if not secrets.compare_digest(given.encode(), self._secret.encode()):
            return not_found()
        target = request.target.partition(self._secret)[2]
        answer = self._handle(dataclasses.replace(request, path=f"/{path}", target=target))
        if answer.status != HTTPStatus.MOVED_PERMANENTLY:
            return answer
        headers = tuple((name, f"/{self._secret}{value}") for name, value in answer.headers)
        return dataclasses.replace(answer, headers=headers)

"""moto in this process, for ``--ecs-aws=in-process``: servers on loopback in front of the backends of the user's ``mock_aws``.

Each AWS has a server of its own, for its ECS is its own.

Not moto's own ``ThreadedMotoServer``: it opens its sockets by names that pytest-socket swaps, looks twice a second
whether to stop, and listens on every address by default.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pytest_ecs_tasks.aws.calls import send
from pytest_ecs_tasks.aws.handle import DEFAULT_ACCOUNT_ID
from pytest_ecs_tasks.aws.listener import LOOPBACK, Listener
from pytest_ecs_tasks.aws.moto_program import Application, with_ecs_elsewhere
from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.errors import EcsTaskError

if TYPE_CHECKING:
    from socketserver import BaseServer

    from moto.moto_server.werkzeug_app import MotoRequestHandler

_READY_TIMEOUT_S = 60.0
_log = logging.getLogger(__name__)


class SharedMotoUse:
    """One AWS's use of the shared backends; what is in them belongs to all who use them."""

    def __init__(self, moto: SharedMoto, server: _Server) -> None:
        self._moto = moto
        self._server = server
        self._is_over = False
        self.endpoint_url = server.endpoint_url

    def stop(self) -> None:
        """End the use. Safe to call twice."""
        if not self._is_over:
            self._is_over = True
            self._moto.release(self.endpoint_url)
            self._server.close()


class SharedMoto:
    """The backends. It has :class:`~pytest_ecs_tasks.aws.moto_server.MotoParent`'s methods.

    The backends are emptied by the user's ``mock_aws``, at its beginning and end, and by ``Aws.reset``. Where no
    ``mock_aws`` is active, the end of the last AWS in use empties them, so that the next test finds nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: Future[_Loaded] | None = None
        self._servers: list[_Server] = []
        self._uses = 0
        self._is_closed = False

    def start(self) -> None:
        """Load moto in the background and return at once; a second call does nothing."""
        with self._lock:
            self._start()

    def spawn(self, account_id: str, ecs_url: str | None = None) -> SharedMotoUse:
        """Return a use of the backends; loads moto if need be and waits until that is done.

        It has requests for ECS answered by ``ecs_url``, if that is given.

        Raises :class:`EcsTaskError`, also for an account that is not the one that moto plays in this process.
        """
        played = os.environ.get("MOTO_ACCOUNT_ID", DEFAULT_ACCOUNT_ID)
        if account_id != played:
            raise EcsTaskError(
                f"--ecs-aws=in-process: moto plays account {played} in this process, and ecs_account_id says "
                f"{account_id}. Set MOTO_ACCOUNT_ID={account_id} in the environment, or leave ecs_account_id as it was"
            )
        with self._lock:
            loaded = self._start()
        try:
            facts = loaded.result(_READY_TIMEOUT_S)
        except Exception as error:
            raise EcsTaskError(f"--ecs-aws=in-process: moto could not be loaded: {error!r}") from error
        server = _Server(facts, ecs_url)
        with self._lock:
            self._uses += 1
            self._servers.append(server)
        return SharedMotoUse(self, server)

    def release(self, endpoint_url: str) -> None:
        """Take note that the use at that endpoint, which still answers, has ended."""
        with self._lock:
            self._uses -= 1
            is_last = self._uses == 0 and not self._is_closed
            self._servers = [server for server in self._servers if server.endpoint_url != endpoint_url]
        if is_last and not is_mock_aws_active():
            send("POST", f"{endpoint_url}/moto-api/reset", {}, b"")

    def is_in_use(self) -> bool:
        """Tell whether an AWS uses the backends."""
        with self._lock:
            return self._uses > 0

    def close(self) -> None:
        """End the servers. Safe to call twice."""
        with self._lock:
            self._is_closed = True
            servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    def _start(self) -> Future[_Loaded]:
        if self._is_closed:
            raise EcsTaskError(
                "the test's AWS was asked for after the end of the run; ask for it in a fixture or test"
            )
        if self._loaded is None:
            self._loaded = Future()
            threading.Thread(
                target=_load_into, args=(self._loaded,), name="ecs-tasks/load moto", daemon=True
            ).start()
        return self._loaded


def is_mock_aws_active() -> bool:
    """Tell whether the user's process is inside a ``mock_aws`` now."""
    # The module is there, but not all that is in it, while another thread imports it.
    stubber = getattr(sys.modules.get("moto.core.models"), "botocore_stubber", None)
    return stubber is not None and bool(stubber.enabled)


@dataclass(frozen=True, slots=True)
class _ServerFacts:
    """What werkzeug's request handler asks of its server."""

    app: Application
    server_address: tuple[str, int]
    ssl_context: None = None
    multithread: bool = True
    multiprocess: bool = False
    passthrough_errors: bool = False
    _server_version: str = "moto"

    def log(self, kind: str, message: str, *arguments: Any) -> None:
        """Take werkzeug's report of a request that made moto raise."""
        _log.error(message, *arguments)


class _Server:
    """Accepts connections, each served on a thread of its own."""

    def __init__(self, loaded: _Loaded, ecs_url: str | None) -> None:
        application = loaded.application
        if ecs_url is not None:
            application = with_ecs_elsewhere(application, ecs_url, lambda address: dial_tcp(*address))
        self._handler = loaded.handler
        self._listener = Listener(
            "ecs-tasks/moto", lambda connection: _answer(self._handler, connection, self._facts)
        )
        self._facts = _ServerFacts(application, (LOOPBACK, self._listener.port))
        self.endpoint_url = self._listener.url
        self._listener.start()

    def close(self) -> None:
        """End it; returns when it listens no more. Requests that are being answered may go on. Safe to call twice."""
        self._listener.close()


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What moto is made of."""

    handler: type[MotoRequestHandler]
    application: Application


def _load_into(future: Future[_Loaded]) -> None:
    try:
        future.set_result(_load())
    except Exception as error:  # noqa: BLE001 - whoever waits for moto gets it
        future.set_exception(error)


def _load() -> _Loaded:
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )

    class Handler(MotoRequestHandler):
        def log_request(self, *args: object, **kwargs: object) -> None:
            """Keep no access log."""

    return _Loaded(Handler, DomainDispatcherApplication(create_backend_app))


def _answer(handler: type[MotoRequestHandler], connection: socket.socket, facts: _ServerFacts) -> None:
    with connection:
        try:
            handler(connection, connection.getpeername(), cast("BaseServer", facts))
        except OSError:
            pass  # the client has gone away

"""The moto parent process: imports moto once and forks a pristine AWS for each request.

Run as a script by a fresh interpreter (``moto_server.MotoParent``), never imported by the plugin; so it
imports nothing of ours. One JSON line in, one JSON line out: ``{"spawn": ACCOUNT, "ecs": URL}`` is answered
by ``{"pid": …, "port": …}``, ``{"stop": PID}`` by ``{}``, and all of them bear a ``number``.
"""

from __future__ import annotations

import gc
import http.client
import io
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, NoReturn
from urllib.parse import urlsplit

# One request to each service that tests commonly use; they read only, so that every child starts empty.
_JSON_TARGETS = {
    "sqs": "AmazonSQS.ListQueues",
    "secretsmanager": "secretsmanager.ListSecrets",
    # The dearest (0.4 s, 137 MB, for it imports moto.ec2), and the reason why children are forked.
    "ssm": "AmazonSSM.DescribeParameters",
    "logs": "Logs_20140328.DescribeLogGroups",
    "events": "AWSEvents.ListRules",
    "dynamodb": "DynamoDB_20120810.ListTables",
    "ecr": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
    "kms": "TrentService.ListAliases",
    "servicediscovery": "Route53AutoNaming_v20170314.ListNamespaces",
}
_QUERY_ACTIONS = {
    "sts": "Action=GetCallerIdentity&Version=2011-06-15",
    "iam": "Action=ListRoles&Version=2010-05-08",
    "elasticloadbalancing": "Action=DescribeLoadBalancers&Version=2015-12-01",
    "sns": "Action=ListTopics&Version=2010-03-31",
}
_PLAIN_PATHS = {"s3": "/", "lambda": "/2015-03-31/functions/"}

ECS_TARGET = "AmazonEC2ContainerServiceV20141113."
# A DescribeTargetHealth with it comes from our ECS, which asks for what moto itself says.
PASSED_ON = "X-Ecs-Tasks-Passed-On"
# RunTask may have to wait until the engine is ready.
_ECS_TIMEOUT_S = 300

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Dial = Callable[[tuple[str, int]], socket.socket]


def main() -> None:
    """Serve requests from standard input until it ends or the pytest process is gone."""
    # Ctrl-C is for the pytest process, whose teardown still uses what runs here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # moto prints; only replies may go where replies are read
    requests = os.fdopen(0, "rb", buffering=0)
    start = json.loads(_read_line(requests.fileno()))
    sys.path[:] = [*sys.path, *(entry for entry in start["path"] if entry not in sys.path)]
    gc.disable()
    application = _make_application()
    gc.collect()
    gc.freeze()
    if threading.active_count() != 1:
        raise RuntimeError(f"moto started threads, so forking it is not safe: {threading.enumerate()}")
    _Parent(application, replies, start["pid"]).serve()


class _Parent:
    """Forks, stops and reaps the children. Single-threaded, so that forking is safe."""

    def __init__(self, application: Application, replies: Any, pytest_pid: int) -> None:
        self._application = application
        self._replies = replies
        self._pytest_pid = pytest_pid
        self._children: set[int] = set()
        # A child reads the one end and never holds the other: end-of-file tells it that this process is gone.
        self._alive_read, self._alive_write = os.pipe()

    def serve(self) -> None:
        try:
            for line in _lines_while_alive(self._pytest_pid):
                request = json.loads(line)
                answer = {"number": request["number"]}
                if "spawn" in request:
                    answer.update(self._spawn(request["spawn"], request.get("ecs")))
                else:
                    self._stop(request["stop"])
                self._replies.write(json.dumps(answer) + "\n")
                self._replies.flush()
        finally:
            for pid in tuple(self._children):
                self._stop(pid)

    def _spawn(self, account_id: str, ecs_url: str | None) -> dict[str, int]:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        # Listening before the fork: whoever has the port can connect at once and waits in the queue.
        listener.listen(1024)
        port = listener.getsockname()[1]
        pid = os.fork()
        if pid == 0:
            self._become_child(account_id, ecs_url, listener)
        listener.close()
        self._children.add(pid)
        return {"pid": pid, "port": port}

    def _become_child(self, account_id: str, ecs_url: str | None, listener: socket.socket) -> NoReturn:
        try:
            os.environ["MOTO_ACCOUNT_ID"] = account_id
            os.close(self._alive_write)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            self._replies.close()
            threading.Thread(target=_end_with_parent, args=(self._alive_read,), daemon=True).start()
            application = self._application
            _serve_aws(with_ecs_elsewhere(application, ecs_url) if ecs_url else application, listener)
        finally:
            os._exit(1)

    def _stop(self, pid: int) -> None:
        if pid in self._children:
            self._children.remove(pid)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _serve_aws(application: Application, listener: socket.socket) -> None:
    from moto.moto_api._internal import mock_random
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    class Handler(MotoRequestHandler):
        def log_request(self, *args: object, **kwargs: object) -> None:
            """Keep no access log."""

    # Python reseeds its own generator after a fork; moto's would give every child the same "random" ids.
    mock_random.seed()
    gc.enable()
    server = make_server(
        "127.0.0.1", 0, application, threaded=True, request_handler=Handler, fd=listener.fileno()
    )
    server.serve_forever(poll_interval=3600)  # only how often it would look whether to shut down


def with_ecs_elsewhere(
    application: Application, ecs_url: str, dial: Dial = socket.create_connection
) -> Application:
    """Return the application with ECS's requests forwarded to ``ecs_url``; all others are answered as before."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        for_ecs = environ.get("HTTP_X_AMZ_TARGET", "").startswith(ECS_TARGET)
        may_be_for_ecs = is_for_balancers(environ.get("HTTP_AUTHORIZATION", ""))
        if not for_ecs and (not may_be_for_ecs or "HTTP_X_ECS_TASKS_PASSED_ON" in environ):
            return application(environ, start_response)
        length = environ.get("CONTENT_LENGTH") or None
        body = environ["wsgi.input"].read(int(length) if length else -1)
        if not for_ecs and not asks_for_health(body):
            environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
            return application(environ, start_response)
        headers = {
            "X-Amz-Target": environ.get("HTTP_X_AMZ_TARGET", ""),
            "Authorization": environ.get("HTTP_AUTHORIZATION", ""),
            "Content-Type": environ.get("CONTENT_TYPE", ""),
        }
        status, answer_headers, content = forward_to_ecs(ecs_url, headers, body, dial)
        start_response(status, answer_headers)
        return [content]

    return answer


def is_for_balancers(authorization: str) -> bool:
    """Tell whether a request is for Elastic Load Balancing, by its signature."""
    return "/elasticloadbalancing/" in authorization


def asks_for_health(body: bytes) -> bool:
    """Tell whether a request for load balancers asks how its targets are, which our ECS knows of its tasks."""
    return b"Action=DescribeTargetHealth" in body.split(b"&")


def forward_to_ecs(
    ecs_url: str, headers: dict[str, str], body: bytes, dial: Dial
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Send a request to ECS's own server; return status line, headers and body of its answer."""
    parts = urlsplit(ecs_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    try:
        connection.sock = dial((connection.host, connection.port))
        connection.sock.settimeout(_ECS_TIMEOUT_S)
        connection.request("POST", parts.path, body, headers)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    kept = [
        (name, value) for name, value in response.getheaders() if name.lower() not in ("connection", "date")
    ]
    return f"{response.status} {response.reason}", kept, content


def _make_application() -> Application:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    application = DomainDispatcherApplication(create_backend_app)
    for service, target in _JSON_TARGETS.items():
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"}
        _request(application, service, "POST", "/", headers, "{}")
    for service, action in _QUERY_ACTIONS.items():
        _request(
            application, service, "POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, action
        )
    for service, path in _PLAIN_PATHS.items():
        _request(application, service, "GET", path, {}, "")
    return application


def _request(
    application: Application, service: str, method: str, path: str, headers: dict[str, str], body: str
) -> None:
    from werkzeug.test import EnvironBuilder, run_wsgi_app

    credential = f"AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/{service}/aws4_request, Signature=0"
    all_headers = {**headers, "Authorization": credential, "Host": "127.0.0.1"}
    builder = EnvironBuilder(path=path, method=method, data=body, headers=list(all_headers.items()))
    _, status, _ = run_wsgi_app(application, builder.get_environ())
    if not status.startswith("2"):
        print(f"warming {service}: {status}", file=sys.stderr)


def _lines_while_alive(pytest_pid: int) -> Iterable[bytes]:
    """Yield requests until end-of-file, or until the pytest process is gone.

    Both are watched, as a process that the test forked may hold the pipe open for longer than pytest lives.
    """
    watched = [0]
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        try:
            watched.append(os.pidfd_open(pytest_pid))
        except ProcessLookupError:
            return
        except OSError:
            pass  # an old kernel, or a sandbox that forbids it: end-of-file has to do
    while os.getppid() == pytest_pid:
        readable, _, _ = select.select(watched, [], [])
        if 0 not in readable:
            return
        line = _read_line(0)
        if not line:
            return
        yield line


def _read_line(descriptor: int) -> bytes:
    """Read up to and with a newline, a byte at a time: a buffer would hide the next request from select."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            return b""
        line += byte
    return line


def _end_with_parent(alive_read: int) -> NoReturn:
    os.read(alive_read, 1)
    os._exit(0)


if __name__ == "__main__":
    main()

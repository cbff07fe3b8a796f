"""One health check of a target, against what listens on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from pytest_ecs_tasks.core.target_health import FAILED, HEALTHY, TIMED_OUT
from pytest_ecs_tasks.core.traffic import TargetCheck
from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.engine.target_probe import probe

pytestmark = pytest.mark.any_engine


DRIP = b"X-Drip: 1\r\n"


class OneAnswer:
    """A server that reads one request and sends what it was told to; nothing at all keeps the client waiting.

    What ends with :data:`DRIP` has no end.
    """

    def __init__(self, answer: bytes | None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.request = b""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(answer,), daemon=True)
        self._thread.start()

    def _serve(self, answer: bytes | None) -> None:
        connection, _ = self._listener.accept()
        with connection:
            self.request = connection.recv(4096)
            if answer is None:
                self._over.wait()
            else:
                connection.sendall(answer)
                while answer.endswith(DRIP) and not self._over.wait(0.01):
                    try:
                        connection.sendall(DRIP)
                    except OSError:
                        return

    def dial(self) -> socket.socket:
        return dial_tcp("127.0.0.1", self.port)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[OneAnswer]:
    server = OneAnswer(request.param)
    yield server
    server.close()


@pytest.mark.parametrize("server", [b"HTTP/1.1 204 No Content\r\n\r\n"], indirect=True)
def test_an_http_check_asks_as_a_load_balancer_does(server: OneAnswer) -> None:
    found = probe(server.dial, TargetCheck(path="/health", matcher="200-299"), "10.0.0.2:8080")

    assert found == HEALTHY
    assert server.request.startswith(b"GET /health HTTP/1.1\r\n")
    assert b"Host: 10.0.0.2:8080\r\n" in server.request
    assert b"User-Agent: ELB-HealthChecker/2.0\r\n" in server.request


@pytest.mark.parametrize("server", [b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n"], indirect=True)
def test_a_redirection_is_an_answer(server: OneAnswer) -> None:
    assert probe(server.dial, TargetCheck(), "10.0.0.2:80").description == (
        "Health checks failed with these codes: [302]"
    )


@pytest.mark.parametrize("server", [None], indirect=True)
def test_an_application_that_does_not_answer_times_out(server: OneAnswer) -> None:
    assert probe(server.dial, TargetCheck(timeout_s=0.05), "10.0.0.2:80") == TIMED_OUT


@pytest.mark.parametrize("server", [b"HTTP/1.1 200 OK\r\n" + DRIP], indirect=True)
def test_the_timeout_is_for_the_whole_answer(server: OneAnswer) -> None:
    assert probe(server.dial, TargetCheck(timeout_s=0.3), "10.0.0.2:80") == TIMED_OUT


@pytest.mark.parametrize("server", [b"220 mail\r\n", b""], indirect=True)
@pytest.mark.parametrize("protocol", ["HTTP", "HTTPS"])
def test_what_does_not_speak_the_protocol_fails(server: OneAnswer, protocol: str) -> None:
    assert probe(server.dial, TargetCheck(protocol), "10.0.0.2:80") == FAILED


def test_a_port_where_nothing_listens_fails() -> None:
    def refuse() -> socket.socket:
        raise ConnectionRefusedError

    for protocol in ("HTTP", "HTTPS", "TCP"):
        assert probe(refuse, TargetCheck(protocol), "10.0.0.2:80") == FAILED


@pytest.mark.parametrize("server", [b"HTTP/1.1 200 OK\r\n\r\n"], indirect=True)
@pytest.mark.parametrize("path", ["/ü", "/a b"])
def test_a_path_that_no_request_can_have_fails(server: OneAnswer, path: str) -> None:
    assert probe(server.dial, TargetCheck(path=path), "10.0.0.2:80") == FAILED


@pytest.mark.parametrize("server", [b""], indirect=True)
def test_a_tcp_check_is_content_with_a_connection(server: OneAnswer) -> None:
    assert probe(server.dial, TargetCheck("TCP"), "10.0.0.2:80") == HEALTHY

"""A container's lines on their way to the log router, which is a socket of the test's here."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from pytest_ecs_tasks.core import forward
from pytest_ecs_tasks.engine.aws_ports import LogStreamError
from pytest_ecs_tasks.engine.log_routing import RoutedOutput, RouterLog, finish


def expected(text: bytes, at: float = 1.0, source: str = "stdout") -> bytes:
    record: dict[str, str | bytes] = {
        "container_id": "c0ffee",
        "container_name": "/web",
        "source": source,
        "log": text,
    }
    return forward.message("web-firelens-1", at, record)


class Router:
    """The router's end: connections as they are made, refused as long as ``refuses`` says."""

    def __init__(self) -> None:
        self.refuses = threading.Event()
        self.attempts = threading.Semaphore(0)
        self.connections: queue.Queue[socket.socket] = queue.Queue()
        self.opened: list[socket.socket] = []

    def dial(self) -> socket.socket:
        self.attempts.release()
        if self.refuses.is_set():
            raise ConnectionRefusedError("nobody listens")
        ours, theirs = socket.socketpair()
        self.opened += [ours, theirs]
        self.connections.put(theirs)
        return ours

    def read_all(self) -> bytes:
        """Read the next connection to its end and close it, as a router does."""
        connection = self.connections.get(timeout=60)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
        connection.close()
        return received


@pytest.fixture
def router() -> Iterator[Router]:
    router = Router()
    yield router
    for each in router.opened:
        each.close()


def make_log(router: Router, grace_s: float = 60.0) -> RouterLog:
    return RouterLog(
        "web-firelens-1",
        "log_router",
        router.dial,
        container_id="c0ffee",
        container_name="/web",
        grace_s=grace_s,
    )


def close_later(log: RouterLog) -> threading.Thread:
    thread = threading.Thread(target=log.close)
    thread.start()
    return thread


def test_lines_arrive_in_order_and_the_end_is_told(router: Router) -> None:
    log = make_log(router)
    for number in range(1000):
        log.write(b"%d" % number, 1.0, "stdout")
    closing = close_later(log)

    assert router.read_all() == b"".join(expected(b"%d" % number) for number in range(1000))
    closing.join(60)
    assert not closing.is_alive()


def test_a_container_that_writes_nothing_never_connects(router: Router) -> None:
    make_log(router).close()

    assert router.connections.empty()


def test_lines_wait_for_a_router_that_does_not_listen_yet(router: Router) -> None:
    router.refuses.set()
    log = make_log(router)
    log.write(b"early", 1.0, "stdout")
    for _ in range(3):
        assert router.attempts.acquire(timeout=60)
    router.refuses.clear()
    closing = close_later(log)

    assert router.read_all() == expected(b"early")
    closing.join(60)


def test_a_router_that_never_listens_is_an_error_that_counts_what_is_lost(router: Router) -> None:
    router.refuses.set()
    log = make_log(router, grace_s=0.1)
    log.write(b"one", 1.0, "stdout")
    log.write(b"two", 1.0, "stdout")

    with pytest.raises(LogStreamError) as caught:
        log.close()

    assert str(caught.value) == (
        "2 messages for web-firelens-1 did not reach the log router 'log_router' at port 24224: nobody listens"
    )


def test_a_router_that_closes_is_connected_to_again(router: Router) -> None:
    log = make_log(router)
    log.write(b"one", 1.0, "stdout")
    first = router.connections.get(timeout=60)
    assert first.recv(65536) == expected(b"one")
    first.close()

    log.write(b"two", 1.0, "stdout")
    closing = close_later(log)

    assert router.read_all() == expected(b"two")
    closing.join(60)


def test_a_router_that_stops_reading_does_not_hold_up_the_end(router: Router) -> None:
    log = make_log(router, grace_s=0.2)
    for _ in range(1000):
        log.write(b"x" * 10_000, 1.0, "stdout")
    router.connections.get(timeout=60)

    with pytest.raises(LogStreamError, match=r"\d+ messages for web-firelens-1 did not reach the log router"):
        log.close()


def test_the_end_tells_whether_the_router_has_read_to_it(router: Router) -> None:
    reads, ignores = router.dial(), router.dial()
    reader = threading.Thread(target=router.read_all)
    reader.start()

    assert finish(reads, 60)
    assert not finish(ignores, 0.05)
    reader.join(60)


def test_a_log_that_is_let_go_takes_no_more_and_ends_at_once(router: Router) -> None:
    router.refuses.set()
    log = make_log(router, grace_s=60)
    log.write(b"one", 1.0, "stdout")

    log.abandon()
    log.write(b"two", 1.0, "stdout")

    with pytest.raises(LogStreamError, match="2 messages"):
        log.close()


def test_what_is_written_after_the_routers_end_is_counted_too(router: Router) -> None:
    log = make_log(router)

    log.abandon("the log router has ended")
    log.write(b"late", 1.0, "stdout")

    with pytest.raises(LogStreamError, match=r"1 messages .*: the log router has ended"):
        log.close()
    assert router.connections.empty()


def test_each_line_tells_the_stream_that_it_came_from(router: Router) -> None:
    log = make_log(router)
    output = RoutedOutput(log)
    output.feed("stdout", b"out\nun", 1.0)
    output.feed("stderr", b"err\n", 2.0)
    output.feed("stdout", b"finished", 3.0)
    output.finish(4.0)
    closing = close_later(log)

    assert router.read_all() == b"".join(
        [expected(b"out"), expected(b"err", 2.0, "stderr"), expected(b"unfinished", 4.0)]
    )
    closing.join(60)

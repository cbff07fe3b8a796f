"""``--ecs-aws=URL``: what the front passes on, and what it has ECS answer."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import pytest_socket

from pytest_ecs_tasks.aws.front import Front
from pytest_ecs_tasks.aws.handle import Aws, AwsFactory
from pytest_ecs_tasks.endpoints.ecs_api import EcsApiServer

ECS_HEADERS = {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters"}


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent; ``/chunked`` in chunks, ``/nothing`` with 204."""

    protocol_version = "HTTP/1.1"

    def _echo(self) -> None:
        body = self._read()
        told = json.dumps(
            {"method": self.command, "path": self.path, "headers": dict(self.headers), "size": len(body)}
        ).encode()
        if self.path == "/nothing":
            self.send_response(204)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("X-Server", self.server.name)
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for start in range(0, len(body), 1000):
                piece = body[start : start + 1000]
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _echo  # noqa: N815

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *arguments) -> None:
        """Say nothing."""


def serve(name: str) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.name = name
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


@pytest.fixture
def servers() -> Iterator[tuple[str, str]]:
    """Yield the URLs of a user's AWS and of our ECS."""
    pair = [serve("theirs"), serve("ecs")]
    yield tuple(f"http://127.0.0.1:{server.server_port}" for server in pair)
    for server in pair:
        server.shutdown()
        server.server_close()


@pytest.fixture
def front(servers) -> Iterator[Front]:
    theirs, ecs = servers
    front = Front(theirs, f"{ecs}/secret/key")
    yield front
    front.stop()
    front.stop()


@pytest.fixture
def connection(front) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(front.endpoint_url).port, timeout=60)
    yield connection
    connection.close()


def ask(connection, method: str, path: str, body=None, headers=None, **more):
    connection.request(method, path, body, headers or {}, **more)
    response = connection.getresponse()
    return response, response.read()


def test_requests_go_to_the_users_aws_as_they_are_over_one_connection(connection):
    for path in ("/bucket/a%20b?x=1&y=%2F", "/again"):
        response, body = ask(
            connection, "PUT", path, b"data", {"Authorization": "AWS4 Credential=x", "Host": "s3.local"}
        )

        told = json.loads(body)
        assert (told["method"], told["path"], told["size"]) == ("PUT", path, 4)
        assert (told["headers"]["Authorization"], told["headers"]["Host"]) == (
            "AWS4 Credential=x",
            "s3.local",
        )
        assert response.getheader("X-Server") == "theirs"


def test_requests_for_ecs_go_to_our_ecs(connection):
    response, body = ask(connection, "POST", "/", b"{}", ECS_HEADERS)

    assert response.getheader("X-Server") == "ecs"
    told = json.loads(body)
    assert (told["path"], told["headers"]["X-Amz-Target"]) == ("/secret/key", ECS_HEADERS["X-Amz-Target"])


def test_bodies_in_chunks_pass_both_ways(connection):
    def pieces():
        for _ in range(300):
            yield b"x" * 1000

    response, body = ask(
        connection,
        "POST",
        "/chunked",
        pieces(),
        encode_chunked=True,
        headers={"Transfer-Encoding": "chunked"},
    )

    assert response.getheader("Transfer-Encoding") == "chunked"
    assert body == b"x" * 300_000


def test_a_large_body_passes(connection):
    _, body = ask(connection, "PUT", "/large", b"x" * 5_000_000)

    assert json.loads(body)["size"] == 5_000_000


def test_answers_without_a_body_leave_the_connection_usable(connection):
    head, nothing = ask(connection, "HEAD", "/head")
    assert (int(head.getheader("Content-Length")) > 0, nothing) == (True, b"")
    empty, _ = ask(connection, "GET", "/nothing")
    assert empty.status == 204

    assert json.loads(ask(connection, "GET", "/after")[1])["path"] == "/after"


def test_who_waits_for_a_100_is_told_to_continue(connection):
    _, body = ask(connection, "PUT", "/expect", b"data", {"Expect": "100-continue"})

    assert json.loads(body)["size"] == 4


def test_an_aws_that_cannot_be_reached_is_a_502_that_says_so(servers):
    front = Front("http://127.0.0.1:9", servers[1])
    try:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(front.endpoint_url).port, timeout=60)
        response, body = ask(connection, "GET", "/")
        connection.close()
    finally:
        front.stop()

    assert response.status == 502
    assert body.decode().startswith("http://127.0.0.1:9 cannot be reached: ")


def test_a_path_in_the_users_url_comes_before_each_request(servers):
    front = Front(f"{servers[0]}/base/", servers[1])
    try:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(front.endpoint_url).port, timeout=60)
        _, body = ask(connection, "GET", "/bucket")
        connection.close()
    finally:
        front.stop()

    assert json.loads(body)["path"] == "/base/bucket"


class Ecs:
    """Our ECS, as an AWS sees it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.calls: list[str] = []

    def reset(self) -> None:
        self.calls.append("reset")

    def close(self) -> None:
        self.calls.append("close")


@pytest.mark.parametrize("mode", ["server", "in-process", "URL"])
def test_in_every_mode_ecs_is_answered_by_ours_and_s3_by_moto(factory, servers, mode):
    their_aws = factory.new()
    url = their_aws.endpoint_url if mode == "URL" else None
    made = AwsFactory(url=url, in_process=mode == "in-process")
    aws: Aws = made.new(make_ecs=lambda aws: Ecs(f"{servers[1]}/ecs"))
    try:
        aws.client("s3").create_bucket(Bucket="inbox")
        aws.client("s3").put_object(Bucket="inbox", Key="k", Body=b"x" * 100_000)
        assert len(aws.client("s3").get_object(Bucket="inbox", Key="k")["Body"].read()) == 100_000

        answer = aws.client("ecs").list_clusters()
        assert answer["ResponseMetadata"]["HTTPHeaders"]["x-server"] == "ecs"

        aws.reset()
        assert aws.client("s3").list_buckets()["Buckets"] == []
        assert aws.ecs.calls == ["reset"]
    finally:
        aws.close()
        made.close()
        their_aws.close()
    assert aws.ecs.calls == ["reset", "close"]


class OneCluster:
    """An ECS with one cluster."""

    def call(self, operation: str, request: object, region: str | None) -> dict[str, object]:
        return {"clusterArns": [f"{operation} {region}"]}


@pytest.mark.parametrize("mode", ["server", "in-process", "URL"])
def test_ecs_is_answered_although_the_test_has_forbidden_itself_sockets(factory, mode):
    server = EcsApiServer()
    their_aws = factory.new()
    url = their_aws.endpoint_url if mode == "URL" else None
    made = AwsFactory(url=url, in_process=mode == "in-process")
    aws = made.new(make_ecs=lambda aws: Ecs(server.add(OneCluster())))
    ecs = aws.client("ecs")
    pytest_socket.disable_socket()
    try:
        answer = ecs.list_clusters()
    finally:
        pytest_socket.enable_socket()
        aws.close()
        made.close()
        their_aws.close()
        server.close()

    assert answer["clusterArns"] == ["ListClusters us-east-1"]

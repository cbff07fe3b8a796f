"""The sandbox link on a real engine, under load, with peers that stall, reset and vanish."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import docker.types
import pytest

from left_over import wait_for
from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.runtimes.sandbox.frames import AWS_SERVICE, ENDPOINTS_SERVICE, SetupFailure, SetupStep
from pytest_ecs_tasks.runtimes.sandbox.image import sandbox_image
from pytest_ecs_tasks.runtimes.sandbox.link import Link, LinkError

LABELS = {"pytest-ecs-tasks.test": "link"}
AWS_PORT, ENDPOINTS_PORT = 51670, 51671
MEGABYTE = 1 << 20
PATTERN = hashlib.shake_128(b"every megabyte of every transfer").digest(MEGABYTE)
SUM_OF_100 = hashlib.sha256(PATTERN * 100).hexdigest()

Serve = Callable[[socket.socket], None]


class Server:
    """A TCP server on loopback that serves each connection on a thread of its own."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._closing = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closing:
                connection.close()
                return
            thread = threading.Thread(target=self._run, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._serve(connection)

    def dial(self) -> socket.socket:
        return dial_tcp("127.0.0.1", self.port)

    def close(self) -> None:
        self._closing = True
        self.dial().close()
        for thread in self._threads:  # the first is the one that may still add to them
            thread.join(30)
        self._listener.close()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def sink(connection: socket.socket) -> None:
    """Read to the end, then answer with the sum of it."""
    digest = hashlib.sha256()
    while data := connection.recv(MEGABYTE):
        digest.update(data)
    connection.sendall(digest.hexdigest().encode())


def source(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(PATTERN)


class Engine:
    """The engine under test, and what a test makes on it."""

    def __init__(self, url: str) -> None:
        # docker-py is typed in part only.
        self.api = cast(Any, docker.APIClient(base_url=url, timeout=60))
        self.is_podman = any(part["Name"] == "Podman Engine" for part in self.api.version()["Components"])
        machine = self.api.info()["Architecture"]
        image = sandbox_image(machine)
        list(self.api.load_image(image.archive))
        self.sandbox_id: str = self.api.inspect_image(image.image_id)["Id"]
        prefix = "localhost/" if self.is_podman else ""
        self.python_id: str = self.api.inspect_image(f"{prefix}pytest-ecs-tasks/python:1")["Id"]

    def make_sandbox(
        self,
        stack: contextlib.ExitStack,
        *services: str,
        network: str = "bridge",
        user: str = "",
        capabilities: tuple[str, ...] = (),
    ) -> Sandbox:
        limits = self.api.create_host_config(
            network_mode=network,
            cap_add=list(capabilities),
            cap_drop=["ALL"],
            read_only=True,
            security_opt=["no-new-privileges"],
            log_config=docker.types.LogConfig(type="none"),
        )
        container = self.api.create_container_from_config(
            {
                "Image": self.sandbox_id,
                "Cmd": list(services),
                "User": user,
                "Labels": LABELS,
                "OpenStdin": True,
                "StdinOnce": True,
                "AttachStdin": True,
                "AttachStdout": True,
                "AttachStderr": True,
                "HostConfig": limits,
            }
        )["Id"]
        stack.callback(self.api.remove_container, container, force=True, v=True)
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached = self.api.attach_socket(container, params=streams)
        stack.callback(attached.close)
        link = Link(attached._sock, {})
        stack.callback(link.close)
        self.api.start(container)
        link.wait_ready(30)
        return Sandbox(self, container, attached._sock, link)

    def start_member(
        self, stack: contextlib.ExitStack, sandbox_id: str, program: str, *, user: str = ""
    ) -> str:
        container: str = self.api.create_container_from_config(
            {
                "Image": self.python_id,
                "Entrypoint": ["python3"],
                "Cmd": ["-c", program],
                "User": user,
                "Labels": LABELS,
                "HostConfig": self.api.create_host_config(network_mode=f"container:{sandbox_id}"),
            }
        )["Id"]
        stack.callback(self.api.remove_container, container, force=True, v=True)
        self.api.start(container)
        return container


class Sandbox:
    """A running sandbox and its link."""

    def __init__(self, engine: Engine, container_id: str, attached: socket.socket, link: Link) -> None:
        self._engine = engine
        self.attached = attached
        self.container_id = container_id
        self.link = link

    def state(self) -> dict[str, object]:
        state: dict[str, object] = self._engine.api.inspect_container(self.container_id)["State"]
        return state

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self._engine.api.kill(self.container_id, "SIGTERM")
        code: int = self._engine.api.wait(self.container_id)["StatusCode"]
        return code

    def run_member(self, stack: contextlib.ExitStack, program: str, *, user: str = "") -> str:
        """Run Python in the namespace until it ends; return what it printed."""
        container = self._engine.start_member(stack, self.container_id, program, user=user)
        code = self._engine.api.wait(container)["StatusCode"]
        printed: bytes = self._engine.api.logs(container)
        assert code == 0, printed.decode()
        return printed.decode().strip()

    def serve_member(
        self, stack: contextlib.ExitStack, program: str, port: int, *, host: str = "0.0.0.0"
    ) -> None:
        """Start Python in the namespace that listens on ``port``; return when it does."""
        self._engine.start_member(stack, self.container_id, program)
        for _ in range(200_000):
            with contextlib.suppress(ConnectionRefusedError):
                self.link.connect(port, host=host).close()
                return
        raise AssertionError(f"nobody listened on port {port}")


@pytest.fixture(scope="module")
def engine(engine_url: str) -> Iterator[Engine]:
    engine = Engine(engine_url)
    yield engine
    engine.api.close()


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def make_sandbox(engine: Engine, stack: contextlib.ExitStack) -> Callable[..., Sandbox]:
    def make_sandbox(*, network: str = "bridge", port: int = AWS_PORT, user: str = "") -> Sandbox:
        return engine.make_sandbox(stack, f"aws={port}", network=network, user=user)

    return make_sandbox


@pytest.fixture
def task_sandbox(engine: Engine, stack: contextlib.ExitStack) -> Sandbox:
    """A sandbox as tasks have it: with ECS's link-local addresses."""
    services = (f"aws={AWS_PORT}", f"endpoints={ENDPOINTS_PORT}")
    return engine.make_sandbox(stack, *services, capabilities=("NET_ADMIN",))


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox()


@pytest.fixture
def serve(stack: contextlib.ExitStack) -> Callable[[Serve], Server]:
    def serve(serve_one: Serve) -> Server:
        server = Server(serve_one)
        stack.callback(server.close)
        return server

    return serve


def exchange(connection: socket.socket, question: bytes) -> bytes:
    """Send, end, and read to the end, both at once."""

    def send() -> None:
        connection.sendall(question)
        connection.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    answer = bytearray()
    while data := connection.recv(65536):
        answer += data
    sender.join()
    return bytes(answer)


# Members print; what they print is asserted. Each line of these programs runs in a container.
CONNECT = f"import socket; s = socket.create_connection(('127.0.0.1', {AWS_PORT}))"
LISTEN = "import socket, threading; l = socket.create_server(({host!r}, {port}), backlog=512)"
ECHO_SERVER = (
    LISTEN
    + """
def echo(c):
    with c:
        while d := c.recv(65536): c.sendall(d)
while True: threading.Thread(target=echo, args=(l.accept()[0],)).start()
"""
)


def test_a_member_talks_to_a_service_of_the_host(
    sandbox: Sandbox, stack: contextlib.ExitStack, serve: Callable[[Serve], Server]
) -> None:
    sandbox.link.set_service(AWS_SERVICE, serve(echo).dial)

    printed = sandbox.run_member(stack, f"{CONNECT}; s.sendall(b'hello'); print(s.recv(100))")

    assert printed == "b'hello'"
    assert sandbox.link.hello.ports == {AWS_SERVICE: AWS_PORT}


@pytest.mark.parametrize(
    ("service", "address"),
    [(AWS_SERVICE, ("127.0.0.1", AWS_PORT)), (ENDPOINTS_SERVICE, ("169.254.170.2", 80))],
)
def test_two_hundred_members_streams_flow_at_once(
    task_sandbox: Sandbox,
    stack: contextlib.ExitStack,
    serve: Callable[[Serve], Server],
    service: int,
    address: tuple[str, int],
) -> None:
    task_sandbox.link.set_service(service, serve(echo).dial)
    program = f"""
import hashlib, socket, threading
together, right = threading.Barrier(200), []
def talk(number):
    question = hashlib.shake_128(str(number).encode()).digest(100_000)
    with socket.create_connection({address}) as s:
        together.wait()
        sender = threading.Thread(target=lambda: (s.sendall(question), s.shutdown(1)))
        sender.start()
        answer = b"".join(iter(lambda: s.recv(65536), b""))
        sender.join()
        right.append(answer == question)
threads = [threading.Thread(target=talk, args=(number,)) for number in range(200)]
for t in threads: t.start()
for t in threads: t.join()
print(len(right), all(right))
"""

    assert task_sandbox.run_member(stack, program) == "200 True"
    assert task_sandbox.link.error is None


def test_two_hundred_streams_into_the_namespace_flow_at_once(
    sandbox: Sandbox, stack: contextlib.ExitStack
) -> None:
    sandbox.serve_member(stack, ECHO_SERVER.format(host="0.0.0.0", port=7000), 7000)
    connections = [stack.enter_context(sandbox.link.connect(7000)) for _ in range(200)]
    questions = [hashlib.shake_128(str(number).encode()).digest(100_000) for number in range(200)]
    answers: dict[int, bytes] = {}

    def talk(number: int) -> None:
        answers[number] = exchange(connections[number], questions[number])

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answers[number] == questions[number] for number in range(200)] == [True] * 200


def test_a_hundred_megabytes_reach_the_host_unharmed(
    sandbox: Sandbox, stack: contextlib.ExitStack, serve: Callable[[Serve], Server]
) -> None:
    sandbox.link.set_service(AWS_SERVICE, serve(sink).dial)
    program = f"""
import hashlib
{CONNECT}
pattern = hashlib.shake_128(b"every megabyte of every transfer").digest({MEGABYTE})
for _ in range(100): s.sendall(pattern)
s.shutdown(1)
print(s.recv(100).decode())
"""

    assert sandbox.run_member(stack, program) == SUM_OF_100


def test_a_hundred_megabytes_reach_a_member_unharmed(
    sandbox: Sandbox, stack: contextlib.ExitStack, serve: Callable[[Serve], Server]
) -> None:
    sandbox.link.set_service(AWS_SERVICE, serve(source).dial)
    program = f"""
import hashlib
{CONNECT}
digest = hashlib.sha256()
while data := s.recv({MEGABYTE}): digest.update(data)
print(digest.hexdigest())
"""

    assert sandbox.run_member(stack, program) == SUM_OF_100


def test_a_hundred_megabytes_go_both_ways_on_one_stream(
    sandbox: Sandbox, stack: contextlib.ExitStack
) -> None:
    sandbox.serve_member(stack, ECHO_SERVER.format(host="0.0.0.0", port=7000), 7000)

    with sandbox.link.connect(7000) as connection:
        answer = exchange(connection, PATTERN * 100)

    assert hashlib.sha256(answer).hexdigest() == SUM_OF_100


def sent_until_stuck(connection: socket.socket) -> int:
    """Send until nothing is taken any more for a second, at most 100 MB; return the bytes."""
    connection.settimeout(1)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < 100 * MEGABYTE:
            sent += connection.send(PATTERN)
    return sent


def test_a_member_that_does_not_read_stalls_only_itself(
    sandbox: Sandbox, stack: contextlib.ExitStack
) -> None:
    sandbox.serve_member(stack, ECHO_SERVER.format(host="0.0.0.0", port=7000), 7000)
    hold = LISTEN.format(host="0.0.0.0", port=7001) + "; held = []\nwhile True: held.append(l.accept()[0])"
    sandbox.serve_member(stack, hold, 7001)
    with sandbox.link.connect(7001) as stalled, sandbox.link.connect(7000) as brisk:
        sent = sent_until_stuck(stalled)

        assert exchange(brisk, PATTERN) == PATTERN

    assert MEGABYTE // 4 < sent < 32 * MEGABYTE


def test_a_reader_on_the_host_that_stalls_stalls_only_itself(
    sandbox: Sandbox, stack: contextlib.ExitStack
) -> None:
    sandbox.serve_member(stack, ECHO_SERVER.format(host="0.0.0.0", port=7000), 7000)
    with sandbox.link.connect(7000) as stalled, sandbox.link.connect(7000) as brisk:
        sent = sent_until_stuck(stalled)  # the echo comes back and is not read

        assert exchange(brisk, PATTERN) == PATTERN

        stalled.settimeout(30)
        stalled.shutdown(socket.SHUT_WR)
        received = 0
        while data := stalled.recv(MEGABYTE):
            received += len(data)
    assert received == sent < 64 * MEGABYTE


def test_a_service_that_does_not_read_stalls_only_its_client(
    sandbox: Sandbox, stack: contextlib.ExitStack, serve: Callable[[Serve], Server]
) -> None:
    let_go = threading.Event()
    stack.callback(let_go.set)

    def first_byte_decides(connection: socket.socket) -> None:
        if connection.recv(1) == b"s":
            let_go.wait(60)
        else:
            echo(connection)

    server = serve(first_byte_decides)
    stack.callback(let_go.set)
    sandbox.link.set_service(AWS_SERVICE, server.dial)
    program = f"""
import socket
stalled, brisk = (socket.create_connection(("127.0.0.1", {AWS_PORT})) for _ in range(2))
stalled.sendall(b"s"); stalled.settimeout(1); sent = 0
try:
    while sent < 100 << 20: sent += stalled.send(bytes(65536))
except TimeoutError: pass
brisk.sendall(b"b"); brisk.sendall(b"hello")
print(sent < 64 << 20, brisk.recv(100))
"""

    assert sandbox.run_member(stack, program) == "True b'hello'"


def test_each_direction_ends_on_its_own(
    sandbox: Sandbox, stack: contextlib.ExitStack, serve: Callable[[Serve], Server]
) -> None:
    def answer_first_then_listen(connection: socket.socket) -> None:
        connection.sendall(b"I am done")
        connection.shutdown(socket.SHUT_WR)
        heard.append(b"".join(iter(lambda: connection.recv(100), b"")))
        all_heard.set()

    heard: list[bytes] = []
    all_heard = threading.Event()
    sandbox.link.set_service(AWS_SERVICE, serve(answer_first_then_listen).dial)
    program = f"""
{CONNECT}
print(b"".join(iter(lambda: s.recv(100), b"")))
s.sendall(b"I am "); s.sendall(b"not"); s.shutdown(1)
"""

    assert sandbox.run_member(stack, program) == "b'I am done'"
    assert all_heard.wait(60)
    assert heard == [b"I am not"]


def test_a_reset_by_the_service_reaches_the_member(
    sandbox: Sandbox, stack: contextlib.ExitStack, serve: Callable[[Serve], Server]
) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    sandbox.link.set_service(AWS_SERVICE, serve(reset).dial)
    program = f"""
{CONNECT}
s.sendall(b"x")
try: print(s.recv(1))
except ConnectionResetError: print("reset")
"""

    assert sandbox.run_member(stack, program) == "reset"


def test_a_reset_by_a_member_reaches_the_client_of_a_listener(
    sandbox: Sandbox, stack: contextlib.ExitStack
) -> None:
    reset = (
        LISTEN.format(host="0.0.0.0", port=7000)
        + """
while True:
    c = l.accept()[0]
    c.recv(1)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
    c.close()
"""
    )
    sandbox.serve_member(stack, reset, 7000)

    with socket.create_connection(sandbox.link.listen(7000), timeout=60) as client:
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_a_listener_carries_to_the_tasks_address_and_back(
    sandbox: Sandbox, stack: contextlib.ExitStack
) -> None:
    sandbox.serve_member(stack, ECHO_SERVER.format(host="0.0.0.0", port=7000), 7000)

    with socket.create_connection(sandbox.link.listen(7000), timeout=60) as client:
        answer = exchange(client, PATTERN)

    assert answer == PATTERN


def test_a_member_that_listens_on_its_loopback_alone_is_refused(
    sandbox: Sandbox, stack: contextlib.ExitStack
) -> None:
    sandbox.serve_member(stack, ECHO_SERVER.format(host="127.0.0.1", port=7000), 7000, host="127.0.0.1")

    with pytest.raises(ConnectionRefusedError):
        sandbox.link.connect(7000)
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(sandbox.link.listen(7000), timeout=60) as client,
    ):
        client.recv(1)


def test_in_the_engine_hosts_network_it_chooses_a_port_of_its_own(
    make_sandbox: Callable[..., Sandbox], stack: contextlib.ExitStack, serve: Callable[[Serve], Server]
) -> None:
    sandbox = make_sandbox(network="host", port=0)
    sandbox.link.set_service(AWS_SERVICE, serve(echo).dial)
    port = sandbox.link.hello.ports[AWS_SERVICE]

    with sandbox.link.connect(port, host="127.0.0.1") as client:
        answer = exchange(client, b"hello")

    assert answer == b"hello"
    assert port not in (0, AWS_PORT)


def test_without_a_network_there_is_no_address_to_connect_to(make_sandbox: Callable[..., Sandbox]) -> None:
    sandbox = make_sandbox(network="none", user="1000:1000")

    assert sandbox.link.hello.address is None
    with pytest.raises(OSError, match="Network is unreachable"):
        sandbox.link.connect(80)


def test_it_works_as_an_unprivileged_user(
    make_sandbox: Callable[..., Sandbox], stack: contextlib.ExitStack, serve: Callable[[Serve], Server]
) -> None:
    sandbox = make_sandbox(user="1000:1000")
    sandbox.link.set_service(AWS_SERVICE, serve(echo).dial)

    assert sandbox.run_member(stack, f"{CONNECT}; s.sendall(b'hello'); print(s.recv(100))") == "b'hello'"


UNDO = """
import errno, socket, struct
def ask(protocol, *messages):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as s:
        s.settimeout(60)
        s.send(b"".join(struct.pack("=IHHII", 16 + len(body), kind, 5, 0, 0) + body for kind, body in messages))
        return errno.errorcode.get(-struct.unpack_from("=i", s.recv(4096), 16)[0])
def batch(*messages): return ask(12, (16, bytes((0, 0, 0, 10))), *messages, (17, bytes((0, 0, 0, 10))))
def without(address, table, scope, kind):
    route = bytes((socket.AF_INET, 32, 0, 0, table, 0, scope, kind)) + bytes(4)
    return ask(0, (25, route + struct.pack("=HH", 8, 1) + socket.inet_aton(address)))
print(batch((0xa02, bytes((2, 0, 0, 0)) + struct.pack("=HH", 8, 1) + bytes((101, 99, 115, 0)))))
print(without("169.254.170.2", 255, 254, 2), without("169.254.169.254", 254, 0, 7))
s = socket.create_connection(("169.254.170.2", 80)); s.sendall(b"hello"); print(s.recv(100))
try: socket.create_connection(("169.254.169.254", 80), timeout=60)
except OSError as error: print(errno.errorcode[error.errno])
"""


@pytest.mark.parametrize("user", ["0:0", "1000:1000"])
def test_a_member_has_the_link_local_addresses_whoever_it_is_and_cannot_undo_them(
    task_sandbox: Sandbox, stack: contextlib.ExitStack, serve: Callable[[Serve], Server], user: str
) -> None:
    task_sandbox.link.set_service(ENDPOINTS_SERVICE, serve(echo).dial)

    printed = task_sandbox.run_member(stack, UNDO, user=user)

    assert printed.splitlines() == ["EPERM", "EPERM EPERM", "b'hello'", "EACCES"]


@pytest.mark.parametrize("user", ["", "1000:1000"])
def test_a_sandbox_that_may_not_change_its_network_says_so_and_carries_the_rest(
    engine: Engine, stack: contextlib.ExitStack, serve: Callable[[Serve], Server], user: str
) -> None:
    sandbox = engine.make_sandbox(stack, f"aws={AWS_PORT}", f"endpoints={ENDPOINTS_PORT}", user=user)
    sandbox.link.set_service(AWS_SERVICE, serve(echo).dial)

    assert sandbox.link.hello.setup_failure == SetupFailure(SetupStep.METADATA_ROUTE, errno.EPERM)
    assert sandbox.run_member(stack, f"{CONNECT}; s.sendall(b'hello'); print(s.recv(100))") == "b'hello'"


@pytest.fixture
def other_links() -> list[str]:
    """The thread of links that this very session's own tasks have, if there are any."""
    return our_threads()


def test_a_link_closed_while_busy_leaves_no_file_and_no_thread(
    other_links: list[str], sandbox: Sandbox, stack: contextlib.ExitStack, serve: Callable[[Serve], Server]
) -> None:
    server, dialled = serve(echo), list[socket.socket]()

    def dial() -> socket.socket:
        dialled.append(server.dial())
        return dialled[-1]

    sandbox.link.set_service(AWS_SERVICE, dial)
    before = len(os.listdir("/proc/self/fd"))
    connections = [sandbox.link.connect(AWS_PORT, host="127.0.0.1") for _ in range(50)]
    for connection in connections:
        assert sent_until_stuck_at_once(connection) > 0

    sandbox.link.close()

    # A connection that was just being made is closed by whoever made it.
    assert wait_for(lambda: {each.fileno() for each in dialled} == {-1}, patience_s=60)
    assert sandbox.attached.fileno() == -1
    for connection in connections:
        read_to_the_end(connection)
        connection.close()
    assert our_threads() == other_links
    assert wait_for(lambda: not server_threads(), patience_s=60)
    # With the last link the loop's selector and its two wakers go too. Other tasks open and close files as they like.
    assert other_links or len(os.listdir("/proc/self/fd")) == before - 4


def read_to_the_end(connection: socket.socket) -> None:
    connection.settimeout(60)
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(MEGABYTE):
            pass


def server_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.endswith("(_run)")]


def our_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name == "ecs-tasks/links")


def sent_until_stuck_at_once(connection: socket.socket) -> int:
    connection.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += connection.send(PATTERN)
    return sent


def test_when_the_test_process_is_gone_members_are_refused_and_the_namespace_stays(
    sandbox: Sandbox, stack: contextlib.ExitStack
) -> None:
    sandbox.link.close()
    program = f"""
import socket
for _ in range(100_000):
    try: s = socket.create_connection(("127.0.0.1", {AWS_PORT}))
    except ConnectionResetError: continue  # the listener closed in between
    except ConnectionRefusedError: print("refused"); break
"""

    assert sandbox.run_member(stack, program) == "refused"
    assert sandbox.state()["Running"] is True
    assert sandbox.stop() == 0


def test_a_sandbox_that_is_killed_ends_its_link(sandbox: Sandbox, engine: Engine) -> None:
    with sandbox.link.connect(AWS_PORT, host="127.0.0.1") as connection:
        engine.api.kill(sandbox.container_id, "SIGKILL")

        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""

    with pytest.raises(LinkError, match="the sandbox's link ended"):
        sandbox.link.connect(80)

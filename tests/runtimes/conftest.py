"""One bench for every engine: the same programs as shell commands on a real one and as scripts on the fake."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from namespaces import Namespaces
from pytest_ecs_tasks.core.spec import ContainerSpec
from pytest_ecs_tasks.engine.ports import ContainerFacts, ContainerRuntime, ExecOutcome, NetworkFacts
from pytest_ecs_tasks.runtimes.detect import open_runtime
from pytest_ecs_tasks.runtimes.docker import DockerRuntime
from pytest_ecs_tasks.runtimes.owner import OWNER_LABEL, RUN_LABEL, owner_of_this_process
from pytest_ecs_tasks.runtimes.transport import Endpoint
from pytest_ecs_tasks.testing.runtime import FakeRuntime

BUSYBOX = "pytest-ecs-tasks/busybox:1"


@dataclass(frozen=True)
class Program:
    """What a container does: it writes, then ends with ``exits``, or waits for a signal if that is ``None``."""

    stdout: str = ""
    stderr: str = ""
    exits: int | None = None
    on_term: int | None = None
    executes: Mapping[tuple[str, ...], ExecOutcome] = field(default_factory=dict)

    def command(self) -> tuple[str, ...]:
        """The same as a shell command."""
        write = f"printf %b {json.dumps(self.stdout)}; printf %b {json.dumps(self.stderr)} >&2"
        if self.exits is not None:
            return ("/bin/sh", "-c", f"{write}; exit {self.exits}")
        trap = "trap '' TERM" if self.on_term is None else f"trap 'exit {self.on_term}' TERM"
        return ("/bin/sh", "-c", f"{trap}; {write}; sleep 600 & while :; do wait; done")


class Bench:
    """An engine and what a test has on it; everything bears ``label``."""

    def __init__(self, runtime: Any, run: str) -> None:
        self.runtime: ContainerRuntime = runtime
        self.labels = {RUN_LABEL: run, OWNER_LABEL: owner_of_this_process()}
        self.label = f"{RUN_LABEL}={run}"
        self.run = run
        self._numbers = itertools.count(1)

    @property
    def is_fake(self) -> bool:
        """Whether nothing really runs."""
        return isinstance(self.runtime, FakeRuntime)

    def network(self) -> NetworkFacts:
        """Make a network."""
        return self.runtime.create_network(f"{self.run}-net", self.labels)

    def spec(self, program: Program = Program(), **fields: Any) -> ContainerSpec:
        """Describe a container that runs a program."""
        number = next(self._numbers)
        if isinstance(self.runtime, FakeRuntime):
            output = ((("stdout", program.stdout.encode()),) if program.stdout else ()) + (
                (("stderr", program.stderr.encode()),) if program.stderr else ()
            )
            image = self.runtime.script(
                f"program-{number}",
                output=output,
                exits=program.exits,
                on_signal={"SIGTERM": program.on_term},
                executes=program.executes,
            )
        else:
            found = self.runtime.find_image(BUSYBOX)
            assert found is not None, f"{BUSYBOX} is not on the engine: run tools/images.py"
            image = found
        plain = ContainerSpec(
            name=f"{self.run}-{number}",
            image_id=image.image_id,
            labels=self.labels,
            network="none",
            entry_point=(),
            command=program.command(),
        )
        return replace(plain, **fields)

    def create(self, program: Program = Program(), **fields: Any) -> str:
        """Create a container that runs a program."""
        return self.runtime.create_container(self.spec(program, **fields))

    def run_to_its_end(self, container_id: str) -> list[tuple[str, bytes]]:
        """Start a container and return its output, piece by piece."""
        attachment = self.runtime.attach(container_id)
        try:
            self.runtime.start_container(container_id)
            return list(attachment.chunks())
        finally:
            attachment.close()

    def wait_until_ended(self, container_id: str) -> ContainerFacts:
        """Inspect until its process is gone: the end of its output comes a moment before."""
        for _ in range(1000):
            facts = self.runtime.inspect_container(container_id)
            if not facts.running:
                return facts
        raise AssertionError(f"{container_id} still runs")


def make_engine(url: str) -> DockerRuntime:
    """Open the engine under test."""
    return open_runtime(Endpoint(url))


def left_on(runtime: Any, run: str) -> list[Mapping[str, str]]:
    """Return the labels of whatever a run has left on an engine."""
    return [labels for labels in runtime.list_labels(RUN_LABEL) if labels[RUN_LABEL] == run]


@pytest.fixture
def program() -> type[Program]:
    """What a container does: ``program(stdout="hello", exits=0)``."""
    return Program


@contextlib.contextmanager
def forwarding(path, tls=None):
    """Carry connections from the loopback to the unix socket; yields the port and a way to cut them."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections = []

    def carry(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                if tls is not None:
                    try:
                        client = tls.wrap_socket(client, server_side=True)
                    except ssl.SSLError:
                        client.close()
                        continue
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(path)
                connections.extend([client, engine])
                for pair in ((client, engine), (engine, client)):
                    threads.append(threading.Thread(target=carry, args=pair))
                    threads[-1].start()

    def cut():
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    try:
        yield listener.getsockname()[1], cut
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        threads[0].join(60)
        cut()
        for thread in threads[1:]:
            thread.join(60)
        for connection in [listener, *connections]:
            connection.close()


@pytest.fixture(name="forwarding")
def _forwarding():
    """Carry connections from a loopback port, with TLS or without, to a unix socket."""
    return forwarding


@pytest.fixture
def run_id(request: pytest.FixtureRequest) -> str:
    """A name that no other test, run or worker has."""
    return f"contract-{os.getpid()}-{abs(hash(request.node.nodeid)) % 10**8}"


@pytest.fixture
def engine(engine_url: str) -> Iterator[DockerRuntime]:
    """The real engine under test."""
    runtime = make_engine(engine_url)
    yield runtime
    runtime.close()


@pytest.fixture
def real(engine: DockerRuntime, run_id: str) -> Iterator[Bench]:
    """A bench on the real engine; nothing is left on it."""
    yield from _clean(Bench(engine, run_id))


@pytest.fixture(params=["fake", "real"])
def bench(request: pytest.FixtureRequest, run_id: str) -> Iterator[Bench]:
    """A bench on the fake, then on the real engine."""
    if request.param == "real":
        yield request.getfixturevalue("real")
    else:
        runtime = FakeRuntime()
        yield from _clean(Bench(runtime, run_id))
        runtime.close()


def _clean(bench: Bench) -> Iterator[Bench]:
    try:
        yield bench
    finally:
        bench.runtime.sweep(bench.label)
    assert left_on(bench.runtime, bench.run) == []


@pytest.fixture
def namespaces(real: Any) -> Iterator[Namespaces]:
    with contextlib.ExitStack() as stack:
        yield Namespaces(real, stack)

"""Sandboxes on a real engine, and programs that run in them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

from pytest_ecs_tasks.core.plan import SandboxPlan
from pytest_ecs_tasks.core.spec import PublishedPort
from pytest_ecs_tasks.runtimes.sandbox.pool import EngineSandbox, SandboxPool

PYTHON = "pytest-ecs-tasks/python:1"
AWSVPC = SandboxPlan("task", plain=True)
BRIDGE = SandboxPlan("web", plain=False, hostname="box", ports=(PublishedPort(80),))


class Namespaces:
    """Sandboxes of a pool on the engine under test, and containers in them."""

    def __init__(self, bench: Any, stack: contextlib.ExitStack) -> None:
        self._bench = bench
        self._stack = stack
        self._network = bench.network()
        self._numbers = itertools.count(1)

    def make(self, plan: SandboxPlan, runtime: Any = None) -> EngineSandbox:
        pool = SandboxPool(
            runtime or self._bench.runtime,
            self._network,
            self._bench.labels,
            name_prefix=f"{self._bench.run}-box-{next(self._numbers)}",
            size=0,
        )
        self._stack.callback(pool.close)
        sandbox = pool.acquire(plan, {}, {})
        # Before the bench's sweep: Podman removes members first.
        self._stack.callback(self._bench.runtime.remove_container, sandbox.container_id)
        self._stack.callback(sandbox.close)
        return sandbox

    def start(self, sandbox: EngineSandbox, program: str) -> Iterator[str]:
        """Start a Python program in a sandbox; iterate over the lines that it writes."""
        image = self._bench.runtime.find_image(PYTHON)
        container = self._bench.create(
            image_id=image.image_id,
            network=f"container:{sandbox.container_id}",
            entry_point=("python3", "-u", "-c", program),
            command=(),
        )
        self._stack.callback(self._bench.runtime.remove_container, container)
        attachment = self._bench.runtime.attach(container)
        self._stack.callback(attachment.close)
        self._bench.runtime.start_container(container)
        return lines(attachment.chunks())


def lines(chunks: Iterator[tuple[str, bytes]]) -> Iterator[str]:
    rest = b""
    for _, data in chunks:
        *complete, rest = (rest + data).split(b"\n")
        yield from (line.decode() for line in complete)

"""The link-local addresses of ECS in the namespaces that the pool makes, on a real engine."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from namespaces import AWSVPC, BRIDGE, Namespaces
from pytest_ecs_tasks.core.plan import SandboxPlan
from pytest_ecs_tasks.core.spec import ContainerSpec
from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.runtimes.sandbox.frames import SetupFailure, SetupStep
from pytest_ecs_tasks.runtimes.sandbox.pool import setup_error

ASK = """
import json, os, socket, time
def get(host, port=80):
    began = time.monotonic()
    try:
        with socket.create_connection((host, port), timeout=60) as s:
            s.sendall(b"who is there? ")
            answer = s.recv(100).decode()
    except OSError as error: answer = type(error).__name__
    return answer if time.monotonic() - began < 30 else f"{answer}, but late"
"""
SERVE = """
import socketserver, threading
class Handler(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(self.request.recv(100) + b"the application")
socketserver.TCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer(("0.0.0.0", 80), Handler)
"""


class WithoutCapabilities:
    """An engine that grants a container nothing of what it asks for."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime

    def create_container(self, spec: ContainerSpec) -> str:
        container: str = self._runtime.create_container(replace(spec, capabilities_add=()))
        return container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)


@pytest.fixture
def dial() -> Iterator[Callable[[], socket.socket]]:
    """Connects to somebody who answers everything that is asked."""
    with contextlib.ExitStack() as stack:

        def dial() -> socket.socket:
            ours, theirs = (stack.enter_context(end) for end in socket.socketpair())
            ours.sendall(b"the endpoints")
            return theirs

        yield dial


@pytest.mark.parametrize("plan", [AWSVPC, BRIDGE], ids=["awsvpc", "bridge"])
def test_the_endpoints_answer_beside_an_application_on_port_80(
    namespaces: Namespaces, dial: Callable[[], socket.socket], plan: SandboxPlan
) -> None:
    sandbox = namespaces.make(plan)
    sandbox.serve_endpoints(dial)
    ask = f"""
threading.Thread(target=server.serve_forever, daemon=True).start()
for host in ("169.254.170.2", "127.0.0.1", {sandbox.address!r}): print(get(host))
time.sleep(600)
"""
    written = namespaces.start(sandbox, ASK + SERVE + ask)

    asked_from_inside = [next(written) for _ in range(3)]
    with socket.create_connection(sandbox.reach(80), timeout=60) as client:
        client.sendall(b"and outside? ")
        answer = client.recv(100)

    assert asked_from_inside == ["the endpoints", *["who is there? the application"] * 2]
    assert answer == b"and outside? the application"


def test_the_instance_metadata_service_is_prohibited_at_once(namespaces: Namespaces) -> None:
    sandbox = namespaces.make(AWSVPC)
    ask = 'print(json.dumps([get("169.254.169.254"), get("fd00:ec2::254"), get("169.254.170.2", 81)]))'

    metadata, metadata_6, other_port = json.loads(next(namespaces.start(sandbox, ASK + ask)))

    assert metadata == "PermissionError"
    assert metadata_6 in ("PermissionError", "OSError")  # the latter where there is no IPv6 at all
    assert other_port == "ConnectionRefusedError"


def test_a_sandbox_that_was_refused_its_addresses_is_an_error_and_is_removed(
    real: Any, namespaces: Namespaces
) -> None:
    with pytest.raises(EngineError, match=r"^169\.254\.169\.254 cannot be closed.*not permitted") as refused:
        namespaces.make(AWSVPC, WithoutCapabilities(real.runtime))

    assert "needs the capability NET_ADMIN" in refused.value.hint
    assert real.runtime.list_containers(real.label) == ()


def test_a_kernel_without_nat_is_named_with_what_to_do() -> None:
    error = setup_error(SetupFailure(SetupStep.ENDPOINTS_RULE, errno.EOPNOTSUPP))

    assert str(error).startswith(
        "169.254.170.2:80 cannot be set up for credentials and metadata: no NAT rule"
    )
    assert "modprobe -a nf_tables nft_chain_nat nft_redir" in error.hint


@pytest.mark.parametrize("step", SetupStep)
@pytest.mark.parametrize("reason", [errno.EPERM, errno.EINVAL])
def test_every_step_that_can_fail_has_its_words_and_a_hint(step: SetupStep, reason: int) -> None:
    error = setup_error(SetupFailure(step, reason))

    assert "cannot be" in str(error)
    assert error.hint

"""Sandboxes: warm ones from a small pool for plain tasks, and made to measure for the others."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import socket
import threading
from collections import deque
from collections.abc import Mapping

from pytest_ecs_tasks.core.plan import SandboxPlan
from pytest_ecs_tasks.core.spec import ContainerSpec, NetworkBinding
from pytest_ecs_tasks.engine.ports import ContainerRuntime, Dial, EngineError, NetworkFacts, Resolve
from pytest_ecs_tasks.engine.sockets import Socket, dial_tcp
from pytest_ecs_tasks.runtimes.sandbox.frames import (
    AWS_SERVICE,
    ENDPOINTS_SERVICE,
    OWN_ADDRESS,
    SetupFailure,
    SetupStep,
)
from pytest_ecs_tasks.runtimes.sandbox.image import SandboxImage, sandbox_image
from pytest_ecs_tasks.runtimes.sandbox.link import Link
from pytest_ecs_tasks.runtimes.sandbox.refill import Refill

AWS_PORT, ENDPOINTS_PORT = 51670, 51671  # on the loopback of the namespace
READY_TIMEOUT_S = 30.0
HOST_NAMES = ("host.docker.internal", "host.containers.internal")
CLOSED_PORT = 9  # nobody listens there: a refusal proves that the address is reached


class EngineSandbox:
    """A namespace of the run, held by a running sandbox container and linked to this process."""

    def __init__(
        self, container_id: str, link: Link, address: str | None, mac_address: str | None, *, direct: bool
    ) -> None:
        self._container_id = container_id
        self._link = link
        self._address = address
        self._mac_address = mac_address
        self._direct = direct
        self.bindings: tuple[NetworkBinding, ...] = ()

    @property
    def container_id(self) -> str:
        """The engine's id of the container that holds it."""
        return self._container_id

    @property
    def address(self) -> str | None:
        """Its IPv4 address in the run's network."""
        return self._address

    @property
    def mac_address(self) -> str | None:
        """Its hardware address in the run's network."""
        return self._mac_address

    @property
    def aws_port(self) -> int | None:
        """The port of its loopback where the AWS endpoint answers."""
        return AWS_PORT

    def serve_aws(self, dial: Dial) -> None:
        """Carry connections to ``aws_port`` to what ``dial`` connects to."""
        self._link.set_service(AWS_SERVICE, dial)

    def serve_endpoints(self, dial: Dial) -> None:
        """Carry connections to 169.254.170.2:80 to what ``dial`` connects to."""
        self._link.set_service(ENDPOINTS_SERVICE, dial)

    def serve_names(self, resolve: Resolve) -> None:
        """Have DNS queries by UDP answered by ``resolve``, and by the engine's nameserver where that returns ``None``."""
        try:
            self._link.serve_names(resolve)
        except OSError as error:
            raise names_error(error) from error

    def connect(self, port: int, *, host: str | None = None) -> socket.socket:
        """Connect to a TCP port from inside the namespace: at its own address, or at ``host``."""
        return self._link.connect(port, host=host or OWN_ADDRESS)

    def reach(self, port: int) -> tuple[str, int]:
        """Return the address itself where this process can reach it, else a loopback listener carried over the link."""
        if self._direct and self._address:
            return self._address, port
        return self._link.listen(port)

    def close(self) -> None:
        """Let go of the link."""
        self._link.close()


class SandboxPool:
    """Makes sandboxes in one network, and keeps a few warm.

    ``direct`` ``False`` never uses the engine's network from this process, even where it could be reached.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        network: NetworkFacts,
        labels: Mapping[str, str],
        *,
        name_prefix: str,
        size: int = 2,
        direct: bool | None = None,
    ) -> None:
        self._runtime = runtime
        self._network = network
        self._labels = labels
        self._name_prefix = name_prefix
        self._size = size
        self._direct = direct
        self._numbers = itertools.count(1)
        self._warm: deque[EngineSandbox] = deque()
        self._lock = threading.Condition()
        self._filling = 0
        self._closed = False
        self._refill = Refill(self.fill, lambda: not self._warm)
        self._image_id = ensure_sandbox_image(runtime)

    def fill(self) -> None:
        """Make warm sandboxes up to the pool's size; errors are left to the next ``acquire``, which meets them itself."""
        plain = SandboxPlan("warm", plain=True)
        while self._begin_filling():
            sandbox = None
            try:
                sandbox = self._make(plain, {}, {})
            except (EngineError, OSError):
                return
            finally:
                self._end_filling(sandbox)

    def _begin_filling(self) -> bool:
        with self._lock:
            wanted = not self._closed and len(self._warm) + self._filling < self._size
            self._filling += wanted
            return wanted

    def _end_filling(self, sandbox: EngineSandbox | None) -> None:
        with self._lock:
            self._filling -= 1
            if sandbox is not None and not self._closed:
                self._warm.append(sandbox)
                sandbox = None
            self._lock.notify_all()
        if sandbox is not None:
            sandbox.close()

    def acquire(
        self, plan: SandboxPlan, hosts: Mapping[str, str], labels: Mapping[str, str]
    ) -> EngineSandbox:
        """Return a running sandbox, warm if a plain one will do; one that is just being warmed is waited for."""
        if self._closed:
            raise EngineError("the run is over")
        if plan.plain:
            with self._lock:
                while not self._warm and self._filling:
                    self._lock.wait()
                warm = self._warm.popleft() if self._warm else None
            self._refill.request()
            if warm is not None:
                return warm
        return self._make(plan, hosts, labels)

    def undisturbed(self) -> contextlib.AbstractContextManager[None]:
        """Make no sandbox ahead of time meanwhile: a task's containers are made, started or removed."""
        return self._refill.undisturbed()

    def close(self) -> None:
        """Close the links of the warm ones; their containers are swept with the rest of the run."""
        with self._lock:
            self._closed = True
            warm = tuple(self._warm)
        self._refill.close()
        for sandbox in warm:
            sandbox.close()

    def remove_warm(self) -> None:
        """Remove the warm ones, where the rest of the run is to stay."""
        for sandbox in self._warm:
            with contextlib.suppress(EngineError):
                self._runtime.remove_container(sandbox.container_id)

    def _make(self, plan: SandboxPlan, hosts: Mapping[str, str], labels: Mapping[str, str]) -> EngineSandbox:
        runtime = self._runtime
        container_id = runtime.create_container(self._spec(plan, hosts, labels))
        attachment = runtime.attach(container_id, stdin=True)
        connection, initial = attachment.detach_socket()
        link = Link(connection, {}, initial=initial)
        try:
            runtime.start_container(container_id)
            failure = link.wait_ready(READY_TIMEOUT_S).setup_failure
            if failure is not None:
                raise setup_error(failure)
            facts = runtime.inspect_container(container_id)
        except BaseException:
            link.close()
            with contextlib.suppress(EngineError):
                runtime.remove_container(container_id)
            raise
        if self._direct is None:
            self._direct = is_reachable(self._network.gateway, facts.address)
        sandbox = EngineSandbox(container_id, link, facts.address, facts.mac_address, direct=self._direct)
        sandbox.bindings = facts.bindings
        return sandbox

    def _spec(self, plan: SandboxPlan, hosts: Mapping[str, str], labels: Mapping[str, str]) -> ContainerSpec:
        gateway = self._network.gateway
        names = dict.fromkeys(HOST_NAMES, gateway) if gateway else {}
        return ContainerSpec(
            name=f"{self._name_prefix}-{next(self._numbers)}",
            image_id=self._image_id,
            labels={**self._labels, **labels, "pytest-ecs-tasks.sandbox": "1"},
            network=self._network.network_id,
            command=(f"aws={AWS_PORT}", f"endpoints={ENDPOINTS_PORT}"),
            hostname=plan.hostname,
            extra_hosts={**names, **plan.extra_hosts, **hosts},
            dns_servers=plan.dns_servers,
            dns_search=plan.dns_search,
            sysctls=plan.sysctls,
            published_ports=plan.ports,
            capabilities_add=("NET_ADMIN",),  # over its own namespace, and in use only while that is set up
            capabilities_drop=("ALL",),
            read_only_root=True,
            no_new_privileges=True,
            ipc_mode="shareable" if plan.shareable_ipc else None,
            open_stdin=True,
        )


_SETUP_WORDS = {
    SetupStep.METADATA_ROUTE: "169.254.169.254 cannot be closed, the instance metadata of the machine it runs on",
    SetupStep.METADATA_ROUTE_6: "fd00:ec2::254 cannot be closed, the instance metadata of the machine it runs on",
    SetupStep.ENDPOINTS_ROUTE: "169.254.170.2 cannot be set up for credentials and metadata: no local route",
    SetupStep.ENDPOINTS_RULE: "169.254.170.2:80 cannot be set up for credentials and metadata: no NAT rule",
}


_NO_CAPABILITY = (
    "The sandbox, the container that owns the task's network, needs the capability NET_ADMIN there. Something "
    "takes it away: look at the engine's security options (authorization plugins, seccomp, SELinux)."
)
_NO_NAT = (
    "The kernel under the engine must have nf_tables with NAT. On the engine's machine run "
    "`sudo modprobe -a nf_tables nft_chain_nat nft_redir`, or use an engine on a kernel that has them."
)


def setup_error(failure: SetupFailure) -> EngineError:
    """Say which link-local address a task cannot have, why, and what to do."""
    if failure.error in (errno.EPERM, errno.EACCES):
        hint = _NO_CAPABILITY
    elif failure.step is SetupStep.ENDPOINTS_RULE:
        hint = _NO_NAT
    else:
        hint = "Use an engine whose containers have the kernel's own network stack: a user-space kernel may have less."
    return EngineError(f"{_SETUP_WORDS[failure.step]} ({os.strerror(failure.error)})", hint=hint)


def names_error(error: OSError) -> EngineError:
    """Say why Cloud Map's names do not resolve in a task, and what to do."""
    words = f"names of Cloud Map cannot be resolved in the task: {error.strerror or error}"
    if isinstance(error, TimeoutError):
        hint = "The engine is slow to pass data on: look at the load of its machine."
    elif error.errno == errno.EAFNOSUPPORT:
        hint = "The engine gives the task nameservers with IPv6 addresses alone: give it one with an IPv4 address."
    else:
        hint = _NO_CAPABILITY if isinstance(error, PermissionError) else _NO_NAT
    return EngineError(words, hint=hint)


def ensure_sandbox_image(runtime: ContainerRuntime) -> str:
    """Return the id of the sandbox's image, loaded into the engine if it was not there."""
    image = sandbox_image(runtime.architecture)
    found = _find_sandbox_image(runtime, image)
    if found is None:
        runtime.load_image(image.archive)
        found = _find_sandbox_image(runtime, image)
    if found is None:
        raise EngineError(
            f"the engine at {runtime.url} took the sandbox's image and does not know {image.image_id}"
        )
    return found


def _find_sandbox_image(runtime: ContainerRuntime, image: SandboxImage) -> str | None:
    facts = runtime.find_image(image.image_id) or runtime.find_image(image.manifest_id)
    return facts.image_id if facts else None


def is_reachable(gateway: str | None, address: str | None) -> bool:
    """Tell whether this process reaches a sandbox's address: the engine's network must be this host's own.

    The gateway must be an address of this host, else another network of the same numbers could answer in the engine's
    place; and a connection to a port where nobody listens must be refused at once.
    """
    if not gateway or not address:
        return False
    with Socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((gateway, 0))
        except OSError:
            return False
    try:
        dial_tcp(address, CLOSED_PORT, timeout_s=1).close()
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    return True

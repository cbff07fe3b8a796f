"""What 169.254.170.2:80 costs: for each request over the sandbox link, and at a sandbox's start and end.

    python benchmarks/link_local.py [--engine URL] [--rounds 15] [--requests 300]

The bars: at most 1 ms added to a request, and at most 15 ms to a task's start. A request is compared with the same one to
a server in the task's own namespace; a sandbox with one that has neither endpoints nor NET_ADMIN.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from dataclasses import replace
from statistics import median

from bench import parse_arguments
from raw import quiet

from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.plan import SandboxPlan
from pytest_ecs_tasks.core.spec import ContainerSpec
from pytest_ecs_tasks.engine.ports import ContainerRuntime, NetworkFacts
from pytest_ecs_tasks.runtimes.sandbox.pool import SandboxPool

IMAGE = "pytest-ecs-tasks/python:1"
REQUEST_BAR_S, START_BAR_S = 0.001, 0.015
PLAN = SandboxPlan("benchmark", plain=False)

CLIENT = """
import json, os, socket, sys, time
requests = int(sys.argv[1])
own = socket.create_server(("127.0.0.1", 0))
if not os.fork():
    while True:
        with own.accept()[0] as c:
            while c.recv(1000): c.sendall(bytes(500))
def ask(s):
    s.sendall(bytes(200))
    return s.recv(1000)
def once(address):
    begun = time.perf_counter()
    with socket.create_connection(address) as s: ask(s)
    return time.perf_counter() - begun
def again(s):
    begun = time.perf_counter()
    ask(s)
    return time.perf_counter() - begun
places = {"link": ("169.254.170.2", 80), "own": own.getsockname()}
for address in places.values(): once(address)
fresh = {name: [] for name in places}
for _ in range(requests):
    for name, address in places.items(): fresh[name].append(once(address))
kept = {name: [] for name in places}
open = {name: socket.create_connection(address) for name, address in places.items()}
for s in open.values(): s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(requests):
    for name, s in open.items(): kept[name].append(again(s))
print(json.dumps([fresh, kept]))
os.kill(0, 9)
"""


class WithoutEndpoints:
    """The engine, with sandboxes as they would be without the link-local addresses."""

    def __init__(self, runtime: ContainerRuntime) -> None:
        self._runtime = runtime

    def create_container(self, spec: ContainerSpec) -> str:
        """Create a container with its first service alone."""
        return self._runtime.create_container(
            replace(spec, command=(spec.command or ())[:1], capabilities_add=())
        )

    def __getattr__(self, name: str) -> object:
        return getattr(self._runtime, name)


def serve(connection: socket.socket) -> None:
    """Answer every request on a connection."""
    with connection:
        while connection.recv(1000):
            connection.sendall(bytes(500))


def dial() -> socket.socket:
    """Connect to a server of this process, as the endpoints are: nothing listens."""
    ours, theirs = socket.socketpair()
    threading.Thread(target=serve, args=(ours,), daemon=True).start()
    return theirs


def make_pool(runtime: object, network: NetworkFacts, labels: dict[str, str], prefix: str) -> SandboxPool:
    """Return a pool that keeps nothing warm."""
    return SandboxPool(runtime, network, labels, name_prefix=prefix, size=0, direct=False)  # type: ignore[arg-type]


def life(pool: SandboxPool, runtime: ContainerRuntime) -> tuple[float, float]:
    """Return the seconds that a cold sandbox takes to be there, and to be gone."""
    quiet()
    begun = time.perf_counter()
    sandbox = pool.acquire(PLAN, {}, {})
    up = time.perf_counter() - begun
    begun = time.perf_counter()
    sandbox.close()
    runtime.remove_container(sandbox.container_id)
    return up, time.perf_counter() - begun


def ask(
    pool: SandboxPool, runtime: ContainerRuntime, labels: dict[str, str], requests: int
) -> list[dict[str, list[float]]]:
    """Return the seconds of each request from a member: on a new connection, and on one that is kept."""
    image = runtime.find_image(IMAGE)
    assert image is not None, f"{IMAGE} is not on the engine"
    sandbox = pool.acquire(PLAN, {}, {})
    sandbox.serve_endpoints(dial)
    member = runtime.create_container(
        ContainerSpec(
            name=f"ecs-benchmark-{time.time_ns()}",
            image_id=image.image_id,
            labels=labels,
            network=f"container:{sandbox.container_id}",
            entry_point=("python3", "-c", CLIENT, str(requests)),
            command=(),
        )
    )
    attachment = runtime.attach(member)
    runtime.start_container(member)
    printed = b"".join(data for _, data in attachment.chunks())
    attachment.close()
    runtime.remove_container(member)
    sandbox.close()
    runtime.remove_container(sandbox.container_id)
    found: list[dict[str, list[float]]] = json.loads(printed)
    return found


def report(what: str, with_it: list[float], without: list[float], bar_s: float) -> bool:
    """Print what is added in the median; return whether the bar is kept."""
    added = median(with_it) - median(without)
    print(
        f"{what:26} {1000 * median(with_it):7.2f} ms, without {1000 * median(without):7.2f} ms, added "
        f"{1000 * added:6.2f} ms, bar {1000 * bar_s:.0f} ms: {'within' if added <= bar_s else 'OVER'}"
    )
    return added <= bar_s


def main() -> int:
    """Print the figures; the exit status is 1 when a bar is missed."""
    arguments = parse_arguments(__doc__ or "", rounds=15, requests=300)
    cluster = LocalCluster(LocalSettings(engine=arguments.engine, pull="never"), environ=os.environ)
    room = cluster.room()
    runtime, labels = room.runtime, dict(room.labels)
    print(cluster.describe_engine())
    try:
        pool = make_pool(runtime, room.network, labels, f"ecs-benchmark-{os.getpid()}-with")
        plain = make_pool(
            WithoutEndpoints(runtime), room.network, labels, f"ecs-benchmark-{os.getpid()}-without"
        )
        lives: dict[SandboxPool, list[tuple[float, float]]] = {pool: [], plain: []}
        for number in range(2 * arguments.rounds):
            each = (pool, plain)[number // 2 % 2 ^ number % 2]  # neither is always the first of a pair
            lives[each].append(life(each, runtime))
        fresh, kept = ask(pool, runtime, labels, arguments.requests)
    finally:
        cluster.close()
    good = [
        report(
            f"a sandbox's {phase}", [a[at] for a in lives[pool]], [b[at] for b in lives[plain]], START_BAR_S
        )
        for at, phase in enumerate(("start", "end"))
    ]
    good += [
        report(f"a request, {kind}", times["link"], times["own"], REQUEST_BAR_S)
        for kind, times in (("new connection", fresh), ("kept connection", kept))
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())

"""What one run has on the container engine, from the guard to the warm sandboxes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.engine.ports import EngineError, NetworkFacts
from pytest_ecs_tasks.engine.shared_volumes import SharedVolumes
from pytest_ecs_tasks.engine.watcher import Watcher
from pytest_ecs_tasks.runtimes.detect import Found, find_runtime
from pytest_ecs_tasks.runtimes.docker import DockerRuntime
from pytest_ecs_tasks.runtimes.guard import Guard
from pytest_ecs_tasks.runtimes.images import ImageProvider, PullPolicy
from pytest_ecs_tasks.runtimes.owner import (
    OWNER_LABEL,
    RUN_LABEL,
    keep_run,
    owner_of_this_process,
    sweep_dead_owners,
)
from pytest_ecs_tasks.runtimes.sandbox.pool import SandboxPool, ensure_sandbox_image

LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - a remote engine's published ports must be reachable from here


class EngineRoom:
    """One run on one engine. :meth:`open` makes what every task needs, :meth:`warm_up` what makes tasks start fast."""

    _found: Found
    runtime: DockerRuntime
    network: NetworkFacts
    sandboxes: SandboxPool
    images: ImageProvider
    watcher: Watcher
    volumes: SharedVolumes

    def __init__(
        self,
        settings: LocalSettings,
        environ: Mapping[str, str],
        run_id: str,
        progress: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._progress = progress
        self._keep = False
        self._guard: Guard | None = None
        self.run_id = run_id
        self.run_label = f"{RUN_LABEL}={run_id}"
        self.labels = {RUN_LABEL: run_id, OWNER_LABEL: owner_of_this_process()}
        if settings.worker:
            self.labels["pytest-ecs-tasks.worker"] = settings.worker
        self.swept: tuple[str, ...] = ()
        self.description = ""
        self.host = LOOPBACK
        self.publish_ip = LOOPBACK

    def open(self) -> None:
        """Find the engine, set the guard, make the network. Raises :class:`~pytest_ecs_tasks.errors.EngineUnavailable`."""
        self._found = found = find_runtime(self._settings.engine, self._environ)
        self.runtime = found.runtime
        self.description = (
            f"{self.runtime.name} {self.runtime.version} at {self.runtime.url} ({found.source})"
        )
        self._place_host()
        self._guard = found.guard(self.run_label)
        name = f"ecs-tasks-{self.run_id}"
        try:
            self.network = self.runtime.create_network(name, self.labels)
            self.sandboxes = SandboxPool(
                self.runtime,
                self.network,
                self.labels,
                name_prefix=f"{name}-sandbox",
                direct=self._settings.direct,
            )
        except BaseException:
            self._sweep_own()
            raise
        self.images = ImageProvider(self.runtime, PullPolicy(self._settings.pull), self._progress)
        self.volumes = SharedVolumes(
            self.runtime,
            self.labels,
            name_prefix=name,
            carrier_image=lambda: ensure_sandbox_image(self.runtime),
        )
        self.watcher = Watcher(self.runtime, self.run_label)
        self.watcher.start()

    def _place_host(self) -> None:
        """Find where published ports are reached: on loopback, unless the engine is another machine's."""
        address = urlsplit(self.runtime.url)
        remote = address.scheme not in {"unix", "npipe"} and address.hostname not in {
            LOOPBACK,
            "localhost",
            None,
        }
        if remote:
            self.publish_ip = EVERY_ADDRESS
            self.host = address.hostname or LOOPBACK
        if self._settings.host:
            self.host = self._settings.host

    def warm_up(self) -> None:
        """Fill the pool, then remove what dead runs have left."""
        self.sandboxes.fill()
        with contextlib.suppress(EngineError, OSError):
            self.swept = tuple(sweep_dead_owners(self.runtime))

    def keep(self) -> None:
        """Leave what is still there when the run ends on the engine: kept tasks' containers and their network."""
        if not self._keep:
            self._keep = True
            keep_run(self.runtime, self.labels)

    def close(self) -> None:
        """Remove everything of the run and let the guard go."""
        self.watcher.close()
        self.sandboxes.close()
        self._sweep_own()
        self._found.close()

    def _sweep_own(self) -> None:
        swept = True
        if self._keep:
            self.sandboxes.remove_warm()
        else:
            try:
                self.runtime.sweep(self.run_label)
            except (EngineError, OSError):
                swept = False  # the guard goes on trying
        if self._guard is not None:
            self._guard.close(swept=swept)

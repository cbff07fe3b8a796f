"""Volumes that the tasks of one run share: Docker volumes of scope ``shared``, and file systems.

A file system is one volume of the engine for the whole run; a root directory or an access point is a directory in it, mounted
by a second volume that is bound to it. All bear the run's labels, so that they are removed with the run, however it ends.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping

from pytest_ecs_tasks.core.spec import ContainerSpec, Mount
from pytest_ecs_tasks.core.taskdef import FileSystem, Volume
from pytest_ecs_tasks.engine.archives import pack_directories
from pytest_ecs_tasks.engine.ports import ContainerRuntime, EngineError

CARRIER_MOUNT = "/volume"
OPEN_TO_EVERYONE = 0o1777  # an access point acts as a user of its own, whoever the container's user is
ROOTS_OWN = 0o755


class SharedVolumes:
    """The shared volumes of one run. ``carrier_image`` returns an image's id: a container of it is created, never started."""

    def __init__(
        self,
        runtime: ContainerRuntime,
        labels: Mapping[str, str],
        *,
        name_prefix: str,
        carrier_image: Callable[[], str],
    ) -> None:
        self._runtime = runtime
        self._labels = labels
        self._prefix = name_prefix
        self._carrier_image = carrier_image
        self._made: set[str] = set()
        self._lock = threading.Lock()

    def provide(self, volume: Volume) -> str:
        """Return the name on the engine of a volume that outlives its task, made if need be.

        Raises :class:`EngineError`, with the agent's words for one that has to exist and does not.
        """
        with self._lock:
            if volume.file_system is not None:
                return self._file_system(volume.file_system)
            return self._docker_volume(volume)

    def _docker_volume(self, volume: Volume) -> str:
        name = f"{self._prefix}-shared-{volume.name}"
        if volume.autoprovision:
            self._make(name, volume.driver, volume.driver_options, volume.labels)
        elif name not in self._made:
            # Only one that the definition takes for given may be the user's own: no test writes into another by accident.
            if self._runtime.find_volume(volume.name) is None:
                raise EngineError(
                    f"initialize volume: volume detection failed, volume '{volume.name}' does not exist and "
                    "autoprovision is set to false",
                    hint=f"Make it on your engine (docker volume create {volume.name}), start a task first whose definition "
                    'provisions it, or give the volume "autoprovision": true',
                )
            return volume.name
        return name

    def _file_system(self, system: FileSystem) -> str:
        name = f"{self._prefix}-{system.kind}-{_short(system.file_system_id)}"
        self._make(name, None, {}, {})
        path = "/".join(part for part in (_clean(system.access_point or ""), system.root_directory) if part)
        if not path:
            return name
        directory = f"{name}-{_short(path)}"
        if directory not in self._made:
            self._make_directories(name, path, OPEN_TO_EVERYONE if system.access_point else ROOTS_OWN)
            options = {"type": "none", "o": "bind", "device": f"{self._mountpoint(name)}/{path}"}
            self._make(directory, "local", options, {})
        return directory

    def _mountpoint(self, name: str) -> str:
        facts = self._runtime.find_volume(name)
        if facts is None or not facts.mountpoint:
            # Without it the directory would be one of the engine's machine.
            raise EngineError(
                f"volume '{name}', which stands for a file system, is not there any more",
                hint="It was removed while the test run still used it; run the tests again",
            )
        return facts.mountpoint

    def _make(
        self, name: str, driver: str | None, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        if name not in self._made:
            self._runtime.create_volume(name, {**labels, **self._labels}, driver, options)
            self._made.add(name)

    def _make_directories(self, volume: str, path: str, mode: int) -> None:
        """Make the directories of a path that are not there; those that are stay as they are."""
        carrier = self._runtime.create_container(
            ContainerSpec(
                name=f"{volume}-{_short(path)}-carrier",
                image_id=self._carrier_image(),
                labels=self._labels,
                network="none",
                mounts=(Mount(volume, CARRIER_MOUNT, copy_up=False),),
            )
        )
        try:
            missing = [
                each
                for each in _directories(path)
                if not self._runtime.has_path(carrier, f"{CARRIER_MOUNT}/{each}")
            ]
            if missing:
                self._runtime.put_archive(carrier, CARRIER_MOUNT, pack_directories(missing, mode))
        finally:
            self._runtime.remove_container(carrier)


def _directories(path: str) -> Iterator[str]:
    """Yield ``a``, ``a/b``, ``a/b/c`` for ``a/b/c``."""
    parts = path.split("/")
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def _clean(text: str) -> str:
    """Return the last part of an id or ARN, in characters that every engine takes in a name."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", text.rpartition("/")[2])


def _short(text: str) -> str:
    """Return a name that is readable and unique."""
    return f"{_clean(text)[:40]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

"""Which files there are in the fake runtime's containers and volumes: their names, as far as archives brought them."""

from __future__ import annotations

import io
import tarfile

from pytest_ecs_tasks.core.spec import ContainerSpec


def names_in(archive: bytes, path: str) -> list[str]:
    """Return the paths that an archive makes when it is unpacked at ``path``."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as entries:
        return [f"{path.rstrip('/')}/{name}" for name in entries.getnames()]


def place_of(spec: ContainerSpec, container_id: str, path: str) -> tuple[str, str]:
    """Return where a path of a container is: in which volume, or in which container, and where there."""
    for mount in spec.mounts:
        if path.startswith(f"{mount.target}/"):
            return mount.source, path.removeprefix(mount.target)
    return container_id, path

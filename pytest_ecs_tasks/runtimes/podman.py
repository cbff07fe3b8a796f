"""Podman, where it differs from Docker; every difference says what was measured (Podman 4.3.1)."""

from __future__ import annotations

from pytest_ecs_tasks.runtimes.docker import DockerRuntime


class PodmanRuntime(DockerRuntime):
    """A Podman engine, through its Docker-compatible API."""

    name = "podman"

"""What a run has left on an engine, asked with a client that is not ours."""

from __future__ import annotations

import threading
import time

import docker

_pause = threading.Event()


def labelled_objects(engine_url: str, label: str) -> list[str]:
    """Return every container, network and volume that bears the label (``key=value``), in words."""
    client = docker.APIClient(base_url=engine_url, version="1.41", timeout=60)
    try:
        filters = {"label": [label]}
        containers = [
            f"container {each['Names'][0]}" for each in client.containers(all=True, filters=filters)
        ]
        networks = [f"network {each['Name']}" for each in client.networks(filters=filters)]
        volumes = [f"volume {each['Name']}" for each in client.volumes(filters=filters).get("Volumes") or []]
    finally:
        client.close()
    return [*containers, *networks, *volumes]


def label_of(engine_url: str, container_id: str, name: str) -> str:
    """Return one label of a container as ``key=value``."""
    client = docker.APIClient(base_url=engine_url, version="1.41", timeout=60)
    try:
        return f"{name}={client.inspect_container(container_id)['Config']['Labels'][name]}"
    finally:
        client.close()


def wait_until_gone(engine_url: str, label: str, *, patience_s: float) -> list[str]:
    """Wait until nothing bears the label; return what is still there at the end of patience."""
    deadline = time.monotonic() + patience_s
    while (left := labelled_objects(engine_url, label)) and time.monotonic() < deadline:
        _pause.wait(0.05)
    return left


def wait_for(condition, *, patience_s: float) -> bool:  # type: ignore[no-untyped-def]
    """Ask again and again until the condition holds or patience ends; tell which."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        _pause.wait(0.02)
    return True

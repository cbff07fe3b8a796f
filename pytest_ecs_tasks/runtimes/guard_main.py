"""The guard's program: ``python -I -S guard_main.py URL LABEL PARENT [--service PID] [--tls CA CERT KEY]``.

Its standard input is a pipe from the pytest process. A byte means that all is swept; the end of the file, or
of the process, means that pytest is gone: then everything with the label is removed. Standard library only,
nothing of the plugin is imported.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import ssl
import sys
import threading
import time
from typing import Any
from urllib.parse import quote, urlsplit

KEEP_LABEL = "pytest-ecs-tasks.keep"
SANDBOX_LABEL = "pytest-ecs-tasks.sandbox"
TIME_LIMIT_S = 60.0
CALL_TIMEOUT_S = 30.0
PAUSE_S = 0.25
CALM_LISTS = 2  # a container that was being created when the process died shows up late
LIBPOD = "/v4.0.0/libpod"


class Engine:
    """The few calls that the removal needs."""

    def __init__(self, url: str, certificates: tuple[str, str, str] | None) -> None:
        self._url = urlsplit(url)
        self._certificates = certificates

    def _connect(self) -> http.client.HTTPConnection:
        if self._url.scheme in ("unix", "http+unix"):
            connection = http.client.HTTPConnection("localhost", timeout=CALL_TIMEOUT_S)
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(CALL_TIMEOUT_S)
            connection.sock.connect("/" + (self._url.netloc + self._url.path).lstrip("/"))
            return connection
        host, port = self._url.hostname or "localhost", self._url.port
        if self._certificates is None:
            return http.client.HTTPConnection(host, port or 2375, timeout=CALL_TIMEOUT_S)
        authority, certificate, key = self._certificates
        context = ssl.create_default_context(cafile=authority or None)
        if not authority:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(certificate, key)
        return http.client.HTTPSConnection(host, port or 2376, timeout=CALL_TIMEOUT_S, context=context)

    def call(self, method: str, path: str) -> Any:
        """Do one call; ``None`` for an empty answer.

        Raises OSError when there is none, or a refusal but for 404.
        """
        status, content = self._exchange(method, path)
        if status >= 400 and status != 404:
            raise OSError(f"{status} {content!r}")
        return json.loads(content) if content.strip() and status == 200 else None

    def _exchange(self, method: str, path: str) -> tuple[int, bytes]:
        connection = self._connect()
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()

    def is_podman(self) -> bool:
        """Tell which engine it is. Podman takes 0.4 s to answer ``/version``, so that is not asked."""
        status, _ = self._exchange("GET", f"{LIBPOD}/_ping")
        return status == 200

    def find(self, kind: str, label: str, *, podman: bool) -> list[tuple[str, bool]]:
        """List the paths of what bears the label and is not kept, and whether each is a sandbox."""
        # Podman's Docker-compatible lists fail as a whole when one container, anybody's, was removed by halves.
        place = f"{LIBPOD}/{kind}/json" if podman else f"/{kind}/json" if kind == "containers" else f"/{kind}"
        filters = quote(json.dumps({"label": [label]}))
        answer = self.call("GET", f"{place}?all=true&filters={filters}")
        items = answer.get("Volumes") if isinstance(answer, dict) else answer
        found = []
        for item in items or ():
            name = item["Name"] if kind == "volumes" else item.get("Id") or item["id"]
            labels = item.get("Labels") or item.get("labels") or {}
            if KEEP_LABEL not in labels:
                found.append((f"/{kind}/{quote(name, safe='')}", SANDBOX_LABEL in labels))
        return found

    def remove(self, paths: list[str]) -> None:
        """Remove all of them at once; what cannot be removed yet is left."""
        threads = [threading.Thread(target=self._remove, args=(path,)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _remove(self, path: str) -> None:
        try:
            self.call("DELETE", f"{path}?force=1&v=1" if path.startswith("/containers/") else path)
        except OSError:
            pass  # the next round lists it again


def sweep(engine: Engine, label: str) -> None:
    """Remove everything with the label, until nothing is left or the time is up.

    What may still be in the making comes first: containers, on Podman without the sandboxes that they join. Podman
    removes a sandbox by halves when a member is being created at that moment, and is then of no use to anybody. So the
    rest follows only after lists without them, some time apart.
    """
    deadline = time.monotonic() + TIME_LIMIT_S
    calm = 0
    while time.monotonic() < deadline:
        try:
            podman = engine.is_podman()
            containers = engine.find("containers", label, podman=podman)
            first = [path for path, is_sandbox in containers if not (podman and is_sandbox)]
            if first:
                calm = 0
                engine.remove(first)
                continue
            calm += 1
            if calm >= CALM_LISTS:
                # On Podman the last one goes alone, or the machine keeps the network's bridge (netavark 1.4).
                rest = [path for path, _ in containers[:-1] or containers] or [
                    path
                    for kind in ("networks", "volumes")
                    for path, _ in engine.find(kind, label, podman=podman)
                ]
                if not rest:
                    return
                engine.remove(rest)
                continue
        except (OSError, ValueError):
            calm = 0  # the engine is away: perhaps it comes back
        time.sleep(PAUSE_S)


def forget_images(engine: Engine, label: str) -> None:
    """Take the names of the run's registries from the engine, and images that have no other; what is used stays."""
    part = f"/ecs-tasks-{label.partition('=')[2]}/"
    try:
        # To remove what Podman lists as a digest would remove the image under every name.
        for kind in ("RepoTags",) if engine.is_podman() else ("RepoTags", "RepoDigests"):
            for image in engine.call("GET", "/images/json") or ():
                for name in image.get(kind) or ():
                    if part in name:
                        engine.call("DELETE", f"/images/{quote(name, safe='/:@')}")
    except (OSError, ValueError):
        pass  # used, or the engine is away


def is_kept(engine: Engine, label: str) -> bool:
    """Tell whether the run is marked as kept: then it stays until a person sweeps it."""
    try:
        filters = quote(json.dumps({"label": [label]}))  # Podman takes what bears one of two labels
        volumes = (engine.call("GET", f"/volumes?filters={filters}") or {}).get("Volumes")
    except (OSError, ValueError):
        return False
    return any(KEEP_LABEL in (volume.get("Labels") or {}) for volume in volumes or ())


def wait_for_the_end(parent: int) -> bool:
    """Block until the parent is gone or says that all is swept; tell whether there is something to do."""
    watched = [0]
    try:
        # The pipe alone is not enough: a child that the tests forked holds its other end, too.
        watched.append(os.pidfd_open(parent))
    except (AttributeError, OSError):
        pass  # no Linux, or gone already: then the pipe tells
    if os.getppid() == parent:
        select.select(watched, [], [])
    readable, _, _ = select.select([0], [], [], 0)
    return not (readable and os.read(0, 1))


def main(arguments: list[str]) -> None:
    """Wait, then remove."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    url, label, parent, *options = arguments
    certificates = None
    if "--tls" in options:
        authority, certificate, key = options[options.index("--tls") + 1 :][:3]
        certificates = (authority, certificate, key)
    if wait_for_the_end(int(parent)):
        engine = Engine(url, certificates)
        if not is_kept(engine, label):
            sweep(engine, label)
            forget_images(engine, label)
        if "--service" in options:
            # Pytest is gone, so nobody else will end the engine that it had started for itself.
            try:
                os.kill(int(options[options.index("--service") + 1]), signal.SIGTERM)
            except ProcessLookupError:
                pass


if __name__ == "__main__":
    main(sys.argv[1:])

"""Which container engine to use: what was asked for, else the first that answers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.errors import EngineUnavailable
from pytest_ecs_tasks.runtimes.contexts import DEFAULT_CONTEXT, ContextError, current_context, read_context
from pytest_ecs_tasks.runtimes.docker import DockerRuntime
from pytest_ecs_tasks.runtimes.guard import Guard
from pytest_ecs_tasks.runtimes.podman import PodmanRuntime
from pytest_ecs_tasks.runtimes.private_podman import PrivatePodman
from pytest_ecs_tasks.runtimes.transport import Endpoint, read_certificates
from pytest_ecs_tasks.runtimes.version import probe_version

DOCKER_HINTS = {
    "connection refused": "is dockerd running?",
    "no such file or directory": "is dockerd running?",
    "permission denied": "is this user in the group docker?",
}
PODMAN_HINTS = {
    "connection refused": "systemctl --user start podman.socket",
    "no such file or directory": "systemctl --user start podman.socket",
    "permission denied": "it belongs to another user; use your own: systemctl --user start podman.socket",
}
ADVICE = "Start one, set --ecs-engine=URL, or skip these tests with --ecs-missing-engine=skip."


@dataclass(frozen=True, slots=True)
class Tried:
    """One place where an engine might have been, and what was there."""

    place: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Found:
    """The engine to use.

    ``source`` says where the choice came from, ``tried`` what was asked before it answered.
    """

    runtime: DockerRuntime
    source: str
    tried: tuple[Tried, ...] = ()
    endpoint: Endpoint = field(default_factory=lambda: Endpoint(""))
    service: PrivatePodman | None = None

    def guard(self, label: str) -> Guard:
        """Start a guard that can reach this engine, with its certificates, and that ends an engine of our own."""
        tls = self.endpoint.tls
        certificates = None
        if tls is not None:
            certificate, key = tls.cert or ("", "")
            certificates = (str(tls.ca_cert or ""), str(certificate), str(key))
        pid = None if self.service is None else self.service.pid
        return Guard(self.runtime.url, label, certificates=certificates, service_pid=pid)

    def close(self) -> None:
        """Close the runtime, and end the engine if it is our own. Safe to call twice."""
        self.runtime.close()
        if self.service is not None:
            self.service.close()


@dataclass(frozen=True, slots=True)
class _Place:
    """A place to ask.

    ``decisive``: the user named it, so no other may take its place when it does not answer.
    """

    title: str
    source: str
    endpoint: Endpoint | None
    missing: str = ""
    decisive: bool = False


def find_runtime(choice: str, environ: Mapping[str, str]) -> Found:
    """Return a runtime for the engine that ``choice`` means: ``auto``, ``docker``, ``podman`` or a URL.

    Which engine answers is told by its own version document: a ``docker`` that is Podman is Podman. Raises
    :class:`EngineUnavailable`, with everything that was tried and why it failed.
    """
    tried: list[Tried] = []
    try:
        for place in _places(choice, environ):
            if place.endpoint is None:
                tried.append(Tried(place.title, place.missing))
                if place.decisive:
                    break
                continue
            try:
                return Found(open_runtime(place.endpoint), place.source, tuple(tried), place.endpoint)
            except EngineError as error:
                tried.append(Tried(place.title, _outcome(str(error), place)))
            if place.decisive:
                break
        else:
            if choice in ("auto", "podman"):
                found = _private_podman(environ, tried)
                if found is not None:
                    return found
    except EngineError as error:
        tried.append(Tried(choice, str(error)))
    raise EngineUnavailable(describe_failure(tried))


def open_runtime(endpoint: Endpoint, version_document: Mapping[str, Any] | None = None) -> DockerRuntime:
    """Return the runtime for whichever engine answers there. Raises :class:`EngineError`."""
    document = probe_version(endpoint) if version_document is None else version_document
    return PodmanRuntime(endpoint, document) if is_podman(document) else DockerRuntime(endpoint, document)


def is_podman(version_document: Mapping[str, Any]) -> bool:
    """Tell by its version document whether an engine is Podman, whatever its socket is called."""
    components = version_document.get("Components") or ()
    return any("podman" in str(component.get("Name", "")).lower() for component in components)


def describe_failure(tried: list[Tried]) -> str:
    """Return the text for the person at the keyboard."""
    width = max((len(item.place) for item in tried), default=0)
    lines = [f"{item.place:<{width}}  {item.outcome}" for item in tried]
    body = [f"  {'tried' if number == 0 else '     '}  {line}" for number, line in enumerate(lines)]
    return "\n".join(["no container engine answered", *body, f"  {ADVICE}"])


def _places(choice: str, environ: Mapping[str, str]) -> Iterator[_Place]:
    if choice not in ("auto", "docker", "podman"):
        if "://" not in choice:
            hint = "not auto, docker, podman or a URL such as unix:///var/run/docker.sock"
            yield _Place(choice, "", None, hint, decisive=True)
        else:
            yield _Place(choice, choice, Endpoint.from_environment(choice, environ), decisive=True)
        return
    if choice in ("auto", "docker"):
        yield _docker_host(environ)
        yield _docker_context(environ)
        yield from _sockets(_docker_sockets(environ))
    if choice == "podman":
        yield _container_host(environ)
    if choice in ("auto", "podman"):
        yield from _sockets(_podman_sockets(environ))


def _docker_host(environ: Mapping[str, str]) -> _Place:
    url = environ.get("DOCKER_HOST") or ""
    if not url:
        return _Place("DOCKER_HOST", "", None, "not set")
    return _Place(f"DOCKER_HOST {url}", "DOCKER_HOST", Endpoint.from_environment(url, environ), decisive=True)


def _container_host(environ: Mapping[str, str]) -> _Place:
    url = environ.get("CONTAINER_HOST") or ""
    if not url:
        return _Place("CONTAINER_HOST", "", None, "not set")
    return _Place(f"CONTAINER_HOST {url}", "CONTAINER_HOST", Endpoint(url), decisive=True)


def _docker_context(environ: Mapping[str, str]) -> _Place:
    name = current_context(environ)
    title = f'docker context "{name}"'
    if name == DEFAULT_CONTEXT:
        return _Place("docker context", "", None, '"default"')
    decisive = bool(environ.get("DOCKER_CONTEXT"))
    try:
        context = read_context(name, environ)
        tls = read_certificates(context.certificates, verify=context.verify) if context.certificates else None
    except (ContextError, EngineError) as error:
        return _Place(title, "", None, str(error), decisive=decisive)
    return _Place(f"{title} {context.url}", title, Endpoint(context.url, tls), decisive=decisive)


def _sockets(paths: list[str]) -> Iterator[_Place]:
    for path in dict.fromkeys(paths):
        yield _Place(f"unix://{path}", path, Endpoint(f"unix://{path}"))


def _runtime_folder(environ: Mapping[str, str]) -> str:
    user = os.getuid() if hasattr(os, "getuid") else 0
    return environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"


def _docker_sockets(environ: Mapping[str, str]) -> list[str]:
    home = environ.get("HOME") or str(Path.home())
    rootless = f"{_runtime_folder(environ)}/docker.sock"
    desktop = f"{home}/.docker/run/docker.sock"
    # Those that most people do not have are mentioned only where they are.
    return ["/var/run/docker.sock", *(path for path in (rootless, desktop) if os.path.exists(path))]


def _podman_sockets(environ: Mapping[str, str]) -> list[str]:
    own = f"{_runtime_folder(environ)}/podman/podman.sock"
    system = "/run/podman/podman.sock"
    return [system, own] if _is_root() else [own, system]


def _is_root() -> bool:
    return hasattr(os, "getuid") and os.getuid() == 0


def _outcome(error: str, place: _Place) -> str:
    url = place.endpoint.url if place.endpoint is not None else ""
    text = error.removeprefix(f"{url}: ")
    text = text[:1].lower() + text[1:]
    hints = PODMAN_HINTS if "podman" in url else DOCKER_HINTS
    if not url.startswith("unix://"):
        return text
    if text == "no such file or directory":
        return f"no such file ({hints[text]})"
    hint = hints.get(text)
    return f"{text} ({hint})" if hint else text


def _private_podman(environ: Mapping[str, str], tried: list[Tried]) -> Found | None:
    program = shutil.which("podman", path=environ.get("PATH"))
    if program is None:
        tried.append(Tried("podman system service", "there is no podman in PATH"))
        return None
    try:
        service = PrivatePodman(program)
    except (EngineError, OSError) as error:
        tried.append(Tried("podman system service", str(error)))
        return None
    endpoint = Endpoint(service.url)
    try:
        runtime = open_runtime(endpoint)
    except EngineError as error:
        service.close()
        tried.append(Tried("podman system service", str(error)))
        return None
    return Found(runtime, "a podman service of our own", tuple(tried), endpoint, service)

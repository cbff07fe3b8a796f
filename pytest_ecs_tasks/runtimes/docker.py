"""Docker, through its HTTP API; Podman's Docker-compatible API too, except for what ``podman.py`` changes."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

from pytest_ecs_tasks.core.spec import ContainerSpec, RegistryLogin
from pytest_ecs_tasks.engine.ports import (
    ContainerFacts,
    ContainerNotFound,
    EngineError,
    ExecOutcome,
    ImageFacts,
    ImageNotFound,
    NetworkFacts,
    VolumeFacts,
)
from pytest_ecs_tasks.runtimes import bodies
from pytest_ecs_tasks.runtimes.attachment import WireAttachment
from pytest_ecs_tasks.runtimes.commands import CommandRunner
from pytest_ecs_tasks.runtimes.events import WireEvents
from pytest_ecs_tasks.runtimes.owner import KEEP_LABEL
from pytest_ecs_tasks.runtimes.sweeping import Sweep
from pytest_ecs_tasks.runtimes.terminals import WireTerminal, open_terminal
from pytest_ecs_tasks.runtimes.transport import Endpoint, Transport
from pytest_ecs_tasks.runtimes.version import pinned_version, probe_version

PULL_TIMEOUT_S = 900.0  # without a byte of progress
PULL_PAUSES_S = (1.0, 3.0)

# A registry that is busy, in the words of either engine; its status is in the text, the engine's own says
# nothing.
_BUSY_REGISTRY = re.compile(
    r"toomanyrequests|too many requests|\b(?:status|code)\b[^\n]*\b(?:429|5\d\d)\b|\b429\b", re.I
)


class DockerRuntime:
    """A Docker engine.

    Every method may be called from any thread; see :class:`ContainerRuntime` for what each promises.
    """

    name = "docker"
    members_first = False

    def __init__(
        self,
        endpoint: Endpoint | str,
        version_document: Mapping[str, Any] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask the engine for its version, unless its document is here already.

        Raises :class:`EngineError`.
        """
        self._endpoint = Endpoint(endpoint) if isinstance(endpoint, str) else endpoint
        document = probe_version(self._endpoint) if version_document is None else version_document
        self.url = self._endpoint.url
        self.version = str(document.get("Version") or "")
        self.architecture = str(document.get("Arch") or "")
        self._transport = Transport(self._endpoint, pinned_version(document))
        self._closing = threading.Event()
        # The clock is held by an object: freezegun replaces the names of modules.
        self._commands = CommandRunner(
            self._transport, self.url, monotonic=monotonic, wait=self._closing.wait
        )
        self._rootless: bool | None = None
        self._log_drivers: frozenset[str] | None = None

    @property
    def rootless(self) -> bool:
        """Whether the engine runs without root; asked once."""
        if self._rootless is None:
            options = (self._transport.call_json("GET", "/info") or {}).get("SecurityOptions") or ()
            self._rootless = any("name=rootless" in str(option) for option in options)
        return self._rootless

    @property
    def log_drivers(self) -> frozenset[str]:
        """The log drivers that it has, by ECS's names; asked once."""
        if self._log_drivers is None:
            plugins = (self._transport.call_json("GET", "/info") or {}).get("Plugins") or {}
            self._log_drivers = self._named_log_drivers(plugins.get("Log") or ())
        return self._log_drivers

    def _named_log_drivers(self, names: Sequence[str]) -> frozenset[str]:
        return frozenset(names)

    def find_image(self, reference: str) -> ImageFacts | None:
        try:
            document = self._transport.call_json("GET", f"/images/{quote(reference, safe='/:')}/json")
        except EngineError as error:
            if error.status == 404:
                return None
            raise
        return bodies.image_facts(document, reference)

    def pull_image(self, reference: str, login: RegistryLogin | None = None) -> None:
        """Pull it, three times if the registry is busy."""
        for pause_s in (*PULL_PAUSES_S, None):
            try:
                self._pull_once(reference, login)
            except EngineError as error:
                if pause_s is None or not _BUSY_REGISTRY.search(str(error)) or self._closing.wait(pause_s):
                    raise
            else:
                return

    def _pull_once(self, reference: str, login: RegistryLogin | None) -> None:
        repository, tag = split_reference(reference)
        response = self._transport.call(
            "POST",
            "/images/create",
            query={"fromImage": repository, "tag": tag},
            headers=self._transport.registry_header(reference, login),
            timeout_s=PULL_TIMEOUT_S,
        )
        raise_error_in_stream(response.content)

    def push_image(self, reference: str, login: RegistryLogin) -> None:
        """Push an image to the registry in its name. Raises :class:`EngineError` with the registry's words."""
        repository, tag = split_reference(reference)
        response = self._transport.call(
            "POST",
            f"/images/{quote(repository, safe='/:')}/push",
            query={"tag": tag},
            headers=self._transport.registry_header(reference, login),
            timeout_s=PULL_TIMEOUT_S,
        )
        raise_error_in_stream(response.content)

    def tag_image(self, image_id: str, reference: str) -> None:
        """Give an image one more name."""
        repository, tag = split_reference(reference)
        query = {"repo": repository, "tag": tag}
        self._transport.call("POST", f"/images/{quote(image_id, safe='/:')}/tag", query=query)

    def untag_image(self, reference: str) -> None:
        """Take a name away, and the image too if it has no other; one that is gone, or is used, is no error."""
        with _ignore(404, 409):
            self._transport.call("DELETE", f"/images/{quote(reference, safe='/:@')}")

    def load_image(self, archive: bytes) -> None:
        response = self._transport.call("POST", "/images/load", query={"quiet": "1"}, body=archive)
        raise_error_in_stream(response.content)

    def list_image_names(self) -> tuple[str, ...]:
        images = self._transport.call_json("GET", "/images/json") or ()
        names = {str(name) for image in images for name in image.get("RepoTags") or ()}
        return tuple(sorted(names - {"<none>:<none>"}))

    def list_digest_names(self) -> tuple[str, ...]:
        """Return every name with a digest (``repository@sha256:…``) of a local image."""
        images = self._transport.call_json("GET", "/images/json") or ()
        names = {str(name) for image in images for name in image.get("RepoDigests") or ()}
        return tuple(sorted(names - {"<none>@<none>"}))

    def create_network(self, name: str, labels: Mapping[str, str]) -> NetworkFacts:
        body = {"Name": name, "CheckDuplicate": True, "Driver": "bridge", "Labels": dict(labels)}
        created = self._transport.call_json("POST", "/networks/create", body=body)
        return bodies.network_facts(self._transport.call_json("GET", f"/networks/{created['Id']}"))

    def remove_network(self, network_id: str) -> None:
        with _ignore(404):
            self._transport.call("DELETE", f"/networks/{_quote(network_id)}")

    def create_volume(
        self, name: str, labels: Mapping[str, str], driver: str | None, driver_options: Mapping[str, str]
    ) -> None:
        body = {
            "Name": name,
            "Labels": dict(labels),
            "Driver": driver or "local",
            "DriverOpts": dict(driver_options),
        }
        self._transport.call("POST", "/volumes/create", body=body)

    def find_volume(self, name: str) -> VolumeFacts | None:
        with _ignore(404):
            return bodies.volume_facts(self._transport.call_json("GET", f"/volumes/{_quote(name)}"))
        return None

    def remove_volume(self, name: str) -> None:
        with _ignore(404):
            self._transport.call("DELETE", f"/volumes/{_quote(name)}")

    def _adapted(self, spec: ContainerSpec) -> ContainerSpec:
        # Docker refuses a host name beside another container's namespace, whose host name is shared anyway.
        return dataclasses.replace(spec, hostname=None) if spec.network.startswith("container:") else spec

    def create_container(self, spec: ContainerSpec) -> str:
        try:
            document = self._transport.call_json(
                "POST",
                "/containers/create",
                query={"name": spec.name},
                body=bodies.container_body(self._adapted(spec)),
            )
        except EngineError as error:
            if error.status == 404 and "image" in str(error).lower():
                raise ImageNotFound(str(error), status=404) from error
            raise
        return str(document["Id"])

    def has_path(self, container_id: str, path: str) -> bool:
        query = {"path": path}
        with _ignore(404):
            self._transport.call("HEAD", f"/containers/{_quote(container_id)}/archive", query=query)
            return True
        return False

    def put_archive(self, container_id: str, path: str, archive: bytes) -> None:
        place = f"/containers/{_quote(container_id)}/archive"
        self._transport.call("PUT", place, query={"path": path}, body=archive)

    def attach(self, container_id: str, *, stdin: bool = False, tty: bool = False) -> WireAttachment:
        query = {"stream": "1", "stdout": "1", "stderr": "1", **({"stdin": "1"} if stdin else {})}
        with _known(container_id):
            wire = self._transport.hijack(f"/containers/{_quote(container_id)}/attach", query=query)
        wire.set_timeout(None)
        return WireAttachment(wire, tty=tty)

    def settle_container(self, container_id: str) -> None:
        pass  # one that is not running can be started at once

    def start_container(self, container_id: str) -> None:
        self._container_call("POST", container_id, "/start")

    def inspect_container(self, container_id: str) -> ContainerFacts:
        with _known(container_id):
            document = self._transport.call_json("GET", f"/containers/{_quote(container_id)}/json")
        return bodies.container_facts(document)

    def container_statistics(self, container_id: str) -> Mapping[str, Any]:
        query = {"stream": "0", "one-shot": "1"}
        with _known(container_id):
            answer = self._transport.call_json(
                "GET", f"/containers/{_quote(container_id)}/stats", query=query
            )
        return dict(answer)

    def kill_container(self, container_id: str, signal: str) -> None:
        with _ignore(404, 409):
            self._container_call("POST", container_id, "/kill", {"signal": signal})

    def pause_container(self, container_id: str) -> None:
        self._container_call("POST", container_id, "/pause")

    def unpause_container(self, container_id: str) -> None:
        self._container_call("POST", container_id, "/unpause")

    def remove_container(self, container_id: str) -> None:
        try:
            self._container_call("DELETE", container_id, "", {"force": "1", "v": "1"})
        except ContainerNotFound:
            return
        except EngineError as error:
            if error.status != 409 or "already in progress" not in str(error):
                raise
            # Somebody else's removal is under way: gone is what was promised, so wait for it.
            with suppress(EngineError):
                self._container_call("POST", container_id, "/wait", {"condition": "removed"})

    def _container_call(
        self, method: str, container_id: str, action: str, query: Mapping[str, object] | None = None
    ) -> None:
        with _known(container_id):
            self._transport.call(method, f"/containers/{_quote(container_id)}{action}", query=query)

    def execute(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> ExecOutcome:
        with _known(container_id):
            return self._commands.run(
                f"/containers/{_quote(container_id)}",
                command,
                timeout_s=timeout_s,
                environment=environment or {},
                user=user,
            )

    def open_terminal(
        self, container_id: str, command: Sequence[str], *, environment: Mapping[str, str], user: str
    ) -> WireTerminal:
        path = f"/containers/{_quote(container_id)}"
        with _known(container_id):
            return open_terminal(self._transport, self._commands, path, command, environment, user)

    def events(self, label: str) -> WireEvents:
        # By label only: Podman answers the filter "event=die" with nothing.
        filters = json.dumps({"label": [label], "type": ["container"]})
        wire, head = self._transport.open("GET", "/events", query={"filters": filters})
        wire.set_timeout(None)
        return WireEvents(wire, head)

    def list_containers(self, label: str) -> tuple[ContainerFacts, ...]:
        documents = self._transport.call_json(
            "GET", "/containers/json", query={"all": "1", **label_filter(label)}
        )
        return tuple(bodies.listed_container(document) for document in documents or ())

    def sweep(self, label: str, *, kept: bool = False) -> int:
        """Remove what bears ``label``; what is marked as kept only if ``kept``. Return how many there were."""
        return Sweep(self, label, kept=kept, wait=self._closing.wait).run()

    def list_labelled(self, kind: str, label: str, *, kept: bool) -> tuple[str, ...]:
        """List ``networks`` (by id) or ``volumes`` (by name) that bear ``label``; the kept ones only if ``kept``."""
        items = self._labelled(kind, label)
        return tuple(name for name, labels in items if kept or KEEP_LABEL not in labels)

    def _labelled(self, kind: str, label: str) -> list[tuple[str, Mapping[str, str]]]:
        answer = self._transport.call_json("GET", f"/{kind}", query=label_filter(label))
        documents = answer.get("Volumes") if isinstance(answer, dict) else answer
        key = "Name" if kind == "volumes" else "Id"
        return [(str(item[key]), dict(item.get("Labels") or {})) for item in documents or ()]

    def list_labels(self, label: str) -> tuple[Mapping[str, str], ...]:
        """Return all labels of every container, network and volume that bears a label, whatever its value."""
        containers = [item.labels for item in self.list_containers(label)]
        others = [labels for kind in ("networks", "volumes") for _, labels in self._labelled(kind, label)]
        return (*containers, *others)

    def close(self) -> None:
        """Close every thread's client; streams belong to whoever opened them."""
        self._closing.set()
        self._transport.close()


def split_reference(reference: str) -> tuple[str, str]:
    """Split an image's name into repository and tag or digest; the tag is ``latest`` when there is none."""
    repository, at, digest = reference.partition("@")
    head, slash, tail = repository.rpartition("/")
    name, _, tag = tail.partition(":")
    return f"{head}{slash}{name}", digest if at else tag or "latest"


def raise_error_in_stream(content: bytes) -> None:
    """Raise the error that an engine hides in an answer whose status is 200."""
    for line in content.splitlines():
        with suppress(ValueError):
            document = json.loads(line)
            if isinstance(document, dict) and document.get("error"):
                raise EngineError(str(document["error"]))


@contextmanager
def _ignore(*statuses: int) -> Iterator[None]:
    try:
        yield
    except EngineError as error:
        if error.status not in statuses:
            raise


@contextmanager
def _known(container_id: str) -> Iterator[None]:
    try:
        yield
    except EngineError as error:
        if error.status == 404:
            raise ContainerNotFound(str(error), status=404) from error
        raise


def label_filter(label: str) -> dict[str, str]:
    """Return the query for what bears a label: ``key`` or ``key=value``."""
    return {"filters": json.dumps({"label": [label]})}


def _quote(name: str) -> str:
    return quote(name, safe="")

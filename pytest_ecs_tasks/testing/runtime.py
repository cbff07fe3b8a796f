"""A container engine in memory: scripted containers, failures on demand, time by the clock."""

from __future__ import annotations

import hashlib
import itertools
import signal as signals
import threading
from collections.abc import Iterable, Mapping, Sequence

from pytest_ecs_tasks.core.spec import ContainerSpec, RegistryLogin
from pytest_ecs_tasks.engine.ports import (
    ContainerFacts,
    ContainerNotFound,
    EngineError,
    EngineEvent,
    ExecOutcome,
    ImageFacts,
    ImageNotFound,
    NetworkFacts,
    VolumeFacts,
)
from pytest_ecs_tasks.testing.clock import FakeClock
from pytest_ecs_tasks.testing.fake_containers import (
    FakeAttachment,
    FakeContainer,
    FakeEvents,
    Script,
    bears,
    published,
)
from pytest_ecs_tasks.testing.fake_files import names_in, place_of
from pytest_ecs_tasks.testing.fake_images import FakeImages
from pytest_ecs_tasks.testing.fake_terminals import FakeTerminal, outcome_in, terminal_in

KEEP_LABEL = "pytest-ecs-tasks.keep"
FIRST_HOST_PORT = 49153


class FakeRuntime:
    """An engine that starts nothing.

    Images are there once they are scripted; ``registry`` names those that can be pulled. Every method may be
    called from any thread. ``calls`` lists the calls in order: method and container, image or label.
    """

    url = "fake://"
    version = "0"
    architecture = "amd64"
    rootless = False
    log_drivers = frozenset({"json-file", "none"})

    def __init__(
        self, clock: FakeClock | None = None, *, name: str = "docker", registry: Iterable[str] = ()
    ) -> None:
        self.name = name
        self.clock = clock or FakeClock()
        self.calls: list[tuple[str, str]] = []
        self._images = FakeImages(registry)
        self._containers: dict[str, FakeContainer] = {}
        self._networks: dict[str, tuple[NetworkFacts, Mapping[str, str]]] = {}
        self._volumes: dict[str, Mapping[str, str]] = {}
        self._paths: set[tuple[str, str]] = set()
        self._events: list[FakeEvents] = []
        self._failures: dict[str, list[EngineError]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    def script(self, image: str, script: Script | None = None, **behaviour: object) -> ImageFacts:
        """Make an image whose containers behave like this.

        The keywords are the fields of :class:`Script`, ``output`` also text.
        """
        text = behaviour.get("output")
        if isinstance(text, str):
            behaviour["output"] = (("stdout", text.encode()),)
        with self._lock:
            return self._images.add(image, script or Script(**behaviour))  # type: ignore[arg-type]  # the dataclass checks

    def fail(self, method: str, error: EngineError, *, times: int = 1) -> None:
        """Let the next calls of ``method`` raise ``error`` instead."""
        with self._lock:
            self._failures.setdefault(method, []).extend([error] * times)

    def write(self, container_id: str, data: bytes, stream: str = "stdout") -> None:
        """Let a running container write something."""
        for attachment in self._container(container_id).attachments:
            attachment.feed(stream, data)

    def exit(self, container_id: str, exit_code: int) -> None:
        """Let a running container end by itself."""
        self._end(container_id, exit_code, None)

    def cut_events(self, reason: str = "connection reset") -> None:
        """Break every events stream."""
        with self._lock:
            streams, self._events = self._events, []
        for stream in streams:
            stream.cut(reason)

    def find_image(self, reference: str) -> ImageFacts | None:
        """Return a scripted, pulled or loaded image, by name or id."""
        self._called("find_image", reference)
        with self._lock:
            return self._images.find(reference)

    def pull_image(self, reference: str, login: RegistryLogin | None = None) -> None:
        """Pull an image that is in ``registry``."""
        self._called("pull_image", reference)
        with self._lock:
            self._images.pull(reference)

    def load_image(self, archive: bytes) -> None:
        """Take an archive; the image is named by its bytes."""
        self._called("load_image", f"{len(archive)} bytes")
        with self._lock:
            self._images.add(f"loaded-{hashlib.sha256(archive).hexdigest()[:12]}")

    def list_image_names(self) -> tuple[str, ...]:
        """Return the names of all images."""
        self._called("list_image_names", "")
        with self._lock:
            return self._images.names()

    def create_network(self, name: str, labels: Mapping[str, str]) -> NetworkFacts:
        """Create a network."""
        self._called("create_network", name)
        with self._lock:
            number = next(self._numbers)
            facts = NetworkFacts(
                _identifier(number), name, f"10.{number % 250}.0.1", f"10.{number % 250}.0.0/16"
            )
            self._networks[facts.network_id] = (facts, dict(labels))
            return facts

    def remove_network(self, network_id: str) -> None:
        """Remove it, unless a running container is in it."""
        self._called("remove_network", network_id)
        with self._lock:
            if any(item.running and item.spec.network == network_id for item in self._containers.values()):
                raise EngineError(f"network {network_id} has active endpoints", status=403)
            self._networks.pop(network_id, None)

    def create_volume(
        self, name: str, labels: Mapping[str, str], driver: str | None, driver_options: Mapping[str, str]
    ) -> None:
        """Create a volume."""
        self._called("create_volume", name)
        with self._lock:
            self._volumes[name] = dict(labels)

    def find_volume(self, name: str) -> VolumeFacts | None:
        """Return a volume that was created."""
        self._called("find_volume", name)
        with self._lock:
            return VolumeFacts(name, f"/volumes/{name}") if name in self._volumes else None

    def remove_volume(self, name: str) -> None:
        """Remove it, if it is there."""
        self._called("remove_volume", name)
        with self._lock:
            self._volumes.pop(name, None)

    def create_container(self, spec: ContainerSpec) -> str:
        """Create a container of a scripted image."""
        self._called("create_container", spec.name)
        with self._lock:
            image = self._images.find_by_id(spec.image_id)
            if image is None:
                raise ImageNotFound(f"No such image: {spec.image_id}", status=404)
            if any(item.spec.name == spec.name for item in self._containers.values()):
                raise EngineError(f"Conflict. The container name {spec.name!r} is already in use", status=409)
            self._check_network(spec.network)
            number = next(self._numbers)
            container = FakeContainer(
                _identifier(number),
                spec,
                self._images.script(image),
                stop_signal=image.stop_signal,
            )
            container.address = self._address(spec.network, number)
            container.bindings = published(spec, FIRST_HOST_PORT + number)
            self._containers[container.container_id] = container
            return container.container_id

    def has_path(self, container_id: str, path: str) -> bool:
        """Tell whether an archive with that path was put into the container, or into its volume there."""
        self._called("has_path", container_id)
        with self._lock:
            return place_of(self._container(container_id).spec, container_id, path) in self._paths

    def put_archive(self, container_id: str, path: str, archive: bytes) -> None:
        """Take an archive, and remember what is in it."""
        self._called("put_archive", container_id)
        with self._lock:
            spec = self._container(container_id).spec
            self._paths.update(place_of(spec, container_id, name) for name in names_in(archive, path))

    def attach(self, container_id: str, *, stdin: bool = False, tty: bool = False) -> FakeAttachment:
        """Attach to its output."""
        self._called("attach", container_id)
        attachment = FakeAttachment()
        with self._lock:
            self._container(container_id).attachments.append(attachment)
        return attachment

    def settle_container(self, container_id: str) -> None:
        """Return at once: one that has ended can be started again."""
        self._called("settle_container", container_id)

    def start_container(self, container_id: str) -> None:
        """Start it; what its script says happens now or by the clock."""
        self._called("start_container", container_id)
        with self._lock:
            container = self._container(container_id)
            script = container.script
            if script.start_error:
                container.error = script.start_error
                raise EngineError(script.start_error, status=400)
            container.running, container.started_at, container.exit_code = True, self.clock.wall(), None
            container.life += 1
            life = container.life
        self._tell(EngineEvent("start", container_id), container)
        for stream, data in script.output:
            self.write(container_id, data, stream)
        if script.exits is None:
            return
        exit_code = script.exits
        if script.after > 0:
            self.clock.call_later(script.after, lambda: self._end(container_id, exit_code, life))
        else:
            self._end(container_id, exit_code, life)

    def inspect_container(self, container_id: str) -> ContainerFacts:
        """Return its state."""
        self._called("inspect_container", container_id)
        with self._lock:
            return self._container(container_id).facts()

    def container_statistics(self, container_id: str) -> dict[str, object]:
        """Return a sample of a container that uses nothing."""
        self._called("container_statistics", container_id)
        return self._container(container_id).statistics(self.clock.wall())

    def kill_container(self, container_id: str, signal: str) -> None:
        """Send a signal; the script says what it does."""
        self._called("kill_container", container_id)
        with self._lock:
            container = self._containers.get(container_id)
        if container is None or not container.running:
            return
        name = signal if signal.startswith("SIG") else f"SIG{signal}"
        exit_code = 128 + signals.Signals[name].value
        ending = container.script.on_signal.get(name, exit_code) if name != "SIGKILL" else exit_code
        if ending is not None:
            self._end(container_id, ending, None)

    def pause_container(self, container_id: str) -> None:
        """Do nothing to a container that is there."""
        self._called("pause_container", container_id)
        self._container(container_id)

    def unpause_container(self, container_id: str) -> None:
        """Do nothing to a container that is there."""
        self._called("unpause_container", container_id)
        self._container(container_id)

    def remove_container(self, container_id: str) -> None:
        """Kill and remove it, if it is there."""
        self._called("remove_container", container_id)
        self._end(container_id, 137, None)
        with self._lock:
            container = self._containers.pop(container_id, None)
        if container is not None:
            for attachment in container.attachments:
                attachment.close()
            self._tell(EngineEvent("remove", container_id), container)

    def execute(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        timeout_s: float,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> ExecOutcome:
        """Return what the script says about the command."""
        self._called("execute", container_id)
        with self._lock:
            return outcome_in(self._container(container_id), command)

    def open_terminal(
        self, container_id: str, command: Sequence[str], *, environment: Mapping[str, str], user: str
    ) -> FakeTerminal:
        """Return a terminal that shows what the script says about the command, and ends."""
        self._called("open_terminal", container_id)
        with self._lock:
            return terminal_in(self._container(container_id), command)

    def events(self, label: str) -> FakeEvents:
        """Follow the events of one label."""
        self._called("events", label)
        stream = FakeEvents(*label.split("=", 1))
        with self._lock:
            self._events.append(stream)
        return stream

    def list_containers(self, label: str) -> tuple[ContainerFacts, ...]:
        """List the containers that bear ``label``."""
        self._called("list_containers", label)
        with self._lock:
            found = [item for item in self._containers.values() if bears(item.spec.labels, label)]
            return tuple(item.facts() for item in found)

    def list_labels(self, label: str) -> tuple[Mapping[str, str], ...]:
        """Return all labels of everything that bears the label ``label``, whatever its value."""
        self._called("list_labels", label)
        with self._lock:
            everything = [item.spec.labels for item in self._containers.values()]
            everything += [labels for _, labels in self._networks.values()]
            everything += list(self._volumes.values())
            return tuple(labels for labels in everything if bears(labels, label))

    def sweep(self, label: str, *, kept: bool = False) -> int:
        """Remove what bears ``label``; what is marked as kept only if ``kept``."""
        self._called("sweep", label)

        def is_meant(labels: Mapping[str, str]) -> bool:
            return bears(labels, label) and (kept or KEEP_LABEL not in labels)

        with self._lock:
            containers = [name for name, item in self._containers.items() if is_meant(item.spec.labels)]
            networks = [name for name, (_, labels) in self._networks.items() if is_meant(labels)]
            volumes = [name for name, labels in self._volumes.items() if is_meant(labels)]
        for container in containers:
            self.remove_container(container)
        for volume in volumes:
            self.remove_volume(volume)
        for network in networks:
            self.remove_network(network)
        return len(containers) + len(volumes) + len(networks)

    def close(self) -> None:
        """End what is still read, so that no thread of a test waits for ever."""
        with self._lock:
            streams: list[FakeEvents | FakeAttachment] = [*self._events]
            streams += [attachment for item in self._containers.values() for attachment in item.attachments]
        for stream in streams:
            stream.close()

    def _called(self, method: str, subject: str) -> None:
        with self._lock:
            self.calls.append((method, subject))
            failures = self._failures.get(method)
            if failures:
                raise failures.pop(0)

    def _container(self, container_id: str) -> FakeContainer:
        with self._lock:
            container = self._containers.get(container_id)
        if container is None:
            raise ContainerNotFound(f"No such container: {container_id}", status=404)
        return container

    def _check_network(self, network: str) -> None:
        kind, _, owner = network.partition(":")
        if kind == "container":
            self._container(owner)
        elif network not in self._networks and network not in ("none", "host", "bridge", "default"):
            raise EngineError(f"network {network} not found", status=404)

    def _address(self, network: str, number: int) -> str | None:
        if network not in self._networks:
            return None
        gateway = self._networks[network][0].gateway or ""
        return f"{gateway.removesuffix('.0.1')}.{number // 250}.{number % 250 + 2}"

    def _end(self, container_id: str, exit_code: int, life: int | None) -> None:
        """Let a container end, once.

        ``life`` keeps an exit that was due for an earlier start from ending a later one.
        """
        with self._lock:
            container = self._containers.get(container_id)
            if container is None or not container.running or life not in (None, container.life):
                return
            container.running, container.exit_code = False, exit_code
            container.finished_at = self.clock.wall()
            attachments, container.attachments = container.attachments, []
        for attachment in attachments:
            attachment.close()
        if container.script.out_of_memory:
            self._tell(EngineEvent("oom", container_id), container)
        self._tell(EngineEvent("die", container_id, exit_code), container)

    def _tell(self, event: EngineEvent, container: FakeContainer) -> None:
        with self._lock:
            streams = list(self._events)
        for stream in streams:
            stream.feed(event, container.spec.labels)


def _identifier(number: int) -> str:
    return f"{number:064x}"

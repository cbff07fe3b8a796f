"""Podman, where it differs from Docker; every difference says what was measured (Podman 4.3.1)."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pytest_ecs_tasks.core.spec import ContainerSpec, RegistryLogin
from pytest_ecs_tasks.core.taskdef import Tmpfs
from pytest_ecs_tasks.engine.ports import ContainerFacts, EngineError, ImageFacts, NetworkFacts
from pytest_ecs_tasks.runtimes import bodies
from pytest_ecs_tasks.runtimes.docker import (
    PULL_TIMEOUT_S,
    DockerRuntime,
    label_filter,
    raise_error_in_stream,
)
from pytest_ecs_tasks.runtimes.transport import Endpoint

LIBPOD = "/v4.0.0/libpod"
# Podman makes these writable where the root is read-only, and its Docker-compatible API cannot tell it not to.
_OPENED = ("/tmp", "/var/tmp", "/run")
_MOST_CLOSED_MIB = 1024  # a limit: what the image has there is copied
SHORT_NAME_DEFAULTS = ("localhost/", "docker.io/library/", "docker.io/")
KILLED = 137
REMOVABLE_WITHIN_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)
SETTLE_TIMEOUT_S = 10.0

# Where the memory cgroup of a rootful container is on this kernel, by cgroup version and by who makes the
# cgroup.
_OOM_COUNTERS = (
    "/sys/fs/cgroup/memory/libpod_parent/libpod-{id}/memory.oom_control",
    "/sys/fs/cgroup/memory/machine.slice/libpod-{id}.scope/memory.oom_control",
    "/sys/fs/cgroup/libpod_parent/libpod-{id}/memory.events",
    "/sys/fs/cgroup/machine.slice/libpod-{id}.scope/memory.events",
)
_OOM_KILLS = re.compile(r"^oom_kill (\d+)$", re.M)
_PASSING = re.compile("has dependent containers|container state improper")
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{12,64}")


class PodmanRuntime(DockerRuntime):
    """A Podman engine, through its Docker-compatible API."""

    name = "podman"
    # A sandbox that is removed while a member is being created goes by halves: gone from the store, still in the
    # database. Then every Docker-compatible list fails, whoever asks.
    members_first = True

    def __init__(self, endpoint: Endpoint | str, version_document: Mapping[str, Any] | None = None) -> None:
        """Ask the engine for its version, unless its document is here already.

        Raises :class:`EngineError`.
        """
        super().__init__(endpoint, version_document)
        self._oom: dict[str, bool] = {}
        self._volumes = threading.Lock()

    def _named_log_drivers(self, names: Sequence[str]) -> frozenset[str]:
        # It takes "json-file" for its own "k8s-file". Podman lists "passthrough", of which nothing could be read.
        return frozenset({*names, "json-file"} - {"passthrough"})

    def find_image(self, reference: str) -> ImageFacts | None:
        # A local build "web:dev" is "localhost/web:dev" here, and the API takes a short name for one of
        # docker.io.
        if is_short_name(reference):
            facts = super().find_image(f"localhost/{reference}")
            if facts is not None:
                return facts
        return super().find_image(reference)

    def _adapted(self, spec: ContainerSpec) -> ContainerSpec:
        # A member of another container's network namespace has a host name of its own, its id if none is
        # given. And it refuses a tmpfs with an owner.
        tmpfs = tuple(
            dataclasses.replace(each, mount_options=tuple(drop_owner(each.mount_options)))
            for each in spec.tmpfs
        )
        return dataclasses.replace(spec, tmpfs=(*tmpfs, *_closed_directories(spec)))

    def list_image_names(self) -> tuple[str, ...]:
        # People write the short names that they built and pulled by, so those are listed too.
        names = set(super().list_image_names())
        for name in tuple(names):
            prefix = next((prefix for prefix in SHORT_NAME_DEFAULTS if name.startswith(prefix)), "")
            names.add(name.removeprefix(prefix))
        return tuple(sorted(names))

    def _pull_once(self, reference: str, login: RegistryLogin | None) -> None:
        if is_loopback_registry(reference):
            self._move_without_tls("pull", {"reference": reference}, reference, login)
        else:
            super()._pull_once(reference, login)

    def push_image(self, reference: str, login: RegistryLogin) -> None:
        if is_loopback_registry(reference):
            place = f"{quote(reference, safe='')}/push"
            self._move_without_tls(place, {"destination": reference}, reference, login)
        else:
            super().push_image(reference, login)

    def _move_without_tls(
        self, place: str, query: Mapping[str, object], reference: str, login: RegistryLogin | None
    ) -> None:
        """Pull or push. Docker takes a registry on the loopback for one without TLS; here only libpod can be told so."""
        response = self._transport.call(
            "POST",
            f"{LIBPOD}/images/{place}",
            query={**query, "tlsVerify": "false"},
            headers=self._transport.registry_header(reference, login),
            timeout_s=PULL_TIMEOUT_S,
        )
        raise_error_in_stream(response.content)

    def inspect_container(self, container_id: str) -> ContainerFacts:
        facts = super().inspect_container(container_id)
        if facts.running or not facts.started:
            return facts
        return dataclasses.replace(facts, out_of_memory=self._saw_oom(facts))

    def _saw_oom(self, facts: ContainerFacts) -> bool | None:
        # State.OOMKilled is false even after a real one: only the kernel's own count tells. It goes with the
        # cgroup, a moment after the end, so the answer is kept.
        if facts.out_of_memory:
            return True
        counted = self._oom.get(facts.container_id)
        if counted is None:
            counted = _kernel_saw_oom(facts.container_id)
        if counted is None:
            return None if facts.exit_code == KILLED else False
        self._oom[facts.container_id] = counted
        return counted

    def create_network(self, name: str, labels: Mapping[str, str]) -> NetworkFacts:
        # One call: the answer has the range. The compatible inspection looks at all containers of the engine.
        body = {"name": name, "driver": "bridge", "dns_enabled": True, "labels": dict(labels)}
        created = self._transport.call_json("POST", f"{LIBPOD}/networks/create", body=body)
        ranges = [pool for pool in created.get("subnets") or () if ":" not in pool["subnet"]]
        pool = ranges[0] if ranges else {}
        return NetworkFacts(created["id"], created["name"], pool.get("gateway"), pool.get("subnet"))

    def list_containers(self, label: str) -> tuple[ContainerFacts, ...]:
        # The compatible list fails as a whole when one container, anybody's, was removed by halves; this one does not.
        query = {"all": "true", **label_filter(label)}
        documents = self._transport.call_json("GET", f"{LIBPOD}/containers/json", query=query)
        return tuple(bodies.listed_container(document) for document in documents or ())

    def _labelled(self, kind: str, label: str) -> list[tuple[str, Mapping[str, str]]]:
        # The compatible list of networks looks at all containers, too.
        if kind != "networks":
            return super()._labelled(kind, label)
        documents = self._transport.call_json("GET", f"{LIBPOD}/networks/json", query=label_filter(label))
        return [(str(item["id"]), dict(item.get("labels") or {})) for item in documents or ()]

    def create_container(self, spec: ContainerSpec) -> str:
        # A creation locks the volumes of the container one by one, in any order. Two that share two volumes then wait for
        # each other, and all of the engine with them, for ever.
        volumes = {mount.source for mount in spec.mounts if not mount.is_bind}
        with self._volumes if len(volumes) > 1 or spec.mounts_of else contextlib.nullcontext():
            return super().create_container(spec)

    def settle_container(self, container_id: str) -> None:
        # Until Podman's own clean-up has made "stopped" into "exited", 0.2 s later, an attach meets the last life's
        # end: its output ends at once, and what the next life writes is lost.
        self._transport.call(
            "POST",
            f"{LIBPOD}/containers/{container_id}/wait",
            query={"condition": "exited", "interval": "10ms"},
            timeout_s=SETTLE_TIMEOUT_S,
        )

    def container_statistics(self, container_id: str) -> Mapping[str, Any]:
        # "Id" for "id", a name without its slash, and the one interface is called "network".
        answer = dict(super().container_statistics(container_id))
        networks = answer.pop("networks", None) or {}
        identifier = answer.pop("Id", container_id)
        answer.update(id=identifier, name=f"/{str(answer.get('name', '')).lstrip('/')}")
        answer["networks"] = {
            ("eth0" if name == "network" else name): each for name, each in networks.items()
        }
        return answer

    def kill_container(self, container_id: str, signal: str) -> None:
        try:
            super().kill_container(container_id, signal)
        except EngineError as error:
            # 500 where Docker says 409: "can only kill running containers. … is in state stopped".
            if "can only kill running containers" not in str(error):
                raise

    def remove_container(self, container_id: str) -> None:
        self._oom.pop(container_id, None)
        for pause_s in (*REMOVABLE_WITHIN_S, None):
            try:
                super().remove_container(container_id)
                return
            except EngineError as error:
                # A removal that raced ours makes this a 500 instead of a 404.
                if "no such container" in str(error):
                    return
                # On a busy machine a member counts for a moment after its own removal has been answered, and what ends
                # just now cannot be killed: "container state improper: stopped".
                if pause_s is None or not _PASSING.search(str(error)):
                    raise
                threading.Event().wait(pause_s)


def drop_owner(mount_options: Sequence[str]) -> list[str]:
    """Return the options without the owner of the file system."""
    return [option for option in mount_options if not option.startswith("uid=")]


def is_short_name(reference: str) -> bool:
    """Tell whether an image's name has no registry in front, and is no id."""
    first, slash, _ = reference.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return not has_registry and not _ID.fullmatch(reference)


def is_loopback_registry(reference: str) -> bool:
    """Tell whether an image's registry is on the loopback of the engine's host."""
    host = reference.partition("/")[0].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _kernel_saw_oom(container_id: str) -> bool | None:
    for place in _OOM_COUNTERS:
        try:
            found = _OOM_KILLS.search(Path(place.format(id=container_id)).read_text())
        except OSError:
            continue
        if found:
            return int(found[1]) > 0
    return None


def _closed_directories(spec: ContainerSpec) -> Iterator[Tmpfs]:
    """Yield what keeps a read-only root read-only: a read-only tmpfs, where nothing else is or may be mounted."""
    targets = [each.target for each in spec.mounts] + [each.container_path for each in spec.tmpfs]
    targets = [re.sub("^/var/run(?=/|$)", "/run", each) for each in (*targets, *spec.image_volumes)]
    for directory in _OPENED if spec.read_only_root and not spec.mounts_of else ():
        if not any(each == directory or each.startswith(f"{directory}/") for each in targets):
            yield Tmpfs(directory, _MOST_CLOSED_MIB, ("ro",))

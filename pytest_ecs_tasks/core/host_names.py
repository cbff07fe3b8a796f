"""Where a container names another one of its task as a host: in its variables, its command, its health check."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from pytest_ecs_tasks.core.dependency_rules import link_target
from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode

# A host in a URL, behind a user and password if there are any, and a host with a port of two digits or more: fewer are
# as likely an image's tag.
_URL_HOST = re.compile(
    r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://(?:[^/\s@]*@)?([A-Za-z0-9_-]+)(?=[:/?,\s'\"]|$)"
)
_HOST_AND_PORT = re.compile(r"(?:^|[\s,;=@'\"\[(])([A-Za-z0-9_-]+):([0-9]{2,5})(?=[/,;\s'\")\]]|$)")
_HOST_VARIABLE = re.compile(r"(?:^|_)(?:HOST|HOSTNAME|ADDR|ADDRESS|SERVER|SERVERS|ENDPOINT)$", re.IGNORECASE)
Variables = Sequence[tuple[int, str, str]]  # of a container: place, name and value
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_LONGEST_READ = 10_000  # characters of one text; names of hosts stand near the beginning


@dataclass(frozen=True, slots=True)
class Mention:
    """A name, and its place in the container definition."""

    name: str
    place: Path


def find_mentions(
    container: ContainerDefinition, variables: Variables, names: Set[str], resolvable: Set[str]
) -> Iterator[Mention]:
    """Yield where a container uses one of the names as a host that is not resolvable, each name once."""
    seen: set[str] = set()
    for place, host in _hosts(container, variables):
        if host in names and host not in resolvable and host not in seen:
            seen.add(host)
            yield Mention(host, place)


def resolvable_names(container: ContainerDefinition, mode: NetworkMode) -> set[str]:
    """Return the names that resolve in a container: its own, its links under bridge, and its extra hosts."""
    names = {container.name, *container.extra_hosts}
    if mode is NetworkMode.BRIDGE:
        names.update(link.partition(":")[2] or link_target(link) for link in container.links)
    if container.hostname:
        names.add(container.hostname)
    return names


def starts_before_ready(
    container: ContainerDefinition, variables: Variables, target: ContainerDefinition
) -> str | None:
    """Return why a container that waits for the START of another one may be too early, if that can be told."""
    if target.firelens is not None:
        return None  # the agent itself makes it a START dependency, and the log driver waits
    if target.health_check is not None:
        return "it has a health check, so HEALTHY would"
    ports = {str(mapping.container_port) for mapping in target.port_mappings if mapping.protocol == "tcp"}
    hosts = (*_LOOPBACK, target.name)
    for _, text in _texts(container, variables):
        for port in ports:
            if any(_names_port(text, host, port) for host in hosts):
                return f"'{container.name}' connects to its port {port}; give it a health check and wait for HEALTHY"
    return None


def _names_port(text: str, host: str, port: str) -> bool:
    place = text.find(f"{host}:{port}")
    end = place + len(host) + 1 + len(port)
    return place >= 0 and not text[end : end + 1].isdigit()


def _hosts(container: ContainerDefinition, variables: Variables) -> Iterator[tuple[Path, str]]:
    for place, text in _texts(container, variables):
        for found in (*_URL_HOST.finditer(text), *_HOST_AND_PORT.finditer(text)):
            yield place, found.group(1)
    for index, name, value in variables:
        if _HOST_VARIABLE.search(name):
            yield ("environment", index, "value"), value


def _texts(container: ContainerDefinition, variables: Variables) -> Iterator[tuple[Path, str]]:
    for index, _, value in variables:
        yield ("environment", index, "value"), value[:_LONGEST_READ]
    for field, words in (("command", container.command), ("entryPoint", container.entry_point)):
        for index, word in enumerate(words or ()):
            yield (field, index), word[:_LONGEST_READ]
    if container.health_check is not None:
        for index, word in enumerate(container.health_check.command):
            yield ("healthCheck", "command", index), word[:_LONGEST_READ]

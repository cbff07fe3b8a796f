"""What ECS accepts and people regret: warnings, of which few may be wrong.

They are judged by the definition alone, so they say what to look at, never what is in a variable. Sources as in
:mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import EVERY, Finding
from pytest_ecs_tasks.core.host_names import (
    Mention,
    Variables,
    find_mentions,
    resolvable_names,
    starts_before_ready,
)
from pytest_ecs_tasks.core.placeholders import find_placeholder, image_slot
from pytest_ecs_tasks.core.taskdef import Condition, ContainerDefinition, NetworkMode, TaskDefinition
from pytest_ecs_tasks.errors import Severity

_TOOL = re.compile(r"(?:^|[\s;&|(`/])(curl|wget|nc)(?=\s|$)")
_TOOLS = frozenset({"curl", "wget", "nc"})
_OFFICIAL = re.compile(r"^((docker\.io/)?library/|docker\.io/|public\.ecr\.aws/docker/library/)(?=[^/]+$)")
# Docker's official images that have no curl in their Alpine form, and what the others of them do not have.
_SMALL: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("redis", "postgres"), _TOOLS),
    **dict.fromkeys(("alpine", "busybox", "node", "python", "ruby"), frozenset()),
}
_LEAST_MEMORY_MIB = 6  # [API] memory: what Docker 20.10 and later take
_RESERVED_PORTS = (22, 2375, 2376, 51678, 51679, 51680)  # [API] hostPort

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = {"password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "credentials"}
_SECRET_ENDS = (("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("key", "base"))
_REFERENCE = re.compile(r"arn:|/|[a-z][a-z0-9+.-]*://|\$|%|\{", re.IGNORECASE)
_NO_SECRET = {"true", "false", "yes", "no", "on", "off", "none", "null", "enabled", "disabled"}
_PASSWORD_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/@\s:]*:([^/@\s]+)@", re.IGNORECASE)


def check(definition: TaskDefinition, *, fargate: bool) -> Iterator[Finding]:
    """Return the warnings of a definition."""
    logged = any(each.log_configuration for each in definition.containers)
    declared: Any = definition.document.get("containerDefinitions", [])
    variables = [_variables(each) for each in declared] or [()] * len(definition.containers)
    for index, container in enumerate(definition.containers):
        path: Path = ("containerDefinitions", index)
        yield from _check_image(container, path)
        yield from _check_environment(variables[index], path)
        yield from _check_sizes(definition.network_mode, container, path)
        yield from _check_health_tool(container, path)
        if container.log_configuration is None and (fargate or logged):
            yield _missing_log(container, path, fargate=fargate)
    yield from _check_dependencies(definition, variables)
    yield from _check_mentions(definition, variables)


def _variables(document: Mapping[str, Any]) -> Variables:
    """Return place, name and value of each variable: a name may be there twice."""
    entries = enumerate(document.get("environment", []))
    return [(place, each.get("name", ""), each.get("value", "")) for place, each in entries]


def _warning(path: Path, code: str, message: str, needs: tuple[Path, ...] = ()) -> Finding:
    return Finding(path, code, message, needs, Severity.WARNING)


def _check_image(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    image, where = container.image.strip(), (*path, "image")
    if not image:
        text = f"container '{container.name}' has no image; ECS refuses that unless a deployment fills it in"
        yield _warning(where, "image-missing", text)
        return
    if image_slot(image) is not None or find_placeholder(image) or "@" in image:
        return
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        what = "has the tag latest" if tag else "has no tag, which means latest"
        text = f"the image {what}: what runs changes with every push; name a version or a digest"
        yield _warning(where, "image-latest", text)


def _check_environment(variables: Variables, path: Path) -> Iterator[Finding]:
    for place, name, value in variables:
        if find_placeholder(value):
            continue
        where = (*path, "environment", place, "value")
        remedy = "secrets with valueFrom keep it out of the definition"
        if _is_secret_name(name) and _looks_literal(name, value):
            text = f"{name} looks like a secret in plain text; {remedy}"
            yield _warning(where, "secret-in-environment", text)
        elif _has_password(value):
            yield _warning(where, "secret-in-environment", f"{name} has a password in a URL; {remedy}")


def _is_secret_name(name: str) -> bool:
    """Tell whether a variable of that name holds a secret, by its last words."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (words[-1] in _SECRET_WORDS or tuple(words[-2:]) in _SECRET_ENDS)


def _looks_literal(name: str, value: str) -> bool:
    """Tell whether a value may be the secret itself: no reference to one, no switch, and no number of tokens."""
    text = value.strip()
    if text.isdecimal():
        return "pass" in name.lower()
    return bool(text) and text.lower() not in _NO_SECRET and not _REFERENCE.match(text)


def _has_password(value: str) -> bool:
    found = _PASSWORD_IN_URL.match(value.strip())
    return found is not None and not found.group(1).startswith(("$", "%", "{", "<"))


def _check_sizes(mode: NetworkMode, container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    memory = container.memory_mib
    if memory is not None and 0 < memory < _LEAST_MEMORY_MIB:
        text = f"Docker 20.10 and later refuse less than {_LEAST_MEMORY_MIB} MiB of memory; this is {memory}"
        yield _warning((*path, "memory"), "memory-below-docker-minimum", text)
    for place, mapping in enumerate(container.port_mappings):
        if mode is NetworkMode.BRIDGE and mapping.host_port in _RESERVED_PORTS:
            text = f"host port {mapping.host_port} is reserved on every container instance"
            yield _warning((*path, "portMappings", place, "hostPort"), "reserved-host-port", text)


def _check_health_tool(container: ContainerDefinition, path: Path) -> Iterator[Finding]:
    if container.health_check is None:
        return
    found = _TOOL.search(" ".join(container.health_check.command[1:]))
    if found and found.group(1) in _lacking(container.image.strip()):
        text = f"the check runs {found.group(1)}, which {container.image} does not have: the container is UNHEALTHY"
        yield _warning((*path, "healthCheck", "command"), "health-check-tool", text, ((*path, "image"),))


def _lacking(image: str) -> frozenset[str]:
    """Return the tools that an image is known not to have: few images are known, and nobody else's."""
    name, _, tag = _OFFICIAL.sub("", image.partition("@")[0]).partition(":")
    if name.startswith("gcr.io/distroless/"):
        return _TOOLS
    parts = tag.split("-")
    alpine = any(part.startswith("alpine") for part in parts)
    if "/" not in name and "slim" in parts and not alpine:
        return _TOOLS
    if name in _SMALL:
        return frozenset({"curl"}) if alpine or name in ("alpine", "busybox") else _SMALL[name]
    return frozenset()


def _missing_log(container: ContainerDefinition, path: Path, *, fargate: bool) -> Finding:
    where = "on Fargate nobody can read its output" if fargate else "other containers of the task have one"
    text = f"container '{container.name}' has no logConfiguration; {where}"
    return _warning((*path, "logConfiguration"), "log-configuration-missing", text)


def _check_dependencies(definition: TaskDefinition, variables: Sequence[Variables]) -> Iterator[Finding]:
    by_name = {each.name: (place, each) for place, each in enumerate(definition.containers)}
    slow: dict[str, str] = {}
    for index, container in enumerate(definition.containers):
        for place, dependency in enumerate(container.depends_on):
            if dependency.container not in by_name or dependency.container == container.name:
                continue
            target = by_name[dependency.container][1]
            path = ("containerDefinitions", index, "dependsOn", place, "condition")
            if dependency.condition is Condition.START:
                why = starts_before_ready(container, variables[index], target)
                if why:
                    text = f"START waits until '{target.name}' runs, not until it is ready: {why}"
                    needs = (("containerDefinitions", by_name[target.name][0], "healthCheck"),)
                    yield _warning(path, "depends-on-start", text, needs)
            elif dependency.condition is Condition.HEALTHY:
                slow.setdefault(target.name, container.name)
    for name, waiting in slow.items():
        place, target = by_name[name]
        if target.health_check is not None and target.health_check.start_period_s == 0:
            text = (
                f"'{waiting}' waits for this container to be HEALTHY, and without startPeriod its failures count from "
                "the first second: a slow start makes it UNHEALTHY"
            )
            where: Path = ("containerDefinitions", place, "healthCheck")
            yield _warning(where, "health-check-no-start-period", text)


def _check_mentions(definition: TaskDefinition, variables: Sequence[Variables]) -> Iterator[Finding]:
    names = {each.name for each in definition.containers if each.name}
    for index, container in enumerate(definition.containers):
        known = resolvable_names(container, definition.network_mode)
        for mention in find_mentions(container, variables[index], names, known):
            yield _unresolved(definition, mention, index)


def _unresolved(definition: TaskDefinition, mention: Mention, index: int) -> Finding:
    mode = definition.network_mode
    if mode in (NetworkMode.AWSVPC, NetworkMode.HOST):
        what = "the containers of a task reach each other on localhost"
    elif definition.partial:
        what = "under awsvpc the containers of a task reach each other on localhost"
    elif mode is NetworkMode.BRIDGE:
        what = f'a link does: "links": ["{mention.name}"]'
    else:
        what = "a task with networkMode none has no network"
    under = "under awsvpc and, without a link, under bridge" if definition.partial else f"under {mode}"
    text = f"'{mention.name}' is a container, and {under} its name does not resolve; {what}"
    needs = (
        ("networkMode",),
        ("containerDefinitions", index, "links"),
        ("containerDefinitions", EVERY, "name"),
    )
    return _warning(("containerDefinitions", index, *mention.place), "name-does-not-resolve", text, needs)

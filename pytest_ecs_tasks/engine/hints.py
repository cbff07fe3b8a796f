"""What the person at the keyboard can do about an engine's refusal, where the engine's own words do not say it.

Each text begins with the place in the task definition. The engines' words were read from Docker 20.10 and Podman 4.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_ecs_tasks.core import effects
from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.core.taskdef import ContainerDefinition

_RLIMIT = re.compile(r"rlimit(?: type (\d+)| `?RLIMIT_([A-Z]+))", re.IGNORECASE)
_RLIMIT_NAMES = {
    4: "core",
    6: "nproc",
    7: "nofile",
    8: "memlock",
}  # the kernel's resource.h, x86-64 and arm64
_PORT_TAKEN = re.compile(r"already allocated|already in use", re.IGNORECASE)
_OTHER_PROCESSOR = re.compile(r"exec format error", re.IGNORECASE)
_NO_DEVICE = re.compile(r"no such file|not a device|no such device", re.IGNORECASE)


def engine_hint(plan: TaskPlan, effect: effects.Effect, words: str) -> str:
    """Return what to do about an engine's words on an order; empty when there is nothing to add."""
    hints: Iterator[str] = iter(())
    match effect:
        case effects.AcquireSandbox():
            hints = _sandbox_hints(plan, effect.sandbox, words)
        case effects.CreateContainer() | effects.StartContainer():
            hints = _container_hints(plan, effect.container, words)
    return "\n".join(hints)


def _sandbox_hints(plan: TaskPlan, sandbox: str, words: str) -> Iterator[str]:
    for index, container in enumerate(plan.containers):
        if container.sandbox != sandbox:
            continue
        definition = container.definition
        if _PORT_TAKEN.search(words):
            yield from _taken_ports(definition, index, words)
        for place, name in enumerate(definition.system_controls):
            if name in words or name.replace(".", "/") in words:
                yield (
                    f"containerDefinitions[{index}].systemControls[{place}] of container '{definition.name}': the "
                    f"engine's kernel does not take {name} in a container's network with this value"
                )


def _taken_ports(definition: ContainerDefinition, index: int, words: str) -> Iterator[str]:
    numbers = set(re.findall(r"\d+", words))
    for place, mapping in enumerate(definition.port_mappings):
        if mapping.host_port and str(mapping.host_port) in numbers:
            yield (
                f"containerDefinitions[{index}].portMappings[{place}].hostPort of container '{definition.name}': port "
                f"{mapping.host_port} is taken on the engine's machine. End what has it, or leave hostPort out: the "
                "engine chooses a free one, and task.address() tells it"
            )


def _container_hints(plan: TaskPlan, name: str, words: str) -> Iterator[str]:
    index = next(place for place, each in enumerate(plan.containers) if each.name == name)
    container = plan.containers[index]
    where = f"containerDefinitions[{index}]"
    limit = _refused_limit(words)
    if limit is not None:
        yield _limit_hint(container.definition, where, limit)
    if _OTHER_PROCESSOR.search(words):
        yield (
            f"{where}.image of container '{name}': {container.image}, or what it starts, is for another kind of processor "
            "than the engine's, or a script without #!. Build it for this one, or pull with that platform's emulation"
        )
    for place, device in enumerate(container.definition.linux_parameters.devices):
        if device.host_path in words and _NO_DEVICE.search(words):
            yield (
                f"{where}.linuxParameters.devices[{place}] of container '{name}': the engine's machine has no "
                f"device {device.host_path}"
            )


def _refused_limit(words: str) -> str | None:
    found = _RLIMIT.search(words)
    if found is None:
        return None
    return found[2].lower() if found[2] else _RLIMIT_NAMES.get(int(found[1]), f"type {found[1]}")


def _limit_hint(definition: ContainerDefinition, where: str, limit: str) -> str:
    if any(each.name == limit for each in definition.ulimits):
        return (
            f"{where}.ulimits of container '{definition.name}': its {limit} is above the engine's own, and the engine may "
            "not raise it (it lacks CAP_SYS_RESOURCE). Ask for less, or start the engine with a higher limit"
        )
    return (
        f"{where}.ulimits of container '{definition.name}': Podman sets {limit}, which the definition leaves out, to its "
        f"maximum, and may not (it lacks CAP_SYS_RESOURCE). Add {limit} to ulimits beside the others, or set "
        "default_ulimits in the engine's containers.conf"
    )

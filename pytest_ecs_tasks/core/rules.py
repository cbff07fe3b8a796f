"""The rules of a whole task definition: what ECS refuses although every type is right.

Texts that a comment does not mark are our own words. Sources: [I] the message as ECS users quote it in public
issues, [A] the agent's text, [API] the rule in the API reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_ecs_tasks.core import container_rules, dependency_rules, fargate_rules
from pytest_ecs_tasks.core.document import format_path
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.placeholders import find_placeholder
from pytest_ecs_tasks.core.request import LaunchType
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_LONGEST_NAME = 255


def validate(definition: TaskDefinition, launch_type: LaunchType | None = None) -> None:
    """Raise :class:`TaskDefinitionError` with every rule that the definition breaks.

    ``launch_type`` is RunTask's; ``None`` checks what RegisterTaskDefinition does, by
    ``requiresCompatibilities``.
    """
    broken = find_broken_rules(definition, launch_type)
    if broken:
        problems = [Problem(format_path(each.path), each.message) for each in broken]
        raise TaskDefinitionError(definition.source, problems)


def find_broken_rules(
    definition: TaskDefinition, launch_type: LaunchType | None = None
) -> tuple[Finding, ...]:
    """Return every rule that the definition breaks; see :func:`validate`."""
    fargate = launch_type is LaunchType.FARGATE or "FARGATE" in definition.requires_compatibilities
    findings = [
        *_check_task(definition),
        *dependency_rules.check(definition),
        *container_rules.check(definition, fargate=fargate),
        *(fargate_rules.check(definition) if fargate else ()),
    ]
    return tuple(dict.fromkeys(findings))


def _check_task(definition: TaskDefinition) -> Iterator[Finding]:
    if not is_name(definition.family):
        yield Finding(("family",), _bad_name(definition.family))
    if definition.containers and not any(container.essential for container in definition.containers):
        count = len(definition.containers)
        needs = tuple(("containerDefinitions", index, "essential") for index in range(count))
        text = "no container is essential; at least one has to be, or the task would never end"
        yield Finding(("containerDefinitions",), text, needs)
    yield from _check_names(definition, "containerDefinitions", [each.name for each in definition.containers])
    yield from _check_names(definition, "volumes", [each.name for each in definition.volumes])
    yield from _check_sizes(definition)
    for index, volume in enumerate(_volumes(definition)):
        if volume.docker and volume.task_scoped and volume.autoprovision:
            text = f"volume [{volume.name}] : task scoped volume could not be autoprovisioned"  # [A]
            yield Finding(("volumes", index, "dockerVolumeConfiguration", "autoprovision"), text)
        if volume.docker and volume.host:
            text = f"volume '{volume.name}' has both host and dockerVolumeConfiguration"
            yield Finding(("volumes", index), text)


def _check_names(definition: TaskDefinition, field: str, names: list[str]) -> Iterator[Finding]:
    what = "container" if field == "containerDefinitions" else "volume"
    for index, name in enumerate(names):
        if not is_name(name):
            yield Finding((field, index, "name"), _bad_name(name))
        elif name in names[:index]:
            yield Finding((field, index, "name"), f"two {what}s are named '{name}'")


def _check_sizes(definition: TaskDefinition) -> Iterator[Finding]:
    """Check cpu and memory of the containers against the task's."""
    used = sum(container.cpu for container in definition.containers)
    containers = tuple(("containerDefinitions", index, "cpu") for index in range(len(definition.containers)))
    if definition.cpu is not None and used > definition.cpu:
        text = (  # [I]
            "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'."
            f" The containers have {used}, the task has {definition.cpu}"
        )
        yield Finding(("cpu",), text, containers)
    if definition.memory_mib is None:
        return
    for index, container in enumerate(definition.containers):
        if (container.memory_mib or 0) > definition.memory_mib:
            text = (  # [A]
                f"container memory limit({container.memory_mib}) greater than task memory "
                f"limit({definition.memory_mib})"
            )
            yield Finding(("containerDefinitions", index, "memory"), text, (("memory",),))


@dataclass(frozen=True, slots=True)
class _DeclaredVolume:
    """What the rules ask of a volume as it was declared."""

    name: str
    host: bool
    docker: bool
    task_scoped: bool
    autoprovision: bool


def _volumes(definition: TaskDefinition) -> Iterator[_DeclaredVolume]:
    declared = definition.document.get("volumes")
    for each in declared if isinstance(declared, list) else []:
        docker = each.get("dockerVolumeConfiguration")
        options: Mapping[str, object] = docker or {}
        yield _DeclaredVolume(
            name=each.get("name", ""),
            host="host" in each,
            docker=docker is not None,
            task_scoped=options.get("scope", "task") == "task",
            autoprovision=bool(options.get("autoprovision")),
        )


def is_name(text: str) -> bool:
    """Tell whether ECS takes the text as a name; a placeholder that is still to be filled counts."""
    return bool(_NAME.fullmatch(text)) or find_placeholder(text) is not None


def _bad_name(text: str) -> str:
    if len(text) > _LONGEST_NAME:
        return f"a name has up to {_LONGEST_NAME} characters; this one has {len(text)}"
    return f"'{text}' is not a name: letters, digits, hyphens and underscores are allowed"  # [API]

"""The rules of a whole task definition: what ECS refuses although every type is right.

Texts that a comment does not mark are our own words. Sources: [D] the message that CloudFormation passed on when
badmintoncryer/cdk-preflight deployed a definition that breaks the rule (rules/ecs/*/meta.yaml, September 2026), [I] the
message as ECS users quote it in public issues, [A] the agent's text, [API] the rule in the API reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_ecs_tasks.core import (
    advice,
    container_rules,
    dependency_rules,
    fargate_rules,
    log_rules,
    port_rules,
    task_rules,
    volume_rules,
)
from pytest_ecs_tasks.core.document import format_path, printable
from pytest_ecs_tasks.core.findings import EVERY, Finding
from pytest_ecs_tasks.core.placeholders import find_placeholder
from pytest_ecs_tasks.core.request import LaunchType
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError

_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_LONGEST_NAME = 255
# Rules that a list of containers alone cannot break: the task may have what they ask for.
_OF_THE_TASK = frozenset({"memory-missing", "secrets-execution-role"})


def validate(definition: TaskDefinition, launch_type: LaunchType | None = None) -> None:
    """Raise :class:`TaskDefinitionError` with every rule that the definition breaks.

    ``launch_type`` is RunTask's; ``None`` checks what RegisterTaskDefinition does, by
    ``requiresCompatibilities``.
    """
    findings = find_broken_rules(definition, launch_type)
    problems = [
        Problem(format_path(each.path), printable(each.message), code=each.code)
        for each in findings
        if each.severity is Severity.ERROR
    ]
    if problems:
        raise TaskDefinitionError(definition.source, problems)


def find_broken_rules(
    definition: TaskDefinition, launch_type: LaunchType | None = None
) -> tuple[Finding, ...]:
    """Return every rule that the definition breaks, and what ECS accepts and people regret; see :func:`validate`."""
    fargate = launch_type is LaunchType.FARGATE or "FARGATE" in definition.requires_compatibilities
    findings = [
        *_check_task(definition),
        *task_rules.check(definition, fargate=fargate),
        *dependency_rules.check(definition),
        *container_rules.check(definition, fargate=fargate),
        *port_rules.check(definition),
        *log_rules.check_task(definition, fargate=fargate),
        *(fargate_rules.check(definition) if fargate else ()),
        *advice.check(definition, fargate=fargate),
    ]
    if definition.partial:
        findings = [each for each in findings if each.code not in _OF_THE_TASK]
    return tuple(dict.fromkeys(findings))


def _check_task(definition: TaskDefinition) -> Iterator[Finding]:
    if not is_name(definition.family):
        text = _bad_name(definition.family)
        text = (
            text if len(definition.family) > _LONGEST_NAME else f"Family contains invalid characters. {text}"
        )  # [D]
        yield Finding(("family",), "invalid-name", text)
    if definition.containers and not any(container.essential for container in definition.containers):
        needs = (("containerDefinitions", EVERY, "essential"),)
        # [D]
        text = (
            "Task definition doesn't have any essential container: one has to be, or the task would never end"
        )
        yield Finding(("containerDefinitions",), "no-essential-container", text, needs)
    yield from _check_names(definition, "containerDefinitions", [each.name for each in definition.containers])
    yield from _check_names(definition, "volumes", [each.name for each in definition.volumes])
    yield from _check_sizes(definition)
    yield from volume_rules.check(definition)


def _check_names(definition: TaskDefinition, field: str, names: list[str]) -> Iterator[Finding]:
    text = (
        "Container names must be unique within a task definition: two are named"  # [D]
        if field == "containerDefinitions"
        else "two volumes are named"
    )
    taken: set[str] = set()
    for index, name in enumerate(names):
        if not is_name(name):
            yield Finding((field, index, "name"), "invalid-name", _bad_name(name))
        elif name in taken:
            yield Finding((field, index, "name"), "duplicate-name", f"{text} '{name}'")
        taken.add(name)


def _check_sizes(definition: TaskDefinition) -> Iterator[Finding]:
    """Check cpu and memory of the containers against the task's."""
    used = sum(container.cpu for container in definition.containers)
    containers = (("containerDefinitions", EVERY, "cpu"),)
    if definition.cpu is not None and used > definition.cpu:
        text = (  # [D]
            "The sum of all container 'cpu' values cannot be greater than the value of the task 'cpu'."
            f" The containers have {used}, the task has {definition.cpu}"
        )
        yield Finding(("cpu",), "container-cpu-sum", text, containers)
    if definition.memory_mib is None:
        return
    for index, container in enumerate(definition.containers):
        if (container.memory_mib or 0) > definition.memory_mib:
            text = (  # [D]
                f"The 'memory' setting for container '{container.name}' is greater than for the task:"
                f" {container.memory_mib}, and {definition.memory_mib}"
            )
            yield Finding(("containerDefinitions", index, "memory"), "container-memory", text, (("memory",),))


def is_name(text: str) -> bool:
    """Tell whether ECS takes the text as a name; a placeholder that is still to be filled counts."""
    return bool(_NAME.fullmatch(text)) or find_placeholder(text) is not None


def _bad_name(text: str) -> str:
    if len(text) > _LONGEST_NAME:
        return f"a name has up to {_LONGEST_NAME} characters; this one has {len(text)}"
    return f"'{text}' is not a name: letters, digits, hyphens and underscores are allowed"  # [API]

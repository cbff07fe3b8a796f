"""RunTask's ``overrides``: what changes the task definition, and what a container's override says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_ecs_tasks.core.api.calls import parameter_error
from pytest_ecs_tasks.core.request import ContainerOverride
from pytest_ecs_tasks.core.sizes import parse_cpu, parse_memory
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, TaskDefinition


def apply_overrides(
    definition: TaskDefinition, overrides: Mapping[str, Any]
) -> tuple[TaskDefinition, tuple[ContainerOverride, ...]]:
    """Return the definition with the overrides that are the task's in it, and those that are its containers'."""
    definition = replace(
        definition,
        task_role_arn=overrides.get("taskRoleArn", definition.task_role_arn),
        execution_role_arn=overrides.get("executionRoleArn", definition.execution_role_arn),
    )
    if "cpu" in overrides:
        definition = replace(definition, cpu=_size("cpu", overrides["cpu"], parse_cpu(overrides["cpu"])))
    if "memory" in overrides:
        memory = _size("memory", overrides["memory"], parse_memory(overrides["memory"]))
        definition = replace(definition, memory_mib=memory)
    given = {each.get("name", ""): each for each in overrides.get("containerOverrides", ())}
    containers = tuple(_changed(each, given.get(each.name, {})) for each in definition.containers)
    return replace(definition, containers=containers), tuple(_override(each) for each in given.values())


def _size(name: str, text: str, value: int | None) -> int:
    if value is None:
        raise parameter_error(f"overrides.{name}: {text!r} is no size")
    return value


def _changed(container: ContainerDefinition, override: Mapping[str, Any]) -> ContainerDefinition:
    """Return the container with what :class:`ContainerOverride` has no place for; a list of files replaces the other."""
    if "memoryReservation" in override:
        container = replace(container, memory_reservation_mib=override["memoryReservation"])
    if "environmentFiles" in override:
        files = tuple(each.get("value", "") for each in override["environmentFiles"])
        container = replace(container, environment_files=files)
    return container


def _override(override: Mapping[str, Any]) -> ContainerOverride:
    command = override.get("command")
    return ContainerOverride(
        name=override.get("name", ""),
        command=tuple(command) if command is not None else None,
        environment={each.get("name", ""): each.get("value", "") for each in override.get("environment", ())},
        cpu=override.get("cpu"),
        memory_mib=override.get("memory"),
    )

"""What a RunTask request may ask of its definition, and the health checks that it brings.

RunTask itself cannot override a health check; a test may, because the image that stands in for the deployed one often lacks
the program that the check runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pytest_ecs_tasks.core.build import has_runnable_health_check
from pytest_ecs_tasks.core.check import UNUSABLE, is_unusable, show
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import HealthCheckOverride, RunTaskRequest, check_names
from pytest_ecs_tasks.core.rules import validate
from pytest_ecs_tasks.core.taskdef import Condition, TaskDefinition
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError

_CODE = "override-health-check"


def settle(request: RunTaskRequest) -> RunTaskRequest:
    """Return the request with its health checks in its definition.

    Raises :class:`TaskDefinitionError` for a definition that the launch type refuses, for overrides that name no container
    of it or bring what a definition could not have, and for a health check that cannot be.
    """
    definition = request.definition
    if request.launch_type is not None:
        validate(definition, request.launch_type)
    check_names(request)
    unfit = [*_find_unusable(request), *_find_negative(request)]
    if unfit:
        raise TaskDefinitionError(definition.source, unfit)
    asked = {each.name: each.health_check for each in request.overrides if each.health_check is not None}
    if not asked:
        return request
    problems = [*_find_waiting(definition, asked), *_find_idle(definition, asked)]
    if problems:
        raise TaskDefinitionError(definition.source, problems)
    return replace(request, definition=_with_health_checks(definition, asked))


def _find_unusable(request: RunTaskRequest) -> Iterator[Problem]:
    """Find words of commands and variables that no program can be given; no value is told, for it may be a secret."""
    for override in request.overrides:
        whose = f"an override of container '{override.name}'"
        for position, word in enumerate(override.command or ()):
            if is_unusable(word):
                yield Problem("", f"{whose}: command[{position}] {UNUSABLE}", code="unusable-character")
        yield from _find_unusable_variables(whose, override.environment)
    for name, variables in request.environment.items():
        yield from _find_unusable_variables(f"the test's environment of container '{name}'", variables)


def _find_unusable_variables(whose: str, variables: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in variables.items():
        if is_unusable(name) or is_unusable(value):
            text = f"{whose}: variable {show(name)} {UNUSABLE}"
            yield Problem("", text, code="unusable-character")


def _find_negative(request: RunTaskRequest) -> Iterator[Problem]:
    for override in request.overrides:
        for field, size in (("cpu", override.cpu), ("memory", override.memory_mib)):
            if size is not None and size < 0:
                text = f"an override of container '{override.name}': {field} is {size}, which is less than 0"
                yield Problem("", text, code="negative-size")


def _with_health_checks(
    definition: TaskDefinition, asked: Mapping[str, HealthCheckOverride]
) -> TaskDefinition:
    """Return the definition with its health checks replaced, which are judged as if it had been written with them."""
    documents: Any = definition.document["containerDefinitions"]
    written = [_with_health_check(each, asked.get(each["name"])) for each in documents]
    try:
        parsed = parse_task_definition({**definition.document, "containerDefinitions": written})
    except TaskDefinitionError as error:
        raise TaskDefinitionError(
            f"{definition.source} with ecs_overrides(health_check=…)", error.problems
        ) from None
    containers = tuple(
        replace(each, health_check=parsed.container(each.name).health_check) for each in definition.containers
    )
    return replace(definition, containers=containers)


def _with_health_check(
    document: Mapping[str, Any], override: HealthCheckOverride | None
) -> Mapping[str, Any]:
    match override:
        case None:
            return document
        case False:
            return {name: value for name, value in document.items() if name != "healthCheck"}
        case Mapping():
            return {**document, "healthCheck": override}
        case _:
            return {**document, "healthCheck": {**document.get("healthCheck", {}), "command": list(override)}}


def _find_waiting(definition: TaskDefinition, asked: Mapping[str, HealthCheckOverride]) -> Iterator[Problem]:
    """Find containers that wait for a health check which is switched off."""
    for index, container in enumerate(definition.containers):
        for place, dependency in enumerate(container.depends_on):
            on = dependency.container
            if dependency.condition is Condition.HEALTHY and asked.get(on) is False:
                text = (
                    f"container '{container.name}' waits for '{on}' to be HEALTHY, and ecs_overrides('{on}', "
                    "health_check=False) switches off the health check that would tell. Give one that can run in its "
                    "place: health_check=['CMD-SHELL', '…']"
                )
                where = f"containerDefinitions[{index}].dependsOn[{place}].condition"
                yield Problem(where, text, code=_CODE)


def _find_idle(definition: TaskDefinition, asked: Mapping[str, HealthCheckOverride]) -> Iterator[Problem]:
    """Find commands that would never run."""
    for index, container in enumerate(definition.containers):
        override = asked.get(container.name)
        if override is None or override is False:
            continue
        check = override if isinstance(override, Mapping) else {"command": override}
        if "command" not in check:
            continue  # what is missing or misspelt is told as of any field
        if not has_runnable_health_check(check):
            text = (
                f"ecs_overrides('{container.name}', health_check=…): the command begins with CMD, and a program and its "
                "arguments, or with CMD-SHELL, and one text for the shell; otherwise ECS never runs it"
            )
            yield Problem(f"containerDefinitions[{index}].healthCheck.command", text, code=_CODE)

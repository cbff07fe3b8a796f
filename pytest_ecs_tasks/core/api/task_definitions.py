"""Task definitions: RegisterTaskDefinition, DescribeTaskDefinition, ListTaskDefinitions and their kin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_ecs_tasks.core.api.calls import (
    Advise,
    ApiError,
    Call,
    Outcome,
    check_word,
    client_error,
    parameter_error,
)
from pytest_ecs_tasks.core.api.definition_views import show_registered
from pytest_ecs_tasks.core.api.names import find_registered
from pytest_ecs_tasks.core.api.paging import page
from pytest_ecs_tasks.core.api.state import EcsState, Registered
from pytest_ecs_tasks.core.api.tags import read_tags, show_tags
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.errors import TaskDefinitionError, UnsupportedFeature

MOST_DELETED = 10  # API, DeleteTaskDefinitions


def register_task_definition(state: EcsState, call: Call) -> Outcome:
    """Answer RegisterTaskDefinition, after the same checks as for a definition in a file."""
    request = {name: value for name, value in call.request.items() if value is not None}
    tags = request.pop("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, Mapping) for tag in tags):
        raise ApiError("SerializationException", "tags is not a list of structures")
    definition = _parse(request)
    revisions = state.families.get(definition.family, {})
    definition = replace(definition, revision=max(revisions, default=0) + 1)
    registered = _registered(state, definition, call.now)
    state = state.with_revision(registered).with_tags(registered.arn, read_tags(tags))
    advice = (Advise(definition),) if definition.unsupported else ()
    return Outcome(state, _answer(state, registered, {"TAGS"}), advice)


def deregister_task_definition(state: EcsState, call: Call) -> Outcome:
    """Answer DeregisterTaskDefinition: the revision stays, INACTIVE."""
    registered = _find_revision(state, call.request["taskDefinition"])
    if registered.active:
        registered = replace(registered, status="INACTIVE", deregistered_at=call.now)
        state = state.with_revision(registered)
    return Outcome(state, _answer(state, registered, ()))


def delete_task_definitions(state: EcsState, call: Call) -> Outcome:
    """Answer DeleteTaskDefinitions: INACTIVE revisions become DELETE_IN_PROGRESS, and stay so."""
    references: Sequence[str] = call.request["taskDefinitions"]
    if not 1 <= len(references) <= MOST_DELETED:
        raise parameter_error(f"taskDefinitions has {len(references)} entries; it is 1 to {MOST_DELETED}")
    deleted: list[object] = []
    failures: list[object] = []
    for reference in references:
        registered = find_registered(state, reference) if ":" in reference else None
        if registered is None:
            failures.append({"arn": reference, "reason": "The specified task definition does not exist."})
        elif registered.active:
            words = "The specified task definition is still in ACTIVE status. Please deregister the target and try again."
            failures.append({"arn": registered.arn, "reason": words})
        else:
            registered = replace(registered, status="DELETE_IN_PROGRESS", delete_requested_at=call.now)
            state = state.with_revision(registered)
            deleted.append(show_registered(registered))
    return Outcome(state, {"taskDefinitions": deleted, "failures": failures})


def describe_task_definition(state: EcsState, call: Call) -> Outcome:
    """Answer DescribeTaskDefinition; a family without a revision means its latest ACTIVE one."""
    registered = find_registered(state, call.request["taskDefinition"])
    if registered is None:
        raise client_error("Unable to describe task definition.")
    return Outcome(state, _answer(state, registered, call.request.get("include", ())))


def list_task_definitions(state: EcsState, call: Call) -> Outcome:
    """Answer ListTaskDefinitions: by family, then revision; ``familyPrefix`` is a whole family's name."""
    family = call.request.get("familyPrefix")
    status, sort = call.request.get("status", "ACTIVE"), call.request.get("sort", "ASC")
    check_word("status", status, ("ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"))
    check_word("sort", sort, ("ASC", "DESC"))
    keyed = [
        (f"{name}:{number:010d}", each.arn)
        for name, revisions in state.families.items()
        if family in (None, name)
        for number, each in revisions.items()
        if each.status == status
    ]
    keyed.sort(reverse=sort == "DESC")
    shown, more = page(keyed, call.request, lambda pair: pair[0])
    return Outcome(state, {"taskDefinitionArns": [arn for _, arn in shown], **more})


def list_task_definition_families(state: EcsState, call: Call) -> Outcome:
    """Answer ListTaskDefinitionFamilies: ACTIVE ones have an ACTIVE revision, INACTIVE ones none."""
    prefix = call.request.get("familyPrefix", "")
    status = call.request.get("status", "ALL")
    check_word("status", status, ("ACTIVE", "INACTIVE", "ALL"))
    families = [
        name
        for name, revisions in sorted(state.families.items())
        if name.startswith(prefix)
        and (status == "ALL" or (status == "ACTIVE") == any(each.active for each in revisions.values()))
    ]
    shown, more = page(families, call.request, str)
    return Outcome(state, {"families": shown, **more})


def with_definition_of_task(state: EcsState, definition: TaskDefinition, now: float) -> EcsState:
    """Return the state with the definition of a task that was run without the API, unless that revision is there."""
    if definition.revision in state.families.get(definition.family, {}):
        return state
    return state.with_revision(_registered(state, definition, now))


def _registered(state: EcsState, definition: TaskDefinition, now: float) -> Registered:
    arn = state.arn(f"task-definition/{definition.family}:{definition.revision}")
    return Registered(
        definition, arn, now, registered_by=f"arn:{state.partition}:iam::{state.account_id}:root"
    )


def _parse(document: Mapping[str, Any]) -> TaskDefinition:
    family = document.get("family")
    if not isinstance(family, str) or not family:
        raise client_error("family: RegisterTaskDefinition needs it")
    try:
        return parse_task_definition(document, family)
    except TaskDefinitionError as error:
        problems = [str(problem) for problem in error.problems]
        raise client_error("\n".join(problems)) from error
    except UnsupportedFeature as error:
        raise client_error(str(error)) from error


def _find_revision(state: EcsState, reference: str) -> Registered:
    if ":" not in reference:
        raise client_error(f"Unexpected revision: {reference} has none; use family:revision or an ARN")
    found = find_registered(state, reference)
    if found is None:
        raise client_error("The specified task definition does not exist.")
    return found


def _answer(state: EcsState, registered: Registered, include: object) -> dict[str, object]:
    answer: dict[str, object] = {"taskDefinition": show_registered(registered)}
    if isinstance(include, list | set | tuple) and "TAGS" in include:
        answer["tags"] = show_tags(state, registered.arn)
    return answer

"""Tasks once they are asked for: DescribeTasks, ListTasks, StopTask, and their protection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_ecs_tasks.core.api import calls
from pytest_ecs_tasks.core.api.calls import Call, Later, Outcome, check_word, parameter_error
from pytest_ecs_tasks.core.api.launch import LAUNCH_TYPES
from pytest_ecs_tasks.core.api.names import (
    check_task_reference,
    find_cluster,
    find_task,
    instance_arn,
    split_arn,
)
from pytest_ecs_tasks.core.api.paging import page
from pytest_ecs_tasks.core.api.state import Cluster, EcsState, TaskRecord
from pytest_ecs_tasks.core.api.tags import show_tags
from pytest_ecs_tasks.core.api.task_definitions import with_definition_of_task
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest
from pytest_ecs_tasks.core.views import describe_task

MOST_DESCRIBED = 100  # API, DescribeTasks
MOST_PROTECTED = 10  # API, UpdateTaskProtection
DEFAULT_STOP_REASON = "Task stopped by user"
DEFAULT_PROTECTION_MINUTES = 120
LONGEST_PROTECTION_MINUTES = 2880


def describe_tasks(state: EcsState, call: Call) -> Outcome:
    """Answer DescribeTasks; a task that is not there is a failure among the answers."""
    references: Sequence[str] = call.request["tasks"]
    if not references:
        raise parameter_error("Tasks cannot be empty.")
    if len(references) > MOST_DESCRIBED:
        raise parameter_error(f"tasks has {len(references)} entries; it is {MOST_DESCRIBED} at most")
    state, cluster = find_cluster(state, call.request)
    with_tags = "TAGS" in call.request.get("include", ())
    found, failures = [], []
    for reference in references:
        check_task_reference(reference)
        record = find_task(state, reference, cluster)
        shown = describe(state, record.task_id, call, with_tags=with_tags) if record is not None else None
        if shown is None:
            failures.append({"arn": _arn_of(state, reference, cluster), "reason": "MISSING"})
        else:
            found.append(shown)
    return Outcome(state, {"tasks": found, "failures": failures})


def list_tasks(state: EcsState, call: Call) -> Outcome:
    """Answer ListTasks, in the order in which the tasks were run."""
    state, cluster = find_cluster(state, call.request)
    wanted = _filters(state, cluster, call.request)
    listed = [
        record
        for record in state.tasks.values()
        if record.cluster == cluster.name
        and (task := call.find_task(record.task_id)) is not None
        and all(holds(record, task) for holds in wanted)
    ]
    shown, more = page(listed, call.request, lambda record: f"{record.number:010d}")
    return Outcome(state, {"taskArns": [record.arn for record in shown], **more})


def stop_task(state: EcsState, call: Call) -> Outcome:
    """Answer StopTask; a task that has stopped already stays as it is."""
    state, cluster = find_cluster(state, call.request)
    reference = call.request["task"]
    check_task_reference(reference)
    record = find_task(state, reference, cluster)
    if record is None or call.find_task(record.task_id) is None:
        raise parameter_error("The referenced task was not found.")
    order = calls.StopTask(record.task_id, call.request.get("reason") or DEFAULT_STOP_REASON)
    return Outcome(state, effects=(order,), later=Later("task", (record.task_id,), many=False))


def update_task_protection(state: EcsState, call: Call) -> Outcome:
    """Answer UpdateTaskProtection; a task that RunTask has run is not valid, for it is no service's."""
    references: Sequence[str] = call.request["tasks"]
    if not 1 <= len(references) <= MOST_PROTECTED:
        raise parameter_error(f"tasks has {len(references)} entries; it is 1 to {MOST_PROTECTED}")
    minutes = call.request.get("expiresInMinutes", DEFAULT_PROTECTION_MINUTES)
    if not 1 <= minutes <= LONGEST_PROTECTION_MINUTES:
        raise parameter_error(f"expiresInMinutes must be between 1 and {LONGEST_PROTECTION_MINUTES}")
    until = call.now + 60 * minutes if call.request["protectionEnabled"] else None
    state, found, failures = _protectable(state, call, references)
    shown = [_show_protection(record, until) for record in found]
    orders = tuple(calls.ProtectTask(record.task_id, until) for record in found)
    return Outcome(state, {"protectedTasks": shown, "failures": failures}, orders)


def get_task_protection(state: EcsState, call: Call) -> Outcome:
    """Answer GetTaskProtection; without ``tasks``, for each that can be protected."""
    references = call.request.get("tasks")
    state, found, failures = _protectable(
        state, call, references or [each.arn for each in state.tasks.values()]
    )
    shown = [_show_protection(record, call.find_protection(record.task_id)) for record in found]
    return Outcome(state, {"protectedTasks": shown, "failures": failures if references else []})


def describe(
    state: EcsState, task_id: str, call: Call, *, with_tags: bool = True
) -> dict[str, object] | None:
    """Return one element of DescribeTasks' ``tasks``; ``None`` for a task that is not there."""
    task, record = call.find_task(task_id), state.tasks.get(task_id)
    if task is None or record is None:
        return None
    shown = describe_task(task, call.wall)
    if task.plan.launch_type is LaunchType.EC2:
        shown.setdefault("containerInstanceArn", instance_arn(state, record.cluster))
    shown["tags"] = show_tags(state, record.arn) if with_tags else []
    return shown


def adopt(state: EcsState, task_id: str, request: RunTaskRequest, now: float) -> EcsState:
    """Return the state with a task that was run without the API, and with its cluster and task definition."""
    state, _ = find_cluster(state, {"cluster": request.cluster})
    state = with_definition_of_task(state, request.definition, now)
    return state.with_task(task_id, request, adopted=True)


def _filters(
    state: EcsState, cluster: Cluster, request: Mapping[str, Any]
) -> list[Callable[[TaskRecord, Task], bool]]:
    status = request.get("desiredStatus", "RUNNING")
    check_word("desiredStatus", status, ("RUNNING", "PENDING", "STOPPED"))
    filters: list[Callable[[TaskRecord, Task], bool]] = [lambda _, task: task.desired_status == status]
    if "family" in request:
        filters.append(lambda record, _: record.request.definition.family == request["family"])
    if "startedBy" in request:
        filters.append(lambda record, _: record.request.started_by == request["startedBy"])
    if "serviceName" in request:
        group = f"service:{request['serviceName'].rpartition('/')[2]}"
        filters.append(lambda record, _: record.request.group == group)
    if "launchType" in request:
        check_word("launchType", request["launchType"], LAUNCH_TYPES)
        filters.append(lambda _, task: task.plan.launch_type == request["launchType"])
    if "containerInstance" in request:
        ours = instance_arn(state, cluster.name)
        here = request["containerInstance"] in (ours, ours.rpartition("/")[2])
        filters.append(lambda _, task: here and task.plan.launch_type is LaunchType.EC2)
    if "daemonName" in request:
        filters.append(lambda _, __: False)
    return filters


def _protectable(
    state: EcsState, call: Call, references: Sequence[str]
) -> tuple[EcsState, list[TaskRecord], list[dict[str, str]]]:
    state, cluster = find_cluster(state, call.request)
    found, failures = [], []
    for reference in references:
        record = find_task(state, reference, cluster)
        if record is None:
            failures.append({"arn": _arn_of(state, reference, cluster), "reason": "MISSING"})
        elif not record.adopted and not (record.request.group or "").startswith("service:"):
            failures.append({"arn": record.arn, "reason": "TASK_NOT_VALID"})
        else:
            found.append(record)
    return state, found, failures


def _show_protection(record: TaskRecord, until: float | None) -> dict[str, object]:
    shown: dict[str, object] = {"taskArn": record.arn, "protectionEnabled": until is not None}
    if until is not None:
        shown["expirationDate"] = until
    return shown


def _arn_of(state: EcsState, reference: str, cluster: Cluster) -> str:
    return reference if split_arn(reference, "task") else state.arn(f"task/{cluster.name}/{reference}")

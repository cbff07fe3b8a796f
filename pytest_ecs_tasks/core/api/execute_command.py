"""ExecuteCommand: whether a command can be run in a container, and what its session is called.

Source: API, ExecuteCommand; developer guide, "Monitor Amazon ECS containers with ECS Exec"; the words of refusals as the
service writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_ecs_tasks.core.api.calls import ApiError, Call, OpenSession, Outcome, parameter_error
from pytest_ecs_tasks.core.api.names import check_task_reference, find_cluster, find_task
from pytest_ecs_tasks.core.api.state import EcsState
from pytest_ecs_tasks.core.model import Container, Task
from pytest_ecs_tasks.core.taskdef import ContainerDefinition

_NOT_ENABLED = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn’t running. Wait and try again or run a new task with execute command enabled and try again."
)
_NOT_CONNECTED = "The execute command failed due to an internal error. Try again later."
_AGENT_DIRECTORY = "/var/lib/amazon"
_ID_DIGITS = 17


def execute_command(state: EcsState, call: Call) -> Outcome:
    """Answer ExecuteCommand."""
    request = call.request
    state, cluster = find_cluster(state, request)
    check_task_reference(request["task"])
    record = find_task(state, request["task"], cluster)
    task = call.find_task(record.task_id) if record is not None else None
    if record is None or task is None:
        raise parameter_error("The referenced task was not found.")
    if not request["interactive"]:
        raise parameter_error("Interactive is the only mode supported currently.")
    container = _find_container(task, request)
    if not record.adopted and not record.request.shown.get("enableExecuteCommand"):
        raise parameter_error(_NOT_ENABLED)
    if container.last_status != "RUNNING" or container.exited or container.runtime_id is None:
        raise parameter_error(_NOT_ENABLED)
    if _is_read_only(container.plan.definition):
        raise ApiError("TargetNotConnectedException", _NOT_CONNECTED)
    session_id = f"ecs-execute-command-{call.new_id()[:_ID_DIGITS]}"
    target = f"ecs:{cluster.name}_{record.task_id}_{container.runtime_id}"
    answer = {
        "clusterArn": cluster.arn,
        "containerArn": container.plan.arn,
        "containerName": container.name,
        "interactive": True,
        "taskArn": record.arn,
    }
    order = OpenSession(session_id, target, record.task_id, container.name, request["command"])
    return Outcome(state, answer, (order,))


def _find_container(task: Task, request: Mapping[str, Any]) -> Container:
    wanted = request.get("container")
    names = [each.name for each in task.containers]
    if wanted is None:
        if len(names) > 1:
            raise parameter_error(f"container is needed: the task has {', '.join(names)}")
        return task.containers[0]
    if wanted not in names:
        raise parameter_error(f"container is {wanted}; the task has {', '.join(names)}")
    return task.container(wanted)


def _is_read_only(definition: ContainerDefinition) -> bool:
    """Tell whether the agent could not write its files: a root file system that is read-only, without a volume there."""
    mounted = [each.container_path.rstrip("/") for each in definition.mount_points]
    return definition.readonly_root_filesystem and _AGENT_DIRECTORY not in mounted

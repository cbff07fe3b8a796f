"""The one container instance that a cluster has: the engine."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_ecs_tasks.core.api.attributes import instance_attributes
from pytest_ecs_tasks.core.api.calls import Call, Outcome, check_word, parameter_error
from pytest_ecs_tasks.core.api.names import ec2_instance_id, find_cluster, instance_arn
from pytest_ecs_tasks.core.api.paging import page
from pytest_ecs_tasks.core.api.state import Cluster, EcsState
from pytest_ecs_tasks.core.model import PENDING_STATUSES, Task, TaskStatus
from pytest_ecs_tasks.core.request import LaunchType

MOST_DESCRIBED = 100  # API, DescribeContainerInstances
_STATUSES = ("ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED")


def list_container_instances(state: EcsState, call: Call) -> Outcome:
    """Answer ListContainerInstances; ``filter`` is not looked at."""
    state, cluster = find_cluster(state, call.request)
    status = call.request.get("status", "ACTIVE")
    check_word("status", status, _STATUSES)
    listed = [instance_arn(state, cluster.name)] if status == "ACTIVE" else []
    shown, more = page(listed, call.request, str)
    return Outcome(state, {"containerInstanceArns": shown, **more})


def describe_container_instances(state: EcsState, call: Call) -> Outcome:
    """Answer DescribeContainerInstances."""
    references: Sequence[str] = call.request["containerInstances"]
    if not 1 <= len(references) <= MOST_DESCRIBED:
        words = f"containerInstances has {len(references)} entries; it is 1 to {MOST_DESCRIBED}"
        raise parameter_error(words)
    state, cluster = find_cluster(state, call.request)
    ours = instance_arn(state, cluster.name)
    here = [each for each in references if each in (ours, ours.rpartition("/")[2])]
    failures = [{"arn": each, "reason": "MISSING"} for each in references if each not in here]
    found = [_show_instance(state, cluster, _tasks_on(state, cluster, call))] if here else []
    return Outcome(state, {"containerInstances": found, "failures": failures})


def _tasks_on(state: EcsState, cluster: Cluster, call: Call) -> list[Task]:
    records = (record for record in state.tasks.values() if record.cluster == cluster.name)
    tasks = [task for record in records if (task := call.find_task(record.task_id)) is not None]
    return [task for task in tasks if task.plan.launch_type is LaunchType.EC2]


def _show_instance(state: EcsState, cluster: Cluster, tasks: Sequence[Task]) -> dict[str, object]:
    arn = instance_arn(state, cluster.name)
    return {
        "containerInstanceArn": arn,
        "ec2InstanceId": ec2_instance_id(state, cluster.name),
        "version": 1,
        "versionInfo": {},
        "remainingResources": [],
        "registeredResources": [],
        "status": "ACTIVE",
        "agentConnected": True,
        "runningTasksCount": sum(task.last_status is TaskStatus.RUNNING for task in tasks),
        "pendingTasksCount": sum(task.last_status in PENDING_STATUSES for task in tasks),
        "attributes": instance_attributes(state, cluster),
        "attachments": [],
        "tags": [],
    }

"""RunTask and StartTask: what is to be run, and whether ECS would run it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_ecs_tasks.core.api import calls
from pytest_ecs_tasks.core.api.calls import ApiError, Call, Later, Outcome, client_error, parameter_error
from pytest_ecs_tasks.core.api.clusters import check_strategy
from pytest_ecs_tasks.core.api.launch import Launch, choose_launches
from pytest_ecs_tasks.core.api.names import find_cluster, find_runnable, instance_arn
from pytest_ecs_tasks.core.api.overrides import apply_overrides
from pytest_ecs_tasks.core.api.service_members import check_words
from pytest_ecs_tasks.core.api.state import Cluster, EcsState, Registered, UsedToken
from pytest_ecs_tasks.core.api.tags import read_tags
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest
from pytest_ecs_tasks.core.rules import validate
from pytest_ecs_tasks.core.taskdef import NetworkMode, TaskDefinition
from pytest_ecs_tasks.errors import TaskDefinitionError

MOST_TASKS = 10  # API, RunTask.count and StartTask.containerInstances
SERVICE_GROUP = "service:"
_LATEST_PLATFORM = "1.4.0"
_LONGEST = {"clientToken": 64, "group": 255, "referenceId": 1024, "startedBy": 128}  # API, RunTask
_LONGEST_OVERRIDES = 8192  # API, TaskOverride: with the signs of its JSON
_MOST_OF_NETWORK = {"subnets": 16, "securityGroups": 5}  # API, AwsVpcConfiguration


def run_task(state: EcsState, call: Call) -> Outcome:
    """Answer RunTask."""
    _check_request(call.request)
    count = call.request.get("count", 1)
    if not 1 <= count <= MOST_TASKS:
        raise parameter_error(f"count is {count}; it is 1 to {MOST_TASKS}")
    state, cluster = find_cluster(state, call.request)
    used = _find_used(state, cluster, call.request)
    if used is not None:
        return Outcome(state, {"failures": []}, later=Later("tasks", used.task_ids))
    registered = find_runnable(state, call.request["taskDefinition"])
    check_strategy(cluster, call.request.get("capacityProviderStrategy", ()))
    launches = choose_launches(call.request, cluster, registered.definition, count)
    outcome = start_tasks(state, call, cluster, registered, launches)
    return replace(outcome, answer={"failures": []})


def start_task(state: EcsState, call: Call) -> Outcome:
    """Answer StartTask: one task for each container instance that is the cluster's."""
    _check_request(call.request)
    instances: Sequence[str] = call.request["containerInstances"]
    if not 1 <= len(instances) <= MOST_TASKS:
        raise parameter_error(f"containerInstances has {len(instances)} entries; it is 1 to {MOST_TASKS}")
    state, cluster = find_cluster(state, call.request)
    registered = find_runnable(state, call.request["taskDefinition"])
    ours = instance_arn(state, cluster.name)
    here = [each for each in instances if each in (ours, ours.rpartition("/")[2])]
    failures = [{"arn": each, "reason": "MISSING"} for each in instances if each not in here]
    launches = [Launch(LaunchType.EC2) for _ in here]
    outcome = start_tasks(state, call, cluster, registered, launches)
    return replace(outcome, answer={"failures": failures})


def start_tasks(
    state: EcsState, call: Call, cluster: Cluster, registered: Registered, launches: Sequence[Launch]
) -> Outcome:
    """Return the start of one task of a cluster for each launch; ``call`` has RunTask's members.

    Raises :class:`ApiError` for what ECS would refuse.
    """
    tags = _tags(state, cluster, registered, call.request)
    request = replace(_make_request(state, call, cluster, registered), tags=tags)
    orders = []
    for launch in launches:
        asked = _with_launch(state, request, launch)
        _check(asked, call.request)
        orders.append(calls.StartTask(call.new_id(), asked))
    for order in orders:
        state = state.with_task(order.task_id, order.request)
        state = state.with_tags(state.tasks[order.task_id].arn, tags)
    task_ids = tuple(order.task_id for order in orders)
    token = call.request.get("clientToken")
    if token:
        used = UsedToken(_without_token(call.request), task_ids)
        state = replace(state, tokens={**state.tokens, (cluster.name, token): used})
    return Outcome(state, effects=tuple(orders), later=Later("tasks", task_ids))


def check_tasks(
    state: EcsState, call: Call, cluster: Cluster, registered: Registered, launches: Sequence[Launch]
) -> None:
    """Raise :class:`ApiError` for tasks that :func:`start_tasks` would refuse."""
    request = _make_request(state, call, cluster, registered)
    for launch in launches:
        _check(_with_launch(state, request, launch), call.request)


def _check_request(asked: Mapping[str, Any]) -> None:
    """Raise :class:`ApiError` for what RunTask and StartTask refuse whatever there is."""
    check_words(asked)
    read_tags(asked.get("tags", ()))
    for name, longest in _LONGEST.items():
        if len(asked.get(name, "")) > longest:
            raise parameter_error(f"{name} has {len(asked[name])} characters; it has {longest} at most")
    if asked.get("group", "").startswith(SERVICE_GROUP):
        raise parameter_error(f"group is {asked['group']}; {SERVICE_GROUP} is for the tasks of services")
    for each in asked.get("overrides", {}).get("containerOverrides", ()):
        if any(not variable.get("name") for variable in each.get("environment", ())):
            raise parameter_error(
                f"an override of container {each.get('name')} has a variable without a name"
            )
    overrides = json.dumps(asked.get("overrides", {}), separators=(",", ":"), ensure_ascii=False)
    if len(overrides) > _LONGEST_OVERRIDES:
        raise parameter_error(f"Container Overrides length must be at most {_LONGEST_OVERRIDES}")


def _make_request(state: EcsState, call: Call, cluster: Cluster, registered: Registered) -> RunTaskRequest:
    asked = call.request
    network = asked.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    definition, overrides = apply_overrides(registered.definition, asked.get("overrides", {}))
    platform = asked.get("platformVersion", _LATEST_PLATFORM)
    shown = {
        "enableExecuteCommand": asked.get("enableExecuteCommand", False),
        "attributes": [{"name": "ecs.cpu-architecture", "value": _architecture(definition)}],
        "platformVersion": _LATEST_PLATFORM if platform == "LATEST" else platform,
    }
    if "overrides" in asked:
        shown["overrides"] = _shown_overrides(definition, asked["overrides"])
    return RunTaskRequest(
        definition=definition,
        overrides=overrides,
        images=call.project.images_for(definition),
        environment=call.project.environment_for(definition),
        region=state.region,
        account_id=state.account_id,
        cluster=cluster.name,
        started_by=asked.get("startedBy"),
        group=asked.get("group"),
        subnet=next(iter(network.get("subnets", ())), None),
        shown=shown,
    )


def _with_launch(state: EcsState, request: RunTaskRequest, launch: Launch) -> RunTaskRequest:
    shown = dict(request.shown)
    if launch.launch_type is not LaunchType.FARGATE:
        shown["containerInstanceArn"] = instance_arn(state, request.cluster)
        del shown["platformVersion"]
    if launch.capacity_provider is not None:
        shown["capacityProviderName"] = launch.capacity_provider
    if launch.shown_as is not None:
        shown["launchType"] = launch.shown_as
    return replace(request, launch_type=launch.launch_type, shown=shown)


def _check(request: RunTaskRequest, asked: Mapping[str, Any]) -> None:
    """Raise :class:`ApiError` for what could not be run."""
    definition = request.definition
    _check_network(request, asked)
    known = {container.name for container in definition.containers}
    for override in request.overrides:
        if override.name not in known:
            words = f"Override for container named {override.name} is not a container in the TaskDefinition."
            raise parameter_error(words)
    if request.launch_type is LaunchType.FARGATE:
        try:
            validate(definition, LaunchType.FARGATE)
        except TaskDefinitionError as error:
            problems = "".join(f"\n{problem}" for problem in error.problems)
            words = f"Task definition does not support launch_type FARGATE.{problems}"
            raise parameter_error(words) from error
    try:
        make_plan(request, task_id="0" * 32)
    except TaskDefinitionError as error:
        raise client_error("\n".join(str(problem) for problem in error.problems)) from error


def _check_network(request: RunTaskRequest, asked: Mapping[str, Any]) -> None:
    configuration = asked.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if request.definition.network_mode is not NetworkMode.AWSVPC:
        if configuration is not None:
            raise parameter_error(
                "Network Configuration is not valid for the given networkMode of this task definition."
            )
        return
    if configuration is None:
        words = "Network Configuration must be provided when networkMode 'awsvpc' is specified."
        raise parameter_error(words)
    if not configuration.get("subnets"):
        raise parameter_error("subnets can not be empty.")
    for name, most in _MOST_OF_NETWORK.items():
        if len(configuration.get(name, ())) > most:
            raise parameter_error(f"{name} has {len(configuration[name])} entries; it is {most} at most")
    if configuration.get("assignPublicIp") == "ENABLED" and request.launch_type is not LaunchType.FARGATE:
        raise parameter_error("Assign public IP is not supported for this launch type.")


def _find_used(state: EcsState, cluster: Cluster, request: Mapping[str, Any]) -> UsedToken | None:
    """Return what a request's ``clientToken`` has run already.

    Raises :class:`ApiError` when that was another request. Source: API, RunTask, ``ConflictException``.
    """
    used = state.tokens.get((cluster.name, request.get("clientToken", "")))
    if used is not None and used.request != _without_token(request):
        arns = [state.tasks[task_id].arn for task_id in used.task_ids]
        words = "The provided clientToken is already in use with a different RunTask request."
        raise ApiError("ConflictException", words, members={"resourceIds": arns})
    return used


def _without_token(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in request.items() if name != "clientToken"}


def _tags(
    state: EcsState, cluster: Cluster, registered: Registered, request: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    """Return a task's tags; of two with one key the request's counts."""
    tags: dict[str, str] = {}
    if request.get("enableECSManagedTags"):
        tags["aws:ecs:clusterName"] = cluster.name
    if request.get("propagateTags") == "TASK_DEFINITION":
        tags.update(state.tags.get(registered.arn, ()))
    tags.update({tag.get("key", ""): tag.get("value", "") for tag in request.get("tags", ())})
    return tuple(tags.items())


def _architecture(definition: TaskDefinition) -> str:
    platform = definition.document.get("runtimePlatform", {})
    wanted = platform.get("cpuArchitecture", "X86_64") if isinstance(platform, Mapping) else "X86_64"
    return str(wanted).lower()


def _shown_overrides(definition: TaskDefinition, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the overrides with every container named, as ECS does."""
    given = {each.get("name"): each for each in overrides.get("containerOverrides", ())}
    return {
        "inferenceAcceleratorOverrides": [],
        **overrides,
        "containerOverrides": [given.get(each.name, {"name": each.name}) for each in definition.containers],
    }

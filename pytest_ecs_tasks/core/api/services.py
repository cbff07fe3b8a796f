"""Services: CreateService, UpdateService, DeleteService, DescribeServices, ListServices, ListServicesByNamespace.

What the scheduler makes of them is :mod:`pytest_ecs_tasks.core.service_scheduler`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core.api.calls import (
    ApiError,
    Call,
    CreateService,
    LaterService,
    Outcome,
    TellService,
    client_error,
    parameter_error,
)
from pytest_ecs_tasks.core.api.clusters import check_strategy
from pytest_ecs_tasks.core.api.launch import choose_launches
from pytest_ecs_tasks.core.api.names import (
    check_cluster_of,
    find_cluster,
    find_registered,
    find_runnable,
    split_arn,
)
from pytest_ecs_tasks.core.api.paging import page
from pytest_ecs_tasks.core.api.run_task import check_tasks, start_tasks
from pytest_ecs_tasks.core.api.service_members import check_words
from pytest_ecs_tasks.core.api.state import Cluster, EcsState, Registered, UsedToken
from pytest_ecs_tasks.core.api.tags import show_tags, with_request_tags
from pytest_ecs_tasks.core.plan import default_launch_type
from pytest_ecs_tasks.core.service_model import Revision, Service, ServiceSettings, ServiceStatus
from pytest_ecs_tasks.core.service_requests import (
    Definition,
    ServiceRequestError,
    read_create,
    read_update,
)
from pytest_ecs_tasks.core.service_views import describe_service
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.core.traffic import BALANCERS, REGISTRIES
from pytest_ecs_tasks.core.traffic_rules import check_containers, check_groups, check_registries

DESCRIBED_AT_ONCE = 10  # API, DescribeServices.services
LISTED_AT_ONCE = 10  # API, ListServices.maxResults, when it is not given


def create_service(state: EcsState, call: Call) -> Outcome:
    """Answer CreateService."""
    request = call.request
    check_words(request)
    state, cluster = find_cluster(state, request)
    name = request["serviceName"]
    arn = state.arn(f"service/{cluster.name}/{name}")
    token = ("CreateService", request.get("clientToken", ""))
    existing = call.services.get(arn)
    if existing is not None and existing.status is not ServiceStatus.INACTIVE:
        used = state.tokens.get(token)
        if token[1] and used is not None and used.request == request:
            return Outcome(state, later=LaterService("service", arn))
        raise _cannot_create_again(existing)
    if not request.get("taskDefinition"):
        raise client_error("TaskDefinition can not be blank.")
    registered = find_runnable(state, request["taskDefinition"])
    check_strategy(cluster, request.get("capacityProviderStrategy", ()))
    settings = _read_create(state, request, cluster, registered)
    _check_tasks(state, call, cluster, registered, settings)
    _check_traffic(call, settings, registered)
    state = with_request_tags(state, arn, request)
    if token[1]:
        state = replace(state, tokens={**state.tokens, token: UsedToken(request)})
    effect = CreateService(name, arn, cluster.arn, settings, deployment_id(call))
    return Outcome(state, effects=(effect,), later=LaterService("service", arn))


def update_service(state: EcsState, call: Call) -> Outcome:
    """Answer UpdateService."""
    request = call.request
    check_words(request)
    state, service = _find_service(state, call)
    if service.status is not ServiceStatus.ACTIVE:
        raise ApiError("ServiceNotActiveException", "Service was not ACTIVE.")
    state, cluster = find_cluster(state, {"cluster": service.cluster_arn})
    reference = request.get("taskDefinition")
    registered = find_runnable(state, reference) if reference else None
    check_strategy(cluster, request.get("capacityProviderStrategy", ()))
    try:
        settings, deploys = read_update(
            request, service.settings, _definition(registered) if registered else None
        )
    except ServiceRequestError as error:
        raise ApiError(error.code, str(error)) from error
    if settings.revision != service.settings.revision:
        registered = registered or _registered(state, settings.revision)
        _check_tasks(state, call, cluster, registered, settings)
        _check_traffic(call, settings, registered)
    fact = facts.ServiceUpdated(settings, deployment_id(call) if deploys else None)
    effect = TellService(service.arn, fact)
    return Outcome(state, effects=(effect,), later=LaterService("service", service.arn))


def delete_service(state: EcsState, call: Call) -> Outcome:
    """Answer DeleteService."""
    state, service = _find_service(state, call)
    if service.status is ServiceStatus.INACTIVE:
        raise _service_not_found()
    if not call.request.get("force"):
        if service.settings.desired_count > 0 and service.settings.details["schedulingStrategy"] == "REPLICA":
            raise parameter_error("The service cannot be stopped while it is scaled above 0.")
        if len(service.deployments) > 1:
            raise parameter_error("The service cannot be stopped while deployments are active.")
    effect = TellService(service.arn, facts.ServiceDeleted())
    return Outcome(state, effects=(effect,), later=LaterService("service", service.arn))


def describe_services(state: EcsState, call: Call) -> Outcome:
    """Answer DescribeServices."""
    request = call.request
    state, cluster = find_cluster(state, request)
    references = request["services"]
    if not references:
        raise parameter_error("Services cannot be empty.")
    if len(references) > DESCRIBED_AT_ONCE:
        raise parameter_error(
            f"services has {len(references)} entries; at most {DESCRIBED_AT_ONCE} are allowed."
        )
    with_tags = "TAGS" in request.get("include", ())
    found: list[dict[str, object]] = []
    failures: list[dict[str, object]] = []
    for reference in references:
        service = call.services.get(_service_arn(state, cluster, reference))
        if service is None:
            missing = reference if reference.startswith("arn:") else state.arn(f"service/{reference}")
            failures.append({"arn": missing, "reason": "MISSING"})
        else:
            found.append(_show(state, service, call, with_tags=with_tags))
    return Outcome(state, {"services": found, "failures": failures})


def list_services(state: EcsState, call: Call) -> Outcome:
    """Answer ListServices. One that is DRAINING is no longer listed (API, DeleteService)."""
    request = call.request
    state, cluster = find_cluster(state, request)
    wanted = {key: request.get(key) for key in ("launchType", "schedulingStrategy")}
    listed = sorted(
        service.arn
        for service in _active_services(call)
        if service.cluster_arn == cluster.arn and _has(service, wanted)
    )
    return Outcome(state, _page(call, listed))


def list_services_by_namespace(state: EcsState, call: Call) -> Outcome:
    """Answer ListServicesByNamespace, for services of Service Connect."""
    namespace = call.request["namespace"]
    listed = sorted(service.arn for service in _active_services(call) if _namespace(service) == namespace)
    return Outcome(state, _page(call, listed))


def show_service(state: EcsState, call: Call, arn: str) -> dict[str, object]:
    """Return a service as the calls that change it answer it."""
    return _show(state, call.services[arn], call, with_tags=True)


def start_service_task(state: EcsState, call: Call, service: Service, deployment: str) -> Outcome:
    """Return the start of one task of a deployment. Raises :class:`ApiError` for what ECS would refuse."""
    found = service.find_deployment(deployment)
    revision = found.revision if found else service.settings.revision
    state, cluster = find_cluster(state, {"cluster": service.cluster_arn})
    registered = _registered(state, revision)
    asked = _task_request(service.settings, revision)
    asked["startedBy"] = deployment
    asked["group"] = f"service:{service.name}"
    asked["tags"] = _task_tags(state, service, cluster, registered)
    # A task takes its place among the service's tasks, so that a strategy is spread over all of them.
    position = sum(task.live for task in service.tasks)
    launches = choose_launches(asked, cluster, registered.definition, max(1, position))[-1:]
    return start_tasks(state, replace(call, request=asked), cluster, registered, launches)


def _registered(state: EcsState, revision: Revision) -> Registered:
    registered = find_registered(state, revision.task_definition)
    if registered is None:
        raise client_error("TaskDefinition not found.")
    return registered


def _task_request(settings: ServiceSettings, revision: Revision) -> dict[str, Any]:
    """Return what RunTask would be asked for a task of a service."""
    details = {**settings.details, **revision.details}
    names = ("enableExecuteCommand", "networkConfiguration", "platformVersion", "launchType")
    asked: dict[str, Any] = {name: details[name] for name in names if details.get(name) is not None}
    asked["capacityProviderStrategy"] = details.get("capacityProviderStrategy")
    return asked


def _check_tasks(
    state: EcsState, call: Call, cluster: Cluster, registered: Registered, settings: ServiceSettings
) -> None:
    """Raise :class:`ApiError` for a service none of whose tasks could be run."""
    asked = _task_request(settings, settings.revision)
    strategy = asked.pop("capacityProviderStrategy")
    ways = [{**asked, "capacityProviderStrategy": [each]} for each in strategy or ()] or [asked]
    launches = [choose_launches(each, cluster, registered.definition, 1)[0] for each in ways]
    check_tasks(state, replace(call, request=asked), cluster, registered, launches)


def deployment_id(call: Call) -> str:
    """Return a new deployment's id: ``ecs-svc/`` and up to 19 digits."""
    return f"ecs-svc/{int(call.new_id()[:16], 16) >> 1}"


def _task_tags(
    state: EcsState, service: Service, cluster: Cluster, registered: Registered
) -> list[dict[str, str]]:
    details = service.settings.details
    tags: list[dict[str, str]] = []
    if details.get("enableECSManagedTags"):
        tags.append({"key": "aws:ecs:clusterName", "value": cluster.name})
        tags.append({"key": "aws:ecs:serviceName", "value": service.name})
    match details.get("propagateTags"):
        case "SERVICE":
            tags += show_tags(state, service.arn)
        case "TASK_DEFINITION":
            tags += show_tags(state, registered.arn)
    return tags


def _check_traffic(call: Call, settings: ServiceSettings, registered: Registered) -> None:
    """Raise :class:`ApiError` for what traffic is to be led by, or to, that is not there."""
    traffic, definition = settings.revision.traffic, registered.definition
    mode = definition.network_mode
    try:
        check_groups(call.request.get(BALANCERS, ()), mode, call.target_groups)
        check_registries(call.request.get(REGISTRIES, ()), mode, call.registries)
        check_containers(traffic, definition)
    except ServiceRequestError as error:
        raise ApiError(error.code, str(error)) from error


def _cannot_create_again(existing: Service) -> ApiError:
    if existing.status is ServiceStatus.DRAINING:
        return parameter_error("Unable to Start a service that is still Draining.")
    return parameter_error("Creation of service was not idempotent.")


def _read_create(
    state: EcsState, request: Mapping[str, Any], cluster: Cluster, registered: Registered
) -> ServiceSettings:
    definition = _definition(registered)
    try:
        settings = read_create(_with_default_strategy(request, cluster), definition)
    except ServiceRequestError as error:
        raise ApiError(error.code, str(error)) from error
    root = f"arn:{state.partition}:iam::{state.account_id}"
    shown: dict[str, object] = {"createdBy": f"{root}:root"}
    if definition.awsvpc or request.get(BALANCERS):
        shown["roleArn"] = f"{root}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    return replace(settings, details={**settings.details, **shown})


def _with_default_strategy(request: Mapping[str, Any], cluster: Cluster) -> Mapping[str, Any]:
    if request.get("launchType") or request.get("capacityProviderStrategy") or not cluster.default_strategy:
        return request
    return {**request, "capacityProviderStrategy": list(cluster.default_strategy)}


def _find_service(state: EcsState, call: Call) -> tuple[EcsState, Service]:
    state, cluster = find_cluster(state, call.request)
    service = call.services.get(_service_arn(state, cluster, call.request["service"]))
    if service is None:
        raise _service_not_found()
    return state, service


def _service_not_found() -> ApiError:
    return ApiError("ServiceNotFoundException", "Service not found.")


def _service_arn(state: EcsState, cluster: Cluster, reference: str) -> str:
    parts = split_arn(reference, "service")
    check_cluster_of(parts, cluster)
    return state.arn(f"service/{cluster.name}/{parts[-1] if parts else reference}")


def _show(state: EcsState, service: Service, call: Call, *, with_tags: bool) -> dict[str, object]:
    view = describe_service(service, call.wall)
    return {**view, "tags": show_tags(state, service.arn)} if with_tags else view


def _active_services(call: Call) -> Iterable[Service]:
    return (service for service in call.services.values() if service.status is ServiceStatus.ACTIVE)


def _has(service: Service, wanted: Mapping[str, object]) -> bool:
    details = {**service.settings.revision.details, **service.settings.details}
    return all(value is None or details.get(key) == value for key, value in wanted.items())


def _namespace(service: Service) -> str | None:
    connect = service.settings.revision.details.get("serviceConnectConfiguration")
    return connect.get("namespace") if isinstance(connect, Mapping) else None


def _page(call: Call, listed: list[str]) -> dict[str, object]:
    request = {"maxResults": LISTED_AT_ONCE, **call.request}
    shown, more = page(listed, request, lambda arn: arn)
    return {"serviceArns": shown, **more}


def _definition(registered: Registered) -> Definition:
    definition = registered.definition
    return Definition(
        registered.arn,
        default_launch_type(definition).value,
        awsvpc=definition.network_mode is NetworkMode.AWSVPC,
    )

"""CreateService and UpdateService read: what the scheduler acts on, what is only shown, and what is refused.

Refusals carry ECS's error codes. Texts are ECS's own where they have been published; where they have not, they say in our
words what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_ecs_tasks.core.service_model import CircuitBreaker, Revision, ServiceSettings, ThresholdType
from pytest_ecs_tasks.core.traffic import BALANCERS, TRAFFIC, Traffic

MOST_TASKS = 5000  # service quotas of ECS, "Tasks per service"
NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")  # API, CreateService.serviceName

# Members of a request that DescribeServices returns as they were given, and what it returns without them.
SHOWN: Mapping[str, object] = {
    "placementConstraints": [],
    "placementStrategy": [],
    "schedulingStrategy": "REPLICA",
    "deploymentController": {"type": "ECS"},
    "propagateTags": "NONE",
    "enableECSManagedTags": False,
    "enableExecuteCommand": False,
    "availabilityZoneRebalancing": "ENABLED",
}
# Members that belong to a deployment, as those of ``TRAFFIC`` do: a change of one starts another (API, UpdateService).
OF_THE_REVISION = (
    "networkConfiguration",
    "platformVersion",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
)
# Members that DescribeServices has in a deployment only.
DEPLOYMENT_ONLY = frozenset(
    {"serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations"}
)


class ServiceRequestError(ValueError):
    """A request that ECS refuses. ``code`` is the API's error code, the text its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Definition:
    """What a service needs to know of its task definition. ``launch_type`` is the one that it implies."""

    arn: str
    launch_type: str
    awsvpc: bool


def read_create(request: Mapping[str, object], definition: Definition) -> ServiceSettings:
    """Return the settings that CreateService asks for. Raises :class:`ServiceRequestError`."""
    name = str(request.get("serviceName", ""))
    if not NAME.fullmatch(name):
        raise _invalid(f"serviceName '{name}' is not 1 to 255 letters, digits, hyphens and underscores.")
    _refuse_other_controllers(request)
    shown = {key: _given(request, key, default) for key, default in SHOWN.items()}
    daemon = shown["schedulingStrategy"] == "DAEMON"
    launch = _launch(request, definition)
    if daemon and launch.get("launchType") == "FARGATE":
        raise _invalid("Fargate tasks don't support the DAEMON scheduling strategy.")
    revision = Revision(
        definition.arn,
        {
            **launch,
            **_platform(request, launch),
            **{key: request[key] for key in OF_THE_REVISION[2:] if request.get(key) is not None},
            **_network(request.get("networkConfiguration"), definition),
        },
        _read_traffic(request, {}),
    )
    settings = ServiceSettings(
        revision,
        desired_count=_desired_count(request, daemon=daemon),
        minimum_healthy_percent=0 if daemon else 100,
        maximum_percent=100 if daemon else 200,
        grace_period_s=float(_number(request.get("healthCheckGracePeriodSeconds"), 0)),
        details=shown,
    )
    return _with_configuration(settings, request.get("deploymentConfiguration"))


def read_update(
    request: Mapping[str, object], before: ServiceSettings, definition: Definition | None
) -> tuple[ServiceSettings, bool]:
    """Return the settings after UpdateService, and whether it starts a deployment. Raises :class:`ServiceRequestError`.

    ``definition`` is the task definition that the request names, ``None`` when it names none.
    """
    _refuse_other_controllers(request)
    shown = {key: _given(request, key, before.details.get(key)) for key in SHOWN}
    details = {**before.details, **shown}
    revision = before.revision
    if definition is not None:
        revision = replace(revision, task_definition=definition.arn)
    changes = {key: request[key] for key in OF_THE_REVISION if request.get(key) is not None}
    if "networkConfiguration" in changes:
        changes.update(_network(changes["networkConfiguration"], None))
    traffic = _read_traffic(request, revision.traffic)
    revision = replace(revision, details={**revision.details, **changes}, traffic=traffic)
    deploys = revision != before.revision
    strategy = request.get("capacityProviderStrategy")
    if strategy:
        others = {key: value for key, value in revision.details.items() if key != "launchType"}
        revision = replace(revision, details={**others, "capacityProviderStrategy": strategy})
    settings = replace(before, revision=revision, details=details)
    if request.get("desiredCount") is not None:
        daemon = details["schedulingStrategy"] == "DAEMON"
        settings = replace(settings, desired_count=_desired_count(request, daemon=daemon))
    if request.get("healthCheckGracePeriodSeconds") is not None:
        grace = float(_number(request["healthCheckGracePeriodSeconds"], 0))
        settings = replace(settings, grace_period_s=grace)
    settings = _with_configuration(settings, request.get("deploymentConfiguration"))
    return settings, deploys or request.get("forceNewDeployment") is True


def _invalid(message: str) -> ServiceRequestError:
    return ServiceRequestError("InvalidParameterException", message)


def _unsupported(what: str) -> ServiceRequestError:
    return ServiceRequestError(
        "UnsupportedFeatureException",
        f"pytest-ecs-tasks does not emulate {what}; it runs rolling deployments of the ECS deployment controller.",
    )


def _given(request: Mapping[str, object], key: str, default: object) -> object:
    value = request.get(key)
    return default if value is None else value


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) else default


def _refuse_other_controllers(request: Mapping[str, object]) -> None:
    controller = request.get("deploymentController")
    kind = controller.get("type", "ECS") if isinstance(controller, Mapping) else "ECS"
    if kind != "ECS":
        raise _unsupported(f"the deployment controller {kind}")


def _read_traffic(request: Mapping[str, object], before: Traffic) -> Traffic:
    """Return the members that lead traffic to tasks: those of the request, else those of before."""
    traffic: dict[str, Sequence[Mapping[str, Any]]] = {}
    for key in TRAFFIC:
        given = request.get(key)
        traffic[key] = given if isinstance(given, Sequence) else before.get(key, [])
    if any(balancer.get("loadBalancerName") for balancer in traffic[BALANCERS]):
        raise _unsupported("Classic Load Balancers")
    return traffic


def _launch(request: Mapping[str, object], definition: Definition) -> dict[str, object]:
    launch_type, strategy = request.get("launchType"), request.get("capacityProviderStrategy")
    if launch_type and strategy:
        raise _invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    if strategy:
        return {"capacityProviderStrategy": strategy}
    return {"launchType": launch_type or definition.launch_type}


def _platform(request: Mapping[str, object], launch: Mapping[str, object]) -> dict[str, object]:
    strategy = launch.get("capacityProviderStrategy")
    on_fargate = launch.get("launchType") == "FARGATE" or "FARGATE" in str(strategy)
    if not on_fargate:
        return {}
    version = request.get("platformVersion")
    return {"platformVersion": "1.4.0" if version in (None, "LATEST") else version, "platformFamily": "Linux"}


def _network(configuration: object, definition: Definition | None) -> dict[str, object]:
    given = configuration.get("awsvpcConfiguration") if isinstance(configuration, Mapping) else None
    if not isinstance(given, Mapping):
        if definition is not None and definition.awsvpc:
            raise _invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
        return {}
    filled = {"securityGroups": [], "assignPublicIp": "DISABLED", **given}
    return {"networkConfiguration": {"awsvpcConfiguration": filled}}


def _desired_count(request: Mapping[str, object], *, daemon: bool) -> int:
    count = request.get("desiredCount")
    if daemon:
        if count is not None:
            raise _invalid(
                "The daemon scheduling strategy does not support a desired count for services. "
                "Remove the desired count value and try again"
            )
        return 1  # one task on each container instance: there is one engine
    if not isinstance(count, int):
        raise _invalid("desiredCount is required for the REPLICA scheduling strategy.")
    if count > MOST_TASKS:
        raise _invalid(f"desiredCount is {count}; a service has {MOST_TASKS} tasks at most")
    if count < 0:
        raise _invalid("Task count can not be lesser than 0")
    return count


def _with_configuration(settings: ServiceSettings, configuration: object) -> ServiceSettings:
    if not isinstance(configuration, Mapping):
        return settings
    strategy = configuration.get("strategy") or "ROLLING"
    if strategy != "ROLLING":
        raise _unsupported(f"the deployment strategy {strategy}")
    for key, what in (("alarms", "deployment alarms"), ("earlySuccessCriteria", "early success criteria")):
        part = configuration.get(key)
        if isinstance(part, Mapping) and part.get("enable"):
            raise _unsupported(what)
    if configuration.get("lifecycleHooks"):
        raise _unsupported("lifecycle hooks of deployments")
    settings = replace(
        settings,
        minimum_healthy_percent=_number(
            configuration.get("minimumHealthyPercent"), settings.minimum_healthy_percent
        ),
        maximum_percent=_number(configuration.get("maximumPercent"), settings.maximum_percent),
        circuit_breaker=_circuit_breaker(
            configuration.get("deploymentCircuitBreaker"), settings.circuit_breaker
        ),
    )
    if settings.minimum_healthy_percent >= settings.maximum_percent == 100:
        raise _invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments."
        )
    return settings


def _circuit_breaker(given: object, before: CircuitBreaker) -> CircuitBreaker:
    if not isinstance(given, Mapping):
        return before
    threshold = given.get("thresholdConfiguration")
    kind, value = before.threshold_type, before.threshold_value
    if isinstance(threshold, Mapping):
        name = str(threshold.get("type", kind.value))
        if name not in set(ThresholdType):
            raise _invalid(f"thresholdConfiguration.type '{name}' is none of {', '.join(ThresholdType)}.")
        kind, value = ThresholdType(name), _number(threshold.get("value"), value)
    reset = given.get("resetOnHealthyTask")
    return CircuitBreaker(
        enabled=given.get("enable") is True,
        rollback=given.get("rollback") is True,
        reset_on_healthy_task=before.reset_on_healthy_task if reset is None else reset is True,
        threshold_type=kind,
        threshold_value=value,
    )

"""The rules of logConfiguration and firelensConfiguration.

Sources as in :mod:`pytest_ecs_tasks.core.rules`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_ecs_tasks.core import awslogs, firelens
from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.placeholders import find_placeholder
from pytest_ecs_tasks.core.s3 import find_object
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, TaskDefinition

FARGATE_DRIVERS = ("awslogs", "splunk", "awsfirelens")  # [API] LogConfiguration


def check_container(container: ContainerDefinition, path: Path, *, fargate: bool) -> Iterator[Finding]:
    """Return what is wrong with a container's log options."""
    logs = container.log_configuration
    if logs is None:
        return
    if fargate and logs.driver not in FARGATE_DRIVERS:
        drivers = ",".join(FARGATE_DRIVERS)
        text = f"{logs.driver} is not a valid log driver. Must be one of [{drivers}] on Fargate"  # [D], but for the end
        yield Finding(
            (*path, "logConfiguration", "logDriver"),
            "fargate-log-driver",
            text,
            (("requiresCompatibilities",),),
        )
    if logs.driver != "awslogs":
        return
    for option, text in awslogs.find_problems(logs.options, fargate=fargate):
        place: Path = (*path, "logConfiguration", "options")
        if option is None:
            yield Finding(place, "log-options", text)
        elif not find_placeholder(logs.options[option]):
            yield Finding((*place, option), "log-options", text)


def check_task(definition: TaskDefinition, *, fargate: bool) -> Iterator[Finding]:
    """Return what is wrong between the log router and the containers that use it."""
    containers = [
        (container, ("containerDefinitions", index)) for index, container in enumerate(definition.containers)
    ]
    routers = [(container, path) for container, path in containers if container.firelens]
    routed = [(container, path) for container, path in containers if firelens.is_routed(container)]
    needs = tuple((*path, "firelensConfiguration") for _, path in containers)
    if routed and not routers:
        text = (  # [D]
            "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be "
            "configured in one of the containers."
        )
        yield Finding((*routed[0][1], "logConfiguration", "logDriver"), "firelens-no-router", text, needs)
    if routers and not routed:
        text = (  # [I]
            "When a firelensConfiguration object is specified, at least one container has to be configured with the "
            "awsfirelens log driver."
        )
        needs = tuple((*path, "logConfiguration") for _, path in containers)
        yield Finding((*routers[0][1], "firelensConfiguration"), "firelens-unused-router", text, needs)
    for _, path in routers[1:]:
        text = f"a task has one log router, and '{routers[0][0].name}' is it already"
        yield Finding((*path, "firelensConfiguration"), "firelens-second-router", text)
    for router, path in routers[:1]:
        yield from _check_router(router, path, fargate=fargate)
        yield from _check_outputs(router, routed)


def _check_router(router: ContainerDefinition, path: Path, *, fargate: bool) -> Iterator[Finding]:
    assert router.firelens is not None
    options = router.firelens.options
    place: Path = (*path, "firelensConfiguration", "options")
    kind, value = options.get(firelens.CONFIG_TYPE), options.get(firelens.CONFIG_VALUE)
    if kind is None or find_placeholder(kind):
        return
    if kind not in ("s3", "file"):
        text = f"invalid value {kind} is specified for option {firelens.CONFIG_TYPE}"  # [A]
        yield Finding(
            (*place, firelens.CONFIG_TYPE), "firelens-configuration-file", f"{text}; it is s3 or file"
        )
    elif value is None:
        text = (
            f"option {firelens.CONFIG_TYPE} is specified but {firelens.CONFIG_VALUE} is not specified"  # [A]
        )
        yield Finding(place, "firelens-configuration-file", text)
    elif kind == "s3" and fargate:
        text = "Fargate takes a router's configuration from a file of its image only, not from S3"
        yield Finding(
            (*place, firelens.CONFIG_TYPE),
            "firelens-configuration-file",
            text,
            (("requiresCompatibilities",),),
        )
    elif kind == "s3" and find_object(value) is None and not find_placeholder(value):
        text = f"'{value}' is not the ARN of an S3 object, such as arn:aws:s3:::bucket/path/extra.conf"
        yield Finding((*place, firelens.CONFIG_VALUE), "firelens-configuration-file", text)


def _check_outputs(
    router: ContainerDefinition, routed: Sequence[tuple[ContainerDefinition, Path]]
) -> Iterator[Finding]:
    assert router.firelens is not None
    for container, path in routed:
        logs = container.log_configuration
        assert logs is not None
        names = dict.fromkeys([*logs.options, *(secret.name for secret in logs.secret_options)], "")
        if any(find_placeholder(name) for name in names):
            continue
        problem = firelens.missing_output(names, router.firelens.kind)
        if problem:
            text = f"unable to apply log options of container {container.name} to firelens config: {problem}"  # [A]
            yield Finding(
                (*path, "logConfiguration", "options"),
                "firelens-output",
                text,
                ((*path, "logConfiguration"),),
            )

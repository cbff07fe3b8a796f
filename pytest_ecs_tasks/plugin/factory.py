"""``ecs_task_factory``: tasks whenever a test or a fixture wants one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import pytest

from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.plugin import marks
from pytest_ecs_tasks.plugin.marks import MarkerError, OverrideMark, Source, TaskMark
from pytest_ecs_tasks.plugin.run import EcsRun, Owner
from pytest_ecs_tasks.plugin.sources import Places, override_environment, read_source, report_unsupported

if TYPE_CHECKING:
    from pytest_ecs_tasks.core.request import ContainerOverride, RunTaskRequest
    from pytest_ecs_tasks.core.taskdef import TaskDefinition
    from pytest_ecs_tasks.task import EcsTask

Overrides = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class EcsTaskFactory:
    """Starts tasks. Each ends with the fixture or test that was being set up or run when it was started, or before."""

    def __init__(self, run: EcsRun) -> None:
        self._run = run

    @overload
    def run(  # type: ignore[overload-overlap]  # a literal 1 gives a task, any other number a list
        self,
        source: Source,
        *,
        wait: object = ...,
        launch_type: str | None = ...,
        images: Mapping[str, str] | None = ...,
        substitute: Mapping[str, str] | None = ...,
        start_timeout: float | None = ...,
        count: Literal[1] = ...,
        resource: str | None = ...,
        family: str | None = ...,
        overrides: Overrides | None = ...,
        environment: Mapping[str, object] | None = ...,
    ) -> EcsTask: ...

    @overload
    def run(
        self,
        source: Source,
        *,
        count: int,
        wait: object = ...,
        launch_type: str | None = ...,
        images: Mapping[str, str] | None = ...,
        substitute: Mapping[str, str] | None = ...,
        start_timeout: float | None = ...,
        resource: str | None = ...,
        family: str | None = ...,
        overrides: Overrides | None = ...,
        environment: Mapping[str, object] | None = ...,
    ) -> list[EcsTask]: ...

    def run(
        self,
        source: Source,
        *,
        overrides: Overrides | None = None,
        environment: Mapping[str, object] | None = None,
        **keywords: Any,
    ) -> EcsTask | list[EcsTask]:
        """Start a task and wait for it; keywords are those of the marker ``ecs_taskdef``.

        ``overrides`` are RunTask's: ``{"web": {"command": [...], "environment": {...}}}``, or ``containerOverrides`` as the
        API has them. ``environment`` adds variables, by container or to all. With ``count`` above 1 all are started, then
        waited for, and returned as a list. Raises :class:`EcsTaskError`, in particular :class:`TaskDefinitionError`.
        """
        try:
            mark = marks.call_checked("ecs_taskdef", (source,), keywords)
            asked = read_overrides(overrides)
            tasks = start(self._run, mark, asked, environment or {})
        except MarkerError as error:
            raise EcsTaskError(str(error)) from None  # the text says everything
        return tasks if mark.count > 1 else tasks[0]


def start(
    run: EcsRun, mark: TaskMark, overrides: Sequence[OverrideMark], environment: Mapping[str, object]
) -> list[EcsTask]:
    """Start what a marker says, ``count`` times, and wait for it."""
    owner = run.owner()
    definition = read_definition(run, owner, mark)
    request = make_request(run, owner, definition, mark, overrides, environment)
    run.require_engine()
    aws = run.aws()
    tasks = []
    for _ in range(mark.count):
        task = run.cluster.run_task(request, aws)
        run.add(task)
        timeout = mark.start_timeout if mark.start_timeout is not None else run.settings.start_timeout
        tasks.append(task.with_start_timeout(timeout))
    for task in tasks:
        await_task(task, mark.wait)
    return tasks


def read_definition(run: EcsRun, owner: Owner, mark: TaskMark) -> TaskDefinition:
    """Return the task definition that a marker names, and tell of what in it is not emulated."""
    places = places_of(run, owner)
    definition = read_source(
        mark.source,
        places,
        substitute={
            **_pseudo_parameters(run, owner),
            **run.value("ecs_substitute", owner),
            **mark.substitute,
        },
        describe=lambda name: describe_registered(run, name),
        name="ecs_taskdef({…})",
        resource=mark.resource,
        family=mark.family,
    )
    report_unsupported(definition, places, strict=run.settings.strict)
    return definition


def _pseudo_parameters(run: EcsRun, owner: Owner) -> dict[str, str]:
    """Return what a template means by the region and the account."""
    return {
        "AWS::Region": str(run.value("ecs_region", owner)),
        "AWS::AccountId": str(run.value("ecs_account_id", owner)),
    }


def await_task(task: EcsTask, wait: object) -> None:
    """Wait as a marker says."""
    match wait:
        case None:
            return
        case "healthy":
            task.wait_healthy()
        case "running":
            task.wait_running()
        case "stopped":
            task.wait_stopped()
        case _:
            task.wait_for(wait)  # type: ignore[arg-type]  # the marker's check has seen to it


def make_request(
    run: EcsRun,
    owner: Owner,
    definition: TaskDefinition,
    mark: TaskMark,
    overrides: Sequence[OverrideMark],
    environment: Mapping[str, object],
) -> RunTaskRequest:
    """Return the RunTask call: the project's values below, the marker's and the caller's above."""
    from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest

    names = [container.name for container in definition.containers]
    merged = override_environment(run.value("ecs_environment", owner), names)
    merged = {
        name: variables for name, variables in merged.items() if name in names
    }  # of all the project's tasks
    for name, variables in override_environment(environment, names).items():
        merged.setdefault(name, {}).update(variables)
    return RunTaskRequest(
        definition=definition,
        overrides=tuple(container_override(each) for each in overrides),
        images=_images(definition, mark.images, run.value("ecs_images", owner)),
        environment=merged,
        launch_type=LaunchType(mark.launch_type) if mark.launch_type else None,
        region=str(run.value("ecs_region", owner)),
        account_id=str(run.value("ecs_account_id", owner)),
    )


def _images(definition: TaskDefinition, *mappings: Mapping[str, str]) -> dict[str, str]:
    """Return the image of each container that the first mapping which knows the container has for it."""
    from pytest_ecs_tasks.core.plan import mapped_image

    found = {
        container.name: [image for images in mappings if (image := mapped_image(container, images))]
        for container in definition.containers
    }
    return {name: images[0] for name, images in found.items() if images}


def container_override(mark: OverrideMark) -> ContainerOverride:
    """Return RunTask's form of an override."""
    from pytest_ecs_tasks.core.request import ContainerOverride

    return ContainerOverride(
        name=mark.container,
        command=mark.command,
        environment=mark.environment,
        image=mark.image,
        cpu=mark.cpu,
        memory_mib=mark.memory,
        health_check=mark.health_check,
    )


def read_overrides(given: Overrides | None) -> list[OverrideMark]:
    """Return overrides from any of their forms: by container, ``containerOverrides``, or RunTask's ``overrides``."""
    if given is None:
        return []
    if isinstance(given, Mapping):
        nested = given.get("containerOverrides")
        if nested is None:
            return [
                marks.call_checked("ecs_overrides", (name,), _keywords(name, fields))
                for name, fields in given.items()
            ]
        given = nested
    result = []
    entries: Sequence[Mapping[str, Any]] = given if not isinstance(given, Mapping) else ()
    for fields in entries:
        rest = dict(fields)
        name = rest.pop("name", "?")
        result.append(marks.call_checked("ecs_overrides", (name,), _keywords(name, rest)))
    return result


def _keywords(name: str, fields: object) -> dict[str, Any]:
    if not isinstance(fields, Mapping):
        raise MarkerError(
            f"overrides[{name!r}] is a {type(fields).__name__}: use a dict such as {{'environment': {{…}}}}"
        )
    keywords = dict(fields)
    environment = keywords.get("environment")
    if isinstance(environment, list | tuple):
        keywords["environment"] = {each["name"]: each["value"] for each in environment}
    return keywords


def describe_registered(run: EcsRun, name: str) -> Mapping[str, Any]:
    """Ask the ECS of the test's AWS for a registered task definition."""
    answer = run.aws().client("ecs").describe_task_definition(taskDefinition=name)
    found: Mapping[str, Any] = answer["taskDefinition"]
    return found


def places_of(run: EcsRun, owner: Owner) -> Places:
    """Return where a relative path is looked for: beside the fixture or test at work, then ``ecs_taskdef_dir``."""
    directories = []
    code = getattr(inspect.unwrap(owner.function), "__code__", None) if callable(owner.function) else None
    base = getattr(owner.function, "ecs_base", None) or (code.co_filename if code is not None else None)
    if base is not None and owner.name != "ecs_task":
        directories.append(Path(base).parent)
    for node in (owner.node, run.test.node if run.test is not None else None):
        path = getattr(node, "path", None)
        if path is not None:
            directories.append(path if path.is_dir() else path.parent)
    configured, origin = configured_directory(run.config, run.value("ecs_taskdef_dir", owner))
    return Places(tuple(dict.fromkeys(directories)), run.config.rootpath, configured, origin)


def configured_directory(config: pytest.Config, value: object) -> tuple[Path | None, str]:
    """Return ``ecs_taskdef_dir`` as a path, and where it came from."""
    if value is None:
        return None, ""
    base = config.inipath.parent if config.inipath is not None else config.rootpath
    from_ini = str(value) == str(config.getini("ecs_taskdef_dir"))
    return base / str(value), "ini ecs_taskdef_dir" if from_ini else "fixture ecs_taskdef_dir"

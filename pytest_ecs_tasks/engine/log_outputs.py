"""Where a container's lines go: opened once per container, for all of its lives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pytest_ecs_tasks.core import firelens
from pytest_ecs_tasks.core.log_plan import LogTarget, RouterTarget
from pytest_ecs_tasks.core.model import Container, Task
from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, NetworkMode
from pytest_ecs_tasks.engine.archives import pack_files
from pytest_ecs_tasks.engine.aws_ports import AwsServices, LineSink, OutputSink
from pytest_ecs_tasks.engine.log_routing import RoutedOutput, RouterLog
from pytest_ecs_tasks.engine.logbook import LineSplitter
from pytest_ecs_tasks.engine.multiline import MultilineSink
from pytest_ecs_tasks.engine.ports import ContainerRuntime, Sandbox


@dataclass(frozen=True, slots=True)
class LogOutput:
    """What a reader feeds, and what is closed at the end; ``note`` says what had to be made up for it."""

    entry: OutputSink
    sink: LineSink | RouterLog
    note: str | None = None


def open_output(
    task: Task, container: Container, aws: AwsServices, sandboxes: Mapping[str, Sandbox], *, strict: bool
) -> LogOutput:
    """Open the log of a container that has one. Raises :class:`LogStreamError`."""
    target = container.plan.log
    assert target is not None
    if isinstance(target, RouterTarget):
        log = _router_log(task, container, target, sandboxes)
        return LogOutput(RoutedOutput(log), log)
    return _open_stream(target, container.runtime_id or task.plan.task_id, aws, strict=strict)


def _open_stream(target: LogTarget, default_stream: str, aws: AwsServices, *, strict: bool) -> LogOutput:
    sink, note = aws.open_log_sink(
        group=target.group,
        stream=target.stream or default_stream,
        region=target.region,
        create_group=target.create_group,
        strict=strict,
    )
    if target.event_start is None:
        return LogOutput(sink, sink, note)
    joiner = MultilineSink(sink, target.event_start)
    return LogOutput(LineSplitter(joiner), joiner, note)


def _router_log(
    task: Task, container: Container, target: RouterTarget, sandboxes: Mapping[str, Sandbox]
) -> RouterLog:
    sandbox = sandboxes[task.container(target.router).plan.sandbox or ""]
    # Under awsvpc the generated configuration listens on the loopback that the task's containers share.
    on_loopback = task.plan.definition.network_mode is NetworkMode.AWSVPC
    host = "127.0.0.1" if on_loopback else None
    return RouterLog(
        target.tag,
        target.router,
        lambda: sandbox.connect(firelens.PORT, host=host),
        container_id=container.runtime_id or "",
        container_name=f"/{container.plan.engine_name}",
    )


def let_go_of_router(outputs: Mapping[str, LogOutput]) -> None:
    """Wait no longer for a router that has ended, or that ends with the task, to take what is left."""
    for output in list(outputs.values()):
        if isinstance(output.sink, RouterLog):
            output.sink.abandon("the log router has ended")


def router_files(plan: TaskPlan, external: bytes | None) -> dict[str, bytes]:
    """Return the files that the agent mounts into the task's router, by path. ``external`` is the one from S3."""
    config = firelens.router_config(plan.definition, cluster=plan.request.cluster, task_arn=plan.arn)
    files = {firelens.CONFIG_PATHS[config.kind]: firelens.render(config).encode()}
    if external is not None:
        files[firelens.EXTERNAL_PATHS[config.kind]] = external
    return files


def put_router_files(
    runtime: ContainerRuntime, container_id: str, router: ContainerDefinition, files: Mapping[str, bytes]
) -> None:
    """Put them into a router that has not started."""
    assert router.firelens is not None
    # Docker writes into a read-only root only where a volume is, and makes no directory there.
    read_only = router.readonly_root_filesystem
    root = f"{firelens.config_directory(router.firelens.kind)}/" if read_only else "/"
    archive = pack_files({path.removeprefix(root): content for path, content in files.items()})
    runtime.put_archive(container_id, root, archive)

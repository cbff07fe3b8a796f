"""Where a container's output goes, as it is planned: to a CloudWatch stream, to the task's log router, to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_ecs_tasks.core import awslogs
from pytest_ecs_tasks.core.taskdef import ContainerDefinition, TaskDefinition

AWSLOGS, AWSFIRELENS = "awslogs", "awsfirelens"
DEFAULT_BUFFER_SIZE = "10m"  # amazon-ecs-agent, docker_task_engine.go: maxBufferSizeDefault


@dataclass(frozen=True, slots=True)
class LogTarget:
    """The CloudWatch log stream of a container. ``stream`` ``None``: the container's engine id, as on EC2 without a prefix.

    ``event_start``: the expression that the first line of each event holds; ``None`` makes each line an event.
    """

    group: str
    region: str
    stream: str | None
    create_group: bool = False
    event_start: str | None = None

    @property
    def driver(self) -> str:
        """The log driver's name."""
        return AWSLOGS

    @property
    def needs_container(self) -> bool:
        """Whether it can be opened only when the container has its engine id."""
        return self.stream is None


@dataclass(frozen=True, slots=True)
class RouterTarget:
    """The task's log router, which gets a container's lines under ``tag``."""

    router: str
    tag: str

    @property
    def driver(self) -> str:
        """The log driver's name."""
        return AWSFIRELENS

    @property
    def needs_container(self) -> bool:
        """Whether it can be opened only when the container has its engine id: it is in every record."""
        return True


@dataclass(frozen=True, slots=True)
class EngineLog:
    """A log driver that is the engine's own, beside our reading of the output. ``options`` without secret ones."""

    driver: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


def log_target(
    definition: ContainerDefinition, task: TaskDefinition, *, region: str, task_id: str
) -> LogTarget | RouterTarget | None:
    """Return where we send a container's lines, if anywhere."""
    configuration = definition.log_configuration
    if configuration is None:
        return None
    if configuration.driver == AWSFIRELENS:
        router = task.router
        assert router is not None  # the rules have seen to it
        # amazon-ecs-agent, docker_task_engine.go: fluentTagDockerFormat
        return RouterTarget(router.name, f"{definition.name}-firelens-{task_id}")
    if configuration.driver != AWSLOGS:
        return None
    options = configuration.options
    prefix = options.get(awslogs.PREFIX)
    return LogTarget(
        group=options[awslogs.GROUP],
        region=options.get(awslogs.REGION, region),
        stream=f"{prefix}/{definition.name}/{task_id}" if prefix else None,
        create_group=awslogs.creates_group(options),
        event_start=awslogs.event_start(options),
    )


def engine_log(definition: ContainerDefinition) -> EngineLog | None:
    """Return the engine's own log driver of a container, if the definition names one.

    Source: amazon-ecs-agent, docker_task_engine.go, createContainer: the size of a buffer that is not given.
    """
    configuration = definition.log_configuration
    if configuration is None or configuration.driver in (AWSLOGS, AWSFIRELENS):
        return None
    options = dict(configuration.options)
    if options.get(awslogs.MODE) == "non-blocking":
        options.setdefault(awslogs.BUFFER_SIZE, DEFAULT_BUFFER_SIZE)
    return EngineLog(configuration.driver, options)

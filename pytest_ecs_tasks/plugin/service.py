"""``ecs_service``: a service for the length of a test, of the task definition that the marker names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ecs_tasks.errors import EcsTaskError, WaitTimeout
from pytest_ecs_tasks.plugin import marks
from pytest_ecs_tasks.plugin.factory import read_definition
from pytest_ecs_tasks.plugin.marked import find_mark
from pytest_ecs_tasks.plugin.marks import MarkerError, Source, TaskMark
from pytest_ecs_tasks.plugin.run import EcsRun

if TYPE_CHECKING:
    from pytest_ecs_tasks.aws.handle import Aws
    from pytest_ecs_tasks.clusters.control_plane import ControlPlane
    from pytest_ecs_tasks.core.service_model import Service
    from pytest_ecs_tasks.core.taskdef import TaskDefinition
    from pytest_ecs_tasks.task import EcsTask

STEADY_TIMEOUT_S = 60.0
EVENTS_TOLD = 5
LINES_TOLD = 5
SUBNETS = {"awsvpcConfiguration": {"subnets": ["subnet-0123456789abcdef0"]}}


class EcsService:
    """A service that runs. Its properties are live; with its test everything of it is killed and removed."""

    def __init__(self, run: EcsRun, aws: Aws, plane: ControlPlane, arn: str, timeout_s: float) -> None:
        self._run = run
        self._aws = aws
        self._plane = plane
        self._arn = arn
        self._timeout_s = timeout_s

    @property
    def arn(self) -> str:
        """The service's ARN."""
        return self._arn

    @property
    def name(self) -> str:
        """The service's name: the family of the task definition that it was made of."""
        return self._arn.rpartition("/")[2]

    @property
    def cluster(self) -> str:
        """The name of its cluster."""
        return self._arn.split("/")[1]

    @property
    def tasks(self) -> list[EcsTask]:
        """The tasks that are to run now, oldest first."""
        return [task for task in self._all_tasks() if task.desired_status == "RUNNING"]

    @property
    def messages(self) -> list[str]:
        """The messages of its event log, oldest first."""
        return [event.message for event in reversed(self._service().events)]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its ECS Service Action and ECS Deployment State Change events, in order, as EventBridge delivers them."""
        return [event for event in self._aws.events() if self._arn in event["resources"]]

    def describe(self) -> dict[str, Any]:
        """Return one element of DescribeServices' ``services``."""
        answer = self._aws.client("ecs").describe_services(
            cluster=self.cluster, services=[self._arn], include=["TAGS"]
        )
        found: dict[str, Any] = answer["services"][0]
        return found

    def update(self, **members: Any) -> EcsService:
        """Call UpdateService with these members (``desiredCount=3``, ``forceNewDeployment=True``, …).

        Raises :class:`EcsTaskError` with ECS's error code and message when it refuses.
        """
        request = {"cluster": self.cluster, "service": self.name, **members}
        _call(self._plane, self._aws, "UpdateService", request)
        return self

    def deploy(
        self,
        source: Source,
        *,
        images: Mapping[str, str] | None = None,
        substitute: Mapping[str, str] | None = None,
    ) -> EcsService:
        """Register a task definition, given as to the marker ``ecs_taskdef``, and update the service to it."""
        mark = marks.call_checked("ecs_taskdef", (source,), {"images": images, "substitute": substitute})
        definition = read_definition(self._run, self._run.owner(), mark)
        return self.update(taskDefinition=_register(self._plane, self._aws, definition, mark.images))

    def wait_steady(self, timeout: float | None = None) -> EcsService:
        """Wait until it has its desired count of healthy tasks, and no others.

        After a rollback that is so as well: :attr:`messages` and :meth:`describe` tell. Raises :class:`WaitTimeout`, and
        :class:`EcsTaskError` at once when its deployment has FAILED and there is none to return to.
        """
        timeout_s = self._timeout_s if timeout is None else timeout
        if not self._plane.services.desk.wait_until(
            self._arn, lambda service: service.steady or service.stalled, timeout_s
        ):
            raise WaitTimeout(f"service {self.name} was not steady after {timeout_s:g} s: {self._state()}")
        if self._service().stalled:
            raise EcsTaskError(f"service {self.name} cannot become steady: {self._state()}")
        return self

    def remove(self) -> None:
        """Kill and remove everything of it at once."""
        self._plane.end_service(self._arn)

    def release(self) -> None:
        """Start and stop nothing more for it. Its tasks stay, until its AWS ends."""
        self._plane.services.desk.forget(self._arn)

    def _service(self) -> Service:
        service = self._plane.services.desk.find(self._arn)
        if service is None:
            raise EcsTaskError(f"service {self.name} is gone: the test that it belonged to has ended")
        return service

    def _all_tasks(self) -> list[EcsTask]:
        from pytest_ecs_tasks.task import EcsTask

        return [EcsTask(control) for control in self._plane.service_tasks(self._arn)]

    def _state(self) -> str:
        service = self._service()
        running = sum(task.running for task in service.tasks)
        lines = [f"{running} of {service.settings.desired_count} tasks are RUNNING"]
        lines += [
            f"  {each.deployment_id} {each.status} {each.rollout_state}, {each.failed_tasks} failed tasks "
            f"({each.revision.task_definition.rpartition('/')[2]})"
            for each in service.deployments
        ]
        lines += [
            f"  task {task.task_id} fails the health check of its target group: {task.targets.problem.reason}"
            for task in service.tasks
            if task.targets is not None and task.targets.problem is not None
        ]
        lines += [f"  {message}" for message in self.messages[-EVENTS_TOLD:]]
        ended = [task for task in self._all_tasks() if task.last_status == "STOPPED"]
        return "\n".join(lines + (_how_it_ended(ended[-1]) if ended else []))

    def __repr__(self) -> str:
        return f"<EcsService {self.name}>"


def end_marked(run: EcsRun, service: EcsService) -> None:
    """End a service with its test; where ``--ecs-keep`` may keep its tasks, they end with their AWS or stay."""
    if run.settings.text("keep") == "never":
        service.remove()
    else:
        service.release()


def _how_it_ended(task: EcsTask) -> list[str]:
    lines = [f"  task {task.task_id} stopped: {task.stopped_reason}"]
    for name, container in task.containers.items():
        words = container.reason or f"exit {container.exit_code}"
        lines.append(f"    {name}: {words}")
        lines += [f"      {line.text}" for line in task.log_lines(name)[-LINES_TOLD:]]
    return lines


def create_marked(run: EcsRun, request: pytest.FixtureRequest) -> EcsService:
    """Create the service that the nearest marker asks for. A wrong marker fails the test, without a traceback."""
    try:
        mark = find_mark(request.node, getattr(request, "param", None), "ecs_service")
        _check(request.node, mark)
        return _create(run, mark)
    except MarkerError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


def _check(item: pytest.Item, mark: TaskMark) -> None:
    if item.get_closest_marker("ecs_overrides") is not None:
        raise MarkerError(
            "ecs_overrides has no effect on ecs_service: a service runs its task definition as it is. "
            "Use ecs_environment, or another task definition."
        )
    if mark.wait not in ("healthy", None):
        raise MarkerError(
            f"ecs_taskdef(): ecs_service waits until it is steady (wait='healthy') or not at all (wait=None), "
            f"not for wait={mark.wait!r}"
        )


def _create(run: EcsRun, mark: TaskMark) -> EcsService:
    from pytest_ecs_tasks.clusters.control_plane import ControlPlane
    from pytest_ecs_tasks.core.taskdef import NetworkMode

    definition = read_definition(run, run.owner(), mark)
    run.require_engine()
    aws = run.aws()
    plane = aws.ecs
    assert isinstance(plane, ControlPlane)
    request: dict[str, Any] = {
        "serviceName": definition.family,
        "taskDefinition": _register(plane, aws, definition, mark.images),
        "desiredCount": mark.count,
    }
    if definition.network_mode is NetworkMode.AWSVPC:
        request["networkConfiguration"] = SUBNETS
    if mark.launch_type:
        request["launchType"] = mark.launch_type
    answer = _call(plane, aws, "CreateService", request)
    timeout_s = mark.start_timeout or run.settings.start_timeout or STEADY_TIMEOUT_S
    service = EcsService(run, aws, plane, answer["service"]["serviceArn"], timeout_s)
    if mark.wait is not None:
        try:
            service.wait_steady()
        except BaseException:
            service.remove()
            raise
    return service


def _register(plane: ControlPlane, aws: Aws, definition: TaskDefinition, images: Mapping[str, str]) -> str:
    from pytest_ecs_tasks.core.plan import mapped_image

    document = dict(definition.document)
    containers = [dict(each) for each in document["containerDefinitions"]]  # type: ignore[attr-defined]
    for container, shown in zip(definition.containers, containers, strict=True):
        shown["image"] = mapped_image(container, images) or container.image
    document["containerDefinitions"] = containers
    answer = _call(plane, aws, "RegisterTaskDefinition", document)
    arn: str = answer["taskDefinition"]["taskDefinitionArn"]
    return arn


def _call(plane: ControlPlane, aws: Aws, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
    from pytest_ecs_tasks.core.api.calls import ApiError

    try:
        return plane.call(operation, request, aws.region)
    except ApiError as error:
        raise EcsTaskError(f"{operation} was refused: {error}") from error

"""Task metadata, versions 2, 3 and 4: which document a path means, and the agent's words when there is none.

Source: amazon-ecs-agent, agent/handlers/v2, v3 and v4, ecs-agent/tmds/handlers/v4/handlers.go.
"""

from __future__ import annotations

from pytest_ecs_tasks.core.metadata import Version, container_document, docker_id, task_document
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.endpoints.answer import Answer, Request, json_answer
from pytest_ecs_tasks.endpoints.statistics import Statistics
from pytest_ecs_tasks.endpoints.view import TaskView

# The status of an answer to an id that is not known.
_UNKNOWN_METADATA = {Version.V3: 500, Version.V4: 404}
_UNKNOWN_STATISTICS = {Version.V3: 400, Version.V4: 404}


class Metadata:
    """The metadata endpoints of one task."""

    def __init__(self, view: TaskView, statistics: Statistics) -> None:
        self._view = view
        self._statistics = statistics

    def container(self, version: Version, identifier: str) -> Answer:
        """Answer ``/v3/ID`` or ``/v4/ID``."""
        found = self._view.find(identifier)
        if found is None or found[1].runtime_id is None:
            words = f"V{version} container metadata handler: {_unknown_container(identifier)}"
            return json_answer(_UNKNOWN_METADATA[version], words)
        return json_answer(200, container_document(*found, version, self._view.around))

    def task(self, version: Version, identifier: str, *, with_tags: bool = False) -> Answer:
        """Answer ``/v3/ID/task`` or ``/v4/ID/task``, or the same with tags."""
        found = self._view.find(identifier)
        if found is None:
            words = f"V{version} task metadata handler: {_unknown_task(identifier)}"
            return json_answer(_UNKNOWN_METADATA[version], words)
        return json_answer(200, task_document(found[0], version, self._view.around, with_tags=with_tags))

    def container_statistics(self, version: Version, identifier: str) -> Answer:
        """Answer ``/v3/ID/stats`` or ``/v4/ID/stats``."""
        found = self._view.find(identifier)
        if found is None:
            words = f"V{version} container stats handler: {_unknown_task(identifier)}"
            return json_answer(_UNKNOWN_STATISTICS[version], words)
        document = self._statistics.of_container(*found, rates=version is Version.V4)
        if document is None:
            words = f"Unable to get container stats for: {docker_id(*found)}"
            return json_answer(500 if version is Version.V4 else 400, words)
        return json_answer(200, document)

    def task_statistics(self, version: Version, identifier: str) -> Answer:
        """Answer ``/v3/ID/task/stats`` or ``/v4/ID/task/stats``."""
        found = self._view.find(identifier)
        if found is None:
            words = f"V{version} task stats handler: {_unknown_task(identifier)}"
            return json_answer(_UNKNOWN_STATISTICS[version], words)
        new = version is Version.V4
        return json_answer(200, self._statistics.of_task(found[0], rates=new, empty={} if new else None))

    def by_address(self, request: Request, kind: str, wanted: str) -> Answer:
        """Answer ``/v2/metadata``, ``/v2/metadataWithTags`` or ``/v2/stats`` (``kind`` is the word).

        It is of the task, or of the container ``wanted`` by its id.

        Only a task that has an address of its own is known by it.
        """
        task = self._view.snapshot()
        if task is None or task.plan.definition.network_mode is not NetworkMode.AWSVPC:
            words = f"unable to associate '{request.source}' with task"
            return json_answer(400, f"Unable to get task arn from request: {words}")
        if not wanted:
            if kind == "stats":
                return json_answer(200, self._statistics.of_task(task, rates=False, empty=None))
            return json_answer(
                200, task_document(task, Version.V2, self._view.around, with_tags=kind == "metadataWithTags")
            )
        container = next((each for each in task.containers if docker_id(task, each) == wanted), None)
        if kind == "stats":
            document = self._statistics.of_container(task, container, rates=False) if container else None
            if document is None:
                return json_answer(400, f"Unable to get container stats for: {wanted}")
            return json_answer(200, document)
        if container is None:
            return json_answer(400, f"Unable to generate metadata for container '{wanted}'")
        return json_answer(200, container_document(task, container, Version.V2, self._view.around))

    def associations(self, version: Version, identifier: str, kind: str, name: str | None) -> Answer:
        """Answer ``/v3/ID/associations/KIND[/NAME]``: no task has any (they were elastic inference accelerators)."""
        handler = f"V{version} container associations handler"
        if self._view.find(identifier) is None:
            words = _unknown_task(identifier) if name is not None else _unknown_container(identifier)
            return json_answer(400, f"{handler}: {words}")
        if name is None:
            return json_answer(200, {"Associations": None})
        words = f"unable to get association from association type {kind} and association name {name}"
        return json_answer(400, f"Unable to write container association response: {words}")


def _unknown_container(identifier: str) -> str:
    return (
        f"unable to get container ID from request: unable to get docker ID from v3 endpoint ID: {identifier}"
    )


def _unknown_task(identifier: str) -> str:
    return f"unable to get task arn from request: unable to get task Arn from v3 endpoint ID: {identifier}"

"""Samples of the engine's statistics: asked for when a container asks, never in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pytest_ecs_tasks.core.metadata import Document, docker_id, has_pause_container
from pytest_ecs_tasks.core.model import Container, ContainerStatus, Task
from pytest_ecs_tasks.core.plan import TASK_SANDBOX
from pytest_ecs_tasks.core.statistics import network_rates, seconds_between, with_previous
from pytest_ecs_tasks.engine.ports import EngineError

FIRST_PAUSE_S = 0.2  # between the two samples that the first request takes, so that it has rates too
LEAST_GAP_S = 0.1  # two samples that are closer than that make no rate worth telling

Sampler = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A container's sample, and one before it."""

    before: Mapping[str, Any]
    latest: Mapping[str, Any]


class Statistics:
    """The statistics of one task's containers."""

    def __init__(self, sample: Sampler) -> None:
        self._sample = sample
        self._pause = threading.Event()  # waits as sleep does, which tests replace
        self._pairs: dict[str, Pair] = {}  # a race of two requests costs a little accuracy, no more

    def of_container(self, task: Task, container: Container, *, rates: bool) -> Document | None:
        """Return a running container's statistics; ``None`` when it does not run or the engine has none."""
        runtime_id = container.runtime_id
        if runtime_id is None or container.status is not ContainerStatus.RUNNING or container.exited:
            return None
        try:
            pair = self._next_pair(runtime_id)
        except (EngineError, OSError):
            return None  # it has just ended
        document: Document = with_previous(pair.latest, pair.before)
        if task.plan.fargate:
            document.update(name=container.name, id=docker_id(task, container))
        measured = network_rates(pair.before, pair.latest) if rates else None
        return {**document, "network_rate_stats": measured} if measured is not None else document

    def of_task(self, task: Task, *, rates: bool, empty: object) -> Document:
        """Return the statistics of every created container by its id; ``empty`` for one that has none."""
        created = [container for container in task.containers if container.runtime_id is not None]
        # Docker takes up to a second for a sample, and takes those of many containers at once.
        with ThreadPoolExecutor(max(1, len(created)), thread_name_prefix="ecs-tasks/statistics") as pool:
            documents = pool.map(lambda container: self.of_container(task, container, rates=rates), created)
        found = dict(zip((docker_id(task, container) for container in created), documents, strict=True))
        if has_pause_container(task):
            found[task.sandboxes[TASK_SANDBOX].runtime_id] = None
        return {name: empty if found[name] is None else found[name] for name in sorted(found)}

    def _next_pair(self, runtime_id: str) -> Pair:
        """Return a sample taken now and one before it; the first request takes both, a later one has the one before."""
        held = self._pairs.get(runtime_id)
        if held is None:
            before = self._sample(runtime_id)
            self._pause.wait(FIRST_PAUSE_S)
            pair = Pair(before, self._sample(runtime_id))
        else:
            latest = self._sample(runtime_id)
            if seconds_between(held.latest, latest) < LEAST_GAP_S:
                return Pair(held.before, latest)
            pair = Pair(held.latest, latest)
        self._pairs[runtime_id] = pair
        return pair

"""All that one ECS knows, in one region: frozen, changed by making it anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_ecs_tasks.core.partitions import partition_of
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.core.taskdef import TaskDefinition

DEFAULT_CLUSTER = "default"
FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")

Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster. ``details`` are the members of CreateCluster that DescribeClusters returns as they were given."""

    name: str
    arn: str
    status: str = "ACTIVE"
    capacity_providers: tuple[str, ...] = ()
    default_strategy: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether tasks can be run in it."""
        return self.status == "ACTIVE"


@dataclass(frozen=True, slots=True)
class CapacityProvider:
    """One capacity provider. ``kind`` is the member of the API that its ``details`` are in; Fargate's two have none."""

    name: str
    arn: str
    kind: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """One revision of a task definition; times in seconds since the epoch."""

    definition: TaskDefinition
    arn: str
    registered_at: float
    status: str = "ACTIVE"
    deregistered_at: float | None = None
    delete_requested_at: float | None = None
    registered_by: str = ""

    @property
    def active(self) -> bool:
        """Whether new tasks can be run from it."""
        return self.status == "ACTIVE"


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What the API knows of a task beside its state.

    ``number`` counts tasks in the order in which they were run; ``adopted`` ones were run without the API.
    """

    task_id: str
    arn: str
    cluster: str
    number: int
    request: RunTaskRequest = field(repr=False)
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class UsedToken:
    """A ``clientToken`` that has been used: by which request, and which tasks that has run."""

    request: Mapping[str, Any] = field(repr=False)
    task_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EcsState:
    """One region's ECS of one account.

    ``clusters``, ``providers`` and ``revisions`` (by family, then revision) are by name, ``tasks`` by id, ``tags`` by ARN,
    ``attributes`` of container instances by cluster and name, account ``settings`` by principal and name.
    """

    region: str
    account_id: str
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    families: Mapping[str, Mapping[int, Registered]] = field(default_factory=dict)
    tasks: Mapping[str, TaskRecord] = field(default_factory=dict)
    tags: Mapping[str, Tags] = field(default_factory=dict)
    tokens: Mapping[tuple[str, str], UsedToken] = field(default_factory=dict)
    tasks_run: int = 0
    providers: Mapping[str, CapacityProvider] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    settings: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def partition(self) -> str:
        """The part of AWS that the region is in."""
        return partition_of(self.region)

    def arn(self, resource: str) -> str:
        """Return the ARN of a resource such as ``cluster/default``."""
        return f"arn:{self.partition}:ecs:{self.region}:{self.account_id}:{resource}"

    def with_cluster(self, cluster: Cluster) -> EcsState:
        """Return the state with that cluster in place of its namesake."""
        return replace(self, clusters={**self.clusters, cluster.name: cluster})

    def with_revision(self, registered: Registered) -> EcsState:
        """Return the state with that revision of a task definition in place of its namesake."""
        definition = registered.definition
        revisions = {**self.families.get(definition.family, {}), definition.revision: registered}
        return replace(self, families={**self.families, definition.family: dict(sorted(revisions.items()))})

    def with_task(self, task_id: str, request: RunTaskRequest, *, adopted: bool = False) -> EcsState:
        """Return the state with one task more."""
        number = self.tasks_run + 1
        arn = self.arn(f"task/{request.cluster}/{task_id}")
        record = TaskRecord(task_id, arn, request.cluster, number, request, adopted)
        return replace(self, tasks={**self.tasks, task_id: record}, tasks_run=number)

    def without_tasks(self, task_ids: tuple[str, ...]) -> EcsState:
        """Return the state without tasks that could not be run."""
        kept = {task_id: record for task_id, record in self.tasks.items() if task_id not in task_ids}
        tokens = {
            token: used
            for token, used in self.tokens.items()
            if not any(task_id in task_ids for task_id in used.task_ids)
        }
        gone = {self.tasks[task_id].arn for task_id in task_ids if task_id in self.tasks}
        tags = {arn: value for arn, value in self.tags.items() if arn not in gone}
        return replace(self, tasks=kept, tokens=tokens, tags=tags)

    def with_tags(self, arn: str, tags: Tags) -> EcsState:
        """Return the state with these tags, and no others, at a resource."""
        kept = {other: value for other, value in self.tags.items() if other != arn}
        return replace(self, tags={**kept, arn: tags} if tags else kept)

"""Where the tasks of one ECS are registered, and how its targets are."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus

from pytest_ecs_tasks.clusters.plane_names import PlaneNames
from pytest_ecs_tasks.control import TaskControl
from pytest_ecs_tasks.core.target_health import FAILED, HEALTHY, HealthRow, TargetHealth, merge
from pytest_ecs_tasks.core.target_progress import CheckSchedule, TargetProblem
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.core.traffic import (
    REGISTRIES,
    Enrolment,
    Host,
    Instance,
    Registry,
    Target,
    TargetCheck,
    TargetGroup,
    Traffic,
    find_checked_port,
    find_instances,
    find_targets,
)
from pytest_ecs_tasks.engine.aws_ports import ServiceRegistries, TargetGroups
from pytest_ecs_tasks.engine.target_probe import probe

# All tasks of a service at once: what never answers takes its timeout, and an SDK waits 60 s for them all.
CHECKS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Entry:
    """A task that is registered."""

    control: TaskControl
    targets: tuple[Target, ...]
    instances: tuple[Instance, ...]


class PlaneTraffic:
    """Registers tasks with an AWS's load balancers and service registries. Costs nothing until a service asks for it.

    An ECS without them (``None``) finds none, and so refuses whatever would need one.
    """

    def __init__(
        self,
        groups: TargetGroups | None,
        registries: ServiceRegistries | None,
        find_gateway: Callable[[], str | None],
    ) -> None:
        self._groups = groups
        self._registries = registries
        self._find_gateway = find_gateway
        self.names = PlaneNames(registries) if registries is not None else None
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    @property
    def _elb(self) -> TargetGroups:
        assert self._groups is not None
        return self._groups

    @property
    def _cloud_map(self) -> ServiceRegistries:
        assert self._registries is not None
        return self._registries

    def find_groups(self, arns: Iterable[str]) -> Mapping[str, TargetGroup]:
        """Return those of the target groups that are there."""
        wanted = [arn for arn in dict.fromkeys(arns) if arn.startswith("arn:") and self._groups is not None]
        found = ((arn, self._elb.find(arn)) for arn in wanted)
        return {arn: group for arn, group in found if group is not None}

    def find_registries(self, arns: Iterable[str]) -> Mapping[str, Registry]:
        """Return those of the service registries that are there."""
        wanted = [
            arn for arn in dict.fromkeys(arns) if arn.startswith("arn:") and self._registries is not None
        ]
        found = ((arn, self._cloud_map.find(arn)) for arn in wanted)
        return {arn: registry for arn, registry in found if registry is not None}

    def register(self, control: TaskControl, traffic: Traffic, service: str, instance_id: str) -> Enrolment:
        """Register a task that runs and return what it is now.

        Raises what the AWS's call raises; what has been registered by then is deregistered as all else.
        """
        task = control.snapshot()
        gateway = self._find_gateway() if traffic.get(REGISTRIES) else None
        host = Host(instance_id, _host_address(control, traffic), gateway or "")
        targets = find_targets(task, traffic, host)
        instances = find_instances(task, traffic, service, host)
        with self._lock:
            self._entries[task.plan.task_id] = _Entry(control, targets, instances)
        for target in targets:
            self._elb.register(target)
        for instance in instances:
            if self.names is not None:
                self.names.add(instance)
            self._cloud_map.register(instance)
        return Enrolment(Counter(target.group_arn for target in targets), self._find_schedule(targets))

    def _find_schedule(self, targets: Sequence[Target]) -> CheckSchedule | None:
        """Return how often to check a task that is several targets: as often as the most impatient target group."""
        groups = self.find_groups(target.group_arn for target in targets).values()
        schedules = [group.check.schedule for group in groups]
        if not schedules:
            return None
        return CheckSchedule(
            min(each.interval_s for each in schedules), min(each.unhealthy_threshold for each in schedules)
        )

    def find_problem(self, task_id: str) -> TargetProblem | None:
        """Check the targets that a task is; return what is wrong with the first that is not healthy."""
        with self._lock:
            entry = self._entries.get(task_id)
        for target in entry.targets if entry else ():
            group = self._elb.find(target.group_arn)
            if entry is None or group is None:
                continue
            health = check_target(entry.control, target, group.check).health
            if health != HEALTHY:
                return TargetProblem(target.group_arn, target.port, health.description)
        return None

    def deregister(self, task_ids: Sequence[str]) -> Mapping[str, int]:
        """Deregister tasks; return how many targets they were, by target group. Doing it again does nothing."""
        with self._lock:
            entries = [self._entries.pop(task_id, None) for task_id in task_ids]
        gone: Counter[str] = Counter()
        for entry in entries:
            for target in entry.targets if entry else ():
                gone[target.group_arn] += 1
                with contextlib.suppress(Exception):  # the target group may be gone, or the whole AWS
                    self._elb.deregister(target)
            for instance in entry.instances if entry else ():
                with contextlib.suppress(Exception):  # likewise
                    self._cloud_map.deregister(instance)
        return gone

    def deregister_all(self) -> None:
        """Deregister every task that is still registered."""
        with self._lock:
            task_ids = list(self._entries)
        self.deregister(task_ids)

    def describe_health(self, body: bytes, signature: str) -> tuple[int, bytes]:
        """Answer a DescribeTargetHealth: status and body. Tasks of ours are checked now, of other targets the AWS tells."""
        answer = self._elb.describe_health(body, signature)
        group_arn = answer.group_arn
        with self._lock:
            entries = list(self._entries.values())
        ours = [(entry, each) for entry in entries for each in entry.targets if each.group_arn == group_arn]
        group = self._elb.find(group_arn) if ours and answer.status == HTTPStatus.OK else None
        if group is None:
            return answer.status, answer.content
        with ThreadPoolExecutor(CHECKS_AT_ONCE, thread_name_prefix="ecs-tasks/target") as pool:
            rows = list(pool.map(lambda pair: check_target(pair[0].control, pair[1], group.check), ours))
        by_place = {(row.target_id, row.port): row for row in rows}
        merged = merge(answer.rows, by_place, asked=answer.names_targets)
        return answer.status, self._elb.write_health(merged)


def check_target(control: TaskControl, target: Target, check: TargetCheck) -> HealthRow:
    """Return how a task is as a target at this moment."""
    number = str(target.port) if check.port == "traffic-port" else check.port
    return HealthRow(target.target_id, target.port, number, _check(control, target, check, number))


def _check(control: TaskControl, target: Target, check: TargetCheck, number: str) -> TargetHealth:
    place = find_checked_port(control.snapshot(), target, check)
    if place is None:
        return FAILED
    return probe(lambda: control.dial(*place), check, f"{target.target_id}:{number}")


def _host_address(control: TaskControl, traffic: Traffic) -> str:
    """Return where this process reaches the host ports of a task; empty where no registry is told."""
    for registry in traffic.get(REGISTRIES, ()):
        if control.snapshot().plan.definition.network_mode in (NetworkMode.BRIDGE, NetworkMode.HOST):
            return control.reach(registry["containerName"], registry["containerPort"], "tcp")[0]
    return ""

"""A service under facts in any order: its limits hold, and left in peace it has what it is to have."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core.health import HealthStatus
from pytest_ecs_tasks.core.model import TaskStatus
from pytest_ecs_tasks.core.service_model import (
    CircuitBreaker,
    DeploymentStatus,
    Pace,
    Revision,
    RolloutState,
    Service,
    ServiceSettings,
    ServiceStatus,
    ServiceTask,
)
from pytest_ecs_tasks.core.service_scheduler import ServiceStep, advance_service, create_service
from pytest_ecs_tasks.core.target_progress import CheckSchedule, TargetProblem
from pytest_ecs_tasks.core.traffic import Enrolment

PACE = Pace(settle_s=2, retry_s=1, retry_max_s=8)
BEHIND = {"loadBalancers": [{"targetGroupArn": "arn:group", "containerName": "web", "containerPort": 80}]}
ENROLMENT = Enrolment({"arn:group": 1}, CheckSchedule(interval_s=5, unhealthy_threshold=2))
PROBLEM = TargetProblem("arn:group", 80, "Request timed out")


@st.composite
def settings(draw: st.DrawFn) -> ServiceSettings:
    """Return any settings; the definition says by its name whether its tasks have a health check or a target group."""
    name = draw(st.sampled_from(["plain:1", "plain:2", "checked:1", "checked:2", "balanced:1"]))
    return ServiceSettings(
        revision=Revision(name, traffic=BEHIND if name.startswith("balanced") else {}),
        desired_count=draw(st.integers(0, 6)),
        minimum_healthy_percent=draw(st.sampled_from([0, 50, 75, 100])),
        maximum_percent=draw(st.sampled_from([100, 150, 200])),
        circuit_breaker=CircuitBreaker(
            enabled=draw(st.booleans()),
            rollback=draw(st.booleans()),
            reset_on_healthy_task=draw(st.booleans()),
        ),
        grace_period_s=draw(st.sampled_from([0, 5])),
    )


class ServiceMachine(RuleBasedStateMachine):
    """Tasks start, become healthy or not, and end as they like, while users update the service."""

    @initialize(first=settings())
    def create(self, first: ServiceSettings) -> None:
        self.now = 0.0
        self.deployments = 1
        self.pending: list[facts.StartTasks] = []
        self.traffic: list[facts.RegisterTask | facts.DeregisterTasks | facts.CheckTargets] = []
        self.stops: set[int] = set()
        self.service: Service | None = None
        step = create_service(
            name="machine",
            arn="arn:service",
            cluster_arn="arn:cluster",
            settings=first,
            deployment_id="ecs-svc/1",
            pace=PACE,
            now=0.0,
        )
        self._take(step, before=None)

    def _post(self, fact: facts.ServiceFact) -> None:
        assert self.service is not None
        self._take(advance_service(self.service, fact, self.now), before=self.service)

    def _take(self, step: ServiceStep, before: Service | None) -> None:
        service = step.service
        for order in step.orders:
            assert order.cause
            match order:
                case facts.StartTasks():
                    self._check_start(service, order)
                    self.pending.append(order)
                case facts.StopServiceTask():
                    self._check_stop(service, order)
                    self.stops.add(order.number)
                case _:
                    self.traffic.append(order)
        if before is not None:
            self._check_healthy_limit(before, step)
        assert step.wake_at > self.now
        self.service, self.wake_at = service, step.wake_at

    def _check_start(self, service: Service, order: facts.StartTasks) -> None:
        assert service.status is ServiceStatus.ACTIVE
        assert len(service.tasks) <= max(service.settings.upper_limit, service.settings.desired_count)
        deployment = service.find_deployment(order.deployment_id)
        assert deployment is not None
        assert (
            deployment.failed_tasks == 0 or deployment.retry_at <= self.now or math.isinf(deployment.retry_at)
        )

    def _check_stop(self, service: Service, order: facts.StopServiceTask) -> None:
        assert order.number not in self.stops, "a task was stopped twice"
        task = service.find_task(order.number)
        assert task is not None
        assert task.task_id == order.task_id
        assert not task.expects_traffic
        healthy_and_kept = task.protected_until > self.now and "health checks" not in order.reason
        assert not healthy_and_kept or service.status is not ServiceStatus.ACTIVE

    def _check_healthy_limit(self, before: Service, step: ServiceStep) -> None:
        """A step never takes the last tasks that minimumHealthyPercent asks for, while a deployment goes on."""
        service = step.service
        primary = service.deployments[0].deployment_id if service.deployments else ""
        stopped = {task.number for task in service.tasks if task.stop_reason}
        stopped -= {task.number for task in before.tasks if task.stop_reason}
        old = [
            task
            for task in service.tasks
            if task.number in stopped
            and task.deployment_id != primary
            and task.running
            and task.health is not HealthStatus.UNHEALTHY
        ]
        serving = [task for task in old if _serves(task)]
        if not serving or service.status is not ServiceStatus.ACTIVE:
            return
        left = [task for task in service.tasks if task.running and task.live]
        assert len(left) >= service.settings.lower_limit

    # -- what tasks do

    @precondition(lambda self: self.pending)
    @rule(index=st.integers(0, 5), well=st.sampled_from([True, True, True, False]))
    def starts_are_answered(self, index: int, well: bool) -> None:
        order = self.pending.pop(index % len(self.pending))
        if well:
            self._post(facts.TasksStarted(tuple((number, f"t{number}") for number in order.numbers)))
        else:
            self._post(facts.TasksNotStarted(order.numbers, "no"))

    @precondition(lambda self: self.traffic)
    @rule(index=st.integers(0, 5), well=st.sampled_from([True, True, False]))
    def traffic_is_led(self, index: int, well: bool) -> None:
        order = self.traffic.pop(index % len(self.traffic))
        match order:
            case facts.RegisterTask() if well:
                self._post(facts.TaskRegistered(order.number, ENROLMENT))
            case facts.RegisterTask():
                self._post(facts.TaskRegistered(order.number, problem="no such target group"))
            case facts.DeregisterTasks():
                numbers = tuple(number for number, _ in order.tasks)
                self._post(facts.TasksDeregistered(numbers, {"arn:group": len(numbers)} if well else {}))
            case facts.CheckTargets():
                self._post(facts.TargetsChecked(order.number, None if well else PROBLEM))

    @precondition(lambda self: self.service is not None and self.service.tasks)
    @rule(
        index=st.integers(0, 20),
        status=st.sampled_from(
            [
                TaskStatus.PENDING,
                TaskStatus.RUNNING,
                TaskStatus.RUNNING,
                TaskStatus.STOPPING,
                TaskStatus.STOPPED,
            ]
        ),
        health=st.sampled_from(HealthStatus),
        by_user=st.booleans(),
    )
    def a_task_changes(self, index: int, status: TaskStatus, health: HealthStatus, by_user: bool) -> None:
        task = self.service.tasks[index % len(self.service.tasks)]
        if list(TaskStatus).index(status) < list(TaskStatus).index(task.last_status):
            return
        ending = status in {TaskStatus.STOPPING, TaskStatus.STOPPED}
        checked = self._is_checked(task.deployment_id)
        self._post(
            facts.TaskChanged(
                task.number,
                status,
                desired_stopped=ending,
                health=health if checked else HealthStatus.UNKNOWN,
                health_checked=checked,
                by_user=by_user and ending,
            )
        )

    def _is_checked(self, deployment_id: str) -> bool:
        deployment = self.service.find_deployment(deployment_id)
        return deployment is not None and deployment.revision.task_definition.startswith("checked")

    @precondition(lambda self: self.service is not None and self.service.tasks)
    @rule(index=st.integers(0, 20), protected=st.booleans())
    def protection_changes(self, index: int, protected: bool) -> None:
        task = self.service.tasks[index % len(self.service.tasks)]
        if task.live and task.task_id is not None:
            self._post(facts.ProtectionChanged(task.number, self.now + 30 if protected else None))

    @rule(seconds=st.sampled_from([0.1, 1.0, 2.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._post(facts.TimePassed())

    @rule(number=st.integers(0, 40))
    def a_stray_fact_comes(self, number: int) -> None:
        if self.service.find_task(number) is None:
            before = (self.service.tasks, self.service.events_written)
            self._post(facts.TaskChanged(number, TaskStatus.STOPPED, desired_stopped=True))
            assert before[0] == () or self.service.events_written >= before[1]

    # -- what users do

    @rule(new=settings(), deploy=st.booleans())
    def the_user_updates_it(self, new: ServiceSettings, deploy: bool) -> None:
        self.deployments += 1
        self._post(facts.ServiceUpdated(new, f"ecs-svc/{self.deployments}" if deploy else None))

    @rule(chance=st.integers(0, 9))
    def the_user_deletes_it(self, chance: int) -> None:
        if chance == 0:
            self._post(facts.ServiceDeleted())

    # -- what always holds

    @invariant()
    def the_first_deployment_is_the_only_primary(self) -> None:
        if getattr(self, "service", None) is None:
            return
        statuses = [each.status for each in self.service.deployments]
        if self.service.status is ServiceStatus.INACTIVE:
            assert statuses == []
        else:
            assert statuses[0] is DeploymentStatus.PRIMARY
            assert DeploymentStatus.PRIMARY not in statuses[1:]
        ids = [each.deployment_id for each in self.service.deployments]
        assert len(ids) == len(set(ids))

    @invariant()
    def every_live_task_has_a_listed_deployment(self) -> None:
        if getattr(self, "service", None) is None:
            return
        listed = {each.deployment_id for each in self.service.deployments}
        assert all(task.deployment_id in listed for task in self.service.tasks if task.live)

    @invariant()
    def an_inactive_service_leaves_no_task_that_nobody_stops(self) -> None:
        if getattr(self, "service", None) is not None and self.service.status is ServiceStatus.INACTIVE:
            assert all(task.stop_sent or task.desired_stopped for task in self.service.tasks)

    @invariant()
    def the_log_is_in_order(self) -> None:
        if getattr(self, "service", None) is None:
            return
        numbers = [event.number for event in self.service.events]
        assert numbers == sorted(numbers, reverse=True)
        assert len(numbers) == min(100, self.service.events_written)

    # -- left in peace

    def teardown(self) -> None:
        """Let every task that starts become healthy and every task that is stopped end: the service gets there."""
        if getattr(self, "service", None) is None:
            return
        for _ in range(200):
            if not self._let_it_go_on():
                break
        service = self.service
        assert not self.pending
        if service.status is not ServiceStatus.ACTIVE:
            assert service.status is ServiceStatus.INACTIVE
            assert not any(task.live for task in service.tasks)
            return
        stalled = service.primary.rollout_state is RolloutState.FAILED
        stuck = any("unable to s" in message for message in service.primary.said)
        kept = any(task.protected_until > self.now for task in service.tasks)
        assert service.steady or stalled or stuck or kept

    def _let_it_go_on(self) -> bool:
        """Do what is open; return whether anything was."""
        if self.pending:
            self.starts_are_answered(0, True)
            return True
        if self.traffic:
            self.traffic_is_led(0, True)
            return True
        for task in self.service.tasks:
            if not task.live:
                self._post(facts.TaskChanged(task.number, TaskStatus.STOPPED, desired_stopped=True))
                return True
            checked = self._is_checked(task.deployment_id)
            if not task.running or (checked and task.health is not HealthStatus.HEALTHY):
                health = HealthStatus.HEALTHY if checked else HealthStatus.UNKNOWN
                fact = facts.TaskChanged(
                    task.number, TaskStatus.RUNNING, health=health, health_checked=checked
                )
                self._post(fact)
                return True
        if math.isinf(self.wake_at) or self.service.steady:
            return False
        self.now = self.wake_at
        self._post(facts.TimePassed())
        return True


def _serves(task: ServiceTask) -> bool:
    if any(task.traffic.values()) and (task.targets is None or not task.targets.healthy):
        return False
    return not task.health_checked or task.health is HealthStatus.HEALTHY


TestServiceMachine = ServiceMachine.TestCase

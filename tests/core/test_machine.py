"""Facts in any order: no container moves back, every task ends, everything that was made is removed."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pytest_ecs_tasks.core import effects, events
from pytest_ecs_tasks.core.lifecycle import PASSES, advance, submit
from pytest_ecs_tasks.core.model import ContainerStatus, Task, TaskStatus
from pytest_ecs_tasks.core.plan import make_plan
from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest
from pytest_ecs_tasks.core.taskdef import (
    Condition,
    ContainerDefinition,
    Dependency,
    HealthCheck,
    NetworkMode,
    RestartPolicy,
    TaskDefinition,
)

NAMES = ("a", "b", "c", "d")
CHECK = HealthCheck(("CMD", "true"), interval_s=5, retries=2)


@st.composite
def definitions(draw: st.DrawFn) -> TaskDefinition:
    """Return a valid task definition of one to four containers with dependencies on earlier ones."""
    containers: list[ContainerDefinition] = []
    for name in NAMES[: draw(st.integers(1, 4))]:
        depends_on = []
        for earlier in containers:
            condition = draw(st.sampled_from([None, *Condition]))
            blocked = earlier.essential and condition in (Condition.COMPLETE, Condition.SUCCESS)
            if (
                condition is None
                or blocked
                or (condition is Condition.HEALTHY and earlier.health_check is None)
            ):
                continue
            depends_on.append(Dependency(earlier.name, condition))
        containers.append(
            ContainerDefinition(
                name,
                "image",
                essential=draw(st.booleans()),
                depends_on=tuple(depends_on),
                health_check=draw(st.sampled_from([None, CHECK])),
                start_timeout_s=draw(st.sampled_from([None, 3, 20])),
                stop_timeout_s=draw(st.sampled_from([None, 0, 2])),
                restart_policy=draw(
                    st.sampled_from([None, RestartPolicy(enabled=True, attempt_period_s=60)])
                ),
            )
        )
    if not any(container.essential for container in containers):
        containers[-1] = replace(containers[-1], essential=True)
    mode = draw(st.sampled_from([NetworkMode.AWSVPC, NetworkMode.BRIDGE, NetworkMode.NONE]))
    pid_mode = draw(st.sampled_from([None, None, "task", "host"]))
    return TaskDefinition("machine", tuple(containers), network_mode=mode, pid_mode=pid_mode)


class TaskMachine(RuleBasedStateMachine):
    """Every order is answered sooner or later, well or badly, and exits come whenever they like."""

    @initialize(definition=definitions(), launch_type=st.sampled_from(LaunchType))
    def submit(self, definition: TaskDefinition, launch_type: LaunchType) -> None:
        self.now = 0.0
        self.made: set[str] = set()
        self.removed = False
        self.alive: dict[str, int] = {}
        self.wake_at = math.inf
        self.stop_asked = False
        request = RunTaskRequest(replace(definition, requires_compatibilities=(launch_type.value,)))
        self.task: Task = submit(make_plan(request, task_id="f" * 32), self.now)
        self.pending: list[effects.Effect] = []
        self._post(events.TaskSubmitted())

    def _post(self, event: events.Event) -> None:
        before = self.task
        step = advance(before, event, self.now)
        self._check_monotone(before, step.task)
        for earlier, later in zip((before, *step.changes), (*step.changes, step.task), strict=True):
            assert PASSES.index(earlier.last_status) <= PASSES.index(later.last_status)
        self.task, self.wake_at = step.task, step.wake_at
        for order in step.effects:
            assert order.cause
            assert not self.removed, "an order was given after everything was removed"
            self.pending.append(order)

    @staticmethod
    def _check_monotone(before: Task, after: Task) -> None:
        for old, new in zip(before.containers, after.containers, strict=True):
            assert new.status >= old.status, f"{old.name} moved back from {old.status} to {new.status}"
            assert new.incarnation >= old.incarnation
            if old.stopped:
                assert new.exit_code == old.exit_code
                assert new.reason == old.reason
        assert not (before.desired_stopped and not after.desired_stopped)

    @precondition(lambda self: self.pending)
    @rule(index=st.integers(0, 30), outcome=st.sampled_from(["well", "well", "well", "badly"]))
    def answer(self, index: int, outcome: str) -> None:
        order = self.pending.pop(index % len(self.pending))
        self._answer(order, well=outcome == "well")

    def _answer(self, order: effects.Effect, *, well: bool) -> None:
        if not well and not isinstance(order, effects.RemoveTask):
            self._post(events.EffectFailed(order, "it failed"))
            return
        match order:
            case effects.AcquireSandbox():
                self.made.add(f"sandbox {order.sandbox}")
                self._post(events.SandboxReady(order.sandbox, f"id-{order.sandbox}", "10.0.0.2", None, 51670))
            case effects.PullImage():
                self._post(events.ImageReady(order.image, "sha256:1", None, None))
            case effects.ResolveSecrets():
                self._post(events.SecretsResolved())
            case effects.CreateVolumes():
                self._post(events.VolumesReady())
            case effects.OpenLog():
                self._post(events.LogOpened(order.container))
            case effects.CreateContainer():
                self.made.add(f"container {order.container}")
                self._post(events.ContainerCreated(order.container, f"id-{order.container}"))
            case effects.StartContainer():
                self.alive[order.container] = order.incarnation
                self._post(events.ContainerStarted(order.container, order.incarnation))
            case effects.InspectContainer():
                running = self.alive.get(order.container) == order.incarnation
                code = None if running else 0
                fact = events.ContainerInspected(
                    order.container, order.incarnation, running, code, out_of_memory=False
                )
                self._post(fact)
            case effects.ProbeHealth():
                self._post(events.Probed(order.container, order.incarnation, 0, ""))
            case effects.SendSignal():
                if order.signal == "SIGKILL":
                    self._die(order.container)
                self._post(events.SignalSent(order.container, order.signal))
            case effects.CloseLog():
                self._post(events.LogClosed(order.container))
            case effects.RemoveTask():
                self.made.clear()
                self.removed = True
                self._post(events.TaskRemoved())

    def _die(self, name: str) -> None:
        incarnation = self.alive.pop(name, None)
        if incarnation is not None:
            self._post(events.OutputEnded(name, incarnation))

    @precondition(lambda self: self.alive)
    @rule(index=st.integers(0, 3))
    def a_process_ends(self, index: int) -> None:
        self._die(sorted(self.alive)[index % len(self.alive)])

    @rule(name=st.sampled_from(NAMES), incarnation=st.integers(0, 2), code=st.sampled_from([None, 0, 1, 137]))
    def a_stray_fact_comes(self, name: str, incarnation: int, code: int | None) -> None:
        if any(container.name == name and container.ever_ran for container in self.task.containers):
            self._post(events.OutputEnded(name, incarnation))
            self._post(events.EngineReported(name))
            self._post(events.Probed(name, incarnation, code, ""))

    @rule(seconds=st.sampled_from([0.001, 0.05, 1.0, 5.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self._post(events.Tick())

    @rule()
    def the_test_stops_it(self) -> None:
        self.stop_asked = True
        self._post(events.StopRequested("enough"))

    @rule()
    def the_test_is_over(self) -> None:
        self._post(events.RemovalRequested())

    @invariant()
    def running_means_that_no_essential_container_has_ended_unseen(self) -> None:
        if not hasattr(self, "task"):
            return
        task = self.task
        if task.last_status is TaskStatus.RUNNING and not task.desired_stopped:
            assert all(each.status >= ContainerStatus.RUNNING for each in task.containers)
            assert not any(each.essential and each.exited for each in task.containers)

    @invariant()
    def a_stopped_task_has_a_cause(self) -> None:
        if hasattr(self, "task") and self.task.stopped:
            assert self.task.stop_code is not None
            assert self.task.stopped_reason
            assert all(container.stopped for container in self.task.containers)

    def teardown(self) -> None:
        """However it stands: stop it, answer what is open, let time pass; it ends. Then remove it; nothing is left."""
        if not hasattr(self, "task"):
            return
        self._post(events.StopRequested("the machine ends"))
        self._drain()
        assert self.task.stopped or self.removed or self.task.removal_requested, self.task.last_status
        self._post(events.RemovalRequested())
        self._drain()
        assert self.removed
        assert not self.made
        assert self.task.stopped

    def _drain(self) -> None:
        for _ in range(500):
            if self.pending:
                self._answer(self.pending.pop(0), well=True)
            elif self.wake_at < math.inf:
                self.now = max(self.now, self.wake_at)
                self._post(events.Tick())
            else:
                return
        raise AssertionError("the task never comes to rest")


TestTaskMachine = TaskMachine.TestCase

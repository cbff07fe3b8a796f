"""A running task as its engine offers it: the link between what a test holds and the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from pytest_ecs_tasks.core import events
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.core.transcript import render
from pytest_ecs_tasks.engine.logbook import ContainerLog
from pytest_ecs_tasks.engine.performer import Performer, Tools
from pytest_ecs_tasks.engine.ports import Clock, Sandbox
from pytest_ecs_tasks.engine.supervisor import Entry, Supervisor
from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.task import ExecResult

WAIT_SLICE_S = 60.0


class LocalTask:
    """One task of the local engine. Implements :class:`~pytest_ecs_tasks.task.TaskControl`."""

    def __init__(
        self,
        entry: Entry,
        performer: Performer,
        supervisor: Supervisor,
        tools: Tools,
        *,
        changes: Sequence[Mapping[str, object]],
        host: str,
    ) -> None:
        self._entry = entry
        self._performer = performer
        self._supervisor = supervisor
        self._tools = tools
        self._changes = changes
        self._host = host
        self._removed = False

    @property
    def task_id(self) -> str:
        """The last part of the task's ARN."""
        return self._entry.task.plan.task_id

    def snapshot(self) -> Task:
        """Return the task as it is now."""
        self._supervisor.check()
        return self._entry.task

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Block until the condition holds, asked anew whenever the task or its logs change."""
        clock = self._tools.clock
        deadline = clock.now() + timeout_s
        changed = self._entry.changed
        with changed:
            while not condition():
                self._supervisor.check()
                left = deadline - clock.now()
                if left <= 0:
                    return False
                changed.wait(min(left, WAIT_SLICE_S))
            return True

    def log_book(self, container: str) -> ContainerLog:
        """Return the container's log book."""
        return self._performer.log_book(container)

    def wall(self, engine_seconds: float) -> datetime:
        """Turn engine seconds into wall time."""
        return wall_time(self._tools.clock, engine_seconds)

    def now(self) -> float:
        """Return the engine seconds now."""
        return self._tools.clock.now()

    def state_changes(self) -> Sequence[Mapping[str, object]]:
        """Return every ECS Task State Change so far."""
        return tuple(self._changes)

    def transcript(self) -> str:
        """Return what happened and why."""
        task = self._entry.task
        return render(tuple(self._entry.transcript), task)

    def local_images(self) -> tuple[str, ...]:
        """Return every name of an image on the engine, for suggestions."""
        return self._tools.runtime.list_image_names()

    def stop(self, reason: str) -> None:
        """Ask for StopTask and return at once."""
        self._supervisor.check()
        self._supervisor.post(self.task_id, events.StopRequested(reason))

    def remove(self, timeout_s: float) -> None:
        """Kill and remove everything of the task; returns when nothing is left."""
        if self._removed:
            return
        self._removed = True
        if not self._supervisor.crashed:
            self._supervisor.post(self.task_id, events.RemovalRequested())
            try:
                self.wait_until(lambda: self._entry.task.removed, timeout_s)
            finally:
                if self._supervisor.crashed:
                    self._performer.remove()
            self._supervisor.forget(self.task_id)
        else:
            self._performer.remove()

    def reach(self, container: str, port: int, protocol: str) -> tuple[str, int]:
        """Return the host and port at which this process reaches that container port."""
        task = self.snapshot()
        match task.plan.definition.network_mode:
            case NetworkMode.AWSVPC:
                return self._sandbox_of(container).reach(port)
            case NetworkMode.BRIDGE:
                for binding in task.container(container).network_bindings:
                    if (binding.container_port, binding.protocol) == (port, protocol):
                        return self._host, binding.host_port
                return self._sandbox_of(container).reach(port)
            case NetworkMode.HOST:
                return self._host, port
            case NetworkMode.NONE:
                raise EcsTaskError(
                    f"container '{container}' has no network (networkMode none): no port is reachable"
                )

    def _sandbox_of(self, container: str) -> Sandbox:
        key = self._entry.task.container(container).plan.sandbox
        sandbox = self._performer.belongings.sandboxes.get(key or "")
        if sandbox is None:
            raise EcsTaskError(
                f"container '{container}' has no network yet: the task is {self._entry.task.last_status}"
            )
        return sandbox

    def execute(self, container: str, command: Sequence[str], timeout_s: float) -> ExecResult:
        """Run a command in a running container."""
        outcome = self._tools.runtime.execute(self._runtime_id(container), list(command), timeout_s=timeout_s)
        return ExecResult(
            outcome.exit_code,
            outcome.stdout.decode("utf-8", "replace"),
            outcome.stderr.decode("utf-8", "replace"),
        )

    def signal(self, container: str, signal: str) -> None:
        """Send a signal to a container's main process."""
        runtime_id = self._runtime_id(container)
        self._supervisor.post(self.task_id, events.SignalledByTest(container, signal))
        self._tools.runtime.kill_container(runtime_id, signal)

    def pause(self, container: str) -> None:
        """Freeze a container's processes."""
        self._tools.runtime.pause_container(self._runtime_id(container))

    def unpause(self, container: str) -> None:
        """Let them go on."""
        self._tools.runtime.unpause_container(self._runtime_id(container))

    def _runtime_id(self, container: str) -> str:
        state = self.snapshot().container(container)
        if state.runtime_id is None or state.last_status != "RUNNING" or state.exited:
            raise EcsTaskError(
                f"container '{container}' is {state.last_status}; only a RUNNING container can be asked"
            )
        return state.runtime_id


def wall_time(clock: Clock, engine_seconds: float) -> datetime:
    """Return the wall time of a moment in engine seconds, in UTC."""
    return datetime.fromtimestamp(clock.wall() - clock.now() + engine_seconds, UTC)

"""A running task as its engine offers it: the link between what a test holds and the supervisor."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from pytest_ecs_tasks.core import events
from pytest_ecs_tasks.core.model import StopCode, Task
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.core.transcript import render
from pytest_ecs_tasks.engine.belongings import Tools
from pytest_ecs_tasks.engine.logbook import ContainerLog
from pytest_ecs_tasks.engine.performer import Performer
from pytest_ecs_tasks.engine.ports import Clock, EngineError, EngineTerminal, Sandbox
from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.engine.supervisor import Entry, Supervisor
from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.task import ExecResult

WAIT_SLICE_S = 60.0
# Source: amazon-ssm-agent, agent/session/shell/shell_unix.go, termEnvVariable.
TERMINAL_ENVIRONMENT = {"TERM": "xterm-256color"}


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

    def wait_until(
        self, condition: Callable[[], bool], timeout_s: float, *, reads_logs: bool = False
    ) -> bool:
        """Block until the condition holds, asked anew whenever the task changes; with ``reads_logs`` its logs, too."""
        clock = self._tools.clock
        deadline = clock.now() + timeout_s
        changed = self._entry.changed
        with changed, self._performer.announcing_logs() if reads_logs else contextlib.nullcontext():
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

    def stop(self, reason: str, *, stop_code: StopCode = StopCode.USER_INITIATED) -> None:
        """Ask for StopTask and return at once."""
        self._supervisor.check()
        self._supervisor.post(self.task_id, events.StopRequested(reason, stop_code))

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
        if task.container(container).plan.definition.disable_networking:
            text = f"container '{container}' has no network (disableNetworking): no port is reachable"
            raise EcsTaskError(text)
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

    def dial(self, container: str, port: int) -> socket.socket:
        """Connect to that container port at the task's own address, from inside its network."""
        mode = self.snapshot().plan.definition.network_mode
        if mode in (NetworkMode.AWSVPC, NetworkMode.BRIDGE):
            try:
                return self._sandbox_of(container).connect(port)
            except EcsTaskError as error:  # the namespace is gone, or not there yet
                raise ConnectionRefusedError(str(error)) from error
        if mode is NetworkMode.NONE:
            raise ConnectionRefusedError(f"container '{container}' has no network (networkMode none)")
        return dial_tcp(self._host, port)

    def _sandbox_of(self, container: str) -> Sandbox:
        key = self._entry.task.container(container).plan.sandbox
        sandbox = self._performer.belongings.sandboxes.get(key or "")
        if sandbox is None:
            raise EcsTaskError(
                f"container '{container}' has no network yet: the task is {self._entry.task.last_status}"
            )
        return sandbox

    def execute(
        self, container: str, command: Sequence[str], timeout_s: float, user: str | None = None
    ) -> ExecResult:
        """Run a command in a running container."""
        runtime_id = self._runtime_id(container)
        with _refusal_told(f"no command could be run in container '{container}'"):
            outcome = self._tools.runtime.execute(runtime_id, list(command), timeout_s=timeout_s, user=user)
        return ExecResult(
            outcome.exit_code,
            outcome.stdout.decode("utf-8", "replace"),
            outcome.stderr.decode("utf-8", "replace"),
        )

    def open_terminal(self, container: str, command: Sequence[str], user: str) -> LocalTerminal:
        """Start a command in a running container, with a terminal."""
        runtime_id = self._runtime_id(container)
        what = f"no command could be run in container '{container}'"
        with _refusal_told(what):
            terminal = self._tools.runtime.open_terminal(
                runtime_id, list(command), environment=TERMINAL_ENVIRONMENT, user=user
            )
        return LocalTerminal(terminal, what)

    def signal(self, container: str, signal: str) -> None:
        """Send a signal to a container's main process."""
        runtime_id = self._runtime_id(container)
        self._supervisor.post(self.task_id, events.SignalledByTest(container, signal))
        with _refusal_told(f"{signal} could not be sent to container '{container}'"):
            self._tools.runtime.kill_container(runtime_id, signal)

    def pause(self, container: str) -> None:
        """Freeze a container's processes."""
        runtime_id = self._runtime_id(container)
        with _refusal_told(f"container '{container}' could not be paused"):
            self._tools.runtime.pause_container(runtime_id)

    def unpause(self, container: str) -> None:
        """Let them go on."""
        runtime_id = self._runtime_id(container)
        with _refusal_told(f"container '{container}' could not be unpaused"):
            self._tools.runtime.unpause_container(runtime_id)

    def _runtime_id(self, container: str) -> str:
        state = self.snapshot().container(container)
        if state.runtime_id is None or state.last_status != "RUNNING" or state.exited:
            status = "has ended" if state.exited else f"is {state.last_status}"
            raise EcsTaskError(f"container '{container}' {status}; only a RUNNING container can be asked")
        return state.runtime_id


class LocalTerminal:
    """A command with a terminal, whose engine's refusals are errors for the test."""

    def __init__(self, terminal: EngineTerminal, what: str) -> None:
        self._terminal = terminal
        self._what = what

    def chunks(self) -> Iterator[bytes]:
        """Yield what it writes as it comes."""
        with _refusal_told(self._what):
            yield from self._terminal.chunks()

    def write(self, data: bytes) -> None:
        """Let it read these bytes."""
        with _refusal_told(self._what):
            self._terminal.write(data)

    def resize(self, *, columns: int, rows: int) -> None:
        """Set the terminal's size."""
        with _refusal_told(self._what):
            self._terminal.resize(columns=columns, rows=rows)

    def close(self) -> None:
        """Kill it if it still runs."""
        self._terminal.close()


@contextlib.contextmanager
def _refusal_told(what: str) -> Iterator[None]:
    """Turn the engine's refusal into an error for the test: what could not be done, and the engine's words."""
    try:
        yield
    except EngineError as error:
        raise EcsTaskError(f"{what}: {error}") from error


def wall_time(clock: Clock, engine_seconds: float) -> datetime:
    """Return the wall time of a moment in engine seconds, in UTC."""
    return datetime.fromtimestamp(clock.wall() - clock.now() + engine_seconds, UTC)

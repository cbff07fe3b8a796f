"""testcontainers' wait strategies on a container of a task."""

from __future__ import annotations

import copy
import queue
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_ecs_tasks.control import TaskControl
from pytest_ecs_tasks.core import explain
from pytest_ecs_tasks.core.model import Container, ContainerStatus
from pytest_ecs_tasks.errors import EcsTaskError, WaitTimeout
from pytest_ecs_tasks.waiting import LAST_WORDS_S, Waiter

if TYPE_CHECKING:
    from testcontainers.core.waiting_utils import WaitStrategy

EXEC_TIMEOUT_S = 30.0
POLL_S = 0.1  # a strategy's own default is a second


def wait_for_strategy(
    strategy: WaitStrategy, control: TaskControl, container: str, waiter: Waiter, timeout: float | None
) -> None:
    """Wait until a strategy is satisfied, its own timeout or ours has passed, or the task has stopped.

    It runs on a thread of its own, since most strategies don't notice that a container has ended.
    """
    name = type(strategy).__name__
    if not hasattr(strategy, "wait_until_ready"):
        raise EcsTaskError(
            f"cannot wait for {strategy!r}: it is neither callable nor a testcontainers wait strategy"
        )
    waiter.until_running(timeout)
    own = copy.deepcopy(strategy)  # the test may use it again
    own.with_poll_interval(POLL_S)
    outcome: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            own.wait_until_ready(StrategyTarget(control, container))
        except BaseException as error:  # noqa: BLE001 - it is raised again where the test waits
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=run, name=f"ecs-tasks/{name}", daemon=True).start()
    limit = waiter.limit(timeout)
    try:
        _await_outcome(outcome, control, waiter, name, limit)
    finally:
        own.with_startup_timeout(0)  # it ends at its next poll


def _await_outcome(
    outcome: queue.SimpleQueue[BaseException | None],
    control: TaskControl,
    waiter: Waiter,
    name: str,
    limit: float,
) -> None:
    deadline = control.now() + limit
    while True:
        is_over = control.snapshot().stopped
        left = deadline - control.now()
        try:
            error = outcome.get(timeout=max(0.0, min(POLL_S, left)))
        except queue.Empty:
            error = None
        else:
            if error is None:
                return
        if error is not None:
            # The strategy may have seen the container's end before we have.
            control.wait_until(lambda: control.snapshot().stopped, LAST_WORDS_S if _is_ending(control) else 0)
            is_over = control.snapshot().stopped
        if is_over:
            waiter.raise_if_over(f"{name} was satisfied")
        if error is not None or left <= 0:
            more = [f"  {type(error).__name__}: {error}"] if error is not None else []
            text = explain.explain_unmet(control.snapshot(), f"{name} was not satisfied", limit, more)
            raise WaitTimeout(text) from error


def _is_ending(control: TaskControl) -> bool:
    task = control.snapshot()
    return task.desired_stopped or any(container.exited for container in task.containers)


class StrategyTarget:
    """One container as testcontainers' ``WaitStrategyTarget``."""

    def __init__(self, control: TaskControl, container: str) -> None:
        self._control = control
        self._name = container

    def get_container_host_ip(self) -> str:
        """Return the host at which the container's first mapped port is reached."""
        mappings = self._state().plan.definition.port_mappings
        if not mappings:
            raise EcsTaskError(f"container '{self._name}' maps no port: there are no portMappings")
        return self._control.reach(self._name, mappings[0].container_port, "tcp")[0]

    def get_exposed_port(self, port: int) -> int:
        """Return where this process reaches that container port."""
        return self._control.reach(self._name, int(port), "tcp")[1]

    def get_wrapped_container(self) -> WrappedContainer:
        """Return the container with what strategies ask of docker-py's."""
        return WrappedContainer(self._control, self._name)

    def get_logs(self) -> tuple[bytes, bytes]:
        """Return stdout and stderr, each as it is so far."""
        lines = self._control.log_book(self._name).lines()
        streams = ("stdout", "stderr")
        out, err = (
            "".join(f"{line.text}\n" for line in lines if line.stream == stream) for stream in streams
        )
        return out.encode(), err.encode()

    def exec(self, command: str | list[str]) -> tuple[int | None, bytes]:
        """Run a command in the container and return exit code and output."""
        return self.get_wrapped_container().exec_run(command)

    def reload(self) -> None:
        """Do nothing: everything here is live."""

    @property
    def status(self) -> str:
        """Docker's word for the container's status."""
        return _docker_status(self._state())

    def _state(self) -> Container:
        return self._control.snapshot().container(self._name)


class WrappedContainer:
    """What wait strategies read from docker-py's ``Container``."""

    def __init__(self, control: TaskControl, name: str) -> None:
        self._control = control
        self.name = name

    @property
    def id(self) -> str | None:
        """The engine's id."""
        return self._state().runtime_id

    @property
    def status(self) -> str:
        """``created``, ``running`` or ``exited``."""
        return _docker_status(self._state())

    @property
    def attrs(self) -> Mapping[str, Any]:
        """The part of ``docker inspect`` that tells the state; the health is that of the task definition's check."""
        container = self._state()
        state: dict[str, Any] = {
            "Status": self.status,
            "ExitCode": container.exit_code or 0,
            "Error": container.reason or "",
        }
        progress = container.health
        if progress is not None:
            words = {"HEALTHY": "healthy", "UNHEALTHY": "unhealthy", "UNKNOWN": "starting"}
            last = {"ExitCode": progress.last_exit_code, "Output": progress.last_output}
            state["Health"] = {"Status": words[progress.status.value], "Log": [last]}
        return {"State": state}

    def reload(self) -> None:
        """Do nothing: everything here is live."""

    def exec_run(self, command: str | list[str], **_: Any) -> tuple[int | None, bytes]:
        """Run a command in the container and return exit code and output."""
        arguments = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        result = self._control.execute(self.name, arguments, EXEC_TIMEOUT_S)
        return result.exit_code, (result.stdout + result.stderr).encode()

    def _state(self) -> Container:
        return self._control.snapshot().container(self.name)


def _docker_status(container: Container) -> str:
    if container.exited or container.stopped:
        return "exited"
    return "running" if container.status is ContainerStatus.RUNNING else "created"

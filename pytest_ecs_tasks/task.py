"""``EcsTask``: what a test holds."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from pytest_ecs_tasks.control import ExecResult, LogBook, LogLine, TaskControl
from pytest_ecs_tasks.core import explain
from pytest_ecs_tasks.core.choose import fitting_container, fitting_port, named_container
from pytest_ecs_tasks.core.model import Container
from pytest_ecs_tasks.core.spec import NetworkBinding
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.core.views import describe_task
from pytest_ecs_tasks.errors import EcsTaskError, WaitTimeout
from pytest_ecs_tasks.waiting import Question, Waiter, is_number

if TYPE_CHECKING:
    from types import TracebackType

    from testcontainers.core.waiting_utils import WaitStrategy

__all__ = ["EcsContainer", "EcsTask", "ExecResult", "LogBook", "LogLine", "TaskControl"]

REMOVAL_TIMEOUT_S = 60.0
EXEC_USER = "0"  # execcmd/manager_start_linux.go of the agent: the user of ECS Exec's own agent, and so of its commands
STOP_MARGIN_S = 60.0  # what stopping may take beyond the containers' own stopTimeouts


class EcsContainer:
    """One container of a task. Its properties are live."""

    def __init__(self, control: TaskControl, name: str) -> None:
        self._control = control
        self._name = name

    @property
    def name(self) -> str:
        """The container's name in the task definition."""
        return self._name

    @property
    def image(self) -> str:
        """The image that runs; not the definition's where ``images`` maps it to another."""
        return self._state().plan.image

    @property
    def image_digest(self) -> str | None:
        """``sha256:…`` of the registry's manifest; ``None`` for an image that was built here."""
        image = self._control.snapshot().images.get(self.image)
        return image.digest if image else None

    @property
    def runtime_id(self) -> str | None:
        """The engine's id, for ``docker`` or ``podman``; ``None`` before it is created."""
        return self._state().runtime_id

    @property
    def last_status(self) -> str:
        """PENDING, RUNNING or STOPPED."""
        return self._state().last_status

    @property
    def health_status(self) -> str:
        """HEALTHY, UNHEALTHY or UNKNOWN; UNKNOWN without a ``healthCheck``."""
        return self._state().health_status.value

    @property
    def exit_code(self) -> int | None:
        """The exit code; ``None`` while it runs and when it never ran."""
        return self._state().exit_code

    @property
    def reason(self) -> str | None:
        """ECS's own words about a failure (``CannotPullContainerError: …``), if there was one."""
        return self._state().reason

    @property
    def network_bindings(self) -> tuple[NetworkBinding, ...]:
        """Where its ports are published on the engine's host; empty under awsvpc."""
        return self._state().network_bindings

    def _state(self) -> Container:
        return self._control.snapshot().container(self._name)

    def __repr__(self) -> str:
        with contextlib.suppress(EcsTaskError):
            return f"<EcsContainer {_container_in_short(self._state())}>"
        return f"<EcsContainer {self._name}>"


class EcsTask:
    """A task that runs, or ran. Its properties are live; as a context manager it is killed and removed at the end."""

    def __init__(self, control: TaskControl, *, start_timeout: float | None = None) -> None:
        self._control = control
        self._waiter = Waiter(control, start_timeout)

    # --- what it is

    @property
    def arn(self) -> str:
        """The task's ARN."""
        return self._control.snapshot().plan.arn

    @property
    def task_id(self) -> str:
        """The last part of the ARN: 32 hexadecimal digits."""
        return self._control.snapshot().plan.task_id

    @property
    def definition(self) -> TaskDefinition:
        """The task definition that it was started from."""
        return self._control.snapshot().plan.definition

    @property
    def family(self) -> str:
        """The task definition's family."""
        return self.definition.family

    @property
    def revision(self) -> int:
        """The task definition's revision."""
        return self.definition.revision

    @property
    def last_status(self) -> str:
        """The ``lastStatus`` now: PROVISIONING … STOPPED."""
        return self._control.snapshot().last_status.value

    @property
    def desired_status(self) -> str:
        """RUNNING or STOPPED."""
        return self._control.snapshot().desired_status

    @property
    def health_status(self) -> str:
        """HEALTHY, UNHEALTHY or UNKNOWN, over the essential containers."""
        return self._control.snapshot().health_status.value

    @property
    def stop_code(self) -> str | None:
        """Why it stops, as a code: ``EssentialContainerExited`` …; ``None`` while it shall run."""
        code = self._control.snapshot().stop_code
        return code.value if code else None

    @property
    def stopped_reason(self) -> str | None:
        """Why it stops, in ECS's words; ``None`` while it shall run."""
        return self._control.snapshot().stopped_reason

    @property
    def containers(self) -> Mapping[str, EcsContainer]:
        """Every container by name, in the order of the definition."""
        names = (container.name for container in self._control.snapshot().containers)
        return {name: EcsContainer(self._control, name) for name in names}

    def __getitem__(self, name: str) -> EcsContainer:
        """Return the container of that name. Raises :class:`EcsTaskError` that lists the names there are."""
        return EcsContainer(self._control, named_container(self.definition, name))

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every ECS Task State Change so far, in order, as EventBridge delivers it."""
        return [copy.deepcopy(dict(event)) for event in self._control.state_changes()]

    def describe(self) -> dict[str, Any]:
        """Return the task as one element of DescribeTasks' ``tasks``, with boto3's types."""
        return describe_task(self._control.snapshot(), self._control.wall)

    def transcript(self) -> str:
        """Return what happened and why, line by line."""
        return self._control.transcript()

    # --- how to reach it

    def address(self, container: str | None = None, port: int | None = None) -> tuple[str, int]:
        """Return the host and port at which this process reaches a container port.

        ``port`` may be left out where one port is mapped. Raises :class:`EcsTaskError` that lists what is mapped.
        """
        name, wanted, protocol = fitting_port(self.definition, container, port)
        return self._control.reach(name, wanted, protocol)

    def url(
        self, container: str | None = None, port: int | None = None, path: str = "/", scheme: str = "http"
    ) -> str:
        """Return the URL at which this process reaches a container port; see :meth:`address`."""
        host, reached = self.address(container, port)
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}:{reached}/{path.removeprefix('/')}"

    # --- waiting

    def wait_running(self, timeout: float | None = None) -> Self:
        """Wait until the task is RUNNING.

        Raises :class:`TaskFailedToStart`, :class:`TaskStopped` as soon as that can no longer come, and
        :class:`WaitTimeout`. The timeout is in seconds; without one it is the start timeout.
        """
        self._waiter.until_running(timeout)
        return self

    def wait_healthy(self, timeout: float | None = None) -> Self:
        """Wait until it is RUNNING and every container with a ``healthCheck`` is HEALTHY. Raises as :meth:`wait_running`."""
        self._waiter.until_healthy(timeout)
        return self

    def wait_stopped(self, timeout: float | None = None) -> Self:
        """Wait until the task is STOPPED, whatever the cause; 300 s without a timeout. Raises :class:`WaitTimeout`."""
        self._waiter.until_stopped(timeout)
        return self

    def wait_for(
        self,
        condition: Callable[..., object] | WaitStrategy,
        container: str | None = None,
        timeout: float | None = None,
    ) -> Self:
        """Wait until ``condition`` holds: a callable (given the task, if it takes an argument) or a testcontainers strategy.

        A callable is asked again whenever something changes, at least twice a second; an ``OSError`` in it means "not yet".
        ``container`` is the one that a strategy looks at. Raises as :meth:`wait_running`.
        """
        if callable(condition):
            self._waiter.until_true(Question(condition, self), timeout)
        else:
            from pytest_ecs_tasks.wait_target import (
                wait_for_strategy,  # imports testcontainers, which is slow
            )

            name = fitting_container(self.definition, container)
            wait_for_strategy(condition, self._control, name, self._waiter, timeout)
        return self

    def wait_for_log(
        self, pattern: str | re.Pattern[str], container: str | None = None, timeout: float | None = None
    ) -> LogLine:
        """Wait for a line of a container that holds ``pattern``, and return it; one already there counts.

        A ``str`` is looked for as it is and as a regular expression. Raises :class:`TaskStopped` or
        :class:`TaskFailedToStart` as soon as no line can come any more, and :class:`WaitTimeout`.
        """
        return self._waiter.until_logged(fitting_container(self.definition, container), pattern, timeout)

    # --- what it has done

    def logs(self, container: str | None = None) -> str:
        """Return stdout and stderr of a container as they arrived, nothing added; ``""`` for one that never ran."""
        return self._control.log_book(fitting_container(self.definition, container)).text()

    def log_lines(self, container: str | None = None) -> list[LogLine]:
        """Return a container's output line by line."""
        return list(self._control.log_book(fitting_container(self.definition, container)).lines())

    def exit_code(self, container: str | None = None) -> int | None:
        """Return a container's exit code; ``None`` while it runs and when it never ran."""
        return self._control.snapshot().container(fitting_container(self.definition, container)).exit_code

    # --- what to do to it

    def exec(
        self,
        container: str,
        command: str | Sequence[str],
        *,
        timeout: float = 30,
        check: bool = False,
        user: str = EXEC_USER,
    ) -> ExecResult:
        """Run a command in a running container: a ``str`` under ``/bin/sh -c``, a list as it is.

        As with ECS Exec it has the container's environment and is root, whoever the container's own user is. When it has not
        ended after ``timeout`` seconds it is killed, with what it has started, and :class:`WaitTimeout` raised; with
        ``check``, an exit code other than 0 raises :class:`EcsTaskError`.
        """
        name = named_container(self.definition, container)
        _check_command(command, timeout)
        arguments = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        result = self._control.execute(name, arguments, timeout, user)
        output = [*_indented((result.stderr or result.stdout).strip())]
        if result.exit_code is None:
            text = f"exec in container '{name}' was still running after {timeout:g} s, and was killed: {command!r}"
            raise WaitTimeout("\n".join([text, *output]))
        if check and result.exit_code != 0:
            text = f"exec in container '{name}' exited {result.exit_code}: {command!r}"
            raise EcsTaskError("\n".join([text, *output]))
        return result

    def kill(self, container: str, signal: str = "SIGKILL") -> None:
        """Send a signal to a container's main process, as a fault for the test to inject."""
        self._control.signal(named_container(self.definition, container), signal)

    def pause(self, container: str) -> None:
        """Freeze a container's processes."""
        self._control.pause(named_container(self.definition, container))

    def unpause(self, container: str) -> None:
        """Let a paused container go on."""
        self._control.unpause(named_container(self.definition, container))

    def stop(self, reason: str = "Stopped by the test") -> Self:
        """Stop it as StopTask does (SIGTERM, ``stopTimeout``, SIGKILL, reverse dependency order); return when it is STOPPED."""
        if not isinstance(reason, str):
            raise EcsTaskError(f"stop(): reason={reason!r} is not valid: use a str")
        self._control.stop(reason)
        task = self._control.snapshot()
        limit = sum(container.plan.stop_timeout_s for container in task.containers) + STOP_MARGIN_S
        return self.wait_stopped(limit)

    def remove(self) -> None:
        """Kill and remove it at once, without ECS's stop semantics; doing it again does nothing."""
        self._control.remove(REMOVAL_TIMEOUT_S)

    def with_start_timeout(self, seconds: float | None) -> EcsTask:
        """Return the same task with another start timeout; ``None`` derives it from the health checks."""
        return EcsTask(self._control, start_timeout=seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()

    def __repr__(self) -> str:
        with contextlib.suppress(EcsTaskError):
            task = self._control.snapshot()
            containers = " ".join(_container_in_short(container) for container in task.containers)
            return f"<EcsTask {explain.task_name(task)} {task.last_status.value} {containers}>"
        return "<EcsTask whose engine has crashed>"


def _check_command(command: object, timeout: float) -> None:
    """Refuse what no engine could run, before one words it in its own way."""
    words = [command] if isinstance(command, str) else command
    is_command = isinstance(words, Sequence) and words and all(isinstance(word, str) for word in words)
    if not is_command or not isinstance(words, Sequence) or any("\0" in word for word in words):
        raise EcsTaskError(
            f"exec(): command={command!r} is not valid: use a str, or a list of str, without NUL"
        )
    if not (is_number(timeout) and timeout > 0):
        raise EcsTaskError(f"exec(): timeout={timeout!r} is not valid: use seconds above 0")


def _container_in_short(container: Container) -> str:
    text = f"{container.name}={container.last_status}"
    if container.stopped:
        return text if container.exit_code is None else f"{text}({container.exit_code})"
    return f"{text}/{container.health_status.value}" if container.plan.definition.health_check else text


def _indented(text: str) -> Iterator[str]:
    return (f"  {line}" for line in text.splitlines())

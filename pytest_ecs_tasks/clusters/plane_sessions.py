"""The sessions of ExecuteCommand of one ECS, with the control plane's tasks at their end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from pytest_ecs_tasks.control import TaskControl, Terminal
from pytest_ecs_tasks.core.api import calls
from pytest_ecs_tasks.endpoints.exec_sessions import ExecSessions
from pytest_ecs_tasks.engine.ports import Clock
from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.task import EXEC_USER


class PlaneSessions:
    """Every session of one ECS. Costs nothing until the first one is opened."""

    def __init__(self, clock: Clock) -> None:
        self._sessions = ExecSessions(clock)

    def open(self, effect: calls.OpenSession, control: TaskControl) -> Mapping[str, str]:
        """Return ExecuteCommand's ``session``; the command starts when its client has come.

        Raises :class:`EcsTaskError` when the AWS has ended.
        """
        return self._sessions.add(effect.session_id, effect.target, lambda: _start(control, effect))

    def close(self, *, for_good: bool = False) -> None:
        """End every session with its command; none can be opened any more if it is for good."""
        self._sessions.close(for_good=for_good)


def _start(control: TaskControl, effect: calls.OpenSession) -> Terminal:
    return control.open_terminal(effect.container, _split(effect.command), EXEC_USER)


def _split(command: str) -> list[str]:
    """Return a command's words.

    No shell sees them, and a blank command is a shell. Source: amazon-ssm-agent, agent/session/shell/shell_unix.go,
    StartCommandExecutor.
    """
    try:
        return shlex.split(command) or ["sh"]
    except ValueError as error:
        raise EcsTaskError(f"Failed to parse commands input: {error}") from error

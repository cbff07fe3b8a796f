"""Whether a container that has exited is started again."""

from __future__ import annotations

from pytest_ecs_tasks.core.taskdef import RestartPolicy


def should_restart(
    policy: RestartPolicy | None,
    exit_code: int | None,
    *,
    alive_since: float,
    now: float,
    desired_stopped: bool,
) -> bool:
    """Tell whether the container is to be started again.

    ``alive_since`` is the last (re)start in engine seconds. A container that exits before ``restartAttemptPeriod`` has
    passed is not restarted at all; exit code 0 is, unless it is ignored.

    Source: amazon-ecs-agent, ecs-agent/api/container/restart/restart_tracker.go.
    """
    if policy is None or not policy.enabled or desired_stopped or exit_code is None:
        return False
    return exit_code not in policy.ignored_exit_codes and now - alive_since >= policy.attempt_period_s

"""The texts by which ECS says why something stopped, each with its source."""

from __future__ import annotations

REASON_LIMIT = 1024  # ecs-agent/api/ecs/client/ecs_client.go: trimString

ESSENTIAL_EXITED = "Essential container in task exited"  # developer guide, stopped-task-error-codes
FAILED_TO_START = "Task failed to start"  # developer guide, stopped-task-error-codes
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"  # agent: dockerapi/errors.go


def cannot_pull(error: str) -> str:
    """Return the reason of a failed pull. Source: agent/dockerclient/dockerapi/errors.go."""
    return _named("CannotPullContainerError", error)


def cannot_create(error: str) -> str:
    """Return the reason of a failed create. Source: agent/dockerclient/dockerapi/errors.go."""
    return _named("CannotCreateContainerError", error)


def cannot_start(error: str) -> str:
    """Return the reason of a failed start. Source: agent/dockerclient/dockerapi/errors.go."""
    return _named("CannotStartContainerError", error)


def vanished() -> str:
    """Return the reason of a container that the engine no longer knows. Source: agent/engine/errors.go."""
    return "ContainerVanishedError: No container matching saved ID found"


def resource_initialization(error: str) -> str:
    """Return Fargate's reason for anything that fails before containers exist."""
    return _named("ResourceInitializationError", error)


def terminal_reason(error: str) -> str:
    """Return the EC2 agent's form of a task-level failure: white space collapsed, first letter upper case.

    Source: amazon-ecs-agent, task.go, SetTerminalReason.
    """
    text = " ".join(error.split())
    return (text[:1].upper() + text[1:])[:REASON_LIMIT]


def dependency(target: str, depends_on: str, what: str) -> str:
    """Return the reason of a container whose dependency can never be met.

    ``target`` and ``depends_on`` are in the agent's notation, see :func:`describe`.

    Source: amazon-ecs-agent, dependencygraph/graph.go, and task_manager.go, handleTerminalDependencyError.
    """
    if what == "timed out":
        text = f"container ordering dependency [{depends_on}] for target [{target}] has timed out."
    elif what == "did not exit successfully":
        text = (
            f"failed to resolve container ordering dependency [{depends_on}] for target [{target}] "
            "as dependency did not exit successfully."
        )
    else:
        text = (
            f"failed to resolve container ordering dependency [{depends_on}] for target [{target}] "
            "because dependency will never start"
        )
    return cannot_start(f"dependency graph: {text}")


def _named(name: str, error: str) -> str:
    error = " ".join(error.split())
    text = error if error.startswith(f"{name}:") else f"{name}: {error}"
    return text[:REASON_LIMIT]

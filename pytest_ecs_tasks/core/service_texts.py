"""The lines of a service's event log and the reasons of its deployments, in ECS's words.

Sources: developer guide, service-event-messages-list, service-throttle-logic and ecs_service_deployment_events; where these
show no example, logs of real services as their owners have published them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_ecs_tasks.core.target_progress import TargetProblem

FAILED_HEALTH_CHECKS = "Task failed container health checks"  # guide: stopped-task-error-codes
TASKS_FAILED_TO_START = "ECS deployment circuit breaker: tasks failed to start."


def steady_state(service: str) -> str:
    """Return the line of a service that has what it is to have."""
    return f"(service {service}) has reached a steady state."


def tasks_started(service: str, task_ids: Sequence[str], *, replaced: int = 0) -> str:
    """Return the line of a start; ``replaced`` of them take the place of unhealthy tasks."""
    text = f"(service {service}) has started {len(task_ids)} tasks: {_tasks(task_ids)}."
    if replaced:
        text += f" Amazon ECS replaced {replaced} tasks due to an unhealthy status."
    return text


def tasks_stopped(service: str, task_ids: Sequence[str]) -> str:
    """Return the line of a stop that the scheduler has ordered."""
    return f"(service {service}) has stopped {len(task_ids)} running tasks: {_tasks(task_ids)}."


def registered(service: str, target_group: str, count: int) -> str:
    """Return the line of tasks that have become targets."""
    return f"(service {service}) registered {count} targets in (target-group {target_group})"


def deregistered(service: str, target_group: str, count: int) -> str:
    """Return the line of tasks that are targets no longer."""
    return f"(service {service}) deregistered {count} targets in (target-group {target_group})"


def draining(service: str, count: int) -> str:
    """Return the line that follows when tasks are targets no longer."""
    return f"(service {service}) has begun draining connections on {count} tasks."


def failed_to_register(service: str, reason: str) -> str:
    """Return the line of a task that could not be registered, in our words."""
    return f"(service {service}) failed to register a task: {' '.join(reason.split()).rstrip('.')}."


def failed_health_checks(service: str, task_id: str) -> str:
    """Return the line of a task that is stopped for its health."""
    return f"(service {service}) (task {task_id}) failed container health checks."


def unhealthy_target(service: str, task_id: str, problem: TargetProblem) -> str:
    """Return the line of a task that a load balancer has found unhealthy."""
    return (
        f"(service {service}) (task {task_id}) (port {problem.port}) is unhealthy in (target-group {problem.group_arn}) "
        f"due to (reason {problem.reason})."
    )


def failed_target_checks(target_group: str) -> str:
    """Return the ``stoppedReason`` of such a task. Source: guide, stopped-task-error-codes."""
    return f"Task failed ELB health checks in (target-group {target_group})"


def is_for_health(stopped_reason: str) -> bool:
    """Tell whether it was for its health that the scheduler has stopped a task."""
    return stopped_reason.startswith("Task failed ")


def deployment_completed(service: str, deployment_id: str) -> str:
    """Return the line of a deployment that has taken the others' place."""
    return f"(service {service}) (deployment {deployment_id}) deployment completed."


def deployment_failed(service: str, deployment_id: str) -> str:
    """Return the line of a deployment that the circuit breaker has ended."""
    return f"(service {service}) (deployment {deployment_id}) deployment failed: tasks failed to start."


def rolling_back(service: str, deployment_id: str) -> str:
    """Return the line of a rollback to that deployment."""
    return f"(service {service}) rolling back to deployment {deployment_id}."


def unable_to_place(service: str, reason: str) -> str:
    """Return the line of a task that could not be started."""
    return f"(service {service}) was unable to place a task. Reason: {' '.join(reason.split()).rstrip('.')}."


def impaired(service: str) -> str:
    """Return the line of a service whose starts are slowed down."""
    return f"(service {service}) is unable to consistently start tasks successfully."


def no_room(service: str) -> str:
    """Return the line of a deployment that may neither stop nor start a task."""
    return (
        f"(service {service}) was unable to stop or start tasks during a deployment because of the service deployment "
        "configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    )


def under_protection(service: str, deployment_id: str, count: int) -> str:
    """Return the line of tasks that stay because UpdateTaskProtection protects them."""
    return (
        f"(service {service}, taskSet {deployment_id}) was unable to scale in due to "
        f"(reason {count} tasks under protection)"
    )


def scaling_activity(deployment_id: str) -> str:
    """Return the ``stoppedReason`` of a task that is no longer wanted."""
    return f"Scaling activity initiated by (deployment {deployment_id})"


def in_progress(deployment_id: str) -> str:
    """Return the ``rolloutStateReason`` of a deployment that has begun."""
    return f"ECS deployment {deployment_id} in progress."


def completed(deployment_id: str) -> str:
    """Return the ``rolloutStateReason`` of a deployment that is done."""
    return f"ECS deployment {deployment_id} completed."


def rolling_back_to(deployment_id: str) -> str:
    """Return the ``rolloutStateReason`` of the deployment that a rollback returns to."""
    return f"ECS deployment circuit breaker: rolling back to deploymentId {deployment_id}."


def _tasks(task_ids: Sequence[str]) -> str:
    return " ".join(f"(task {task_id})" for task_id in task_ids)

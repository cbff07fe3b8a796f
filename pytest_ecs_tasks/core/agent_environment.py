"""The variables through which a container finds its metadata and its role, and the names that they are found by.

Source: amazon-ecs-agent, container.go (InjectV3MetadataEndpoint and its siblings), credentials/manager.go.
"""

from __future__ import annotations

import hashlib

from pytest_ecs_tasks.core.partitions import partition_of
from pytest_ecs_tasks.core.plan import TaskPlan

ENDPOINT_URL = "http://169.254.170.2"
CREDENTIALS_PATH = "/v2/credentials"


def agent_environment(
    plan: TaskPlan, container: str, *, credentials_id: str, loopback_url: str | None = None
) -> dict[str, str]:
    """Return what the agent adds to a container's environment, over what the definition says.

    ``loopback_url`` is where the endpoints are under host networking, where 169.254.170.2 cannot be theirs: SDKs take
    credentials from there by their full URI.
    """
    base, identifier = loopback_url or ENDPOINT_URL, endpoint_id(plan, container)
    environment = {
        "ECS_CONTAINER_METADATA_URI": f"{base}/v3/{identifier}",
        "ECS_CONTAINER_METADATA_URI_V4": f"{base}/v4/{identifier}",
        "ECS_AGENT_URI": f"{base}/api/{identifier}",
    }
    if plan.definition.task_role_arn:
        path = f"{CREDENTIALS_PATH}/{credentials_id}"
        if loopback_url:
            environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{base}{path}"
        else:
            environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = path
    return environment


def endpoint_id(plan: TaskPlan, container: str) -> str:
    """Return the name of a container in metadata URIs: a UUID on EC2, ``<task id>-<ten digits>`` on Fargate."""
    digest = hashlib.sha256(f"{plan.task_id}/{container}".encode()).hexdigest()
    if plan.fargate:
        return f"{plan.task_id}-{int(digest[:12], 16) % 10**10:010d}"
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))


def task_role_arn(plan: TaskPlan) -> str | None:
    """Return the task role in the test's account: the definition may have another's, or a bare name."""
    role = plan.definition.task_role_arn
    if not role:
        return None
    if not role.startswith("arn:"):
        return f"arn:{partition_of(plan.request.region)}:iam::{plan.request.account_id}:role/{role}"
    parts = role.split(":", 5)
    parts[4:5] = [plan.request.account_id]
    return ":".join(parts)

"""What a task says when its link-local addresses cannot be set up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.core.spec import ContainerSpec
from pytest_ecs_tasks.errors import TaskFailedToStart
from tasks import Run, shell


def test_a_task_whose_network_may_not_be_changed_fails_with_the_reason_and_what_to_do(
    cluster: LocalCluster, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = cluster.room().runtime
    create = runtime.create_container

    def grant_nothing(spec: ContainerSpec) -> str:
        return create(replace(spec, capabilities_add=()))

    monkeypatch.setattr(runtime, "create_container", grant_nothing)
    # A task that publishes a port gets a sandbox made to measure, not one that is warm already.
    task = run(shell("web", "exec sleep 600", portMappings=[{"containerPort": 8080}]), network="bridge")

    with pytest.raises(TaskFailedToStart) as failed:
        task.wait_running()

    assert "169.254.169.254 cannot be closed" in str(failed.value)
    assert "(Operation not permitted)" in str(failed.value)
    assert "needs the capability NET_ADMIN" in str(failed.value)
    assert task.stop_code == "TaskFailedToStart"

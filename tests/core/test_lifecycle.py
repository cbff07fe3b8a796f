"""What ECS does with a task, fact by fact, on virtual time."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.core import effects, events
from pytest_ecs_tasks.core.health import HealthMode, HealthStatus
from pytest_ecs_tasks.core.model import StopCode, TaskStatus
from pytest_ecs_tasks.core.request import LaunchType
from pytest_ecs_tasks.core.taskdef import (
    Condition,
    Dependency,
    HealthCheck,
    NetworkMode,
    RestartPolicy,
    Secret,
    VolumesFrom,
)
from simulation import Behaviour, Simulation, container, task

CHECK = HealthCheck(("CMD", "true"), interval_s=30, retries=3)


def depends(name: str, condition: Condition) -> tuple[Dependency, ...]:
    return (Dependency(name, condition),)


def statuses(run: Simulation) -> list[str]:
    seen = [each.last_status.value for each in run.changes]
    return [status for index, status in enumerate(seen) if index == 0 or seen[index - 1] != status]


def test_a_task_passes_its_statuses_in_order() -> None:
    run = Simulation(task(container("web")), {"web": Behaviour(exits_after=5)})

    run.run()

    assert statuses(run) == [
        "PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED",
    ]  # fmt: skip


def test_versions_of_state_changes_rise_one_by_one() -> None:
    run = Simulation(
        task(container("web"), container("side", essential=False)), {"web": Behaviour(exits_after=5)}
    )

    run.run()

    versions = [each.version for each in run.changes]
    assert versions == sorted(set(versions))


def test_an_essential_exit_stops_its_siblings() -> None:
    run = Simulation(
        task(container("web"), container("side")), {"web": Behaviour(exits_after=3, exit_code=7)}
    )

    run.run()

    assert run.task.stopped
    assert run.task.stop_code is StopCode.ESSENTIAL_CONTAINER_EXITED
    assert run.task.stopped_reason == "Essential container in task exited"
    assert run.container("web").exit_code == 7
    assert run.container("side").exit_code == 143


def test_a_non_essential_exit_changes_nothing_for_the_task() -> None:
    run = Simulation(
        task(container("web"), container("job", essential=False)), {"job": Behaviour(exits_after=1)}
    )

    run.run(until=100)

    assert run.task.last_status is TaskStatus.RUNNING
    assert run.container("job").exit_code == 0


def test_an_essential_exit_ends_the_task_while_others_are_still_starting() -> None:
    definition = task(
        container("web"),
        container("late", depends_on=depends("slow", Condition.SUCCESS)),
        container("slow", essential=False),
    )
    run = Simulation(
        definition, {"web": Behaviour(exits_after=1, exit_code=3), "slow": Behaviour(exits_after=60)}
    )

    run.run()

    assert run.task.stop_code is StopCode.ESSENTIAL_CONTAINER_EXITED
    assert run.task.stopped_at == pytest.approx(1.2, abs=0.2)
    assert run.container("late").exit_code is None
    assert not run.times(effects.CreateContainer, "late")
    assert run.task.started_at is None


def test_independent_branches_start_in_parallel() -> None:
    run = Simulation(task(container("a"), container("b"), container("c")))

    run.run(until=1)

    assert {run.times(effects.StartContainer, name)[0] for name in "abc"} == {
        run.times(effects.StartContainer, "a")[0]
    }


def test_each_distinct_image_is_pulled_once() -> None:
    same = [container(name) for name in ("a", "b")]
    definition = task(same[0], type(same[1])("b", "a-image"))
    run = Simulation(definition)

    run.run(until=1)

    assert [order.image for _, order in run.orders if isinstance(order, effects.PullImage)] == ["a-image"]


@pytest.mark.parametrize(
    ("condition", "behaviour", "opens_at"),
    [
        (Condition.START, Behaviour(), 0.1),
        (Condition.COMPLETE, Behaviour(exits_after=4, exit_code=9), 4.1),
        (Condition.SUCCESS, Behaviour(exits_after=4), 4.1),
        (Condition.HEALTHY, Behaviour(healthy_from=4), 4.1),
    ],
)
def test_a_dependent_starts_when_its_condition_holds(
    condition: Condition, behaviour: Behaviour, opens_at: float
) -> None:
    definition = task(
        container("web", depends_on=depends("first", condition)),
        container("first", essential=False, health_check=CHECK),
    )
    run = Simulation(definition, {"first": behaviour})

    run.run(until=20)

    assert run.times(effects.StartContainer, "web")[0] == pytest.approx(opens_at, abs=0.6)
    assert run.times(effects.StartContainer, "web")[0] >= opens_at


def test_a_failed_dependency_fails_its_dependent_with_the_agents_words() -> None:
    definition = task(
        container("app", depends_on=depends("init", Condition.SUCCESS)), container("init", essential=False)
    )
    run = Simulation(definition, {"init": Behaviour(exits_after=1, exit_code=1)})

    run.run()

    app = run.container("app")
    assert app.exit_code == 143
    assert app.reason == (
        "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency "
        "[init(init-image) (STOPPED->RUNNING) - Exit: 1] for target [app(app-image) (MANIFEST_PULLED->RUNNING)] "
        "as dependency did not exit successfully."
    )
    assert run.task.stop_code is StopCode.TASK_FAILED_TO_START
    assert run.task.stopped


def test_a_non_essential_dependent_that_can_never_start_leaves_the_task_running() -> None:
    definition = task(
        container("web"),
        container("extra", essential=False, depends_on=depends("init", Condition.SUCCESS)),
        container("init", essential=False),
    )
    run = Simulation(definition, {"init": Behaviour(exits_after=1, exit_code=1)})

    run.run(until=50)

    assert run.task.last_status is TaskStatus.RUNNING
    assert run.container("extra").exit_code == 143


def test_failure_passes_along_a_chain_of_dependents() -> None:
    definition = task(
        container("last", depends_on=depends("middle", Condition.START)),
        container("middle", essential=False, depends_on=depends("init", Condition.SUCCESS)),
        container("init", essential=False),
    )
    run = Simulation(definition, {"init": Behaviour(exits_after=1, exit_code=2)})

    run.run()

    assert "because dependency will never start" in (run.container("last").reason or "")
    assert run.task.stopped


def test_a_dependency_times_out_by_its_own_start_timeout() -> None:
    definition = task(
        container("app", depends_on=depends("db", Condition.HEALTHY)),
        container("db", essential=False, health_check=CHECK, start_timeout_s=20),
    )
    run = Simulation(definition, {"db": Behaviour(healthy_from=1_000)})

    run.run()

    assert "has timed out." in (run.container("app").reason or "")
    assert "[db(db-image) (RUNNING->RUNNING)]" in (run.container("app").reason or "")
    assert run.task.stopping_at == pytest.approx(20.2, abs=0.3)


def test_start_has_no_timeout_and_unhealthy_is_not_the_end() -> None:
    definition = task(
        container("app", depends_on=depends("db", Condition.HEALTHY)),
        container("db", essential=False, health_check=HealthCheck(("CMD", "true"), interval_s=5, retries=1)),
    )
    run = Simulation(definition, {"db": Behaviour(healthy_from=60)})

    run.run(until=30)
    assert run.container("db").health_status is HealthStatus.UNHEALTHY
    run.run(until=70)

    assert run.task.last_status is TaskStatus.RUNNING


def test_an_unhealthy_essential_container_does_not_stop_a_standalone_task() -> None:
    run = Simulation(task(container("web", health_check=CHECK)), {"web": Behaviour(healthy_from=1_000)})

    run.run(until=500)

    assert run.task.last_status is TaskStatus.RUNNING
    assert run.task.health_status is HealthStatus.UNHEALTHY


def test_unhealthy_never_comes_before_the_declared_schedule() -> None:
    check = HealthCheck(("CMD", "true"), interval_s=10, retries=3, start_period_s=25)
    run = Simulation(task(container("web", health_check=check)), {"web": Behaviour(healthy_from=1_000)})

    run.run(until=49)
    assert run.container("web").health_status is HealthStatus.UNKNOWN
    run.run(until=52)

    assert run.container("web").health_status is HealthStatus.UNHEALTHY


def test_declared_health_probes_only_on_the_declared_schedule() -> None:
    definition = task(container("web", health_check=CHECK))
    run = Simulation(definition, health_mode=HealthMode.DECLARED)

    run.run(until=100)

    assert [round(at) for at in run.times(effects.ProbeHealth, "web")] == [30, 60, 90]


def test_fast_health_probes_at_once_and_then_at_the_declared_interval() -> None:
    run = Simulation(task(container("web", health_check=CHECK)), {"web": Behaviour(healthy_from=0.15)})

    run.run(until=70)

    offsets = [round(at - run.container("web").started_at, 2) for at in run.times(effects.ProbeHealth, "web")]
    assert offsets == pytest.approx([0, 0.05, 0.1, 0.2, 30.21, 60.22], abs=0.02)


def test_a_stop_goes_in_reverse_dependency_order() -> None:
    definition = task(
        container("web", depends_on=depends("app", Condition.START)),
        container("app", depends_on=depends("db", Condition.START)),
        container("db"),
    )
    run = Simulation(definition)

    run.stop(at=10)
    run.run()

    order = [name for at, name in sorted((run.signals(name)[0][0], name) for name in ("db", "app", "web"))]
    assert order == ["web", "app", "db"]
    assert run.task.stop_code is StopCode.USER_INITIATED
    assert run.task.stopped_reason == "enough"


def test_a_container_that_ignores_sigterm_is_killed_after_stop_timeout() -> None:
    run = Simulation(task(container("db", stop_timeout_s=5)), {"db": Behaviour(ignores_sigterm=True)})

    run.stop(at=10)
    run.run()

    assert run.signals("db") == [(10, "SIGTERM"), (15, "SIGKILL")]
    assert run.container("db").exit_code == 137
    assert run.container("db").reason is None


def test_a_kill_that_fails_is_tried_again() -> None:
    run = Simulation(task(container("db", stop_timeout_s=5)), {"db": Behaviour(failing_signals=3)})

    run.stop(at=10)
    run.run()

    assert run.signals("db") == [(10, "SIGTERM"), (15, "SIGKILL"), (16.005, "SIGKILL"), (17.01, "SIGKILL")]
    assert run.container("db").exit_code == 137
    assert run.task.notes.count("db: SIGKILL could not be sent: the engine is busy") == 1


def test_a_stop_of_a_task_that_has_stopped_changes_nothing() -> None:
    run = Simulation(task(container("job")), {"job": Behaviour(exits_after=1, exit_code=3)})
    ended = run.run()

    run.stop("too late", at=100)
    run.run()

    assert run.task == ended
    assert run.task.stop_code is StopCode.ESSENTIAL_CONTAINER_EXITED


def test_a_stop_during_the_pull_creates_nothing() -> None:
    run = Simulation(task(container("web")))

    run.stop(at=0.015)
    run.run()

    assert run.task.stopped
    assert not run.times(effects.CreateContainer, "web")
    assert run.container("web").exit_code is None


def test_a_stop_while_a_start_is_in_flight_waits_for_it_and_then_stops_it() -> None:
    run = Simulation(task(container("web")), {"web": Behaviour(start_takes=5)})

    run.stop(at=2)
    run.run()

    assert run.signals("web")[0][0] == pytest.approx(5, abs=0.2)
    assert run.container("web").exit_code == 143


def test_a_start_that_fails_has_no_exit_code() -> None:
    run = Simulation(task(container("web")), {"web": Behaviour(start_error='exec: "x": not found')})

    run.run()

    web = run.container("web")
    assert web.exit_code is None
    assert web.reason == 'CannotStartContainerError: exec: "x": not found'
    assert run.task.stop_code is StopCode.TASK_FAILED_TO_START
    assert run.task.stopped_reason == web.reason


def test_a_failed_pull_is_named_as_ecs_names_it() -> None:
    run = Simulation(task(container("web")), pull_errors={"web-image": "manifest unknown"})

    run.run()

    assert run.container("web").reason == "CannotPullContainerError: manifest unknown"
    assert run.task.image_error == "manifest unknown"
    assert run.task.stopped


def test_the_error_is_the_tasks_reason_too() -> None:
    run = Simulation(
        task(container("web")), launch_type=LaunchType.FARGATE, pull_errors={"web-image": "manifest unknown"}
    )

    run.run()

    assert run.task.stopped_reason == "CannotPullContainerError: manifest unknown"


def test_a_missing_secret_stops_the_task_before_any_container() -> None:
    definition = task(container("web", secrets=(Secret("PASSWORD", "prod/db"),)))
    run = Simulation(definition, launch_type=LaunchType.FARGATE, secrets_error="unable to pull secrets")

    run.run()

    assert run.task.stopped_reason == "ResourceInitializationError: unable to pull secrets"
    assert run.container("web").exit_code is None
    assert not run.times(effects.CreateContainer, "web")


def test_an_exit_code_known_before_start_returns_still_makes_the_task_run() -> None:
    run = Simulation(task(container("job")), {"job": Behaviour(start_takes=1)})
    run.run(until=0.5)
    run.processes["job"].ends_at = 0.5
    run.post(events.OutputEnded("job", 0))
    run.post(events.ContainerInspected("job", 0, running=False, exit_code=4, out_of_memory=False))

    run.run()

    assert run.task.started_at == 0.5
    assert run.container("job").exit_code == 4
    assert "RUNNING" in statuses(run)


def test_out_of_memory_is_a_reason_whatever_the_exit_code() -> None:
    run = Simulation(
        task(container("web", memory_mib=64)),
        {"web": Behaviour(exits_after=1, exit_code=0, out_of_memory=True)},
    )

    run.run()

    assert run.container("web").reason == "OutOfMemoryError: Container killed due to memory usage"
    assert run.task.stopped_reason == "Essential container in task exited"


def test_a_container_that_exits_within_its_attempt_period_is_not_restarted() -> None:
    policy = RestartPolicy(enabled=True, attempt_period_s=60)
    run = Simulation(task(container("web", restart_policy=policy)), {"web": Behaviour(exits_after=59)})

    run.run()

    assert run.container("web").restart_count == 0
    assert run.task.stopped


def test_a_container_that_lived_long_enough_is_restarted_and_counted() -> None:
    policy = RestartPolicy(enabled=True, attempt_period_s=60)
    run = Simulation(
        task(container("web", restart_policy=policy, health_check=CHECK)), {"web": Behaviour(exits_after=61)}
    )

    run.run(until=150)

    web = run.container("web")
    assert web.restart_count == 2
    assert web.last_status == "RUNNING"
    assert web.started_at == pytest.approx(0.2, abs=0.1)
    assert len(run.times(effects.CreateContainer, "web")) == 1
    assert run.task.last_status is TaskStatus.RUNNING


def test_an_ignored_exit_code_is_not_restarted() -> None:
    policy = RestartPolicy(enabled=True, attempt_period_s=60, ignored_exit_codes=(0,))
    run = Simulation(task(container("web", restart_policy=policy)), {"web": Behaviour(exits_after=90)})

    run.run()

    assert run.container("web").restart_count == 0


def test_a_stop_ends_a_container_with_a_restart_policy() -> None:
    policy = RestartPolicy(enabled=True, attempt_period_s=60)
    run = Simulation(task(container("web", restart_policy=policy)))

    run.stop(at=100)
    run.run()

    assert run.task.stopped
    assert run.container("web").restart_count == 0


def test_bridge_gives_each_container_its_own_sandbox_and_links_wait_for_theirs() -> None:
    definition = task(container("web", links=("db:database",)), container("db"), network=NetworkMode.BRIDGE)
    run = Simulation(definition)

    run.run(until=1)

    acquired = [(at, order.sandbox) for at, order in run.orders if isinstance(order, effects.AcquireSandbox)]
    assert [name for _, name in acquired] == ["db", "web"]
    assert acquired[0][0] < acquired[1][0]
    assert run.times(effects.StartContainer, "web")[0] >= 0.1


def test_removal_kills_at_once_and_waits_for_what_is_being_made() -> None:
    run = Simulation(task(container("web"), container("slow")), {"slow": Behaviour(start_takes=3)})
    run.run(until=1)

    run.post(events.RemovalRequested())
    run.run()

    removal = [at for at, order in run.orders if isinstance(order, effects.RemoveTask)]
    assert removal == [pytest.approx(3, abs=0.2)]
    assert run.task.removed
    assert run.task.stopped
    assert not run.signals("web")


def test_a_late_fact_of_an_earlier_life_changes_nothing() -> None:
    policy = RestartPolicy(enabled=True, attempt_period_s=60)
    run = Simulation(task(container("web", restart_policy=policy)), {"web": Behaviour(exits_after=61)})
    run.run(until=100)
    before = run.container("web")

    run.post(events.ContainerInspected("web", 0, running=False, exit_code=9, out_of_memory=False))
    run.run(until=100)

    assert run.container("web").exit_code == before.exit_code
    assert run.container("web").last_status == "RUNNING"


def test_a_container_whose_output_ended_and_that_runs_on_is_asked_again_and_then_left_to_the_events() -> None:
    run = Simulation(task(container("web")))
    run.run(until=1)

    run.post(events.OutputEnded("web", 0))
    run.run(until=60)
    asked = len(run.times(effects.InspectContainer, "web"))
    assert 5 <= asked <= 10
    run.processes["web"].ends_at = 60
    run.post(events.EngineReported("web"))
    run.run()

    assert run.task.stopped


def test_a_container_that_vanishes_ends_the_task() -> None:
    run = Simulation(task(container("web")))
    run.run(until=1)

    run.post(events.ContainerVanished("web"))
    run.run()

    assert run.container("web").reason == "ContainerVanishedError: No container matching saved ID found"
    assert run.container("web").exit_code is None


def test_a_container_with_anothers_volumes_waits_for_its_creation_and_not_for_its_start() -> None:
    definition = task(container("app", volumes_from=(VolumesFrom("data"),)), container("data"))
    run = Simulation(definition, {"data": Behaviour(start_takes=5)})

    run.run(until=10)

    [created] = run.times(effects.CreateContainer, "app")
    assert run.times(effects.CreateContainer, "data")[0] < created
    assert run.times(effects.StartContainer, "app")[0] < 5
    assert run.container("app").started_at < run.container("data").started_at


def test_a_container_whose_volumes_never_come_never_starts() -> None:
    definition = task(
        container("app", volumes_from=(VolumesFrom("data"),)), container("data", essential=False)
    )
    run = Simulation(definition, {"data": Behaviour(create_error="no such device")})

    run.run()

    assert run.task.stopped
    assert "because dependency will never start" in str(run.container("app").reason)


def test_a_source_of_volumes_stops_after_what_mounts_them() -> None:
    definition = task(container("app", volumes_from=(VolumesFrom("data"),)), container("data"))
    run = Simulation(definition)
    run.run(until=5)

    run.post(events.StopRequested("enough"))
    run.run()

    assert run.signals("app")[0][0] < run.signals("data")[0][0]


@pytest.mark.parametrize("launch_type", LaunchType)
def test_an_image_is_pulled_once_the_credentials_of_its_registry_are_there(launch_type: LaunchType) -> None:
    definition = task(container("app", registry_credentials="hub"), container("side"))
    run = Simulation(definition, launch_type=launch_type)

    run.run()

    orders = [type(order) for _, order in run.orders]
    assert orders.index(effects.ResolveSecrets) < orders.index(effects.PullImage)
    assert [order.what for _, order in run.orders if isinstance(order, effects.ResolveSecrets)] == [
        "registry credentials"
    ]


def test_without_the_credentials_of_a_registry_nothing_is_pulled() -> None:
    run = Simulation(task(container("app", registry_credentials="hub")), secrets_error="asm fetching secret")

    run.run()

    assert run.task.stopped_reason == "Asm fetching secret"
    assert not [order for _, order in run.orders if isinstance(order, effects.PullImage)]


def test_environment_files_are_fetched_with_the_secrets_before_a_container_is_made() -> None:
    files = ("arn:aws:s3:::bucket/app.env",)
    run = Simulation(
        task(container("app", environment_files=files), container("side")), secrets_error="no such key"
    )

    run.run()

    assert [order.what for _, order in run.orders if isinstance(order, effects.ResolveSecrets)] == [
        "environment files"
    ]
    assert run.task.stopped_reason == "No such key"
    assert run.times(effects.CreateContainer, "app") == []

"""What the service scheduler starts, stops and says, without an engine."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core.health import HealthStatus
from pytest_ecs_tasks.core.model import TaskStatus
from pytest_ecs_tasks.core.service_model import (
    DECLARED_PACE,
    CircuitBreaker,
    Pace,
    ServiceStatus,
    ThresholdType,
)
from service_run import PACE, ROLLBACK, ServiceRun, settings

UNHEALTHY = HealthStatus.UNHEALTHY
HEALTHY = HealthStatus.HEALTHY


# --- desired count


def test_a_new_service_starts_its_desired_count_at_once() -> None:
    run = ServiceRun(settings(desired_count=3))

    assert [type(order) for order in run.orders] == [facts.StartTasks]
    assert run.started == [1, 2, 3]
    assert run.messages == ["(service web) has started 3 tasks: (task t1) (task t2) (task t3)."]
    assert run.names == ["SERVICE_DEPLOYMENT_IN_PROGRESS"]
    assert run.states() == [("ecs-svc/1", "PRIMARY", "IN_PROGRESS")]


def test_a_deployment_is_completed_and_the_service_steady_once_all_tasks_are_healthy() -> None:
    run = ServiceRun(settings(desired_count=2))

    run.run(1, 2)
    assert run.states() == [("ecs-svc/1", "PRIMARY", "IN_PROGRESS")]
    assert run.wake_at == PACE.settle_s
    run.pass_time(PACE.settle_s)

    assert run.states() == [("ecs-svc/1", "PRIMARY", "COMPLETED")]
    assert run.service.primary.rollout_reason == "ECS deployment ecs-svc/1 completed."
    assert run.messages[-2:] == [
        "(service web) (deployment ecs-svc/1) deployment completed.",
        "(service web) has reached a steady state.",
    ]
    assert run.names == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
        "SERVICE_STEADY_STATE",
    ]
    assert run.wake_at == math.inf


def test_a_service_of_no_tasks_is_steady_as_soon_as_it_is_created() -> None:
    run = ServiceRun(settings(desired_count=0))

    assert run.orders == []
    assert run.states() == [("ecs-svc/1", "PRIMARY", "COMPLETED")]


def test_scaling_up_and_down_changes_no_deployment() -> None:
    run = ServiceRun(settings(desired_count=1))
    run.settle(1)

    run.update(settings(desired_count=3), deploy=False)
    assert run.started == [1, 2, 3]
    run.settle(2, 3)
    run.update(settings(desired_count=1), deploy=False)

    assert run.stopped == [1, 2]
    assert run.states() == [("ecs-svc/1", "PRIMARY", "COMPLETED")]
    assert run.messages[-2:] == [
        "(service web) has stopped 2 running tasks: (task t1) (task t2).",
        "(service web) has reached a steady state.",
    ]
    stop = run.orders[-1]
    assert isinstance(stop, facts.StopServiceTask)
    assert stop.reason == "Scaling activity initiated by (deployment ecs-svc/1)"
    assert run.names.count("SERVICE_STEADY_STATE") == 3


def test_a_scale_in_takes_tasks_that_are_not_running_yet_first() -> None:
    run = ServiceRun(settings(desired_count=3))
    run.run(1, 3)

    run.update(settings(desired_count=2), deploy=False)

    assert run.stopped == [2]


def test_a_protected_task_survives_a_scale_in_and_the_log_says_so_once() -> None:
    run = ServiceRun(settings(desired_count=2))
    run.settle(1, 2)
    run.post(facts.ProtectionChanged(1, until=math.inf))

    run.update(settings(desired_count=0), deploy=False)
    run.pass_time(5)
    run.post(facts.TimePassed())

    assert run.stopped == [2]
    line = "(service web, taskSet ecs-svc/1) was unable to scale in due to (reason 1 tasks under protection)"
    assert run.messages.count(line) == 1
    run.post(facts.ProtectionChanged(1, until=None))
    assert run.stopped == [2, 1]


def test_a_task_that_is_stopped_before_its_id_is_known_is_stopped_when_it_is() -> None:
    run = ServiceRun(settings(desired_count=1), start=False)

    run.update(settings(desired_count=0), deploy=False)
    assert run.stopped == []
    run.post(facts.TasksStarted(((1, "t1"),)))

    assert run.stopped == [1]


def test_a_protection_that_ends_lets_the_scale_in_go_on() -> None:
    run = ServiceRun(settings())
    run.settle(1)
    run.post(facts.ProtectionChanged(1, until=60))
    run.update(settings(desired_count=0), deploy=False)
    assert run.wake_at == 60

    run.pass_time(60)

    assert run.stopped == [1]


def test_a_task_that_ends_itself_before_its_id_is_known_is_not_stopped() -> None:
    run = ServiceRun(settings(desired_count=1), start=False)
    run.update(settings(desired_count=0), deploy=False)

    run.post(facts.TaskChanged(1, TaskStatus.STOPPING, desired_stopped=True))
    run.post(facts.TasksStarted(((1, "t1"),)))

    assert run.stopped == []


# --- replacement


def test_a_task_that_ends_on_its_own_is_replaced() -> None:
    run = ServiceRun(settings(desired_count=2))
    run.settle(1, 2)

    run.exit(1)

    assert run.started == [1, 2, 3]
    assert run.service.primary.failed_tasks == 0
    run.settle(3)
    assert run.messages[-1] == "(service web) has reached a steady state."


def test_a_task_that_the_user_stops_is_replaced_and_is_no_failure() -> None:
    run = ServiceRun(settings())
    run.run(1)

    run.exit(1, by_user=True)

    assert run.started == [1, 2]
    assert run.service.primary.failed_tasks == 0


def test_starts_that_fail_wait_longer_each_time_and_the_log_says_so_once() -> None:
    run = ServiceRun(settings())

    waits = []
    for number in range(1, 9):
        run.exit(number, reason="CannotPullContainerError: not found")
        waits.append(run.wake_at - run.now)
        run.pass_time(waits[-1])

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    impaired = "(service web) is unable to consistently start tasks successfully."
    assert run.messages.count(impaired) == 1
    assert run.names.count("SERVICE_TASK_START_IMPAIRED") == 1
    unplaced = "(service web) was unable to place a task. Reason: CannotPullContainerError: not found."
    assert run.messages.count(unplaced) == 1
    assert run.started == list(range(1, 10))


def test_tasks_of_one_batch_that_fail_together_are_one_attempt() -> None:
    run = ServiceRun(settings(desired_count=5))

    run.exit(1, 2, 3, 4, 5)

    assert run.wake_at == 1
    assert run.service.primary.failed_tasks == 5


def test_a_task_that_ends_after_it_was_running_slows_starts_but_is_not_called_impaired() -> None:
    run = ServiceRun(settings())

    for number in range(1, 6):
        run.run(number)
        run.exit(number)
        run.pass_time(run.wake_at - run.now)

    assert "SERVICE_TASK_START_IMPAIRED" not in run.names
    assert run.service.primary.failed_tasks == 5


def test_a_new_deployment_returns_to_normal_at_once() -> None:
    run = ServiceRun(settings())
    run.exit(1)
    run.pass_time(1)
    run.exit(2)
    assert run.started == [1, 2]

    run.update(settings("web:2"))

    assert run.started == [1, 2, 3]


def test_a_healthy_task_ends_the_waiting() -> None:
    run = ServiceRun(settings())
    run.exit(1)
    run.pass_time(1)

    run.settle(2)
    run.exit(2)

    assert run.started == [1, 2, 3]


def test_a_task_that_cannot_be_asked_for_is_a_failure_with_its_reason() -> None:
    run = ServiceRun(settings(), start=False)

    run.post(facts.TasksNotStarted((1,), "TaskDefinition is inactive"))

    assert run.service.primary.failed_tasks == 1
    assert run.names[-1] == "SERVICE_TASK_PLACEMENT_FAILURE"
    assert run.messages == ["(service web) was unable to place a task. Reason: TaskDefinition is inactive."]
    assert run.service.tasks == ()


def test_a_task_that_ends_before_its_id_is_known_is_still_in_the_log() -> None:
    run = ServiceRun(settings(), start=False)

    run.exit(1)
    run.post(facts.TasksStarted(((1, "t1"),)))

    assert run.messages == ["(service web) has started 1 tasks: (task t1)."]
    assert run.service.tasks == ()
    assert run.service.primary.failed_tasks == 1


# --- health


def test_an_unhealthy_task_is_stopped_once_its_replacement_is_healthy() -> None:
    run = ServiceRun(settings())
    run.health_checked = True
    run.run(1, health=HEALTHY)

    run.run(1, health=UNHEALTHY)
    assert run.started == [1, 2]
    assert run.stopped == []
    assert run.messages[-1] == (
        "(service web) has started 1 tasks: (task t2). Amazon ECS replaced 1 tasks due to an unhealthy status."
    )
    run.run(2, health=HEALTHY)

    assert run.stopped == [1]
    assert run.messages[-3:-1] == [
        "(service web) (task t1) failed container health checks.",
        "(service web) has stopped 1 running tasks: (task t1).",
    ]
    stop = run.orders[-1]
    assert isinstance(stop, facts.StopServiceTask)
    assert stop.reason == "Task failed container health checks"
    assert run.service.primary.failed_tasks == 1


def test_a_replacement_that_is_unhealthy_too_lets_one_of_both_go() -> None:
    run = ServiceRun(settings())
    run.health_checked = True
    run.run(1, health=UNHEALTHY)

    run.run(2, health=UNHEALTHY)

    assert run.stopped == [1]
    run.end_stopped()
    assert run.started == [1, 2, 3]


def test_an_unhealthy_task_goes_first_where_there_is_no_room_for_a_replacement() -> None:
    run = ServiceRun(settings(desired_count=2, maximum_percent=100))
    run.health_checked = True
    run.run(1, 2, health=HEALTHY)

    run.run(1, health=UNHEALTHY)
    run.run(2, health=UNHEALTHY)
    assert run.stopped == [1]
    assert run.started == [1, 2]
    run.end_stopped()

    assert run.started == [1, 2, 3]
    run.run(3, health=HEALTHY)
    assert run.stopped == [1, 2]


def test_unhealthy_counts_only_after_the_grace_period() -> None:
    run = ServiceRun(settings(grace_period_s=30))
    run.health_checked = True

    run.run(1, health=UNHEALTHY)
    assert run.started == [1]
    assert run.wake_at == 30
    run.pass_time(30)

    assert run.started == [1, 2]


# --- deployments


def test_a_rolling_deployment_starts_new_tasks_first_and_stops_old_ones_when_they_are_healthy() -> None:
    run = ServiceRun(settings(desired_count=2))
    run.settle(1, 2)

    run.update(settings("web:2", desired_count=2))
    assert run.states() == [("ecs-svc/2", "PRIMARY", "IN_PROGRESS"), ("ecs-svc/1", "ACTIVE", "COMPLETED")]
    assert run.started == [1, 2, 3, 4]
    assert run.stopped == []
    run.run(3)
    run.pass_time(PACE.settle_s)
    assert run.stopped == [1]
    run.settle(4)

    assert run.stopped == [1, 2]
    run.end_stopped()
    assert run.states() == [("ecs-svc/2", "PRIMARY", "COMPLETED")]
    assert run.service.completed == run.service.primary


def test_minimum_healthy_50_and_maximum_100_stop_half_first() -> None:
    limits = {"minimum_healthy_percent": 50, "maximum_percent": 100}
    run = ServiceRun(settings(desired_count=4, **limits))
    run.settle(1, 2, 3, 4)

    run.update(settings("web:2", desired_count=4, **limits))

    assert run.stopped == [1, 2]
    assert run.started == [1, 2, 3, 4]
    run.end_stopped()
    assert run.started == [1, 2, 3, 4, 5, 6]
    run.settle(5, 6)
    assert run.stopped == [1, 2, 3, 4]


def test_limits_are_rounded_as_ecs_rounds_them() -> None:
    given = settings(desired_count=3, minimum_healthy_percent=50, maximum_percent=150)

    assert given.lower_limit == 2
    assert given.upper_limit == 4


def test_limits_that_allow_nothing_are_said_once() -> None:
    limits = {"minimum_healthy_percent": 100, "maximum_percent": 100}
    run = ServiceRun(settings(**limits))
    run.settle(1)

    run.update(settings("web:2", **limits))
    run.pass_time(5)
    run.post(facts.TimePassed())

    assert run.started == [1]
    assert run.stopped == []
    line = (
        "(service web) was unable to stop or start tasks during a deployment because of the service deployment "
        "configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    )
    assert run.messages.count(line) == 1
    run.update(settings("web:2", minimum_healthy_percent=0, maximum_percent=100), deploy=False)
    assert run.stopped == [1]


def test_a_second_deployment_replaces_the_tasks_of_an_unfinished_first_one() -> None:
    run = ServiceRun(settings(desired_count=1))
    run.settle(1)
    run.update(settings("web:2"))

    run.update(settings("web:3"))

    assert run.stopped == [2]
    assert [each.deployment_id for each in run.service.deployments] == ["ecs-svc/3", "ecs-svc/1"]
    run.end_stopped()
    run.settle(3)
    assert run.stopped == [2, 1]


def test_a_task_without_health_check_counts_after_40_seconds_where_times_are_as_declared() -> None:
    run = ServiceRun(settings(), pace=DECLARED_PACE)
    run.run(1)

    assert run.wake_at == 40


# --- circuit breaker


@pytest.mark.parametrize(("desired", "threshold"), [(1, 3), (25, 13), (400, 200), (800, 200)])
def test_the_threshold_is_half_the_desired_count_between_3_and_200(desired: int, threshold: int) -> None:
    assert CircuitBreaker().threshold(desired) == threshold


def test_the_threshold_can_be_a_count_or_unbounded() -> None:
    assert CircuitBreaker(threshold_type=ThresholdType.COUNT, threshold_value=5).threshold(100) == 5
    assert CircuitBreaker(threshold_type=ThresholdType.UNBOUNDED_PERCENT).threshold(800) == 400


def fail(run: ServiceRun, count: int) -> None:
    """Let so many new tasks of the PRIMARY deployment crash, one after the other."""
    for _ in range(count):
        run.pass_time(60)
        number = run.started[-1]
        run.run(number)
        run.exit(number)


def test_a_bad_deployment_is_rolled_back_to_the_completed_one_under_its_own_id() -> None:
    run = ServiceRun(settings(circuit_breaker=ROLLBACK))
    run.settle(1)
    run.update(settings("web:2", circuit_breaker=ROLLBACK))

    fail(run, 2)
    assert run.states()[0] == ("ecs-svc/2", "PRIMARY", "IN_PROGRESS")
    assert run.service.primary.failed_tasks == 2
    fail(run, 1)

    assert run.service.settings.revision.task_definition == "web:1"
    assert run.messages[-4:] == [
        "(service web) (deployment ecs-svc/2) deployment failed: tasks failed to start.",
        "(service web) rolling back to deployment ecs-svc/1.",
        "(service web) (deployment ecs-svc/1) deployment completed.",
        "(service web) has reached a steady state.",
    ]
    assert run.names[-4:] == [
        "SERVICE_DEPLOYMENT_FAILED",
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
        "SERVICE_STEADY_STATE",
    ]
    reasons = [each.reason for each in run.announcements[-4:-1]]
    assert reasons == [
        "ECS deployment circuit breaker: tasks failed to start.",
        "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.",
        "ECS deployment ecs-svc/1 completed.",
    ]
    assert run.live == [1]
    assert run.stopped == []


def test_a_deployment_that_is_stable_when_it_is_replaced_can_be_returned_to_where_times_are_short() -> None:
    for hurried, states in (
        (True, [("ecs-svc/1", "PRIMARY", "COMPLETED")]),
        (False, [("ecs-svc/2", "PRIMARY", "FAILED"), ("ecs-svc/1", "ACTIVE", "IN_PROGRESS")]),
    ):
        run = ServiceRun(settings(circuit_breaker=ROLLBACK), pace=replace(PACE, hurried=hurried))
        run.run(1)
        run.update(settings("web:2", circuit_breaker=ROLLBACK))

        fail(run, 3)

        assert run.states() == states
        assert run.live == [1]


def test_a_rollback_restores_tasks_that_the_bad_deployment_has_displaced() -> None:
    limits = {"minimum_healthy_percent": 0, "maximum_percent": 100, "circuit_breaker": ROLLBACK}
    run = ServiceRun(settings(desired_count=2, **limits))
    run.settle(1, 2)
    run.update(settings("web:2", desired_count=2, **limits))
    run.end_stopped()

    run.exit(3, 4)
    run.pass_time(1)
    run.exit(5, 6)

    assert run.states() == [
        ("ecs-svc/1", "PRIMARY", "IN_PROGRESS"),
        ("ecs-svc/2", "ACTIVE", "FAILED"),
    ]
    assert run.service.primary.rollout_reason == (
        "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1."
    )
    assert [run.task(number).deployment_id for number in run.live] == ["ecs-svc/1", "ecs-svc/1"]
    run.settle(*run.live)
    assert run.states() == [("ecs-svc/1", "PRIMARY", "COMPLETED")]


def test_a_deployment_that_fails_while_another_is_rolled_back_has_nothing_to_return_to() -> None:
    limits = {"minimum_healthy_percent": 0, "maximum_percent": 100, "circuit_breaker": ROLLBACK}
    run = ServiceRun(settings(**limits))
    run.settle(1)
    run.update(settings("web:2", **limits))
    run.end_stopped()
    fail(run, 3)
    assert run.states()[0] == ("ecs-svc/1", "PRIMARY", "IN_PROGRESS")

    run.update(settings("web:3", **limits))
    run.end_stopped()
    fail(run, 3)

    assert run.states()[0] == ("ecs-svc/3", "PRIMARY", "FAILED")
    assert run.service.settings.revision.task_definition == "web:3"


def test_without_rollback_a_failed_deployment_stalls_beside_the_old_one() -> None:
    breaker = CircuitBreaker(enabled=True)
    run = ServiceRun(settings(circuit_breaker=breaker))
    run.settle(1)
    run.update(settings("web:2", circuit_breaker=breaker))

    fail(run, 3)
    run.pass_time(600)

    assert run.states() == [("ecs-svc/2", "PRIMARY", "FAILED"), ("ecs-svc/1", "ACTIVE", "COMPLETED")]
    assert len(run.started) == 4
    assert run.live == [1]


def test_a_first_deployment_that_fails_has_nothing_to_return_to() -> None:
    run = ServiceRun(settings(circuit_breaker=ROLLBACK))

    fail(run, 3)
    run.pass_time(600)

    assert run.states() == [("ecs-svc/1", "PRIMARY", "FAILED")]
    assert len(run.started) == 3


def test_without_circuit_breaker_a_bad_deployment_goes_on_trying() -> None:
    run = ServiceRun(settings())
    run.settle(1)
    run.update(settings("web:2"))

    fail(run, 6)

    assert run.states()[0] == ("ecs-svc/2", "PRIMARY", "IN_PROGRESS")
    assert run.service.primary.failed_tasks == 6


def test_tasks_that_fail_their_health_checks_break_the_circuit_too() -> None:
    run = ServiceRun(settings(circuit_breaker=ROLLBACK))
    run.health_checked = True
    run.run(1, health=HEALTHY)
    run.update(settings("web:2", circuit_breaker=ROLLBACK))

    for _ in range(3):
        run.run(run.started[-1], health=UNHEALTHY)
        run.end_stopped()

    assert run.service.settings.revision.task_definition == "web:1"
    assert run.live == [1]
    assert run.names[-1] == "SERVICE_STEADY_STATE"


def test_failures_accumulate_past_a_healthy_task_only_when_asked() -> None:
    for reset, expected in ((True, 1), (False, 2)):
        breaker = CircuitBreaker(enabled=True, reset_on_healthy_task=reset)
        run = ServiceRun(settings(desired_count=2, circuit_breaker=breaker))
        run.exit(1)
        run.pass_time(1)

        run.settle(2)
        run.exit(3)

        assert run.service.primary.failed_tasks == expected


# --- deletion


def test_a_deleted_service_drains_and_is_inactive_when_its_tasks_are_stopping() -> None:
    run = ServiceRun(settings(desired_count=2))
    run.settle(1, 2)

    run.post(facts.ServiceDeleted())
    assert run.service.status is ServiceStatus.DRAINING
    assert run.stopped == [1, 2]
    assert run.service.settings.desired_count == 0
    for number in (1, 2):
        run.post(facts.TaskChanged(number, TaskStatus.STOPPING, desired_stopped=True))

    assert run.service.status is ServiceStatus.INACTIVE
    assert run.started == [1, 2]


def test_a_deleted_service_without_tasks_is_inactive_at_once() -> None:
    run = ServiceRun(settings(desired_count=0))

    run.post(facts.ServiceDeleted())

    assert run.service.status is ServiceStatus.INACTIVE


def test_a_service_that_is_deleted_while_it_starts_drains_until_its_tasks_can_be_stopped() -> None:
    run = ServiceRun(settings(desired_count=2), start=False)

    run.post(facts.ServiceDeleted())
    assert run.service.status is ServiceStatus.DRAINING
    run.post(facts.TasksStarted(((1, "t1"),)))
    run.post(facts.TasksNotStarted((2,), "no such image"))
    assert run.stopped == [1]
    run.post(facts.TaskChanged(1, TaskStatus.STOPPED, desired_stopped=True))

    assert run.service.status is ServiceStatus.INACTIVE


def test_a_protected_task_does_not_outlive_its_service() -> None:
    run = ServiceRun(settings())
    run.settle(1)
    run.post(facts.ProtectionChanged(1, until=math.inf))

    run.post(facts.ServiceDeleted())

    assert run.stopped == [1]


# --- the log


def test_the_log_keeps_the_latest_100_events() -> None:
    run = ServiceRun(settings(), pace=Pace(settle_s=0, retry_s=1, retry_max_s=1))
    for number in range(1, 120):
        run.run(number)
        run.exit(number)

    assert len(run.service.events) == 100
    assert run.service.events[0].number == run.service.events_written


def test_facts_about_a_task_that_is_gone_change_nothing() -> None:
    run = ServiceRun(settings())
    run.settle(1)
    before = run.service

    run.exit(99)
    run.post(facts.TasksStarted(((99, "t99"),)))
    run.post(facts.ProtectionChanged(99, until=math.inf))

    assert replace(run.service) == before

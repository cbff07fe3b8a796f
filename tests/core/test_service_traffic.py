"""When a service's tasks are registered with load balancers, checked, deregistered and replaced, without an engine."""

from __future__ import annotations

from dataclasses import replace

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core.model import TaskStatus
from pytest_ecs_tasks.core.service_model import (
    FAST_PACE,
    CircuitBreaker,
    Pace,
    Revision,
    ServiceSettings,
    ThresholdType,
)
from pytest_ecs_tasks.core.target_progress import CheckSchedule, TargetProblem, TargetProgress, after_check
from pytest_ecs_tasks.core.traffic import Enrolment
from service_run import PACE, ServiceRun

GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/1"
TRAFFIC = {"loadBalancers": [{"targetGroupArn": GROUP, "containerName": "web", "containerPort": 80}]}
SCHEDULE = CheckSchedule(interval_s=10, unhealthy_threshold=2)
ENROLMENT = Enrolment({GROUP: 1}, SCHEDULE)
PROBLEM = TargetProblem(GROUP, 80, "Health checks failed with these codes: [503]")


def balanced(desired_count: int = 1, pace: Pace = PACE, **more: float) -> ServiceRun:
    """Return a service behind a target group."""
    return ServiceRun(ServiceSettings(Revision("web:1", traffic=TRAFFIC), desired_count, **more), pace)  # type: ignore[arg-type]


def serving(desired_count: int = 1, **more: float) -> ServiceRun:
    """Return a service whose tasks are registered and healthy."""
    run = balanced(desired_count, **more)
    numbers = tuple(range(1, desired_count + 1))
    run.run(*numbers)
    for number in numbers:
        run.post(facts.TaskRegistered(number, ENROLMENT))
        run.post(facts.TargetsChecked(number))
    return run


def orders_of(run: ServiceRun, kind: type) -> list[facts.ServiceOrder]:
    return [order for order in run.orders if isinstance(order, kind)]


def test_a_task_is_registered_once_it_is_running() -> None:
    run = balanced()
    assert orders_of(run, facts.RegisterTask) == []

    run.run(1)
    run.run(1)

    (order,) = orders_of(run, facts.RegisterTask)
    assert (order.number, order.task_id, order.traffic) == (1, "t1", TRAFFIC)
    run.post(facts.TaskRegistered(1, ENROLMENT))
    assert run.messages[-1] == f"(service web) registered 1 targets in (target-group {GROUP})"


def test_a_service_without_load_balancers_orders_nothing_of_the_kind() -> None:
    run = ServiceRun(ServiceSettings(Revision("web:1", traffic={"loadBalancers": []}), 1))

    run.settle(1)

    assert {type(order) for order in run.orders} == {facts.StartTasks}
    assert run.messages[-1] == "(service web) has reached a steady state."


def test_a_service_is_steady_only_when_its_targets_are_healthy() -> None:
    run = balanced()
    run.settle(1)
    run.post(facts.TaskRegistered(1, ENROLMENT))
    run.pass_time(PACE.settle_s)
    assert not run.service.steady
    assert len(orders_of(run, facts.CheckTargets)) == 1

    run.post(facts.TargetsChecked(1))

    assert run.service.steady
    assert run.wake_at == run.now + SCHEDULE.interval_s


def test_a_check_that_could_not_be_made_makes_no_target_healthy() -> None:
    run = balanced()
    run.settle(1)
    run.post(facts.TaskRegistered(1, ENROLMENT))

    run.post(facts.TargetsChecked(1, made=False))
    assert not run.service.steady
    run.pass_time(1)

    assert len(orders_of(run, facts.CheckTargets)) == 2
    run.post(facts.TargetsChecked(1))
    assert run.service.steady


def test_a_task_leaves_its_target_groups_before_it_is_told_to_stop() -> None:
    run = serving(2)

    run.update(replace(run.service.settings, desired_count=1), deploy=False)
    (leave,) = orders_of(run, facts.DeregisterTasks)
    assert leave.tasks == ((1, "t1"),)
    assert run.stopped == []
    assert not run.service.steady
    run.post(facts.TasksDeregistered((1,), {GROUP: 1}))

    assert run.stopped == [1]
    assert run.messages[-4:] == [
        f"(service web) deregistered 1 targets in (target-group {GROUP})",
        "(service web) has begun draining connections on 1 tasks.",
        "(service web) has stopped 1 running tasks: (task t1).",
        "(service web) has reached a steady state.",
    ]


def test_a_task_that_ends_on_its_own_is_deregistered_and_then_gone() -> None:
    run = serving()

    run.exit(1)
    assert [order.tasks for order in orders_of(run, facts.DeregisterTasks)] == [((1, "t1"),)]
    assert run.service.find_task(1) is not None
    run.post(facts.TasksDeregistered((1,), {GROUP: 1}))

    assert run.service.find_task(1) is None
    assert run.stopped == []
    assert run.live == [2]


def test_a_task_that_ends_while_it_is_registered_is_deregistered_after_that() -> None:
    run = balanced()
    run.run(1)
    run.exit(1)
    assert orders_of(run, facts.DeregisterTasks) == []

    run.post(facts.TaskRegistered(1, ENROLMENT))

    assert [order.tasks for order in orders_of(run, facts.DeregisterTasks)] == [((1, "t1"),)]


def test_a_deleted_service_is_inactive_only_when_nothing_leads_to_its_tasks() -> None:
    run = serving()

    run.post(facts.ServiceDeleted())
    assert (run.stopped, run.service.status) == ([], "DRAINING")
    run.post(facts.TasksDeregistered((1,), {GROUP: 1}))
    run.end_stopped()

    assert run.service.status == "INACTIVE"


def test_a_registration_that_fails_is_told_once_and_tried_again() -> None:
    run = balanced()
    run.run(1)
    problem = "TargetGroupNotFound: One or more target groups not found"
    told = f"(service web) failed to register a task: {problem}."

    run.post(facts.TaskRegistered(1, problem=problem))
    assert run.messages[-1] == told
    run.pass_time(PACE.retry_delay(1))
    run.post(facts.TaskRegistered(1, problem=problem))
    run.pass_time(PACE.settle_s)

    assert not run.service.steady
    assert len(orders_of(run, facts.RegisterTask)) == 3
    run.post(facts.TaskRegistered(1, ENROLMENT))
    run.post(facts.TargetsChecked(1))
    assert run.service.steady
    assert run.messages.count(told) == 1


def test_a_task_whose_registration_has_failed_is_deregistered_before_it_stops() -> None:
    run = balanced()
    run.run(1)
    run.post(facts.TaskRegistered(1, problem="no instance"))

    run.post(facts.ServiceDeleted())

    assert [order.tasks for order in orders_of(run, facts.DeregisterTasks)] == [((1, "t1"),)]
    assert run.stopped == []
    run.post(facts.TasksDeregistered((1,), {}))
    assert run.stopped == [1]


def test_a_task_that_fails_its_load_balancers_checks_is_replaced() -> None:
    run = serving()
    for _ in range(2):
        run.pass_time(SCHEDULE.interval_s)
        run.post(facts.TargetsChecked(1, PROBLEM))
    assert run.live == [1, 2]  # its replacement comes first

    run.run(2)
    run.post(facts.TaskRegistered(2, ENROLMENT))
    run.post(facts.TargetsChecked(2))
    run.post(facts.TasksDeregistered((1,), {GROUP: 1}))

    (stop,) = orders_of(run, facts.StopServiceTask)
    assert stop.reason == f"Task failed ELB health checks in (target-group {GROUP})"
    unhealthy = (
        f"(service web) (task t1) (port 80) is unhealthy in (target-group {GROUP}) due to "
        "(reason Health checks failed with these codes: [503])."
    )
    assert unhealthy in run.messages
    assert "Amazon ECS replaced 1 tasks due to an unhealthy status." in " ".join(run.messages)
    assert run.service.primary.failed_tasks == 1


def test_one_failed_check_between_good_ones_replaces_nothing() -> None:
    run = serving()

    for problem in (PROBLEM, None, PROBLEM, None):
        run.pass_time(SCHEDULE.interval_s)
        run.post(facts.TargetsChecked(1, problem))

    assert run.started == [1]


def test_failed_checks_count_only_after_the_grace_period() -> None:
    run = balanced(grace_period_s=60.0)
    run.run(1)
    run.post(facts.TaskRegistered(1, ENROLMENT))
    for _ in range(4):
        run.post(facts.TargetsChecked(1, PROBLEM))
        run.pass_time(SCHEDULE.interval_s)
    assert run.started == [1]

    run.pass_time(20.0)

    assert run.started == [1, 2]


def test_the_circuit_breaker_ends_a_deployment_whose_targets_are_never_healthy() -> None:
    run = serving()
    breaker = CircuitBreaker(
        enabled=True, rollback=True, threshold_type=ThresholdType.COUNT, threshold_value=1
    )
    new = Revision("web:2", traffic=TRAFFIC)
    run.update(replace(run.service.settings, revision=new, circuit_breaker=breaker))
    run.run(2)
    run.post(facts.TaskRegistered(2, ENROLMENT))

    run.post(facts.TargetsChecked(2, PROBLEM))
    run.pass_time(SCHEDULE.interval_s)
    run.post(facts.TargetsChecked(2, PROBLEM))

    run.post(facts.TasksDeregistered((2,), {GROUP: 1}))
    run.end_stopped()

    assert run.live == [1]
    assert run.states()[0] == ("ecs-svc/1", "PRIMARY", "COMPLETED")
    assert "(service web) rolling back to deployment ecs-svc/1." in run.messages


def test_a_task_that_changes_after_it_is_gone_is_nobodys() -> None:
    run = serving()
    before = run.service

    run.post(facts.TargetsChecked(7, PROBLEM))
    run.post(facts.TaskRegistered(7, ENROLMENT))

    assert run.service == before


def test_a_target_that_has_never_answered_is_looked_at_often_and_counted_once_an_interval() -> None:
    progress, moments = TargetProgress(SCHEDULE, next_at=0.0), []
    while not progress.unhealthy:
        moments.append(progress.next_at)
        progress = after_check(progress, PROBLEM, progress.next_at, hurried=FAST_PACE.hurried)

    assert [round(moment, 2) for moment in moments[:6]] == [0.0, 0.05, 0.15, 0.35, 0.75, 1.75]
    assert moments[-1] >= SCHEDULE.interval_s
    declared = after_check(TargetProgress(SCHEDULE, next_at=0.0), PROBLEM, 0.0, hurried=False)
    assert declared.next_at == SCHEDULE.interval_s


def test_a_task_of_a_user_that_is_led_away_first_is_not_deregistered_twice() -> None:
    run = serving()

    run.post(facts.TasksDeregistered((1,), {GROUP: 1}))
    run.post(facts.TaskChanged(1, TaskStatus.STOPPING, desired_stopped=True, by_user=True))

    assert orders_of(run, facts.DeregisterTasks) == []
    assert len(orders_of(run, facts.RegisterTask)) == 1

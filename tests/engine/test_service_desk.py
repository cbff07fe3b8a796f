"""The desk: what services order is done by its thread, in order, and until it is closed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from pytest_ecs_tasks.core import service_facts as facts
from pytest_ecs_tasks.core.model import Task, TaskStatus
from pytest_ecs_tasks.core.service_model import Pace, Service, ServiceStatus
from pytest_ecs_tasks.engine.service_desk import ServiceDesk
from pytest_ecs_tasks.engine.system import SystemClock
from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.testing.clock import FakeClock
from service_run import PACE, settings

ARN = "arn:aws:ecs:us-east-1:123456789012:service/default/web"
PATIENCE_S = 60.0


class FakeServiceTasks:
    """Starts nothing; says on a queue what it was asked for."""

    def __init__(self) -> None:
        self.asked: queue.Queue[tuple[str, str]] = queue.Queue()
        self.refuse: str | None = None
        self.count = 0

    def start(self, service: Service, deployment_id: str, watch: Callable[[Task], None]) -> str:
        if self.refuse is not None:
            self.asked.put(("refused", deployment_id))
            raise EcsTaskError(self.refuse)
        self.count += 1
        self.asked.put(("start", deployment_id))
        return f"t{self.count}"

    def stop(self, task_id: str, reason: str) -> None:
        self.asked.put(("stop", task_id))

    def next(self) -> tuple[str, str]:
        return self.asked.get(timeout=PATIENCE_S)


class Heard:
    """What was announced, in order."""

    def __init__(self) -> None:
        self.names: queue.Queue[str] = queue.Queue()

    def __call__(self, service: Service, announcement: facts.Announcement, at: float) -> None:
        self.names.put(announcement.event_name)


@pytest.fixture
def tasks() -> FakeServiceTasks:
    return FakeServiceTasks()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def desk(tasks: FakeServiceTasks, heard: Heard) -> Iterator[ServiceDesk]:
    desk = ServiceDesk(FakeClock(), tasks, heard)
    yield desk
    desk.close()


def create(desk: ServiceDesk, desired_count: int = 1, pace: Pace = PACE) -> Service:
    return desk.create(
        name="web",
        arn=ARN,
        cluster_arn="arn:cluster",
        settings=settings(desired_count=desired_count),
        deployment_id="ecs-svc/1",
        pace=pace,
    )


def wait_for(desk: ServiceDesk, condition: Callable[[Service], bool]) -> Service:
    """Return the service once the condition holds."""
    assert desk.wait_until(ARN, condition, PATIENCE_S)
    service = desk.find(ARN)
    assert service is not None
    return service


def test_tasks_that_a_service_orders_are_started_and_known_by_their_ids(
    desk: ServiceDesk, tasks: FakeServiceTasks, heard: Heard
) -> None:
    created = create(desk, desired_count=2)

    assert created.status is ServiceStatus.ACTIVE
    assert [tasks.next(), tasks.next()] == [("start", "ecs-svc/1")] * 2
    service = wait_for(desk, lambda service: service.events_written == 1)
    assert service.events[0].message == "(service web) has started 2 tasks: (task t1) (task t2)."
    assert heard.names.get(timeout=PATIENCE_S) == "SERVICE_DEPLOYMENT_IN_PROGRESS"


def test_whoever_posts_a_fact_sees_what_it_has_led_to(desk: ServiceDesk, tasks: FakeServiceTasks) -> None:
    create(desk)
    wait_for(desk, lambda service: service.events_written == 1)

    service = desk.post(ARN, facts.ServiceUpdated(settings(desired_count=0)))

    assert service is not None
    assert service.settings.desired_count == 0
    assert not service.tasks[0].live
    assert [tasks.next(), tasks.next()] == [("start", "ecs-svc/1"), ("stop", "t1")]


def test_a_start_that_is_refused_is_a_failure_in_the_log(desk: ServiceDesk, tasks: FakeServiceTasks) -> None:
    tasks.refuse = "no such image"

    create(desk)

    service = wait_for(desk, lambda service: service.events_written == 1)
    assert service.events[0].message == "(service web) was unable to place a task. Reason: no such image."
    assert service.primary.failed_tasks == 1


def test_time_alone_moves_a_service_on(tasks: FakeServiceTasks, heard: Heard) -> None:
    desk = ServiceDesk(SystemClock(), tasks, heard)
    create(desk, pace=Pace(settle_s=0.05, retry_s=1, retry_max_s=1))
    wait_for(desk, lambda service: service.events_written == 1)

    desk.post(ARN, facts.TaskChanged(1, TaskStatus.RUNNING))

    wait_for(desk, lambda service: service.steady)
    desk.close()


def test_what_tasks_of_a_deleted_service_tell_means_nothing_for_the_next_one_of_its_name(
    desk: ServiceDesk, tasks: FakeServiceTasks
) -> None:
    create(desk)
    wait_for(desk, lambda service: service.events_written == 1)
    desk.post(ARN, facts.ServiceDeleted())
    desk.post(ARN, facts.TaskChanged(1, TaskStatus.STOPPING, desired_stopped=True))
    create(desk)
    service = wait_for(desk, lambda service: service.events_written == 1)

    assert desk.post(ARN, facts.TaskChanged(1, TaskStatus.STOPPED, desired_stopped=True)) == service


def test_a_closed_desk_starts_nothing_more(desk: ServiceDesk, tasks: FakeServiceTasks) -> None:
    create(desk)
    wait_for(desk, lambda service: service.events_written == 1)
    tasks.next()

    desk.close()
    desk.post(ARN, facts.TaskChanged(1, TaskStatus.STOPPED, desired_stopped=True))

    assert tasks.asked.empty()
    assert not any(thread.name == "ecs-tasks/services" for thread in threading.enumerate())
    with pytest.raises(EcsTaskError, match="created when its test was over"):
        create(desk)


def test_a_desk_without_services_has_no_thread(tasks: FakeServiceTasks, heard: Heard) -> None:
    desk = ServiceDesk(FakeClock(), tasks, heard)

    assert desk.find(ARN) is None
    assert desk.post(ARN, facts.TimePassed()) is None
    assert not any(thread.name == "ecs-tasks/services" for thread in threading.enumerate())
    desk.close()


def test_an_inactive_service_can_be_described_and_created_anew(
    desk: ServiceDesk, tasks: FakeServiceTasks
) -> None:
    create(desk, desired_count=0)
    deleted = desk.post(ARN, facts.ServiceDeleted())

    assert deleted is not None
    assert deleted.status is ServiceStatus.INACTIVE
    assert desk.find(ARN) == deleted
    create(desk)
    assert [service.status for service in desk.services()] == [ServiceStatus.ACTIVE]

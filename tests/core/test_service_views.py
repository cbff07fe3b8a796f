"""A service as DescribeServices and EventBridge show it, checked against the API's own model."""

from __future__ import annotations

from pytest_ecs_tasks.core.service_facts import Announcement, ServiceDeleted
from pytest_ecs_tasks.core.service_model import CircuitBreaker, Revision, ServiceSettings, ThresholdType
from pytest_ecs_tasks.core.service_views import describe_service, service_event
from service_run import ROLLBACK, ServiceRun, settings
from service_shapes import check_service, wall


def test_a_service_in_the_middle_of_a_deployment_is_described_as_ecs_describes_it() -> None:
    run = ServiceRun(settings(desired_count=2))
    run.settle(1, 2)
    run.now = 10.0
    run.update(settings("web:2", desired_count=2, circuit_breaker=ROLLBACK))
    run.run(3)

    view = describe_service(run.service, wall)

    check_service(view)
    assert (view["status"], view["desiredCount"], view["runningCount"], view["pendingCount"]) == (
        "ACTIVE",
        2,
        3,
        1,
    )
    assert view["taskDefinition"] == "web:2"
    assert view["deployments"] == [
        {
            "id": "ecs-svc/2",
            "status": "PRIMARY",
            "taskDefinition": "web:2",
            "desiredCount": 2,
            "runningCount": 1,
            "pendingCount": 1,
            "failedTasks": 0,
            "createdAt": wall(10),
            "updatedAt": wall(10),
            "rolloutState": "IN_PROGRESS",
            "rolloutStateReason": "ECS deployment ecs-svc/2 in progress.",
        },
        {
            "id": "ecs-svc/1",
            "status": "ACTIVE",
            "taskDefinition": "web:1",
            "desiredCount": 0,
            "runningCount": 2,
            "pendingCount": 0,
            "failedTasks": 0,
            "createdAt": wall(0),
            "updatedAt": wall(2),
            "rolloutState": "COMPLETED",
            "rolloutStateReason": "ECS deployment ecs-svc/1 completed.",
        },
    ]
    assert view["deploymentConfiguration"] == {
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "strategy": "ROLLING",
        "bakeTimeInMinutes": 0,
    }


def test_events_are_listed_latest_first_and_keep_their_ids() -> None:
    run = ServiceRun(settings())
    run.settle(1)
    first = describe_service(run.service, wall)["events"]

    run.exit(1)
    later = describe_service(run.service, wall)["events"]

    assert isinstance(first, list)
    assert isinstance(later, list)
    assert first[0]["message"] == "(service web) has reached a steady state."
    assert later[1:] == first
    assert len({event["id"] for event in later}) == len(later)


def test_an_inactive_service_can_still_be_described() -> None:
    run = ServiceRun(settings(desired_count=0))

    run.post(ServiceDeleted())

    view = describe_service(run.service, wall)
    check_service(view)
    assert (view["status"], view["deployments"]) == ("INACTIVE", [])


def test_members_of_the_revision_show_in_the_service_and_in_the_deployment() -> None:
    breaker = CircuitBreaker(
        threshold_type=ThresholdType.COUNT, threshold_value=5, reset_on_healthy_task=False
    )
    given = ServiceSettings(
        Revision("web:1", {"launchType": "FARGATE", "platformVersion": "1.4.0"}),
        1,
        circuit_breaker=breaker,
        details={"propagateTags": "SERVICE", "schedulingStrategy": "REPLICA"},
    )

    view = describe_service(ServiceRun(given).service, wall)

    check_service(view)
    assert view["launchType"] == "FARGATE"
    assert view["propagateTags"] == "SERVICE"
    deployments = view["deployments"]
    assert isinstance(deployments, list)
    assert deployments[0]["launchType"] == "FARGATE"
    configuration = view["deploymentConfiguration"]
    assert isinstance(configuration, dict)
    assert configuration["deploymentCircuitBreaker"] == {
        "enable": False,
        "rollback": False,
        "resetOnHealthyTask": False,
        "thresholdConfiguration": {"type": "COUNT", "value": 5},
    }


def test_a_service_action_is_as_the_guide_shows_it() -> None:
    run = ServiceRun(settings())

    event = service_event(
        run.service, Announcement("INFO", "SERVICE_STEADY_STATE"), wall=wall, event_id="e1", at=1.5
    )

    assert event == {
        "version": "0",
        "id": "e1",
        "detail-type": "ECS Service Action",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": "2026-01-31T12:00:01Z",
        "region": "us-east-1",
        "resources": ["arn:aws:ecs:us-east-1:123456789012:service/default/web"],
        "detail": {
            "eventType": "INFO",
            "eventName": "SERVICE_STEADY_STATE",
            "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/default",
            "createdAt": "2026-01-31T12:00:01.500Z",
        },
    }


def test_a_deployment_state_change_is_as_the_guide_shows_it() -> None:
    run = ServiceRun(settings())

    event = service_event(run.service, run.announcements[0], wall=wall, event_id="e1", at=0)

    assert event["detail-type"] == "ECS Deployment State Change"
    assert event["detail"] == {
        "eventType": "INFO",
        "eventName": "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "deploymentId": "ecs-svc/1",
        "updatedAt": "2026-01-31T12:00:00.000Z",
        "reason": "ECS deployment ecs-svc/1 in progress.",
    }

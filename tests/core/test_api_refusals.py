"""Requests that no ECS takes: too long, too many, of words that there are not."""

from __future__ import annotations

from typing import Any

import pytest

from ecs_world import SUBNETS, EcsWorld
from pytest_ecs_tasks.core.api import services
from pytest_ecs_tasks.core.api.calls import ApiError

TASK = "0" * 32


@pytest.fixture
def ecs() -> EcsWorld:
    ecs = EcsWorld()
    ecs.register()
    ecs.register("vpc", networkMode="awsvpc")
    return ecs


def refusal_of(ecs: EcsWorld, operation: str, request: dict[str, Any]) -> str:
    """Return the refusal of a request that botocore would not have sent either."""
    before, orders = ecs.state, list(ecs.orders)
    with pytest.raises(ApiError) as caught:
        ecs.raw(operation, request)
    assert (ecs.state, ecs.orders) == (before, orders), "a refused request changes nothing"
    assert caught.value.code == "InvalidParameterException"
    return caught.value.message


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"startedBy": "x" * 129}, "startedBy has 129 characters; it has 128 at most"),
        ({"clientToken": "x" * 65}, "clientToken has 65 characters; it has 64 at most"),
        ({"group": "service:web"}, "group is service:web; service: is for the tasks of services"),
        ({"propagateTags": "YES"}, "propagateTags is YES; it is one of TASK_DEFINITION, SERVICE, NONE"),
        ({"placementConstraints": [{"type": "near"}]}, "placementConstraints.type is near; it is one of"),
        ({"tags": [{"key": "aws:mine", "value": ""}]}, "tag key 'aws:mine': it has 1 to 128 characters"),
        ({"tags": [{"value": ""}]}, "tag key '': it has 1 to 128 characters"),
        ({"tags": [{"key": "k", "value": "x" * 257}]}, "tag 'k': its value has 256 characters at most"),
        (
            {"overrides": {"containerOverrides": [{"name": "app", "environment": [{"value": "x"}]}]}},
            "an override of container app has a variable without a name",
        ),
        (
            {"overrides": {"containerOverrides": [{"name": "app", "command": ["x" * 8192]}]}},
            "Container Overrides length must be at most 8192",
        ),
    ],
)
def test_runtask_refuses(ecs, members, words):
    assert refusal_of(ecs, "RunTask", {"taskDefinition": "web", **members}).startswith(words)


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"subnets": ["s"] * 17}, "subnets has 17 entries; it is 16 at most"),
        ({"subnets": ["s"], "securityGroups": ["g"] * 6}, "securityGroups has 6 entries; it is 5 at most"),
        (
            {"subnets": ["s"], "assignPublicIp": "YES"},
            "networkConfiguration.awsvpcConfiguration.assignPublicIp is YES",
        ),
    ],
)
def test_runtask_refuses_a_network(ecs, configuration, words):
    request = {"taskDefinition": "vpc", "networkConfiguration": {"awsvpcConfiguration": configuration}}

    assert refusal_of(ecs, "RunTask", request).startswith(words)


@pytest.mark.parametrize(
    ("operation", "request_", "words"),
    [
        ("ListTasks", {"launchType": "LAMBDA"}, "launchType is LAMBDA; it is one of EC2"),
        ("ListTaskDefinitions", {"status": "GONE"}, "status is GONE; it is one of ACTIVE"),
        ("ListTaskDefinitions", {"sort": "UP"}, "sort is UP; it is one of ASC, DESC"),
        ("ListTaskDefinitionFamilies", {"status": "GONE"}, "status is GONE; it is one of ACTIVE"),
        ("ListContainerInstances", {"status": "GONE"}, "status is GONE; it is one of ACTIVE"),
        ("CreateCluster", {"settings": [{"name": "a", "value": "b"}]}, "settings.name is a; it is one of"),
        ("DescribeClusters", {"clusters": ["a"] * 101}, "clusters has 101 entries; it is 100 at most"),
        ("DescribeContainerInstances", {"containerInstances": []}, "containerInstances has 0 entries"),
        ("DescribeContainerInstances", {"containerInstances": ["a"] * 101}, "containerInstances has 101"),
        (
            "UpdateTaskProtection",
            {"cluster": "default", "tasks": [], "protectionEnabled": True},
            "tasks has 0 entries; it is 1 to 10",
        ),
        (
            "UpdateTaskProtection",
            {"cluster": "default", "tasks": [TASK] * 11, "protectionEnabled": True},
            "tasks has 11 entries; it is 1 to 10",
        ),
        (
            "CreateService",
            {"serviceName": "web", "taskDefinition": "web", "desiredCount": 10**9},
            "desiredCount is 1000000000; a service has 5000 tasks at most",
        ),
    ],
)
def test_a_call_refuses(ecs, operation, request_, words):
    assert refusal_of(ecs, operation, request_).startswith(words)


@pytest.mark.parametrize("token", ["nonsense", "bm9uc2Vuc2U=", "¥", "YWZ0ZXI6ééé"])
@pytest.mark.parametrize(
    "operation",
    ["ListTasks", "ListClusters", "ListTaskDefinitions", "ListServices", "DescribeCapacityProviders"],
)
def test_a_token_that_no_answer_has_had_is_refused(ecs, operation, token):
    assert refusal_of(ecs, operation, {"nextToken": token}) == "nextToken is none that an answer has had"


def test_a_resource_gets_no_more_than_fifty_tags_in_several_calls(ecs):
    task = ecs.run(tags=[{"key": f"k{number}", "value": ""} for number in range(50)])

    request = {"resourceArn": task, "tags": [{"key": "one-more", "value": ""}]}
    assert refusal_of(ecs, "TagResource", request).startswith("51 tags are given")


def test_the_service_of_another_cluster_is_not_taken_for_this_ones(ecs):
    ecs.call("CreateCluster", clusterName="blue")
    made = ecs.call("CreateService", serviceName="web", taskDefinition="web", desiredCount=0)["service"]
    other = made["serviceArn"].replace("/default/", "/blue/")

    words = "Invalid identifier: Identifier is for cluster blue. Your cluster is default"
    assert refusal_of(ecs, "DescribeServices", {"services": [other]}) == words
    assert ecs.call("DescribeServices", services=[other], cluster="blue")["failures"]


REFUSED_TASKS = [
    (
        {"taskDefinition": "web", "launchType": "FARGATE"},
        "Task definition does not support launch_type FARGATE.",
    ),
    (
        {"taskDefinition": "vpc", "networkConfiguration": SUBNETS, "launchType": "FARGATE"},
        "Task definition does not support launch_type FARGATE.",
    ),
    (
        {
            "taskDefinition": "vpc",
            "networkConfiguration": SUBNETS,
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
        },
        "Task definition does not support launch_type FARGATE.",
    ),
    (
        {"taskDefinition": "web", "networkConfiguration": SUBNETS},
        "Network Configuration is not valid for the given networkMode of this task definition.",
    ),
    (
        {"taskDefinition": "vpc", "networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}},
        "subnets can not be empty.",
    ),
]


@pytest.mark.parametrize(("members", "words"), REFUSED_TASKS)
def test_a_service_is_refused_whose_tasks_runtask_would_refuse(ecs, members, words):
    refused = refusal_of(ecs, "CreateService", {"serviceName": "web", "desiredCount": 1, **members})

    assert refused.startswith(words)


def test_an_update_is_refused_whose_tasks_runtask_would_refuse(ecs):
    request = {"serviceName": "web", "desiredCount": 1, "networkConfiguration": SUBNETS}
    ecs.call("CreateService", taskDefinition="vpc", **request)

    refused = refusal_of(ecs, "UpdateService", {"service": "web", "taskDefinition": "web"})

    assert refused == "Network Configuration is not valid for the given networkMode of this task definition."
    strategy = [{"capacityProvider": "none"}]
    refused = refusal_of(ecs, "UpdateService", {"service": "web", "capacityProviderStrategy": strategy})
    assert refused.startswith("The specified capacity provider strategy cannot contain ")


def test_a_service_whose_definition_is_deregistered_can_still_be_scaled(ecs):
    ecs.call("CreateService", serviceName="web", taskDefinition="web", desiredCount=0)
    ecs.call("DeregisterTaskDefinition", taskDefinition="web:1")

    assert ecs.call("UpdateService", service="web", desiredCount=2)["service"]["desiredCount"] == 2


def test_a_services_tasks_bear_tags_of_ecs_although_a_user_cannot_give_them(ecs):
    made = ecs.call(
        "CreateService",
        serviceName="web",
        taskDefinition="vpc",
        desiredCount=1,
        enableECSManagedTags=True,
        networkConfiguration=SUBNETS,
    )["service"]

    service = ecs.services[made["serviceArn"]]
    call = ecs._call("RunTask", {})
    outcome = services.start_service_task(ecs.state, call, service, service.primary.deployment_id)

    (tags,) = outcome.state.tags.values()
    assert dict(tags)["aws:ecs:serviceName"] == "web"

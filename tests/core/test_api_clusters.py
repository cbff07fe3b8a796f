"""Clusters, tags and container instances."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ecs_world import EcsWorld, arn
from pytest_ecs_tasks.core.model import TaskStatus


@pytest.fixture
def ecs():
    return EcsWorld()


def test_a_new_ecs_has_no_cluster(ecs):
    assert ecs.call("ListClusters") == {"clusterArns": []}


def test_a_cluster_is_created_described_and_listed(ecs):
    created = ecs.call("CreateCluster", clusterName="blue", tags=[{"key": "team", "value": "a"}])["cluster"]

    assert (created["clusterArn"], created["status"]) == (arn("cluster/blue"), "ACTIVE")
    assert created["tags"] == [{"key": "team", "value": "a"}]
    assert ecs.call("ListClusters")["clusterArns"] == [arn("cluster/blue")]
    for reference in ("blue", arn("cluster/blue")):
        assert ecs.call("DescribeClusters", clusters=[reference])["clusters"][0]["clusterName"] == "blue"


def test_a_cluster_without_a_name_is_the_default_one(ecs):
    assert ecs.call("CreateCluster")["cluster"]["clusterName"] == "default"
    assert ecs.call("DescribeClusters")["clusters"][0]["clusterName"] == "default"


def test_the_default_cluster_comes_to_be_with_the_first_task(ecs):
    ecs.register()
    assert ecs.call("DescribeClusters")["failures"] == [{"arn": arn("cluster/default"), "reason": "MISSING"}]

    ecs.run()

    assert ecs.call("ListClusters")["clusterArns"] == [arn("cluster/default")]


def test_creating_a_cluster_again_changes_nothing(ecs):
    ecs.call("CreateCluster", clusterName="blue", tags=[{"key": "team", "value": "a"}])

    again = ecs.call("CreateCluster", clusterName="blue", tags=[{"key": "team", "value": "b"}])

    assert again["cluster"]["tags"] == [{"key": "team", "value": "a"}]


def test_a_name_that_no_cluster_can_have_is_refused_in_the_words_of_ecs(ecs):
    words = "InvalidParameterException: Cluster must match ^[a-zA-Z0-9\\-_]{1,255}$, but was my cluster"
    assert ecs.refused("CreateCluster", clusterName="my cluster") == words


def test_tasks_are_counted_by_status(ecs):
    ecs.register()
    ecs.run()

    shown = ecs.call("DescribeClusters", include=["STATISTICS"])["clusters"][0]

    assert (shown["pendingTasksCount"], shown["runningTasksCount"]) == (1, 0)
    assert {"name": "pendingEC2TasksCount", "value": "1"} in shown["statistics"]


def test_a_task_that_runs_is_counted_as_running_and_one_that_has_stopped_not_at_all(ecs):
    ecs.register()
    runs = ecs.run().rpartition("/")[2]

    def counts():
        shown = ecs.call("DescribeClusters", clusters=["default"])["clusters"][0]
        return shown["pendingTasksCount"], shown["runningTasksCount"]

    ecs.tasks[runs] = replace(ecs.tasks[runs], last_status=TaskStatus.RUNNING)
    assert counts() == (0, 1)
    ecs.tasks[runs] = replace(ecs.tasks[runs], last_status=TaskStatus.STOPPED)
    assert counts() == (0, 0)


def test_a_cluster_with_tasks_cannot_be_deleted(ecs):
    ecs.register()
    ecs.run()

    words = "ClusterContainsTasksException: The Cluster cannot be deleted while Tasks are active."
    assert ecs.refused("DeleteCluster", cluster="default") == words


def test_a_deleted_cluster_is_described_as_inactive_and_takes_no_task(ecs):
    ecs.register()
    ecs.call("CreateCluster", clusterName="blue")

    assert ecs.call("DeleteCluster", cluster="blue")["cluster"]["status"] == "INACTIVE"

    assert ecs.call("ListClusters")["clusterArns"] == []
    assert ecs.call("DescribeClusters", clusters=["blue"])["clusters"][0]["status"] == "INACTIVE"
    refusal = ecs.refused("RunTask", cluster="blue", taskDefinition="web")
    assert refusal == "ClusterNotFoundException: The referenced cluster was inactive."


def test_settings_and_capacity_providers_can_be_changed(ecs):
    ecs.call("CreateCluster", clusterName="blue")
    on = [{"name": "containerInsights", "value": "enabled"}]

    ecs.call("UpdateClusterSettings", cluster="blue", settings=on)
    ecs.call(
        "PutClusterCapacityProviders",
        cluster="blue",
        capacityProviders=["FARGATE"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1}],
    )

    shown = ecs.call("DescribeClusters", clusters=["blue"])["clusters"][0]
    assert (shown["settings"], shown["capacityProviders"]) == (on, ["FARGATE"])


def test_clusters_are_listed_page_by_page(ecs):
    for name in ("a", "b", "c"):
        ecs.call("CreateCluster", clusterName=name)

    first = ecs.call("ListClusters", maxResults=2)
    second = ecs.call("ListClusters", maxResults=2, nextToken=first["nextToken"])

    assert [*first["clusterArns"], *second["clusterArns"]] == [arn(f"cluster/{name}") for name in "abc"]
    assert "nextToken" not in second


def test_a_cluster_that_went_between_two_pages_hides_no_other(ecs):
    for name in ("a", "b", "c"):
        ecs.call("CreateCluster", clusterName=name)
    first = ecs.call("ListClusters", maxResults=2)

    ecs.call("DeleteCluster", cluster="b")

    second = ecs.call("ListClusters", maxResults=2, nextToken=first["nextToken"])
    assert second["clusterArns"] == [arn("cluster/c")]


def make_tagged(ecs, kind):
    """Make a resource with the tag a=1 and return its ARN."""
    tags = [{"key": "a", "value": "1"}]
    ecs.register()
    match kind:
        case "cluster":
            return ecs.call("CreateCluster", clusterName="blue", tags=tags)["cluster"]["clusterArn"]
        case "task-definition":
            return ecs.register("tagged", tags=tags)
        case "task":
            return ecs.run(tags=tags)
        case "service":
            request = {"serviceName": "web", "taskDefinition": "web", "desiredCount": 0}
            return ecs.call("CreateService", **request, tags=tags)["service"]["serviceArn"]
        case "capacity-provider":
            group = {
                "autoScalingGroupArn": "arn:aws:autoscaling:::autoScalingGroup:1:autoScalingGroupName/asg"
            }
            request = {"name": "mine", "autoScalingGroupProvider": group}
            return ecs.call("CreateCapacityProvider", **request, tags=tags)["capacityProvider"][
                "capacityProviderArn"
            ]


@pytest.mark.parametrize("kind", ["cluster", "task-definition", "task", "service", "capacity-provider"])
def test_tags_are_added_replaced_and_removed(ecs, kind):
    resource = make_tagged(ecs, kind)
    assert ecs.call("ListTagsForResource", resourceArn=resource)["tags"] == [{"key": "a", "value": "1"}]

    ecs.call(
        "TagResource", resourceArn=resource, tags=[{"key": "a", "value": "2"}, {"key": "b", "value": "3"}]
    )
    ecs.call("UntagResource", resourceArn=resource, tagKeys=["b"])

    assert ecs.call("ListTagsForResource", resourceArn=resource)["tags"] == [{"key": "a", "value": "2"}]


def test_what_is_not_there_cannot_be_tagged(ecs):
    refusal = ecs.refused("TagResource", resourceArn=arn("cluster/none"), tags=[])
    assert refusal.startswith("InvalidParameterException: ")


def test_a_cluster_has_one_container_instance_that_is_the_engine(ecs):
    ecs.call("CreateCluster", clusterName="blue")

    instances = ecs.call("ListContainerInstances", cluster="blue")["containerInstanceArns"]
    described = ecs.call("DescribeContainerInstances", cluster="blue", containerInstances=instances)

    assert [each["status"] for each in described["containerInstances"]] == ["ACTIVE"]
    assert described["failures"] == []


def test_fargates_capacity_providers_are_there(ecs):
    answer = ecs.call("DescribeCapacityProviders", capacityProviders=["FARGATE", "mine"])

    assert [each["name"] for each in answer["capacityProviders"]] == ["FARGATE"]
    assert answer["failures"] == [{"arn": arn("capacity-provider/mine"), "reason": "MISSING"}]

"""Capacity providers."""

from __future__ import annotations

from typing import Any

import pytest

from ecs_world import EcsWorld, arn

GROUP = {"autoScalingGroupArn": "arn:aws:autoscaling:::autoScalingGroup:1:autoScalingGroupName/asg"}
INSTANCES = {
    "infrastructureRoleArn": "arn:aws:iam::444455556666:role/ecs",
    "instanceLaunchTemplate": {
        "ec2InstanceProfileArn": "arn:aws:iam::444455556666:instance-profile/ecs",
        "networkConfiguration": {"subnets": ["subnet-1"]},
    },
}


@pytest.fixture
def ecs() -> EcsWorld:
    return EcsWorld()


def create(ecs: EcsWorld, name: str = "mine", **members: Any) -> dict[str, Any]:
    request = {"autoScalingGroupProvider": GROUP, **members}
    return dict(ecs.call("CreateCapacityProvider", name=name, **request)["capacityProvider"])


def names(ecs: EcsWorld, **members: Any) -> list[str]:
    return [each["name"] for each in ecs.call("DescribeCapacityProviders", **members)["capacityProviders"]]


def test_fargates_two_are_there_and_stay(ecs):
    assert names(ecs) == ["FARGATE", "FARGATE_SPOT"]
    assert "reserved" in ecs.refused("DeleteCapacityProvider", capacityProvider="FARGATE")


def test_a_provider_is_created_described_tagged_and_used(ecs):
    created = create(ecs, tags=[{"key": "team", "value": "a"}])

    assert (created["status"], created["type"]) == ("ACTIVE", "EC2_AUTOSCALING")
    assert created["capacityProviderArn"] == arn("capacity-provider/mine")
    (shown,) = ecs.call(
        "DescribeCapacityProviders", capacityProviders=[arn("capacity-provider/mine")], include=["TAGS"]
    )["capacityProviders"]
    assert (shown["tags"], shown["autoScalingGroupProvider"]) == ([{"key": "team", "value": "a"}], GROUP)
    assert (
        ecs.call("ListTagsForResource", resourceArn=created["capacityProviderArn"])["tags"] == shown["tags"]
    )
    ecs.call("CreateCluster", clusterName="blue", capacityProviders=["mine"])
    ecs.register()
    strategy = [{"capacityProvider": "mine"}]
    run = ecs.call("RunTask", taskDefinition="web", cluster="blue", capacityProviderStrategy=strategy)
    assert run["tasks"][0]["capacityProviderName"] == "mine"


def test_providers_are_paged(ecs):
    create(ecs)

    first = ecs.call("DescribeCapacityProviders", maxResults=2)

    assert [each["name"] for each in first["capacityProviders"]] == ["FARGATE", "FARGATE_SPOT"]
    assert names(ecs, nextToken=first["nextToken"]) == ["mine"]


def test_an_update_changes_what_is_given(ecs):
    scaling = {"status": "ENABLED", "targetCapacity": 80}
    create(ecs, autoScalingGroupProvider={**GROUP, "managedScaling": scaling})

    changed = ecs.call(
        "UpdateCapacityProvider",
        name="mine",
        autoScalingGroupProvider={"managedScaling": {"targetCapacity": 90}},
    )["capacityProvider"]

    assert changed["autoScalingGroupProvider"] == {
        **GROUP,
        "managedScaling": {**scaling, "targetCapacity": 90},
    }
    refusal = ecs.refused("UpdateCapacityProvider", name="mine", managedInstancesProvider=INSTANCES)
    assert refusal.endswith("mine has autoScalingGroupProvider, and no managedInstancesProvider")


def test_a_provider_that_a_cluster_has_is_kept(ecs):
    create(ecs)
    ecs.call("CreateCluster", clusterName="blue", capacityProviders=["mine"])
    assert "in use" in ecs.refused("DeleteCapacityProvider", capacityProvider="mine")
    ecs.call("DeleteCluster", cluster="blue")

    deleted = ecs.call("DeleteCapacityProvider", capacityProvider="mine")["capacityProvider"]

    assert deleted["status"] == "INACTIVE"
    assert names(ecs) == ["FARGATE", "FARGATE_SPOT"]
    assert "does not exist" in ecs.refused("DeleteCapacityProvider", capacityProvider="mine")


def test_managed_instances_belong_to_a_cluster(ecs):
    ecs.call("CreateCluster", clusterName="blue")
    request = {"name": "mine", "managedInstancesProvider": INSTANCES}

    created = ecs.call("CreateCapacityProvider", cluster="blue", **request)["capacityProvider"]

    assert (created["cluster"], created["type"]) == ("blue", "MANAGED_INSTANCES")
    assert "cluster is needed" in ecs.refused("CreateCapacityProvider", **{**request, "name": "other"})


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"name": "fargate-mine"}, "does not begin with aws, ecs, fargate"),
        ({"name": "x" * 256}, "it has 1 to 255 characters"),
        ({"name": "mine", "managedInstancesProvider": INSTANCES}, "one of autoScalingGroupProvider and"),
        ({"name": "there"}, "exists already"),
    ],
)
def test_what_can_be_no_provider_is_refused(ecs, members, words):
    create(ecs, "there")

    assert words in ecs.refused("CreateCapacityProvider", autoScalingGroupProvider=GROUP, **members)

"""Task definitions in the ECS API."""

from __future__ import annotations

import pytest

from ecs_world import ACCOUNT, FARGATE, NOW, EcsWorld, arn, definition


@pytest.fixture
def ecs():
    return EcsWorld()


def test_revisions_count_up(ecs):
    assert [ecs.register(), ecs.register(), ecs.register("other")] == [
        arn("task-definition/web:1"),
        arn("task-definition/web:2"),
        arn("task-definition/other:1"),
    ]


def test_a_definition_is_described_with_the_defaults_of_ecs(ecs):
    ecs.register()

    shown = ecs.call("DescribeTaskDefinition", taskDefinition="web")["taskDefinition"]

    assert shown["containerDefinitions"] == [
        {
            "name": "app",
            "image": "busybox",
            "memory": 128,
            "cpu": 0,
            "essential": True,
            "environment": [],
            "mountPoints": [],
            "portMappings": [],
            "systemControls": [],
            "volumesFrom": [],
        }
    ]
    assert (shown["status"], shown["revision"], shown["registeredAt"]) == ("ACTIVE", 1, NOW)
    assert (shown["volumes"], shown["placementConstraints"]) == ([], [])
    assert shown["compatibilities"] == ["EXTERNAL", "EC2"]


@pytest.mark.parametrize(("mode", "host_port"), [("bridge", 0), ("awsvpc", 80), ("host", 80)])
def test_a_port_without_a_host_port_gets_the_one_of_its_network_mode(ecs, mode, host_port):
    container = {"name": "app", "image": "busybox", "memory": 128, "portMappings": [{"containerPort": 80}]}
    ecs.register(networkMode=mode, containerDefinitions=[container])

    shown = ecs.call("DescribeTaskDefinition", taskDefinition="web")["taskDefinition"]

    ports = shown["containerDefinitions"][0]["portMappings"]
    assert ports == [{"containerPort": 80, "hostPort": host_port, "protocol": "tcp"}]


def test_a_definition_for_fargate_is_compatible_with_it(ecs):
    ecs.register(**FARGATE)

    shown = ecs.call("DescribeTaskDefinition", taskDefinition="web")["taskDefinition"]

    assert shown["compatibilities"] == ["EC2", "FARGATE"]
    assert {"name": "ecs.capability.task-eni"} in shown["requiresAttributes"]


def test_a_definition_is_found_by_family_by_revision_and_by_arn(ecs):
    ecs.register()
    ecs.register()

    found = [
        ecs.call("DescribeTaskDefinition", taskDefinition=reference)["taskDefinition"]["revision"]
        for reference in ("web", "web:1", arn("task-definition/web:2"))
    ]

    assert found == [2, 1, 2]


@pytest.mark.parametrize("reference", ["none", "web:7", "web:x", arn("task-definition/web:9")])
def test_a_definition_that_is_not_there_cannot_be_described(ecs, reference):
    ecs.register()

    refusal = ecs.refused("DescribeTaskDefinition", taskDefinition=reference)

    assert refusal == "ClientException: Unable to describe task definition."


def test_the_checks_are_those_of_a_file_and_all_problems_are_told(ecs):
    broken = definition(containerDefinitions=[{"name": "a b", "image": "x"}, {"name": "c", "image": "x"}])

    refusal = ecs.refused("RegisterTaskDefinition", **broken)

    assert refusal.startswith("ClientException: containerDefinitions[0]")
    text = "Invalid setting for container 'c'. At least one of 'memory' or 'memoryReservation' must be specified."
    assert text in refusal


def test_what_could_not_work_as_declared_is_refused(ecs):
    container = {
        "name": "app",
        "image": "x",
        "memory": 8,
        "credentialSpecs": ["credentialspec:arn:aws:s3:::a/b"],
    }

    refusal = ecs.refused("RegisterTaskDefinition", **definition(containerDefinitions=[container]))

    assert refusal.startswith("ClientException: ")
    assert "credentialSpecs" in refusal


def test_tags_are_shown_to_who_asks_for_them(ecs):
    ecs.register(tags=[{"key": "team", "value": "a"}])

    assert "tags" not in ecs.call("DescribeTaskDefinition", taskDefinition="web")
    asked = ecs.call("DescribeTaskDefinition", taskDefinition="web", include=["TAGS"])
    assert asked["tags"] == [{"key": "team", "value": "a"}]


def test_a_deregistered_revision_is_inactive_and_the_one_before_it_is_the_latest(ecs):
    ecs.register()
    ecs.register()

    gone = ecs.call("DeregisterTaskDefinition", taskDefinition="web:2")["taskDefinition"]

    assert (gone["status"], gone["deregisteredAt"]) == ("INACTIVE", NOW)
    latest = ecs.call("DescribeTaskDefinition", taskDefinition="web")["taskDefinition"]
    assert latest["revision"] == 1
    assert (
        ecs.refused("RunTask", taskDefinition="web:2")
        == "InvalidParameterException: TaskDefinition is inactive"
    )


def test_revisions_are_never_used_again(ecs):
    ecs.call("DeregisterTaskDefinition", taskDefinition=ecs.register())

    assert ecs.register() == arn("task-definition/web:2")


def test_deregistering_needs_a_revision(ecs):
    ecs.register()

    assert ecs.refused("DeregisterTaskDefinition", taskDefinition="web").startswith("ClientException: ")


def test_only_inactive_revisions_can_be_deleted(ecs):
    first, second = ecs.register(), ecs.register()
    ecs.call("DeregisterTaskDefinition", taskDefinition=first)

    answer = ecs.call("DeleteTaskDefinitions", taskDefinitions=[first, second, "none:1"])

    assert [each["status"] for each in answer["taskDefinitions"]] == ["DELETE_IN_PROGRESS"]
    assert [each["arn"] for each in answer["failures"]] == [second, "none:1"]


def test_definitions_are_listed_by_family_and_revision(ecs):
    for family in ("b", "a", "b"):
        ecs.register(family)
    ecs.call("DeregisterTaskDefinition", taskDefinition="b:1")

    def listed(**request):
        arns = ecs.call("ListTaskDefinitions", **request)["taskDefinitionArns"]
        return [each.partition("/")[2] for each in arns]

    assert listed() == ["a:1", "b:2"]
    assert listed(sort="DESC") == ["b:2", "a:1"]
    assert listed(familyPrefix="b") == ["b:2"]
    assert listed(status="INACTIVE") == ["b:1"]


def test_the_tenth_revision_is_listed_after_the_ninth(ecs):
    for _ in range(11):
        ecs.register()

    first = ecs.call("ListTaskDefinitions", maxResults=9)
    second = ecs.call("ListTaskDefinitions", maxResults=9, nextToken=first["nextToken"])
    falling = ecs.call("ListTaskDefinitions", maxResults=2, sort="DESC")
    next_falling = ecs.call("ListTaskDefinitions", maxResults=2, sort="DESC", nextToken=falling["nextToken"])

    def revisions(answer):
        return [int(each.rpartition(":")[2]) for each in answer["taskDefinitionArns"]]

    assert (revisions(first), revisions(second)) == (list(range(1, 10)), [10, 11])
    assert (revisions(falling), revisions(next_falling)) == ([11, 10], [9, 8])


def test_families_are_listed_by_status(ecs):
    for family in ("web", "worker", "old"):
        ecs.register(family)
    ecs.call("DeregisterTaskDefinition", taskDefinition="old:1")

    def listed(**request):
        return ecs.call("ListTaskDefinitionFamilies", **request)["families"]

    assert listed() == ["old", "web", "worker"]
    assert listed(status="ACTIVE") == ["web", "worker"]
    assert listed(status="INACTIVE") == ["old"]
    assert listed(familyPrefix="wo") == ["worker"]


def test_the_definition_of_a_fixtures_task_is_registered(ecs):
    ecs.adopt(family="file")

    shown = ecs.call("DescribeTaskDefinition", taskDefinition="file")["taskDefinition"]

    assert shown["taskDefinitionArn"] == arn("task-definition/file:1")
    assert shown["registeredBy"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_the_definition_of_a_fixtures_task_replaces_none_that_is_registered(ecs):
    ecs.register("web", cpu="512")

    ecs.adopt(family="web")

    assert ecs.call("DescribeTaskDefinition", taskDefinition="web:1")["taskDefinition"]["cpu"] == "512"

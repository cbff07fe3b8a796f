"""RunTask, StartTask, StopTask, DescribeTasks, ListTasks and task protection, with tasks on paper."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ecs_world import FARGATE, NOW, SUBNETS, EcsWorld, arn
from pytest_ecs_tasks.core.api import calls
from pytest_ecs_tasks.core.api.calls import ApiError
from pytest_ecs_tasks.core.api.project import Project
from pytest_ecs_tasks.core.metadata import Surroundings, Version, task_document
from pytest_ecs_tasks.core.request import LaunchType


@pytest.fixture
def ecs():
    return EcsWorld()


def container_instance(ecs):
    return ecs.call("ListContainerInstances")["containerInstanceArns"][0]


# --- RunTask


def test_a_task_is_run_and_shown_as_it_begins(ecs):
    ecs.register()

    task = ecs.call("RunTask", taskDefinition="web", startedBy="me")["tasks"][0]

    assert task["taskArn"].startswith(arn("task/default/"))
    assert task["taskDefinitionArn"] == arn("task-definition/web:1")
    assert (task["lastStatus"], task["desiredStatus"]) == ("PROVISIONING", "RUNNING")
    assert (task["group"], task["startedBy"], task["launchType"]) == ("family:web", "me", "EC2")
    assert task["containerInstanceArn"] == container_instance(ecs)
    assert task["createdAt"] == NOW
    assert len(ecs.orders) == 1


def test_a_tasks_tags_are_in_its_own_metadata(ecs):
    definition = ecs.register(tags=[{"key": "team", "value": "a"}])
    tags = [{"key": "stage", "value": "test"}]
    task = ecs.tasks[ecs.run(definition, tags=tags, propagateTags="TASK_DEFINITION").rpartition("/")[2]]
    around = Surroundings(lambda moment: datetime.fromtimestamp(moment, UTC))

    document = task_document(task, Version.V4, around, with_tags=True)

    assert document["TaskTags"] == {"team": "a", "stage": "test"}
    assert "TaskTags" not in task_document(task, Version.V4, around)


def test_count_runs_as_many(ecs):
    ecs.register()

    tasks = ecs.call("RunTask", taskDefinition="web", count=10)["tasks"]

    assert len({task["taskArn"] for task in tasks}) == len(ecs.orders) == 10


@pytest.mark.parametrize("count", [0, 11, -1])
def test_count_is_1_to_10(ecs, count):
    ecs.register()

    refusal = ecs.refused("RunTask", taskDefinition="web", count=count)

    assert refusal == f"InvalidParameterException: count is {count}; it is 1 to 10"


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        ({"taskDefinition": "none"}, "ClientException: TaskDefinition not found."),
        ({"taskDefinition": "web", "cluster": "none"}, "ClusterNotFoundException: Cluster not found."),
        (
            {"taskDefinition": "web", "cluster": arn("task/default/1")},
            "InvalidParameterException: Unsupported resource type: task",
        ),
        (
            {"taskDefinition": "vpc"},
            "InvalidParameterException: Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        (
            {"taskDefinition": "web", "networkConfiguration": SUBNETS},
            "InvalidParameterException: Network Configuration is not valid for the given networkMode of this task definition.",
        ),
        (
            {"taskDefinition": "vpc", "networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}},
            "InvalidParameterException: subnets can not be empty.",
        ),
        (
            {
                "taskDefinition": "vpc",
                "launchType": "EC2",
                "networkConfiguration": {
                    "awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "ENABLED"}
                },
            },
            "InvalidParameterException: Assign public IP is not supported for this launch type.",
        ),
        (
            {
                "taskDefinition": "web",
                "launchType": "EC2",
                "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}],
            },
            "InvalidParameterException: Specifying both a launch type and capacity provider strategy is not supported. "
            "Remove one and try again.",
        ),
        (
            {"taskDefinition": "web", "overrides": {"containerOverrides": [{"name": "db"}]}},
            "InvalidParameterException: Override for container named db is not a container in the TaskDefinition.",
        ),
    ],
)
def test_what_ecs_refuses_is_refused_in_its_words(ecs, request_, refusal):
    ecs.register("web")
    ecs.register("vpc", **FARGATE)

    assert ecs.refused("RunTask", **request_) == refusal


def test_a_definition_that_fargate_does_not_take_is_refused_with_the_reasons(ecs):
    ecs.register()

    refusal = ecs.refused("RunTask", taskDefinition="web", launchType="FARGATE")

    head, *reasons = refusal.splitlines()
    assert head == "InvalidParameterException: Task definition does not support launch_type FARGATE."
    assert any("awsvpc" in reason for reason in reasons)


def test_on_fargate_a_task_has_a_platform_and_no_container_instance(ecs):
    ecs.register(**FARGATE)

    task = ecs.call(
        "RunTask",
        taskDefinition="web",
        launchType="FARGATE",
        networkConfiguration=SUBNETS,
        platformVersion="LATEST",
    )["tasks"][0]

    assert (task["launchType"], task["platformVersion"]) == ("FARGATE", "1.4.0")
    assert "containerInstanceArn" not in task
    details = {each["name"]: each["value"] for each in task["attachments"][0]["details"]}
    assert details["subnetId"] == "subnet-1"
    assert task["attributes"] == [{"name": "ecs.cpu-architecture", "value": "x86_64"}]


def test_overrides_reach_the_task_and_are_shown(ecs):
    ecs.register()
    container = {
        "name": "app",
        "command": ["echo", "hi"],
        "environment": [{"name": "A", "value": "1"}],
        "cpu": 10,
        "memory": 64,
        "memoryReservation": 32,
        "environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::bucket/a.env"}],
    }
    overrides = {
        "containerOverrides": [container],
        "cpu": "1 vCPU",
        "memory": "1GB",
        "taskRoleArn": "arn:aws:iam::444455556666:role/one",
    }

    task = ecs.call("RunTask", taskDefinition="web", overrides=overrides)["tasks"][0]

    plan = ecs.tasks[task["taskArn"].rpartition("/")[2]].plan
    ran = plan.containers[0].definition
    assert (ran.command, ran.cpu, ran.memory_mib) == (("echo", "hi"), 10, 64)
    assert (ran.memory_reservation_mib, ran.environment_files) == (32, ("arn:aws:s3:::bucket/a.env",))
    assert plan.containers[0].environment["A"] == "1"
    assert plan.definition.task_role_arn == "arn:aws:iam::444455556666:role/one"
    assert (task["cpu"], task["memory"]) == ("1024", "1024")
    assert task["overrides"]["containerOverrides"] == [container]
    assert task["overrides"]["cpu"] == "1 vCPU"


def test_a_letter_of_any_language_is_one_character_of_the_overrides(ecs):
    ecs.register()
    variable = {"name": "GREETING", "value": "ü" * 8000}

    ecs.run(overrides={"containerOverrides": [{"name": "app", "environment": [variable]}]})


def test_an_override_that_is_no_size_is_refused(ecs):
    ecs.register()

    refusal = ecs.refused("RunTask", taskDefinition="web", overrides={"cpu": "much"})

    assert refusal == "InvalidParameterException: overrides.cpu: 'much' is no size"


def test_an_override_that_no_definition_could_have_is_refused_without_its_value(ecs):
    ecs.register()
    variable = {"name": "TOKEN", "value": "s3c\0ret"}

    refusal = ecs.refused(
        "RunTask",
        taskDefinition="web",
        overrides={"containerOverrides": [{"name": "app", "environment": [variable]}]},
    )

    assert refusal.startswith(
        "ClientException: an override of container 'app': variable 'TOKEN' holds a character"
    )
    assert "s3c" not in refusal


def test_the_projects_images_and_variables_are_used(ecs):
    ecs.project = Project({"busybox": "local/busybox"}, {"REGION": "x", "app": {"B": "2"}, "db": {"C": "3"}})
    ecs.register()

    task_arn = ecs.run()

    container = ecs.tasks[task_arn.rpartition("/")[2]].plan.containers[0]
    assert container.image == "local/busybox"
    assert (container.environment["REGION"], container.environment["B"]) == ("x", "2")
    assert "C" not in container.environment


def test_a_slot_for_an_image_that_nobody_fills_is_refused(ecs):
    container = {"name": "app", "image": "<IMAGE1_NAME>", "memory": 128}
    ecs.register(containerDefinitions=[container])

    assert "is the unfilled slot" in ecs.refused("RunTask", taskDefinition="web")


@pytest.mark.parametrize(
    ("asked", "tags"),
    [
        ({}, []),
        ({"tags": [{"key": "a", "value": "1"}]}, [("a", "1")]),
        ({"propagateTags": "TASK_DEFINITION"}, [("a", "0"), ("b", "0")]),
        (
            {"propagateTags": "TASK_DEFINITION", "tags": [{"key": "a", "value": "1"}]},
            [("a", "1"), ("b", "0")],
        ),
        ({"enableECSManagedTags": True}, [("aws:ecs:clusterName", "default")]),
    ],
)
def test_a_task_has_the_tags_of_its_request_and_of_what_it_propagates(ecs, asked, tags):
    ecs.register(tags=[{"key": "a", "value": "0"}, {"key": "b", "value": "0"}])

    task_arn = ecs.run(**asked)

    shown = ecs.call("DescribeTasks", tasks=[task_arn], include=["TAGS"])["tasks"][0]["tags"]
    assert [(each["key"], each["value"]) for each in shown] == tags
    assert ecs.call("DescribeTasks", tasks=[task_arn])["tasks"][0]["tags"] == []


# --- clientToken


def test_a_request_with_the_same_token_runs_nothing_again(ecs):
    ecs.register()

    first = ecs.run(clientToken="t")
    again = ecs.run(clientToken="t")

    assert first == again
    assert len(ecs.orders) == 1


def test_another_request_with_the_same_token_is_a_conflict_that_names_the_tasks(ecs):
    ecs.register()
    first = ecs.run(clientToken="t")

    with pytest.raises(ApiError) as caught:
        ecs.raw("RunTask", {"taskDefinition": "web", "clientToken": "t", "count": 2})

    assert caught.value.code == "ConflictException"
    assert caught.value.members == {"resourceIds": [first]}


def test_a_token_is_another_in_another_cluster(ecs):
    ecs.register()
    ecs.call("CreateCluster", clusterName="blue")

    assert ecs.run(clientToken="t") != ecs.run(clientToken="t", cluster="blue")


# --- capacity providers


def providers(ecs, count, *strategy):
    asked = [
        {"capacityProvider": name, **({"weight": weight} if weight is not None else {}), "base": base}
        for name, weight, base in strategy
    ]
    request = {"taskDefinition": "web", "networkConfiguration": SUBNETS, "count": count}
    tasks = ecs.call("RunTask", capacityProviderStrategy=asked, **request)["tasks"]
    return [task["capacityProviderName"] for task in tasks]


def test_a_strategy_spreads_tasks_by_base_and_weight(ecs):
    ecs.register(**FARGATE)

    spread = providers(ecs, 10, ("FARGATE", 1, 2), ("FARGATE_SPOT", 3, 0))

    assert (spread.count("FARGATE"), spread.count("FARGATE_SPOT")) == (4, 6)


def test_a_single_provider_without_a_weight_takes_every_task(ecs):
    ecs.register(**FARGATE)

    assert providers(ecs, 2, ("FARGATE_SPOT", None, 0)) == ["FARGATE_SPOT", "FARGATE_SPOT"]


def test_a_provider_that_the_cluster_does_not_have_is_refused(ecs):
    ecs.register(**FARGATE)
    ecs.call("CreateCluster", clusterName="blue")

    refusal = ecs.refused(
        "RunTask",
        cluster="blue",
        taskDefinition="web",
        capacityProviderStrategy=[{"capacityProvider": "FARGATE"}],
    )

    assert refusal.startswith(
        "InvalidParameterException: The specified capacity provider strategy cannot contain "
    )


def test_the_clusters_own_strategy_counts_when_the_request_has_none(ecs):
    ecs.register(**FARGATE)
    ecs.call(
        "CreateCluster",
        clusterName="blue",
        capacityProviders=["FARGATE_SPOT"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
    )

    task = ecs.call("RunTask", cluster="blue", taskDefinition="web", networkConfiguration=SUBNETS)["tasks"][0]

    assert (task["capacityProviderName"], task["launchType"]) == ("FARGATE_SPOT", "FARGATE")


# --- StartTask


def test_start_task_runs_one_task_on_each_container_instance_that_is_there(ecs):
    ecs.register()

    answer = ecs.call(
        "StartTask", taskDefinition="web", containerInstances=[container_instance(ecs), "other"]
    )

    assert [task["launchType"] for task in answer["tasks"]] == ["EC2"]
    assert answer["failures"] == [{"arn": "other", "reason": "MISSING"}]


# --- StopTask


def test_a_task_is_stopped_with_a_reason(ecs):
    ecs.register()
    task_arn = ecs.run()

    task = ecs.call("StopTask", task=task_arn, reason="enough")["task"]

    assert (task["desiredStatus"], task["stopCode"]) == ("STOPPED", "UserInitiated")
    assert task["stoppedReason"] == "enough"
    assert ecs.orders[-1] == calls.StopTask(task_arn.rpartition("/")[2], "enough")


def test_a_task_that_is_stopped_without_a_reason_gets_the_one_of_ecs(ecs):
    ecs.register()

    assert ecs.call("StopTask", task=ecs.run())["task"]["stoppedReason"] == "Task stopped by user"


@pytest.mark.parametrize(
    ("reference", "refusal"),
    [
        ("f" * 32, "The referenced task was not found."),
        ("abc", "taskId length should be one of [32,36]"),
        (arn("cluster/default"), "Unsupported resource type: cluster"),
        (
            arn(f"task/blue/{'f' * 32}"),
            "Invalid identifier: Identifier is for cluster blue. Your cluster is default",
        ),
    ],
)
def test_a_task_that_is_not_there_cannot_be_stopped(ecs, reference, refusal):
    assert ecs.refused("StopTask", task=reference) == f"InvalidParameterException: {refusal}"


# --- DescribeTasks


def test_tasks_are_described_by_id_and_by_arn_and_missing_ones_are_failures(ecs):
    ecs.register()
    task_arn = ecs.run()

    answer = ecs.call("DescribeTasks", tasks=[task_arn, task_arn.rpartition("/")[2], "f" * 32])

    assert [task["taskArn"] for task in answer["tasks"]] == [task_arn, task_arn]
    assert answer["failures"] == [{"arn": arn(f"task/default/{'f' * 32}"), "reason": "MISSING"}]


def test_a_task_of_another_cluster_is_missing(ecs):
    ecs.register()
    ecs.call("CreateCluster", clusterName="blue")
    task_id = ecs.run(cluster="blue").rpartition("/")[2]

    assert ecs.call("DescribeTasks", tasks=[task_id])["tasks"] == []
    assert len(ecs.call("DescribeTasks", tasks=[task_id], cluster="blue")["tasks"]) == 1


def test_at_least_one_and_at_most_100_tasks_are_described(ecs):
    assert ecs.refused("DescribeTasks", tasks=[]) == "InvalidParameterException: Tasks cannot be empty."
    assert "100 at most" in ecs.refused("DescribeTasks", tasks=["f" * 32] * 101)


# --- ListTasks


def listed(ecs, **request):
    return ecs.call("ListTasks", **request)["taskArns"]


def test_tasks_are_listed_in_the_order_in_which_they_were_run(ecs):
    ecs.register()
    arns = [ecs.run() for _ in range(3)]

    first = ecs.call("ListTasks", maxResults=2)
    second = ecs.call("ListTasks", maxResults=2, nextToken=first["nextToken"])

    assert [*first["taskArns"], *second["taskArns"]] == arns
    assert "nextToken" not in second


def test_tasks_are_listed_by_the_status_that_is_desired_of_them(ecs):
    ecs.register()
    kept, stopped = ecs.run(), ecs.run()
    ecs.call("StopTask", task=stopped)

    assert listed(ecs) == listed(ecs, desiredStatus="RUNNING") == [kept]
    assert listed(ecs, desiredStatus="STOPPED") == [stopped]
    assert listed(ecs, desiredStatus="PENDING") == []


def test_each_filter_of_list_tasks_leaves_out_the_others(ecs):
    ecs.register("web")
    ecs.register("vpc", **FARGATE)
    plain = ecs.run("web", startedBy="me")
    fargate = ecs.run("vpc", networkConfiguration=SUBNETS)
    record = ecs.state.tasks[fargate.rpartition("/")[2]]
    of_service = replace(record, request=replace(record.request, group="service:api"))
    ecs.state = replace(ecs.state, tasks={**ecs.state.tasks, record.task_id: of_service})

    assert (
        listed(ecs, family="web") == listed(ecs, startedBy="me") == listed(ecs, launchType="EC2") == [plain]
    )
    assert listed(ecs, containerInstance=container_instance(ecs)) == [plain]
    assert listed(ecs, launchType="FARGATE") == listed(ecs, serviceName="api") == [fargate]
    assert listed(ecs, family="web", launchType="FARGATE") == []


def test_the_tasks_of_fixtures_are_listed_and_described_too(ecs):
    task_arn = ecs.adopt()

    assert listed(ecs) == [task_arn]
    assert "containerInstanceArn" in ecs.call("DescribeTasks", tasks=[task_arn])["tasks"][0]


# --- protection


def test_a_fixtures_task_can_be_protected_and_unprotected(ecs):
    task_arn = ecs.adopt()
    request = {"cluster": "default", "tasks": [task_arn]}

    protected = ecs.call("UpdateTaskProtection", protectionEnabled=True, expiresInMinutes=10, **request)

    expected = {"taskArn": task_arn, "protectionEnabled": True, "expirationDate": NOW + 600}
    assert protected["protectedTasks"] == [expected]
    assert ecs.call("GetTaskProtection", **request)["protectedTasks"] == [expected]
    ecs.call("UpdateTaskProtection", protectionEnabled=False, **request)
    shown = ecs.call("GetTaskProtection", cluster="default")["protectedTasks"]
    assert shown == [{"taskArn": task_arn, "protectionEnabled": False}]


def test_a_task_of_no_service_is_not_valid_for_protection(ecs):
    ecs.register()
    task_arn = ecs.run()

    answer = ecs.call("UpdateTaskProtection", cluster="default", tasks=[task_arn], protectionEnabled=True)

    assert answer["failures"] == [{"arn": task_arn, "reason": "TASK_NOT_VALID"}]
    assert answer["protectedTasks"] == []


@pytest.mark.parametrize("minutes", [0, 2881])
def test_protection_lasts_from_a_minute_to_two_days(ecs, minutes):
    refusal = ecs.refused(
        "UpdateTaskProtection",
        cluster="default",
        tasks=["0" * 32],
        protectionEnabled=True,
        expiresInMinutes=minutes,
    )

    assert refusal == "InvalidParameterException: expiresInMinutes must be between 1 and 2880"


# --- what cannot be started after all


def test_tasks_that_could_not_be_started_are_forgotten_with_their_tags_and_token(ecs):
    ecs.register()
    before = ecs.state
    task_arn = ecs.run(clientToken="t", tags=[{"key": "a", "value": "1"}])

    forgotten = ecs.state.without_tasks((task_arn.rpartition("/")[2],))

    assert (forgotten.tasks, forgotten.tags, forgotten.tokens) == (before.tasks, before.tags, before.tokens)


def test_a_launch_type_that_is_only_a_name_runs_as_ec2(ecs):
    ecs.register()

    task_arn = ecs.run(launchType="EXTERNAL")

    assert ecs.call("DescribeTasks", tasks=[task_arn])["tasks"][0]["launchType"] == "EXTERNAL"
    assert ecs.tasks[task_arn.rpartition("/")[2]].plan.launch_type is LaunchType.EC2


@pytest.mark.parametrize(("name", "value", "largest"), [("weight", 1001, 1000), ("base", -1, 100_000)])
def test_the_numbers_of_a_strategy_have_their_limits(ecs, name, value, largest):
    ecs.register(**FARGATE)
    strategy = [{"capacityProvider": "FARGATE", name: value}]

    refusal = ecs.refused(
        "RunTask", taskDefinition="web", networkConfiguration=SUBNETS, capacityProviderStrategy=strategy
    )

    assert refusal == f"InvalidParameterException: {name} is {value}; it is 0 to {largest}"

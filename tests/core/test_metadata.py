"""The documents of the task metadata endpoints, key by key, in the agent's order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from pytest_ecs_tasks.core.agent_environment import endpoint_id
from pytest_ecs_tasks.core.go import format_time
from pytest_ecs_tasks.core.metadata import Surroundings, Version, container_document, task_document
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import LaunchType
from pytest_ecs_tasks.core.spec import NetworkBinding
from simulation import TASK_ID, Behaviour, Simulation

TASK_ARN = f"arn:aws:ecs:us-east-1:123456789012:task/default/{TASK_ID}"


def wall(moment: float) -> datetime:
    return datetime.fromtimestamp(1_769_860_800 + moment, UTC)


AROUND = Surroundings(wall, "10.0.0.0/16", "10.0.0.1")


def simulate(network: str = "awsvpc", *, until: float = 2.0, **more: Any) -> Simulation:
    launch_type = more.pop("launch_type", None)
    web = {
        "name": "web",
        "image": "web:1",
        "memory": 64,
        "cpu": 10,
        "portMappings": [{"containerPort": 80}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-region": "us-east-1",
                "awslogs-group": "/web",
                "awslogs-stream-prefix": "ecs",
            },
        },
        "dockerLabels": {"team": "blue"},
        **more.pop("web", {}),
    }
    document = {
        "family": "web",
        "networkMode": network,
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [web, *more.pop("others", [])],
        **more.pop("task", {}),
    }
    simulation = Simulation(parse_task_definition(document, "test"), more.pop("behaviours", {}), launch_type)
    simulation.run(until=until)
    return simulation


def container(simulation: Simulation, version: Version = Version.V4, name: str = "web") -> dict[str, Any]:
    return container_document(simulation.task, simulation.container(name), version, AROUND)


def task(simulation: Simulation, version: Version = Version.V4) -> dict[str, Any]:
    return task_document(simulation.task, version, AROUND)


EC2_WEB = {
    "DockerId": "id-web",
    "Name": "web",
    "DockerName": "ecs-web-1-web-0123456789abcdef0123",
    "Image": "web:1",
    "ImageID": "id-web:1",
    "Labels": {
        "com.amazonaws.ecs.cluster": "default",
        "com.amazonaws.ecs.container-name": "web",
        "com.amazonaws.ecs.task-arn": TASK_ARN,
        "com.amazonaws.ecs.task-definition-family": "web",
        "com.amazonaws.ecs.task-definition-version": "1",
        "team": "blue",
    },
    "DesiredStatus": "RUNNING",
    "KnownStatus": "RUNNING",
    "Limits": {"CPU": 10, "Memory": 64},
    "CreatedAt": "2026-01-31T12:00:00.03Z",
    "StartedAt": "2026-01-31T12:00:00.13Z",
    "Type": "NORMAL",
    "LogDriver": "awslogs",
    "LogOptions": {
        "awslogs-group": "/web",
        "awslogs-region": "us-east-1",
        "awslogs-stream": f"ecs/web/{TASK_ID}",
    },
    "ContainerARN": TASK_ARN.replace(":task/", ":container/") + "/01234567-89ab-cdef-0123-456789ab0000",
    "Networks": [
        {
            "NetworkMode": "awsvpc",
            "IPv4Addresses": ["10.0.0.2"],
            "AttachmentIndex": 0,
            "IPv4SubnetCIDRBlock": "10.0.0.0/16",
            "PrivateDNSName": "ip-10-0-0-2.ec2.internal",
            "SubnetGatewayIpv4Address": "10.0.0.1/16",
        }
    ],
}


def test_a_container_on_ec2_in_version_4() -> None:
    document = container(simulate())

    assert document == EC2_WEB
    assert list(document) == list(EC2_WEB)


def test_versions_2_and_3_leave_out_what_version_4_added() -> None:
    document = container(simulate(), Version.V3)

    added = {"LogDriver", "LogOptions", "ContainerARN", "Networks"}
    old = {name: value for name, value in EC2_WEB.items() if name not in added}
    assert document == {**old, "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.0.2"]}]}
    assert container(simulate(), Version.V2) == document
    assert list(document)[-2:] == ["Type", "Networks"]


def test_a_task_on_ec2_lists_the_container_that_holds_its_network() -> None:
    document = task(simulate())

    containers = document.pop("Containers")
    assert document == {
        "Cluster": "default",
        "TaskARN": TASK_ARN,
        "Family": "web",
        "Revision": "1",
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": {"CPU": 0.25, "Memory": 512},
        "PullStartedAt": "2026-01-31T12:00:00Z",
        "PullStoppedAt": "2026-01-31T12:00:00.02Z",
        "AvailabilityZone": "us-east-1a",
        "LaunchType": "EC2",
        "FaultInjectionEnabled": False,
    }
    web, pause = containers
    assert web == EC2_WEB
    assert (pause["Name"], pause["Type"]) == ("~internal~ecs~pause", "CNI_PAUSE")
    assert (pause["DockerId"], pause["KnownStatus"]) == ("box-task", "RESOURCES_PROVISIONED")
    assert pause["DockerName"] == "ecs-web-1-internalecspause-0123456789abcdef0123"


@pytest.mark.parametrize(
    ("version", "order"),
    [
        (
            Version.V4,
            "Cluster TaskARN Family Revision DesiredStatus KnownStatus Limits PullStartedAt PullStoppedAt"
            " AvailabilityZone LaunchType Containers FaultInjectionEnabled",
        ),
        (
            Version.V3,
            "Cluster TaskARN Family Revision DesiredStatus KnownStatus Containers Limits PullStartedAt PullStoppedAt"
            " AvailabilityZone",
        ),
    ],
)
def test_a_tasks_keys_come_in_the_agents_order(version: Version, order: str) -> None:
    assert list(task(simulate(), version)) == order.split()


def test_fargate_has_ids_names_and_fields_of_its_own() -> None:
    simulation = simulate(launch_type=LaunchType.FARGATE, task={"ephemeralStorage": {"sizeInGiB": 30}})

    document = task(simulation)

    [web] = document["Containers"]
    identifier = endpoint_id(simulation.task.plan, "web")
    assert identifier.startswith(f"{TASK_ID}-")
    assert len(identifier) == 43
    assert (web["DockerId"], web["DockerName"], web["Snapshotter"]) == (identifier, "web", "overlayfs")
    assert web["Labels"]["com.amazonaws.ecs.cluster"] == document["Cluster"]
    assert document["Cluster"] == "arn:aws:ecs:us-east-1:123456789012:cluster/default"
    assert document["LaunchType"] == "FARGATE"
    assert document["EphemeralStorageMetrics"] == {"Utilized": 0, "Reserved": 30 * 1024}
    assert document["ClockDrift"]["ClockSynchronizationStatus"] == "SYNCHRONIZED"


def test_bridge_tells_ports_with_their_address_in_version_4_alone() -> None:
    simulation = simulate("bridge")
    binding = NetworkBinding("127.0.0.1", 80, 49153)
    published = replace(simulation.container("web"), network_bindings=(binding,))
    simulation.task = simulation.task.with_container(published)

    port = {"ContainerPort": 80, "Protocol": "tcp", "HostPort": 49153}
    assert container(simulation)["Ports"] == [{**port, "HostIp": "127.0.0.1"}]
    assert container(simulation, Version.V3)["Ports"] == [port]
    assert container(simulation)["Networks"] == [{"NetworkMode": "bridge", "IPv4Addresses": ["10.0.0.2"]}]
    assert "Networks" not in container(simulation, Version.V2)
    assert [each["Name"] for each in task(simulation)["Containers"]] == ["web"]


def test_host_networking_has_no_address_and_publishes_nothing() -> None:
    document = container(simulate("host"))

    assert document["Networks"] == [{"NetworkMode": "host", "IPv4Addresses": [""]}]
    assert "Ports" not in document


def test_a_container_that_waits_is_listed_as_pulled_in_version_4_alone() -> None:
    later = {
        "name": "later",
        "image": "later:1",
        "memory": 32,
        "dependsOn": [{"containerName": "web", "condition": "COMPLETE"}],
    }
    web = {"essential": False}
    simulation = simulate("bridge", web=web, others=[later])

    document = task(simulation)

    pulled = document["Containers"][1]
    assert pulled == {
        "DockerId": "",
        "Name": "later",
        "DockerName": "",
        "Image": "later:1",
        "ImageID": "id-later:1",
        "DesiredStatus": "RUNNING",
        "KnownStatus": "PULLED",
        "Limits": {"CPU": 2, "Memory": 32},
        "Type": "NORMAL",
        "ContainerARN": pulled["ContainerARN"],
    }
    assert document["KnownStatus"] == "NONE"
    assert [each["Name"] for each in task(simulation, Version.V3)["Containers"]] == ["web"]


def test_an_exit_code_of_zero_is_told() -> None:
    init = {"name": "init", "image": "init:1", "memory": 32, "essential": False}
    simulation = simulate(others=[init], behaviours={"init": Behaviour(exits_after=0.1)})

    document = container(simulation, name="init")

    assert (document["KnownStatus"], document["ExitCode"]) == ("STOPPED", 0)
    assert document["FinishedAt"] > document["StartedAt"]
    assert task(simulation)["KnownStatus"] == "RUNNING"


def test_a_stopping_task_tells_what_it_is_to_become() -> None:
    simulation = simulate(until=1, behaviours={"web": Behaviour(ignores_sigterm=True)})
    simulation.stop(at=2)
    simulation.run(until=3)

    document = task(simulation)

    assert (document["DesiredStatus"], document["KnownStatus"]) == ("STOPPED", "RUNNING")
    assert document["Containers"][0]["DesiredStatus"] == "STOPPED"


CHECK = {"healthCheck": {"command": ["CMD", "check"], "interval": 5, "retries": 1}}


def test_health_is_told_in_lower_case_and_without_a_status_while_it_is_unknown() -> None:
    unknown = simulate(web=CHECK, behaviours={"web": Behaviour(healthy_from=60)}, until=1)
    healthy = simulate(web=CHECK, until=1)
    unhealthy = simulate(web=CHECK, behaviours={"web": Behaviour(healthy_until=0)}, until=20)

    assert container(unknown)["Health"] == {}
    assert container(healthy)["Health"] == {"status": "HEALTHY", "statusSince": "2026-01-31T12:00:00.14Z"}
    assert container(unhealthy)["Health"]["status"] == "UNHEALTHY"
    assert container(unhealthy)["Health"]["exitCode"] == 1
    assert "Health" not in container(simulate())


def test_a_restart_count_is_told_where_there_is_a_restart_policy() -> None:
    simulation = simulate(web={"restartPolicy": {"enabled": True}})

    assert container(simulation)["RestartCount"] == 0
    assert "RestartCount" not in container(simulation, Version.V3)
    assert "RestartCount" not in container(simulate())


def test_volumes_are_told_by_name_or_by_path() -> None:
    volumes = [{"name": "scratch"}, {"name": "data", "host": {"sourcePath": "/srv/data"}}]
    mounts = [
        {"sourceVolume": "scratch", "containerPath": "/scratch"},
        {"sourceVolume": "data", "containerPath": "/data"},
    ]
    document = container(simulate(web={"mountPoints": mounts}, task={"volumes": volumes}))

    assert document["Volumes"] == [
        {"DockerName": "ecs-web-1-scratch-0123456789abcdef0123", "Destination": "/scratch"},
        {"Source": "/srv/data", "Destination": "/data"},
    ]


def test_a_stream_without_prefix_is_not_told() -> None:
    options = {"awslogs-region": "us-east-1", "awslogs-group": "/web"}
    document = container(simulate(web={"logConfiguration": {"logDriver": "awslogs", "options": options}}))

    assert document["LogOptions"] == options


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0.0, "2026-01-31T12:00:00Z"),
        (0.5, "2026-01-31T12:00:00.5Z"),
        (0.000123, "2026-01-31T12:00:00.000123Z"),
    ],
)
def test_times_are_written_as_go_does(moment: float, text: str) -> None:
    assert format_time(wall(moment)) == text

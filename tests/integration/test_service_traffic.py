"""Services behind load balancers and in Cloud Map: real containers, found by the AWS's own calls."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.control_plane import ControlPlane
from pytest_ecs_tasks.task import EcsTask
from service_registries import create_namespace, wait_steady
from tasks import PYTHON

# Answers 200, and 503 from the request for /break on.
SERVER = """
import http.server, os, signal
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    status = 200
    def do_GET(self):
        if self.path == "/break":
            Handler.status = 503
        self.send_response(Handler.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""


class Balanced:
    """A target group behind a load balancer's listener, and the service whose tasks are its targets."""

    def __init__(self, aws: Aws, mode: str) -> None:
        self.aws = aws
        self.ecs = aws.client("ecs")
        self.elb = aws.client("elbv2")
        self.mode = mode
        self.group = self._make_group()

    def _make_group(self) -> str:
        ec2 = self.aws.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        balancer = self.elb.create_load_balancer(Name="front", Subnets=[subnet])["LoadBalancers"][0]
        group: str = self.elb.create_target_group(
            Name="web",
            Protocol="HTTP",
            Port=80,
            VpcId=vpc,
            TargetType="ip" if self.mode == "awsvpc" else "instance",
            HealthCheckPath="/health",
        )["TargetGroups"][0]["TargetGroupArn"]
        forward = [{"Type": "forward", "TargetGroupArn": group}]
        arn = balancer["LoadBalancerArn"]
        self.elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=forward)
        return group

    def create(self, desired_count: int, **more: Any) -> None:
        container = {
            "name": "app",
            "image": PYTHON,
            "memory": 64,
            "command": ["python3", "-u", "-c", SERVER],
            "portMappings": [{"containerPort": 8080}],
        }
        self.ecs.register_task_definition(
            family="web", networkMode=self.mode, containerDefinitions=[container]
        )
        if self.mode == "awsvpc":
            more["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
        self.ecs.create_service(
            serviceName="web",
            taskDefinition="web",
            desiredCount=desired_count,
            loadBalancers=[{"targetGroupArn": self.group, "containerName": "app", "containerPort": 8080}],
            **more,
        )
        wait_steady(self.aws)

    def tasks(self) -> list[EcsTask]:
        """Return the tasks that are to run."""
        plane = self.aws.ecs
        assert isinstance(plane, ControlPlane)
        (service,) = plane.services.desk.services()
        tasks = [EcsTask(control) for control in plane.service_tasks(service.arn)]
        return [task for task in tasks if task.desired_status == "RUNNING"]

    def rows(self, **more: Any) -> list[dict[str, Any]]:
        answer = self.elb.describe_target_health(TargetGroupArn=self.group, **more)
        return answer["TargetHealthDescriptions"]  # type: ignore[no-any-return]

    def states(self) -> list[str]:
        return sorted(row["TargetHealth"]["State"] for row in self.rows())

    def messages(self) -> list[str]:
        events = self.ecs.describe_services(services=["web"])["services"][0]["events"]
        return [event["message"] for event in reversed(events)]


def break_it(task: EcsTask) -> None:
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(task.url("app", path="/break"), timeout=60)


def test_a_task_is_a_target_from_its_start_to_its_end_and_as_healthy_as_it_answers(aws: Aws) -> None:
    balanced = Balanced(aws, "awsvpc")

    balanced.create(1)
    (first,) = balanced.tasks()
    address = first.describe()["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    healthy = {
        "Target": {"Id": address, "Port": 8080},
        "HealthCheckPort": "8080",
        "TargetHealth": {"State": "healthy"},
    }
    assert balanced.rows() == [healthy]

    break_it(first)
    (row,) = balanced.rows()
    assert row["TargetHealth"] == {
        "State": "unhealthy",
        "Reason": "Target.ResponseCodeMismatch",
        "Description": "Health checks failed with these codes: [503]",
    }

    balanced.ecs.update_service(service="web", desiredCount=0)
    wait_steady(balanced.aws)
    assert balanced.rows() == []
    (gone,) = balanced.rows(Targets=[{"Id": address, "Port": 8080}])
    assert gone["TargetHealth"]["Reason"] == "Target.NotRegistered"
    group = f"in (target-group {balanced.group})"
    said = [message for message in balanced.messages() if "target" in message or "draining" in message]
    assert said == [
        f"(service web) registered 1 targets {group}",
        f"(service web) deregistered 1 targets {group}",
        "(service web) has begun draining connections on 1 tasks.",
    ]


def test_tasks_of_a_bridge_service_are_targets_and_instances_at_their_host_ports(aws: Aws) -> None:
    balanced = Balanced(aws, "bridge")
    cloud_map = aws.client("servicediscovery")
    namespace = create_namespace(cloud_map, "test")
    records = {"NamespaceId": namespace, "DnsRecords": [{"Type": "SRV", "TTL": 10}]}
    registry = cloud_map.create_service(Name="web", NamespaceId=namespace, DnsConfig=records)["Service"]
    place = {"registryArn": registry["Arn"], "containerName": "app", "containerPort": 8080}

    balanced.create(2, serviceRegistries=[place])

    ports = {task.containers["app"].network_bindings[0].host_port for task in balanced.tasks()}
    (instance_arn,) = balanced.ecs.list_container_instances()["containerInstanceArns"]
    described = balanced.ecs.describe_container_instances(containerInstances=[instance_arn])
    instance_id = described["containerInstances"][0]["ec2InstanceId"]
    targets = [row["Target"] for row in balanced.rows()]
    assert {target["Port"] for target in targets} == ports
    assert {target["Id"] for target in targets} == {instance_id}
    assert balanced.states() == ["healthy", "healthy"]
    instances = cloud_map.list_instances(ServiceId=registry["Id"])["Instances"]
    assert {each["Id"] for each in instances} == {task.task_id for task in balanced.tasks()}
    attributes = instances[0]["Attributes"]
    assert int(attributes["AWS_INSTANCE_PORT"]) in ports
    assert (attributes["ECS_SERVICE_NAME"], attributes["EC2_INSTANCE_ID"]) == ("web", instance_id)
    at = (attributes["AWS_INSTANCE_IPV4"], int(attributes["AWS_INSTANCE_PORT"]))
    assert at in {task.address("app") for task in balanced.tasks()}

    victim, kept = balanced.tasks()
    balanced.ecs.stop_task(task=victim.arn)
    ids = {each["Id"] for each in cloud_map.list_instances(ServiceId=registry["Id"])["Instances"]}
    assert victim.task_id not in ids  # before it is told to stop
    assert kept.task_id in ids
    assert victim.containers["app"].network_bindings[0].host_port not in {
        row["Target"]["Port"] for row in balanced.rows()
    }

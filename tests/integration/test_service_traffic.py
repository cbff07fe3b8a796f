"""Services behind load balancers and in Cloud Map: real containers, found as the AWS's own calls find them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.errors import UnsupportedFieldWarning
from tasks import PYTHON

SOON = {"Delay": 1, "MaxAttempts": 60}
# Answers /health with 200, from the request for /break on with 503.
SERVER = """
import http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
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


class Front:
    """A load balancer with one target group, and the service behind it."""

    def __init__(self, aws: Aws, mode: str) -> None:
        self.ecs = aws.client("ecs")
        self.elb = aws.client("elbv2")
        self.mode = mode
        ec2 = aws.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"][
                "SubnetId"
            ]
            for number, zone in enumerate(("us-east-1a", "us-east-1b"))
        ]
        balancer = self.elb.create_load_balancer(Name="front", Subnets=subnets)["LoadBalancers"][0]
        self.group = self.elb.create_target_group(
            Name="web",
            Protocol="HTTP",
            Port=80,
            VpcId=vpc,
            TargetType="ip" if mode == "awsvpc" else "instance",
            HealthCheckPath="/health",
            HealthCheckTimeoutSeconds=5,
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": self.group}],
        )

    def create(self, **more: Any) -> None:
        self.ecs.register_task_definition(
            family="web",
            networkMode=self.mode,
            containerDefinitions=[
                {
                    "name": "app",
                    "image": PYTHON,
                    "memory": 64,
                    "command": ["python3", "-u", "-c", SERVER],
                    "portMappings": [{"containerPort": 8080}],
                }
            ],
        )
        if self.mode == "awsvpc":
            more["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
        balancer = {"targetGroupArn": self.group, "containerName": "app", "containerPort": 8080}
        self.ecs.create_service(
            serviceName="web", taskDefinition="web", desiredCount=2, loadBalancers=[balancer], **more
        )

    def wait_stable(self) -> None:
        self.ecs.get_waiter("services_stable").wait(services=["web"], WaiterConfig=SOON)

    def rows(self) -> list[dict[str, Any]]:
        answer = self.elb.describe_target_health(TargetGroupArn=self.group)
        return answer["TargetHealthDescriptions"]  # type: ignore[no-any-return]

    def messages(self) -> list[str]:
        events = self.ecs.describe_services(services=["web"])["services"][0]["events"]
        return [event["message"] for event in reversed(events)]

    def running(self) -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(serviceName="web", desiredStatus="RUNNING")["taskArns"]
        return self.ecs.describe_tasks(tasks=arns)["tasks"]  # type: ignore[no-any-return]


def test_x(cluster: LocalCluster, aws: Aws) -> None:
    import time

    front = Front(aws, "awsvpc")
    front.create()
    front.wait_stable()
    t = time.time()
    print(front.rows(), time.time() - t)
    time.sleep(1)
    print(front.rows())
    print(front.messages())
    front.ecs.update_service(service="web", desiredCount=1)
    front.wait_stable()
    print(front.rows(), front.messages())

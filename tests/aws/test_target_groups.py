"""Target groups and service registries of a real moto, as the engine reads and fills them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.handle import Aws, AwsFactory
from pytest_ecs_tasks.aws.target_groups import ElbTargetGroups
from pytest_ecs_tasks.core.target_health import FAILED, HealthRow
from pytest_ecs_tasks.core.target_progress import CheckSchedule
from pytest_ecs_tasks.core.traffic import Target, TargetCheck, TargetGroup

pytestmark = pytest.mark.any_engine


@pytest.fixture
def groups(aws: Aws) -> ElbTargetGroups:
    return ElbTargetGroups(lambda: aws.endpoint_url)


def make_group(aws: Aws, *, listened: bool = True, **more: Any) -> str:
    """Make a target group of addresses, behind a listener if asked for."""
    ec2, elb = aws.client("ec2"), aws.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    request = {"Name": "web", "Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "ip", **more}
    arn: str = elb.create_target_group(**request)["TargetGroups"][0]["TargetGroupArn"]
    if listened:
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
        balancer = elb.create_load_balancer(Name="front", Subnets=[subnet])["LoadBalancers"][0]
        forward = [{"Type": "forward", "TargetGroupArn": arn}]
        elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80, DefaultActions=forward
        )
    return arn


def test_a_target_group_is_read_with_its_health_check(aws: Aws, groups: ElbTargetGroups) -> None:
    arn = make_group(
        aws,
        HealthCheckPath="/health",
        HealthCheckPort="9000",
        HealthCheckTimeoutSeconds=3,
        HealthCheckIntervalSeconds=7,
        UnhealthyThresholdCount=4,
        Matcher={"HttpCode": "200-299"},
    )

    check = TargetCheck("HTTP", "9000", "/health", "200-299", 3.0, CheckSchedule(7.0, 4))
    assert groups.find(arn) == TargetGroup(arn, "ip", balanced=True, check=check)


def test_a_target_group_without_a_listener_is_not_balanced(aws: Aws, groups: ElbTargetGroups) -> None:
    found = groups.find(make_group(aws, listened=False))

    assert found is not None
    assert not found.balanced


def test_a_target_group_that_is_not_there_is_none(aws: Aws, groups: ElbTargetGroups) -> None:
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/nothing/1"

    assert groups.find(arn) is None
    with pytest.raises(AwsCallError, match="TargetGroupNotFound"):
        groups.register(Target(arn, "10.0.0.1", 80, "web", 80))


def test_a_target_is_registered_and_no_longer(aws: Aws, groups: ElbTargetGroups) -> None:
    arn = make_group(aws)
    target = Target(arn, "10.0.0.1", 8080, "web", 8080)
    elb = aws.client("elbv2")

    groups.register(target)
    (row,) = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    groups.deregister(target)

    assert row["Target"] == {"Id": "10.0.0.1", "Port": 8080}
    assert elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"] == []


class HealthEcs:
    """An ECS that answers DescribeTargetHealth with a row of its own and what moto says besides."""

    def __init__(self, groups: ElbTargetGroups) -> None:
        self._groups = groups
        self.asked: list[str] = []

    def call(self, operation: str, request: Any, region: str | None) -> Any:
        raise AssertionError(operation)

    def describe_target_health(self, body: bytes, signature: str) -> tuple[int, bytes]:
        answer = self._groups.describe_health(body, signature)
        self.asked.append(answer.group_arn)
        if answer.status != 200:
            return answer.status, answer.content
        ours = HealthRow("10.0.0.7", 80, "80", FAILED)
        return 200, self._groups.write_health((*answer.rows, ours))


@pytest.mark.parametrize("through_a_front", [False, True])
def test_how_targets_are_is_asked_of_our_ecs_which_asks_moto(
    factory: AwsFactory, through_a_front: bool
) -> None:
    from pytest_ecs_tasks.aws.front import Front
    from pytest_ecs_tasks.endpoints.ecs_api import EcsApiServer

    server = EcsApiServer()
    here: dict[str, str] = {}
    ecs = HealthEcs(ElbTargetGroups(lambda: here["url"]))
    ecs_url = server.add(ecs)
    child = factory.moto().spawn("123456789012", None if through_a_front else ecs_url)
    front = Front(child.endpoint_url, ecs_url) if through_a_front else None
    here["url"] = front.endpoint_url if front else child.endpoint_url
    user = AwsFactory(url=here["url"])
    try:
        aws = user.new()
        arn = make_group(aws)
        elb = aws.client("elbv2")
        elb.register_targets(TargetGroupArn=arn, Targets=[{"Id": "10.0.0.1"}])

        rows = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]

        assert [(row["Target"]["Id"], row["TargetHealth"]["State"]) for row in rows] == [
            ("10.0.0.1", "healthy"),
            ("10.0.0.7", "unhealthy"),
        ]
        assert rows[1]["TargetHealth"]["Reason"] == "Target.FailedHealthChecks"
        named = elb.describe_target_health(TargetGroupArn=arn, Targets=[{"Id": "10.0.0.1", "Port": 81}])
        assert named["TargetHealthDescriptions"][0]["Target"] == {"Id": "10.0.0.1", "Port": 81}
        with pytest.raises(elb.exceptions.TargetGroupNotFoundException):
            elb.describe_target_health(TargetGroupArn=f"{arn}0")
        assert ecs.asked == [arn, arn, f"{arn}0"]
    finally:
        if front is not None:
            front.stop()
        child.stop()
        server.close()

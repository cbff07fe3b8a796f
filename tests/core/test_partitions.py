"""Which part of AWS a region is in."""

from __future__ import annotations

import botocore.session
import pytest

from ecs_world import ACCOUNT, EcsWorld
from pytest_ecs_tasks.core.api.state import EcsState
from pytest_ecs_tasks.core.partitions import partition_of

SESSION = botocore.session.Session()
REGIONS = [
    (region, partition)
    for partition in SESSION.get_available_partitions()
    for region in SESSION.get_available_regions("sts", partition)
]


def test_every_region_that_botocore_knows_is_in_its_partition():
    assert {region: partition_of(region) for region, _ in REGIONS} == dict(REGIONS)


@pytest.mark.parametrize(("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")])
def test_arns_are_of_their_regions_partition(region, partition):
    ecs = EcsWorld(EcsState(region, ACCOUNT))
    definition = ecs.register()

    task = ecs.call("RunTask", taskDefinition=definition)["tasks"][0]

    head = f"arn:{partition}:ecs:{region}:{ACCOUNT}:"
    for name in ("taskArn", "taskDefinitionArn", "clusterArn", "containerInstanceArn"):
        assert task[name].startswith(head)
    assert task["containers"][0]["containerArn"].startswith(head)
    assert ecs.call("DescribeTasks", tasks=[task["taskArn"]])["failures"] == []

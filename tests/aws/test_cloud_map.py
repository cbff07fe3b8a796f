"""Service registries of the test's AWS, as the engine uses them, and what their names mean."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.aws.cloud_map import CloudMap
from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.core.cloud_map import NamedInstance, NamedService, Zone
from pytest_ecs_tasks.core.traffic import Instance, Registry
from service_registries import create_namespace


@pytest.fixture
def cloud_map(aws: Aws) -> CloudMap:
    return CloudMap(aws.api)


def make_registry(aws: Aws) -> dict[str, Any]:
    client = aws.client("servicediscovery")
    namespace = create_namespace(client, "test")
    records = {"NamespaceId": namespace, "DnsRecords": [{"Type": "A", "TTL": 10}]}
    made: dict[str, Any] = client.create_service(Name="web", NamespaceId=namespace, DnsConfig=records)
    return made["Service"]  # type: ignore[no-any-return]


def test_a_service_registry_is_read_with_its_records(aws: Aws, cloud_map: CloudMap) -> None:
    arn = make_registry(aws)["Arn"]

    found = cloud_map.find(arn)

    assert found == Registry(arn, "web", frozenset({"A"}))
    assert found.resolves
    assert cloud_map.find(f"{arn}x") is None


def test_an_instance_is_registered_and_no_longer(aws: Aws, cloud_map: CloudMap) -> None:
    registry = make_registry(aws)
    client = aws.client("servicediscovery")
    instance = Instance(registry["Arn"], "task-1", {"AWS_INSTANCE_IPV4": "10.0.0.1"})

    cloud_map.register(instance)
    (found,) = client.discover_instances(NamespaceName="test", ServiceName="web")["Instances"]
    cloud_map.deregister(instance)

    assert (found["InstanceId"], found["Attributes"]) == ("task-1", {"AWS_INSTANCE_IPV4": "10.0.0.1"})
    assert client.list_instances(ServiceId=registry["Id"])["Instances"] == []


def test_a_name_is_found_with_the_instances_that_it_stands_for(aws: Aws, cloud_map: CloudMap) -> None:
    registry = make_registry(aws)
    client = aws.client("servicediscovery")
    for number in (1, 2):
        attributes = {"AWS_INSTANCE_IPV4": f"10.0.0.{number}"}
        client.register_instance(ServiceId=registry["Id"], InstanceId=f"i{number}", Attributes=attributes)
    client.update_instance_custom_health_status(ServiceId=registry["Id"], InstanceId="i2", Status="UNHEALTHY")

    zone = cloud_map.find_zone("Web.test", "us-east-1")

    instances = (
        NamedInstance("i1", {"AWS_INSTANCE_IPV4": "10.0.0.1"}),
        NamedInstance("i2", {"AWS_INSTANCE_IPV4": "10.0.0.2"}, healthy=False),
    )
    service = NamedService(registry["Arn"], "web.test", {"A": 10}, instances=instances)
    assert zone == Zone("test", service)
    assert cloud_map.find_zone("i1.web.test", "us-east-1") == zone


def test_a_name_without_a_service_is_in_its_namespace_alone(aws: Aws, cloud_map: CloudMap) -> None:
    make_registry(aws)

    assert cloud_map.find_zone("other.test", "us-east-1") == Zone("test", None)
    assert cloud_map.find_zone("web.example.com", "us-east-1") is None
    assert cloud_map.find_zone("web.test", "eu-west-1") is None


def test_a_namespace_says_how_a_name_is_routed_and_how_long_it_is_missing(
    aws: Aws, cloud_map: CloudMap
) -> None:
    client = aws.client("servicediscovery")
    start = {"DnsProperties": {"SOA": {"TTL": 5}}}
    operation = client.create_public_dns_namespace(Name="example.com", Properties=start)["OperationId"]
    namespace = client.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
    records = [{"Type": "SRV", "TTL": 30}, {"Type": "A", "TTL": 10}]
    dns = {"NamespaceId": namespace, "RoutingPolicy": "WEIGHTED", "DnsRecords": records}
    client.create_service(Name="web", DnsConfig=dns)

    zone = cloud_map.find_zone("web.example.com", "us-east-1")

    assert zone is not None
    assert zone.negative_ttl == 5
    assert zone.service is not None
    assert (zone.service.weighted, zone.service.ttls) == (True, {"SRV": 30, "A": 10})


def test_services_of_namespaces_with_the_same_name_are_all_found(aws: Aws, cloud_map: CloudMap) -> None:
    client = aws.client("servicediscovery")
    for number in (1, 2):
        namespace = create_namespace(client, "test", f"vpc-{number}")
        dns = {"DnsRecords": [{"Type": "A", "TTL": 10}]}
        client.create_service(Name=f"web{number}", NamespaceId=namespace, DnsConfig=dns)

    for number in (1, 2):
        zone = cloud_map.find_zone(f"web{number}.test", "us-east-1")
        assert zone is not None
        assert zone.service is not None
        assert zone.service.name == f"web{number}.test"


def test_an_http_namespace_has_no_dns(aws: Aws, cloud_map: CloudMap) -> None:
    client = aws.client("servicediscovery")
    client.create_http_namespace(Name="test")

    assert cloud_map.find_zone("web.test", "us-east-1") is None

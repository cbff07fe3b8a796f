"""Service registries of the test's AWS: Cloud Map, called by the engine for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.json_api import JsonApi
from pytest_ecs_tasks.core.cloud_map import NEGATIVE_TTL_S, NamedInstance, NamedService, Zone, find_zone
from pytest_ecs_tasks.core.traffic import Instance, Registry

_CLOUD_MAP = "servicediscovery:Route53AutoNaming_v20170314"


class CloudMap:
    """The services of one AWS's Cloud Map. Every method may be called from any thread."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    def find(self, arn: str) -> Registry | None:
        """Return a service registry as it is now; ``None`` for one that is not there. Raises :class:`AwsCallError`."""
        region = _region(arn)
        try:
            service = self._call("GetService", region, {"Id": _service_id(arn)})["Service"]
        except AwsCallError as error:
            if error.code == "ServiceNotFound":
                return None
            raise
        dns = service.get("DnsConfig") or {}
        return Registry(
            arn,
            service["Name"],
            record_types=frozenset(record["Type"] for record in dns.get("DnsRecords") or ()),
        )

    def register(self, instance: Instance) -> None:
        """Register an instance. Raises :class:`AwsCallError`."""
        arn = instance.registry_arn
        request = {
            "ServiceId": _service_id(arn),
            "InstanceId": instance.instance_id,
            "CreatorRequestId": instance.instance_id,
            "Attributes": dict(instance.attributes),
        }
        self._call("RegisterInstance", _region(arn), request)

    def deregister(self, instance: Instance) -> None:
        """Register an instance no longer. Raises :class:`AwsCallError`."""
        arn = instance.registry_arn
        request = {"ServiceId": _service_id(arn), "InstanceId": instance.instance_id}
        self._call("DeregisterInstance", _region(arn), request)

    def find_zone(self, name: str, region: str) -> Zone | None:
        """Return the namespace in whose DNS a name is, as it is now; ``None`` when there is none.

        The VPC of a private namespace does not matter. Raises :class:`AwsCallError`.
        """
        pages = self._pages("ListNamespaces", region, {})
        namespaces = {each["Id"]: each for page in pages for each in page["Namespaces"]}
        domains = {key: each["Name"] for key, each in namespaces.items() if each["Type"] != "HTTP"}
        found = find_zone(name, domains)
        if found is None:
            return None
        properties = namespaces[found].get("Properties", {}).get("DnsProperties") or {}
        ttl = (properties.get("SOA") or {}).get("TTL") or NEGATIVE_TTL_S
        return Zone(domains[found], self._find_service(name, found, domains[found], region), ttl)

    def _find_service(self, name: str, namespace_id: str, namespace: str, region: str) -> NamedService | None:
        pages = self._pages("ListServices", region, {})
        services = {
            each["Id"]: (f"{each['Name']}.{namespace}", each)
            for page in pages
            for each in page["Services"]
            if _namespace_id(each) == namespace_id
        }
        found = find_zone(name, {key: domain for key, (domain, _) in services.items()})
        if found is None:
            return None
        domain, service = services[found]
        dns = service.get("DnsConfig") or {}
        return NamedService(
            service["Arn"],
            domain,
            {record["Type"]: int(record["TTL"]) for record in dns.get("DnsRecords") or ()},
            weighted=dns.get("RoutingPolicy") == "WEIGHTED",
            instances=tuple(self._find_instances(found, region)),
        )

    def _find_instances(self, service_id: str, region: str) -> Iterator[NamedInstance]:
        request = {"ServiceId": service_id}
        states: dict[str, str] = {}
        for page in self._pages("GetInstancesHealthStatus", region, request):
            states |= page["Status"]
        for page in self._pages("ListInstances", region, request):
            for each in page["Instances"]:
                healthy = states.get(each["Id"]) != "UNHEALTHY"
                yield NamedInstance(each["Id"], each["Attributes"], healthy)

    def _pages(self, operation: str, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        return self._api.pages(f"{_CLOUD_MAP}.{operation}", region, request)

    def _call(self, operation: str, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._api.call(f"{_CLOUD_MAP}.{operation}", region, request)


def _namespace_id(service: Mapping[str, Any]) -> str | None:
    return service.get("NamespaceId") or (service.get("DnsConfig") or {}).get("NamespaceId")


def _service_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def _region(arn: str) -> str:
    return (arn.split(":") + [""] * 4)[3]

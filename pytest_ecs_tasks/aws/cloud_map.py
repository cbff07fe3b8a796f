"""Service registries of the test's AWS: Cloud Map, called by the engine for itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.joined_calls import JoinedCalls
from pytest_ecs_tasks.aws.json_api import JsonApi
from pytest_ecs_tasks.core.cloud_map import NEGATIVE_TTL_S, NamedInstance, NamedService, Zone, find_domain
from pytest_ecs_tasks.core.traffic import Instance, Registry

_CLOUD_MAP = "servicediscovery:Route53AutoNaming_v20170314"


class CloudMap:
    """The services of one AWS's Cloud Map. Every method may be called from any thread."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api
        self._lists: JoinedCalls[list[Any]] = JoinedCalls()

    def find(self, arn: str) -> Registry | None:
        """Return a service registry as it is now; ``None`` for one that is not there. Raises :class:`AwsCallError`."""
        region = _region(arn)
        try:
            service = self._call("GetService", region, {"Id": _service_id(arn)})["Service"]
        except AwsCallError as error:
            if error.code == "ServiceNotFound":
                return None
            raise
        return Registry(arn, service["Name"], frozenset(_ttls(service)))

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
        found = self._list("ListNamespaces", "Namespaces", region)
        namespaces = {each["Id"]: each for each in found if each["Type"] != "HTTP"}
        domain = find_domain(name, (each["Name"] for each in namespaces.values()))
        if domain is None:
            return None
        # Namespaces of several VPCs may have the same name.
        ids = [key for key, each in namespaces.items() if each["Name"].lower() == domain.lower()]
        properties = namespaces[ids[0]].get("Properties", {}).get("DnsProperties") or {}
        ttl = (properties.get("SOA") or {}).get("TTL") or NEGATIVE_TTL_S
        return Zone(domain, self._find_service(name, ids, domain, region), ttl)

    def _find_service(
        self, name: str, namespace_ids: Collection[str], domain: str, region: str
    ) -> NamedService | None:
        found = self._list("ListServices", "Services", region)
        services = {
            f"{each['Name']}.{domain}": each for each in found if _namespace_id(each) in namespace_ids
        }
        service_name = find_domain(name, services)
        if service_name is None:
            return None
        service = services[service_name]
        return NamedService(
            service["Arn"],
            service_name,
            _ttls(service),
            weighted=_dns(service).get("RoutingPolicy") == "WEIGHTED",
            instances=tuple(self._find_instances(service["Id"], region)),
        )

    def _find_instances(self, service_id: str, region: str) -> Iterator[NamedInstance]:
        states = dict(self._list("GetInstancesHealthStatus", "Status", region, service_id))
        for each in self._list("ListInstances", "Instances", region, service_id):
            healthy = states.get(each["Id"]) != "UNHEALTHY"
            yield NamedInstance(each["Id"], each["Attributes"], healthy)

    def _list(self, operation: str, member: str, region: str, service_id: str | None = None) -> list[Any]:
        """Return a member of all pages of an answer as one list: elements, or pairs. Look-ups at the same time share it."""

        def list_all() -> list[Any]:
            request = {} if service_id is None else {"ServiceId": service_id}
            pages = self._api.pages(f"{_CLOUD_MAP}.{operation}", region, request)
            members = (page[member] for page in pages)
            return [item for each in members for item in (each.items() if isinstance(each, dict) else each)]

        return self._lists.make((operation, region, service_id), list_all)

    def _call(self, operation: str, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._api.call(f"{_CLOUD_MAP}.{operation}", region, request)


def _dns(service: Mapping[str, Any]) -> Mapping[str, Any]:
    return service.get("DnsConfig") or {}


def _ttls(service: Mapping[str, Any]) -> dict[str, int]:
    """Return the TTL in seconds of each type of record."""
    return {record["Type"]: int(record.get("TTL", 0)) for record in _dns(service).get("DnsRecords") or ()}


def _namespace_id(service: Mapping[str, Any]) -> str | None:
    return service.get("NamespaceId") or _dns(service).get("NamespaceId")


def _service_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def _region(arn: str) -> str:
    return (arn.split(":") + [""] * 4)[3]

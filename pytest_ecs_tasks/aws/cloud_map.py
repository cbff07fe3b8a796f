"""Service registries of the test's AWS: Cloud Map, called by the engine for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.json_api import JsonApi
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
            namespace=self._find_namespace(service.get("NamespaceId") or dns.get("NamespaceId"), region),
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

    def _find_namespace(self, namespace_id: str | None, region: str) -> str:
        if namespace_id is None:
            return ""
        try:
            name: str = self._call("GetNamespace", region, {"Id": namespace_id})["Namespace"]["Name"]
        except AwsCallError:
            return ""  # its name is for a warning's text alone
        return name

    def _call(self, operation: str, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._api.call(f"{_CLOUD_MAP}.{operation}", region, request)


def _service_id(arn: str) -> str:
    return arn.rpartition("/")[2]


def _region(arn: str) -> str:
    return (arn.split(":") + [""] * 4)[3]

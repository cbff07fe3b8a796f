"""What the DNS of Cloud Map's namespaces answers. Pure: what is registered comes in, records go out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MOST_ANSWERS = 8
"""Records in one answer of a service with multivalue routing. Source: Cloud Map API, DnsConfig, RoutingPolicy."""

ADDRESSES = {"A": "AWS_INSTANCE_IPV4", "AAAA": "AWS_INSTANCE_IPV6"}
"""The attribute of an instance that a record of each type has. Source: Cloud Map API, RegisterInstance, Attributes."""

PORT = "AWS_INSTANCE_PORT"

NEGATIVE_TTL_S = 15
"""For how long a name that does not exist may be remembered, where its namespace does not say."""


@dataclass(frozen=True, slots=True)
class NamedInstance:
    """An instance of a service, as it is registered now."""

    instance_id: str
    attributes: Mapping[str, str]
    healthy: bool = True


@dataclass(frozen=True, slots=True)
class NamedService:
    """A service with DNS records. ``ttls`` in seconds by record type; ``weighted``: one instance at a time is told of."""

    arn: str
    name: str
    ttls: Mapping[str, int]
    weighted: bool = False
    instances: tuple[NamedInstance, ...] = ()


@dataclass(frozen=True, slots=True)
class Zone:
    """A namespace with DNS, and the service that a name asked for belongs to. ``negative_ttl`` in seconds."""

    namespace: str
    service: NamedService | None
    negative_ttl: int = NEGATIVE_TTL_S


@dataclass(frozen=True, slots=True)
class Record:
    """A DNS record, its data as a zone file has it; ``ttl`` in seconds."""

    name: str
    kind: str
    ttl: int
    data: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a nameserver says of a name. ``exists``: there are records of some type; ``additional`` belong to ``records``."""

    exists: bool
    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()


Choose = Callable[[Sequence[NamedInstance], int], Sequence[NamedInstance]]
"""Chooses so many of the instances at random."""


def find_domain(name: str, domains: Iterable[str]) -> str | None:
    """Return the domain that a name is in: of those that it ends with, the most exact."""
    return max((domain for domain in domains if is_within(name, domain)), key=len, default=None)


def is_within(name: str, domain: str) -> bool:
    """Tell whether a name is a domain's or in it; both without the dot of the root."""
    name, domain = name.lower(), domain.lower()
    return name == domain or name.endswith("." + domain)


def find_answer(name: str, kind: str, zone: Zone, choose: Choose) -> Answer:
    """Return what is said of a name that is in the zone.

    A service without instances has no records, so that its name does not exist. Of the instances only healthy ones are
    told of, unless none is. With SRV records every instance has a name of its own.
    """
    if name.lower() == zone.namespace.lower():
        return Answer(exists=True)
    service = zone.service
    if service is None or not service.instances or not service.ttls:
        return Answer(exists=False)
    if name.lower() == service.name.lower():
        healthy = [each for each in service.instances if each.healthy] or service.instances
        told = choose(healthy, 1 if service.weighted else MOST_ANSWERS)
        return _answer_service(name, kind, service, told)
    if "SRV" in service.ttls:
        for instance in service.instances:
            if name.lower() == _own_name(instance, service).lower():
                ttl = service.ttls["SRV"]
                kinds = [kind] if kind in ADDRESSES else []
                return Answer(True, tuple(_addresses(name, [instance], dict.fromkeys(kinds, ttl))))
    return Answer(exists=False)


def _answer_service(name: str, kind: str, service: NamedService, told: Sequence[NamedInstance]) -> Answer:
    if kind not in service.ttls:
        return Answer(exists=True)
    ttl = service.ttls[kind]
    if kind != "SRV":
        return Answer(True, tuple(_addresses(name, told, {kind: ttl})))
    records: list[Record] = []
    additional: list[Record] = []
    for instance in told:
        if PORT in instance.attributes:
            host = _own_name(instance, service)
            # Source: Cloud Map API, DnsRecord, Type: priority and weight are 1.
            records.append(Record(name, "SRV", ttl, f"1 1 {instance.attributes[PORT]} {host}."))
            additional += _addresses(host, [instance], dict.fromkeys(ADDRESSES, ttl))
    return Answer(True, tuple(records), tuple(additional))


def _own_name(instance: NamedInstance, service: NamedService) -> str:
    return f"{instance.instance_id}.{service.name}"


def _addresses(name: str, instances: Sequence[NamedInstance], ttls: Mapping[str, int]) -> Iterator[Record]:
    for kind, ttl in ttls.items():
        attribute = ADDRESSES.get(kind, "")
        for instance in instances:
            if attribute in instance.attributes:
                yield Record(name, kind, ttl, instance.attributes[attribute])

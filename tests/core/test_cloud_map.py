"""What the DNS of a namespace answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pytest_ecs_tasks.core.cloud_map import (
    Answer,
    NamedInstance,
    NamedService,
    Record,
    Zone,
    find_answer,
    find_domain,
)


def instance(number: int, *, healthy: bool = True, port: str = "80") -> NamedInstance:
    attributes = {"AWS_INSTANCE_IPV4": f"10.0.0.{number}", "AWS_INSTANCE_PORT": port}
    return NamedInstance(f"i{number}", attributes, healthy)


def zone(*instances: NamedInstance, kinds: Sequence[str] = ("A",), weighted: bool = False) -> Zone:
    ttls = dict.fromkeys(kinds, 60)
    return Zone("shop.internal", NamedService("arn", "api.shop.internal", ttls, weighted, instances))


def first(among: Sequence[NamedInstance], most: int) -> Sequence[NamedInstance]:
    return among[:most]


def ask(zone: Zone, name: str = "api.shop.internal", kind: str = "A") -> Answer:
    return find_answer(name, kind, zone, first)


def told(answer: Answer) -> list[str]:
    return [record.data for record in answer.records]


def test_every_instance_has_an_address_record() -> None:
    answer = ask(zone(instance(1), instance(2)))

    assert answer == Answer(
        True,
        (
            Record("api.shop.internal", "A", 60, "10.0.0.1"),
            Record("api.shop.internal", "A", 60, "10.0.0.2"),
        ),
    )


def test_a_name_is_answered_as_it_was_asked() -> None:
    (record,) = ask(zone(instance(1)), "API.Shop.internal").records

    assert record.name == "API.Shop.internal"


@pytest.mark.parametrize(
    ("healthy", "expected"),
    [((True, False), ["10.0.0.1"]), ((False, False), ["10.0.0.1", "10.0.0.2"])],
    ids=["one is", "none is"],
)
def test_only_healthy_instances_are_told_of_unless_none_is(
    healthy: tuple[bool, bool], expected: list[str]
) -> None:
    first, second = (instance(number, healthy=each) for number, each in enumerate(healthy, 1))

    assert told(ask(zone(first, second))) == expected


@pytest.mark.parametrize(("weighted", "count"), [(False, 8), (True, 1)])
def test_so_many_of_many_instances_are_told_of(weighted: bool, count: int) -> None:
    many = [instance(number) for number in range(1, 11)]

    assert len(ask(zone(*many, weighted=weighted)).records) == count


@pytest.mark.parametrize("kind", ["AAAA", "SRV", "TXT"])
def test_a_name_has_records_of_its_service_s_types_alone(kind: str) -> None:
    assert ask(zone(instance(1)), kind=kind) == Answer(exists=True)


def test_an_ipv6_address_is_a_record_of_its_own_type() -> None:
    six = replace(instance(1), attributes={"AWS_INSTANCE_IPV6": "fd00::1"})

    assert told(ask(zone(six, kinds=["A", "AAAA"]), kind="AAAA")) == ["fd00::1"]
    assert ask(zone(six, kinds=["A", "AAAA"])) == Answer(exists=True)


def test_an_srv_record_names_an_instance_whose_address_comes_along() -> None:
    answer = ask(zone(instance(1, port="32768"), kinds=["SRV"]), kind="SRV")

    assert answer.records == (Record("api.shop.internal", "SRV", 60, "1 1 32768 i1.api.shop.internal."),)
    assert answer.additional == (Record("i1.api.shop.internal", "A", 60, "10.0.0.1"),)


def test_an_instance_has_a_name_of_its_own_where_there_are_srv_records() -> None:
    srv = zone(instance(1), instance(2), kinds=["SRV"])

    assert told(ask(srv, "i2.api.shop.internal")) == ["10.0.0.2"]
    assert ask(srv, "i2.api.shop.internal", "TXT") == Answer(exists=True)
    assert ask(srv, "i3.api.shop.internal") == Answer(exists=False)
    assert ask(zone(instance(1)), "i1.api.shop.internal") == Answer(exists=False)


def test_an_instance_without_a_port_has_no_srv_record() -> None:
    portless = replace(instance(1), attributes={"AWS_INSTANCE_IPV4": "10.0.0.1"})

    assert ask(zone(portless, kinds=["SRV"]), kind="SRV") == Answer(exists=True)


def test_a_name_without_instances_does_not_exist_and_the_namespace_s_does() -> None:
    assert ask(zone()) == Answer(exists=False)
    assert ask(zone(instance(1), kinds=[])) == Answer(exists=False)
    assert ask(Zone("shop.internal", None)) == Answer(exists=False)
    assert ask(Zone("shop.internal", None), "Shop.internal") == Answer(exists=True)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("api.shop.internal", "shop.internal"),
        ("SHOP.INTERNAL", "shop.internal"),
        ("api.eu.shop.internal", "EU.shop.internal"),
        ("workshop.internal", None),
        ("internal", None),
    ],
)
def test_a_name_is_in_the_most_exact_domain_that_it_ends_with(name: str, found: str | None) -> None:
    assert find_domain(name, ["shop.internal", "EU.shop.internal"]) == found

"""Queries and answers as they are on the wire."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import pytest

from pytest_ecs_tasks.core.cloud_map import Answer, Record, Zone
from pytest_ecs_tasks.endpoints.names import answer_query

ZONE = Zone("shop.internal", None)


def ask(
    answer: Answer, name: str = "api.shop.internal", kind: str = "A", size: int | None = None
) -> dns.message.Message:
    """Ask for a name and return the answer."""
    query = dns.message.make_query(name, kind, use_edns=size is not None, payload=size)
    wire = answer_query(query.to_wire(), lambda name, kind: (ZONE, answer))
    assert wire is not None
    response = dns.message.from_wire(wire)
    assert query.is_response(response)
    return response


def test_an_answer_has_the_records_and_is_no_referral() -> None:
    response = ask(Answer(True, tuple(Record("api.shop.internal", "A", 60, f"10.0.0.{n}") for n in (1, 2))))

    (rrset,) = response.answer
    assert sorted(rrset.to_text().splitlines()) == [  # the order on the wire is random
        "api.shop.internal. 60 IN A 10.0.0.1",
        "api.shop.internal. 60 IN A 10.0.0.2",
    ]
    assert response.rcode() == dns.rcode.NOERROR
    assert response.flags & dns.flags.RA
    assert response.authority == []


@pytest.mark.parametrize(("exists", "code"), [(True, dns.rcode.NOERROR), (False, dns.rcode.NXDOMAIN)])
def test_what_is_not_there_comes_with_how_long_that_holds(exists: bool, code: dns.rcode.Rcode) -> None:
    response = ask(Answer(exists))

    assert (response.rcode(), response.answer) == (code, [])
    (authority,) = response.authority
    assert authority.name.to_text() == "shop.internal."
    assert authority.ttl == authority[0].minimum == 15


def test_an_srv_record_comes_with_its_host_s_address() -> None:
    response = ask(
        Answer(
            True,
            (Record("api.shop.internal", "SRV", 60, "1 1 80 i1.api.shop.internal."),),
            (Record("i1.api.shop.internal", "A", 60, "10.0.0.1"),),
        ),
        kind="SRV",
    )

    assert response.answer[0].to_text() == "api.shop.internal. 60 IN SRV 1 1 80 i1.api.shop.internal."
    assert response.additional[0].to_text() == "i1.api.shop.internal. 60 IN A 10.0.0.1"


def test_what_is_no_record_does_not_keep_the_others_away() -> None:
    values = ["nonsense", "10.0.0.1"]
    addresses = ask(Answer(True, tuple(Record("api.shop.internal", "A", 60, value) for value in values)))
    hosts = ["x" * 64, "i 1", 'i"1', "i1"]
    services = ask(
        Answer(
            True,
            tuple(Record("api.shop.internal", "SRV", 60, f"1 1 80 {host}.") for host in hosts),
            tuple(Record(host, "A", 60, "10.0.0.1") for host in hosts),
        ),
        kind="SRV",
    )

    assert addresses.answer[0].to_text() == "api.shop.internal. 60 IN A 10.0.0.1"
    assert services.answer[0].to_text() == "api.shop.internal. 60 IN SRV 1 1 80 i1."


@pytest.mark.parametrize(("size", "fewer"), [(None, True), (1232, False)])
def test_an_answer_is_no_longer_than_who_asks_takes(size: int | None, fewer: bool) -> None:
    hosts = [f"{n:032x}.api.shop.internal" for n in range(8)]
    answer = Answer(
        True,
        tuple(Record("api.shop.internal", "SRV", 60, f"1 1 80 {host}.") for host in hosts),
        tuple(Record(host, "A", 60, "10.0.0.1") for host in hosts),
    )

    response = ask(answer, kind="SRV", size=size)

    assert len(response.to_wire()) <= (size or 512)
    assert (len(response.answer[0]) < len(hosts)) is fewer
    assert len(response.answer[0]) > 5


def test_who_asks_is_told_of_names_as_a_test_knows_them() -> None:
    asked: list[tuple[str, str]] = []

    def find(name: str, kind: str) -> None:
        asked.append((name, kind))

    query = dns.message.make_query("Api.Shop.internal.", "AAAA")

    assert answer_query(query.to_wire(), find) is None
    assert asked == [("Api.Shop.internal", "AAAA")]


@pytest.mark.parametrize(
    "query",
    [
        b"",
        bytes(12),
        b"\xff" * 40,
        dns.message.make_query("api.shop.internal", "A", rdclass="CH").to_wire(),
        dns.message.make_response(dns.message.make_query("api.shop.internal", "A")).to_wire(),
    ],
    ids=["empty", "no question", "noise", "another class", "a response"],
)
def test_what_is_no_question_about_a_name_is_left_to_the_nameserver(query: bytes) -> None:
    assert answer_query(query, lambda name, kind: (ZONE, Answer(exists=True))) is None

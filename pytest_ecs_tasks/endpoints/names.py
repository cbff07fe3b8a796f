"""DNS messages: what a container asks of its nameserver, and our answer."""

from __future__ import annotations

from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from pytest_ecs_tasks.core.cloud_map import Answer, Record, Zone

PLAIN_SIZE = 512  # bytes of a message by UDP to who names no other size (RFC 1035, 4.2.1)

Find = Callable[[str, str], tuple[Zone, Answer] | None]
"""Returns what is said of a name and record type, and by which zone; ``None`` for a name of none."""


def answer_query(message: bytes, find: Find) -> bytes | None:
    """Return the answer to a query; ``None`` for one that is not for us: another's name, or no question about a name.

    An answer that is too long for who asks loses its last records, as one of several values may.
    """
    try:
        query = dns.message.from_wire(message)
    except dns.exception.DNSException:
        return None
    if query.flags & dns.flags.QR or query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
        return None
    (question,) = query.question
    if question.rdclass != dns.rdataclass.IN:
        return None
    found = find(question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype))
    if found is None:
        return None
    zone, answer = found
    size = query.payload if query.edns >= 0 else PLAIN_SIZE
    return _write(query, zone, answer, max(size, PLAIN_SIZE))


def _write(query: dns.message.Message, zone: Zone, answer: Answer, size: int) -> bytes:
    records, additional = list(answer.records), list(answer.additional)
    while True:
        response = dns.message.make_response(query, recursion_available=True)
        response.set_rcode(dns.rcode.NOERROR if answer.exists else dns.rcode.NXDOMAIN)
        _add(response, response.answer, records)
        _add(response, response.additional, additional)
        if not answer.records:
            _add(response, response.authority, [_start_of_authority(zone)])
        try:
            return response.to_wire(max_size=size)
        except dns.exception.TooBig:
            (additional or records).pop()


def _add(response: dns.message.Message, section: list[dns.rrset.RRset], records: list[Record]) -> None:
    for record in records:
        try:
            made = dns.rrset.from_text(record.name + ".", record.ttl, "IN", record.kind, record.data)
        except (dns.exception.DNSException, ValueError):
            continue  # moto takes addresses and ids that Cloud Map refuses
        rrset = response.find_rrset(section, made.name, made.rdclass, made.rdtype, create=True)
        rrset.update_ttl(record.ttl)
        for data in made:
            rrset.add(data)


def _start_of_authority(zone: Zone) -> Record:
    """Return what tells for how long there is no such record. Source: Route 53 developer guide, SOA-NSrecords."""
    text = f"ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 {zone.negative_ttl}"
    return Record(zone.namespace, "SOA", zone.negative_ttl, text)

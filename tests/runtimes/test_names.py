"""Names that a sandbox has answered by this process, in the namespaces that the pool makes, on a real engine."""

from __future__ import annotations

import json
import threading

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from namespaces import AWSVPC, BRIDGE, Namespaces
from pytest_ecs_tasks.core.plan import SandboxPlan

OURS = "db.shop.internal."

LOOK_UP = """
import json, socket, sys
def look_up(name):
    try: return sorted({each[4][0] for each in socket.getaddrinfo(name, 80, socket.AF_INET)})
    except OSError as error: return type(error).__name__
"""


def resolve(query: bytes) -> bytes | None:
    """Answer what is asked of our name."""
    message = dns.message.from_wire(query)
    if message.question[0].name.to_text() != OURS:
        return None
    response = dns.message.make_response(message)
    if message.question[0].rdtype == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(OURS, 60, "IN", "A", "10.9.8.7"))
    return response.to_wire()


@pytest.mark.parametrize("plan", [AWSVPC, BRIDGE], ids=["awsvpc", "bridge"])
def test_a_name_of_ours_is_answered_by_us_and_others_by_the_engine(
    namespaces: Namespaces, plan: SandboxPlan
) -> None:
    sandbox, neighbour = namespaces.make(plan), namespaces.make(plan)
    sandbox.serve_names(resolve)
    names = ["db.shop.internal", "DB.shop.internal", neighbour.container_id[:12], "no.such.internal"]
    ask = f"print(json.dumps([look_up(name) for name in {names!r}]))"

    answers = json.loads(next(namespaces.start(sandbox, LOOK_UP + ask)))

    assert answers == [["10.9.8.7"], "gaierror", [neighbour.address], "gaierror"]


def test_names_are_served_in_a_namespace_that_has_asked_before(namespaces: Namespaces) -> None:
    sandbox = namespaces.make(AWSVPC)
    ask = """
print(json.dumps(look_up("db.shop.internal")))
while look_up("db.shop.internal") == "gaierror": pass
print(json.dumps(look_up("db.shop.internal")))
"""
    written = namespaces.start(sandbox, LOOK_UP + ask)

    before = json.loads(next(written))
    sandbox.serve_names(resolve)
    after = json.loads(next(written))

    assert before == "gaierror"
    assert after == ["10.9.8.7"]


def test_a_port_that_has_asked_before_is_answered_by_us(namespaces: Namespaces) -> None:
    sandbox = namespaces.make(AWSVPC)
    ask = """
lines = open("/etc/resolv.conf").read().splitlines()
server = next(line.split()[1] for line in lines if line.startswith("nameserver"))
name = b"".join(bytes([len(part)]) + part.encode() for part in "db.shop.internal".split("."))
asks = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asks.settimeout(20)
asks.connect((server, 53))
while True:
    asks.send(bytes([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + name + bytes([0, 0, 1, 0, 1]))
    print(asks.recv(500)[7], flush=True)
    if look_up("db.shop.internal") != "gaierror": break
asks.send(bytes([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + name + bytes([0, 0, 1, 0, 1]))
print("now", asks.recv(500)[7])
"""
    written = namespaces.start(sandbox, LOOK_UP + ask)
    assert next(written) == "0"

    sandbox.serve_names(resolve)

    assert next(line for line in written if line.startswith("now")) == "now 1"


def test_the_engine_s_names_outlive_this_process(namespaces: Namespaces) -> None:
    sandbox, neighbour = namespaces.make(AWSVPC), namespaces.make(AWSVPC)
    sandbox.serve_names(resolve)
    names = [neighbour.container_id[:12], "db.shop.internal"]

    sandbox.close()

    ask = f"print(json.dumps([look_up(name) for name in {names!r}]))"
    answers = json.loads(next(namespaces.start(sandbox, LOOK_UP + ask)))
    assert answers == [[neighbour.address], "gaierror"]


def test_names_that_are_asked_all_at_once_are_all_answered(namespaces: Namespaces) -> None:
    def resolve_slowly(query: bytes) -> bytes | None:
        threading.Event().wait(0.01)
        return resolve(query)

    sandbox = namespaces.make(AWSVPC)
    sandbox.serve_names(resolve_slowly)
    ask = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(200) as pool: answers = list(pool.map(look_up, ["db.shop.internal"] * 400))
print(json.dumps(sorted({json.dumps(each) for each in answers})))
"""
    assert json.loads(next(namespaces.start(sandbox, LOOK_UP + ask))) == ['["10.9.8.7"]']


def test_an_answer_that_is_late_reaches_who_has_asked(namespaces: Namespaces) -> None:
    asked, go = threading.Event(), threading.Event()

    def resolve_late(query: bytes) -> bytes | None:
        asked.set()
        go.wait(60)
        return resolve(query)

    sandbox = namespaces.make(AWSVPC)
    sandbox.serve_names(resolve_late)
    written = namespaces.start(sandbox, LOOK_UP + 'print(json.dumps(look_up("db.shop.internal")))')
    assert asked.wait(60)

    go.set()

    assert json.loads(next(written)) == ["10.9.8.7"]


def test_a_resolver_that_fails_leaves_the_name_to_the_engine(namespaces: Namespaces) -> None:
    def fail(query: bytes) -> bytes | None:
        raise RuntimeError("no AWS")

    sandbox, neighbour = namespaces.make(AWSVPC), namespaces.make(AWSVPC)
    sandbox.serve_names(fail)
    name = neighbour.container_id[:12]

    assert json.loads(next(namespaces.start(sandbox, f"{LOOK_UP}print(json.dumps(look_up({name!r})))"))) == [
        neighbour.address
    ]

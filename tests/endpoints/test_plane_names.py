"""When a task's names begin to resolve, and where they lead from inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dns.message
import pytest

from pytest_ecs_tasks.clusters.plane_names import PlaneNames
from pytest_ecs_tasks.core.cloud_map import NamedInstance, NamedService, Zone
from pytest_ecs_tasks.core.traffic import Instance, Place
from pytest_ecs_tasks.engine.ports import EngineError, Resolve
from pytest_ecs_tasks.runtimes.sandbox.link import LinkError

ARN = "arn:aws:servicediscovery:us-east-1:123456789012:service/srv-1"
REGISTERED = {"AWS_INSTANCE_IPV4": "127.0.0.1", "AWS_INSTANCE_PORT": "32768"}


class Registries:
    """A Cloud Map in which one task is registered."""

    def __init__(self, attributes: Mapping[str, str] = REGISTERED) -> None:
        self._attributes = attributes
        self.asked: list[tuple[str, str]] = []

    def find_zone(self, name: str, region: str) -> Zone:
        self.asked.append((name, region))
        instances = (NamedInstance("task-1", self._attributes),)
        return Zone("test", NamedService(ARN, "web.test", {"A": 10, "SRV": 10}, instances=instances))


class Namespace:
    """A namespace that takes what is to answer its queries, or fails to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure
        self.resolve: Resolve | None = None

    def serve_names(self, resolve: Resolve) -> None:
        if self._failure is not None:
            raise self._failure
        self.resolve = resolve

    def ask(self, kind: str = "A") -> list[str]:
        assert self.resolve is not None
        answer = self.resolve(dns.message.make_query("web.test", kind).to_wire())
        assert answer is not None
        return [data.to_text() for rrset in dns.message.from_wire(answer).answer for data in rrset]


def names(registries: Any = None) -> PlaneNames:
    return PlaneNames(registries or Registries())


def attach(names: PlaneNames, sandbox: Any, region: str = "us-east-1") -> None:
    names.attach(sandbox, region)


def test_nothing_is_served_before_there_is_an_instance() -> None:
    plane, early, late = names(), Namespace(), Namespace()

    attach(plane, early)
    assert early.resolve is None
    plane.add(Instance(ARN, "task-1", REGISTERED))
    attach(plane, late)

    assert early.ask() == late.ask() == ["127.0.0.1"]


def test_a_name_leads_to_where_other_tasks_reach_it() -> None:
    plane, sandbox = names(), Namespace()
    attach(plane, sandbox)
    instance = Instance(ARN, "task-1", REGISTERED, inside=Place("172.20.0.5", 8080))

    plane.add(instance)

    assert sandbox.ask() == ["172.20.0.5"]
    assert sandbox.ask("SRV") == ["1 1 8080 task-1.web.test."]


def test_a_task_s_names_are_those_of_its_region() -> None:
    registries, sandbox = Registries(), Namespace()
    plane = names(registries)
    plane.add(Instance(ARN, "task-1", REGISTERED))

    attach(plane, sandbox, "eu-west-1")
    sandbox.ask()

    assert registries.asked == [("web.test", "eu-west-1")]


def test_a_task_that_is_ending_does_not_keep_the_others_from_names() -> None:
    plane, ending, running = names(), Namespace(LinkError("the link is closed")), Namespace()
    attach(plane, ending)
    attach(plane, running)

    plane.add(Instance(ARN, "task-1", REGISTERED))

    assert running.ask() == ["127.0.0.1"]


def test_a_namespace_that_cannot_have_names_is_an_error() -> None:
    plane = names()
    sandbox = Namespace(EngineError("no NAT"))
    attach(plane, sandbox)

    with pytest.raises(EngineError, match="no NAT"):
        plane.add(Instance(ARN, "task-1", REGISTERED))
    with pytest.raises(EngineError, match="no NAT"):
        plane.add(Instance(ARN, "task-1", REGISTERED))  # it is tried again
    with pytest.raises(EngineError, match="no NAT"):
        attach(plane, Namespace(EngineError("no NAT")))

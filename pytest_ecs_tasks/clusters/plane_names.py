"""The names of one ECS's services in its tasks: the DNS of the AWS's Cloud Map."""

from __future__ import annotations

import contextlib
import random
import threading
import weakref
from dataclasses import replace

from pytest_ecs_tasks.core.cloud_map import ADDRESSES, PORT, Answer, NamedInstance, Zone, find_answer
from pytest_ecs_tasks.core.traffic import Instance, Place
from pytest_ecs_tasks.engine.aws_ports import ServiceRegistries
from pytest_ecs_tasks.engine.ports import Sandbox
from pytest_ecs_tasks.runtimes.sandbox.link import LinkError


class PlaneNames:
    """Answers DNS queries of tasks; from the first instance of a service on, and costs nothing before.

    ``registries`` is asked at every query, so that whatever is registered there resolves at once. Every method may be
    called from any thread.
    """

    def __init__(self, registries: ServiceRegistries) -> None:
        self._registries = registries
        self._lock = threading.Lock()
        self._waiting: weakref.WeakKeyDictionary[Sandbox, str] = weakref.WeakKeyDictionary()
        # Kept when an instance goes: who has just read Cloud Map must not see it from outside.
        self._inside: dict[tuple[str, str], Place] = {}
        self._is_active = False

    def attach(self, sandbox: Sandbox, region: str) -> None:
        """Have the names of a region resolve in a namespace, now or as soon as there are any.

        Raises :class:`~pytest_ecs_tasks.engine.ports.EngineError`.
        """
        with self._lock:
            is_active = self._is_active
            if not is_active:
                self._waiting[sandbox] = region
        if is_active:
            self._serve(sandbox, region)

    def add(self, instance: Instance) -> None:
        """Take an instance that is to be registered. Raises :class:`~pytest_ecs_tasks.engine.ports.EngineError`."""
        with self._lock:
            if instance.inside is not None:
                self._inside[instance.registry_arn, instance.instance_id] = instance.inside
            waiting = list(self._waiting.items())
            self._is_active = True
        for sandbox, region in waiting:
            with contextlib.suppress(LinkError):  # its task is ending
                self._serve(sandbox, region)
            with self._lock:
                self._waiting.pop(sandbox, None)

    def _serve(self, sandbox: Sandbox, region: str) -> None:
        from pytest_ecs_tasks.endpoints.names import answer_query

        sandbox.serve_names(
            lambda query: answer_query(query, lambda name, kind: self._find(name, kind, region))
        )

    def _find(self, name: str, kind: str, region: str) -> tuple[Zone, Answer] | None:
        zone = self._registries.find_zone(name, region)
        if zone is None:
            return None
        if zone.service is not None:
            arn = zone.service.arn
            instances = tuple(self._seen_from_inside(arn, each) for each in zone.service.instances)
            zone = replace(zone, service=replace(zone.service, instances=instances))
        return zone, find_answer(
            name, kind, zone, lambda among, most: random.sample(among, min(most, len(among)))
        )

    def _seen_from_inside(self, arn: str, instance: NamedInstance) -> NamedInstance:
        with self._lock:
            place = self._inside.get((arn, instance.instance_id))
        if place is None:
            return instance
        attributes = {**instance.attributes, ADDRESSES["A"]: place.address}
        if place.port is not None:
            attributes[PORT] = str(place.port)
        return replace(instance, attributes=attributes)

"""Removing everything with a label from an engine, in rounds until nothing is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from pytest_ecs_tasks.engine.ports import ContainerFacts, EngineError
from pytest_ecs_tasks.runtimes.owner import KEEP_LABEL, SANDBOX_LABEL

ROUNDS = 12
PAUSE_S = 0.1
PARALLEL_CALLS = 8


class SweptEngine(Protocol):
    """The calls to an engine that a sweep makes. ``members_first``: a sandbox goes only after its members."""

    members_first: bool

    def list_containers(self, label: str) -> tuple[ContainerFacts, ...]:
        """List the containers that bear ``label``."""
        ...

    def list_labelled(self, kind: str, label: str, *, kept: bool) -> tuple[str, ...]:
        """List ``networks`` or ``volumes`` that bear ``label``."""
        ...

    def remove_container(self, container_id: str) -> None:
        """Kill and remove a container."""
        ...

    def remove_volume(self, name: str) -> None:
        """Remove a volume."""
        ...

    def remove_network(self, network_id: str) -> None:
        """Remove a network."""
        ...


class Sweep:
    """One sweep of one label. ``wait`` waits that many seconds and tells whether the sweep must end."""

    def __init__(self, engine: SweptEngine, label: str, *, kept: bool, wait: Callable[[float], bool]) -> None:
        self._engine = engine
        self._label = label
        self._kept = kept
        self._wait = wait
        self._failures: list[EngineError] = []

    def run(self) -> int:
        """Remove everything; return how many things there were. Raises :class:`EngineError` if some could not go."""
        removed: set[str] = set()
        for number in range(ROUNDS):
            self._failures.clear()
            found = self._round()
            removed |= found
            if not found:
                return len(removed)
            # What is being removed at this moment still holds its network.
            if self._failures and self._wait(PAUSE_S * number):
                break
        if self._failures:
            raise EngineError(
                f"not everything with the label {self._label} could be removed: {self._failures[-1]}"
            )
        return len(removed)

    def _round(self) -> set[str]:
        engine, label = self._engine, self._label
        listed = engine.list_containers(label)
        meant = [item for item in listed if self._kept or KEEP_LABEL not in item.labels]
        last = [item.container_id for item in meant if engine.members_first and SANDBOX_LABEL in item.labels]
        containers = [item.container_id for item in meant if item.container_id not in last]
        with ThreadPoolExecutor(PARALLEL_CALLS, thread_name_prefix="ecs-tasks/sweep") as executor:
            self._remove(executor, engine.remove_container, containers)
            # The last one goes alone: of containers that go at once each sees the others on the network's bridge, and
            # the machine keeps the bridge (netavark 1.4).
            self._remove(executor, engine.remove_container, last[:-1])
            self._remove(executor, engine.remove_container, last[-1:])
            volumes = engine.list_labelled("volumes", label, kept=self._kept)
            networks = engine.list_labelled("networks", label, kept=self._kept)
            self._remove(executor, engine.remove_volume, volumes)
            self._remove(executor, engine.remove_network, networks)
        return {*containers, *last, *volumes, *networks}

    def _remove(
        self, executor: ThreadPoolExecutor, remove: Callable[[str], None], names: Sequence[str]
    ) -> None:
        for future in [executor.submit(remove, name) for name in names]:
            try:
                future.result()
            except EngineError as error:
                self._failures.append(error)

"""The fake runtime's images: which are there, which can be pulled, how their containers behave."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pytest_ecs_tasks.engine.ports import EngineError, ImageFacts
from pytest_ecs_tasks.testing.fake_containers import Script


class FakeImages:
    """The images by name. ``registry`` names those that can be pulled. Its owner sees to threads."""

    def __init__(self, registry: Iterable[str]) -> None:
        self._registry = set(registry)
        self._facts: dict[str, ImageFacts] = {}
        self._scripts: dict[str, Script] = {}

    def add(self, reference: str, script: Script | None = None) -> ImageFacts:
        """Make an image; without a script its containers behave as they did before, if they did."""
        digest = hashlib.sha256(reference.encode()).hexdigest()
        from_registry = f"sha256:{digest[::-1]}" if reference in self._registry else None
        facts = self._facts[reference] = ImageFacts(f"sha256:{digest}", digest=from_registry)
        if script is not None:
            self._scripts[facts.image_id] = script
        return facts

    def pull(self, reference: str) -> None:
        """Make an image that is in the registry; raises EngineError for another."""
        if reference not in self._registry:
            raise EngineError(f"manifest for {reference} not found: manifest unknown", status=404)
        self.add(reference)

    def find(self, reference: str) -> ImageFacts | None:
        """Return an image by name or id."""
        return self._facts.get(reference) or self.find_by_id(reference)

    def find_by_id(self, image_id: str) -> ImageFacts | None:
        """Return an image by its id alone."""
        return next((facts for facts in self._facts.values() if facts.image_id == image_id), None)

    def names(self) -> tuple[str, ...]:
        """Return the names of all images."""
        return tuple(sorted(self._facts))

    def script(self, image: ImageFacts) -> Script:
        """Return how the containers of an image behave."""
        return self._scripts.get(image.image_id, Script())

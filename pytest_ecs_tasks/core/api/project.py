"""What the project has its tasks run with, whoever starts them: images of its own, and further variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.plan import mapped_image
from pytest_ecs_tasks.core.taskdef import TaskDefinition


@dataclass(frozen=True, slots=True)
class Project:
    """The values of the fixtures ``ecs_images`` and ``ecs_environment``."""

    images: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, object] = field(default_factory=dict, repr=False)

    def images_for(self, definition: TaskDefinition) -> dict[str, str]:
        """Return the image to run for each container that has another than its own."""
        found = {each.name: mapped_image(each, self.images) for each in definition.containers}
        return {name: image for name, image in found.items() if image}

    def environment_for(self, definition: TaskDefinition) -> dict[str, dict[str, str]]:
        """Return the variables to add to each container; one that stands beside the containers' names is for all."""
        names = [each.name for each in definition.containers]
        result: dict[str, dict[str, str]] = {}
        for key, value in self.environment.items():
            if isinstance(value, Mapping):
                if key in names:
                    result.setdefault(key, {}).update({str(name): str(text) for name, text in value.items()})
            else:
                for name in names:
                    result.setdefault(name, {}).setdefault(key, str(value))
        return result

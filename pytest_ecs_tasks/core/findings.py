"""One broken rule, as the rules hand it on."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_ecs_tasks.core.document import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule and its place.

    ``needs`` are other places that it was judged by: where one of those could not be read, the finding says
    nothing.
    """

    path: Path
    message: str
    needs: tuple[Path, ...] = ()

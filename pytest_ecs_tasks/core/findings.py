"""What the rules find, as they hand it on."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.errors import Severity

EVERY = "*"  # in the place of an index of ``needs``: whichever container


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken rule and its place; ``code`` is the rule's in :mod:`pytest_ecs_tasks.core.codes`.

    ``needs`` are other places that it was judged by: where one of those could not be read, the finding says
    nothing.
    """

    path: Path
    code: str
    message: str
    needs: tuple[Path, ...] = ()
    severity: Severity = Severity.ERROR

"""Services checked against the API's own model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ecs_model import check, ecs_model

EPOCH = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def wall(moment: float) -> datetime:
    """Turn engine seconds into wall time."""
    return EPOCH + timedelta(seconds=moment)


def check_service(view: Mapping[str, object]) -> None:
    """Fail unless the view is a Service of the API, with no member that it does not have."""
    check(view, ecs_model().shape_for("Service"), "the service")

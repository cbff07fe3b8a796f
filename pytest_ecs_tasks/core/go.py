"""What Go reads and writes otherwise than Python: the ECS agent and Docker are written in it."""

from __future__ import annotations

from datetime import UTC, datetime

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def parse_bool(text: str) -> bool | None:
    """Return a truth value as ``strconv.ParseBool`` reads it; ``None`` for what it refuses."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


def format_time(moment: datetime) -> str:
    """Return a time as Go writes it into JSON: UTC, without the zeros at the end of its fraction."""
    whole, _, fraction = (
        moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds").partition(".")
    )
    digits = fraction.rstrip("0")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"

"""The task's cpu and memory, which ECS takes as numbers and as text with a unit."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[0-9]{1,9}")
_CPU = re.compile(r"([0-9]{0,6}\.?[0-9]{1,6})\s*vcpu", re.IGNORECASE)
_MEMORY = re.compile(r"([0-9]{0,6}\.?[0-9]{1,6})\s*gb", re.IGNORECASE)


def parse_cpu(text: str) -> int | None:
    """Return CPU units for ``256``, ``1 vCPU`` or ``.25 vcpu``; ``None`` for anything else."""
    return _parse(text, _CPU)


def parse_memory(text: str) -> int | None:
    """Return MiB for ``512``, ``0.5GB`` or ``2 gb``; ``None`` for anything else."""
    return _parse(text, _MEMORY)


def parse_port_range(text: str) -> tuple[int, int] | None:
    """Return the first and last port of ``8000-8010``; ``None`` for anything else."""
    found = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", text.strip())
    return (int(found.group(1)), int(found.group(2))) if found else None


def _parse(text: str, with_unit: re.Pattern[str]) -> int | None:
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return int(text)
    found = with_unit.fullmatch(text)
    return round(float(found.group(1)) * 1024) if found else None

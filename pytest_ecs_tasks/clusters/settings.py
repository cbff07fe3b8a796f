"""How the local cluster works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The words are those of the options. ``direct`` ``False`` never uses the engine's network from this process."""

    engine: str = "auto"
    pull: str = "missing"
    health: str = "fast"
    strict: bool = False
    keep: str = "never"
    host: str | None = None
    aws: str = "server"
    region: str = "us-east-1"
    account_id: str = "123456789012"
    worker: str = ""
    direct: bool | None = None

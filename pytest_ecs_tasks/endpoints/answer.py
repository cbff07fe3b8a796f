"""What a request asks and what it gets: values, without a socket in sight."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``source`` is the address that it comes from, ``target`` its path and query as they were sent.

    ``headers`` have lower-case names. Paths lead to credentials, so no repr shows them.
    """

    method: str
    path: str = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    source: str = ""
    target: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Stream(Protocol):
    """A connection that has ceased to be HTTP."""

    def receive(self) -> bytes:
        """Return what has come; empty at its end."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of it. Raises OSError when the client has gone away."""
        ...

    def close(self) -> None:
        """End it, from any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``body`` may hold credentials.

    With status 101, ``takes_over`` is called with the connection once the head is out; the connection ends when it returns.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    takes_over: Callable[[Stream], None] | None = field(default=None, repr=False)


Handle = Callable[[Request], Answer]


def json_answer(status: int, document: object) -> Answer:
    """Return a document as the agent writes it."""
    return Answer(status, encode_json(document), (("Content-Type", "application/json"),))


def encode_json(document: object) -> bytes:
    """Return JSON as Go's encoder writes it: compact, whole floats without a fraction, HTML's signs escaped."""
    text = json.dumps(_plain(document), separators=(",", ":"), ensure_ascii=False)
    return text.translate(_ESCAPED).encode()


def _plain(value: object) -> object:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return value


def not_found() -> Answer:
    """Return the answer of Go's router to a path that it does not know."""
    headers = (("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff"))
    return Answer(404, b"404 page not found\n", headers)

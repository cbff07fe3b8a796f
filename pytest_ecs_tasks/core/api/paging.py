"""``maxResults`` and ``nextToken``."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pytest_ecs_tasks.core.api.calls import parameter_error

LARGEST_PAGE = 100
_TOKEN_HEAD = "after:"

Item = TypeVar("Item")


def page(
    items: Sequence[Item],
    request: Mapping[str, Any],
    key: Callable[[Item], str],
) -> tuple[list[Item], dict[str, object]]:
    """Return the page of ``items`` that a request asks for, and the ``nextToken`` that leads on, if there is more.

    ``items`` are in the order of their keys, or in its reverse; a token holds the key of a page's last item. So items that
    come or go between two pages are neither shown twice nor hide others.

    Raises :class:`ApiError` for a token that no answer has had.
    """
    size = request.get("maxResults", LARGEST_PAGE)
    if not 1 <= size <= LARGEST_PAGE:
        raise parameter_error(f"maxResults is {size}; it is 1 to {LARGEST_PAGE}")
    token = _read_token(request.get("nextToken", ""))
    rest = list(items)
    if token:
        falling = len(items) > 1 and key(items[0]) > key(items[-1])
        rest = [each for each in items if (key(each) < token if falling else key(each) > token)]
    shown = rest[:size]
    return shown, {"nextToken": _make_token(key(shown[-1]))} if len(rest) > size else {}


def _make_token(key: str) -> str:
    return base64.urlsafe_b64encode(f"{_TOKEN_HEAD}{key}".encode()).decode()


def _read_token(token: str) -> str:
    if not token:
        return ""
    try:
        text = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except ValueError:
        text = ""
    if not text.startswith(_TOKEN_HEAD):
        raise parameter_error("nextToken is none that an answer has had")
    return text.removeprefix(_TOKEN_HEAD)

"""What Terraform makes of values and texts that are static: escapes, heredocs, conversions, ``jsonencode``."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable

from pytest_ecs_tasks.core.document import Computed
from pytest_ecs_tasks.core.placeholders import find_directive

# ``${local.name}`` or ``${jsonencode(local.name)}``
LOCAL = re.compile(r"(\$\{\s{0,9}(jsonencode\(\s{0,9})?local\.(\w{1,200})\s{0,9}\)?\s{0,9}\})")
_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(["\\nrt]))')
_ESCAPED = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_HEREDOC = re.compile(r"<<-?[A-Za-z][\w.-]*\r?\n")
_IN_HEREDOC = re.compile(r"([$%])\1\{|\$\{~?\s{0,9}([\w.\-\[\]]{1,200})\s{0,9}~?\}")
_HTML = {ord(each): f"\\u{ord(each):04x}" for each in "<>&\u2028\u2029"}


def as_text(value: object) -> str:
    """Return what Terraform makes of a value in a text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def convert(value: object, function: str) -> object:
    """Return what ``tostring``, ``tonumber`` or ``tobool`` makes of a value, and for other functions the value itself."""
    if isinstance(value, Computed):
        return value
    match function, value:
        case "tostring", bool() | int() | float():
            return as_text(value)
        case "tonumber", str() if re.fullmatch(r"-?[0-9]{1,18}", value):
            return int(value)
        case "tobool", "true" | "false":
            return value == "true"
    return value


def is_static(value: object) -> bool:
    """Tell whether nothing in a value is a reference or an expression."""
    if isinstance(value, str):
        return not isinstance(value, Computed) and "${" not in value
    if isinstance(value, dict):
        return all(is_static(each) for each in (*value, *value.values()))
    return all(is_static(each) for each in value) if isinstance(value, list) else True


def encode(value: object) -> str:
    """Return what ``jsonencode`` makes of a value: sorted, without blanks, and safe in HTML."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.translate(_HTML)


def heredoc_text(token: str, *, flush: bool = False) -> str:
    """Return what is between the marks; with ``flush`` without the indentation that ``<<-`` takes away."""
    start = _HEREDOC.match(token)
    body = token[start.end() if start else 0 :].rstrip()
    text = body.rpartition("\n")[0] + "\n"
    return textwrap.dedent(text) if flush and token.startswith("<<-") else text


def has_directive(text: str) -> bool:
    """Tell whether a heredoc has ``%{ if … }`` or ``%{ for … }``."""
    return find_directive(text.replace("%%{", "")) is not None


def fill_heredoc(text: str, value_of: Callable[[str], str]) -> str:
    """Return a heredoc without its escapes, its references filled."""
    return _IN_HEREDOC.sub(lambda found: f"{found[1]}{{" if found[1] else value_of(found[2]), text)


def unescape(text: str) -> str:
    """Return a piece of a text in quotes without its escapes."""

    def replace(found: re.Match[str]) -> str:
        code = found.group(1) or found.group(2)
        if code and (int(code, 16) > 0x10FFFF):
            return found.group()
        return chr(int(code, 16)) if code else _ESCAPED[found.group(3)]

    if text.startswith(("$${", "%%{")):
        return text[1:]
    return _ESCAPE.sub(replace, text)

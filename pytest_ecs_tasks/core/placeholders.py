"""Text that somebody is to fill in: ``<IMAGE1_NAME>``, ``${VAR}``, ``{{ name }}``, ``REPLACE_IMAGE``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_PLACEHOLDER = re.compile(r"<[A-Za-z][^<>\n]*>|\$\{[^}\n]*\}|\{\{[^\n]*?\}\}|\$\$\$+\w+\$\$\$+")
_SHELL_VARIABLE = re.compile(r"\$[A-Za-z_]\w*")
_CAPITALS = re.compile(r"[A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)*")
_TO_REPLACE = re.compile(r"\b\w*(?:REPLACE|PLACEHOLDER|CHANGE_?ME)\w*")
_WORD = re.compile(r"[A-Za-z_]\w*")
_STRING_OR_REST = re.compile(r'("(?:[^"\\\n]|\\.)*")|([^"]+|")')


def find_placeholder(text: str) -> str | None:
    """Return the first placeholder that nothing has filled."""
    found = _PLACEHOLDER.search(text)
    return found.group() if found else None


def find_placeholder_at(text: str, position: int) -> str | None:
    """Return the placeholder that begins at a position."""
    found = _PLACEHOLDER.match(text, max(0, position))
    return found.group() if found else None


def image_slot(image: str) -> str | None:
    """Return the text that stands for an image which is still to be named, ``""`` for no image at all.

    ``None`` for a real reference. Capitals count as a slot where a reference cannot have them: in the
    repository's path.
    """
    image = image.strip()
    if not image:
        return ""
    found = _PLACEHOLDER.search(image) or _SHELL_VARIABLE.search(image) or _TO_REPLACE.search(image)
    if found:
        return found.group()
    name = image.partition("@")[0]
    head, slash, path = name.rpartition("/")
    repository = path.partition(":")[0]
    for part in (*head.split("/"), repository) if slash else (repository,):
        if _CAPITALS.fullmatch(part):
            return part
    labels = head.partition("/")[0].split(".")
    return next((label for label in labels if "_" in label and _CAPITALS.fullmatch(label)), None)


def fill(text: str, substitute: Mapping[str, str]) -> str:
    """Return the text with its placeholders filled.

    A key is a placeholder as it is written (``<IMAGE1_NAME>``), or its bare name, which fills ``<NAME>``,
    ``${NAME}``, ``{{ NAME }}`` and ``$$$NAME$$$``, and where it is in capitals the word itself.
    """
    for key, value in substitute.items():
        if not _WORD.fullmatch(key):
            text = text.replace(key, value) if key else text
            continue
        name = re.escape(key)
        forms = rf"<{name}>|\$\{{{name}\}}|\{{\{{\s*{name}\s*\}}\}}|\$\$\$+{name}\$\$\$+"
        if _CAPITALS.fullmatch(key):
            forms += rf"|(?<!\w){name}(?!\w)"
        text = re.sub(forms, value.replace("\\", r"\\"), text)
    return text


def fill_values(value: object, substitute: Mapping[str, str]) -> object:
    """Return a document in which every text value is filled; keys stay as they are."""
    if isinstance(value, str):
        return fill(value, substitute)
    if isinstance(value, Mapping):
        return {key: fill_values(item, substitute) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [fill_values(item, substitute) for item in value]
    return value


def fill_outside_strings(text: str, substitute: Mapping[str, str]) -> str:
    """Return JSON text in which placeholders that stand for a number, a list or an object are filled."""

    def fill_rest(found: re.Match[str]) -> str:
        return found.group(1) or fill(found.group(2), substitute)

    return _STRING_OR_REST.sub(fill_rest, text)

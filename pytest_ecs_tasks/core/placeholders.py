"""Text that somebody is to fill in: ``<IMAGE1_NAME>``, ``${VAR}``, ``{{ name }}``, ``REPLACE_IMAGE``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from pytest_ecs_tasks.core.document import Computed, Unresolved

# Without braces inside, and short: so a line of a million opening braces is looked at in linear time.
_FORMS = r"<[A-Za-z][^<>\n]{0,200}>|\$\{[^{}\n]{0,500}\}|\{\{[^{}\n]{0,500}\}\}|\${3,9}\w{1,200}\${3,9}"
_PLACEHOLDER = re.compile(_FORMS)
_SHELL_VARIABLE = re.compile(r"\$[A-Za-z_]\w*")
_CAPITALS = re.compile(r"[A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)*")
_TO_REPLACE = re.compile(r"\b\w*(?:REPLACE|PLACEHOLDER|CHANGE_?ME)\w*")
_NAME = re.compile(r"\.?[A-Za-z_][\w.-]*")
_WORD = re.compile(r"[A-Za-z_]\w*")
_STRING_OR_REST = re.compile(r'("(?:[^"\\\n]++|\\.)*+")|([^"]++|")')
# Outside of quotes nothing in JSON is in capitals, and nothing begins with a dollar sign.
_UNQUOTED = re.compile(rf"{_FORMS}|\$[A-Za-z_]\w+|(?<![\w$])[A-Z][A-Z0-9_]{{2,}}(?!\w)")
_DIRECTIVE = re.compile(
    r"%\{~?\s{0,9}(?:for|if|else|endif|endfor)\b[^{}\n]{0,500}\}|\{%[^%{}\n]{0,500}%\}"
    r"|\{\{-?\s{0,9}(?:range|if|else|end|with|define|template|block|for)\b[^{}\n]{0,500}\}\}"
)
# Placeholders that bring a default: of the shell, of ecspresso, of Jinja and Go.
_WITH_DEFAULT = (
    re.compile(r"\$\{(?P<name>\w+):?[-=?+][^{}]*\}"),
    re.compile(r"\{\{-?\s*env\s+[`\"'](?P<name>\w+)[`\"']\s+[^{}]*\}\}"),
    re.compile(r"\{\{-?\s*(?P<name>[\w.-]+)\s*\|[^{}]*\bdefault\b[^{}]*\}\}"),
)
_QUOTED = re.compile(r'(?<!\[)"(?:[^"\\]|\\.)*"')
# Fields with texts that may be secrets, or hold one.
_FREE_TEXTS = frozenset(
    {
        *(
            "command",
            "dockerLabels",
            "driverOpts",
            "entryPoint",
            "environment",
            "firelensConfiguration",
            "healthCheck",
        ),
        *("labels", "logConfiguration"),
    }
)
_CLOSING = ("}", ">", "$")
# Fields whose text a program reads: dollar signs, braces and angle brackets mean something there.
_PROGRAMS = frozenset({"command", "entryPoint", "driverOpts", "mountOptions", "expression"})


class Filled(str):
    """A text in which a placeholder was filled: that it stands in quotes says nothing about its type."""

    __slots__ = ()


def find_placeholder(text: str) -> str | None:
    """Return the first placeholder that nothing has filled."""
    found = _PLACEHOLDER.search(text)
    return found.group() if found else None


def find_stand_in(text: str) -> str | None:
    """Return what stands for a value where a number or a word of the API has to be: also ``$VAR`` and capitals."""
    whole = text.strip()
    if _SHELL_VARIABLE.fullmatch(whole) or (len(whole) > 1 and _CAPITALS.fullmatch(whole)):
        return whole
    return find_placeholder(text)


def find_unquoted(text: str) -> Iterator[tuple[int, str]]:
    """Yield each placeholder that stands outside of JSON's strings, and where it begins.

    A word without braces is one where a value is to be, but not in a line in which a quote is missing.
    """
    unclosed = 0  # where the line of the last quote without a partner ends
    for part in _STRING_OR_REST.finditer(text):
        if part.group(2) == '"' and part.start() >= unclosed:
            end = text.find("\n", part.end())
            unclosed = len(text) if end < 0 else end
        for found in _UNQUOTED.finditer(part.group(2) or ""):
            start, end = part.start() + found.start(), part.start() + found.end()
            if start >= unclosed and (found.group().endswith(_CLOSING) or _is_value(text, start, end)):
                yield start, found.group()


def _is_value(text: str, start: int, end: int) -> bool:
    """Tell whether JSON may have a value at a place, told by what is around it."""
    before, after = text[max(0, start - 100) : start].rstrip()[-1:], text[end : end + 100].lstrip()[:1]
    return before in (":", "[", ",") and after in (",", "]", "}")


def find_directive(text: str) -> tuple[int, int] | None:
    """Return where the first directive of a template is: ``%{ for … }``, ``{% if … %}``, ``{{ range … }}``."""
    found = _DIRECTIVE.search(text)
    return found.span() if found else None


def is_free_text(path: tuple[str | int, ...]) -> bool:
    """Tell whether a place of a task definition is, or holds, a text that may be a secret."""
    return not _FREE_TEXTS.isdisjoint(path) or (path[:1] == ("containerDefinitions",) and len(path) < 3)


def may_hold_secret(expression: str, path: tuple[str | int, ...]) -> bool:
    """Tell whether an expression of Terraform has a text in it, at a place where that may be a secret, which no message shows."""
    return is_free_text(path) and expression[:2] != "{{" and _QUOTED.search(expression) is not None


def without_secrets(placeholder: str, path: tuple[str | int, ...]) -> str:
    """Return a placeholder for a message: without its default, and its texts, at a place where that may be a secret."""
    named = _find_name(placeholder)
    if named is not None:
        return f"{placeholder[: named.end('name')]} …{'}}' if placeholder[0] == '{' else '}'}"
    return _QUOTED.sub('"…"', placeholder) if may_hold_secret(placeholder, path) else placeholder


def _find_name(placeholder: str) -> re.Match[str] | None:
    """Return where the name of a placeholder with a default is."""
    matches = (pattern.fullmatch(placeholder) for pattern in _WITH_DEFAULT)
    return next((each for each in matches if each), None)


def find_unfilled(
    value: object, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield every placeholder in a document's texts with its place, but not where programs read the text."""
    if isinstance(value, Unresolved):
        return
    if isinstance(value, str):
        for found in _PLACEHOLDER.finditer(value):
            # Docker's own templates for the tags of logs: {{.Name}}
            if not found.group().startswith("{{."):
                yield path, found.group()
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(key, str) and key not in _PROGRAMS:
                yield from find_unfilled(key, path)
                yield from find_unfilled(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from find_unfilled(item, (*path, index))


def keys_of(placeholders: Iterable[str]) -> tuple[str, ...]:
    """Return what ``substitute`` calls the placeholders, each once."""
    return tuple(dict.fromkeys(_key_of(each) for each in placeholders))


def describe_filling(keys: Iterable[str]) -> str:
    """Return the argument that would fill placeholders, to be copied."""
    pairs = ", ".join(f"{each!r}: '…'" for each in keys)
    return f"fill with ecs_taskdef(…, substitute={{{pairs}}})"


def _key_of(placeholder: str) -> str:
    """Return what ``substitute`` calls a placeholder: its name, where the rest of it is a default."""
    named = _find_name(placeholder)
    return named["name"] if named else placeholder


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


def fill(text: str, substitute: Mapping[str, str], *, words: bool = True) -> str:
    """Return the text with its placeholders filled, in one pass: what was filled in is not looked at again.

    A key is a placeholder as it is written (``<IMAGE1_NAME>``), or its bare name, which fills ``<NAME>``,
    ``${NAME}``, ``$NAME``, ``{{ NAME }}``, ``{{ must_env `NAME` }}`` and ``$$$NAME$$$``, and with ``words``, where it
    is in capitals, the word itself.
    """
    keys = tuple(key for key in substitute if key)
    if not keys:
        return text
    pattern, order = _pattern(keys, words)
    return pattern.sub(lambda found: substitute[order[(found.lastindex or 1) - 1]], text)


@lru_cache(maxsize=16)
def _pattern(keys: tuple[str, ...], words: bool) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return a pattern with one group for each key, and the keys in the order of their groups."""
    order = tuple(sorted(keys, key=len, reverse=True))
    return re.compile("|".join(f"({_forms(key, words)})" for key in order)), order


def _forms(key: str, words: bool) -> str:
    name = re.escape(key)
    if not _NAME.fullmatch(key):
        return name
    forms = [
        rf"<{name}>",
        rf"\$\{{{name}(?::?[-=?+][^{{}}\n]{{0,500}})?\}}",
        rf"\{{\{{-?\s*{name}\s*(?:\|[^}}\n]{{0,200}})?-?\}}\}}",
        rf"\{{\{{-?\s*(?:must_)?env\s+[`\"']{name}[`\"'][^}}\n]{{0,200}}\}}\}}",
        rf"\${{3,9}}{name}\${{3,9}}",
    ]
    if _WORD.fullmatch(key):
        forms.append(rf"(?<!\$)\${name}(?!\w)")
    elif words:
        end = r"(?!\.?\w)" if "." in key else r"(?!\w)"
        forms.append(rf"(?<![\w.]){name}{end}")
    if words and _CAPITALS.fullmatch(key):
        forms.append(rf"(?<!\w){name}(?!\w)")
    return "|".join(forms)


def fill_values(value: object, substitute: Mapping[str, str], *, words: bool = True) -> object:
    """Return a document in which every text is filled.

    Keys, and the names of variables, stay as they are where they are only words: in ``{"name": "PORT", "value": "${PORT}"}``
    one placeholder is meant.
    """
    if isinstance(value, Computed):  # all of it, or it is still to be computed
        return Filled(substitute[value]) if value in substitute else value
    if isinstance(value, str):
        text = fill(value, substitute, words=words)
        return value if text == value else Filled(text)
    if isinstance(value, Mapping):
        variable = "valueFrom" in value or "value" in value
        return {
            fill(key, substitute, words=False) if isinstance(key, str) else key: fill_values(
                item, substitute, words=not (variable and key == "name")
            )
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [fill_values(item, substitute) for item in value]
    return value


def fill_outside_strings(text: str, substitute: Mapping[str, str]) -> str:
    """Return JSON text in which placeholders that stand for a number, a list or an object are filled."""

    def fill_rest(found: re.Match[str]) -> str:
        return found.group(1) or fill(found.group(2), substitute)

    return _STRING_OR_REST.sub(fill_rest, text)

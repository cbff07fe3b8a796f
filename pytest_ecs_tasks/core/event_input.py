"""What an EventBridge rule's target gets: the event, a part of it, a text of the rule's own, or a template filled in.

Source: EventBridge's user guide, "Input transformation"; API reference, Target and InputTransformer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_PLACEHOLDER = re.compile(r"<([^<>\s]+)>")
_PATH_STEP = re.compile(r"\.(?P<name>[\w\-/]+)|\[(?P<index>\d+)\]|(?P<all>\.\*|\[\*\])")


class EventInputError(Exception):
    """A target's input that cannot be made of an event; the text says why."""


@dataclass(frozen=True, slots=True)
class EventRule:
    """A rule, as a template may name it."""

    name: str
    arn: str


def make_input(
    target: Mapping[str, Any], event: Mapping[str, object], rule: EventRule, *, ingested_at: str
) -> str:
    """Return the text that a target of a rule gets for an event; ``ingested_at`` is an ISO 8601 time.

    Raises :class:`EventInputError` where EventBridge would not deliver: what is left of a template is no JSON.
    """
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        found = find_values(event, target["InputPath"])
        if not found:
            raise EventInputError(f"InputPath {target['InputPath']!r} finds nothing in the event")
        return write_json(found[0])
    if target.get("InputTransformer") is not None:
        return _transform(target["InputTransformer"], event, rule, ingested_at)
    return write_json(event)


def write_json(value: object) -> str:
    """Return JSON without white space, as EventBridge sends it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def find_values(event: object, path: str) -> list[Any]:
    """Return what a JSON path finds: dots, indices of arrays and ``*`` are understood, as in EventBridge.

    More than one value, which ``*`` finds, is one array. Raises :class:`EventInputError` for another path.
    """
    if not path.startswith("$"):
        raise EventInputError(f"the JSON path {path!r} does not begin with $")
    values, position, has_star = [event], 1, False
    while position < len(path):
        step = _PATH_STEP.match(path, position)
        if step is None:
            raise EventInputError(f"the JSON path {path!r} is not understood from {path[position:]!r} on")
        values = [found for value in values for found in _take_step(value, step)]
        has_star = has_star or step["all"] is not None
        position = step.end()
    return [values] if has_star else values


def _take_step(value: object, step: re.Match[str]) -> Iterator[Any]:
    if step["all"] is not None:
        if isinstance(value, Mapping):
            yield from value.values()
        elif isinstance(value, list):
            yield from value
    elif step["name"] is not None:
        if isinstance(value, Mapping) and step["name"] in value:
            yield value[step["name"]]
    elif isinstance(value, list) and int(step["index"]) < len(value):
        yield value[int(step["index"])]


def _transform(
    transformer: Mapping[str, Any], event: Mapping[str, object], rule: EventRule, ingested_at: str
) -> str:
    variables: dict[str, object] = {}
    for name, path in (transformer.get("InputPathsMap") or {}).items():
        found = find_values(event, path)
        variables[name] = found[0] if found else ""  # a path that finds nothing leaves nothing in the output
    variables |= {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event.ingestion-time": ingested_at,
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
    }
    filled = _fill(str(transformer.get("InputTemplate") or ""), variables)
    return _minify(filled)


def _fill(template: str, variables: Mapping[str, object]) -> str:
    """Put values in place of placeholders: in quotes as plain text that is not escaped, elsewhere as JSON."""
    parts: list[str] = []
    end = 0
    in_quotes = False
    for placeholder in _PLACEHOLDER.finditer(template):
        before = template[end : placeholder.start()]
        in_quotes ^= len(re.findall(r'(?<!\\)"', before)) % 2 == 1
        if placeholder[1] not in variables:
            raise EventInputError(f"the template has <{placeholder[1]}>, which InputPathsMap does not define")
        value = variables[placeholder[1]]
        is_plain = in_quotes and isinstance(value, str)
        parts += [before, str(value) if is_plain else write_json(value)]
        end = placeholder.end()
    return "".join([*parts, template[end:]])


def _minify(text: str) -> str:
    """Return JSON without white space, or several lines of JSON as they are (texts for a person to read)."""
    try:
        return write_json(json.loads(text))
    except ValueError as error:
        problem = error
    try:
        return "\n".join(write_json(json.loads(line)) for line in text.strip().splitlines())
    except ValueError:
        pass
    raise EventInputError(
        f"the template filled in is not JSON: {problem}. A text has to stand in quotes; values in quotes are not escaped, "
        "so placeholders for objects, arrays and texts with quotes have to stand without them"
    )

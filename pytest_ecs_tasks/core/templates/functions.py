"""CloudFormation's intrinsic functions. Source: "Intrinsic function reference" in its User Guide.

A value that only a deployment knows is a mark in a text (:mod:`pytest_ecs_tasks.core.templates.values`); a function whose
result depends on one gives the mark on.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.templates.references import section
from pytest_ecs_tasks.core.templates.values import NOTHING, Node, as_text, clean, has_unknown, literal

if TYPE_CHECKING:
    from pytest_ecs_tasks.core.templates.resolve import Resolver

Function = Callable[["Resolver", object, Path], Node]

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_.:]+")
_LONGEST_SHOWN = 60
_MOST_BLOCKS = 256


def _ref(resolver: Resolver, argument: object, path: Path) -> Node:
    if not isinstance(argument, str):
        return resolver.failure(path, "Ref wants the name of a parameter or of a resource")
    return resolver.value(resolver.references.ref(clean(argument)), path[:-1])


def _get_att(resolver: Resolver, argument: object, path: Path) -> Node:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if isinstance(parts, list | tuple) and len(parts) >= 2:
        texts = [resolver.text_of(resolver.resolve(each, (*path, index))) for index, each in enumerate(parts)]
        name, attribute = texts[0], ".".join(str(each) for each in texts[1:])
        if name is not None and None not in texts and not has_unknown(name + attribute):
            return resolver.value(resolver.references.attribute(name, attribute), path[:-1])
    return resolver.failure(path, "Fn::GetAtt wants a resource and one of its attributes")


def _sub(resolver: Resolver, argument: object, path: Path) -> Node:
    text, variables = argument, {}
    if isinstance(argument, list | tuple) and len(argument) == 2 and isinstance(argument[1], Mapping):
        text = argument[0]
        variables = {str(key): (value, (*path, 1, str(key))) for key, value in argument[1].items()}
    elif isinstance(argument, list | tuple) and len(argument) == 1:
        text = argument[0]
    if not isinstance(text, str):
        return resolver.failure(path, "Fn::Sub wants a text, or a list of a text and an object of variables")
    known: dict[str, str] = {}

    def replace(found: re.Match[str]) -> str:
        name = found.group(1).strip()
        if name.startswith("!"):
            return f"${{{name[1:]}}}"
        if name not in known:
            resolver.count(1)
            known[name] = _variable(resolver, name, variables, path)
        resolver.count(len(known[name]) // 1000)
        return known[name]

    return resolver.limited(_VARIABLE.sub(replace, clean(text)), path)


def _variable(resolver: Resolver, name: str, variables: Mapping[str, tuple[object, Path]], path: Path) -> str:
    """Return what stands for ``${name}``."""
    references = resolver.references
    value: object
    if name in variables:
        node = resolver.resolve(*variables[name])
        value = node.value
    elif not _VARIABLE_NAME.fullmatch(name):
        shown = name[:_LONGEST_SHOWN]
        return references.unknown(
            "", f"Fn::Sub cannot fill ${{{shown}}}: write ${{!{shown}}} to keep it as it is"
        )
    elif "." in name:
        value = references.attribute(*name.split(".", 1))
    else:
        value = references.ref(name)
    text = "" if value is NOTHING else as_text(value)
    if text is None:
        return references.unknown("", f"${{{name[:_LONGEST_SHOWN]}}} of Fn::Sub is no text")
    return text


def _join(resolver: Resolver, argument: object, path: Path) -> Node:
    if isinstance(argument, list | tuple) and len(argument) == 2 and isinstance(argument[0], str):
        items = resolver.resolve(argument[1], (*path, 1)).value
        if isinstance(items, str) and has_unknown(items):
            return Node(items, path[:-1])
        if isinstance(items, list):
            texts = [resolver.text_of(each) for each in items]
            if None not in texts:
                return resolver.limited(clean(argument[0]).join(str(each) for each in texts), path)
    return resolver.failure(path, "Fn::Join wants a list of a delimiter and a list of texts")


def _split(resolver: Resolver, argument: object, path: Path) -> Node:
    if (
        isinstance(argument, list | tuple)
        and len(argument) == 2
        and isinstance(argument[0], str)
        and argument[0]
    ):
        text = resolver.text_of(resolver.resolve(argument[1], (*path, 1)))
        if text is not None:
            parts = text.split(clean(argument[0]))
            resolver.count(len(parts))
            return resolver.value(list(_certain(parts)), path[:-1])
    return resolver.failure(path, "Fn::Split wants a list of a delimiter and a text")


def _certain(parts: list[str]) -> Iterator[str]:
    """Yield the parts of a text; behind one that is not known, which may hold the delimiter, none is known."""
    unknown = ""
    for part in parts:
        yield unknown or part
        unknown = unknown or (part if has_unknown(part) else "")


def _select(resolver: Resolver, argument: object, path: Path) -> Node:
    if not (isinstance(argument, list | tuple) and len(argument) == 2):
        return resolver.failure(path, "Fn::Select wants a list of an index and a list")
    index = resolver.text_of(resolver.resolve(argument[0], (*path, 0))) or ""
    items = resolver.resolve(argument[1], (*path, 1)).value
    if has_unknown(index) or (isinstance(items, str) and has_unknown(items)):
        return Node(index if has_unknown(index) else items, path[:-1])
    if not isinstance(items, list) or not re.fullmatch(r"[0-9]{1,9}", index):
        return resolver.failure(path, "Fn::Select wants a list of an index and a list")
    if int(index) < len(items):
        return Node(items[int(index)].value, path[:-1])
    unknown = "".join(
        str(each.value) for each in items if isinstance(each.value, str) and has_unknown(each.value)
    )
    if unknown:  # a list that is not known as a whole
        return Node(unknown, path[:-1])
    return resolver.failure(path, f"Fn::Select wants entry {index} of a list of {len(items)}; the first is 0")


def _if(resolver: Resolver, argument: object, path: Path) -> Node:
    if not (isinstance(argument, list | tuple) and len(argument) == 3 and isinstance(argument[0], str)):
        return resolver.failure(path, "Fn::If wants a list of a condition's name and two values")
    condition = resolver.condition(clean(argument[0]))
    if isinstance(condition, str):
        return Node(condition, path[:-1])
    index = 1 if condition else 2
    node = resolver.resolve(argument[index], (*path, index))
    return node if isinstance(node.value, list | dict) else Node(node.value, (*path, index))


def _find_in_map(resolver: Resolver, argument: object, path: Path) -> Node:
    entries = argument if isinstance(argument, list | tuple) else ()
    if len(entries) not in (3, 4):
        return resolver.failure(path, "Fn::FindInMap wants a list of a map and two keys")
    keys = [
        resolver.text_of(resolver.resolve(each, (*path, index))) for index, each in enumerate(entries[:3])
    ]
    unknown = "".join(each for each in keys if each is not None and has_unknown(each))
    if unknown:
        return Node(unknown, path[:-1])
    found: object = section(resolver.document, "Mappings")
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) and key is not None else None
    if isinstance(found, list) and all(as_text(each) is not None for each in found):
        return Node([Node(literal(each), path[:-1]) for each in found], path[:-1])
    if as_text(found) is not None:
        return Node(literal(found), path[:-1])
    if len(entries) == 4 and isinstance(entries[3], Mapping) and "DefaultValue" in entries[3]:
        return resolver.resolve(entries[3]["DefaultValue"], (*path, 3, "DefaultValue"))
    shown = " > ".join(str(each)[:_LONGEST_SHOWN] for each in keys)
    return resolver.failure(path, f"the template's Mappings have no {shown}")


def _import_value(resolver: Resolver, argument: object, path: Path) -> Node:
    name = resolver.text_of(resolver.resolve(argument, path))
    if name is None:
        return resolver.failure(path, "Fn::ImportValue wants the name of an export")
    if has_unknown(name):
        return Node(name, path[:-1])
    given = resolver.references.given(name)
    if given is None:
        given = resolver.references.unknown(name, f"'{name[:200]}' is exported by another stack")
    return Node(given, path[:-1])


def _base64(resolver: Resolver, argument: object, path: Path) -> Node:
    text = resolver.text_of(resolver.resolve(argument, path))
    if text is None:
        return resolver.failure(path, "Fn::Base64 wants a text")
    if has_unknown(text):
        return Node(text, path[:-1])
    return resolver.limited(base64.b64encode(text.encode("utf-8", "replace")).decode(), path)


def _get_azs(resolver: Resolver, _argument: object, path: Path) -> Node:
    given = resolver.references.given("Fn::GetAZs")
    if given is None:
        return Node(
            resolver.references.unknown("Fn::GetAZs", "the account tells its availability zones"), path[:-1]
        )
    return resolver.value([each.strip() for each in given.split(",")], path[:-1])


def _cidr(resolver: Resolver, argument: object, path: Path) -> Node:
    entries = argument if isinstance(argument, list | tuple) else ()
    texts = [resolver.text_of(resolver.resolve(each, (*path, index))) for index, each in enumerate(entries)]
    unknown = "".join(each for each in texts if each is not None and has_unknown(each))
    if unknown:
        return Node(unknown, path[:-1])
    try:
        network = ipaddress.ip_network(str(texts[0]))
        count, bits = int(str(texts[1])), int(str(texts[2])) if len(texts) > 2 else 8
        prefix = network.max_prefixlen - bits
        if not (1 <= count <= _MOST_BLOCKS and 0 <= prefix - network.prefixlen <= 32):
            raise ValueError
        size = 2**bits
        blocks = [f"{network.network_address + index * size}/{prefix}" for index in range(count)]
    except (ValueError, IndexError):
        return resolver.failure(
            path, "Fn::Cidr wants a block, a count of 1 to 256 and a number of bits that fit"
        )
    return resolver.value(blocks, path[:-1])


def _to_json_string(resolver: Resolver, argument: object, path: Path) -> Node:
    node = resolver.resolve(argument, path)
    return resolver.limited(json.dumps(_plain(node), ensure_ascii=False, separators=(",", ":")), path)


def _length(resolver: Resolver, argument: object, path: Path) -> Node:
    items = resolver.resolve(argument, path).value
    if isinstance(items, str) and has_unknown(items):
        return Node(items, path[:-1])
    if not isinstance(items, list):
        return resolver.failure(path, "Fn::Length wants a list")
    unknown = "".join(each.value for each in items if isinstance(each.value, str) and has_unknown(each.value))
    if unknown:  # it may have been split
        return Node(unknown, path[:-1])
    return Node(len(items), path[:-1])


def _plain(node: Node) -> object:
    match node.value:
        case list() as items:
            return [_plain(each) for each in items]
        case dict() as members:
            return {key: _plain(each) for key, each in members.items()}
    return None if node.value is NOTHING else node.value


FUNCTIONS: Mapping[str, Function] = {
    "Fn::Base64": _base64,
    "Fn::Cidr": _cidr,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _get_azs,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::ImportValue": _import_value,
    "Fn::Join": _join,
    "Fn::Length": _length,
    "Fn::Ref": _ref,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
    "Fn::ToJsonString": _to_json_string,
    "Ref": _ref,
}

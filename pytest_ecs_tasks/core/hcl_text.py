"""Terraform's language turned into a document: what is static of it.

A local of the same file has its value. Any other reference (``var.image``) becomes the placeholder ``${var.image}``, which
``substitute`` fills; anything that Terraform would have to compute stays as it is written, and is refused where it matters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_ecs_tasks.core.document import Computed, Loaded, Path, Position, PositionOf, excerpt
from pytest_ecs_tasks.core.hcl_values import (
    LOCAL,
    as_text,
    convert,
    encode,
    fill_heredoc,
    has_directive,
    heredoc_text,
    is_static,
    unescape,
)
from pytest_ecs_tasks.core.json_text import load_json
from pytest_ecs_tasks.core.terraform import TYPE
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError, UnsupportedFeature

LONGEST_HCL = 300_000  # characters; python-hcl2 reads some 70,000 a second
_PASSED_ON = frozenset(
    {"jsonencode", "tostring", "tonumber", "tobool", "tolist", "nonsensitive", "sensitive"}
)
_REFERENCES = frozenset({"get_attr_expr_term", "index_expr_term", "identifier"})
_CONTAINERS = "container_definitions"
_MOST_BLANKS = 2000
_MOST_VALUES = 100_000


def load_terraform(text: str, source: str, substitute: Mapping[str, str]) -> Loaded:
    """Return the task definitions of a ``.tf`` file, as a ``.tf.json`` file would have them.

    Raises :class:`UnsupportedFeature` without python-hcl2, and :class:`TaskDefinitionError` for bad syntax.
    """
    # The library's pattern for heredocs goes through each run of blanks once for each of its characters.
    blanks = max((len(found.group()) for found in re.finditer(r"\s++", text)), default=0)
    if len(text) > LONGEST_HCL or blanks > _MOST_BLANKS:
        message = (
            f"{len(text):,} characters of Terraform's language, {blanks:,} blanks in a row, are too many to read: give "
            "what `terraform show -json` prints of the plan"
        )
        raise TaskDefinitionError(source, [Problem("", message, code="too-large")])
    reader = _Reader(text, source, substitute)
    found: dict[str, object] = {}
    blocks = _children(_parse(text, source), "block")
    for block in blocks:
        if str(_first_token(block)) == "locals":
            for attribute in _children(_child(block, "body"), "attribute"):
                reader.locals[str(_first_token(attribute))] = attribute.children[-1]
    for block in blocks:
        labels = [_label(each) for each in block.children if _rule(each) in ("identifier", "string")]
        if labels[:2] == ["resource", TYPE] and len(labels) == 3:
            path: Path = ("resource", TYPE, labels[2])
            reader.note(path, block)
            if labels[2] in found:
                reader.repeated.append(path)
            found[labels[2]] = reader.body(_child(block, "body"), path)
    if not found:
        _refuse_modules(blocks, source)
    repeated, repairs = tuple(reader.repeated), tuple(reader.repairs)
    return Loaded({"resource": {TYPE: found}}, reader.position, repeated, repairs)


def _refuse_modules(blocks: list[Any], source: str) -> None:
    """Refuse a file without a task definition whose modules may have one."""
    module = next((each for each in blocks if str(_first_token(each)) == "module"), None)
    if module is not None:
        token = _first_token(module)
        text = (
            f"there is no {TYPE} in it, and what its modules have is not read: give what `terraform show -json` prints of "
            "the plan"
        )
        raise TaskDefinitionError(source, [Problem("", text, token.line, token.column, "resource")])


def _parse(text: str, source: str) -> Any:
    """Return the tree of the file's body."""
    try:
        from hcl2.api import parses_to_tree
        from lark.exceptions import LarkError
    except ImportError:
        raise UnsupportedFeature(
            f"{source} is in Terraform's language, which is read with python-hcl2: "
            "pip install 'pytest-ecs-tasks[terraform]', or give what `terraform show -json` prints of the plan"
        ) from None
    try:
        return parses_to_tree(text).children[0]
    except LarkError as error:
        line, column = getattr(error, "line", None), getattr(error, "column", None)
        if not isinstance(line, int) or not isinstance(column, int) or line < 1:
            line, column = text.count("\n") + 1, 1  # the file ends too early
        message = f"column {column}: not Terraform's language{excerpt(text, line, column)}"
        raise TaskDefinitionError(source, [Problem("", message, line, column, "not-hcl")]) from None


@dataclass(slots=True)
class _Reader:
    """Turns expressions into values; remembers the position of each, and of the texts that are JSON."""

    text: str
    source: str
    substitute: Mapping[str, str]
    positions: dict[Path, Position] = field(default_factory=dict)
    inner: dict[Path, tuple[int, PositionOf]] = field(default_factory=dict)
    repairs: list[Problem] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)
    locals: dict[str, Any] = field(default_factory=dict)
    open_locals: set[str] = field(default_factory=set)
    values: int = 0

    def position(self, path: Path) -> Position | None:
        """Return the position of a place, or of the nearest thing around it."""
        for length in range(len(path), -1, -1):
            found = self.inner.get(path[:length])
            if found is not None and length < len(path):
                lines_before, position_of = found
                position = position_of(path[length:])
                return position and Position(position.line + lines_before, position.column)
            if path[:length] in self.positions:
                return self.positions[path[:length]]
        return None

    def note(self, path: Path, node: Any) -> None:
        """Remember where a node begins."""
        token = _first_token(node)
        if token is not None:
            self.positions[path] = Position(token.line, token.column)

    def body(self, body: Any, path: Path) -> dict[str, object]:
        """Return the arguments and blocks of a block."""
        result: dict[str, object] = {}
        for child in body.children:
            if _rule(child) == "attribute":
                name = str(_first_token(child))
                place = (*path, name)
                self.note(place, child)
                if name in result:
                    self.repeated.append(place)
                result[name] = self._argument(child.children[-1], place)
            elif _rule(child) == "block":
                self._block(child, path, result)
        return result

    def _argument(self, node: Any, place: Path) -> object:
        heredoc = _heredoc(node)
        if place[-1] != _CONTAINERS or heredoc is None:
            return self.value(node, place)
        lines_before = heredoc.line  # the text begins in the line after the <<EOF
        loaded = self._load_json(heredoc_text(str(heredoc)), lines_before)
        self.inner[place] = (lines_before, loaded.position_of)
        self.repeated += [(*place, *each) for each in loaded.repeated]
        return self._filled(loaded.document)

    def _filled(self, value: object) -> object:
        """Return a document in whose texts the locals of this file have their values."""
        if isinstance(value, str):
            return fill_heredoc(value, lambda written: as_text(self._reference(written, ())))
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        return [self._filled(item) for item in value] if isinstance(value, list) else value

    def _locals_of(self, text: str) -> dict[str, str]:
        """Return what the locals in a text are outside of quotes, by how they are written."""
        found = {}
        for written, encoded, name in LOCAL.findall(text):
            value = self._reference(f"local.{name}", ("locals", name))
            if is_static(value) and (encoded or not isinstance(value, dict | list)):
                found[written] = encode(value) if encoded else as_text(value)
        return found

    def _load_json(self, text: str, lines_before: int) -> Loaded:
        def moved(problem: Problem) -> Problem:
            return replace(problem, line=None if problem.line is None else problem.line + lines_before)

        try:
            loaded = load_json(text, self.source, {**self._locals_of(text), **self.substitute})
        except TaskDefinitionError as error:
            raise TaskDefinitionError(self.source, [moved(each) for each in error.problems]) from None
        self.repairs += [moved(each) for each in loaded.repairs]
        return loaded

    def _block(self, block: Any, path: Path, result: dict[str, object]) -> None:
        name = str(_first_token(block))
        is_dynamic = name == "dynamic"
        if is_dynamic:
            name = next((_label(each) for each in block.children if _rule(each) == "string"), "")
        blocks = result.setdefault(name, [])
        if isinstance(blocks, list):
            place = (*path, name, len(blocks))
            self.positions.setdefault((*path, name), self._position(block))
            self.note(place, block)
            made = Computed(f'dynamic "{name}"')
            blocks.append(made if is_dynamic else self.body(_child(block, "body"), place))
        else:  # an argument and blocks of one name
            self.repeated.append((*path, name))

    def _position(self, node: Any) -> Position:
        token = _first_token(node)
        return Position(token.line, token.column)

    def value(self, node: Any, path: Path) -> object:
        """Return the value of an expression."""
        self.positions.setdefault(path, self._position(node))
        inner = _unwrapped(node)
        self.values += 1
        if self.values > _MOST_VALUES:  # locals that refer to locals grow without end
            return Computed(self._written(inner))
        match _rule(inner):
            case "string":
                return self._string(inner)
            case "int_lit":
                return int(_first_token(inner))
            case "float_lit":
                return float(_first_token(inner))
            case "literal_value":
                return {"true": True, "false": False, "null": None}[str(_first_token(inner))]
            case "tuple":
                items = [each for each in inner.children if _is_expression(each)]
                return [self.value(each, (*path, index)) for index, each in enumerate(items)]
            case "object":
                return self._object(inner, path)
            case "heredoc_template" | "heredoc_template_trim":
                return self._heredoc_value(str(_first_token(inner)))
            case "function_call":
                return self._call(inner, path)
            case "unary_op":
                operand = self.value(inner.children[-1], path)
                if str(_first_token(inner)) == "-" and type(operand) in (int, float):
                    return -operand  # type: ignore[operator]
            case rule if rule in _REFERENCES:
                written = self._written(inner)
                if not re.search(r"[{}\n]", written):
                    return self._reference(written, path)
        return Computed(self._written(inner))

    def _string(self, node: Any) -> object:
        text = ""
        for part in _children(node, "string_part"):
            content = part.children[0]
            if _rule(content) == "interpolation":
                written = self._written(content)
                if re.search(r"[{}\n]", written[2:-1]):
                    return Computed(self._written(node))
                text += as_text(self._reference(written[2:-1].strip(), ()))
            elif _rule(content):  # a directive: %{ if … }
                return Computed(self._written(node))
            else:
                text += unescape(str(content))
        return text

    def _heredoc_value(self, token: str) -> object:
        text = heredoc_text(token, flush=True)
        return Computed(token.strip()) if has_directive(text) else self._filled(text)

    def _reference(self, written: str, path: Path) -> object:
        """Return the value of a local of this file, and a placeholder for anything else that is named."""
        placeholder = f"${{{written}}}"
        name = written.removeprefix("local.")
        if name == written or name not in self.locals or name in self.open_locals:
            return placeholder
        if {written, placeholder} & set(self.substitute):
            return placeholder  # the test says what it is
        self.open_locals.add(name)
        value = self.value(self.locals[name], path)
        self.open_locals.discard(name)
        is_whole = not path and isinstance(value, dict | list)  # it stands in a text
        return placeholder if isinstance(value, Computed) or is_whole else value

    def _object(self, node: Any, path: Path) -> object:
        result: dict[str, object] = {}
        for element in _children(node, "object_elem"):
            key = _unwrapped(element.children[0].children[0])
            if _rule(key) == "string":
                name = self._string(key)
            elif _rule(key) in ("identifier", "keyword", "literal_value", "int_lit"):
                name = str(_first_token(key))
            else:
                name = Computed("")
            if isinstance(name, Computed) or not isinstance(name, str):
                return Computed(self._written(node))
            self.note((*path, name), element)
            if name in result:
                self.repeated.append((*path, name))
            result[name] = self.value(element.children[-1], (*path, name))
        return result

    def _call(self, node: Any, path: Path) -> object:
        name = str(_first_token(node))
        arguments = [
            each for group in _children(node, "arguments") for each in group.children if _is_expression(each)
        ]
        if name not in _PASSED_ON or len(arguments) != 1:
            return Computed(self._written(node))
        value = self.value(arguments[0], path)
        if name != "jsonencode" or path[-1:] == (_CONTAINERS,):
            return convert(value, name)
        return encode(value) if is_static(value) else Computed(self._written(node))

    def _written(self, node: Any) -> str:
        """Return an expression as it is in the file."""
        tokens = list(node.scan_values(lambda _: True))
        return self.text[tokens[0].start_pos : tokens[-1].end_pos].strip()


def _rule(node: Any) -> str:
    """Return the name of a node's rule, ``""`` for a token."""
    return str(getattr(node, "data", ""))


def _children(node: Any, rule: str) -> list[Any]:
    return [each for each in node.children if _rule(each) == rule]


def _child(node: Any, rule: str) -> Any:
    return _children(node, rule)[0]


def _is_expression(node: Any) -> bool:
    return _rule(node) not in ("", "new_line_or_comment")


def _first_token(node: Any) -> Any:
    return next(iter(node.scan_values(lambda _: True)), None) if _rule(node) else node


def _label(node: Any) -> str:
    return "".join(str(token) for token in node.scan_values(lambda _: True)).strip('"')


def _unwrapped(node: Any) -> Any:
    """Return an expression without the parentheses and wrappers around it."""
    while _rule(node) == "expr_term":
        inner = [each for each in node.children if _is_expression(each)]
        if len(inner) != 1:
            return node
        node = inner[0]
    return node


def _heredoc(node: Any) -> Any:
    """Return the token of a heredoc, if that is what an expression is."""
    inner = _unwrapped(node)
    return _first_token(inner) if _rule(inner).startswith("heredoc_template") else None

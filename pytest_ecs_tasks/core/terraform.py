"""``aws_ecs_task_definition`` as Terraform writes it: plans, states and configuration in JSON.

A state lists arguments that are not set as null, "", 0 or [].
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from pytest_ecs_tasks.core.document import Computed, Loaded, Path, Position, PositionOf, describe_type
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.foreign import show_name
from pytest_ecs_tasks.core.json_text import load_json
from pytest_ecs_tasks.core.shape import Shape, choose_resource
from pytest_ecs_tasks.core.terraform_arguments import ARGUMENTS, Argument, As
from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError

TYPE = "aws_ecs_task_definition"
_FILE = re.compile(r'(?:\$\{)?((?:template)?file\("[^"\n]{1,200}")\s*([,)])')


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource's arguments and their place in the document.

    ``unknown`` mirrors the arguments: ``True`` stands where a plan says that a value is known only after apply.
    """

    arguments: Mapping[object, object]
    path: Path
    unknown: object = None


def find_terraform(loaded: Loaded, source: str, resource: str | None) -> Shape | None:
    """Return the task definition in a plan, a state or a configuration; ``None`` for another document.

    ``resource`` is an address: ``module.web.aws_ecs_task_definition.app``.
    """
    document = loaded.document
    if not isinstance(document, Mapping):
        return None
    found = _find_resources(document)
    if found is None:
        return None
    resources = dict(found)
    address = choose_resource(list(resources), resource, source, TYPE)
    unknown = _unknown_in_plan(document).get(address)
    return read_resource(replace(resources[address], unknown=unknown), loaded, source)


def _find_resources(document: Mapping[object, object]) -> Iterator[tuple[str, Resource]] | None:
    for key in ("planned_values", "values"):
        values = document.get(key)
        if isinstance(values, Mapping) and isinstance(values.get("root_module"), Mapping):
            return _of_module(values["root_module"], (key, "root_module"))
    if "terraform_version" in document and isinstance(document.get("resources"), list):
        return _of_state(document["resources"], ("resources",))
    configured = document.get("resource")
    if isinstance(configured, Mapping) and "containerDefinitions" not in document:
        return _of_configuration(configured)
    if "format_version" in document and "terraform_version" in document:
        return iter(())
    return None


def _of_module(module: object, path: Path) -> Iterator[tuple[str, Resource]]:
    """Yield the resources of ``terraform show -json``."""
    if not isinstance(module, Mapping):
        return
    for index, each in _entries(module.get("resources")):
        values = each.get("values")
        if (
            each.get("type") == TYPE
            and each.get("mode", "managed") == "managed"
            and isinstance(values, Mapping)
        ):
            yield str(each.get("address")), Resource(values, (*path, "resources", index, "values"))
    for index, each in _entries(module.get("child_modules")):
        yield from _of_module(each, (*path, "child_modules", index))


def _unknown_in_plan(document: Mapping[object, object]) -> dict[str, object]:
    """Return what each resource of a plan has that is known only after apply: its values leave that out."""
    unknown: dict[str, object] = {}
    for _, each in _entries(document.get("resource_changes")):
        change = each.get("change")
        if isinstance(change, Mapping) and "deposed" not in each:
            unknown[str(each.get("address"))] = change.get("after_unknown")
    return unknown


def _of_state(resources: object, path: Path) -> Iterator[tuple[str, Resource]]:
    """Yield the resources of a state file."""
    for index, each in _entries(resources):
        if each.get("type") != TYPE or each.get("mode") != "managed":
            continue
        name = ".".join(str(part) for part in (each.get("module"), TYPE, each.get("name")) if part)
        for place, instance in _entries(each.get("instances")):
            key = instance.get("index_key")
            address = (
                name if key is None else f'{name}["{key}"]' if isinstance(key, str) else f"{name}[{key}]"
            )
            attributes = instance.get("attributes")
            if (
                isinstance(attributes, Mapping) and "deposed" not in instance
            ):  # which is still to be destroyed
                yield address, Resource(attributes, (*path, index, "instances", place, "attributes"))


def _of_configuration(configured: Mapping[object, object]) -> Iterator[tuple[str, Resource]]:
    """Yield the resources of a ``.tf.json`` file."""
    named = configured.get(TYPE)
    for name, body in named.items() if isinstance(named, Mapping) else ():
        path: Path = ("resource", TYPE, str(name))
        if isinstance(body, list) and len(body) == 1:
            body, path = body[0], (*path, 0)
        if isinstance(body, Mapping):
            yield f"{TYPE}.{name}", Resource(body, path)


def _entries(value: object) -> Iterator[tuple[int, Mapping[object, object]]]:
    for index, each in enumerate(value if isinstance(value, list) else ()):
        if isinstance(each, Mapping):
            yield index, each


def read_resource(resource: Resource, loaded: Loaded, source: str) -> Shape:
    """Return the task definition of a resource's arguments."""
    reading = _Reading(source, loaded.position_of)
    if not resource.arguments.get("container_definitions"):
        line, column = loaded.position_of(resource.path) or (None, None)
        message = "is missing"
        if resource.path[0] == "planned_values":
            message = "is known only after apply: give what `terraform show -json` prints of the state then"
        raise TaskDefinitionError(
            source, [Problem("container_definitions", message, line, column, "resource")]
        )
    arguments = _with_unknown(resource.arguments, resource.unknown, "")
    if isinstance(arguments.get("tags_all"), Mapping):  # the provider's default tags are in it, too
        arguments = {**arguments, "tags": arguments["tags_all"]}
    definition = reading.structure(arguments, ARGUMENTS, resource.path, ())
    reading.note_repeated(each for each in loaded.repeated if each[: len(resource.path)] == resource.path)
    return Shape(
        definition, reading.position, tuple(reading.findings), lenient=True, exact="containerDefinitions"
    )


def _with_unknown(value: Any, unknown: object, name: str) -> Any:
    """Return a value in which a placeholder with the argument's name, ``${execution_role_arn}``, stands for what is not known."""
    if unknown is True:
        return f"${{{name}}}"
    if isinstance(unknown, Mapping) and isinstance(value, Mapping):
        within = f"{name}." if name else ""
        more = {key: each for key, each in unknown.items() if _has_unknown(each)}
        return {
            **value,
            **{key: _with_unknown(value.get(key), each, f"{within}{key}") for key, each in more.items()},
        }
    if isinstance(unknown, list) and isinstance(value, list):
        return [_with_unknown(item, each, name) for item, each in zip_longest(value, unknown)]
    return value


def _has_unknown(unknown: object) -> bool:
    if isinstance(unknown, Mapping | list):
        return any(
            _has_unknown(each) for each in (unknown.values() if isinstance(unknown, Mapping) else unknown)
        )
    return unknown is True


@dataclass(slots=True)
class _Reading:
    """Arguments on their way to fields; remembers from where each came."""

    source: str
    position_of: PositionOf
    findings: list[Finding] = field(default_factory=list)
    origins: dict[Path, Path] = field(default_factory=dict)

    def position(self, path: Path) -> Position | None:
        """Return the position of the argument that a field came from."""
        inside: Path = ()
        while path not in self.origins and path:
            path, inside = path[:-1], (path[-1], *inside)
        return self.position_of((*self.origins.get(path, ()), *inside))

    def note_repeated(self, places: Iterable[Path]) -> None:
        """Note the keys that the document has twice."""
        targets = {origin: path for path, origin in self.origins.items()}
        for place in places:
            length = next(length for length in range(len(place), -1, -1) if place[:length] in targets)
            path = (*targets[place[:length]], *place[length:])
            text = f"the key '{place[-1]}' is there twice; only the last one counts"
            # Terraform refuses an argument that is there twice, and takes such a key.
            severity = (
                Severity.WARNING if path[:1] == ("containerDefinitions",) and path[1:] else Severity.ERROR
            )
            self.findings.append(Finding(path, "repeated-key", text, severity=severity))

    def structure(
        self, arguments: Mapping[object, object], known: Mapping[str, Argument], origin: Path, path: Path
    ) -> dict[object, object]:
        """Return an object of the API."""
        self.origins[path] = origin
        result: dict[object, object] = {}
        for name, value in arguments.items():
            argument = known.get(name) if isinstance(name, str) else None
            place = (*origin, str(name))
            # A state has 0 for a number that is not set.
            unset = value in (None, "", [], {}) or (value == 0 and value is not False)
            if argument is None:
                if not unset and value is not False:  # what a newer provider knows is not set either
                    self._refuse(str(name), known, (*path, str(name)), place)
                continue
            if argument.form is As.NOTHING or unset:
                continue
            target = (*path, argument.name)
            self.origins[target] = place
            result[argument.name] = self._value(value, argument, place, target)
        return result

    def _refuse(self, name: str, known: Mapping[str, Argument], path: Path, place: Path) -> None:
        self.origins[path] = place
        names = [each for each, argument in known.items() if argument.form is not As.NOTHING]
        near = difflib.get_close_matches(name[:80], names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        text = f"'{name[:80]}' is not an argument of {TYPE} here; {hint}"
        self.findings.append(Finding(path, "unknown-field", text))

    def _value(self, value: object, argument: Argument, origin: Path, path: Path) -> object:
        match argument.form:
            case As.BLOCK:
                if isinstance(value, list) and len(value) == 1:
                    value, origin = value[0], (*origin, 0)
                if isinstance(value, Mapping):
                    return self.structure(value, argument.inside, origin, path)
            case As.BLOCKS:
                blocks = value if isinstance(value, list) else [value]
                return [
                    self.structure(each, argument.inside, (*origin, index), (*path, index))
                    if isinstance(each, Mapping)
                    else each
                    for index, each in enumerate(blocks)
                ]
            case As.TAGS if isinstance(value, str):
                text = f"{show_name(value)} is computed by Terraform, and left out"
                self.findings.append(Finding(path, "computed", text, severity=Severity.WARNING))
                return None
            case As.PAIRS | As.TAGS if isinstance(value, Mapping):
                key = "name" if argument.form is As.PAIRS else "key"
                return [{key: name, "value": each} for name, each in value.items()]
            case As.HOST:
                return {"sourcePath": value}
            case As.CONTAINERS:
                return self._containers(value, origin)
        return value

    def _containers(self, value: object, origin: Path) -> object:
        """Return the containers of the JSON in a text; its places are all at the text's own."""
        if isinstance(value, list):
            return value
        position = self.position_of(origin)
        line, column = position or (None, None)
        if isinstance(value, Computed) or (isinstance(value, str) and value.startswith("${")):
            message = f"{_shown(value)} is computed by Terraform: {_how_to_give(value)}"
            raise TaskDefinitionError(
                self.source, [Problem("container_definitions", message, line, column, "computed")]
            )
        if not isinstance(value, str):
            message = f"a text with JSON is wanted here, not {describe_type(value)}"
            raise TaskDefinitionError(
                self.source, [Problem("container_definitions", message, line, column, "wrong-type")]
            )
        try:
            loaded = load_json(value, self.source, {})
        except TaskDefinitionError as error:
            problems = [
                replace(each, path="container_definitions", line=line, column=column)
                for each in error.problems
            ]
            raise TaskDefinitionError(self.source, problems) from None
        self.origins["containerDefinitions",] = origin
        self.note_repeated((*origin, *each) for each in loaded.repeated)
        for each in loaded.repairs:
            self.findings.append(
                Finding(("containerDefinitions",), each.code, each.message, severity=each.severity)
            )
        return loaded.document


def _shown(expression: str) -> str:
    """Return an expression for a message, without the texts in it but for the name of a file."""
    file = _FILE.match(expression)
    if file:
        return f"'{file[1]}{')' if file[2] == ')' else ', …)'}'"
    return "this" if '"' in expression else show_name(expression)


def _how_to_give(value: str) -> str:
    if "file(" in value:
        return (
            "give the file that it reads, with family='…', or what `terraform show -json` prints of the plan"
        )
    return "give what `terraform show -json` prints of the plan"

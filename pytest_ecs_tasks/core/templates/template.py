"""The task definition of a CloudFormation template, of one of its resources, or of a resource's properties alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_ecs_tasks.core.document import Loaded, Path, Position, Unresolved
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.shape import Shape, choose_resource
from pytest_ecs_tasks.core.templates.convert import Converter
from pytest_ecs_tasks.core.templates.names import TASK_DEFINITION
from pytest_ecs_tasks.core.templates.references import Section, section
from pytest_ecs_tasks.core.templates.resolve import PROCESSED, Resolver, describe_macro, is_macro
from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError

TYPE = "AWS::ECS::TaskDefinition"
_HASH = re.compile(r"[0-9A-F]{8}")
_ALONE = "TaskDefinition"
# Macros of AWS's own that leave a task definition as it is, but for loops and functions, which are seen where they stand.
_HARMLESS_MACRO = re.compile(
    r"AWS::(?:LanguageExtensions|Serverless-.*|CodeDeployBlueGreen|SecretsManager-.*)"
)


@dataclass(frozen=True, slots=True)
class _Template:
    """A document read as a template; ``drop`` parts of its places are not in the file; ``is_whole``: it is no part of one."""

    document: Section
    drop: int
    is_whole: bool

    def place(self, path: Path) -> Path:
        """Return a place of the template as a place of the file."""
        return path[self.drop :]


def is_template(document: Mapping[object, object]) -> bool:
    """Tell whether a document is a template, some of its resources, one of them, or its properties."""
    return (
        "AWSTemplateFormatVersion" in document
        or isinstance(document.get("Resources"), Mapping)
        or "ContainerDefinitions" in document
        or document.get("Type") == TYPE
        or any(_is_definition(each) for each in document.values())
    )


def read_template(
    loaded: Loaded, source: str, *, resource: str | None, substitute: Mapping[str, str]
) -> Shape:
    """Return the task definition that a deployment of a template would make, with the API's names.

    ``resource`` is a logical id, or the beginning of one. ``substitute`` gives parameters (``Name``), attributes
    (``Resource.Attribute``), exports and pseudo parameters. Raises :class:`TaskDefinitionError` for a template without a
    task definition, or with several of which none is chosen.
    """
    template = _template_of(loaded.document)
    resolver = Resolver(template.document, source, substitute, template.is_whole)
    _refuse_made_resources(template, loaded, source, resource)
    logical_id, findings = _choose(template, resolver, resource, source)
    declared = section(section(template.document, "Resources"), logical_id)
    path: Path = ("Resources", logical_id, "Properties")
    properties = declared.get("Properties")
    node = resolver.resolve(properties if isinstance(properties, Mapping) else {}, path)
    converter = Converter(resolver.references)
    definition = converter.convert(node, TASK_DEFINITION, ())
    if isinstance(definition, Unresolved):
        raise _made_elsewhere("Properties", definition, loaded.position_of(template.place(path)), source)
    members = dict(definition) if isinstance(definition, Mapping) else {}
    if not members.get("family"):
        # CloudFormation makes the family of the stack's name, the logical id and a random text.
        members["family"] = re.sub(r"[^A-Za-z0-9_-]", "-", logical_id)[:255]

    def position_of(place: Path) -> Position | None:
        return loaded.position_of(template.place(place))

    findings = (*findings, *_note_macros(template, converter))
    repeated = _repeated(loaded, template, converter)
    notes = tuple(
        Finding(place, "yaml-scalar", resolver.notes[origin], severity=Severity.WARNING)
        for place, origin in converter.origins.items()
        if origin in resolver.notes
    )
    return Shape(
        members,
        converter.position_of(position_of),
        (*findings, *converter.findings, *repeated, *notes),
        lenient=True,
        filled=frozenset(resolver.references.names()),
    )


def _note_macros(template: _Template, converter: Converter) -> tuple[Finding, ...]:
    """Return a word for each macro of the whole template that may make another one of it."""
    declared = template.document.get("Transform")
    names = declared if isinstance(declared, list) else [] if declared is None else [declared]
    unknown = [each for each in names if not (isinstance(each, str) and _HARMLESS_MACRO.fullmatch(each))]
    converter.origins[("Transform",)] = ("Transform",)
    return tuple(
        Finding(("Transform",), "template-macro", _describe_transform(each), severity=Severity.WARNING)
        for each in unknown
    )


def _describe_transform(name: object) -> str:
    shown = name.get("Name", "macro") if isinstance(name, Mapping) else name
    return (
        f"CloudFormation runs {str(shown)[:100]}, which may make another task definition of this one: check what "
        f"`{PROCESSED}` prints, too"
    )


def _repeated(loaded: Loaded, template: _Template, converter: Converter) -> tuple[Finding, ...]:
    """Return the keys of the task definition that are there twice."""
    text = "the key '{}' is there twice; readers of templates keep only one of the values"
    twice = set(loaded.repeated)
    return tuple(
        Finding(place, "repeated-key", text.format(origin[-1]))
        for place, origin in converter.origins.items()
        if twice and template.place(origin) in twice
    )


def _is_definition(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("Type") == TYPE


def _template_of(document: object) -> _Template:
    """Return a document as a template: what is only a part of one is put into one."""
    if not isinstance(document, Mapping):
        return _Template({}, 0, is_whole=False)
    if isinstance(document.get("Resources"), Mapping) or "AWSTemplateFormatVersion" in document:
        return _Template(document, 0, is_whole=True)
    if _is_definition(document):
        return _Template({"Resources": {_ALONE: document}}, 2, is_whole=False)
    if "ContainerDefinitions" in document:
        resource = {"Type": TYPE, "Properties": document}
        return _Template({"Resources": {_ALONE: resource}}, 3, is_whole=False)
    return _Template({"Resources": document}, 1, is_whole=False)


def _refuse_made_resources(template: _Template, loaded: Loaded, source: str, resource: str | None) -> None:
    """Refuse a template in which the task definition that is meant may be one that a macro makes."""
    resources = section(template.document, "Resources")
    names = [str(name) for name, each in resources.items() if _is_definition(each)]
    macros = [str(name) for name in resources if is_macro(str(name))]
    if not macros or (names and resource is None) or _complete(resource or "", names) in names:
        return
    position = loaded.position_of(template.place(("Resources", macros[0])))
    raise _made_elsewhere("Resources", describe_macro(macros[0]), position, source)


def _made_elsewhere(path: str, why: str, position: Position | None, source: str) -> TaskDefinitionError:
    line, column = position or (None, None)
    return TaskDefinitionError(source, [Problem(path, why, line, column, "template-function")])


def _choose(
    template: _Template, resolver: Resolver, resource: str | None, source: str
) -> tuple[str, tuple[Finding, ...]]:
    """Return the logical id of the task definition that is meant, and a word when it would not be deployed."""
    resources = section(template.document, "Resources")
    names = [str(name) for name, each in resources.items() if _is_definition(each)]
    deployed = [name for name in names if _is_deployed(resources[name], resolver)]
    if resource is None:
        return choose_resource(deployed or names, None, source, TYPE), ()
    chosen = choose_resource(names, _complete(resource, names), source, TYPE)
    if chosen in deployed:
        return chosen, ()
    text = f"{chosen} has a condition that does not hold, so that the stack would not have it"
    return chosen, (Finding((), "not-deployed", text, severity=Severity.WARNING),)


def _is_deployed(resource: object, resolver: Resolver) -> bool:
    name = resource.get("Condition") if isinstance(resource, Mapping) else None
    return resolver.condition(name) is not False if isinstance(name, str) else True


def _complete(resource: str, names: list[str]) -> str:
    """Return the logical id that begins so; the CDK puts a hash of eight digits behind a name."""
    beginning = [name for name in names if name.startswith(resource)]
    hashed = [name for name in beginning if _HASH.fullmatch(name[len(resource) :])]
    for found in (hashed, beginning):
        if resource not in names and len(found) == 1:
            return found[0]
    return resource

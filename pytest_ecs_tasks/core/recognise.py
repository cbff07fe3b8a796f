"""The task definition that a document holds, whatever shape the document has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_ecs_tasks.core.document import Loaded, Path, Position, describe_type, refusal
from pytest_ecs_tasks.core.fields import DESCRIBE_ONLY
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.foreign import describe_foreign
from pytest_ecs_tasks.core.shape import Shape, within
from pytest_ecs_tasks.core.templates.template import is_template, read_template
from pytest_ecs_tasks.core.terraform import find_terraform
from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME = 255


def find_definition(
    loaded: Loaded,
    source: str,
    *,
    resource: str | None,
    family: str | None,
    substitute: Mapping[str, str],
) -> Shape:
    """Return the task definition of a document.

    ``resource`` selects one of several, ``family`` names it, ``substitute`` has the values of a template's names. Raises
    :class:`TaskDefinitionError` for a document that holds none: another product's file is named as what it is.
    """
    document = loaded.document
    foreign = describe_foreign(document)
    if foreign is not None:
        raise refusal(source, foreign, loaded.position_of(()))
    if isinstance(document, list | tuple):
        _refuse_resource(resource, source)
        shape = _of_containers(document, loaded, source, family)
    elif not isinstance(document, Mapping):
        raise refusal(
            source, f"an object is wanted here, not {describe_type(document)}", loaded.position_of(())
        )
    elif is_template(document):
        shape = read_template(loaded, source, resource=resource, substitute=substitute)
    else:
        shape = find_terraform(loaded, source, resource) or _of_object(document, loaded, resource, source)
    if family is not None:
        shape = replace(shape, definition={**shape.definition, "family": family})
    return shape


def _refuse_resource(resource: str | None, source: str) -> None:
    if resource is not None:
        message = "resource=… selects one of a template's or of Terraform's resources, and this file has none"
        raise TaskDefinitionError(source, [Problem("", message, code="resource")])


def _of_object(document: Mapping[object, object], loaded: Loaded, resource: str | None, source: str) -> Shape:
    """Return RegisterTaskDefinition's input, or what describe-task-definition prints."""
    _refuse_resource(resource, source)
    inner, prefix = document.get("taskDefinition"), ("taskDefinition",)
    if "containerDefinitions" not in document and isinstance(inner, Mapping):
        # describe-task-definition --include TAGS prints them beside it.
        tags = document.get("tags")
        document = {**inner, "tags": tags} if tags and "tags" not in inner else inner
    else:
        prefix = ()  # type: ignore[assignment]
    if any(key in document for key in DESCRIBE_ONLY):
        document = _without_tags_of_aws(document)
    return Shape(document, within(loaded.position_of, prefix), _repeated(loaded, prefix))


def _without_tags_of_aws(document: Mapping[object, object]) -> Mapping[object, object]:
    """Return what is printed of a registered definition without the tags that CloudFormation has put on it."""
    tags = document.get("tags")
    if not isinstance(tags, list):
        return document
    own = [
        each for each in tags if not (isinstance(each, Mapping) and str(each.get("key")).startswith("aws:"))
    ]
    return {**document, "tags": own}


def _of_containers(document: Sequence[object], loaded: Loaded, source: str, family: str | None) -> Shape:
    """Return the task definition of Terraform's ``container_definitions``: a list of containers and nothing else."""
    found = []
    if family is None:
        family = _name_of(source)
        text = (
            f"a list of container definitions has no family: it is '{family}' here, from the file's name. "
            "Another one: ecs_taskdef(…, family='…')"
        )
        found.append(Finding((), "list-of-containers", text, severity=Severity.WARNING))
    definition: dict[object, object] = {"family": family, "containerDefinitions": document}
    volumes = _mounted(document)
    if volumes:
        definition["volumes"] = [{"name": name} for name in volumes]
        text = f"a list of container definitions has no volumes: {', '.join(volumes)} are empty here"
        found.append(Finding(("volumes",), "list-of-containers", text, severity=Severity.WARNING))
    repeated = _repeated(loaded, ())
    inside = tuple(replace(each, path=("containerDefinitions", *each.path)) for each in repeated)

    def position_of(path: Path) -> Position | None:
        return loaded.position_of(path[1:] if path[:1] == ("containerDefinitions",) else ())

    return Shape(definition, position_of, (*found, *inside), partial=True)


def _repeated(loaded: Loaded, prefix: Path) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            path[len(prefix) :],
            "repeated-key",
            f"the key '{path[-1]}' is there twice; JSON readers keep only the last, AWS's deploy action refuses the file",
        )
        for path in loaded.repeated
        if path[: len(prefix)] == prefix
    )


def _name_of(source: str) -> str:
    """Return a family made of a file's name: ``api`` of ``infra/api.json.tpl``."""
    name = source.replace("\\", "/").rpartition("/")[2].partition(".")[0]
    return _NOT_IN_NAMES.sub("-", name).strip("-")[:_LONGEST_NAME] or "task"


def _mounted(containers: Sequence[object]) -> list[str]:
    names: dict[str, None] = {}
    for container in containers:
        mounts = container.get("mountPoints") if isinstance(container, Mapping) else None
        for mount in mounts if isinstance(mounts, list | tuple) else ():
            name = mount.get("sourceVolume") if isinstance(mount, Mapping) else None
            if isinstance(name, str) and name:
                names[name] = None
    return list(names)

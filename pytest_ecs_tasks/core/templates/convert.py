"""A resolved resource turned into RegisterTaskDefinition's input: the API's names, and a word for each value that is missing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.document import Path, Position, PositionOf, Unresolved
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.templates.names import Property
from pytest_ecs_tasks.core.templates.references import References
from pytest_ecs_tasks.core.templates.resolve import is_macro
from pytest_ecs_tasks.core.templates.resources import made_up_id, made_up_name
from pytest_ecs_tasks.core.templates.values import Node, Unknown, has_unknown

_DYNAMIC = re.compile(r"\{\{resolve:[^{}]*\}\}")
_LONGEST_SHOWN = 100
_MOST_HINTS = 100  # comparing is slow, and who reads more?
_ANY = "*"
_LOGS = ("containerDefinitions", _ANY, "logConfiguration")
_ROLES = (("taskRoleArn",), ("executionRoleArn",))
_FILE_SYSTEM = ("volumes", _ANY, _ANY, "fileSystemId")
_ACCESS_POINT = ("volumes", _ANY, "efsVolumeConfiguration", "authorizationConfig", "accessPointId")
_REGION = (*_LOGS, "options", "awslogs-region")
_IMAGE = ("containerDefinitions", _ANY, "image")
# Any name serves: no container can tell, or what has the name is made here when it is needed.
_ANY_NAME_SERVES = (
    *_ROLES,
    ("family",),
    ("tags", _ANY, _ANY),
    ("placementConstraints", _ANY, "expression"),
    (*_LOGS, "options", "awslogs-group"),
    (*_LOGS, "options", "awslogs-stream-prefix"),
    _REGION,
    _FILE_SYSTEM,
    _ACCESS_POINT,
    ("volumes", _ANY, "s3filesVolumeConfiguration", "fileSystemArn"),
    ("volumes", _ANY, "s3filesVolumeConfiguration", "accessPointArn"),
    ("volumes", _ANY, "fsxWindowsFileServerVolumeConfiguration", "authorizationConfig", _ANY),
)
# A secret or parameter that the template makes has the name that the template knows it by.
_OWN_NAME_SERVES = (
    ("containerDefinitions", _ANY, "secrets", _ANY, "valueFrom"),
    (*_LOGS, "secretOptions", _ANY, "valueFrom"),
    ("containerDefinitions", _ANY, "repositoryCredentials", "credentialsParameter"),
)


@dataclass(slots=True)
class Converter:
    """Builds the API's document; ``origins`` are the places in the template of its places."""

    references: References
    origins: dict[Path, Path] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def convert(self, node: Node, inside: Mapping[str, Property] | None, path: Path) -> object:
        """Return the value of a property at its place in the API's document."""
        self.origins[path] = node.path
        match node.value:
            case dict() as members if inside is not None:
                return self._object(members, inside, path)
            case dict() as members:
                return {key: self.convert(item, None, (*path, key)) for key, item in members.items()}
            case list() as items:
                return [self.convert(item, inside, (*path, index)) for index, item in enumerate(items)]
            case str() as text:
                return self._text(text, path)
        return node.value

    def _object(
        self, members: Mapping[str, Node], inside: Mapping[str, Property], path: Path
    ) -> dict[str, object]:
        result: dict[str, object] = {}
        for name, item in members.items():
            known = inside.get(name)
            if known is None and is_macro(name):
                self.origins[(*path, name)] = item.path
                text = str(self._text(str(item.value), (*path, name)))
                self.findings.append(Finding((*path, name), "template-function", text))
                continue
            if known is None:
                near = _nearest(name, inside) if len(self.findings) < _MOST_HINTS else None
                self._note_unknown(name, near, (*path, name), item)
                if near is None or near in members:
                    continue
                known = inside[near]
            result[known.name] = self.convert(item, known.inside, (*path, known.name))
        return result

    def _note_unknown(self, name: str, near: str | None, path: Path, item: Node) -> None:
        self.origins[path] = item.path
        hint = f"; did you mean {near}?" if near else ""
        text = f"'{name[:_LONGEST_SHOWN]}' is not a property of AWS::ECS::TaskDefinition here{hint}"
        self.findings.append(Finding(path, "unknown-field", text))

    def _text(self, text: str, path: Path) -> str:
        """Return a text with what stands in for its unknown parts, or what says that it needs a value."""
        text = _DYNAMIC.sub(lambda found: self._dynamic(found.group()), text)
        for _ in range(3):  # a stand-in may itself have a part that is not known
            if not has_unknown(text):
                return text
            unknown = list(self.references.unknowns.inside(text))
            texts = {each: self._stand_in(each, text, path) for each in unknown}
            known = {each: found for each, found in texts.items() if found is not None}
            if len(known) < len(unknown):
                return self._unresolved([each for each in unknown if each not in known])
            text = self.references.unknowns.replace(text, known)
        return self._unresolved(list(self.references.unknowns.inside(text)))

    def _dynamic(self, reference: str) -> str:
        given = self.references.given(reference)
        if given is not None or has_unknown(reference):
            return reference if given is None else given
        return self.references.unknown(reference, "it is looked up when the stack is deployed")

    def _unresolved(self, unknown: list[Unknown]) -> Unresolved:
        wrong = [each for each in unknown if not each.key]
        if wrong:
            return Unresolved("; ".join(dict.fromkeys(each.why for each in wrong)), code=wrong[0].code)
        why = "; ".join(dict.fromkeys(each.why for each in unknown))
        return Unresolved(f"has no value here: {why}", tuple(each.key for each in unknown))

    def _stand_in(self, unknown: Unknown, text: str, path: Path) -> str | None:
        """Return what serves in place of an unknown part at a place, ``None`` where only the real value does."""
        if not unknown.key:
            return None
        if _is(path, (_IMAGE,)):  # the test may give the container another image
            return unknown.key if unknown.key.startswith("{{") else f"${{{unknown.key}}}"
        if unknown.stand_in is not None and _is(path, (*_ANY_NAME_SERVES, *_OWN_NAME_SERVES)):
            return unknown.stand_in
        if not _is(path, _ANY_NAME_SERVES):
            return None
        if _is(path, (_REGION,)):
            return self.references.pseudo("Region")
        if _is(path, (_FILE_SYSTEM,)):
            return f"fs-{made_up_id(unknown.key)}"
        if _is(path, (_ACCESS_POINT,)):
            return f"fsap-{made_up_id(unknown.key)}"
        name = made_up_name(unknown.key)
        if _is(path, _ROLES) and "/" not in text:
            account, partition = self.references.pseudo("AccountId"), self.references.pseudo("Partition")
            return f"arn:{partition}:iam::{account}:role/{name}"
        return name

    def position_of(self, template: PositionOf) -> PositionOf:
        """Return what tells the template's position of a place of the API's document."""

        def find(path: Path) -> Position | None:
            for length in range(len(path), -1, -1):
                origin = self.origins.get(path[:length])
                if origin is not None:
                    return template(origin)
            return template(())

        return find


def _nearest(name: str, inside: Mapping[str, Property]) -> str | None:
    spellings = {each.lower(): each for each in inside}
    spellings |= {known.name.lower(): each for each, known in inside.items()}
    near = difflib.get_close_matches(name[:_LONGEST_SHOWN].lower(), spellings, n=1, cutoff=0.8)
    return spellings[near[0]] if near else None


def _is(path: Path, patterns: tuple[Path, ...]) -> bool:
    return any(
        len(path) == len(pattern)
        and all(wanted in (_ANY, part) for part, wanted in zip(path, pattern, strict=True))
        for pattern in patterns
    )

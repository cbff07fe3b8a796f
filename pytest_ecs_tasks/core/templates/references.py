"""What a template's names stand for: parameters, pseudo parameters, resources and their attributes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pytest_ecs_tasks.core.document import Path
from pytest_ecs_tasks.core.templates.resources import KINDS, Kind, made_up_id
from pytest_ecs_tasks.core.templates.values import NOTHING, Unknown, Unknowns, as_text, clean, literal

_STACK = "stack"
_STACK_ID = "00000000-0000-0000-0000-000000000000"
_LIST_KINDS = ("CommaDelimitedList", "List<")
_LOOKED_UP = "AWS::SSM::Parameter::Value<"
_LONGEST_SHOWN = 100
_MOST_HINTS, _MOST_NAMES = 20, 500

Section = Mapping[object, object]
# Resolves a value at a place of the template to a text; None for what is no text.
ResolveText = Callable[[object, Path], str | None]


def section(document: Section, name: str) -> Section:
    """Return a part of a template, empty when there is none."""
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


@dataclass(slots=True)
class References:
    """The names of one template and what the test gives for them.

    ``is_whole``: nothing can be named that is not in the template. ``used`` are the keys of ``substitute`` that were used.
    """

    parameters: Section
    resources: Section
    substitute: Mapping[str, str]
    unknowns: Unknowns
    resolve_text: ResolveText
    is_whole: bool = True
    used: set[str] = field(default_factory=set)
    _active: set[tuple[str, str | None]] = field(default_factory=set)
    _hints: int = 0
    _found: dict[tuple[str, str | None], str] = field(default_factory=dict)

    def given(self, key: str) -> str | None:
        """Return what the test gives for a name: ``Name`` or ``${Name}``."""
        for form in (key, f"${{{key}}}"):
            if form in self.substitute:
                self.used.add(form)
                return clean(self.substitute[form])
        return None

    def ref(self, name: str) -> object:
        """Return what ``Ref`` gives: a text, a list of texts, or :data:`NOTHING`."""
        if name == "AWS::NoValue":
            return NOTHING
        given = self.given(name)
        declared = self.parameters.get(name)
        if isinstance(declared, Mapping):
            return self._parameter(name, declared, given)
        if given is not None:
            return given
        if name.startswith("AWS::"):
            return self._pseudo(name)
        return self._resource(name, None)

    def attribute(self, name: str, attribute: str) -> object:
        """Return what ``Fn::GetAtt`` gives."""
        given = self.given(f"{name}.{attribute}")
        return given if given is not None else self._resource(name, attribute)

    def unknown(
        self, key: str, why: str, stand_in: str | None = None, *, code: str = "template-function"
    ) -> str:
        """Return the text that stands for something that is not known."""
        return self.unknowns.mark(Unknown(key, why, stand_in, code))

    def names(self) -> set[str]:
        """Return the keys of ``substitute`` that are the template's own names, and fill no placeholder of a text."""
        own = {str(name) for name in (*self.parameters, *self.resources)}
        return {key for key in self.substitute if key in own or key.partition(".")[0] in own} | self.used

    def _parameter(self, name: str, declared: Section, given: str | None) -> object:
        kind = str(declared.get("Type", "String"))
        if given is not None:
            allowed = declared.get("AllowedValues")
            texts = [as_text(each) for each in allowed] if isinstance(allowed, list) else []
            if texts and given not in texts:
                listed = ", ".join(str(each) for each in texts[:20])
                shown = "what substitute gives" if declared.get("NoEcho") else f"'{given[:_LONGEST_SHOWN]}'"
                why = f"the parameter {name} takes only {listed}, not {shown}"
                return self.unknown("", why, code="wrong-substitute")
            return _typed(given, kind)
        default = declared.get("Default")
        if kind.startswith(_LOOKED_UP):
            of = f", {as_text(default)}," if isinstance(default, str) else ""
            return self.unknown(
                name, f"the parameter {name} is the name of one in Parameter Store{of} whose value is taken"
            )
        text = as_text(default)
        if text is None:
            return self.unknown(name, f"the parameter {name} has no default")
        return _typed(clean(text), kind) if kind.startswith(_LIST_KINDS) else literal(default)

    def pseudo(self, name: str) -> str:
        """Return a pseudo parameter as a text: ``Region`` of ``AWS::Region``."""
        given = self.given(f"AWS::{name}")
        if given is not None:
            return given
        region = self.pseudo("Region") if name != "Region" else ""
        match name:
            case "Region":
                return "us-east-1"
            case "AccountId":
                return "123456789012"
            case "Partition":
                return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if "-gov-" in region else "aws"
            case "URLSuffix":
                return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
            case "StackName":
                return _STACK
            case "StackId":
                account, partition = self.pseudo("AccountId"), self.pseudo("Partition")
                stack = self.pseudo("StackName")
                return f"arn:{partition}:cloudformation:{region}:{account}:stack/{stack}/{_STACK_ID}"
        return ""

    def _pseudo(self, name: str) -> object:
        if name == "AWS::NotificationARNs":
            return []
        return self.pseudo(name.removeprefix("AWS::")) or self._not_there(name)

    def _resource(self, name: str, attribute: str | None) -> object:
        declared = self.resources.get(name)
        key = name if attribute is None else f"{name}.{attribute}"
        if not isinstance(declared, Mapping):
            return self._not_there(name, key)
        type_ = str(declared.get("Type", "resource"))
        if (name, attribute) in self._active:
            return self.unknown("", f"{key} is made of itself")
        if (name, attribute) not in self._found:
            self._active.add((name, attribute))
            self._found[name, attribute] = self._reference(name, attribute, key, type_, declared)
            self._active.discard((name, attribute))
        return self._found[name, attribute]

    def _reference(self, name: str, attribute: str | None, key: str, type_: str, declared: Section) -> str:
        properties = section(declared, "Properties")
        path: Path = ("Resources", name, "Properties")
        if (type_, attribute) == ("AWS::SSM::Parameter", "Value"):
            value = self.resolve_text(properties.get("Value"), (*path, "Value"))
            if value is not None:
                return value
        kind = KINDS.get(type_)
        form = None if kind is None else kind.ref if attribute is None else kind.attributes.get(attribute)
        if kind is None or not form:
            what = f"{key} of the {type_}" if attribute is not None else f"the {type_} {name}"
            return self.unknown(key, f"{what} is known only when the stack is deployed")
        own = None
        if kind.name_property in properties:
            own = self.resolve_text(properties[kind.name_property], (*path, kind.name_property))
        role_path = self.resolve_text(properties.get("Path", "/"), (*path, "Path")) or "/"
        return self._fill(kind, form, name, key, own, role_path)

    def _fill(self, kind: Kind, form: str, name: str, key: str, own: str | None, role_path: str) -> str:
        """Return a reference: exact where the template names the resource, else with what CloudFormation makes up."""
        values = {
            "account": self.pseudo("AccountId"),
            "domain": self.pseudo("URLSuffix"),
            "id": made_up_id(name),
            "partition": self.pseudo("Partition"),
            "path": role_path,
            "region": self.pseudo("Region"),
            "six": made_up_id(name)[:6],
        }
        is_named = own is not None or "{name}" not in form
        if is_named and not kind.made_up and "{id}" not in form:
            return form.format(name=own, **values)
        why = f"CloudFormation makes up {'the name' if not is_named else 'a part'} of {key}"
        if kind.ref == "{name}":
            given = self.given(name)
            return form.format(name=given or self.unknown(name, why, stand_in=name), **values)
        return self.unknown(key, why, stand_in=form.format(name=own or name, **values))

    def _not_there(self, name: str, key: str = "") -> str:
        if not self.is_whole:
            return self.unknown(key or name, f"{name[:_LONGEST_SHOWN]} is not in this part of a template")
        self._hints += 1  # comparing is slow, and who reads more than some?
        known = (
            [str(each) for each in (*self.parameters, *self.resources)] if self._hints <= _MOST_HINTS else []
        )
        near = difflib.get_close_matches(name[:_LONGEST_SHOWN], known[:_MOST_NAMES], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return self.unknown(
            "", f"'{name[:_LONGEST_SHOWN]}' is neither a parameter nor a resource of this template{hint}"
        )


def _typed(text: str, kind: str) -> object:
    if kind.startswith(_LIST_KINDS):
        return [each.strip() for each in text.split(",")]
    return text

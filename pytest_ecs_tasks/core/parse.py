"""A task definition read from a file's text or from a ``dict``: every problem at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_ecs_tasks.core.build import build_task_definition, has_runnable_health_check
from pytest_ecs_tasks.core.check import Report, check_structure
from pytest_ecs_tasks.core.document import (
    Loaded,
    Path,
    Position,
    PositionOf,
    format_path,
    printable,
    too_deep,
)
from pytest_ecs_tasks.core.fields import DESCRIBE_ONLY, TASK_DEFINITION
from pytest_ecs_tasks.core.findings import EVERY, Finding
from pytest_ecs_tasks.core.placeholders import (
    describe_filling,
    fill_values,
    find_unfilled,
    image_slot,
    keys_of,
    may_hold_secret,
    without_secrets,
)
from pytest_ecs_tasks.core.recognise import find_definition
from pytest_ecs_tasks.core.rules import find_broken_rules
from pytest_ecs_tasks.core.shape import Shape
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.core.text import decode, load_text
from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError, UnsupportedFeature

__all__ = ["image_slot", "parse_task_definition", "read_task_definition"]

_NOTHING: Mapping[str, str] = {}
_FORGIVEN = ("forgiven-text", "repeated-key")  # a test run tells them, too
_RUN_AS_EC2 = ("EXTERNAL", "MANAGED_INSTANCES")


def read_task_definition(
    text: str | bytes,
    source: str,
    *,
    substitute: Mapping[str, str] = _NOTHING,
    resource: str | None = None,
    family: str | None = None,
) -> TaskDefinition:
    """Return the task definition in a file's text or bytes; problems carry the line they are in.

    ``source`` is the file's name: it tells languages apart that look alike, and names what has no name.
    ``substitute`` maps placeholders to text, ``resource`` selects one of several task definitions, ``family``
    names it. Raises as :func:`parse_task_definition` does.
    """
    repairs: tuple[Problem, ...] = ()
    if isinstance(text, bytes):
        text, repairs = decode(text, source)
    try:
        loaded = load_text(text, source, substitute)
        loaded = replace(loaded, repairs=(*repairs, *loaded.repairs))
        shape = find_definition(loaded, source, resource=resource, family=family, substitute=substitute)
        return _parse(shape, source, substitute, loaded)
    except RecursionError as error:
        raise too_deep(source) from error


def parse_task_definition(
    document: Mapping[str, object],
    source: str = "task definition",
    *,
    position_of: PositionOf | None = None,
    substitute: Mapping[str, str] = _NOTHING,
    resource: str | None = None,
    family: str | None = None,
) -> TaskDefinition:
    """Return the task definition in a document of any of the forms that files have.

    ``position_of`` tells the line and column of a place, for documents that come from text.

    Raises :class:`TaskDefinitionError` with everything that ECS would refuse, and :class:`UnsupportedFeature`
    when the definition is right and could not work as declared here. What else has no effect here is in
    ``unsupported``, what ECS accepts and people regret in ``advice``.
    """
    loaded = Loaded(document, position_of or _no_position)
    try:
        shape = find_definition(loaded, source, resource=resource, family=family, substitute=substitute)
        return replace(_parse(shape, source, substitute, loaded), repairs=())
    except RecursionError as error:
        raise too_deep(source) from error


def _parse(shape: Shape, source: str, substitute: Mapping[str, str], loaded: Loaded) -> TaskDefinition:
    document = _filled(shape, substitute)
    places = _Places(shape.position_of)
    report = Report(lenient=shape.lenient, exact=shape.exact)
    relevant: dict[object, object] = {
        key: value for key, value in document.items() if key not in DESCRIBE_ONLY
    }
    checked = check_structure(relevant, TASK_DEFINITION, (), report)
    _complete_environment(checked)
    _note_combinations(checked, report)
    revision = document.get("revision")
    definition = replace(
        build_task_definition(
            checked, source=source, revision=revision if type(revision) is int and revision > 0 else 1
        ),
        partial=shape.partial,
    )
    unreadable = _unreadable(report.problems)
    judged = [each for each in find_broken_rules(definition) if not _is_doubtful(each, unreadable)]
    noted = [*judged, *shape.findings]
    errors = places.problems([*report.problems, *(each for each in noted if each.severity is Severity.ERROR)])
    errors = (*errors, *_describe_unquoted(loaded.unquoted, errors))
    unfilled = list(find_unfilled(relevant))
    in_the_way = {path for path, _ in report.placeholders}
    warned = [each for each in noted if each.severity is Severity.WARNING]
    forgiven = [each for each in warned if each.code in _FORGIVEN]
    repairs = (*loaded.repairs, *places.problems([*report.repaired, *forgiven]))
    unsupported = places.problems(report.warned)
    advice = places.problems(
        [
            *report.regretted,
            *(each for each in warned if each.code not in _FORGIVEN),
            *(_describe_unfilled(path, name) for path, name in unfilled if path not in in_the_way),
        ]
    )
    refused = places.problems(report.refused)
    warnings = (*repairs, *unsupported, *advice)
    if errors:
        shown = [name for path, name in (*report.placeholders, *unfilled) if not may_hold_secret(name, path)]
        names = (*(name for _, name in loaded.unquoted), *shown)
        raise _error(source, (*errors, *refused), warnings, names)
    if refused:
        raise UnsupportedFeature(_describe_refused(source, refused), refused, warnings)
    return replace(definition, unsupported=unsupported, advice=advice, repairs=repairs)


def _error(
    source: str, problems: tuple[Problem, ...], warnings: tuple[Problem, ...], names: Iterable[str]
) -> TaskDefinitionError:
    """Return the error with, where a placeholder is in the way, what fills all of them."""
    keys = keys_of(names) if any(each.code == "placeholder" for each in problems) else ()
    hint = [Problem("", describe_filling(keys), code="placeholder")] if keys else []
    return TaskDefinitionError(source, (*problems, *hint), warnings, unfilled=keys)


def _filled(shape: Shape, substitute: Mapping[str, str]) -> Mapping[object, object]:
    """Return the definition with its texts filled; ``AWS::Region`` and the like are meant with braces alone."""
    values = {
        f"${{{key}}}" if key.startswith("AWS::") else key: text
        for key, text in substitute.items()
        if key not in shape.filled
    }
    if not values:
        return shape.definition
    return {key: fill_values(item, values) for key, item in shape.definition.items()}


def _describe_unquoted(
    unquoted: Iterable[tuple[Position, str]], errors: tuple[Problem, ...]
) -> Iterator[Problem]:
    told = {(each.line, each.code) for each in errors}
    for (line, column), name in unquoted:
        if (line, "placeholder") not in told:
            yield Problem("", f"the placeholder {name} is not filled", line, column, "placeholder")


def _describe_unfilled(path: Path, name: str) -> Finding:
    text = f"the placeholder {without_secrets(name, path)} is not filled, and stays as it is"
    return Finding(path, "unfilled-placeholder", text, severity=Severity.WARNING)


@dataclass(frozen=True, slots=True)
class _Places:
    """Turns places into problems."""

    position_of: PositionOf

    def problems(self, findings: Iterable[Finding]) -> tuple[Problem, ...]:
        """Return the problems, in the order of the lines where there are lines, and each once."""
        found = dict.fromkeys(self._problem(finding) for finding in findings)
        return tuple(sorted(found, key=lambda problem: problem.line or 0))

    def _problem(self, finding: Finding) -> Problem:
        line, column = self.position_of(finding.path) or (None, None)
        message = printable(finding.message)
        return Problem(format_path(finding.path), message, line, column, finding.code, finding.severity)


def _no_position(_path: Path) -> Position | None:
    return None


def _field_of(path: Path) -> Path:
    """Return the field of the task, or of a container, that a place is in."""
    return path[:3] if path[:1] == ("containerDefinitions",) else path[:1]


def _unreadable(problems: Iterable[Finding]) -> set[Path]:
    """Return the fields that have problems; a container's also as the field of whichever container."""
    fields = {_field_of(each.path) for each in problems}
    return fields | {(path[0], EVERY, *path[2:]) for path in fields if len(path) > 1}


def _is_doubtful(finding: Finding, unreadable: set[Path]) -> bool:
    """Tell whether a rule was judged by something that could not be read, and so has a problem already."""
    judged_by = [_field_of(path) for path in (finding.path, *finding.needs)]
    return any(place[:length] in unreadable for place in judged_by for length in range(len(place) + 1))


def _complete_environment(checked: dict[str, Any]) -> None:
    """Give every entry of an environment a value, as the deploy action does."""
    for container in checked.get("containerDefinitions", []):
        for entry in container.get("environment", []):
            entry.setdefault("value", "")


def _note_combinations(checked: Mapping[str, Any], report: Report) -> None:
    """Note what no single field tells: launch types, health checks."""
    compatible = checked.get("requiresCompatibilities", [])
    if compatible and all(each in _RUN_AS_EC2 for each in compatible):
        text = f"{', '.join(compatible)} is run as EC2"
        report.warn(("requiresCompatibilities",), "unsupported-field", text)
    for index, container in enumerate(checked.get("containerDefinitions", [])):
        path: Path = ("containerDefinitions", index)
        health = container.get("healthCheck", {})
        if "command" in health and not has_runnable_health_check(health):
            text = "starts with neither CMD nor CMD-SHELL, so it never runs, and health stays UNKNOWN"
            report.warn((*path, "healthCheck", "command"), "health-check-never-runs", text)
        for place, option in enumerate(container.get("dockerSecurityOptions", [])):
            if option.startswith("credentialspec:"):
                text = (
                    "a credential spec is not emulated: the container would run without its domain identity"
                )
                report.refuse((*path, "dockerSecurityOptions", place), "unsupported-feature", text)
        if container.get("firelensConfiguration") and container.get("disableNetworking"):
            text = "a log router is reached over its network here, so it cannot be without one"
            report.refuse((*path, "disableNetworking"), "unsupported-feature", text)
        logs = container.get("logConfiguration", {})
        _note_logs(logs, checked.get("networkMode"), (*path, "logConfiguration"), report)
    for index, volume in enumerate(checked.get("volumes", [])):
        source = volume.get("host", {}).get("sourcePath", "/")
        if not source.startswith("/"):
            text = f"'{source}' is no absolute path: it would make a volume of that name, which outlives the test run"
            report.refuse(("volumes", index, "host", "sourcePath"), "unsupported-feature", text)


def _note_logs(logs: Mapping[str, Any], network_mode: str | None, path: Path, report: Report) -> None:
    if logs.get("logDriver") == "awslogs" and logs.get("secretOptions"):
        text = "awslogs takes no option from a secret here; write its value into options in the test"
        report.refuse((*path, "secretOptions"), "unsupported-feature", text)
    if logs.get("logDriver") == "awsfirelens" and network_mode in ("host", "none"):
        text = f"the log router is reached with networkMode awsvpc and bridge only here, not {network_mode}"
        report.refuse((*path, "logDriver"), "unsupported-feature", text)


def _describe_refused(source: str, refused: tuple[Problem, ...]) -> str:
    title = f"{source} needs what is not emulated here; as it is, the task would not run as declared"
    return "\n".join([title, *(f"  {problem}" for problem in refused)])

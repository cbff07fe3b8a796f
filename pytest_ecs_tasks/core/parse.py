"""A task definition read from JSON text or from a ``dict``: every problem at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_ecs_tasks.core.build import build_task_definition, has_runnable_health_check
from pytest_ecs_tasks.core.check import Noted, Report, check_structure
from pytest_ecs_tasks.core.document import LineOf, Path, format_path, load_json, too_deep, unwrap
from pytest_ecs_tasks.core.fields import DESCRIBE_ONLY, TASK_DEFINITION
from pytest_ecs_tasks.core.findings import Finding
from pytest_ecs_tasks.core.placeholders import fill_values, image_slot
from pytest_ecs_tasks.core.rules import find_broken_rules
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.errors import Problem, TaskDefinitionError, UnsupportedFeature

__all__ = ["image_slot", "parse_task_definition", "read_task_definition"]

_NOTHING: Mapping[str, str] = {}
# mode and max-buffer-size change nothing but how fast the real driver sends.
_AWSLOGS_OPTIONS = frozenset(
    {
        *("awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-create-group"),
        *("mode", "max-buffer-size"),
    }
)
_RUN_AS_EC2 = ("EXTERNAL", "MANAGED_INSTANCES")


def read_task_definition(
    text: str, source: str, *, substitute: Mapping[str, str] = _NOTHING
) -> TaskDefinition:
    """Return the task definition in a JSON text; problems carry the line they are in.

    ``substitute`` maps placeholders to text. Raises as :func:`parse_task_definition` does.
    """
    loaded = load_json(text, source, substitute)
    if not isinstance(loaded.document, Mapping):
        unwrap(loaded.document, source)
    report = Report()
    for path in loaded.repeated:
        report.problem(path, f"the key '{path[-1]}' is there twice; JSON readers keep only the last")
    return _parse(loaded.document, source, substitute, loaded.line_of, report)


def parse_task_definition(
    document: Mapping[str, object],
    source: str = "task definition",
    *,
    line_of: LineOf | None = None,
    substitute: Mapping[str, str] = _NOTHING,
) -> TaskDefinition:
    """Return the task definition in a document of RegisterTaskDefinition's or DescribeTaskDefinition's form.

    ``line_of`` tells the line of a place, for documents that come from text.

    Raises :class:`TaskDefinitionError` with everything that ECS would refuse, and :class:`UnsupportedFeature`
    when the definition is right and could not work as declared here. What else has no effect here is in
    ``unsupported``.
    """
    return _parse(document, source, substitute, line_of or _no_line, Report())


def _parse(
    document: object, source: str, substitute: Mapping[str, str], line_of: LineOf, report: Report
) -> TaskDefinition:
    try:
        if substitute:
            document = fill_values(document, substitute)
        return _parse_filled(document, source, line_of, report)
    except RecursionError as error:
        raise too_deep(source) from error


def _parse_filled(document: object, source: str, line_of: LineOf, report: Report) -> TaskDefinition:
    inner, prefix = unwrap(document, source)
    places = _Places(prefix, line_of)
    report.problems = [(path[len(prefix) :], message) for path, message in report.problems]
    repeated = len(report.problems)
    relevant: dict[object, object] = {key: value for key, value in inner.items() if key not in DESCRIBE_ONLY}
    checked = check_structure(relevant, TASK_DEFINITION, (), report)
    _complete_environment(checked)
    _note_combinations(checked, report)
    revision = inner.get("revision")
    definition = build_task_definition(
        checked, source=source, revision=revision if type(revision) is int and revision > 0 else 1
    )
    unreadable = {_field_of(path) for path, _ in report.problems[repeated:]}
    broken = [each for each in find_broken_rules(definition) if not _is_doubtful(each, unreadable)]
    if report.problems or broken:
        rules = [(each.path, each.message) for each in broken]
        raise TaskDefinitionError(source, places.problems([*report.problems, *rules, *report.refused]))
    if report.refused:
        raise UnsupportedFeature(_describe_refused(source, places.problems(report.refused)))
    return replace(definition, unsupported=places.problems(report.warned))


@dataclass(frozen=True, slots=True)
class _Places:
    """Turns places into problems; ``prefix`` is the task definition's own place in the document."""

    prefix: Path
    line_of: LineOf

    def problems(self, noted: Iterable[Noted]) -> tuple[Problem, ...]:
        """Return the problems, in the order of the lines where there are lines."""
        found = [
            Problem(format_path(path), message, self.line_of((*self.prefix, *path)))
            for path, message in dict.fromkeys(noted)
        ]
        return tuple(sorted(found, key=lambda problem: problem.line or 0))


def _no_line(_path: Path) -> int | None:
    return None


def _field_of(path: Path) -> Path:
    """Return the field of the task, or of a container, that a place is in."""
    return path[:3] if path[:1] == ("containerDefinitions",) else path[:1]


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
    """Note what no single field tells: launch types, health checks, log options without effect here."""
    compatible = checked.get("requiresCompatibilities", [])
    if compatible and all(each in _RUN_AS_EC2 for each in compatible):
        report.warned.append((("requiresCompatibilities",), f"{', '.join(compatible)} is run as EC2"))
    for index, container in enumerate(checked.get("containerDefinitions", [])):
        path: Path = ("containerDefinitions", index)
        health = container.get("healthCheck", {})
        if "command" in health and not has_runnable_health_check(health):
            text = "starts with neither CMD nor CMD-SHELL, so it never runs, and health stays UNKNOWN"
            report.warned.append(((*path, "healthCheck", "command"), text))
        logs = container.get("logConfiguration", {})
        if logs.get("logDriver") != "awslogs":
            continue
        for option in logs.get("options", {}):
            if option not in _AWSLOGS_OPTIONS:
                text = f"{option} is not emulated yet: events are written line by line, to the test's AWS"
                report.warned.append(((*path, "logConfiguration", "options", option), text))


def _describe_refused(source: str, refused: tuple[Problem, ...]) -> str:
    title = f"{source} needs what is not emulated here; as it is, the task would not run as declared"
    return "\n".join([title, *(f"  {problem}" for problem in refused)])

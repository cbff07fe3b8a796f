"""What ``--ecs-check`` says, and in which forms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from pytest_ecs_tasks.errors import Severity


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One finding. ``line`` and ``column`` count from 1; ``path`` is the place in the definition, as the API writes it."""

    file: str
    line: int
    column: int
    severity: Severity
    code: str
    path: str
    message: str

    @property
    def text(self) -> str:
        """The finding in one line, without where it is in the file."""
        first = self.message.strip().partition("\n")[0].rstrip()
        return f"{self.path}: {first}" if self.path else first


@dataclass(frozen=True, slots=True, order=True)
class Unknown:
    """A place in a test where a definition is named that only a run can tell."""

    file: str
    line: int


@dataclass(slots=True)
class Verdict:
    """The outcome of a check.

    ``definitions`` counts what was judged, ``passed_over`` files that are no definitions.
    """

    rows: list[Row] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    definitions: int = 0
    passed_over: int = 0

    def count(self, severity: Severity) -> int:
        """Return how many findings are that bad."""
        return sum(1 for row in self.rows if row.severity is severity)

    @property
    def found_nothing(self) -> bool:
        """Whether there was nothing to judge, and nothing wrong with looking for it."""
        return not self.definitions and not self.rows


def write(verdict: Verdict, form: str) -> Iterator[str]:
    """Yield the lines of a verdict in one of the forms."""
    if form == "json":
        yield _as_json(verdict)
        return
    for row in verdict.rows:
        yield _as_command(row) if form == "github" else _as_line(row)
    yield from summarize(verdict)


def summarize(verdict: Verdict) -> Iterator[str]:
    """Yield what a person wants to know at the end."""
    if verdict.found_nothing:
        yield "ecs-check: no task definition found; name files or directories: pytest --ecs-check infra/ web.json"
    else:
        yield f"ecs-check: {', '.join(_counts(verdict))}"
    if verdict.unknown:
        places = ", ".join(f"{each.file}:{each.line}" for each in verdict.unknown)
        yield f"not checked, because only a run tells which definition is meant: {places}"
    if verdict.passed_over:
        yield f"passed over, because nothing in it is a container definition: {_many(verdict.passed_over, 'file')}"


def _counts(verdict: Verdict) -> Iterator[str]:
    yield _many(verdict.definitions, "task definition")
    counts = {severity: verdict.count(severity) for severity in Severity}
    yield from (_many(count, severity.value) for severity, count in counts.items() if count)
    if not verdict.rows:
        yield "no problems"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _as_line(row: Row) -> str:
    return f"{row.file}:{row.line}:{row.column}  {row.severity}  {row.code}  {row.text}"


def _as_json(verdict: Verdict) -> str:
    content = {
        "findings": [asdict(row) for row in verdict.rows],
        "not_checked": [asdict(each) for each in verdict.unknown],
        "task_definitions": verdict.definitions,
        "errors": verdict.count(Severity.ERROR),
        "warnings": verdict.count(Severity.WARNING),
        "passed_over": verdict.passed_over,
    }
    return json.dumps(content, indent=2)


def _as_command(row: Row) -> str:
    """Return a workflow command of GitHub Actions, which becomes an annotation of the line.

    Source of the escapes: actions/toolkit, packages/core/src/command.ts.
    """
    properties = {"file": row.file, "line": row.line, "col": row.column, "title": row.code}
    given = ",".join(f"{name}={_escape(str(value), ':,')}" for name, value in properties.items())
    message = f"{row.path}: {row.message}" if row.path else row.message
    return f"::{row.severity} {given}::{_escape(message)}"


def _escape(text: str, more: Sequence[str] = "") -> str:
    for character in ("%", "\r", "\n", *more):  # the percent sign first: it is what the escapes begin with
        text = text.replace(character, f"%{ord(character):02X}")
    return text

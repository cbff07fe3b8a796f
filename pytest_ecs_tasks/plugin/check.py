"""``--ecs-check``: is every task definition that is named one that ECS would take? Runs nothing, asks no engine."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError, UnsupportedFeature
from pytest_ecs_tasks.plugin.check_files import NamedFiles, take_files
from pytest_ecs_tasks.plugin.check_rows import Row, Unknown, Verdict, write
from pytest_ecs_tasks.plugin.factory import configured_directory, container_override
from pytest_ecs_tasks.plugin.marks import TaskMark
from pytest_ecs_tasks.plugin.references import Place, Reference, References, find_references
from pytest_ecs_tasks.plugin.sources import FAMILY, Places, explain_missing, find_file, read_source, shown

if TYPE_CHECKING:
    from pytest_ecs_tasks.core.taskdef import TaskDefinition

_QUIET = {"verbose": -2, "reportchars": "", "disable_warnings": True, "tbstyle": "no"}
# What a template means by the region and the account, unless a fixture says otherwise; no rule depends on it.
_PSEUDO_PARAMETERS = {"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}

# Texts of a container that are right whatever a deployment makes them, as far as a file can tell.
_FREE_TEXT = re.compile(
    r"\.((environment|environmentFiles)\[\d+\]\.value|secrets\[\d+\]\.valueFrom|(command|entryPoint)\[\d+\]|dockerLabels\..+)$"
)


class Check:
    """The plugin that is there in a run with ``--ecs-check``, in place of the tests."""

    def __init__(self, config: pytest.Config, *, strict: bool) -> None:
        self._config = config
        self._strict = strict
        self._form = str(config.getoption("ecs_check_format"))
        self._named = take_files(config)
        self._substitute = {**_PSEUDO_PARAMETERS, **_read_substitute(config)}
        self._uncollected: list[pytest.CollectReport] = []
        self._status: int | None = None
        if hasattr(config.option, "dist"):  # xdist would collect in its workers, where this does not look
            config.option.dist = "no"
        self._quieten()

    def _quieten(self) -> None:
        """Let nothing but the document onto the standard output."""
        for name, value in _QUIET.items() if self._form == "json" else ():
            setattr(self._config.option, name, value)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note what could not be collected: which definitions it refers to is not known."""
        if report.failed:
            self._uncollected.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge, and say what was found, in place of running tests."""
        self._quieten()  # again: pytest becomes verbose where it is to show logs
        judge = _Judge(self._config, _shown_from(self._config, self._form), self._substitute)
        verdict = judge.judge(self._named, find_references(session), self._uncollected)
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.ensure_newline()
            for line in write(verdict, self._form):
                reporter.line(line)
        failing = [row for row in verdict.rows if self._strict or row.severity is Severity.ERROR]
        session.testsfailed = len(failing)
        self._status = pytest.ExitCode.NO_TESTS_COLLECTED if verdict.found_nothing else pytest.ExitCode.OK
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let the exit status tell of definitions, where it would tell that no test was collected."""
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = self._status if self._status is not None else session.exitstatus


class _Judge:
    """Judges definitions, each once, and keeps what is wrong with them; ``root`` is what shown paths are relative to."""

    def __init__(self, config: pytest.Config, root: Path, substitute: Mapping[str, str]) -> None:
        self._config = config
        self._root = root
        self._substitute = substitute
        self._directory, self._origin = configured_directory(config, config.getini("ecs_taskdef_dir") or None)
        self._rows: dict[Row, None] = {}
        self._unknown: dict[Unknown, None] = {}
        self._judged: dict[tuple[object, ...], None] = {}
        self._known: dict[tuple[object, ...], _Judged] = {}

    def judge(
        self, named: NamedFiles, references: References, uncollected: Sequence[pytest.CollectReport]
    ) -> Verdict:
        """Return everything that is wrong, in the order of files and lines."""
        for reference in references.found:
            self._judge_reference(reference)
        for file in named.files:
            self._judge_file(file)
        for place, text in references.wrong:
            self._add_at(place, [Problem("", text, code="wrong-marker")])
        for place in references.unknown:
            self._add_unknown(place)
        for report in uncollected:
            text = f"not collected, so what it refers to is not known: {_crash_of(report)}"
            place = Place(self._config.rootpath / report.nodeid.partition("::")[0], 1)
            self._add_at(place, [Problem("", text, code="not-collected")])
        return Verdict(
            sorted(self._rows),
            sorted(self._unknown),
            definitions=len(self._judged),
            passed_over=named.passed_over,
        )

    def _judge_reference(self, reference: Reference) -> None:
        mark, source = reference.mark, reference.mark.source
        places = Places(reference.directories, self._root, self._directory, self._origin)
        file = None if isinstance(source, Mapping) else find_file(source, places)
        if file is None and not isinstance(source, Mapping):
            if FAMILY.match(os.fspath(source)) or reference.is_redefined("ecs_taskdef_dir"):
                self._add_unknown(reference.place)
            else:
                text = explain_missing(source, places)
                self._add_at(reference.place, [Problem("", text, code="no-such-file")])
            return
        judged = self._judge_once(file, mark, places)
        if judged.lacks_values and reference.is_redefined("ecs_substitute"):
            self._add_unknown(reference.place)
            return
        if file is None:
            self._judged[reference.place, mark.family] = None
            self._add_at(reference.place, judged.problems)
        else:
            self._judged[file.resolve(), mark.resource] = None
            own = {"resource", "wrong-substitute"} if mark.substitute else {"resource"}
            self._add_in(file, [each for each in judged.problems if each.code not in own])
            self._add_at(reference.place, self._of_test(file, judged, own))
        if judged.definition is not None:
            self._add_at(reference.place, _judge_request(judged.definition, reference))

    def _of_test(self, file: Path, judged: _Judged, codes: set[str]) -> list[Problem]:
        """Return what is wrong with what the test says of a file: its values, or which of the file's definitions it means."""
        name = shown(file, self._root)
        found = [each for each in judged.problems if each.code in codes]
        places = {each: name if each.line is None else f"{name}:{each.line}" for each in found}
        return [replace(each, message=f"{places[each]}: {each.message}") for each in found]

    def _judge_once(self, file: Path | None, mark: TaskMark, places: Places) -> _Judged:
        """Return the judgement of a definition; many tests may refer to one file."""
        if file is None:
            return _judge(mark, places, self._substitute)
        key = (file, tuple(sorted(mark.substitute.items())), mark.resource, mark.family)
        if key not in self._known:
            self._known[key] = _judge(mark, places, self._substitute)
        return self._known[key]

    def _judge_file(self, file: Path) -> None:
        places = Places((), self._root)
        judged = _judge(TaskMark(file), places, self._substitute)
        for name in judged.choices or (None,):
            each = judged
            if name is not None:
                each = _judge(TaskMark(file, resource=name), places, self._substitute)
            self._judged[file.resolve(), name] = None
            # No test runs it, so it is only ECS that has to take it.
            self._add_in(file, [_softened(problem) for problem in each.of_file()])

    def _add_in(self, file: Path, problems: Iterable[Problem]) -> None:
        """Note what is wrong with a file, where it is in the file."""
        for problem in problems:
            self._add(shown(file, self._root), problem.line or 1, problem.column or 1, problem)

    def _add_at(self, place: Place, problems: Iterable[Problem]) -> None:
        """Note what is wrong with what a test says, or with a definition that is written in a test."""
        for problem in problems:
            self._add(shown(place.file, self._root), place.line, 1, problem)

    def _add(self, file: str, line: int, column: int, problem: Problem) -> None:
        row = Row(file, line, column, problem.severity, problem.code, problem.path, problem.message)
        self._rows[row] = None

    def _add_unknown(self, place: Place) -> None:
        self._unknown[Unknown(shown(place.file, self._root), place.line)] = None


@dataclass(frozen=True, slots=True)
class _Judged:
    """All that can be said of a definition; ``choices`` are those of a file that has several, ``unfilled`` its placeholders."""

    definition: TaskDefinition | None
    problems: tuple[Problem, ...]
    choices: tuple[str, ...] = ()
    unfilled: tuple[str, ...] = ()

    @property
    def lacks_values(self) -> bool:
        """Whether a placeholder is in the way."""
        return any(each.code == "placeholder" for each in self.problems)

    def of_file(self) -> tuple[Problem, ...]:
        """Return the problems of a file that no test names: what fills its placeholders is given on the command line."""
        given = [shlex.quote(f"{key}=…") for key in self.unfilled if "=" not in key]
        text = f"fill with {' '.join(f'--ecs-check-substitute {each}' for each in given)}" if given else ""
        problems = [replace(each, message=text) if _is_hint(each) else each for each in self.problems]
        return tuple(each for each in problems if each.message)


def _is_hint(problem: Problem) -> bool:
    """Tell whether a problem only says how placeholders are filled."""
    return problem.code == "placeholder" and not problem.path and problem.line is None


def _judge(mark: TaskMark, places: Places, substitute: Mapping[str, str]) -> _Judged:
    """Judge a definition; ``substitute`` fills what the mark does not."""
    try:
        definition = read_source(
            mark.source,
            places,
            substitute={**substitute, **mark.substitute},
            describe=None,
            name="ecs_taskdef({…})",
            resource=mark.resource,
            family=mark.family,
        )
    except TaskDefinitionError as error:
        return _Judged(None, (*error.problems, *error.advice), error.choices, error.unfilled)
    except UnsupportedFeature as error:
        problems = error.problems or (Problem("", str(error), code="unsupported-feature"),)
        return _Judged(None, (*problems, *error.advice))
    return _Judged(definition, (*definition.repairs, *definition.unsupported, *definition.advice))


def _judge_request(definition: TaskDefinition, reference: Reference) -> tuple[Problem, ...]:
    """Return what is wrong with what a test asks of a definition that is right by itself."""
    from pytest_ecs_tasks.core.overrides import settle
    from pytest_ecs_tasks.core.request import LaunchType, RunTaskRequest

    launch_type = reference.mark.launch_type
    request = RunTaskRequest(
        definition,
        overrides=tuple(container_override(each) for each in reference.overrides),
        launch_type=LaunchType(launch_type) if launch_type else None,
    )
    try:
        settle(request)
    except TaskDefinitionError as error:
        return error.problems
    return ()


def _softened(problem: Problem) -> Problem:
    """Return as a warning what ECS takes: a field that only this plugin cannot honour, a text that only a deployment knows.

    A file that cannot be read stays an error. How placeholders are filled is a hint, and no error of its own.
    """
    unsupported = problem.code == "unsupported-feature" and problem.path
    unfilled = _is_hint(problem) or (problem.code == "placeholder" and _FREE_TEXT.search(problem.path))
    return replace(problem, severity=Severity.WARNING) if unsupported or unfilled else problem


def _crash_of(report: pytest.CollectReport) -> str:
    """Return the exception of a module that could not be imported, in one line."""
    lines = [line.removeprefix("E").strip() for line in report.longreprtext.splitlines() if line[:2] == "E "]
    return lines[0] if lines else report.longreprtext.strip().rpartition("\n")[2]


def _read_substitute(config: pytest.Config) -> dict[str, str]:
    """Return what fills placeholders. Raises :class:`pytest.UsageError` for what is no ``NAME=VALUE``."""
    found = {}
    for given in config.getoption("ecs_check_substitute"):
        name, equals, value = given.partition("=")
        if not name or not equals:
            raise pytest.UsageError(f"--ecs-check-substitute: {given!r} is not NAME=VALUE")
        found[name] = value
    return found


def _shown_from(config: pytest.Config, form: str) -> Path:
    """Return the directory that files are shown relative to: annotations are relative to the repository."""
    here = config.invocation_params.dir
    workspace = os.environ.get("GITHUB_WORKSPACE")
    return Path(workspace) if form == "github" and workspace and here.is_relative_to(workspace) else here

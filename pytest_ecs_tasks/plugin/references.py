"""Which task definitions tests refer to, as far as it can be told without running them.

Markers and indirect parameters say it themselves, ``task_fixture`` notes it on the fixture, and calls of
``ecs_task_factory.run`` are read in the source of the tests and fixtures that ask for the factory.
"""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

from pytest_ecs_tasks.plugin import marks
from pytest_ecs_tasks.plugin.factory import read_overrides
from pytest_ecs_tasks.plugin.marked import override_marks, task_mark
from pytest_ecs_tasks.plugin.marks import MarkerError, OverrideMark, TaskMark
from pytest_ecs_tasks.plugin.run import OUR_MODULE

_FACTORY = "ecs_task_factory"
_JUDGED_BY = ("substitute", "launch_type", "resource", "family")  # arguments that change what is judged


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a test file; it counts from 1."""

    file: Path
    line: int


@dataclass(frozen=True, slots=True)
class Reference:
    """A definition that a test or a fixture of it names, and where relative paths are looked for."""

    place: Place
    mark: TaskMark
    overrides: Sequence[OverrideMark]
    directories: tuple[Path, ...]
    item: pytest.Item

    def is_redefined(self, name: str) -> bool:
        """Tell whether one of our fixtures has been redefined for the test, so that only a run tells its value."""
        manager = getattr(self.item.session, "_fixturemanager", None)
        definitions = manager.getfixturedefs(name, self.item) if manager is not None else None
        return bool(definitions and definitions[-1].func.__module__ != OUR_MODULE)


@dataclass(slots=True)
class References:
    """What the tests of a session refer to. ``wrong`` are markers and calls that cannot be meant as they are."""

    found: list[Reference] = field(default_factory=list)
    unknown: list[Place] = field(default_factory=list)
    wrong: list[tuple[Place, str]] = field(default_factory=list)


def find_references(session: pytest.Session) -> References:
    """Return every definition that the collected tests, and the fixtures beside them, name."""
    finder = _Finder()
    for item in session.items:
        finder.add_marked(item)
        for function, asked_for in _functions(item):
            if not finder.add_task_fixture(function, item):
                finder.add_calls(function, item, asks=_FACTORY in asked_for)
    for module, item in _modules(session).items():
        for value in list(vars(module).values()):
            finder.add_task_fixture(value, item)
    return finder.references


class OnlyWhenRun(Exception):  # noqa: N818 - it tells a fact, not an error
    """What is named here, only a run can tell."""


class _Finder:
    """Goes through tests and their fixtures."""

    def __init__(self) -> None:
        self.references = References()
        self._uses: dict[FunctionType, tuple[list[ast.Call], list[int]]] = {}

    def add_marked(self, item: pytest.Item) -> None:
        """Add what a test's marker or indirect parameter names, and every marker that is wrong."""
        nearest = item.get_closest_marker("ecs_taskdef")
        parameters = _parameters(item)
        place = _place_of(item)
        wrong = list(marks.find_problems(item.iter_markers()))
        self.references.wrong += [(place, text) for text in wrong]
        if wrong:
            return
        try:
            if "ecs_task" in parameters or _uses_our_task(item):
                mark = task_mark(item, parameters.get("ecs_task"))
            elif nearest is not None:
                mark = marks.read_mark(nearest)
            else:
                return
            overrides = override_marks(item)
        except MarkerError as error:
            self.references.wrong.append((place, str(error)))
            return
        self.references.found.append(Reference(place, mark, overrides, (item.path.parent,), item))

    def add_task_fixture(self, value: object, item: pytest.Item) -> bool:
        """Add what ``task_fixture`` was told, if that is what made the fixture; tell whether it was."""
        mark = getattr(value, "ecs_mark", None)
        if not isinstance(mark, TaskMark):  # an object of any kind may have any attribute
            return False
        place = Place(Path(value.ecs_base), value.ecs_line)  # type: ignore[attr-defined]  # task_fixture set them
        self._add(place, item, lambda: (mark, read_overrides(value.ecs_overrides)))  # type: ignore[attr-defined]
        return True

    def add_calls(self, function: object, item: pytest.Item, *, asks: bool) -> None:
        """Add what a test or a fixture runs with the factory; ``asks`` is whether pytest gives it the factory."""
        function = inspect.unwrap(function) if callable(function) else None
        function = getattr(function, "__func__", function)
        code = function.__code__ if isinstance(function, FunctionType) else None
        if code is not None and _FACTORY in code.co_consts:  # request.getfixturevalue("ecs_task_factory")
            self.references.unknown.append(Place(Path(code.co_filename), code.co_firstlineno))
        if not asks:
            return
        if code is None or _FACTORY not in code.co_varnames:
            self.references.unknown.append(_place_of(item))  # a wrapper that hides what it wraps
            return
        assert isinstance(function, FunctionType)
        names = _Names(function, _parameters(item))
        calls, other_uses = self._uses_of(function)
        file, first = Path(code.co_filename), code.co_firstlineno
        self.references.unknown += [Place(file, first + line - 1) for line in other_uses]
        for call in calls:
            place = Place(file, first + call.lineno - 1)
            self._add(place, item, lambda call=call: _read_call(call, names))  # type: ignore[misc]

    def _add(
        self, place: Place, item: pytest.Item, read: Callable[[], tuple[TaskMark, Sequence[OverrideMark]]]
    ) -> None:
        try:
            mark, overrides = read()
        except OnlyWhenRun:
            self.references.unknown.append(place)
        except MarkerError as error:
            self.references.wrong.append((place, str(error)))
        else:
            directories = (place.file.parent, item.path.parent)
            self.references.found.append(Reference(place, mark, overrides, directories, item))

    def _uses_of(self, function: FunctionType) -> tuple[list[ast.Call], list[int]]:
        if function not in self._uses:
            self._uses[function] = _read_uses(function)
        return self._uses[function]


def _place_of(item: pytest.Item) -> Place:
    path, line, _ = item.reportinfo()
    return Place(Path(path), 1 if line is None else line + 1)


def _parameters(item: pytest.Item) -> Mapping[str, Any]:
    parameters: Mapping[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    return parameters


def _closure(item: pytest.Item) -> Mapping[str, Sequence[pytest.FixtureDef[Any]]]:
    info = getattr(item, "_fixtureinfo", None)  # pytest has no public name for it
    closure: Mapping[str, Sequence[pytest.FixtureDef[Any]]] = getattr(info, "name2fixturedefs", {})
    return closure


def _uses_our_task(item: pytest.Item) -> bool:
    """Tell whether a test uses our ``ecs_task``, and not a fixture of the user's with that name."""
    definitions = _closure(item).get("ecs_task", ())
    return bool(definitions) and definitions[-1].func.__module__ == OUR_MODULE


def _functions(item: pytest.Item) -> Iterator[tuple[object, Sequence[str]]]:
    """Yield the functions of a test and of the fixtures that it uses, directly or not, and the fixtures they ask for."""
    info = getattr(item, "_fixtureinfo", None)
    yield getattr(item, "function", None), getattr(info, "argnames", ())
    for definitions in _closure(item).values():
        for each in definitions[-1:]:
            if each.func.__module__ != OUR_MODULE:
                yield each.func, each.argnames


def _modules(session: pytest.Session) -> Mapping[ModuleType, pytest.Item]:
    """Return the modules of the tests and their conftest files, each with a test that it is for.

    A ``task_fixture`` in one of them may be asked for with ``getfixturevalue``, which no list of fixtures tells.
    """
    conftests = {
        Path(plugin.__file__).parent: plugin
        for plugin in session.config.pluginmanager.get_plugins()
        if isinstance(plugin, ModuleType) and plugin.__file__ and Path(plugin.__file__).name == "conftest.py"
    }
    modules: dict[ModuleType, pytest.Item] = {}
    for item in session.items:
        beside = [conftests[each] for each in item.path.parents if each in conftests]
        for module in (getattr(item, "module", None), *beside):
            if isinstance(module, ModuleType):
                modules.setdefault(module, item)
    return modules


def _read_uses(function: FunctionType) -> tuple[list[ast.Call], list[int]]:
    """Return the calls of ``ecs_task_factory.run``, and the lines where the factory goes elsewhere.

    Lines count from the function's first.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return [], [1]
    calls, of_calls = [], set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name() as name, attr="run")) if name.id == _FACTORY:
                calls.append(node)
                of_calls.add(name)
    others = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == _FACTORY and node not in of_calls
    ]
    return calls, others


@dataclass(frozen=True, slots=True)
class _Names:
    """What names stand for in a function before it runs: a test's parameters, and values of its module."""

    function: FunctionType
    parameters: Mapping[str, Any]

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression. Raises :class:`OnlyWhenRun`."""
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            pass  # no literal: perhaps a name
        if not isinstance(node, ast.Name):
            raise OnlyWhenRun
        if node.id in self.parameters:
            return self.parameters[node.id]
        if node.id in self.function.__code__.co_varnames or node.id not in self.function.__globals__:
            raise OnlyWhenRun
        return self.function.__globals__[node.id]


def _read_call(call: ast.Call, names: _Names) -> tuple[TaskMark, Sequence[OverrideMark]]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    given = call.args[0] if call.args else keywords.pop("source", None)
    if given is None or isinstance(given, ast.Starred) or None in keywords:
        raise OnlyWhenRun
    source = names.value(given)
    if not isinstance(source, str | os.PathLike | Mapping):
        raise OnlyWhenRun
    known = {name: names.value(keywords[name]) for name in _JUDGED_BY if name in keywords}
    mark: TaskMark = marks.call_checked("ecs_taskdef", (source,), known)
    try:
        overrides = names.value(keywords["overrides"]) if "overrides" in keywords else None
    except OnlyWhenRun:
        overrides = None  # the definition is judged all the same
    return mark, read_overrides(overrides)

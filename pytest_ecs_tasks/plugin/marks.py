"""The markers: their signatures are typed functions, and calling one is how its arguments are checked."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

Source = str | os.PathLike[str] | Mapping[str, object]
WAITS = ("healthy", "running", "stopped")
LAUNCH_TYPES = ("EC2", "FARGATE")
ENGINES = ("docker", "podman")


class MarkerError(Exception):
    """A marker that is used in a wrong way; the text is for the test's author."""


@dataclass(frozen=True, slots=True)
class TaskMark:
    """``@pytest.mark.ecs_taskdef(…)``. ``start_timeout`` in seconds."""

    source: Source
    wait: object = "healthy"
    launch_type: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    substitute: Mapping[str, str] = field(default_factory=dict)
    start_timeout: float | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class OverrideMark:
    """``@pytest.mark.ecs_overrides(…)``. ``cpu`` in CPU units, ``memory`` in MiB."""

    container: str
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    image: str | None = None
    cpu: int | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class SecretMark:
    """``@pytest.mark.ecs_secret(…)``."""

    name: str
    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParameterMark:
    """``@pytest.mark.ecs_parameter(…)``."""

    name: str
    value: object = field(repr=False)
    secure: bool = True


def ecs_taskdef(
    source: Source,
    *,
    wait: object = "healthy",
    launch_type: str | None = None,
    images: Mapping[str, str] | None = None,
    substitute: Mapping[str, str] | None = None,
    start_timeout: float | None = None,
    count: int = 1,
) -> TaskMark:
    """Check and return what a task definition marker says."""
    _expect(
        isinstance(source, str | os.PathLike | Mapping),
        "source",
        source,
        'a path, a dict or "family:revision"',
    )
    strategy = callable(wait) or hasattr(wait, "wait_until_ready")
    if wait is not None and not strategy and wait not in WAITS:
        near = _nearest(str(wait), WAITS)
        _expect(
            False,
            "wait",
            wait,
            f"{', '.join(map(repr, WAITS))}, None or a testcontainers wait strategy{near}",
        )
    if launch_type is not None and launch_type not in LAUNCH_TYPES:
        near = _nearest(str(launch_type).upper(), LAUNCH_TYPES)
        _expect(False, "launch_type", launch_type, f"{' or '.join(map(repr, LAUNCH_TYPES))}{near}")
    _expect_texts("images", images)
    _expect_texts("substitute", substitute)
    is_number = isinstance(start_timeout, int | float) and not isinstance(start_timeout, bool)
    _expect(
        start_timeout is None or (is_number and start_timeout > 0),
        "start_timeout",
        start_timeout,
        "seconds above 0",
    )
    _expect(
        isinstance(count, int) and not isinstance(count, bool) and count >= 1, "count", count, "1 or more"
    )
    return TaskMark(
        source, wait, launch_type, dict(images or {}), dict(substitute or {}), start_timeout, count
    )


def ecs_overrides(
    container: str,
    *,
    command: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    image: str | None = None,
    cpu: int | None = None,
    memory: int | None = None,
) -> OverrideMark:
    """Check and return what an overrides marker says."""
    _expect(isinstance(container, str), "container", container, "a container's name")
    is_list = (
        isinstance(command, Sequence)
        and not isinstance(command, str)
        and all(isinstance(each, str) for each in command)
    )
    _expect(
        command is None or is_list, "command", command, 'a list of strings, as in RunTask: ["echo", "hello"]'
    )
    _expect_texts("environment", environment, show=False)
    _expect(image is None or isinstance(image, str), "image", image, "an image's name")
    for name, number in (("cpu", cpu), ("memory", memory)):
        whole = isinstance(number, int) and not isinstance(number, bool)
        _expect(number is None or whole, name, number, "a whole number")
    words = None if command is None else tuple(command)
    return OverrideMark(container, words, dict(environment or {}), image, cpu, memory)


def ecs_secret(name_or_arn: str, value: str | bytes | Mapping[str, object]) -> SecretMark:
    """Check and return what a secret marker says; the value never shows."""
    _expect(
        isinstance(name_or_arn, str) and bool(name_or_arn), "name_or_arn", name_or_arn, "a name or an ARN"
    )
    _expect(isinstance(value, str | bytes | Mapping), "value", type(value).__name__, "a str, bytes or a dict")
    return SecretMark(name_or_arn, value)


def ecs_parameter(
    name_or_arn: str, value: str | Mapping[str, object], *, secure: bool = True
) -> ParameterMark:
    """Check and return what a parameter marker says; the value never shows."""
    _expect(
        isinstance(name_or_arn, str) and bool(name_or_arn), "name_or_arn", name_or_arn, "a name or an ARN"
    )
    _expect(isinstance(value, str | Mapping), "value", type(value).__name__, "a str or a dict")
    _expect(isinstance(secure, bool), "secure", secure, "True or False")
    return ParameterMark(name_or_arn, value, secure)


def ecs_log_group(name: str) -> str:
    """Check and return the name of a log group."""
    _expect(isinstance(name, str) and bool(name), "name", name, "a log group's name")
    return name


def ecs_engine(name: str) -> str:
    """Check and return the name of an engine."""
    if name not in ENGINES:
        _expect(False, "name", name, f"{' or '.join(map(repr, ENGINES))}{_nearest(str(name), ENGINES)}")
    return name


MARKS: Mapping[str, Callable[..., object]] = {
    "ecs_taskdef": ecs_taskdef,
    "ecs_overrides": ecs_overrides,
    "ecs_secret": ecs_secret,
    "ecs_parameter": ecs_parameter,
    "ecs_log_group": ecs_log_group,
    "ecs_engine": ecs_engine,
}


def read_mark(mark: pytest.Mark) -> Any:
    """Return what a marker says. Raises :class:`MarkerError` that names the wrong argument and the nearest valid one."""
    return call_checked(mark.name, mark.args, mark.kwargs)


def find_problems(given: Iterable[pytest.Mark]) -> Iterator[str]:
    """Yield what is wrong with markers."""
    for mark in given:
        if mark.name in MARKS:
            try:
                read_mark(mark)
            except MarkerError as error:
                yield str(error)


def call_checked(name: str, args: Sequence[object], kwargs: Mapping[str, object]) -> Any:
    """Call a marker's function with arguments that may not fit."""
    function = MARKS[name]
    signature = inspect.signature(function)
    for keyword in kwargs:
        if keyword not in signature.parameters:
            raise MarkerError(f"{name}() got an unexpected argument {keyword!r}.{_suggest(name, keyword)}")
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        names = ", ".join(signature.parameters)
        raise MarkerError(f"{name}(): {error}. Its arguments are {names}.") from error
    try:
        return function(*args, **kwargs)
    except MarkerError as error:
        raise MarkerError(f"{name}(): {error}") from error


def _suggest(marker: str, keyword: str) -> str:
    """Return the nearest valid argument, of this marker or of another one."""
    own = list(inspect.signature(MARKS[marker]).parameters)
    match = difflib.get_close_matches(keyword, own, n=1, cutoff=0.6)
    if match:
        return f" Did you mean {match[0]}=…?"
    for other, function in MARKS.items():
        parameters = inspect.signature(function).parameters
        match = difflib.get_close_matches(keyword, list(parameters), n=1, cutoff=0.7)
        if match:
            required = [each.name for each in parameters.values() if each.default is inspect.Parameter.empty]
            leading = "".join(f"{each}, " for each in required if each != match[0])
            return f" Did you mean @pytest.mark.{other}({leading}{match[0]}=…)?"
    return f" Its arguments are {', '.join(own)}."


def _nearest(word: str, choices: Sequence[str]) -> str:
    match = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {match[0]!r}?" if match else ""


def _expect(holds: bool, argument: str, value: object, valid: str) -> None:
    if not holds:
        raise MarkerError(f"{argument}={value!r} is not valid: use {valid}")


def _expect_texts(argument: str, value: object, *, show: bool = True) -> None:
    if value is None:
        return
    fits = isinstance(value, Mapping) and all(
        isinstance(each, str) for pair in value.items() for each in pair
    )
    shown = value if show else f"{type(value).__name__} (its values are not shown)"
    if not fits:
        raise MarkerError(f"{argument}={shown!r} is not valid: use a dict of strings")

"""The markers: their signatures are typed functions, and calling one is how its arguments are checked."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

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
    resource: str | None = None
    family: str | None = None


@dataclass(frozen=True, slots=True)
class OverrideMark:
    """``@pytest.mark.ecs_overrides(…)``. ``cpu`` in CPU units, ``memory`` in MiB."""

    container: str
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    image: str | None = None
    cpu: int | None = None
    memory: int | None = None
    health_check: tuple[str, ...] | Mapping[str, object] | Literal[False] | None = None


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
    resource: str | None = None,
    family: str | None = None,
) -> TaskMark:
    """Check and return what a task definition marker says.

    ``resource`` tells which task definition of a file is meant that has several: a template's logical id, or Terraform's
    address. ``family`` names the one of a file that has none: a list of container definitions.
    """
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
    for name, value, example in (
        ("resource", resource, "a logical id or an address: 'aws_ecs_task_definition.web'"),
        ("family", family, "a family's name"),
    ):
        _expect(value is None or (isinstance(value, str) and bool(value)), name, value, example)
    return TaskMark(
        source=source,
        wait=wait,
        launch_type=launch_type,
        images=dict(images or {}),
        substitute=dict(substitute or {}),
        start_timeout=start_timeout,
        count=count,
        resource=resource,
        family=family,
    )


def ecs_overrides(
    container: str,
    *,
    command: Sequence[str] | None = None,
    environment: Mapping[str, str] | None = None,
    image: str | None = None,
    cpu: int | None = None,
    memory: int | None = None,
    health_check: Sequence[str] | Mapping[str, object] | Literal[False] | None = None,
) -> OverrideMark:
    """Check and return what an overrides marker says.

    ``health_check`` is a command (``["CMD-SHELL", "…"]``) for the declared check, a whole check as the API has it
    (``{"command": […], "interval": 5}``) or ``False``, for none.
    """
    _expect(isinstance(container, str), "container", container, "a container's name")
    _expect(
        command is None or _is_texts(command),
        "command",
        command,
        'a list of strings, as in RunTask: ["echo", "hello"]',
    )
    _expect_texts("environment", environment, show=False)
    _expect(image is None or isinstance(image, str), "image", image, "an image's name")
    for name, number in (("cpu", cpu), ("memory", memory)):
        whole = isinstance(number, int) and not isinstance(number, bool)
        _expect(number is None or whole, name, number, "a whole number")
    words = None if command is None else tuple(command)
    check = _read_health_check(health_check)
    return OverrideMark(container, words, dict(environment or {}), image, cpu, memory, check)


def _read_health_check(given: Any) -> tuple[str, ...] | Mapping[str, object] | Literal[False] | None:
    if given is None or given is False or isinstance(given, Mapping):
        return given
    valid = (
        'a command such as ["CMD-SHELL", "wget -qO- localhost"], a dict as in the task definition, '
        "or False for no health check"
    )
    _expect(_is_texts(given), "health_check", given, valid)
    return tuple(given)


def _is_texts(value: object) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return False
    return all(isinstance(each, str) for each in value)


def ecs_secret(name_or_arn: str, value: str | bytes | Mapping[str, object]) -> SecretMark:
    """Check and return what a secret marker says; the value never shows."""
    _expect(
        isinstance(name_or_arn, str) and bool(name_or_arn), "name_or_arn", name_or_arn, "a name or an ARN"
    )
    _expect_kind(value, (str, bytes, Mapping), "a str, bytes or a dict")
    return SecretMark(name_or_arn, value)


def ecs_parameter(
    name_or_arn: str, value: str | Mapping[str, object], *, secure: bool = True
) -> ParameterMark:
    """Check and return what a parameter marker says; the value never shows."""
    _expect(
        isinstance(name_or_arn, str) and bool(name_or_arn), "name_or_arn", name_or_arn, "a name or an ARN"
    )
    _expect_kind(value, (str, Mapping), "a str or a dict")
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


def _expect_kind(value: object, kinds: tuple[type, ...], valid: str) -> None:
    """Refuse a secret value of another kind without showing it."""
    if not isinstance(value, kinds):
        raise MarkerError(f"value is of type {type(value).__name__}: use {valid}")


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

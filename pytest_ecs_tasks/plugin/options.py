"""Every option, in one table: command line over environment over ini over default."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pytest


@dataclass(frozen=True, slots=True)
class Option:
    """One row. ``check`` turns text into a value and raises ``ValueError`` with what would be valid."""

    name: str
    default: object
    help: str
    check: Callable[[str], object]
    metavar: str | None = None
    has_environment: bool = True
    has_ini: bool = True

    @property
    def flag(self) -> str:
        """The command line's form."""
        return f"--ecs-{self.name}"

    @property
    def variable(self) -> str:
        """The environment's form."""
        return f"PYTEST_ECS_{self.name.replace('-', '_').upper()}"

    @property
    def key(self) -> str:
        """The ini file's form, which is also the command line's ``dest``."""
        return f"ecs_{self.name.replace('-', '_')}"


class Setting(NamedTuple):
    """A value and where it came from: ``--ecs-engine``, ``env PYTEST_ECS_ENGINE``, ``ini ecs_engine`` or ``default``."""

    value: object
    source: str


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a check for a word out of a few."""

    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"use one of {', '.join(choices)}")
        return text

    return check


def or_url(*choices: str) -> Callable[[str], str]:
    """Return a check for a word out of a few, or a URL."""

    def check(text: str) -> str:
        if text not in choices and "://" not in text:
            raise ValueError(f"use one of {', '.join(choices)}, or a URL")
        return text

    return check


def whole_number(text: str) -> int:
    """Check for a number of lines."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError("use a whole number, 0 or more")
    return number


def seconds(text: str) -> float:
    """Check for a time in seconds."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < float("inf"):
        raise ValueError("use a number of seconds above 0")
    return number


OPTIONS = (
    Option(
        "engine",
        "auto",
        "Container engine: auto, docker, podman or an engine URL. auto tries DOCKER_HOST, the docker context, Docker's "
        "socket, Podman's socket, then a private podman service.",
        or_url("auto", "docker", "podman"),
        "ENGINE",
    ),
    Option(
        "missing-engine",
        "fail",
        "What happens to tests that need an engine when none answers: fail or skip.",
        one_of("fail", "skip"),
        "fail|skip",
    ),
    Option(
        "aws",
        "server",
        "Who plays AWS: server (moto in child processes), in-process (the backends of your own mock_aws) or an endpoint "
        "URL.",
        or_url("server", "in-process"),
        "AWS",
    ),
    Option(
        "keep",
        "never",
        "Keep the containers of a test when it is over: never, on-failure or always. --ecs-sweep removes them.",
        one_of("never", "on-failure", "always"),
        "never|on-failure|always",
        has_ini=False,
    ),
    Option(
        "pull",
        "missing",
        "When images are pulled: missing, always or never.",
        one_of("missing", "always", "never"),
        "missing|always|never",
    ),
    Option(
        "health",
        "fast",
        "How health checks are run: fast (also between the declared intervals, until first HEALTHY) or declared.",
        one_of("fast", "declared"),
        "fast|declared",
    ),
    Option(
        "logs",
        "failure",
        "When container logs are part of the report: failure, all or none.",
        one_of("failure", "all", "none"),
        "failure|all|none",
    ),
    Option(
        "log-lines", 100, "How many lines of each container's log are shown, from its end.", whole_number, "N"
    ),
    Option(
        "artifacts",
        None,
        "Directory that gets a folder for each failed test: full logs, DescribeTasks, events, transcript.",
        str,
        "DIR",
    ),
    Option(
        "start-timeout",
        None,
        "Seconds that a task may take to start; derived from its health checks, at least 30.",
        seconds,
        "SECONDS",
    ),
    Option(
        "host", None, "Where published ports (bridge mode) are reached; detected.", str, "HOST", has_ini=False
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Register every option and ini value."""
    group = parser.getgroup("ecs-tasks", "Amazon ECS tasks")
    for option in OPTIONS:
        shown = f"{option.help} Default: {option.default}." if option.default is not None else option.help
        group.addoption(option.flag, dest=option.key, default=None, metavar=option.metavar, help=shown)
        if option.has_ini:
            parser.addini(option.key, shown, type="string", default=None)
    group.addoption(
        "--ecs-check",
        action="store_true",
        default=False,
        help="Check every task definition that the selected tests use, and every file that is named; run nothing. Needs no "
        "engine.",
    )
    group.addoption(
        "--ecs-check-format",
        choices=("text", "json", "github"),
        default="text",
        help="What --ecs-check writes: text (file:line:column  severity  code  text), json, or github (annotations). Default: "
        "text.",
    )
    group.addoption(
        "--ecs-check-substitute",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="What --ecs-check fills a placeholder, or a template's parameter, with; may be given more than once.",
    )
    group.addoption(
        "--ecs-sweep",
        action="store_true",
        default=False,
        help="Remove what dead and kept runs have left on the engine, then exit.",
    )
    parser.addini(
        "ecs_strict",
        "true: a field that is not emulated is an error, and so is a log group that does not exist.",
        type="bool",
        default=False,
    )
    parser.addini(
        "ecs_taskdef_dir",
        "Directory, relative to this file, where task definitions are looked for when they are not beside the test.",
        type="string",
        default=None,
    )


class Settings:
    """The options of one run, each with its source."""

    def __init__(self, settings: Mapping[str, Setting], *, strict: bool) -> None:
        self._settings = dict(settings)
        self.strict = strict

    def source(self, name: str) -> str:
        """Return where an option's value came from."""
        return self._settings[name].source

    def text(self, name: str) -> str:
        """Return an option that has always a value."""
        return str(self._settings[name].value)

    def optional_text(self, name: str) -> str | None:
        """Return an option that may have none."""
        value = self._settings[name].value
        return None if value is None else str(value)

    @property
    def log_lines(self) -> int:
        """How many lines of a log are shown."""
        value = self._settings["log-lines"].value
        assert isinstance(value, int)
        return value

    @property
    def start_timeout(self) -> float | None:
        """How long a task may take to start, in seconds; ``None`` derives it."""
        value = self._settings["start-timeout"].value
        assert value is None or isinstance(value, float)
        return value


def read_settings(config: pytest.Config, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return every option's value. Raises :class:`pytest.UsageError` that lists what would be valid."""
    settings = {option.name: _read(option, config, environ) for option in OPTIONS}
    return Settings(settings, strict=bool(config.getini("ecs_strict")))


def _read(option: Option, config: pytest.Config, environ: Mapping[str, str]) -> Setting:
    given = config.getoption(option.key)
    if given is not None:
        return _checked(option, str(given), option.flag)
    if option.has_environment and environ.get(option.variable):
        return _checked(option, environ[option.variable], f"env {option.variable}")
    written = config.getini(option.key) if option.has_ini else None
    if written:
        return _checked(option, str(written), f"ini {option.key}")
    return Setting(option.default, "default")


def _checked(option: Option, text: str, source: str) -> Setting:
    try:
        return Setting(option.check(text), source)
    except ValueError as error:
        raise pytest.UsageError(f"{source}: {text!r} is not valid, {error}") from error

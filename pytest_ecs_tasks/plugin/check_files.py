"""Which arguments of ``pytest --ecs-check`` name task definitions, and which name tests."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_ecs_tasks.plugin.sources import SUFFIXES

_PYTHON = (".py", ".pyc")
# What a file in a directory has somewhere if it is a task definition: in the API's spelling, CloudFormation's, Terraform's.
_WORDS = (b"containerDefinitions", b"ContainerDefinitions", b"container_definitions")
# And what a list of containers alone has, as Terraform takes it: it begins with a bracket, and no other list has these.
_WORDS_OF_A_LIST = (b'"essential"', b'"portMappings"', b'"logConfiguration"', b'"mountPoints"')
_MORE_SUFFIXES = (".tmpl", ".j2")


@dataclass(slots=True)
class NamedFiles:
    """The files to judge that the command line names. ``passed_over`` counts files of directories that are no definitions."""

    files: dict[Path, None] = field(default_factory=dict)
    passed_over: int = 0


def take_files(config: pytest.Config) -> NamedFiles:
    """Take the arguments that name definitions out of the command line, so that pytest collects nothing for them.

    A file that is no Python file is one, so is what a pattern matches, and a directory without test files is searched.
    Raises :class:`pytest.UsageError` for a pattern that matches nothing.
    """
    named = NamedFiles()
    if config.args_source is pytest.Config.ArgsSource.ARGS and not config.option.pyargs:
        config.args = [each for each in config.args if not _take(each, config, named)]
    return named


def _take(argument: str, config: pytest.Config, named: NamedFiles) -> bool:
    base = config.invocation_params.dir
    path = base / argument
    if path.is_file():
        if path.suffix not in _PYTHON:
            named.files[path] = None
        return path.suffix not in _PYTHON
    if path.is_dir():
        return _take_directory(path, config, named)
    if "::" in argument or not glob.has_magic(argument):
        return False  # a test, or pytest will say that it is not there
    found = [base / each for each in sorted(glob.glob(argument, root_dir=base, recursive=True))]
    files = [each for each in found if each.is_file() and each.suffix not in _PYTHON]
    if not files:
        raise pytest.UsageError(f"--ecs-check: no file matches {argument!r}")
    named.files.update(dict.fromkeys(files))
    return True


def _take_directory(directory: Path, config: pytest.Config, named: NamedFiles) -> bool:
    patterns: Sequence[str] = config.getini("python_files")
    files = list(_walk(directory, config.getini("norecursedirs")))
    if any(fnmatch.fnmatch(each.name, pattern) for each in files for pattern in patterns):
        return False
    for file in files:
        if file.suffix not in (*SUFFIXES, *_MORE_SUFFIXES):
            continue
        if file.is_file() and _may_be_definition(file):
            named.files[file] = None
        else:  # also a link that leads nowhere, and a pipe
            named.passed_over += 1
    return True


def _walk(directory: Path, left_out: Sequence[str]) -> Iterator[Path]:
    for where, directories, files in os.walk(directory):
        directories[:] = sorted(
            name for name in directories if not any(fnmatch.fnmatch(name, pattern) for pattern in left_out)
        )
        yield from (Path(where, name) for name in sorted(files))


def _may_be_definition(file: Path) -> bool:
    try:
        content = file.read_bytes().replace(b"\0", b"")  # so that UTF-16 is found, and refused with words
    except OSError:
        return True  # reading it says why not
    if content.lstrip().startswith(b"[") and b'"image"' in content:
        return any(word in content for word in (*_WORDS, *_WORDS_OF_A_LIST))
    return any(word in content for word in _WORDS)

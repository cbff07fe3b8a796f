"""The registry's process: how it fails to start, and that it ends with its owner."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import freezegun
import pytest

from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.runtimes.registry_process import RegistryProcess, find_program
from registry_program import require_program

pytestmark = pytest.mark.any_engine


def program(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory in which scratch folders are made; pytest's own are too deep for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


def test_debians_program_goes_before_the_distributions(tmp_path: Path) -> None:
    program(tmp_path, "registry", "")
    assert find_program(str(tmp_path)) == str(tmp_path / "registry")
    program(tmp_path, "docker-registry", "")
    assert find_program(str(tmp_path)) == str(tmp_path / "docker-registry")
    assert find_program(str(tmp_path / "nowhere")) is None


def test_one_that_does_not_start_says_its_last_words_and_leaves_nothing(
    tmp_path: Path, scratch: Path
) -> None:
    broken = program(tmp_path, "registry", "echo first; echo 'no space left' >&2; exit 1")

    with pytest.raises(EngineError, match=r"registry did not start: no space left"):
        RegistryProcess(broken)

    assert list(scratch.iterdir()) == []


def test_a_program_that_is_none_is_an_error_too(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(EngineError, match="did not start"):
        RegistryProcess(str(tmp_path / "nowhere"))

    assert list(scratch.iterdir()) == []


def test_it_starts_and_ends_while_a_test_has_frozen_time(scratch: Path) -> None:
    with freezegun.freeze_time("2020-02-29"):
        registry = RegistryProcess(require_program())
        registry.connect().close()
        registry.close()

    assert list(scratch.iterdir()) == []


def test_it_answers_on_its_socket_alone_and_is_gone_when_it_is_closed(scratch: Path) -> None:
    registry = RegistryProcess(require_program())
    connection = registry.connect()
    connection.request("GET", "/v2/")
    status = connection.getresponse().status
    connection.close()
    (folder,) = scratch.iterdir()

    registry.close()
    registry.close()

    assert status == 200
    assert not folder.exists()
    with pytest.raises(FileNotFoundError):
        registry.connect()


def test_a_place_for_scratch_files_that_is_too_deep_for_a_socket_is_not_used(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = scratch / ("deep" * 30)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))

    registry = RegistryProcess(require_program())
    registry.connect().close()
    registry.close()

    assert list(deep.iterdir()) == []


def test_a_forked_child_does_not_end_it(scratch: Path) -> None:
    registry = RegistryProcess(require_program())
    child = os.fork()
    if child == 0:
        registry.close()
        os._exit(0)
    os.waitpid(child, 0)

    registry.connect().close()
    registry.close()

"""Volumes that tasks of a run share: one for each file system, whoever asks first, all with the run's labels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_ecs_tasks.core.taskdef import FileSystem, FileSystemKind, Volume
from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.engine.shared_volumes import SharedVolumes
from pytest_ecs_tasks.testing.runtime import FakeRuntime

LABELS = {"run": "1"}


def efs(system: str = "fs-1", access_point: str | None = None, root: str = "") -> Volume:
    return Volume("data", file_system=FileSystem(FileSystemKind.EFS, system, access_point, root))


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def shared(runtime: FakeRuntime) -> SharedVolumes:
    image = runtime.script("carrier")
    return SharedVolumes(runtime, LABELS, name_prefix="run-1", carrier_image=lambda: image.image_id)


def calls(runtime: FakeRuntime, method: str) -> list[str]:
    return [subject for name, subject in runtime.calls if name == method]


def test_a_file_system_is_one_volume_whatever_the_tasks_call_it(
    shared: SharedVolumes, runtime: FakeRuntime
) -> None:
    first = shared.provide(efs())
    again = shared.provide(Volume("other", file_system=efs().file_system))

    assert first == again
    assert calls(runtime, "create_volume") == [first]
    assert calls(runtime, "create_container") == []


def test_file_systems_of_the_same_id_and_another_kind_are_apart(shared: SharedVolumes) -> None:
    fsx = Volume("data", file_system=FileSystem(FileSystemKind.FSX, "fs-1"))

    assert shared.provide(efs()) != shared.provide(fsx)


def test_names_that_engines_do_not_take_are_changed_and_stay_apart(shared: SharedVolumes) -> None:
    names = {
        shared.provide(efs("arn:aws:s3files:eu-west-1:1:file-system/fs-1")),
        shared.provide(efs("arn:aws:s3files:eu-west-2:1:file-system/fs-1")),
        shared.provide(efs("fs 1")),
        shared.provide(efs("fs.1")),
    }

    assert len(names) == 4
    assert all(name.replace("-", "").isalnum() for name in names)


def test_a_root_directory_is_made_once_by_a_container_that_is_removed(
    shared: SharedVolumes, runtime: FakeRuntime
) -> None:
    first = shared.provide(efs(root="a/b"))
    second = shared.provide(efs(root="a/c"))

    assert first != second
    assert shared.provide(efs(root="a/b")) == first
    assert len(calls(runtime, "create_volume")) == 3
    assert len(calls(runtime, "put_archive")) == 2
    assert runtime.list_containers("run=1") == ()


def test_a_directory_that_is_there_is_left_as_it_is(shared: SharedVolumes, runtime: FakeRuntime) -> None:
    shared.provide(efs(root="a/b"))

    shared.provide(efs(root="a"))

    assert len(calls(runtime, "put_archive")) == 1


def test_a_container_for_a_directory_is_removed_when_that_fails(
    shared: SharedVolumes, runtime: FakeRuntime
) -> None:
    runtime.fail("put_archive", EngineError("no space left on device"))

    with pytest.raises(EngineError, match="no space left"):
        shared.provide(efs(root="a"))

    assert runtime.list_containers("run=1") == ()
    assert shared.provide(efs(root="a"))


def test_everything_bears_the_runs_labels_and_goes_with_the_run(
    shared: SharedVolumes, runtime: FakeRuntime
) -> None:
    shared.provide(
        Volume("cache", shared=True, autoprovision=True, labels={"run": "not this", "team": "shop"})
    )
    shared.provide(efs(root="a"))
    shared.provide(efs(access_point="fsap-1"))

    assert len(runtime.list_labels("run=1")) == 4
    assert runtime.sweep("run=1") == 4


def test_a_shared_volume_that_has_to_exist_is_the_runs_else_the_users(
    shared: SharedVolumes, runtime: FakeRuntime
) -> None:
    runtime.create_volume("cache", {"made-by": "user"}, None, {})
    assert shared.provide(Volume("cache", shared=True)) == "cache"

    made = shared.provide(Volume("cache", shared=True, autoprovision=True))

    assert made != "cache"
    assert shared.provide(Volume("cache", shared=True)) == made
    assert runtime.sweep("run=1") == 1
    assert runtime.find_volume("cache") is not None


def test_a_shared_volume_that_has_to_exist_and_does_not_is_an_error_in_the_agents_words(
    shared: SharedVolumes,
) -> None:
    with pytest.raises(EngineError) as caught:
        shared.provide(Volume("cache", shared=True))

    assert str(caught.value) == (
        "initialize volume: volume detection failed, volume 'cache' does not exist and autoprovision is set to false"
    )
    assert "docker volume create cache" in caught.value.hint


def test_tasks_that_start_together_share_one_volume(shared: SharedVolumes, runtime: FakeRuntime) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: shared.provide(efs(root="a")), range(40)))

    assert len(names) == 1
    assert len(calls(runtime, "create_volume")) == 2


def test_a_file_system_that_was_removed_meanwhile_does_not_become_a_directory_of_the_machine(
    shared: SharedVolumes, runtime: FakeRuntime
) -> None:
    runtime.remove_volume(shared.provide(efs()))

    with pytest.raises(EngineError, match="is not there any more") as caught:
        shared.provide(efs(root="etc"))

    assert "run the tests again" in caught.value.hint
    assert len(calls(runtime, "create_volume")) == 1

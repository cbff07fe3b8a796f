"""The sandbox's image: what is shipped, and that its bytes never depend on where or when it is made."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from importlib.resources import files

import pytest

from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.runtimes.sandbox.image import make_image, sandbox_image

SHIPPED = files("pytest_ecs_tasks.runtimes.sandbox")


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_the_shipped_program_has_its_recorded_sum(architecture: str) -> None:
    lines = SHIPPED.joinpath("SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}

    program = SHIPPED.joinpath(f"sandbox-{architecture}").read_bytes()

    assert hashlib.sha256(program).hexdigest() == sums[f"sandbox-{architecture}"]


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", 62), ("arm64", 183)])
def test_the_shipped_program_is_static_and_for_its_machine(architecture: str, machine: int) -> None:
    program = SHIPPED.joinpath(f"sandbox-{architecture}").read_bytes()

    assert program[:5] == b"\x7fELF\x02"
    assert int.from_bytes(program[18:20], "little") == machine
    assert b"/ld-musl" not in program
    assert len(program) < 32 * 1024


def test_the_archive_of_a_given_program_has_fixed_bytes() -> None:
    image = make_image(b"a program", "amd64")

    assert image.image_id == "sha256:b58fa93e24cef97dc42f45e65adc1651574966b3e9299cf591fbc36a82272ee4"
    assert image.manifest_id == "sha256:ff4349d08558b03f92be2b534981534f2ecaf86f618ead2a0c881698f16945ac"
    assert (
        hashlib.sha256(image.archive).hexdigest()
        == "4fb55ddab97bb6ede9294e887c27458d13785535fc35d0340f7cb6f2c84da530"
    )


def test_the_archive_holds_one_program_and_says_so_twice() -> None:
    image = make_image(b"a program", "arm64")

    with tarfile.open(fileobj=io.BytesIO(image.archive)) as archive:
        content = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr] # all files
    [described] = json.loads(content["manifest.json"])
    config = content[described["Config"]]
    [layer] = described["Layers"]
    [in_index] = json.loads(content["index.json"])["manifests"]
    with tarfile.open(fileobj=io.BytesIO(content[layer])) as files_of_image:
        [program] = files_of_image.getmembers()

    assert image.image_id == f"sha256:{hashlib.sha256(config).hexdigest()}"
    assert image.manifest_id == in_index["digest"]
    assert described["RepoTags"] == [image.reference]
    assert json.loads(config)["architecture"] == "arm64"
    assert json.loads(config)["config"]["Entrypoint"] == ["/sandbox"]
    assert json.loads(config)["rootfs"]["diff_ids"] == [
        f"sha256:{hashlib.sha256(content[layer]).hexdigest()}"
    ]
    assert (program.name, program.mode, program.uid, program.mtime) == ("sandbox", 0o755, 0, 0)


def test_an_architecture_may_be_named_as_the_kernel_does() -> None:
    assert sandbox_image("x86_64") == sandbox_image("amd64")
    assert sandbox_image("aarch64") == sandbox_image("arm64")
    assert sandbox_image("amd64") != sandbox_image("arm64")


def test_an_architecture_without_a_sandbox_is_named_in_the_error() -> None:
    with pytest.raises(
        EngineError, match="there is no sandbox for an engine on 's390x': only for amd64 and arm64"
    ):
        sandbox_image("s390x")

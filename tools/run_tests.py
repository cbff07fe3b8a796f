"""Runs pytest on an engine: finds or starts it, provides the images, and says so when it cannot be had.

    python tools/run_tests.py docker|podman|any|none -- PYTEST ARGUMENTS

``none`` is for tests that need no engine. Results go to ``.tox/results/<environment>.xml``, for ``.ci/run`` to add up.
Under ``CI=true`` up to three failed tests are run once more, alone, with results in ``.tox/results/again``; what passes
then counts as passed and is told as flaky, a fault that remains to be mended.

Exit status: pytest's last one; 0 where the engine cannot be had on a person's machine (with its reason), 1 under ``CI=true``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent))

import engine_api
import engines
import images
from engine_api import Engine
from engine_process import EngineProcessError
from image_build import BuildError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".tox" / "results"
LONGEST_TEST_S = 300
MOST_RUN_AGAIN = 3
TESTS_FAILED = 1


def is_empty(argument: str) -> bool:
    """Tell whether an argument names a directory of ours that holds no tests (git keeps no empty directory)."""
    directory = ROOT / argument
    is_ours = (
        argument.split("/")[0] in ("tests", "examples") and "::" not in argument and not directory.is_file()
    )
    return is_ours and not any(directory.rglob("test_*.py"))


def run_pytest(arguments: list[str], engine: Engine | None) -> int:
    """Run pytest on the installed package, not on the checkout beside it."""
    name = os.environ.get("TOX_ENV_NAME", "pytest")
    environment = dict(os.environ)
    if engine is not None:
        environment["PYTEST_ECS_ENGINE"] = engine.url
        # Debian's docker-registry, for the tests of ecs_registry: not installed, and last, so that one that is goes before.
        environment["PATH"] = (
            f"{environment.get('PATH', os.defpath)}{os.pathsep}{images.registry_program().parent}"
        )
    cache = RESULTS / f"{name}-cache"
    again = RESULTS / "again" / f"{name}.xml"
    shutil.rmtree(cache, ignore_errors=True)
    again.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        f"--timeout={LONGEST_TEST_S}",
        "-o",
        f"cache_dir={cache}",
    ]

    def run(result: Path, *more: str) -> int:
        result.parent.mkdir(parents=True, exist_ok=True)
        result.unlink(missing_ok=True)
        return subprocess.run(
            [*command, *arguments, f"--junitxml={result}", *more], env=environment, cwd=ROOT, check=False
        ).returncode

    status = run(RESULTS / f"{name}.xml")
    failed = failed_tests(cache)
    if status != TESTS_FAILED or not is_ci() or not 1 <= len(failed) <= MOST_RUN_AGAIN:
        return status
    print(f"run_tests: once more, alone: {', '.join(failed)}", flush=True)
    return run(again, "--last-failed", "-n0")


def failed_tests(cache: Path) -> list[str]:
    """Return the tests that pytest's cache has as failed."""
    try:
        return sorted(json.loads((cache / "v" / "cache" / "lastfailed").read_text("utf-8")))
    except FileNotFoundError:
        return []


def prepare(name: str) -> Engine | None:
    """Return an engine that has every image, or None for ``none``; raises when it cannot be had."""
    if name == "none":
        return None
    engine = engines.get_any() if name == "any" else engines.get(name)
    images.provide(images.known_names(), [engine])
    return engine


def main(arguments: list[str]) -> int:
    """Run the command line described at the top of this file."""
    if len(arguments) < 2 or arguments[0] not in (*engines.ENGINES, "any", "none") or arguments[1] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    name, wanted = arguments[0], arguments[2:]
    present = [argument for argument in wanted if not is_empty(argument)]
    if wanted and not present:
        print(f"run_tests: no tests in {', '.join(wanted)}")
        return 0
    try:
        engine = prepare(name)
    except (engines.NoEngineError, EngineProcessError) as error:
        return no_engine(name, str(error))
    except (BuildError, engine_api.ApiError, OSError) as error:
        print(f"run_tests: {error}", file=sys.stderr)
        return 1
    return run_pytest(present, engine)


def is_ci() -> bool:
    """Tell whether this runs where nobody watches and everything is promised."""
    return os.environ.get("CI", "").lower() in ("true", "1")


def no_engine(name: str, reason: str) -> int:
    """Skip loudly where a person may have only one engine; fail where everything is promised to run."""
    if is_ci():
        print(f"run_tests: FAILED {name}: {reason}", file=sys.stderr)
        return 1
    print(f"run_tests: SKIPPED {name}: {reason}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Runs pytest on an engine: finds or starts it, provides the images, and says so when it cannot be had.

    python tools/run_tests.py docker|podman|any|none -- PYTEST ARGUMENTS

``none`` is for tests that need no engine. Results go to ``.tox/results/<environment>.xml``, for ``.ci/run`` to add up.

Exit status: pytest's; 0 where the engine cannot be had on a person's machine (with its reason), 1 under ``CI=true``.
"""

from __future__ import annotations

import os
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
LONGEST_TEST_S = 300


def is_empty(argument: str) -> bool:
    """Tell whether an argument names a directory of ours that holds no tests (git keeps no empty directory)."""
    directory = ROOT / argument
    is_ours = (
        argument.split("/")[0] in ("tests", "examples") and "::" not in argument and not directory.is_file()
    )
    return is_ours and not any(directory.rglob("test_*.py"))


def run_pytest(arguments: list[str], engine: Engine | None) -> int:
    """Run pytest on the installed package, not on the checkout beside it."""
    result = ROOT / ".tox" / "results" / f"{os.environ.get('TOX_ENV_NAME', 'pytest')}.xml"
    result.parent.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    if engine is not None:
        environment["PYTEST_ECS_ENGINE"] = engine.url
        # Debian's docker-registry, for the tests of ecs_registry: not installed, and last, so that one that is goes before.
        environment["PATH"] = (
            f"{environment.get('PATH', os.defpath)}{os.pathsep}{images.registry_program().parent}"
        )
    command = [sys.executable, "-P", "-m", "pytest", f"--timeout={LONGEST_TEST_S}", f"--junitxml={result}"]
    return subprocess.run([*command, *arguments], env=environment, cwd=ROOT, check=False).returncode


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


def no_engine(name: str, reason: str) -> int:
    """Skip loudly where a person may have only one engine; fail where everything is promised to run."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        print(f"run_tests: FAILED {name}: {reason}", file=sys.stderr)
        return 1
    print(f"run_tests: SKIPPED {name}: {reason}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

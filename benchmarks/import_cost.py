"""What a pytest run without ECS tests pays for this plugin being installed.

    python benchmarks/import_cost.py [--rounds 21]

The bar: 20 ms. Runs with and without the plugin take turns; no other plugin is loaded, and both find their bytecode,
as a second run of any suite does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench import judge, parse_arguments

BAR_MS = 20.0
RUN = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]


def sample(directory: str, *arguments: str) -> float:
    """Return the milliseconds of one pytest run."""
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPYCACHEPREFIX": str(Path(directory, "bytecode")),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    begun = time.perf_counter()
    subprocess.run([*RUN, *arguments], cwd=directory, env=environment, check=True, capture_output=True)
    return 1000 * (time.perf_counter() - begun)


def main() -> int:
    """Print the figures; the exit status is 1 when the bar is missed."""
    arguments = parse_arguments(__doc__ or "", rounds=21)
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "test_one.py").write_text("def test_one():\n    pass\n")
        plugin = ("-p", "pytest_ecs_tasks.plugin")
        sample(directory, *plugin)
        pairs = [(sample(directory), sample(directory, *plugin)) for _ in range(arguments.rounds)]
    without, with_it = (median(column) for column in zip(*pairs, strict=True))
    print(f"without {without:.0f} ms, with {with_it:.0f} ms")
    added = median(loaded - plain for plain, loaded in pairs)
    return 0 if judge("added", added, BAR_MS, "ms") else 1


if __name__ == "__main__":
    sys.exit(main())

"""How long ``pytest --ecs-check`` takes for 100 task definitions, each of which has findings.

    python benchmarks/check_files.py [--rounds 5]

The bar: 2 s for the whole process. No other plugin is loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench import judge, parse_arguments

BAR_S = 2.0
FILES = 100
RUN = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_ecs_tasks.plugin"]


def container(name: str, **more: object) -> dict[str, object]:
    """Return a container of the usual size."""
    return {
        "name": name,
        "image": f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{name}:latest",
        "portMappings": [{"containerPort": 8080}],
        "environment": [{"name": f"VARIABLE_{number}", "value": "x" * 20} for number in range(20)],
        "dependsOn": [{"containerName": "nobody", "condition": "START"}],
        "healthCheck": {"command": ["CMD-SHELL", "curl -f http://localhost:8080/ || exit 1"]},
        **more,
    }


def write_files(directory: Path) -> None:
    """Write definitions with an error in each container."""
    for number in range(FILES):
        document = {
            "family": f"service-{number}",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": "256",
            "memory": "4096",
            "containerDefinitions": [container("web"), container("sidecar", essential=False)],
        }
        Path(directory, f"service-{number}.json").write_text(json.dumps(document, indent=2))


def sample(directory: str) -> float:
    """Return the seconds of one check."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    begun = time.perf_counter()
    result = subprocess.run(
        [*RUN, "--ecs-check", "."], cwd=directory, env=environment, capture_output=True, text=True
    )
    took = time.perf_counter() - begun
    if result.returncode != 1 or f"ecs-check: {FILES} task definitions, " not in result.stdout:
        raise SystemExit(f"the check went wrong: {result.stdout[-1000:]}{result.stderr}")
    return took


def main() -> int:
    """Print the figure; the exit status is 1 when the bar is missed."""
    arguments = parse_arguments(__doc__ or "", rounds=5)
    with tempfile.TemporaryDirectory() as directory:
        write_files(Path(directory))
        sample(directory)
        took = median(sample(directory) for _ in range(arguments.rounds))
    return 0 if judge(f"{FILES} files", took, BAR_S, "s") else 1


if __name__ == "__main__":
    sys.exit(main())

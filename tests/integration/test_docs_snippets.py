"""The documentation does what it says: every page's files are written and its commands run, on the engine under test."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from doc_pages import FileStep, RunStep, explain_difference, read_steps

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if read_steps(page.read_text(encoding="utf-8")))

# The pages name images that a reader can have; these are the ones that the tests have.
IMAGES = {
    "busybox:1.36": "pytest-ecs-tasks/busybox:1",
    "python:3.12-slim": "pytest-ecs-tasks/python:1",
    "nginx:1.27": "pytest-ecs-tasks/nginx:1",
    "redis:7": "pytest-ecs-tasks/redis:1",
}
LONGEST_COMMAND_S = 120

SERVER = """
import http.server, os
assert os.environ["DB_PASSWORD"] == "s3cret"
print("listening on :8080", flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
http.server.HTTPServer(("", 8080), Handler).serve_forever()
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT / "docs").as_posix())
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, engine_url: str) -> None:
    for step in read_steps(page.read_text(encoding="utf-8")):
        if isinstance(step, FileStep):
            write(tmp_path / step.name, step.text)
        else:
            check(step, tmp_path, engine_url)


def test_the_example_of_the_readme_works(tmp_path: Path, engine_url: str) -> None:
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf:password::"
    check_health = "import urllib.request; urllib.request.urlopen('http://localhost:8080/health')"
    definition = {
        "family": "web",
        "networkMode": "awsvpc",
        "memory": "256",
        "containerDefinitions": [
            {
                "name": "migrate",
                "image": f"{registry}/web:1.4",
                "essential": False,
                "command": ["python3", "--version"],
            },
            {
                "name": "web",
                "image": f"{registry}/web:1.4",
                "command": ["python3", "-c", SERVER],
                "portMappings": [{"containerPort": 8080}],
                "dependsOn": [{"containerName": "migrate", "condition": "SUCCESS"}],
                "secrets": [{"name": "DB_PASSWORD", "valueFrom": secret}],
                "healthCheck": {"command": ["CMD", "python3", "-c", check_health]},
            },
        ],
    }
    (tmp_path / "taskdef.json").write_text(json.dumps(definition), encoding="utf-8")
    blocks = re.findall(
        r"^```python\n(# (\w+\.py): .*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    assert [name for _, name in blocks] == ["test_web.py", "conftest.py"]
    for text, name in blocks:
        write(tmp_path / name, text.replace("web:dev", IMAGES["python:3.12-slim"]))

    check(RunStep("pytest -q", 0, None), tmp_path, engine_url)


def write(path: Path, text: str) -> None:
    for shown, used in IMAGES.items():
        text = text.replace(shown, used)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def check(step: RunStep, directory: Path, engine_url: str) -> None:
    program, *arguments = shlex.split(step.command)
    assert program == "pytest", step.command
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    engine = {"DOCKER_HOST": engine_url, "TESTCONTAINERS_RYUK_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=directory,
        env={**kept, **engine, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=LONGEST_COMMAND_S,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == step.exit_status, output
    if step.output is not None:
        assert explain_difference(step.output, as_shown(output)) is None, output


def as_shown(output: str) -> str:
    for shown, used in IMAGES.items():
        output = output.replace(f"localhost/{used}", shown).replace(used, shown)
    return output

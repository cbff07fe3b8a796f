"""The commands of the page about ``--ecs-check`` print what it shows. They need no engine."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import doc_pages
from project import LOAD

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "check.md"


def test_every_command_prints_what_the_page_shows(tmp_path):
    for step in doc_pages.read_steps(PAGE.read_text(encoding="utf-8")):
        if isinstance(step, doc_pages.FileStep):
            file = tmp_path / step.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.text, encoding="utf-8")
            continue
        program, *arguments = shlex.split(step.command)
        assert program == "pytest"
        command = [sys.executable, "-m", "pytest", *LOAD, *arguments]
        result = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

        assert result.returncode == step.exit_status, result.stderr
        assert doc_pages.explain_difference(step.output, result.stdout) is None, result.stdout

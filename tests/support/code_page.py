"""The reference page of problem codes, made from the table of the code.

    python tests/support/code_page.py      writes it

A test compares the page with what this makes.
"""

from __future__ import annotations

from pathlib import Path

from pytest_ecs_tasks.core.codes import CODES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "problem-codes.md"
INTRODUCTION = """# Problem codes

The `code` of every finding of [`--ecs-check`](../how-to/check.md), and of every [`Problem`](errors.md). A code stays what it is: scripts may
rely on it. The text beside it may change.

This page is made from `pytest_ecs_tasks/core/codes.py` (`python tests/support/code_page.py`), and a test compares the two.

| code | says |
| --- | --- |
"""


def render() -> str:
    """Return the page."""
    rows = [f"| `{code}` | {sentence} |" for code, sentence in CODES.items()]
    return INTRODUCTION + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")

"""Every problem has a code of the table, and the table has no other codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_ecs_tasks
from code_page import PAGE, render
from pytest_ecs_tasks.core.codes import CODES

PACKAGE = Path(pytest_ecs_tasks.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "codes.py")
NOTES = {"problem", "warn", "refuse"}  # methods of core.check.Report


def code_argument(call: ast.Call) -> ast.expr | None:
    """Return what a call gives as a code, of the calls that make problems."""
    match call.func:
        case ast.Name("Problem"):
            position = 4
        case ast.Name("Finding"):
            position = 1
        case ast.Attribute(attr=name) if name in NOTES and len(call.args) > 1:
            position = 1
        case _:
            return None
    named = next((keyword.value for keyword in call.keywords if keyword.arg == "code"), None)
    assert named is not None or len(call.args) > position, f"line {call.lineno}: a problem without a code"
    return named or call.args[position]


def code_arguments(module: Path) -> Iterator[ast.expr]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        found = code_argument(node) if isinstance(node, ast.Call) else None
        if found is not None:
            yield found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_problem_has_a_code_that_the_table_has(module: Path) -> None:
    written = [each.value for each in code_arguments(module) if isinstance(each, ast.Constant)]

    assert [code for code in written if code not in CODES] == []


def test_every_code_of_the_table_is_used() -> None:
    words = {
        node.value
        for module in MODULES
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }

    assert [code for code in CODES if code not in words] == []


def test_codes_are_words_with_hyphens_and_sentences_are_sentences() -> None:
    assert [code for code in CODES if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []
    assert [text for text in CODES.values() if not re.fullmatch(r"[A-Z`].*[^.]\.", text)] == []


def test_the_reference_page_is_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run tests/support/code_page.py"

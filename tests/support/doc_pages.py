"""Documentation pages: their links, and the project that a page builds up from its blocks and runs.

A comment names what the next fenced block is:

    <!-- file: test_web.py -->    the block is this file
    <!-- run -->                  the block's first line is a command, the rest is what it prints; exit status 0
    <!-- run: exit 1 -->          likewise, with another exit status

Comments with more lines are not shown to readers: the file is in the comment itself, or there is no output to compare.

    <!-- file: taskdef.json
    {"family": …}
    -->
    <!-- run
    $ pytest -q test_web.py
    -->

In printed output ``...`` stands for anything, also for any number of lines; times and ids need not be the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STEP = re.compile(
    r"^<!-- (?P<kind>file|run)(?:: (?P<argument>[^\n]+?))?"
    r"(?: -->\n+```[^\n]*\n(?P<shown>.*?)^```$|\n(?P<hidden>.*?)^-->$)",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]+`")

# What differs from run to run, and what every occurrence of it becomes.
_VARYING = (
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d{3}\b"), "<TIME>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<TASK>"),
    (re.compile(r"\b\d+(?:\.\d+)? ?s\b"), "<SECONDS>"),
    (re.compile(r"\b\d+\.\d{3}\b"), "<SECONDS>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<ADDRESS>"),
    (re.compile(r"=+$|-+$|^=+|^-+|^_+|_+$", re.MULTILINE), ""),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True, slots=True)
class FileStep:
    """A file to write."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class RunStep:
    """A command to run, and what it must print (``None``: anything)."""

    command: str
    exit_status: int
    output: str | None


def read_steps(text: str) -> list[FileStep | RunStep]:
    """Return what a page's blocks do, in order."""
    return [_step(found) for found in _STEP.finditer(text)]


def _step(found: re.Match[str]) -> FileStep | RunStep:
    shown, hidden, argument = found["shown"], found["hidden"], found["argument"] or ""
    body = shown if shown is not None else hidden
    if found["kind"] == "file":
        return FileStep(argument, body)
    command, _, output = body.partition("\n")
    status = int(argument.removeprefix("exit ")) if argument else 0
    return RunStep(command.removeprefix("$ "), status, output if shown is not None else None)


def explain_difference(expected: str, actual: str) -> str | None:
    """Return the first expected line that the output lacks, ``None`` when it is as expected."""
    lines = [line for line in _normal(actual).splitlines() if line]
    wanted = [line for line in _normal(expected).splitlines() if line]
    position, may_skip = 0, False
    for line in wanted:
        if line == "...":
            may_skip = True
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("...")))
        reach = range(position, len(lines) if may_skip else min(position + 1, len(lines)))
        found = next((number for number in reach if pattern.fullmatch(lines[number])), None)
        if found is None:
            return line
        position, may_skip = found + 1, False
    return None if may_skip or position == len(lines) else f"(nothing more, but there is: {lines[position]})"


def _normal(text: str) -> str:
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return "\n".join(line.strip() for line in text.splitlines())


def find_links(page: Path) -> Iterator[str]:
    """Yield the targets of a page's links, those in code left out."""
    text = _INLINE_CODE.sub("", _FENCED.sub("", page.read_text(encoding="utf-8")))
    yield from (found[1] for found in _LINK.finditer(text))


def find_anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return {_anchor(found[1]) for found in _HEADING.finditer(text)}


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")

"""Adds up the test results of all environments and prints one line: ``N passed, N failed, N skipped``.

    python tools/totals.py DIRECTORY

Reads the JUnit files that ``tools/run_tests.py`` wrote. A test that failed and passed when it was run again, alone, counts
as passed, and is told. Exit status 1 when a test failed, or none ran.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

Test = tuple[str, str]


def tests_of(file: Path) -> Iterator[tuple[Test, str]]:
    """Yield each test with its verdict; one whose body and teardown both fail comes twice."""
    for case in ElementTree.parse(file).iter("testcase"):
        kinds = {child.tag for child in case}
        verdict = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        yield (case.get("classname", ""), case.get("name", "")), verdict


def verdicts(file: Path) -> dict[Test, str]:
    """Return the verdict on each test of a file: failed where any part of it did."""
    found: dict[Test, str] = {}
    for test, verdict in tests_of(file):
        found[test] = "failed" if found.get(test) == "failed" else verdict
    return found


def main(directory: Path) -> int:
    """Print a line per environment, a line per flaky test, then the sum."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for file in sorted(directory.glob("*.xml")):
        first = verdicts(file)
        again = directory / "again" / file.name
        second = verdicts(again) if again.exists() else {}
        flaky = [test for test in first if first[test] == "failed" and second.get(test) == "passed"]
        last = list({**first, **dict.fromkeys(flaky, "passed")}.values())
        counts = {verdict: last.count(verdict) for verdict in total}
        seconds = sum(float(suite.get("time", "0")) for suite in ElementTree.parse(file).iter("testsuite"))
        print(f"{file.stem}: {in_words(counts)} in {seconds:.0f} s")
        for classname, name in flaky:
            print(f"{file.stem}: FLAKY, passed only when run again: {classname}::{name}")
        total = {verdict: total[verdict] + counts[verdict] for verdict in total}
    print(in_words(total), flush=True)
    return 1 if total["failed"] or not total["passed"] else 0


def in_words(counts: dict[str, int]) -> str:
    """Return counts as a runner's closing line."""
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))

"""Adds up the test results of all environments and prints one line: ``N passed, N failed, N skipped``.

    python tools/totals.py DIRECTORY

Reads the JUnit files that ``tools/run_tests.py`` wrote. Exit status 1 when a test failed, or none ran.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def main(directory: Path) -> int:
    """Print a line per environment, then the sum."""
    passed = failed = skipped = 0
    for file in sorted(directory.glob("*.xml")):
        for suite in ElementTree.parse(file).iter("testsuite"):
            bad = int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
            idle = int(suite.get("skipped", "0"))
            good = int(suite.get("tests", "0")) - bad - idle
            print(
                f"{file.stem}: {good} passed, {bad} failed, {idle} skipped in {float(suite.get('time', '0')):.0f} s"
            )
            passed, failed, skipped = passed + good, failed + bad, skipped + idle
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))

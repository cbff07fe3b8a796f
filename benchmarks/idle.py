"""What ten idle tasks cost this process and its children, in parts of one core.

    python benchmarks/idle.py [--engine URL] [--seconds 30] [--tasks 10]

The bar: 1 % of a core. Idle means that containers run and nobody asks for anything; no container has a health check, since
each probe is an exec that the definition asks for.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from bench import judge, open_bench, parse_arguments

BAR_PERCENT = 1.0
TICKS = os.sysconf("SC_CLK_TCK")


def family(process: int) -> set[int]:
    """Return a process and all below it, the guard (which is in a session of its own) included."""
    members = {process}
    grown = True
    while grown:
        found = {
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and parent_of(int(entry.name)) in members
        }
        grown = not found <= members
        members |= found
    return members


def stat_fields(process: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` after the name, none if the process is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def parent_of(process: int) -> int:
    """Return a process's parent, 0 if it is gone."""
    fields = stat_fields(process)
    return int(fields[1]) if fields else 0


def seconds_used() -> float:
    """Return the processor time of all of us so far."""
    ticks = [stat_fields(process)[11:13] for process in family(os.getpid())]
    return sum(int(part) for pair in ticks for part in pair) / TICKS


def main() -> int:
    """Print the figure; the exit status is 1 when the bar is missed."""
    arguments = parse_arguments(__doc__ or "", seconds=30, tasks=10)
    with open_bench(arguments.engine) as bench:
        tasks = [
            bench.run({"name": "idle", "command": ["sleep", "600"]}).wait_running()
            for _ in range(arguments.tasks)
        ]
        time.sleep(5)  # the pool fills up again
        before, begun = seconds_used(), time.monotonic()
        time.sleep(arguments.seconds)
        percent = 100 * (seconds_used() - before) / (time.monotonic() - begun)
        for task in tasks:
            task.remove()
    return 0 if judge(f"{arguments.tasks} idle tasks", percent, BAR_PERCENT, "% of a core") else 1


if __name__ == "__main__":
    sys.exit(main())

"""How long after a service listens its HEALTHY gate opens, with a healthCheck interval of 30 s.

    python benchmarks/gate.py [--engine URL] [--rounds 10]

The bar: 0.5 s, in every round. The service begins to listen at another moment in every round.
"""

from __future__ import annotations

import sys
from statistics import median

from bench import Bench, judge, open_bench, parse_arguments

BAR_S = 0.5


def sample(bench: Bench, starts_after_s: float) -> float:
    """Return the seconds from the service's listening to its dependent's first line."""
    task = bench.run(
        {
            "name": "db",
            "command": ["sh", "-c", f"sleep {starts_after_s}; nc -ll -p 5432 -e true & echo listening; wait"],
            "healthCheck": {
                "command": ["CMD-SHELL", "nc -w 1 127.0.0.1 5432 < /dev/null"],
                "interval": 30,
                "retries": 10,
            },
        },
        {
            "name": "web",
            "command": ["sh", "-c", "echo web; exec sleep 600"],
            "dependsOn": [{"containerName": "db", "condition": "HEALTHY"}],
        },
    )
    with task:
        task.wait_for_log("web", container="web", timeout=60)
        return (task.log_lines("web")[0].time - task.log_lines("db")[0].time).total_seconds()


def main() -> int:
    """Print the figures; the exit status is 1 when the bar is missed."""
    arguments = parse_arguments(__doc__ or "", rounds=10)
    with open_bench(arguments.engine) as bench:
        gates = [sample(bench, round(0.2 + 0.53 * number, 2)) for number in range(arguments.rounds)]
    print(f"median {median(gates):.3f} s, {min(gates):.3f}-{max(gates):.3f} s")
    return 0 if judge("slowest gate", max(gates), BAR_S, "s") else 1


if __name__ == "__main__":
    sys.exit(main())

"""A million lines of a hundred bytes: are they all there, and how fast beside a bare attach over the raw engine API?

    python benchmarks/logs.py [--engine URL] [--lines 1000000] [--rounds 3]

The bars: no line lost, torn or out of order, in the log book and in CloudWatch; not slower than the bare attach, which reads the
same output and throws it away.
"""

from __future__ import annotations

import sys
import time
from statistics import median

from bench import BUSYBOX, Bench, judge, open_bench, parse_arguments
from raw import LABELS, RawEngine, UnixConnection

TOLERANCE = 1.15
GROUP = "/benchmark"
PAD = "x" * 90
FIRST = 10_000_000


def program(lines: int) -> list[str]:
    """Return a command that writes numbered lines of 100 bytes."""
    return ["sh", "-c", f"printf '{PAD} '; seq -s '\n{PAD} ' {FIRST} {FIRST + lines - 1}"]


def line(number: int) -> str:
    """Return what the program writes as its line of that number."""
    return f"{PAD} {FIRST + number}"


def bare(engine: RawEngine, lines: int) -> float:
    """Return the seconds that the same container takes when its output is read and thrown away."""
    body = {"Image": BUSYBOX, "Cmd": program(lines), "Labels": LABELS}
    body["HostConfig"] = {"NetworkMode": "none", "LogConfig": {"Type": "none"}}
    container = engine.call("POST", "/containers/create", body)["Id"]
    connection = UnixConnection(engine.path)
    connection.connect()
    stream = connection.sock
    path = f"/v1.41/containers/{container}/attach?stream=1&stdout=1&stderr=1"
    head = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    stream.sendall(f"POST {path} HTTP/1.1\r\n{head}".encode())
    while b"\r\n\r\n" not in stream.recv(1024):
        pass  # it is attached when it has answered
    begun = time.perf_counter()
    engine.call("POST", f"/containers/{container}/start")
    received = 0
    while data := stream.recv(256 * 1024):
        received += len(data)
    seconds = time.perf_counter() - begun
    stream.close()
    engine.call("DELETE", f"/containers/{container}?force=1&v=1")
    assert received >= 100 * lines, f"a bare attach read {received} bytes of {100 * lines}"
    return seconds


def ours(bench: Bench, lines: int) -> tuple[float, float]:
    """Return the seconds until a task's output has ended, and until CloudWatch has all of it. Checks every line."""
    options = {
        "awslogs-group": GROUP,
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "p",
        "awslogs-create-group": "true",
    }
    task = bench.run(
        {
            "name": "c",
            "command": program(lines),
            "logConfiguration": {"logDriver": "awslogs", "options": options},
        }
    )
    with task:
        task.wait_stopped(timeout=600)
        complete = time.time()
        times = [entry.time.timestamp() for entry in (task.log_lines("c")[0], task.log_lines("c")[-1])]
        check([entry.text for entry in task.log_lines("c")], lines, "the log book")
        stream = f"p/c/{task.arn.rpartition('/')[2]}"
        check(list(delivered(bench, stream)), lines, "CloudWatch")
    return times[1] - times[0], complete - times[0]


def delivered(bench: Bench, stream: str) -> list[str]:
    """Return every message of a log stream, in order."""
    client = bench.aws.client("logs")
    messages: list[str] = []
    arguments: dict[str, object] = {}
    while True:
        page = client.get_log_events(
            logGroupName=GROUP, logStreamName=stream, startFromHead=True, limit=10_000, **arguments
        )
        if not page["events"]:
            return messages
        messages += [event["message"] for event in page["events"]]
        arguments = {"nextToken": page["nextForwardToken"]}


def check(messages: list[str], lines: int, where: str) -> None:
    """Fail at the first line that is missing, torn or out of order."""
    assert len(messages) == lines, f"{where} has {len(messages)} lines of {lines}"
    for number, text in enumerate(messages):
        assert text == line(number), f"line {number} of {where} is {text!r}"


def main() -> int:
    """Print the figures; the exit status is 1 when a bar is missed."""
    arguments = parse_arguments(__doc__ or "", lines=1_000_000, rounds=3)
    engine = RawEngine(arguments.engine)
    with open_bench(arguments.engine) as bench:
        pairs = [
            (bare(engine, arguments.lines), *ours(bench, arguments.lines)) for _ in range(arguments.rounds)
        ]
    attach, read, delivery = (median(column) for column in zip(*pairs, strict=True))
    megabytes = arguments.lines / 10_000
    print(f"bare attach {attach:.2f} s ({megabytes / attach:.0f} MB/s), in CloudWatch after {delivery:.2f} s")
    print(f"{arguments.lines} lines a round: none lost, torn or out of order")
    return 0 if judge("reading", read, TOLERANCE * attach, "s") else 1


if __name__ == "__main__":
    sys.exit(main())

"""What a test's report, the header and the summary say."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ecs_tasks.errors import EcsTaskError, EcsTasksWarning
from pytest_ecs_tasks.plugin.options import Settings
from pytest_ecs_tasks.plugin.run import EcsRun, Watched

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_ecs_tasks.task import EcsTask, LogLine

LONGEST_NAME = 180
REPORTED_KEY = pytest.StashKey[bool]()


def header(settings: Settings) -> str:
    """Return the header's line; it contacts nobody."""
    source = settings.source("engine")
    chosen = "" if source == "default" else f" (from {source})"
    parts = [f"engine={settings.text('engine')}{chosen}"]
    for name in ("aws", "health", "pull", "keep"):
        if settings.source(name) != "default":
            parts.append(f"{name}={settings.text(name)} (from {settings.source(name)})")
    if settings.strict:
        parts.append("strict")
    return f"ecs-tasks: {', '.join(parts)}"


def add_to_report(run: EcsRun, item: pytest.Item, when: str, *, failed: bool) -> None:
    """Add logs, transcript and properties of the item's tasks, once: at its first failure, or when its call is over."""
    if not run.seen or item.stash.get(REPORTED_KEY, False) or not (failed or when == "call"):
        return
    item.stash[REPORTED_KEY] = failed
    wanted = run.settings.text("logs")
    directory = _artifacts(run, item) if failed else None
    for watched in run.seen:
        with contextlib.suppress(EcsTaskError):  # an engine that has crashed has said so already
            item.user_properties.extend(_properties(watched.task))
            if directory is not None:
                write_artifacts(directory, watched.task)
            if wanted == "all" or (wanted == "failure" and failed):
                for title, text in _sections(watched, run.settings.log_lines, directory):
                    item.add_report_section(when, f"log ecs {title}", text)


def _properties(task: EcsTask) -> Iterator[tuple[str, object]]:
    yield "ecs_task_arn", task.arn
    if task.stop_code is not None:
        yield "ecs_stop_code", task.stop_code
    codes = {name: container.exit_code for name, container in task.containers.items()}
    known = " ".join(f"{name}={code}" for name, code in codes.items() if code is not None)
    if known:
        yield "ecs_exit_codes", known


def _sections(watched: Watched, limit: int, directory: Path | None) -> Iterator[tuple[str, str]]:
    task = watched.task
    name = f"{task.family}:{task.revision}"
    where = "" if directory is None else f"; full log: {directory}"
    for container in task.containers:
        lines = task.log_lines(container)[watched.baseline.get(container, 0) :]
        if lines:
            yield f"{name} {container}", render_lines(lines, limit, where)
    yield f"{name} transcript", task.transcript()


def render_lines(lines: Sequence[LogLine], limit: int, where: str = "") -> str:
    """Return the last lines of a log, with time and stream, and how many there were."""
    shown = lines[max(0, len(lines) - limit) :] if limit else []
    rendered = [
        f"{line.time.astimezone():%H:%M:%S}.{line.time.microsecond // 1000:03} {line.stream}  {line.text}"
        for line in shown
    ]
    count = f"({len(shown)} of {len(lines)} lines since this test began{where})"
    return "\n".join([*rendered, count])


def _artifacts(run: EcsRun, item: pytest.Item) -> Path | None:
    root = run.settings.optional_text("artifacts")
    if root is None:
        return None
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", item.nodeid).strip("-")[-LONGEST_NAME:]
    return run.config.invocation_params.dir / root / slug


def write_artifacts(directory: Path, task: EcsTask) -> None:
    """Write everything about a task into a folder of its own."""
    folder = directory / f"{task.family}-{task.revision}-{task.task_id[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in task.containers:
        (folder / f"{name}.log").write_text(task.logs(name), encoding="utf-8")
    (folder / "transcript.txt").write_text(f"{task.transcript()}\n", encoding="utf-8")
    (folder / "describe-tasks.json").write_text(
        _json({"tasks": [task.describe()], "failures": []}), encoding="utf-8"
    )
    events = "".join(f"{json.dumps(event, default=str)}\n" for event in task.events)
    (folder / "events.jsonl").write_text(events, encoding="utf-8")
    (folder / "task-definition.json").write_text(_json(dict(task.definition.document)), encoding="utf-8")


def _json(value: object) -> str:
    return f"{json.dumps(value, indent=2, default=str)}\n"


def is_for_users(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Tell whether an exception speaks to the person at the keyboard; then our own frames only hide what it says."""
    return isinstance(excinfo.value, EcsTaskError | EcsTasksWarning)


def hide_our_frames(traceback: TracebackType | None) -> None:
    """Tell pytest to leave out the frames of our modules, by the name that it looks for in a module."""
    while traceback is not None:
        module = traceback.tb_frame.f_globals
        if str(module.get("__name__", "")).partition(".")[0] == "pytest_ecs_tasks":
            module["__tracebackhide__"] = is_for_users
        traceback = traceback.tb_next


def tidy_hidden_traceback(longrepr: Any) -> None:
    """Show a message whose every frame is hidden as pytest shows others: each line marked, no remark on what is hidden."""
    traceback = getattr(longrepr, "reprtraceback", None)
    note = str(getattr(traceback, "extraline", ""))
    if traceback is not None and note.startswith("All traceback entries are hidden"):
        traceback.extraline = None
        for entry in traceback.reprentries:
            entry.lines = [f"E{line[1:]}" for line in entry.lines]


def write_summary(reporter: Any, facts: Sequence[Mapping[str, Any]]) -> None:
    """Tell at the end what was kept, and what dead runs had left; nothing else is worth a line."""
    kept = [pair for each in facts for pair in each.get("kept", ())]
    swept = [line for each in facts for line in each.get("swept", ())]
    if not kept and not swept:
        return
    reporter.section("ecs-tasks", sep="-")
    for engine, arn in kept:
        reporter.line(f"kept {arn}")
        reporter.line(f"  look at it:  {engine} ps -a --filter label=com.amazonaws.ecs.task-arn={arn}")
    if kept:
        reporter.line("  remove what was kept:  pytest --ecs-sweep")
    for line in swept:
        reporter.line(line)

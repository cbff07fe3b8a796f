"""One thread, one mailbox: the only writer of task state. Everyone else reads snapshots."""

from __future__ import annotations

import math
import queue
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_ecs_tasks.core import events
from pytest_ecs_tasks.core.effects import Effect
from pytest_ecs_tasks.core.lifecycle import advance, submit
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.core.transcript import TranscriptEntry
from pytest_ecs_tasks.engine.ports import Clock
from pytest_ecs_tasks.errors import EngineCrashed

Perform = Callable[[Task, Effect], None]
Publish = Callable[[Task, float], None]
Watch = Callable[[Task], None]


@dataclass(slots=True)
class Entry:
    """One task in the supervisor's books. ``changed`` guards and announces every change, of state and of logs."""

    task: Task
    perform: Perform
    publish: Publish
    watch: Watch | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)
    transcript: list[TranscriptEntry] = field(default_factory=list)
    wake_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Letter:
    """A fact about one task, on its way to the supervisor."""

    task_id: str
    event: events.Event


class Supervisor:
    """Advances every task of the run, one fact at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mailbox: queue.SimpleQueue[Letter | None] = queue.SimpleQueue()
        self._entries: dict[str, Entry] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._crash: str | None = None

    def submit(
        self, plan: TaskPlan, perform: Perform, publish: Publish, *, watch: Watch | None = None
    ) -> Entry:
        """Take a task on. ``perform`` must return at once; ``publish`` gets each visible change, in order.

        ``watch`` gets the task after every fact that has changed it, its health too; it must return at once.
        """
        self.check()
        entry = Entry(submit(plan, self._clock.now()), perform, publish, watch)
        with self._lock:
            self._entries[plan.task_id] = entry
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ecs-tasks/supervisor", daemon=True)
                self._thread.start()
        self.post(plan.task_id, events.TaskSubmitted())
        return entry

    def snapshot(self, task_id: str) -> Task | None:
        """Return a task as it is now; ``None`` when it is not known yet or forgotten."""
        with self._lock:
            entry = self._entries.get(task_id)
        return entry.task if entry is not None else None

    def post(self, task_id: str, event: events.Event) -> None:
        """Put a fact into the mailbox; any thread may."""
        self._mailbox.put(Letter(task_id, event))

    def check(self) -> None:
        """Raise :class:`EngineCrashed` when the supervisor's thread has died."""
        if self._crash is not None:
            raise EngineCrashed(
                f"the engine thread of pytest-ecs-tasks died; please report this:\n{self._crash}"
            )

    @property
    def crashed(self) -> bool:
        """Whether the supervisor's thread has died."""
        return self._crash is not None

    def forget(self, task_id: str) -> None:
        """Drop a task that is removed; late facts about it are ignored."""
        with self._lock:
            self._entries.pop(task_id, None)

    def close(self) -> None:
        """End the thread."""
        thread = self._thread
        if thread is not None:
            self._mailbox.put(None)
            thread.join(timeout=5)

    def _run(self) -> None:
        try:
            while (letter := self._next()) is not None:
                self._handle(letter)
        except BaseException:  # noqa: BLE001 - the last resort: whoever waits must learn of it
            self._crash = traceback.format_exc()
            with self._lock:
                entries = list(self._entries.values())
            for entry in entries:
                with entry.changed:
                    entry.changed.notify_all()

    def _next(self) -> Letter | None:
        while True:
            with self._lock:
                due_id, due_at = min(
                    ((task_id, entry.wake_at) for task_id, entry in self._entries.items()),
                    key=lambda pair: pair[1],
                    default=("", math.inf),
                )
            wait_s = None if due_at == math.inf else due_at - self._clock.now()
            try:
                if wait_s is not None and wait_s <= 0:
                    return self._mailbox.get_nowait()
                return self._mailbox.get(timeout=wait_s)
            except queue.Empty:
                if due_at <= self._clock.now():
                    return Letter(due_id, events.Tick())

    def _handle(self, letter: Letter) -> None:
        with self._lock:
            entry = self._entries.get(letter.task_id)
        if entry is None:
            return
        now = self._clock.now()
        before = entry.task
        step = advance(before, letter.event, now)
        for change in step.changes:
            entry.publish(change, now)
        with entry.changed:
            entry.task = step.task
            entry.wake_at = step.wake_at
            if not isinstance(letter.event, events.Tick) or step.effects:
                status = step.task.last_status.value
                entry.transcript.append(
                    TranscriptEntry(now, letter.event, step.effects, status, ignored=step.task == before)
                )
            entry.changed.notify_all()
        if entry.watch is not None and step.task is not before:
            entry.watch(step.task)
        for effect in step.effects:
            entry.perform(step.task, effect)

"""Waiting for a task, and giving up as soon as there is no hope."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable
from typing import TypeGuard

from pytest_ecs_tasks.control import LogBook, LogLine, TaskControl
from pytest_ecs_tasks.core import explain, patience
from pytest_ecs_tasks.core.model import StopCode, Task
from pytest_ecs_tasks.errors import EcsTaskError, ImageError, TaskFailedToStart, TaskStopped, WaitTimeout

STOP_TIMEOUT_S = 300.0  # the default of wait_stopped
LAST_WORDS_S = 2.0  # how long a failure waits for the exit codes and logs of a task that is already stopping
FIRST_PERIOD_S, LAST_PERIOD_S = (
    0.05,
    0.5,
)  # how often a condition that may depend on the outside world is asked
UNFINISHED_LINES = 2  # one for each stream


class Waiter:
    """Waits for one task. ``start_timeout`` in seconds; ``None`` derives it from the health checks."""

    def __init__(self, control: TaskControl, start_timeout: float | None) -> None:
        self._control = control
        self._start_timeout = start_timeout

    def limit(self, timeout: float | None) -> float:
        """Return how long to wait, in seconds. Raises :class:`EcsTaskError` for what is no number of seconds."""
        if timeout is not None:
            return check_seconds(timeout)
        if self._start_timeout is not None:
            return self._start_timeout
        return patience.start_timeout_s(self._task())

    def until_running(self, timeout: float | None) -> None:
        """Wait until the task is RUNNING, or was before this call's eyes."""
        self._until_started("RUNNING", lambda task: task.started_at is not None, timeout)

    def until_healthy(self, timeout: float | None) -> None:
        """Wait until the task is HEALTHY, or was before this call's eyes."""
        self._until_started("HEALTHY", patience.was_healthy, timeout)

    def until_stopped(self, timeout: float | None) -> None:
        """Wait until the task is STOPPED."""
        limit = STOP_TIMEOUT_S if timeout is None else check_seconds(timeout)
        if not self._control.wait_until(lambda: self._task().stopped, limit):
            raise WaitTimeout(explain.explain_timeout(self._task(), "STOPPED", limit))

    def until_logged(self, name: str, pattern: str | re.Pattern[str], timeout: float | None) -> LogLine:
        """Wait for a line of a container and return it; what was logged before counts, even of a task that has stopped."""
        search = LineSearch(self._control.log_book(name), pattern)

        def is_decided() -> bool:
            is_complete = (
                self._task().container(name).stopped
            )  # asked first: the last line may come in between
            return search.find() is not None or is_complete

        came = self._wait(is_decided, timeout, reads_logs=True)
        found = search.find()
        if found is not None:
            return found
        unmet = f'it logged "{search.text}"'
        if came:
            self.raise_if_over(unmet)
            raise TaskStopped(explain.explain_container_end(self._task(), name, unmet))
        lines = self._control.log_book(name).lines()
        last = f"  the last of {len(lines)} lines: {lines[-1].text}" if lines else "  it has logged nothing"
        missed = f'container "{name}" did not log "{search.text}"'
        raise WaitTimeout(explain.explain_unmet(self._task(), missed, self.limit(timeout), [last]))

    def until_true(self, question: Question, timeout: float | None) -> None:
        """Wait until a question is answered with yes. It is asked outside every lock, as it may do anything."""
        limit = self.limit(timeout)
        deadline = self._control.now() + limit
        period = FIRST_PERIOD_S
        while True:
            was_over = self._task().stopped
            seen = self._mark()
            if question.ask():
                return
            if was_over:
                self.raise_if_over(f"{question.name} held")
            left = deadline - self._control.now()
            if left <= 0:
                missed = f"{question.name} did not hold"
                raise WaitTimeout(explain.explain_unmet(self._task(), missed, limit, question.excuse))
            self._until_changed(seen, min(period, left))
            period = min(period * 1.5, LAST_PERIOD_S)

    def raise_if_over(self, unmet: str) -> None:
        """Raise what fits when the task stops or has stopped; ``unmet`` completes "it stopped before …"."""
        task = self._task()
        if not task.desired_stopped:
            return
        if task.stop_code is not StopCode.TASK_FAILED_TO_START:
            raise TaskStopped(explain.explain_stop(task, unmet))
        if task.image_error is not None:
            images = getattr(self._control, "local_images", tuple)  # not every engine can tell
            raise ImageError(explain.explain_missing_image(task, images))
        raise TaskFailedToStart(explain.explain_failed_start(task))

    def _task(self) -> Task:
        return self._control.snapshot()

    def _until_started(self, goal: str, is_met: Callable[[Task], bool], timeout: float | None) -> None:
        # A task that had ended before this call is over, whatever it once was; one that is seen to start and end has started.
        self.raise_if_over(patience.unmet(self._task(), goal))

        def is_decided() -> bool:
            task = self._task()
            return is_met(task) or task.desired_stopped

        if not self._wait(is_decided, timeout):
            raise WaitTimeout(explain.explain_timeout(self._task(), goal, self.limit(timeout)))
        if not is_met(self._task()):
            self._control.wait_until(lambda: self._task().stopped, LAST_WORDS_S)
            self.raise_if_over(patience.unmet(self._task(), goal))

    def _wait(
        self, condition: Callable[[], bool], timeout: float | None, *, reads_logs: bool = False
    ) -> bool:
        """Wait for a condition. Under a derived timeout the time that images take to come does not count."""
        began = self._control.now()
        limit = self.limit(timeout)
        deadline = began + limit
        while not self._control.wait_until(condition, deadline - self._control.now(), reads_logs=reads_logs):
            if timeout is not None or self._start_timeout is not None:
                return False
            pulled = patience.pull_time_s(self._task(), since=began, now=self._control.now())
            if began + limit + pulled <= deadline:
                return False
            deadline = began + limit + pulled
        return True

    def _until_changed(self, seen: tuple[int, ...], period: float) -> None:
        self._control.wait_until(lambda: self._mark() != seen, period, reads_logs=True)

    def _mark(self) -> tuple[int, ...]:
        """Return a value that differs when the task or its logs have changed."""
        task = self._task()
        counts = (self._control.log_book(container.name).line_count() for container in task.containers)
        return (task.version, *counts)


def check_seconds(timeout: object) -> float:
    """Return a timeout. Raises :class:`EcsTaskError` for anything but a number of seconds, 0 or more."""
    if is_number(timeout) and timeout >= 0:
        return timeout
    raise EcsTaskError(f"timeout={timeout!r} is not valid: use seconds, 0 or more")


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


class LineSearch:
    """Looks for a pattern in a log book, each line once. Unfinished lines are looked at again."""

    def __init__(self, book: LogBook, pattern: str | re.Pattern[str]) -> None:
        self._book = book
        self._pattern: re.Pattern[str] | None = pattern if isinstance(pattern, re.Pattern) else None
        if isinstance(pattern, str):
            with contextlib.suppress(re.error):  # it is looked for as it is, too
                self._pattern = re.compile(pattern)
        self.text = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
        self._literal = pattern if isinstance(pattern, str) else None
        self._next = 0
        self._line: LogLine | None = None

    def find(self) -> LogLine | None:
        """Return the first line that matches, as far as there are lines now."""
        if self._line is None:
            lines = self._book.lines(self._next)
            self._line = next((line for line in lines if self._matches(line.text)), None)
            self._next = max(self._next, self._next + len(lines) - UNFINISHED_LINES)
        return self._line

    def _matches(self, text: str) -> bool:
        if self._literal is not None and self._literal in text:
            return True
        return self._pattern is not None and self._pattern.search(text) is not None


class Question:
    """A test's own condition, asked so that "connection refused" means "not yet"."""

    def __init__(self, condition: Callable[..., object], task: object) -> None:
        self._condition = condition
        self._arguments = (task,) if _takes_an_argument(condition) else ()
        self._error: OSError | None = None
        self.name = f"condition {getattr(condition, '__name__', type(condition).__name__)}"

    def ask(self) -> bool:
        """Return the answer now."""
        try:
            answer = bool(self._condition(*self._arguments))
        except OSError as error:
            self._error = error
            return False
        self._error = None
        return answer

    @property
    def excuse(self) -> list[str]:
        """Why the last answer was no, if it was an error."""
        return (
            [] if self._error is None else [f"  its last error: {type(self._error).__name__}: {self._error}"]
        )


def _takes_an_argument(condition: Callable[..., object]) -> bool:
    try:
        inspect.signature(condition).bind(None)
    except TypeError:
        return False
    except ValueError:  # a built-in without a signature
        return True
    return True

"""When the pool is filled again: soon, but not while a task starts or goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from pytest_ecs_tasks.runtimes.sandbox import refill
from pytest_ecs_tasks.runtimes.sandbox.refill import PATIENCE_S, QUIET_S, Refill


class Pool:
    """What is to be filled: notes when it was."""

    def __init__(self) -> None:
        self.is_empty = False
        self.filled_at: list[float] = []
        self.filled = threading.Event()
        self.refill = Refill(self.fill, lambda: self.is_empty)

    def fill(self) -> None:
        self.filled_at.append(time.monotonic())
        self.filled.set()


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.refill.close()


def test_it_is_filled_once_the_engine_was_left_alone(pool: Pool) -> None:
    with pool.refill.undisturbed():
        pool.refill.request()
        assert not pool.filled.wait(QUIET_S + 0.3)
        left_alone = time.monotonic()

    assert pool.filled.wait(60)
    assert pool.filled_at[0] - left_alone >= QUIET_S


def test_an_empty_pool_is_filled_as_soon_as_the_engine_rests(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refill, "QUIET_S", 3600.0)
    monkeypatch.setattr(refill, "PATIENCE_S", 3600.0)
    pool.is_empty = True

    pool.refill.request()

    assert pool.filled.wait(60)


def test_a_run_that_never_rests_is_served_all_the_same(pool: Pool) -> None:
    with pool.refill.undisturbed():
        began = time.monotonic()
        pool.refill.request()
        pool.refill.request()
        assert pool.filled.wait(PATIENCE_S + 60)

    assert pool.filled_at[0] - began >= PATIENCE_S * 0.9
    assert len(pool.filled_at) == 1


def test_a_closed_one_fills_no_more_and_its_thread_ends() -> None:
    pool = Pool()
    with pool.refill.undisturbed():
        pool.refill.request()
        (thread,) = [each for each in threading.enumerate() if each.name == "ecs-tasks/sandbox pool"][-1:]
        pool.refill.close()

    thread.join(60)
    pool.refill.request()
    assert not thread.is_alive()
    assert not pool.filled.wait(QUIET_S + 0.3)

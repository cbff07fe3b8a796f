"""Calls that several make at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from left_over import wait_for
from pytest_ecs_tasks.aws.joined_calls import JoinedCalls


def test_who_comes_during_a_call_shares_the_next_one() -> None:
    calls: JoinedCalls[int] = JoinedCalls()
    go, begun, made = threading.Event(), threading.Event(), 0

    def call() -> int:
        nonlocal made
        made += 1
        number = made
        begun.set()
        go.wait(60)
        return number

    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(calls.make, "key", call)
        assert begun.wait(60)
        others = [pool.submit(calls.make, "key", call) for _ in range(10)]
        assert wait_for(lambda: all(other.running() for other in others), patience_s=60)
        go.set()

    assert first.result() == 1
    assert {other.result() for other in others} <= {2, 3}
    assert made < 5


def test_calls_after_one_another_and_of_other_keys_are_made_each() -> None:
    calls: JoinedCalls[str] = JoinedCalls()
    answers = iter("abc")

    assert [calls.make(key, lambda: next(answers)) for key in ("key", "key", "other")] == ["a", "b", "c"]


def test_a_call_that_fails_fails_for_those_who_share_it_alone() -> None:
    calls: JoinedCalls[str] = JoinedCalls()

    def fail() -> str:
        raise LookupError("no such call")

    with pytest.raises(LookupError, match="no such call"):
        calls.make("key", fail)
    assert calls.make("key", lambda: "made") == "made"

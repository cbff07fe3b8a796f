"""Waiting for what no event tells of, by a clock that a test cannot freeze."""

from __future__ import annotations

import freezegun
import pytest

from pytest_ecs_tasks.engine.system import comes_true

pytestmark = pytest.mark.any_engine


def test_a_condition_is_asked_until_it_holds() -> None:
    answers = iter([False, False, True])

    assert comes_true(lambda: next(answers), 10.0)


def test_frozen_time_does_not_make_a_wait_endless() -> None:
    with freezegun.freeze_time("2020-02-29"):
        assert not comes_true(lambda: False, 0.01)

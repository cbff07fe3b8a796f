"""The endpoints of one simulated task."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from endpoint_world import World, make_world


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world()
    yield made
    made.endpoints.close()

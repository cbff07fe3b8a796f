"""Hooks that the plugin itself calls."""

from __future__ import annotations

import pytest


@pytest.hookspec(firstresult=True)
def pytest_ecs_make_cluster(config: pytest.Config, settings: object) -> object | None:
    """Return a cluster to run tasks on in place of this machine's container engine.

    Private for now: the seam for other clusters, and for the plugin's own tests.
    """

"""Who a thing on the engine belongs to."""

from __future__ import annotations

RUN_LABEL = "pytest-ecs-tasks.run"
OWNER_LABEL = "pytest-ecs-tasks.owner"
KEEP_LABEL = "pytest-ecs-tasks.keep"

"""How many examples hypothesis tries: 200 each time, in CI 100, the same ones each time; 2,000 with ``--hypothesis-profile=thorough``."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("default", max_examples=200, stateful_step_count=30, deadline=None)
settings.register_profile("thorough", max_examples=2000, stateful_step_count=40, deadline=None)
settings.register_profile("ci", settings.get_profile("default"), max_examples=100, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

"""Fails when an object of a test run is still on an engine that runs: everything of ours bears the label below."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from urllib.parse import quote

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent))

import engine_api
import engines
from engine_api import Engine

RUN_LABEL = "pytest-ecs-tasks.run"
PATIENCE_S = 10
LOOK_AGAIN_S = 0.2


def find_left_over(engine: Engine) -> list[str]:
    """List the containers, networks and volumes on an engine that bear a run's label."""
    query = "filters=" + quote(json.dumps({"label": [RUN_LABEL]}))
    containers = engine_api.call_json(engine.url, "GET", f"/containers/json?all=true&{query}", timeout_s=30)
    networks = engine_api.call_json(engine.url, "GET", f"/networks?{query}", timeout_s=30)
    volumes = engine_api.call_json(engine.url, "GET", f"/volumes?{query}", timeout_s=30)
    return [
        *(f"container {container['Names'][0].lstrip('/')}" for container in containers),
        *(f"network {network['Name']}" for network in networks),
        *(f"volume {volume['Name']}" for volume in volumes["Volumes"] or []),
    ]


def wait_until_clean(engine: Engine) -> list[str]:
    """Look until nothing is left, for a while: a guard may still be sweeping. Returns what stays."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            left_over = find_left_over(engine)
        except engine_api.ApiError as error:
            # Podman 4.3 answers 500 to a list that meets a container in the middle of its removal.
            left_over = [f"a list that failed ({error})"]
        if not left_over or time.monotonic() > deadline:
            return left_over
        time.sleep(LOOK_AGAIN_S)


def main() -> int:
    """Look at both engines; returns 1 when something is left."""
    status = 0
    for name in engines.ENGINES:
        engine = engines.find_running(name)
        if engine is None:
            continue
        left_over = wait_until_clean(engine)
        status = 1 if left_over else status
        print(f"left_over: {name}: {', '.join(left_over) or 'nothing'}")
    return status


if __name__ == "__main__":
    raise SystemExit(main())

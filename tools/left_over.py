"""Fails when an object of a test run is still on an engine that runs: everything of ours bears the label below, or the name.

With ``--since`` (seconds since 1970) what is older is told and does not count: a machine may have lost an engine
in the middle of an earlier run, and nothing could remove what was on it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent))

import engine_api
import engines
from engine_api import Engine

RUN_LABEL = "pytest-ecs-tasks.run"
REGISTRY_NAME = "/ecs-tasks-"  # in the name of an image that a run has pulled from a registry of its own
PATIENCE_S = 10
LOOK_AGAIN_S = 0.2


class LeftOver(NamedTuple):
    """A container, network or volume that bears a run's label, or an image's name; ``created`` in seconds since 1970."""

    title: str
    created: float


def find_left_over(engine: Engine) -> list[LeftOver]:
    """List what bears a run's label on an engine."""
    query = "filters=" + quote(json.dumps({"label": [RUN_LABEL]}))
    containers = engine_api.call_json(engine.url, "GET", f"/containers/json?all=true&{query}", timeout_s=30)
    networks = engine_api.call_json(engine.url, "GET", f"/networks?{query}", timeout_s=30)
    volumes = engine_api.call_json(engine.url, "GET", f"/volumes?{query}", timeout_s=30)
    images = engine_api.call_json(engine.url, "GET", "/images/json", timeout_s=30)
    names = sorted({name for one in images for name in one["RepoTags"] or () if REGISTRY_NAME in name})
    return [
        *(LeftOver(f"container {one['Names'][0].lstrip('/')}", one["Created"]) for one in containers),
        *(LeftOver(f"network {one['Name']}", _seconds(one["Created"])) for one in networks),
        *(LeftOver(f"volume {one['Name']}", _seconds(one["CreatedAt"])) for one in volumes["Volumes"] or []),
        *(LeftOver(f"image name {name}", 0.0) for name in names),  # nobody knows when it was given
    ]


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def wait_until_clean(engine: Engine, since: float) -> list[str]:
    """Look until nothing of this run is left, for a while: a guard may still be sweeping. Returns what stays."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = find_left_over(engine)
            left_over = [one.title for one in found if one.created >= since]
            older = [one.title for one in found if one.created < since]
        except engine_api.ApiError as error:
            # Podman 4.3 answers 500 to a list that meets a container in the middle of its removal.
            left_over, older = [f"a list that failed ({error})"], []
        if not left_over or time.monotonic() > deadline:
            if older:
                print(f"left_over: {engine.name}: from before this run, not counted: {', '.join(older)}")
            return left_over
        time.sleep(LOOK_AGAIN_S)


def main(argv: list[str] | None = None) -> int:
    """Look at both engines; returns 1 when something is left."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--since", type=float, default=0.0, metavar="SECONDS", help="do not count what is older"
    )
    since = parser.parse_args(argv).since
    status = 0
    for name in engines.ENGINES:
        engine = engines.find_running(name)
        if engine is None:
            continue
        left_over = wait_until_clean(engine, since)
        status = 1 if left_over else status
        print(f"left_over: {name}: {', '.join(left_over) or 'nothing'}")
    return status


if __name__ == "__main__":
    raise SystemExit(main())

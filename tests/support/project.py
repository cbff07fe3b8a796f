"""A project of a user's, run with the plugin on a cluster in memory."""

from __future__ import annotations

import json
from importlib.metadata import entry_points

import yaml  # noqa: F401 - kept by the runs in this process: libyaml raises the errors of the first import only

from pytest_ecs_tasks.testing.task import FakeCluster

IS_INSTALLED = any(each.name == "ecs_tasks" for each in entry_points(group="pytest11"))
# Importing Hypothesis costs a run more than everything that is tested in it.
QUIET = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
LOAD = (*QUIET, *(() if IS_INSTALLED else ("-p", "pytest_ecs_tasks.plugin")))


class ClusterPlugin:
    """Puts a fake cluster in the engine's place."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.settings = None

    def pytest_ecs_make_cluster(self, settings):
        self.settings = settings
        return self.cluster


class Project:
    """Files of a project, and pytest runs in it."""

    def __init__(self, pytester):
        self.pytester = pytester
        self.cluster = FakeCluster()
        self.plugin = ClusterPlugin(self.cluster)

    def file(self, name, text):
        path = self.pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))

    def run(self, *arguments):
        """Run pytest in this process, against the fake cluster."""
        return self.pytester.runpytest_inprocess(*LOAD, *arguments, plugins=[self.plugin])

    def run_apart(self, *arguments):
        """Run pytest in a process of its own, without the fake."""
        return self.pytester.runpytest_subprocess(*LOAD, *arguments)


def taskdef(*command, family="web", **container):
    """A task definition of one container whose command is its script."""
    definition = {"name": family, "image": f"{family}:1", "memory": 64, "command": list(command), **container}
    return {"family": family, "containerDefinitions": [definition]}

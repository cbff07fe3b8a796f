"""One pytest run: its cluster, and who owns which task and which AWS.

Ownership. Whatever is started belongs to the fixture that is being set up (or torn down) when it is started, else to the
running test, and ends with it. pytest's hooks tell which one that is, so that a session-scoped ``ecs_task_factory`` can
serve every scope.

Which AWS. "The test's AWS is the one of the widest-scoped ECS fixture that it uses, else a fresh one":

1. A fixture of the user's with a scope wider than a function gets an AWS bound to it when its set-up begins, if it asks for
   ``ecs_aws`` or ``ecs_task_factory``; otherwise when its set-up first uses one of them (``request.getfixturevalue``).
2. Which AWS is bound: that of the widest fixture bound so far that the current test uses too, else one of its own.
3. A test and its function-scoped fixtures use the AWS of the widest bound fixture among those that the test uses (its whole
   fixture closure); without one, an AWS that is theirs alone and ends with the test.

"Uses" is pytest's own closure, ``request.fixturenames``, so it holds for indirect use too.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ecs_tasks.plugin.options import Settings

if TYPE_CHECKING:
    from pytest_ecs_tasks.aws.handle import Aws
    from pytest_ecs_tasks.clusters.local import LocalCluster
    from pytest_ecs_tasks.core.api.project import Project
    from pytest_ecs_tasks.task import EcsTask

OUR_MODULE = "pytest_ecs_tasks.plugin.fixtures"
SCOPES = ("session", "package", "module", "class", "function")  # the widest first
BINDING_FIXTURES = frozenset({"ecs_aws", "ecs_registry", "ecs_task_factory"})
OUR_FIXTURES = frozenset(
    {
        "ecs_account_id",
        "ecs_aws",
        "ecs_aws_env",
        "ecs_environment",
        "ecs_images",
        "ecs_network",
        "ecs_region",
        "ecs_registry",
        "ecs_service",
        "ecs_substitute",
        "ecs_task",
        "ecs_task_factory",
        "ecs_taskdef_dir",
    }
)


@dataclass(slots=True, eq=False)
class Watched:
    """A task in a run's books. ``baseline`` counts the lines that each container had logged when the test began."""

    task: EcsTask
    baseline: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Owner:
    """A fixture or a test to which tasks, and perhaps an AWS, belong."""

    name: str
    scope: str
    node: pytest.Item | pytest.Collector
    request: pytest.FixtureRequest | None
    function: object = None
    aws: Aws | None = None
    has_own_aws: bool = False
    watched: list[Watched] = field(default_factory=list)
    started: list[Watched] = field(default_factory=list)  # by ECS calls; they end with its AWS
    is_used: bool = False
    is_seeded: bool = False
    failures_before: int = 0  # in the run, when it began

    @property
    def is_wide(self) -> bool:
        """Whether it outlives a test."""
        return self.scope != "function"

    @property
    def fixture_names(self) -> Sequence[str]:
        """The fixtures that the current test uses, directly or not."""
        if self.request is not None:
            return self.request.fixturenames
        names: Sequence[str] = getattr(self.node, "fixturenames", ())
        return names


class EcsRun:
    """Everything that the plugin knows during one run."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.test: Owner | None = None
        self.wide: list[Owner] = []
        self.seen: list[Watched] = []  # the current test's tasks, for its report
        self.failures = 0
        self._stack: list[Owner] = []
        self._cluster: LocalCluster | None = None
        self._thread = threading.get_ident()
        self._last_request: pytest.FixtureRequest | None = None

    # --- the cluster

    @property
    def cluster(self) -> LocalCluster:
        """The cluster, made when it is first needed; making it contacts nobody."""
        if self._cluster is None:
            from pytest_ecs_tasks.clusters.settings import LocalSettings

            settings = self.settings
            local = LocalSettings(
                engine=settings.text("engine"),
                pull=settings.text("pull"),
                health=settings.text("health"),
                strict=settings.strict,
                keep=settings.text("keep"),
                host=settings.optional_text("host"),
                aws=settings.text("aws"),
                worker=os.environ.get("PYTEST_XDIST_WORKER", ""),
            )
            made = self.config.hook.pytest_ecs_make_cluster(config=self.config, settings=local)
            if made is None:
                from pytest_ecs_tasks.clusters.local import LocalCluster

                made = LocalCluster(local, environ=os.environ, progress=self._progress)
            self._cluster = made
        return self._cluster

    def require_engine(self) -> None:
        """Wait for the engine; skip under ``--ecs-missing-engine=skip``. Raises :class:`EngineUnavailable`."""
        from pytest_ecs_tasks.errors import EngineUnavailable

        try:
            self.cluster.require_engine()
        except EngineUnavailable as error:
            if self.settings.text("missing-engine") == "skip":
                pytest.skip(str(error).splitlines()[0])
            raise error.with_traceback(None) from None  # one error for the run, whose frames would pile up

    def _progress(self, message: str) -> None:
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"ecs: {message}")

    # --- who is at work

    @contextlib.contextmanager
    def setting_up(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Iterator[None]:
        """Book what is started meanwhile to this fixture."""
        name = fixturedef.argname
        if name != "ecs_task" and getattr(fixturedef.func, "__module__", "") == OUR_MODULE:
            self._last_request = request
            yield
            return
        owner = Owner(
            name,
            fixturedef.scope,
            request.node,
            request,
            function=fixturedef.func,
            failures_before=self.failures,
        )
        self._stack.append(owner)
        try:
            if owner.is_wide and BINDING_FIXTURES.intersection(fixturedef.argnames):
                self.bind(owner)
            yield
        finally:
            self._stack.remove(owner)
            if owner.is_used:
                # Finalizers run last in, first out: this one before the fixture's own teardown, _end after it.
                request.addfinalizer(lambda: self._stack.append(owner))

    def begin_test(self, item: pytest.Item) -> None:
        """Book what is started from now on to this test, unless a fixture is at work."""
        self.test = Owner(item.nodeid, "function", item, None, failures_before=self.failures)
        self.seen = []
        names = getattr(item, "fixturenames", ())
        for owner in self.wide:
            if owner.name in names:
                tasks = [each.task for each in (*owner.watched, *owner.started)]
                self.seen.extend(Watched(task, line_counts(task)) for task in tasks)

    def end_test(self) -> None:
        """Close what is the test's alone; its tasks have ended with it."""
        owner, self.test = self.test, None
        if owner is not None:
            self._end(owner)

    def owner(self) -> Owner:
        """Return the fixture or test at work. Threads of the test's own making work for the test."""
        from pytest_ecs_tasks.errors import EcsTaskError

        on_main = threading.get_ident() == self._thread
        if self._stack and (on_main or self.test is None):
            return self._stack[-1]
        if self.test is not None:
            return self.test
        raise EcsTaskError(
            "no test is running and no fixture is being set up: there is nobody that a task could belong to"
        )

    def _use(self, owner: Owner) -> None:
        """Make sure that the owner's end is noticed."""
        if owner.is_used:
            return
        owner.is_used = True
        if owner.request is not None and owner is not self.test:
            owner.request.addfinalizer(lambda: self._end(owner))
        elif isinstance(owner.node, pytest.Item):
            # In the test's teardown this raises: the tasks then end in end_test.
            with contextlib.suppress(AssertionError):
                owner.node.addfinalizer(lambda: self._end_tasks(owner))

    # --- tasks

    def add(self, task: EcsTask) -> None:
        """Book a task to whoever is at work."""
        owner = self.owner()
        self._use(owner)
        watched = Watched(task)
        owner.watched.append(watched)
        self.seen.append(watched)

    def _end(self, owner: Owner) -> None:
        if owner in self._stack:
            self._stack.remove(owner)
        if owner in self.wide:
            self.wide.remove(owner)
        keeps = self._keeps(owner)
        try:
            self._end_tasks(owner)
        finally:
            aws, owner.aws = owner.aws, None
            if aws is not None and owner.has_own_aws:
                if keeps and aws.ecs is not None:
                    for task in aws.ecs.let_go():
                        self.cluster.keep(task)
                aws.close()

    def _end_tasks(self, owner: Owner) -> None:
        watched, owner.watched = owner.watched, []
        keeps = self._keeps(owner)
        errors = []
        for each in reversed(watched):
            try:
                if keeps:
                    self.cluster.keep(each.task)
                else:
                    each.task.remove()
            except Exception as error:  # noqa: BLE001 - the others must go too
                errors.append(error)
        if errors:
            raise errors[0]

    def _keeps(self, owner: Owner) -> bool:
        """Tell whether what belongs to an owner is to stay on the engine."""
        failed = self.failures > owner.failures_before
        keep = self.settings.text("keep")
        return keep == "always" or (keep == "on-failure" and failed)

    # --- AWS

    def aws(self) -> Aws:
        """Return the AWS of whoever is at work; see this module's description."""
        owner = self.owner()
        if owner.is_wide:
            return self.bind(owner)
        test = self.test
        if test is None:
            return self.bind(owner)
        if test.aws is None:
            test.aws = self._widest(test.fixture_names)
            if test.aws is None:
                test.aws, test.has_own_aws = self._new_aws(owner), True
        self._seed(test, test.aws)
        self._furnish(test, test.aws)
        return test.aws

    def bind(self, owner: Owner) -> Aws:
        """Give a fixture its AWS."""
        self._use(owner)
        if owner.aws is None:
            owner.aws = self._widest(owner.fixture_names)
            if owner.aws is None:
                owner.aws, owner.has_own_aws = self._new_aws(owner), True
            self.wide.append(owner)
        self._seed(owner, owner.aws)
        self._furnish(owner, owner.aws)
        return owner.aws

    def _widest(self, names: Sequence[str]) -> Aws | None:
        bound = [owner for owner in self.wide if owner.name in names]
        first = min(bound, key=lambda owner: SCOPES.index(owner.scope), default=None)
        return first.aws if first is not None else None

    def _new_aws(self, owner: Owner) -> Aws:
        region = str(self.value("ecs_region", owner))
        account_id = str(self.value("ecs_account_id", owner))
        if (region, account_id) == ("us-east-1", "123456789012"):
            aws = self.cluster.new_aws()
        else:
            aws = self.cluster.new_aws(region=region, account_id=account_id)
        if aws.ecs is not None:
            aws.ecs.configure(self._project(owner), lambda task: self._see_started(owner, task))
        return aws

    def _project(self, owner: Owner) -> Project:
        from pytest_ecs_tasks.core.api.project import Project

        return Project(self.value("ecs_images", owner), self.value("ecs_environment", owner))

    def _see_started(self, owner: Owner, task: EcsTask) -> None:
        """Take note of a task that an ECS call has started, for reports; a thread of the AWS's calls this."""
        watched = Watched(task)
        owner.started.append(watched)
        self.seen.append(watched)

    def _seed(self, owner: Owner, aws: Aws) -> None:
        """Create what the markers of a test (or of a wide fixture's module or class) ask for, once."""
        if owner.is_seeded:
            return
        from pytest_ecs_tasks.plugin import marks

        owner.is_seeded = True
        for mark in reversed(
            list(owner.node.iter_markers())
        ):  # the outermost first, so that the nearest wins
            if mark.name == "ecs_secret":
                secret = marks.read_mark(mark)
                aws.create_secret(secret.name, secret.value)
            elif mark.name == "ecs_parameter":
                parameter = marks.read_mark(mark)
                aws.create_parameter(parameter.name, parameter.value, secure=parameter.secure)
            elif mark.name == "ecs_log_group":
                aws.create_log_group(marks.read_mark(mark))

    def _furnish(self, owner: Owner, aws: Aws) -> None:
        """Give an AWS its registry when a test or fixture uses ``ecs_registry``; it costs nothing until it is used."""
        if "ecs_registry" in owner.fixture_names and aws.registry is None:
            self.cluster.add_registry(aws, image=self.value("ecs_images", owner).get("registry"))

    # --- the user's values

    def value(self, name: str, owner: Owner | None = None) -> Any:
        """Return a value fixture as whoever is at work sees it: nested conftest files may redefine it."""
        owner = owner or self.owner()
        request = owner.request or self._last_request
        if request is None:
            raise LookupError(f"no fixture request is at hand for {name}")
        return request.getfixturevalue(name)

    # --- the end

    def close(self) -> Mapping[str, object]:
        """End everything; return what is worth telling: what was kept and what was swept."""
        cluster = self._cluster
        if cluster is None:
            return {}
        kept = list(cluster.kept)
        engine = cluster.describe_engine().partition(" ")[0] if kept else ""
        cluster.close()
        return {"kept": [(engine, arn) for arn in kept], "swept": list(cluster.swept)}


def line_counts(task: EcsTask) -> dict[str, int]:
    """Return how many lines each container has logged."""
    return {name: len(task.log_lines(name)) for name in task.containers}


RUN_KEY = pytest.StashKey[EcsRun]()


def run_of(config: pytest.Config) -> EcsRun:
    """Return the run that belongs to a config."""
    return config.stash[RUN_KEY]

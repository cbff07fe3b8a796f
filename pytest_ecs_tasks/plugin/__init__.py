"""The pytest plugin. It is loaded in every pytest run of the environment, so it imports next to nothing."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.plugin import hooks, report
from pytest_ecs_tasks.plugin.fixtures import (
    _ecs_values,
    check_marks,
    ecs_account_id,
    ecs_aws,
    ecs_aws_env,
    ecs_environment,
    ecs_images,
    ecs_network,
    ecs_region,
    ecs_registry,
    ecs_service,
    ecs_substitute,
    ecs_task,
    ecs_task_factory,
    ecs_taskdef_dir,
    uses_ecs,
)
from pytest_ecs_tasks.plugin.marker_help import register_markers
from pytest_ecs_tasks.plugin.options import add_options, read_settings
from pytest_ecs_tasks.plugin.run import RUN_KEY, EcsRun, run_of

__all__ = [
    "_ecs_values",
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
]

FACTS_KEY = pytest.StashKey[list[Mapping[str, Any]]]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the hooks that the plugin calls."""
    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options and ini values."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register markers; read the options once, so that a wrong value is told before anything runs."""
    register_markers(config)
    config.stash[FACTS_KEY] = []
    if not config.getoption("help", False):
        settings = read_settings(config)
        config.stash[RUN_KEY] = EcsRun(config, settings)
        if config.getoption("ecs_check"):
            from pytest_ecs_tasks.plugin.check import Check

            config.pluginmanager.register(Check(config, strict=settings.strict), "ecs_check")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Serve ``--ecs-sweep``."""
    if not config.getoption("--ecs-sweep"):
        return None
    from pytest_ecs_tasks.clusters.sweep import sweep_leftovers

    settings = read_settings(config)
    try:
        lines = sweep_leftovers(settings.text("engine"), os.environ)
    except EcsTaskError as error:
        raise pytest.UsageError(f"{type(error).__name__}: {error}") from error
    for line in lines or ["nothing was left"]:
        print(line)  # noqa: T201 - the command's output
    return int(pytest.ExitCode.OK)


def pytest_report_header(config: pytest.Config) -> str:
    """Tell which engine is meant, and where the choice came from."""
    return report.header(run_of(config).settings)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every item that uses one of our fixtures, before ``-m`` selects."""
    for item in items:
        if uses_ecs(item):
            item.add_marker("ecs")
            names = getattr(item, "fixturenames", None)
            if isinstance(names, list):
                names.insert(0, "_ecs_values")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Warm up in the background as soon as it is certain that a test needs ECS, and never before."""
    config = session.config
    idle = ("collectonly", "setupplan", "showfixtures", "show_fixtures_per_test", "ecs_check")
    if any(config.getoption(name, False) for name in idle):
        return
    items = [item for item in session.items if item.get_closest_marker("ecs")]
    if items:
        from pytest_ecs_tasks.plugin.warming import needs_aws

        run_of(config).cluster.warm_up(aws=needs_aws(items))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Open the run's books for a test, and fail one whose markers are wrong."""
    run = run_of(item.config)
    run.begin_test(item)
    item.stash[report.REPORTED_KEY] = False
    check_marks(item)
    wanted = item.get_closest_marker("ecs_engine")
    if wanted is not None:
        _skip_elsewhere(run, str((*wanted.args, *wanted.kwargs.values())[0]))


def _skip_elsewhere(run: EcsRun, engine: str) -> None:
    run.require_engine()
    found = run.cluster.describe_engine()
    if found.partition(" ")[0] != engine:
        pytest.skip(f"ecs_engine({engine!r}): this run uses {found}")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Know which fixture is at work."""
    with run_of(request.config).setting_up(fixturedef, request):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Close what was the test's alone, after every fixture's teardown."""
    try:
        return (yield)
    finally:
        run_of(item.config).end_test()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what a task has said to the report of the test that used it."""
    run = run_of(item.config)
    failed = call.excinfo is not None and not isinstance(call.excinfo.value, pytest.skip.Exception)
    if call.excinfo is not None and report.is_for_users(call.excinfo):
        report.hide_our_frames(call.excinfo.tb)
    report.add_to_report(run, item, call.when, failed=failed)
    result = yield
    if result.failed:
        run.failures += 1
        if call.excinfo is not None and report.is_for_users(call.excinfo):
            report.tidy_hidden_traceback(result.longrepr)
    return result


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End everything; under xdist, tell the controller what is worth telling."""
    run = session.config.stash.get(RUN_KEY, None)
    if run is None:
        return
    facts = run.close()
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["ecs_tasks"] = facts
    else:
        session.config.stash[FACTS_KEY].append(facts)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what an xdist worker has to tell."""
    facts = getattr(node, "workeroutput", {}).get("ecs_tasks")
    if facts:
        node.config.stash[FACTS_KEY].append(facts)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Tell what was kept, and what dead runs had left."""
    facts: list[Mapping[str, Any]] = config.stash[FACTS_KEY]
    report.write_summary(terminalreporter, facts)

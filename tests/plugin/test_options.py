"""Options, their order, and what a run does when nothing asks for ECS."""

from __future__ import annotations

import sys

import pytest

from project import taskdef


def uses_ecs(project):
    project.file(
        "test_it.py", "import pytest\n@pytest.mark.ecs_taskdef('taskdef.json')\ndef test_it(ecs_task): pass"
    )


def test_the_command_line_wins_over_the_environment_and_that_over_ini(project, monkeypatch):
    uses_ecs(project)
    project.file("pytest.ini", "[pytest]\necs_pull = never\necs_health = declared\n")
    monkeypatch.setenv("PYTEST_ECS_ENGINE", "podman")
    monkeypatch.setenv("PYTEST_ECS_PULL", "always")

    result = project.run("--ecs-engine=docker")

    settings = project.plugin.settings
    assert (settings.engine, settings.pull, settings.health) == ("docker", "always", "declared")
    result.stdout.fnmatch_lines(
        [
            "ecs-tasks: engine=docker (from --ecs-engine), health=declared (from ini ecs_health), "
            "pull=always (from env PYTEST_ECS_PULL)"
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "variable", "value", "message"),
    [
        (
            ["--ecs-pull=sometimes"],
            None,
            None,
            "*--ecs-pull: 'sometimes' is not valid, use one of missing, always, never",
        ),
        (
            [],
            "PYTEST_ECS_LOGS",
            "some",
            "*env PYTEST_ECS_LOGS: 'some' is not valid, use one of failure, all, none",
        ),
        (
            ["--ecs-aws=inprocess"],
            None,
            None,
            "*--ecs-aws: 'inprocess' is not valid, use one of server, in-process, or a URL",
        ),
        (["--ecs-engine=dokcer"], None, None, "*use one of auto, docker, podman, or a URL"),
        (
            ["--ecs-keep=wrong"],
            None,
            None,
            "*--ecs-keep: 'wrong' is not valid, use one of never, on-failure, always",
        ),
        (["--ecs-health=wrong"], None, None, "*use one of fast, declared"),
        (["--ecs-missing-engine=wrong"], None, None, "*use one of fail, skip"),
        (
            [],
            "PYTEST_ECS_PULL",
            "wrong",
            "*env PYTEST_ECS_PULL: 'wrong' is not valid, use one of missing, always, never",
        ),
        (["--ecs-start-timeout=soon"], None, None, "*use a number of seconds above 0"),
        (["--ecs-log-lines=-1"], None, None, "*use a whole number, 0 or more"),
    ],
)
def test_a_wrong_value_is_told_the_valid_ones(project, monkeypatch, arguments, variable, value, message):
    if variable:
        monkeypatch.setenv(variable, value)

    result = project.run(*arguments)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_help_works_in_spite_of_a_wrong_value(project, monkeypatch):
    monkeypatch.setenv("PYTEST_ECS_LOGS", "some")

    result = project.run("--help")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*--ecs-engine=ENGINE*"])


def test_the_start_timeout_is_the_markers_then_the_options(project):
    project.file("taskdef.json", taskdef("hang"))
    project.file(
        "test_it.py",
        """
import pytest

@pytest.mark.ecs_taskdef("taskdef.json", start_timeout=7)
def test_marker(ecs_task): pass

@pytest.mark.ecs_taskdef("taskdef.json")
def test_option(ecs_task): pass
""",
    )

    result = project.run("--ecs-start-timeout=5")

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "E   pytest_ecs_tasks.WaitTimeout: web:1 was still PENDING after 7 s: "
            "container 'web' waits for the engine to start it",
            "E   pytest_ecs_tasks.WaitTimeout: web:1 was still PENDING after 5 s: *",
        ]
    )


def test_items_that_use_ecs_are_marked_and_can_be_deselected(project):
    project.file(
        "test_it.py",
        """
import pytest

@pytest.fixture
def helper(ecs_aws): pass

def test_ecs(helper): pass
def test_plain(): pass
""",
    )

    project.run("-m", "not ecs").assert_outcomes(passed=1, deselected=1)
    assert project.cluster.calls == []


def test_markers_are_listed_with_their_signatures(project):
    result = project.run("--markers")

    result.stdout.fnmatch_lines(
        [
            '@pytest.mark.ecs_taskdef(source, *, wait="healthy", launch_type=None, images=None, substitute=None, '
            "start_timeout=None, count=1, resource=None, family=None): *",
            "@pytest.mark.ecs_secret(name_or_arn, value): *",
        ]
    )


def test_warm_up_begins_when_a_selected_test_needs_it(project):
    uses_ecs(project)

    project.run()

    assert project.cluster.calls == ["warm_up", "close"]


@pytest.mark.parametrize(
    ("test", "warmed"),
    [
        (
            "@pytest.mark.ecs_taskdef({'family': 'f', 'containerDefinitions': []})\ndef test_it(ecs_task): pass",
            "warm_up",
        ),
        ("def test_it(ecs_task_factory): pass", "warm_up"),
        ("@pytest.mark.ecs_taskdef('logging.json')\ndef test_it(ecs_task): pass", "warm_up with AWS"),
        (
            "@pytest.mark.ecs_taskdef({'family': 'f', 'taskRoleArn': 'r'})\ndef test_it(ecs_task): pass",
            "warm_up with AWS",
        ),
        ("@pytest.mark.ecs_taskdef('a-family')\ndef test_it(ecs_task): pass", "warm_up with AWS"),
        ("@pytest.mark.ecs_secret('a', 'b')\ndef test_it(ecs_task): pass", "warm_up with AWS"),
        ("def test_it(ecs_aws, ecs_task): pass", "warm_up with AWS"),
        (
            "@pytest.fixture\ndef bucket(ecs_aws): pass\ndef test_it(bucket, ecs_task): pass",
            "warm_up with AWS",
        ),
    ],
)
def test_moto_is_warmed_up_when_a_selected_test_is_likely_to_use_it(project, test, warmed):
    project.file("logging.json", '{"containerDefinitions": [{"logConfiguration": {"logDriver": "awslogs"}}]}')
    project.file("test_it.py", f"import pytest\n{test}")

    project.run()

    assert project.cluster.calls == [warmed, "close"]


@pytest.mark.parametrize(
    "arguments", [("--collect-only",), ("--setup-plan",), ("--fixtures",), ("--ecs-check",)]
)
def test_nothing_is_warmed_up_when_nothing_runs(project, arguments):
    uses_ecs(project)

    project.run(*arguments)

    assert project.cluster.calls in ([], ["close"])
    assert project.cluster.requests == []


def test_a_project_without_ecs_tests_is_left_alone(project):
    project.file(
        "test_it.py", "import pytest\n@pytest.mark.parametrize('n', range(3))\ndef test_it(n, tmp_path): pass"
    )

    project.run().assert_outcomes(passed=3)

    assert project.cluster.calls == []
    assert project.plugin.settings is None


def test_an_engine_marker_skips_elsewhere_with_the_reason(project):
    project.file(
        "test_it.py",
        """
import pytest

@pytest.mark.ecs_engine("podman")
@pytest.mark.ecs_taskdef("taskdef.json")
def test_podman(ecs_task): pass

@pytest.mark.ecs_engine("docker")
@pytest.mark.ecs_taskdef("taskdef.json")
def test_docker(ecs_task): pass
""",
    )

    result = project.run("-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * ecs_engine('podman'): this run uses docker 0 at fake://"])


def test_a_file_that_is_not_utf8_is_a_problem_of_that_file(project):
    (project.pytester.path / "latin1.json").write_bytes('{"family": "café"}'.encode("latin-1"))
    project.file(
        "test_it.py", "import pytest\n@pytest.mark.ecs_taskdef('latin1.json')\ndef test_it(ecs_task): pass"
    )

    for arguments in ([], ["--ecs-check"]):
        result = project.run(*arguments)

        result.stdout.fnmatch_lines(["*not UTF-8 at byte 15; save it as UTF-8*"])
        assert "UnicodeDecodeError" not in result.stdout.str() + result.stderr.str()


def test_loading_the_plugin_loads_nothing_heavy(project):
    project.file(
        "test_it.py",
        """
import sys

def test_it():
    heavy = {"docker", "moto", "boto3", "botocore", "testcontainers", "requests", "yaml"}
    ours = {name for name in sys.modules if name.startswith("pytest_ecs_tasks.")}
    assert not heavy & set(sys.modules)
    assert not [name for name in ours if name.split(".")[1] in {"core", "task", "engine", "aws", "runtimes", "clusters"}]
""",
    )

    project.run_apart("-p", "no:requests_mock", "-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_public_names_are_there_and_load_nothing_until_used(pytester):
    program = (
        "import sys, pytest_ecs_tasks as p; "
        "assert not {'pytest', 'docker', 'moto', 'boto3'} & set(sys.modules); "
        "assert all(hasattr(p, name) for name in p.__all__); "
        "assert p.TaskStopped.__module__ == 'pytest_ecs_tasks'"
    )

    assert pytester.run(sys.executable, "-c", program).ret == 0


def test_an_unreachable_engine_is_never_asked_by_help_collection_or_plain_tests(project, monkeypatch):
    monkeypatch.setenv("PYTEST_ECS_ENGINE", "tcp://127.0.0.1:1")
    uses_ecs(project)

    for arguments in (["--collect-only"], ["--help"], ["-m", "not ecs"], ["--markers"]):
        result = project.run_apart(*arguments)
        assert result.ret in {0, pytest.ExitCode.NO_TESTS_COLLECTED}, arguments

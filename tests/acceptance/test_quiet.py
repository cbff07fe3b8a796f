"""Nothing happens in tests that do not ask."""

from __future__ import annotations

import pytest

DEAD = "tcp://127.0.0.1:1"

MIXED = """
import pytest

def test_plain():
    pass

@pytest.mark.ecs_taskdef("taskdef.json")
def test_ecs(ecs_task):
    pass

def test_aws_only(ecs_aws):
    pass

def test_factory(ecs_task_factory):
    pass
"""


@pytest.fixture
def dead(suite, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", DEAD)
    monkeypatch.setenv("PYTEST_ECS_ENGINE", DEAD)
    suite.write("test_mixed.py", MIXED)
    suite.write_definition("taskdef.json", {"name": "a", "image": "pytest-ecs-tasks/busybox:1", "memory": 64})
    return suite


def test_collection_asks_no_engine(dead):
    result = dead.run("--collect-only", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*test_mixed.py::test_ecs", "4 tests collected*"])


def test_help_and_fixtures_and_markers_ask_no_engine(dead):
    text = dead.run_text("--help")
    for option in (
        "--ecs-engine", "--ecs-missing-engine", "--ecs-aws", "--ecs-keep", "--ecs-pull", "--ecs-health", "--ecs-logs",
        "--ecs-log-lines", "--ecs-start-timeout", "--ecs-host", "--ecs-sweep", "ecs_strict", "ecs_taskdef_dir",
    ):  # fmt: skip
        assert option in text
    markers = dead.run_text("--markers")
    for marker in (
        "ecs_taskdef(",
        "ecs_overrides(",
        "ecs_secret(",
        "ecs_parameter(",
        "ecs_log_group(",
        "ecs_engine(",
        "ecs:",
    ):
        assert f"@pytest.mark.{marker}" in markers
    fixtures = dead.run_text("--fixtures")
    for name in (
        "ecs_task", "ecs_task_factory", "ecs_aws", "ecs_aws_env", "ecs_network", "ecs_images", "ecs_environment",
        "ecs_taskdef_dir", "ecs_region", "ecs_account_id",
    ):  # fmt: skip
        assert f"{name} " in fixtures


def test_ecs_tests_are_deselected_by_their_marker(dead):
    dead.run("-m", "not ecs").assert_outcomes(passed=1, deselected=3)


def test_a_run_without_ecs_tests_loads_nothing_and_starts_nothing(dead):
    (dead.path / "test_mixed.py").unlink()
    dead.write(
        "test_plain.py",
        """
        import sys
        import threading

        def test_plain(request):
            for name in ("boto3", "botocore", "docker", "moto", "testcontainers"):
                assert name not in sys.modules, name
            assert [name for name in request.fixturenames if "ecs" in name] == []
            assert threading.active_count() == 1
        """,
    )
    result = dead.run("-W", "error")
    result.assert_outcomes(passed=1)


def test_an_aws_alone_needs_no_engine(dead):
    result = dead.run("-k", "aws_only")
    result.assert_outcomes(passed=1, deselected=3)


def test_the_markers_are_registered(dead):
    dead.run("--strict-markers", "--collect-only").assert_outcomes()
    assert dead.run("--strict-markers", "--strict-config", "--collect-only", "-q").ret == 0

"""Whatever was started ends with the fixture or test that started it, and leaves nothing behind."""

from __future__ import annotations

import docker
import pytest

SLEEPER = """
SLEEPER = {
    "family": "sleeper",
    "networkMode": "awsvpc",
    "containerDefinitions": [
        {"name": "app", "image": "pytest-ecs-tasks/busybox:1", "memory": 64, "command": ["sleep", "300"]},
    ],
}
"""


@pytest.fixture
def engine(engine_url):
    client = docker.DockerClient(base_url=engine_url)
    yield client
    client.close()


def test_a_task_ends_with_the_fixture_or_test_that_started_it(suite):
    suite.write("definitions.py", SLEEPER)
    suite.write("conftest.py", "import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent))")
    suite.write(
        "test_owners.py",
        """
        import threading
        import pytest
        from definitions import SLEEPER

        seen = {}

        @pytest.fixture(scope="module")
        def wide(ecs_task_factory):
            seen["wide"] = ecs_task_factory.run(SLEEPER)
            return seen["wide"]

        @pytest.fixture
        def narrow(ecs_task_factory):
            seen["narrow"] = ecs_task_factory.run(SLEEPER)
            yield seen["narrow"]
            assert seen["narrow"].last_status == "RUNNING"

        @pytest.fixture
        def start(ecs_task_factory):
            return lambda: ecs_task_factory.run(SLEEPER)

        def test_first(wide, narrow, start, ecs_task_factory):
            seen["body"] = ecs_task_factory.run(SLEEPER)
            seen["lambda"] = start()
            def in_thread():
                seen["thread"] = ecs_task_factory.run(SLEEPER)
            thread = threading.Thread(target=in_thread)
            thread.start()
            thread.join()
            assert {task.last_status for task in seen.values()} == {"RUNNING"}

        def test_second(wide):
            assert wide.last_status == "RUNNING"
            assert wide.exec("app", "echo alive").stdout == "alive\\n"
            for name in ("narrow", "body", "lambda", "thread"):
                assert seen[name].last_status == "STOPPED", name
        """,
    )
    suite.write(
        "test_then.py",
        """
        import test_owners

        def test_third():
            assert test_owners.seen["wide"].last_status == "STOPPED"
        """,
    )
    result = suite.run()
    result.assert_outcomes(passed=3)


def test_leaving_the_block_kills_and_removes_at_once(ecs_task_factory, define, sh, engine):
    with ecs_task_factory.run(
        define(sh("app", "trap '' TERM; while :; do sleep 1; done", stopTimeout=100))
    ) as task:
        runtime_id = task["app"].runtime_id
        assert engine.containers.get(runtime_id).status == "running"
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(runtime_id)
    assert task.last_status == "STOPPED"
    task.wait_stopped(timeout=1)
    assert task.logs() == ""


def test_an_error_inside_the_block_is_the_users_to_see(ecs_task_factory, define, sh, engine):
    def fail():
        with ecs_task_factory.run(define(sh("app", "sleep 100"))) as task:
            ids.append(task["app"].runtime_id)
            raise ZeroDivisionError

    ids: list[str] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(ids[0])


def test_a_stopped_task_still_answers_questions(ecs_task_factory, define, sh):
    task = ecs_task_factory.run(define(sh("app", "echo one; sleep 100")))
    task.wait_for_log("one", timeout=10)
    task.stop()
    assert task.logs() == "one\n"
    assert task.describe()["lastStatus"] == "STOPPED"
    assert task["app"].runtime_id


def test_nothing_is_left_after_a_run(suite, engine):
    suite.write("definitions.py", SLEEPER)
    suite.write(
        "test_leaves.py",
        SLEEPER
        + """
import pathlib

def test_it(ecs_task_factory, ecs_network):
    task = ecs_task_factory.run(SLEEPER)
    pathlib.Path("ids").write_text(task["app"].runtime_id)
    assert False
""",
    )
    suite.run().assert_outcomes(failed=1)
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get((suite.path / "ids").read_text())


@pytest.mark.usefixtures("no_other_sweep")
def test_kept_tasks_stay_until_they_are_swept(suite, engine):
    suite.write(
        "test_keep.py",
        SLEEPER
        + """
import pathlib

def test_fails(ecs_task_factory):
    task = ecs_task_factory.run(SLEEPER)
    pathlib.Path("failed").write_text(task["app"].runtime_id)
    assert False

def test_passes(ecs_task_factory):
    task = ecs_task_factory.run(SLEEPER)
    pathlib.Path("passed").write_text(task["app"].runtime_id)
""",
    )
    result = suite.run("--ecs-keep=on-failure")
    result.assert_outcomes(failed=1, passed=1)
    failed, passed = ((suite.path / name).read_text() for name in ("failed", "passed"))
    assert engine.containers.get(failed).status == "running"
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(passed)
    assert "sweep" in result.stdout.str()

    # Another run leaves them alone.
    suite.run("-k", "passes").assert_outcomes(passed=1, deselected=1)
    assert engine.containers.get(failed).status == "running"

    swept = suite.run("--ecs-sweep")
    assert swept.ret == 0, swept.stdout.str() + swept.stderr.str()
    assert "passed" not in swept.stdout.str()
    assert "failed" not in swept.stdout.str()
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(failed)


@pytest.mark.usefixtures("no_other_sweep")
def test_keep_always_keeps_a_passing_test(suite, engine, monkeypatch):
    monkeypatch.setenv("PYTEST_ECS_KEEP", "always")
    suite.write(
        "test_keep.py",
        SLEEPER
        + """
import pathlib

def test_passes(ecs_task_factory):
    task = ecs_task_factory.run(SLEEPER)
    pathlib.Path("passed").write_text(task["app"].runtime_id)
""",
    )
    suite.run().assert_outcomes(passed=1)
    passed = (suite.path / "passed").read_text()
    assert engine.containers.get(passed).status == "running"
    assert suite.run("--ecs-sweep").ret == 0
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(passed)

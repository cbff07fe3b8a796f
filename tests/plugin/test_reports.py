"""What the user sees when a task fails."""

from __future__ import annotations

from project import taskdef

HEALTH = {"command": ["CMD", "true"], "startPeriod": 10}


def one_test(project, body="pass", marker="ecs_taskdef('taskdef.json')", **files):
    for name, document in files.items():
        project.file(f"{name}.json", document)
    project.file("test_it.py", f"import pytest\n@pytest.mark.{marker}\ndef test_it(ecs_task):\n    {body}\n")


def two_containers(command):
    return {
        "family": "web",
        "containerDefinitions": [
            {"name": "web", "image": "web:1", "memory": 64, "command": command, "healthCheck": HEALTH},
            {"name": "migrate", "image": "web:1", "memory": 64, "essential": False, "command": ["exit 0"]},
        ],
    }


def test_a_task_that_stops_too_early_explains_itself(project):
    one_test(
        project, taskdef=two_containers(["log connecting to db:5432", "err FATAL: no password", "exit 3"])
    )

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            'E   pytest_ecs_tasks.TaskStopped: web:1 stopped before it was HEALTHY: container "web" exited 3',
            'E     stopCode EssentialContainerExited · stoppedReason "Essential container in task exited"',
            "E     web      STOPPED  exit 3   after 0.0 s   (healthCheck never ran)",
            "E     migrate  STOPPED  exit 0   after 0.0 s",
            "*- Captured log ecs web:1 web setup -*",
            "??:??:??.??? stdout  connecting to db:5432",
            "??:??:??.??? stderr  FATAL: no password",
            "(2 of 2 lines since this test began)",
            "*- Captured log ecs web:1 transcript setup -*",
        ]
    )
    assert "pytest_ecs_tasks/" not in result.stdout.str()
    assert "are hidden" not in result.stdout.str()


def test_the_short_summary_has_the_cause(project):
    one_test(project, taskdef=taskdef("exit 3", healthCheck=HEALTH))

    result = project.run("-ra", "-vv")

    result.stdout.fnmatch_lines(
        ["ERROR test_it.py::test_it - pytest_ecs_tasks.TaskStopped: web:1 stopped before it was HEALTHY*"]
    )


def test_a_failing_call_has_the_logs_and_the_users_line(project):
    one_test(project, "ecs_task.wait_for_log('never', timeout=1)", taskdef=taskdef("log hello"))

    result = project.run()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*ecs_task.wait_for_log('never', timeout=1)",
            'E   *pytest_ecs_tasks.WaitTimeout: web:1 is RUNNING: container "web" did not log "never" within 1 s',
            "E * the last of 1 lines: hello",
            "*- Captured log ecs web:1 web call -*",
        ]
    )
    assert "pytest_ecs_tasks/waiting.py" not in result.stdout.str()


def test_an_image_that_is_not_here_is_told_how_to_map_it(project):
    image = "missing/123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1.4"
    one_test(project, taskdef=taskdef(image=image))

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            f'E   pytest_ecs_tasks.ImageError: container "web" needs {image} and it is not local',
            "E     pull: manifest unknown",
            "E     Map it to a local build with the ecs_images fixture in conftest.py",
            'E         @pytest.fixture(scope="session")',
            f'E         def ecs_images(): return {{"{image.removesuffix(":1.4")}": "web:dev"}}',
            "E     or log in:  docker login*",
            "E     local images with a similar name: web:dev, web:latest",
        ]
    )


def test_no_engine_is_one_clear_error(project):
    project.cluster.missing = (
        "no container engine answered: tried\n  unix:///var/run/docker.sock  no such file"
    )
    one_test(project, taskdef=taskdef())

    failing = project.run()
    skipping = project.run("--ecs-missing-engine=skip", "-rs")

    failing.assert_outcomes(errors=1)
    failing.stdout.fnmatch_lines(
        [
            "E   pytest_ecs_tasks.EngineUnavailable: no container engine answered: tried",
            "E     unix:///var/run/docker.sock  no such file",
        ]
    )
    skipping.assert_outcomes(skipped=1)
    skipping.stdout.fnmatch_lines(["SKIPPED * no container engine answered: tried"])


def test_log_options_choose_when_and_how_much(project):
    one_test(project, "assert 0", taskdef=taskdef("log one", "log two", "log three"))
    few = project.run("--ecs-log-lines=1")
    none = project.run("--ecs-logs=none")
    one_test(project, taskdef=taskdef("log one"))
    passing = project.run("-rA")
    every = project.run("-rA", "--ecs-logs=all")

    few.stdout.fnmatch_lines(["*stdout  three", "(1 of 3 lines since this test began)"])
    few.stdout.no_fnmatch_line("*stdout  two")
    none.stdout.no_fnmatch_line("*Captured log ecs*")
    passing.stdout.no_fnmatch_line("*Captured log ecs*")
    every.stdout.fnmatch_lines(
        ["*Captured log ecs web:1 web call*", "*Captured log ecs web:1 transcript call*"]
    )


def test_a_shared_task_shows_the_lines_of_the_failing_test_only(project):
    project.file(
        "test_it.py",
        """
import pytest

@pytest.fixture(scope="module")
def web(ecs_task_factory):
    return ecs_task_factory.run("taskdef.json")

def test_one(web):
    web._control.write("web", "of test one")

def test_two(web):
    web._control.write("web", "of test two")
    assert 0
""",
    )

    result = project.run()

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*of test two", "(1 of 1 lines since this test began)"])
    result.stdout.no_fnmatch_line("*stdout  of test one")


def test_junit_has_logs_and_properties(project):
    one_test(project, "ecs_task.wait_stopped(); assert 0", taskdef=taskdef("log hello", "exit 3"))

    project.run("--junitxml=junit.xml", "-o", "junit_logging=all")

    junit = (project.pytester.path / "junit.xml").read_text()
    assert 'name="ecs_stop_code" value="EssentialContainerExited"' in junit
    assert 'name="ecs_exit_codes" value="web=3"' in junit
    assert 'name="ecs_task_arn" value="arn:aws:ecs:us-east-1:123456789012:task/default/' in junit
    assert "stdout  hello" in junit


def test_artifacts_are_written_for_failed_tests_only(project):
    one_test(project, "assert 0", taskdef=taskdef("log hello"))
    project.run("--ecs-artifacts=out")
    folder = project.pytester.path / "out" / "test_it.py-test_it" / "web-1-00000000"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "describe-tasks.json",
        "events.jsonl",
        "task-definition.json",
        "transcript.txt",
        "web.log",
    ]
    assert (folder / "web.log").read_text() == "hello\n"

    one_test(project, taskdef=taskdef("log hello"))
    project.run("--ecs-artifacts=clean")
    assert not (project.pytester.path / "clean").exists()


def test_keep_on_failure_keeps_what_a_failed_test_used(project):
    one_test(project, "assert 0", taskdef=taskdef())
    result = project.run("--ecs-keep=on-failure")
    one_test(project, taskdef=taskdef())
    project.run("--ecs-keep=on-failure")

    assert project.cluster.kept == ["arn:aws:ecs:us-east-1:123456789012:task/default/" + "0" * 32]
    result.stdout.fnmatch_lines(["kept arn:aws:ecs:*", "*pytest --ecs-sweep"])


def test_a_green_run_has_no_summary_of_ours(project):
    one_test(project, taskdef=taskdef())

    result = project.run()

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*- ecs-tasks -*")

"""A failure explains itself without a second run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

FAILING = {
    "test_setup.py": """
        import pytest

        @pytest.mark.ecs_taskdef("web.json")
        def test_setup(ecs_task):
            pass
        """,
    "test_call.py": """
        import pytest

        @pytest.mark.ecs_taskdef("app.json")
        def test_call(ecs_task):
            ecs_task.wait_for_log("out", container="app", timeout=60)
            ecs_task.wait_for_log("err", container="app", timeout=60)
            assert 1 == 2
        """,
    "test_teardown.py": """
        import pytest

        @pytest.fixture
        def fragile(ecs_task):
            yield
            ecs_task.wait_for_log("out", container="app", timeout=60)
            ecs_task.wait_for_log("err", container="app", timeout=60)
            assert 1 == 2

        @pytest.mark.ecs_taskdef("app.json")
        def test_teardown(fragile):
            pass
        """,
}


@pytest.fixture
def failing(suite, sh):
    for name, text in FAILING.items():
        suite.write(name, text)
    suite.write_definition("app.json", sh("app", "echo out; echo err >&2; sleep 60"), family="app")
    suite.write_definition(
        "web.json",
        sh("migrate", "true", essential=False),
        sh(
            "web",
            "echo connecting to db:5432; echo 'FATAL: password authentication failed' >&2; exit 3",
            dependsOn=[{"containerName": "migrate", "condition": "SUCCESS"}],
            healthCheck={"command": ["CMD-SHELL", "exit 1"]},
        ),
        family="web",
    )
    return suite


def test_a_failure_in_set_up_has_the_layout_of_the_contract(failing):
    text = failing.run_text("test_setup.py", "-ra")
    lines = text.splitlines()
    start = lines.index(
        'E   pytest_ecs_tasks.TaskStopped: web:1 stopped before it was HEALTHY: container "web" exited 3'
    )
    assert re.fullmatch(
        r'E     stopCode EssentialContainerExited · stoppedReason "Essential container in task exited"',
        lines[start + 1],
    )
    rows = "\n".join(lines[start + 2 : start + 4])
    assert re.search(
        r"^E     web +STOPPED  exit 3   after \d+\.\d s   \(healthCheck (never ran|.*)\)$", rows, re.MULTILINE
    )
    assert re.search(r"^E     migrate +STOPPED  exit 0   after \d+\.\d s", rows, re.MULTILINE)
    title = next(index for index, line in enumerate(lines) if "Captured log ecs web:1 web setup" in line)
    assert re.fullmatch(r"-+ Captured log ecs web:1 web setup -+", lines[title])
    # The two streams are read from pipes of their own: their lines come in any order.
    stderr, stdout = sorted(lines[title + 1 : title + 3], key=lambda line: line.split()[1])
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} stdout  connecting to db:5432", stdout)
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} stderr  FATAL: password authentication failed", stderr)
    assert lines[title + 3] == "(2 of 2 lines since this test began)"
    assert "ERROR test_setup.py::test_setup - " in text
    assert "pytest_ecs_tasks/" not in text


@pytest.mark.parametrize("phase", ["call", "teardown"])
def test_a_failure_in_another_phase_shows_the_logs_too(failing, phase):
    text = failing.run_text(f"test_{phase}.py")
    assert re.search(rf"-+ Captured log ecs app:1 app {phase} -+\n", text)
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} stdout  out$", text, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} stderr  err$", text, re.MULTILINE)
    assert "(2 of 2 lines since this test began)" in text


@pytest.mark.any_engine
def test_junit_has_what_the_terminal_has(failing):
    failing.run("--junit-xml=out.xml", "-o", "junit_logging=all")
    root = ElementTree.parse(failing.path / "out.xml").getroot()
    found = {}
    for case in root.iter("testcase"):
        texts = "".join(element.text or "" for element in case.iter() if element.tag.startswith("system-"))
        found.setdefault(case.get("name"), []).append(texts)
    assert any("FATAL: password authentication failed" in text for text in found["test_setup"])
    assert any("stderr  err" in text for text in found["test_call"])
    assert any("stderr  err" in text for text in found["test_teardown"])


@pytest.mark.any_engine
def test_a_passing_test_shows_nothing(failing):
    failing.write("test_call.py", FAILING["test_call.py"].replace("1 == 2", "True"))
    text = failing.run_text("test_call.py", "-rA")
    assert "Captured log ecs" not in text


@pytest.mark.any_engine
def test_lines_of_an_earlier_test_are_not_shown_again(suite, sh):
    suite.write_definition("app.json", sh("app", "echo early; sleep 60"), family="app")
    suite.write(
        "test_shared.py",
        """
        from pytest_ecs_tasks import task_fixture

        app = task_fixture("app.json", scope="module")

        def test_first(app):
            app.wait_for_log("early", timeout=60)

        def test_second(app):
            app.exec("app", "echo late > /proc/1/fd/1")
            app.wait_for_log("late", timeout=60)
            assert False
        """,
    )
    text = suite.run_text()
    assert re.search(r"stdout  late$", text, re.MULTILINE)
    assert not re.search(r"stdout  early$", text, re.MULTILINE)
    assert re.search(r"^\(1 of [12] lines since this test began\)$", text, re.MULTILINE)


# The five commonest mistakes: no engine is in test_options.py.


@pytest.fixture
def mistake(suite):
    def run(body, *arguments):
        suite.write("test_web.py", body)
        result = suite.run(*arguments, "-ra")
        result.assert_outcomes(errors=1)
        text = result.stdout.str()
        assert "pytest_ecs_tasks/" not in text, "no traceback of the plugin"
        assert "INTERNALERROR" not in text
        return text

    return run


@pytest.mark.any_engine
def test_no_marker(mistake):
    text = mistake("def test_health(ecs_task):\n    pass\n")
    assert "test_web.py::test_health uses ecs_task but has no task definition." in text
    assert 'Add  @pytest.mark.ecs_taskdef("taskdef.json")  to the test, its class or module.' in text


def marked(arguments, *more):
    marks = "\n".join([f"@pytest.mark.ecs_taskdef({arguments})", *more])
    return f"import pytest\n\n{marks}\ndef test_health(ecs_task):\n    pass\n"


@pytest.mark.any_engine
def test_a_wrong_path(suite, mistake, sh):
    suite.write("pytest.ini", "[pytest]\necs_taskdef_dir = infra\n")
    suite.write_definition("infra/taskdef.json", sh("app", "true"))
    text = mistake(marked('"task-def.json"'))
    assert 'ecs_taskdef("task-def.json"): no such file. Looked in ' in text
    assert "infra/" in text
    assert "ecs_taskdef_dir" in text
    assert "Did you mean infra/taskdef.json?" in text


@pytest.mark.any_engine
def test_a_wrong_argument(mistake):
    text = mistake(marked('"taskdef.json", enviroment={}'))
    assert "ecs_taskdef() got an unexpected argument 'enviroment'." in text
    assert "Did you mean @pytest.mark.ecs_overrides(container, environment=" in text


WRONG = {
    '@pytest.mark.ecs_overrides("web", enviroment={})': ["ecs_overrides", "enviroment", "environment"],
    "@pytest.mark.ecs_overrides()": ["ecs_overrides", "container"],
    '@pytest.mark.ecs_overrides("wbe", environment={"A": "1"})': ["wbe", "web"],
    '@pytest.mark.ecs_secret("name")': ["ecs_secret", "value"],
    '@pytest.mark.ecs_parameter("name", "value", True)': ["ecs_parameter"],
    '@pytest.mark.ecs_parameter("name", "value", secret=True)': ["ecs_parameter", "secret", "secure"],
    "@pytest.mark.ecs_log_group()": ["ecs_log_group", "name"],
    '@pytest.mark.ecs_engine("dokcer")': ["ecs_engine", "dokcer", "docker"],
    '@pytest.mark.ecs_taskdef("taskdef.json", wait="helthy")': ["helthy", "healthy"],
    '@pytest.mark.ecs_taskdef("taskdef.json", launch_type="FARGAT")': ["FARGAT", "FARGATE"],
    '@pytest.mark.ecs_taskdef("taskdef.json", count=0)': ["count"],
    '@pytest.mark.ecs_taskdef("taskdef.json", count=2)': ["count", "ecs_task_factory"],
    '@pytest.mark.ecs_taskdef("taskdef.json", start_timeout="soon")': ["start_timeout"],
    '@pytest.mark.ecs_taskdef("taskdef.json", start_timout=3)': ["start_timout", "start_timeout"],
    "@pytest.mark.ecs_taskdef()": ["source"],
    "@pytest.mark.ecs_taskdef(42)": ["42"],
}


@pytest.mark.any_engine
def test_a_wrong_marker_fails_its_item_and_names_what_is_right(suite, sh):
    suite.write_definition("taskdef.json", sh("web", "sleep 60"))
    tests = ["import pytest", 'pytestmark = pytest.mark.ecs_taskdef("taskdef.json", wait=None)']
    tests += [f"{marker}\ndef test_{number}(ecs_task):\n    pass" for number, marker in enumerate(WRONG)]
    suite.write("test_wrong.py", "\n\n".join(tests))
    result = suite.run("--junit-xml=out.xml")
    result.assert_outcomes(errors=len(WRONG))
    assert "pytest_ecs_tasks/" not in result.stdout.str(), "no traceback of the plugin"
    texts = {
        case.get("name"): "".join(error.text or "" for error in case.iter("error"))
        for case in ElementTree.parse(suite.path / "out.xml").getroot().iter("testcase")
    }
    for number, (marker, words) in enumerate(WRONG.items()):
        for word in words:
            assert word in texts[f"test_{number}"], marker


@pytest.mark.any_engine
def test_a_definition_that_ecs_would_refuse(suite, mistake, sh):
    suite.write_definition(
        "infra/taskdef.json",
        sh("web", "true", dependsOn=[{"containerName": "db", "condition": "HEALTHY"}]),
        sh("db", "true", mountPoints=[{"sourceVolume": "data", "containerPath": "/data"}]),
        cpu="300",
        memory="512",
        requiresCompatibilities=["FARGATE"],
    )
    text = mistake(marked('"infra/taskdef.json"'))
    assert "TaskDefinitionError: infra/taskdef.json has 3 problems" in text
    assert re.search(r"line \d+ +containerDefinitions\[0\]\.dependsOn\[0\].*HEALTHY.*db.*healthCheck", text)
    assert re.search(r"line \d+ +cpu.*256, 512, 1024, 2048, 4096, 8192, 16384", text)
    assert re.search(
        r"line \d+ +containerDefinitions\[1\]\.mountPoints\[0\]\.sourceVolume.*data.*volumes", text
    )
    lines = (suite.path / "infra/taskdef.json").read_text().splitlines()
    place = int(re.search(r"line (\d+) +cpu", text)[1])
    assert '"cpu": "300"' in lines[place - 1]


@pytest.mark.any_engine
def test_a_file_that_is_no_json(suite, mistake):
    suite.write(
        "taskdef.json", '{\n  "family": "web",\n  "containerDefinitions": [\n    {"name": }\n  ]\n}\n'
    )
    text = mistake(marked('"taskdef.json"'))
    assert "TaskDefinitionError" in text
    assert "line 4" in text


def test_an_image_that_is_not_here(suite, mistake, sh):
    suite.write_definition(
        "taskdef.json", sh("web", "true", image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/busybox:1.4")
    )
    text = mistake(marked('"taskdef.json"'))
    assert (
        'ImageError: container "web" needs 123456789012.dkr.ecr.eu-west-1.amazonaws.com/busybox:1.4 and it is not local'
        in text
    )
    assert re.search(r"pull: \S+", text)
    assert "Map it to a local build with the ecs_images fixture in conftest.py" in text
    assert '@pytest.fixture(scope="session")' in text
    assert 'def ecs_images(): return {"123456789012.dkr.ecr.eu-west-1.amazonaws.com/busybox": "' in text
    assert "aws ecr get-login-password" in text
    assert re.search(r"local images with a similar name: .*pytest-ecs-tasks/busybox:1", text)


@pytest.mark.parametrize("launch_type", ["EC2", "FARGATE"])
def test_a_secret_that_is_missing(suite, mistake, sh, launch_type):
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db:password::"
    suite.write_definition(
        "taskdef.json",
        sh("web", "true", secrets=[{"name": "DB_PASSWORD", "valueFrom": arn}]),
        executionRoleArn="arn:aws:iam::123456789012:role/execution",
        cpu="256",
        memory="512",
    )
    text = mistake(
        marked(
            f'"taskdef.json", launch_type="{launch_type}"', '@pytest.mark.ecs_secret("prod/db-replica", "x")'
        )
    )
    assert "TaskFailedToStart: " in text
    assert "ResourceNotFoundException" in text
    if launch_type == "FARGATE":
        assert "ResourceInitializationError" in text
    assert re.search(f'container "web", .*"DB_PASSWORD" <- {re.escape(arn)}', text)
    assert re.search(r"In this test's AWS .*there is no such secret", text)
    assert '@pytest.mark.ecs_secret("prod/db", {"password": "' in text
    assert "present here: prod/db-replica" in text


def test_a_parameter_that_is_missing(suite, mistake, sh):
    suite.write_definition(
        "taskdef.json",
        sh("web", "true", secrets=[{"name": "TITLE", "valueFrom": "/shop/title"}]),
        executionRoleArn="arn:aws:iam::123456789012:role/execution",
    )
    text = mistake(marked('"taskdef.json"'))
    assert "TaskFailedToStart: " in text
    assert "/shop/title" in text
    assert '@pytest.mark.ecs_parameter("/shop/title"' in text

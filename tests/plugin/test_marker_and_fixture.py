"""``ecs_task``: which definition it runs, and what a test sees of wrong markers."""

from __future__ import annotations

from project import taskdef


def test_the_nearest_marker_wins(project):
    for name in ("module", "klass", "function"):
        project.file(f"{name}.json", taskdef(family=name))
    project.file(
        "test_it.py",
        """
import pytest
pytestmark = pytest.mark.ecs_taskdef("module.json")

def test_module(ecs_task):
    assert ecs_task.family == "module"

@pytest.mark.ecs_taskdef("klass.json")
class TestClass:
    def test_class(self, ecs_task):
        assert ecs_task.family == "klass"

    @pytest.mark.ecs_taskdef("function.json")
    def test_function(self, ecs_task):
        assert ecs_task.family == "function"
""",
    )

    project.run().assert_outcomes(passed=3)


def test_a_path_is_relative_to_the_test_file_then_to_the_configured_directory(project):
    project.file("pytest.ini", "[pytest]\necs_taskdef_dir = infra\n")
    project.file("infra/shared.json", taskdef(family="shared"))
    project.file("tests/taskdef.json", taskdef(family="beside"))
    project.file(
        "tests/test_it.py",
        """
import pytest

@pytest.mark.ecs_taskdef("taskdef.json")
def test_beside(ecs_task):
    assert ecs_task.family == "beside"

@pytest.mark.ecs_taskdef("shared.json")
def test_shared(ecs_task):
    assert ecs_task.family == "shared"
""",
    )

    project.run().assert_outcomes(passed=2)


def test_a_dict_is_a_definition(project):
    project.file(
        "test_it.py",
        f"""
import pytest

@pytest.mark.ecs_taskdef({taskdef("log hello", family="inline")!r})
def test_inline(ecs_task):
    assert ecs_task.logs() == "hello\\n"
""",
    )

    project.run().assert_outcomes(passed=1)


def test_an_indirect_parameter_is_a_definition_and_keeps_the_markers_keywords(project):
    project.file("a.json", taskdef(family="a"))
    project.file("b.json", taskdef("exit 0", family="b"))
    project.file(
        "test_it.py",
        """
import pytest

@pytest.mark.ecs_taskdef("taskdef.json", wait=None)
@pytest.mark.parametrize("ecs_task", ["a.json", "b.json"], indirect=True)
def test_each(ecs_task, request):
    assert ecs_task.family == request.node.callspec.params["ecs_task"][0]
""",
    )

    project.run().assert_outcomes(passed=2)


def test_without_a_marker_the_test_is_told_which_one_to_add(project):
    project.file("test_web.py", "def test_health(ecs_task): pass")

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "test_web.py::test_health uses ecs_task but has no task definition.",
            '  Add  @pytest.mark.ecs_taskdef("taskdef.json")  to the test, its class or module.',
        ]
    )
    assert "plugin/marked.py" not in result.stdout.str()


def test_a_wrong_path_is_told_where_it_was_looked_for_and_which_one_is_meant(project):
    project.file("pytest.ini", "[pytest]\necs_taskdef_dir = infra\n")
    project.file("infra/taskdef.json", taskdef())
    project.file(
        "tests/test_web.py",
        """
import pytest

@pytest.mark.ecs_taskdef("task-def.json")
def test_health(ecs_task): pass
""",
    )

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            'ecs_taskdef("task-def.json"): no such file. Looked in tests/, infra/ (ini ecs_taskdef_dir). '
            "Did you mean infra/taskdef.json?"
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_wrong_argument_is_told_the_nearest_valid_one(project):
    project.file(
        "test_web.py",
        """
import pytest

@pytest.mark.ecs_taskdef("taskdef.json", enviroment={"A": "b"})
def test_other_marker(ecs_task): pass

@pytest.mark.ecs_taskdef("taskdef.json", start_timout=3)
def test_same_marker(ecs_task): pass

@pytest.mark.ecs_taskdef("taskdef.json", wait="helthy")
def test_value(ecs_task): pass

@pytest.mark.ecs_secret("name")
@pytest.mark.ecs_taskdef("taskdef.json")
def test_missing(ecs_task): pass

@pytest.mark.ecs_secret("name", 12345)
@pytest.mark.ecs_taskdef("taskdef.json")
def test_kind(ecs_task): pass
""",
    )

    result = project.run()

    result.assert_outcomes(errors=5)
    result.stdout.fnmatch_lines(
        [
            "ecs_taskdef() got an unexpected argument 'enviroment'. "
            "Did you mean @pytest.mark.ecs_overrides(container, environment=…)?",
            "ecs_taskdef() got an unexpected argument 'start_timout'. Did you mean start_timeout=…?",
            "ecs_taskdef(): wait='helthy' is not valid: use *; did you mean 'healthy'?",
            "ecs_secret(): missing a required argument: 'value'. Its arguments are name_or_arn, value.",
            "ecs_secret(): value is of type int: use a str, bytes or a dict",
        ]
    )
    assert "During handling" not in result.stdout.str()
    assert project.cluster.requests == []


def test_a_definition_that_ecs_would_refuse_shows_every_problem(project):
    document = taskdef(dependsOn=[{"containerName": "nobody", "condition": "HEALTHY"}])
    document["containerDefinitions"][0]["mountPoints"] = [{"sourceVolume": "data", "containerPath": "/data"}]
    project.file("taskdef.json", document)
    project.file(
        "test_it.py", "import pytest\n@pytest.mark.ecs_taskdef('taskdef.json')\ndef test_it(ecs_task): pass"
    )

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E   pytest_ecs_tasks.TaskDefinitionError: taskdef.json has 2 problems"])
    result.stdout.fnmatch_lines(["*nobody*"])
    result.stdout.fnmatch_lines(["*data*"])


def test_a_count_is_for_the_factory(project):
    project.file(
        "test_it.py",
        "import pytest\n@pytest.mark.ecs_taskdef('taskdef.json', count=2)\ndef test_it(ecs_task): pass",
    )

    result = project.run()

    result.stdout.fnmatch_lines(["ecs_taskdef(): count=2 *ecs_task_factory.run(*"])


def test_overrides_stack_inner_over_outer(project):
    project.file(
        "test_it.py",
        """
import pytest
pytestmark = pytest.mark.ecs_overrides("web", environment={"A": "outer", "B": "outer"})

@pytest.mark.ecs_taskdef("taskdef.json")
@pytest.mark.ecs_overrides("web", environment={"A": "inner"}, image="web:dev")
def test_it(ecs_task):
    overrides = ecs_task.describe()["overrides"]["containerOverrides"][0]
    assert {each["name"]: each["value"] for each in overrides["environment"]} == {"A": "inner", "B": "outer"}
    assert ecs_task["web"].image == "web:dev"
""",
    )

    project.run().assert_outcomes(passed=1)


def test_images_environment_region_and_account_come_from_fixtures(project):
    project.file(
        "conftest.py",
        """
import pytest

@pytest.fixture(scope="session")
def ecs_images(): return {"web:1": "web:dev"}

@pytest.fixture(scope="session")
def ecs_environment(): return {"STAGE": "test", "other": {"X": "y"}}

@pytest.fixture(scope="session")
def ecs_region(): return "eu-west-1"

@pytest.fixture(scope="session")
def ecs_account_id(): return "210987654321"
""",
    )
    project.file(
        "test_it.py",
        """
import pytest

@pytest.mark.ecs_taskdef("taskdef.json")
def test_it(ecs_task, ecs_aws):
    assert ecs_task["web"].image == "web:dev"
    assert ecs_task.arn.startswith("arn:aws:ecs:eu-west-1:210987654321:task/default/")
    assert (ecs_aws.region, ecs_aws.account_id) == ("eu-west-1", "210987654321")
""",
    )

    project.run().assert_outcomes(passed=1)
    assert project.cluster.requests[0].environment == {"web": {"STAGE": "test"}}


def test_values_of_a_nested_conftest_count_for_its_tests_only(project):
    for directory in ("a", "b"):
        project.file(
            f"{directory}/conftest.py",
            f"""
import pytest

@pytest.fixture(scope="session")
def ecs_images(): return {{"web": "web:{directory}"}}
""",
        )
        project.file(
            f"{directory}/test_{directory}.py",
            f"""
def test_it(ecs_task_factory):
    document = {taskdef()!r}
    assert ecs_task_factory.run(document)["web"].image == "web:{directory}"
""",
        )

    project.run().assert_outcomes(passed=2)


def test_a_field_that_is_not_emulated_warns_and_is_an_error_when_strict(project):
    project.file("pytest.ini", "[pytest]\nfilterwarnings = default\n")
    project.file("taskdef.json", taskdef() | {"enableFaultInjection": True})
    project.file(
        "test_it.py", "import pytest\n@pytest.mark.ecs_taskdef('taskdef.json')\ndef test_it(ecs_task): pass"
    )

    lenient = project.run()
    project.file("pytest.ini", "[pytest]\necs_strict = true\n")
    strict = project.run()

    lenient.assert_outcomes(passed=1, warnings=1)
    lenient.stdout.fnmatch_lines(["*UnsupportedFieldWarning: taskdef.json: *enableFaultInjection*"])
    strict.assert_outcomes(errors=1)
    strict.stdout.fnmatch_lines(["E * enableFaultInjection*"])

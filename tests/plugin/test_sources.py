"""What a test may name as the source of a task, as its author sees it."""

from __future__ import annotations

import json

import pytest

from project import taskdef

MARKED = """
import pytest

@pytest.mark.ecs_taskdef({arguments})
def test_it(ecs_task):
    assert ecs_task.family == {family!r}
"""


def marked(arguments, family="web"):
    return MARKED.format(arguments=arguments, family=family)


def plan(**families):
    resources = [
        {
            "address": f"aws_ecs_task_definition.{name}",
            "type": "aws_ecs_task_definition",
            "values": {
                "family": family,
                "container_definitions": json.dumps(taskdef()["containerDefinitions"]),
                "memory": "64",
            },
        }
        for name, family in families.items()
    ]
    return {"planned_values": {"root_module": {"resources": resources}}}


def test_a_definition_in_yaml_runs(project):
    project.file("web.yaml", json.dumps(taskdef(), indent=1).replace('"', ""))
    project.file("test_it.py", marked("'web.yaml'"))

    project.run().assert_outcomes(passed=1)


def test_one_of_terraform_s_resources_runs(project):
    project.file("plan.json", plan(a="web", b="api"))
    project.file("test_it.py", marked("'plan.json', resource='aws_ecs_task_definition.b'", "api"))

    project.run().assert_outcomes(passed=1)


def test_without_a_choice_the_resources_are_listed(project):
    project.file("plan.json", plan(a="web", b="api"))
    project.file("test_it.py", marked("'plan.json'"))

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "E  *TaskDefinitionError: plan.json has 1 problem",
            "E *it has 2 of aws_ecs_task_definition: choose one with ecs_taskdef(…, "
            "resource='aws_ecs_task_definition.a'). They are aws_ecs_task_definition.a, aws_ecs_task_definition.b",
        ]
    )


def test_the_factory_and_task_fixture_choose_too(project):
    project.file("plan.json", plan(a="web", b="api"))
    project.file("containers.json", json.dumps(taskdef()["containerDefinitions"]))
    project.file(
        "test_it.py",
        """
from pytest_ecs_tasks import task_fixture

api = task_fixture("plan.json", resource="aws_ecs_task_definition.b")

def test_it(api, ecs_task_factory):
    assert api.family == "api"
    assert ecs_task_factory.run("plan.json", resource="aws_ecs_task_definition.a").family == "web"
    assert ecs_task_factory.run("containers.json").family == "containers"
    assert ecs_task_factory.run("containers.json", family="other").family == "other"
""",
    )

    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("argument", ["resource=1", "family=''"])
def test_a_choice_that_is_no_text_fails_the_test_with_its_name(project, argument):
    project.file("test_it.py", marked(f"'taskdef.json', {argument}"))

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*ecs_taskdef(): {argument} is not valid: use a*"])


def test_placeholders_are_filled_by_a_fixture_below_the_marker(project):
    document = taskdef() | {"family": "${FAMILY}-${STAGE}", "memory": "${MEMORY}"}
    project.file("taskdef.json", document)
    project.file(
        "conftest.py",
        """
import pytest

@pytest.fixture(scope="session")
def ecs_substitute(): return {"FAMILY": "web", "STAGE": "dev", "MEMORY": "64"}
""",
    )
    project.file("test_it.py", marked("'taskdef.json', substitute={'STAGE': 'test'}", "web-test"))

    project.run().assert_outcomes(passed=1)


def test_everything_unfilled_is_told_at_once(project):
    project.file("taskdef.json", taskdef() | {"cpu": "${CPU}", "memory": "${MEMORY}"})
    project.file("test_it.py", marked("'taskdef.json'"))

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *fill with ecs_taskdef(…, substitute={'${CPU}': '…', '${MEMORY}': '…'})"])


def test_what_is_forgiven_in_a_file_is_a_warning_at_its_line(project):
    project.file("pytest.ini", "[pytest]\nfilterwarnings = default\n")
    project.file("taskdef.json", json.dumps(taskdef(), indent=1).replace("\n}", ", # the end\n}"))
    project.file("test_it.py", marked("'taskdef.json'"))

    result = project.run()

    result.assert_outcomes(passed=1, warnings=2)
    result.stdout.fnmatch_lines(
        ["*TaskDefinitionWarning: taskdef.json: line *a comma with nothing after it is forgiven*"]
    )


def test_a_file_of_powershell_runs(project):
    project.file(
        "pytest.ini",
        "[pytest]\nfilterwarnings =\n    error\n    ignore::pytest_ecs_tasks.TaskDefinitionWarning\n",
    )
    (project.pytester.path / "taskdef.json").write_text(json.dumps(taskdef()), encoding="utf-16")
    project.file("test_it.py", marked("'taskdef.json'"))

    project.run().assert_outcomes(passed=1)


def test_a_file_that_is_far_too_large_is_refused_by_its_size(project):
    with (project.pytester.path / "taskdef.json").open("wb") as file:
        file.truncate(50_000_000)
    project.file("test_it.py", marked("'taskdef.json'"))

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *50,000,000 bytes are too large for a task definition*"])


def test_another_product_s_file_is_named(project):
    project.file("docker-compose.yml", "services:\n  web:\n    image: nginx\n")
    project.file("test_it.py", marked("'docker-compose.yml'"))

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *this is a Compose file, which is not read: give a task definition*"])


TEMPLATE = """
Parameters: {Tag: {Type: String}}
Resources:
  WebTaskDef0A1B2C3D:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Sub "web-${AWS::Region}-${AWS::AccountId}"
      ContainerDefinitions: [{Name: web, Image: !Sub "web:${Tag}", Memory: 64}]
  WorkerTaskDef0A1B2C3D:
    Type: AWS::ECS::TaskDefinition
    Properties:
      ContainerDefinitions: [{Name: worker, Image: busybox, Memory: 64, Command: [!Ref Tag]}]
"""


def test_a_resource_of_a_template_runs_with_the_values_of_the_test(project):
    project.file("template.yaml", TEMPLATE)
    project.file(
        "conftest.py",
        """
import pytest

@pytest.fixture(scope="session")
def ecs_region():
    return "eu-west-1"
""",
    )
    arguments = "'template.yaml', resource='WebTaskDef', substitute={'Tag': '1.4'}"
    project.file("test_it.py", marked(arguments, "web-eu-west-1-123456789012"))

    project.run().assert_outcomes(passed=1)


def test_what_a_template_needs_is_told_to_be_copied(project):
    project.file("template.yaml", TEMPLATE)
    project.file("test_it.py", marked("'template.yaml', resource='WorkerTaskDef'"))

    result = project.run()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*template.yaml has 2 problems",
            "*line 12  containerDefinitions?0?.command?0?: has no value here: the parameter Tag has no default",
            "*fill with ecs_taskdef(…, substitute={'Tag': '…'})",
        ]
    )

"""``--ecs-check``: which definitions are judged, what is written, and how the run ends."""

from __future__ import annotations

import json
import os

import pytest

from project import taskdef

WAITS = {"dependsOn": [{"containerName": "nobody", "condition": "START"}]}
BAD = """{
  "family": "web",
  "containerDefinitions": [
    {"name": "app", "image": "app:1",
      "memory": "lots"}], "enableFaultInjection": true
}
"""
ERROR = "bad.json:5:7  error  wrong-type  containerDefinitions[0].memory: a whole number is wanted here, not 'lots'"
WARNING = "bad.json:5:27  warning  unsupported-field  enableFaultInjection: *"
TESTS = "import pytest\n\n"


def marked(name, source="taskdef.json", more=""):
    return f"@pytest.mark.ecs_taskdef({source!r}{more})\ndef test_{name}(ecs_task): pass\n\n"


def findings(result):
    """Return the lines of findings."""
    return [line for line in result.outlines if "  error  " in line or "  warning  " in line]


def summary(result):
    return [
        line for line in result.outlines if line.startswith(("ecs-check: ", "not checked", "passed over"))
    ]


# --- what tests refer to


def test_every_definition_that_is_wrong_is_reported_and_nothing_runs(project):
    project.file("bad.json", BAD)
    project.file(
        "test_it.py", TESTS + marked("good") + marked("bad", "bad.json") + marked("gone", "gone.json")
    )

    result = project.run("--ecs-check")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            ERROR,
            WARNING,
            'test_it.py:9:1  error  no-such-file  ecs_taskdef("gone.json"): no such file. Looked in ./.*',
            "ecs-check: 2 task definitions, 2 errors, 1 warning",
        ]
    )
    assert project.cluster.requests == []


def test_all_is_well_in_one_line_and_with_right_grammar(project):
    project.file("test_it.py", TESTS + marked("one") + marked("two"))

    result = project.run("--ecs-check")

    assert result.ret == 0
    assert summary(result) == ["ecs-check: 1 task definition, no problems"]


def test_warnings_alone_do_not_fail_unless_ecs_strict_says_so(project):
    project.file("warned.json", taskdef() | {"enableFaultInjection": True})
    project.file("test_it.py", TESTS + marked("warned", "warned.json"))

    assert project.run("--ecs-check").ret == 0
    assert project.run("--ecs-check", "-o", "ecs_strict=true").ret == pytest.ExitCode.TESTS_FAILED


def test_indirect_parameters_are_judged_with_the_marker_s_substitutes(project):
    project.file(
        "a.json", '{"family": "a", "containerDefinitions": [{"name": "a", "image": "a:1", "memory": ${M}}]}'
    )
    project.file(
        "test_it.py",
        TESTS
        + "@pytest.mark.ecs_taskdef('x', substitute={'M': '64'})\n"
        + "@pytest.mark.parametrize('ecs_task', ['a.json', 'b.json'], indirect=True)\n"
        + "def test_it(ecs_task): pass",
    )

    result = project.run("--ecs-check")

    assert [line.split("  ")[:3] for line in findings(result)] == [
        ["test_it.py:3:1", "error", "no-such-file"]
    ]
    assert '"b.json"' in findings(result)[0]


def test_a_definition_written_in_a_test_is_judged_where_it_is_written(project):
    project.file("test_it.py", TESTS + marked("dict", taskdef(**WAITS)))

    result = project.run("--ecs-check")

    (line,) = findings(result)
    assert line.startswith(
        "test_it.py:3:1  error  depends-on-unknown-container  containerDefinitions[0].dependsOn[0]"
    )


def test_task_fixtures_are_judged_though_no_test_asks_for_them_by_name(project):
    project.file("bad.json", BAD)
    project.file(
        "test_it.py",
        "from pytest_ecs_tasks import task_fixture\n"
        "web = task_fixture('bad.json')\n"
        "gone = task_fixture(\n    'gone.json', overrides={'web': {'cpu': 1}})\n"
        "def test_it(request): request.getfixturevalue('web')\n",
    )

    result = project.run("--ecs-check")

    assert [line.split("  ")[0] for line in findings(result)] == [
        "bad.json:5:7",
        "bad.json:5:27",
        "test_it.py:3:1",
    ]


FACTORY = """
import pytest

PATH = "bad.json"
CASES = ["gone.json"]

@pytest.fixture
def web(ecs_task_factory):
    return ecs_task_factory.run(PATH)

def test_fixture(web): pass

def test_literal(ecs_task_factory):
    ecs_task_factory.run("taskdef.json", launch_type="EC2")

@pytest.mark.parametrize("path", CASES)
def test_parameter(ecs_task_factory, path):
    ecs_task_factory.run(source=path)
"""


def test_calls_of_the_factory_are_judged_where_the_source_tells_what_they_run(project):
    project.file("bad.json", BAD)
    project.file("test_it.py", FACTORY)

    result = project.run("--ecs-check")

    assert [line.split("  ")[0] for line in findings(result)] == [
        "bad.json:5:7",
        "bad.json:5:27",
        "test_it.py:18:1",
    ]
    assert summary(result) == ["ecs-check: 2 task definitions, 2 errors, 1 warning"]


UNKNOWN = """
import pytest

def test_made_up(ecs_task_factory):
    path = "".join(["task", "def.json"])
    ecs_task_factory.run(path)

def test_handed_on(ecs_task_factory):
    helper(ecs_task_factory)

def helper(factory):
    factory.run("taskdef.json")

@pytest.mark.ecs_taskdef("registered:1")
def test_registered(ecs_task): pass

def test_by_name(request):
    request.getfixturevalue("ecs_task_factory").run("taskdef.json")
"""


def test_what_only_a_run_can_tell_is_said_and_not_passed_over(project):
    project.file("test_it.py", UNKNOWN + marked("known"))

    result = project.run("--ecs-check")

    assert result.ret == 0
    assert summary(result) == [
        "ecs-check: 1 task definition, no problems",
        "not checked, because only a run tells which definition is meant: test_it.py:6, test_it.py:9, test_it.py:14, "
        "test_it.py:17",
    ]


def test_a_directory_that_a_fixture_names_is_known_only_when_run(project):
    project.file(
        "conftest.py",
        "import pytest\n@pytest.fixture(scope='session')\ndef ecs_taskdef_dir(): return 'infra'",
    )
    project.file("test_it.py", TESTS + marked("it", "web.json"))

    result = project.run("--ecs-check")

    assert findings(result) == []
    assert summary(result)[1].endswith(": test_it.py:3")


def test_wrong_markers_and_what_a_request_may_not_ask_are_errors_of_the_test(project):
    project.file(
        "test_it.py",
        TESTS
        + "def test_none(ecs_task): pass\n\n"
        + marked("typo", more=", wiat='running'")
        + marked("fargate", more=", launch_type='FARGATE'")
        + "@pytest.mark.ecs_overrides('nobody', cpu=1)\n"
        + marked("override")
        + "@pytest.mark.ecs_secret('name')\n"
        + marked("secret"),
    )

    result = project.run("--ecs-check")

    assert [line.split("  ")[:3] for line in findings(result)] == [
        ["test_it.py:3:1", "error", "wrong-marker"],
        ["test_it.py:5:1", "error", "wrong-marker"],
        ["test_it.py:8:1", "error", "fargate-network-mode"],
        ["test_it.py:8:1", "error", "fargate-size-missing"],
        ["test_it.py:8:1", "error", "fargate-size-missing"],
        ["test_it.py:11:1", "error", "override-unknown-container"],
        ["test_it.py:15:1", "error", "wrong-marker"],
    ]


def test_a_module_that_cannot_be_imported_is_an_error_with_its_reason(project):
    project.file("test_broken.py", "import no_such_module\n")
    project.file("test_it.py", TESTS + marked("it"))

    result = project.run("--ecs-check")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (line,) = findings(result)
    assert line.startswith("test_broken.py:1:1  error  not-collected  ")
    assert line.endswith("No module named 'no_such_module'")


# --- files on the command line


def test_a_named_file_is_judged_and_no_test_is_collected(project):
    project.file("bad.json", BAD)
    project.file("test_it.py", "raise RuntimeError('imported')")

    result = project.run("--ecs-check", "bad.json", "taskdef.json")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["collected 0 items", ERROR, WARNING, "ecs-check: 2 task definitions, 1 error, 1 warning"]
    )


def test_named_files_that_are_well_are_a_success_although_no_test_was_collected(project):
    assert project.run("--ecs-check", "taskdef.json").ret == 0


def test_patterns_and_directories_without_tests_are_searched(project):
    project.file("infra/a/web.json", taskdef(**WAITS))
    project.file("infra/a/package.json", {"name": "web", "dependencies": {}})
    project.file("infra/node_modules/x/web.json", taskdef(**WAITS))
    project.file("infra/notes.txt", "containerDefinitions")

    by_directory = project.run("--ecs-check", "infra")
    by_pattern = project.run("--ecs-check", "infra/**/w*.json")

    assert [line.partition(":")[0] for line in findings(by_directory)] == ["infra/a/web.json"]
    assert summary(by_directory) == [
        "ecs-check: 1 task definition, 1 error",
        "passed over, because nothing in it is a container definition: 1 file",
    ]
    assert {line.partition(":")[0] for line in findings(by_pattern)} == {
        "infra/a/web.json",
        "infra/node_modules/x/web.json",
    }


def test_a_list_of_containers_alone_is_found_in_a_directory(project):
    project.file("infra/containers.json", '\n[{"name": "web", "image": "web:1", "essential": "yes"}]')
    project.file("infra/images.json", '[{"name": "web", "image": "web:1"}]')

    result = project.run("--ecs-check", "infra")

    assert findings(result)[-1].startswith(
        "infra/containers.json:2:36  error  wrong-type  containerDefinitions[0]."
    )
    assert summary(result)[1:] == ["passed over, because nothing in it is a container definition: 1 file"]


def test_what_is_no_file_in_a_directory_is_passed_over(project):
    project.file("infra/web.json", taskdef())
    infra = project.pytester.path / "infra"
    (infra / "gone.json").symlink_to("nowhere.json")
    os.mkfifo(infra / "pipe.json")

    result = project.run("--ecs-check", "infra")

    assert result.ret == 0
    assert summary(result)[1:] == ["passed over, because nothing in it is a container definition: 2 files"]


def test_tests_and_files_can_be_named_together(project):
    project.file("tests/test_it.py", TESTS + marked("it", "gone.json"))
    project.file("tests/broken_on_purpose.json", BAD)
    project.file("bad.json", BAD)

    result = project.run("--ecs-check", "tests", "bad.json")

    assert [line.split("  ")[0] for line in findings(result)] == [
        "bad.json:5:7",
        "bad.json:5:27",
        "tests/test_it.py:3:1",
    ]


def test_a_test_s_node_id_still_names_that_test(project):
    project.file("test_it.py", TESTS + marked("one") + marked("two", "gone.json"))

    assert project.run("--ecs-check", "test_it.py::test_one").ret == 0
    assert project.run("--ecs-check", "test_it.py::test_two").ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("gone.json", "file or directory not found: gone.json"),
        ("gone/*.json", "--ecs-check: no file matches 'gone/[*].json'"),
    ],
)
def test_a_name_that_leads_nowhere_is_a_usage_error(project, argument, said):
    result = project.run("--ecs-check", argument)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}"])


@pytest.mark.parametrize("arguments", [(), ("empty",)])
def test_nothing_to_check_is_said_and_is_no_success(project, arguments):
    project.file("empty/notes.txt", "")
    project.file("test_it.py", "def test_it(): pass")

    result = project.run("--ecs-check", *arguments)

    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["ecs-check: no task definition found; name files or directories: *"])


def test_what_only_this_plugin_cannot_do_is_a_warning_of_a_file_that_no_test_runs(project):
    project.file(
        "shared.json",
        taskdef(credentialSpecs=["credentialspec:arn:aws:s3:::bucket/spec.json"]),
    )
    project.file("test_it.py", TESTS + marked("it", "shared.json"))

    alone = project.run("--ecs-check", "shared.json")
    tested = project.run("--ecs-check")

    assert (alone.ret, tested.ret) == (0, 1)
    assert [line.split("  ")[1:3] for line in findings(alone)] == [["warning", "unsupported-feature"]]
    assert [line.split("  ")[1:3] for line in findings(tested)] == [["error", "unsupported-feature"]]


PLACEHOLDERS = (
    '{"family": "a", "containerDefinitions": [{"name": "a", "image": "a:1", "memory": "${M}", "cpu": ${C}}]}'
)


def test_placeholders_of_a_file_are_filled_from_the_command_line(project):
    project.file("template.json", PLACEHOLDERS)

    lacking = project.run("--ecs-check", "template.json", "--ecs-check-substitute", "C=1")
    filled = project.run(
        "--ecs-check", "template.json", "--ecs-check-substitute=C=1", "--ecs-check-substitute=M=64"
    )
    wrong = project.run("--ecs-check", "template.json", "--ecs-check-substitute=C")

    assert lacking.ret == pytest.ExitCode.TESTS_FAILED
    lacking.stdout.fnmatch_lines(
        [
            "template.json:1:1  warning  placeholder  fill with --ecs-check-substitute '${M}=…'",
            "template.json:1:*  error  placeholder  containerDefinitions[[]0[]].memory: *",
        ]
    )
    assert [line for line in findings(filled) if "  error  " in line] == []
    assert filled.ret == 0
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    wrong.stderr.fnmatch_lines(["ERROR: --ecs-check-substitute: 'C' is not NAME=VALUE"])


def test_the_values_of_a_test_win_over_the_command_line_s(project):
    project.file("template.json", PLACEHOLDERS)
    project.file("test_it.py", TESTS + marked("it", "template.json", ", substitute={'M': '64'}"))

    result = project.run("--ecs-check", "--ecs-check-substitute=C=1", "--ecs-check-substitute=M=much")

    assert result.ret == 0


def test_a_wrong_value_of_a_test_is_an_error_of_the_test(project):
    project.file("template.json", PLACEHOLDERS)
    stage = {"Type": "String", "AllowedValues": ["dev", "prod"], "Default": "dev"}
    container = {"Name": "a", "Image": "a:1", "Memory": 8, "User": {"Ref": "Stage"}}
    task = {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [container]}}
    project.file("stack.json", {"Parameters": {"Stage": stage}, "Resources": {"Task": task}})
    right = marked("right", "template.json", ", substitute={'M': '64', 'C': '1'}")
    wrong = marked("wrong", "template.json", ", substitute={'M': 'much', 'C': '1'}")
    stack = marked("stack", "stack.json", ", substitute={'Stage': 'test'}")
    project.file("test_it.py", TESTS + right + wrong + stack)

    result = project.run("--ecs-check")
    named = project.run(
        "--ecs-check", "template.json", "--ecs-check-substitute=M=much", "--ecs-check-substitute=C=1"
    )

    path = "containerDefinitions[0]"
    much = "a whole number is wanted here, not 'much', which substitute gives"
    assert [line for line in findings(result) if "  error  " in line] == [
        f"test_it.py:6:1  error  wrong-substitute  {path}.memory: template.json:1: {much}",
        f"test_it.py:9:1  error  wrong-substitute  {path}.user: stack.json:1: "
        "the parameter Stage takes only dev, prod, not 'test'",
    ]
    assert f"template.json:1:72  error  wrong-substitute  {path}.memory: {much}" in findings(named)


TERRAFORM = {
    "resource": {
        "aws_ecs_task_definition": {
            "web": {
                "family": "web",
                "container_definitions": '[{"name": "a", "image": "a:1", "memory": "lots"}]',
            },
            "job": {
                "family": "job",
                "container_definitions": '[{"name": "a", "image": "a:1", "memory": 64}]',
            },
        }
    }
}


def test_each_definition_of_a_file_that_has_several_is_judged(project):
    project.file("main.tf.json", TERRAFORM)

    result = project.run("--ecs-check", "main.tf.json")

    errors = [line for line in findings(result) if "  error  " in line]
    assert len(errors) == 1
    assert "containerDefinitions[0].memory" in errors[0]
    assert summary(result)[0].startswith("ecs-check: 2 task definitions, 1 error")


def test_what_is_forgiven_in_a_file_is_a_warning(project):
    project.file("comma.json", json.dumps(taskdef()).replace("}]}", "},]}"))

    result = project.run("--ecs-check", "comma.json")

    assert result.ret == 0
    assert [line.split("  ")[1:3] for line in findings(result)] == [["warning", "forgiven-text"]]


def test_what_only_a_deployment_knows_is_no_error_of_a_template_where_nothing_judges_it(project):
    properties = {
        "Memory": "512",
        "ContainerDefinitions": [
            {
                "Name": "web",
                "Image": "web:1",
                "Environment": [{"Name": "BUCKET", "Value": {"Ref": "Uploads"}}],
            }
        ],
    }
    resources = {
        "Uploads": {"Type": "AWS::S3::Bucket"},
        "Web": {"Type": "AWS::ECS::TaskDefinition", "Properties": properties},
    }
    project.file("template.json", {"Resources": resources})
    properties["Memory"] = {"Ref": "Size"}
    project.file("sized.json", {"Parameters": {"Size": {"Type": "String"}}, "Resources": resources})

    named = project.run("--ecs-check", "template.json")
    sized = project.run("--ecs-check", "sized.json")
    project.file("test_it.py", TESTS + marked("it", "template.json"))
    wanted = project.run("--ecs-check", "test_it.py")

    assert named.ret == 0
    named.stdout.fnmatch_lines(
        [
            "template.json:1:1  warning  placeholder  fill with --ecs-check-substitute 'Uploads=…'",
            "*  warning  placeholder  containerDefinitions[[]0[]].environment[[]0[]].value: has no value here: *",
            "ecs-check: 1 task definition, 2 warnings",
        ]
    )
    assert summary(sized) == ["ecs-check: 1 task definition, 1 error, 2 warnings"]
    assert wanted.ret == pytest.ExitCode.TESTS_FAILED


def test_a_resource_that_a_file_does_not_have_is_an_error_of_the_test(project):
    properties = {"Memory": "512", "ContainerDefinitions": [{"Name": "web", "Image": "web:1"}]}
    web = {"Type": "AWS::ECS::TaskDefinition", "Properties": properties}
    project.file("template.json", {"Resources": {"Web": web, "Worker": web}})
    project.file(
        "test_it.py",
        TESTS + marked("any", "template.json") + marked("other", "template.json", ", resource='Task'"),
    )

    result = project.run("--ecs-check")

    assert findings(result) == [
        "test_it.py:3:1  error  resource  template.json: it has 2 of AWS::ECS::TaskDefinition: choose one with "
        "ecs_taskdef(…, resource='Web'). They are Web, Worker",
        "test_it.py:6:1  error  resource  template.json: there is no AWS::ECS::TaskDefinition 'Task' in it. There is Web, Worker",
    ]


def test_a_placeholder_that_is_in_the_way_is_told_once(project):
    project.file("sized.json", {**taskdef(), "memory": "${SIZE}"})

    result = project.run("--ecs-check", "sized.json")

    assert [line.split("  ")[1:3] for line in findings(result)] == [
        ["warning", "placeholder"],
        ["error", "placeholder"],
    ]


def test_placeholders_that_a_fixture_fills_are_known_only_when_run(project):
    project.file("template.json", PLACEHOLDERS)
    project.file(
        "conftest.py", "import pytest\n@pytest.fixture(scope='session')\ndef ecs_substitute(): return {}"
    )
    project.file("test_it.py", TESTS + marked("it", "template.json"))

    result = project.run("--ecs-check")

    assert [line for line in findings(result) if "  error  " in line] == []
    assert summary(result)[-1].endswith(": test_it.py:3")


# --- forms


@pytest.mark.parametrize("option", ["-v", "--log-cli-level=DEBUG"])
def test_the_json_form_is_a_document_and_nothing_else(project, option):
    project.file("bad.json", BAD)
    project.file("test_broken.py", "import no_such_module\n")
    project.file("test_it.py", UNKNOWN + marked("bad", "bad.json"))

    result = project.run("--ecs-check", "--ecs-check-format=json", option)

    content = json.loads(result.stdout.str())
    assert content["findings"][0] == {
        "file": "bad.json",
        "line": 5,
        "column": 7,
        "severity": "error",
        "code": "wrong-type",
        "path": "containerDefinitions[0].memory",
        "message": "a whole number is wanted here, not 'lots'",
    }
    assert content["not_checked"][0] == {"file": "test_it.py", "line": 6}
    assert (content["task_definitions"], content["errors"], content["warnings"]) == (1, 2, 1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_the_github_form_is_annotations_with_what_is_special_escaped(project, monkeypatch):
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    project.file("infra/50%,a:b.json", '{"family": "web",\n "cpu": "1" "memory": "2"}')

    result = project.run("--ecs-check", "--ecs-check-format=github", "infra/50%,a:b.json")

    (line,) = [line for line in result.outlines if line.startswith("::")]
    head, _, message = line.removeprefix("::").partition("::")
    assert head == "error file=infra/50%25%2Ca%3Ab.json,line=2,col=13,title=not-json"
    assert "%0A" in message
    assert "ecs-check: 1 task definition, 1 error" in result.outlines


def test_annotations_are_relative_to_the_repository_also_from_a_directory_in_it(project, monkeypatch):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.pytester.path))
    project.file("infra/bad.json", BAD)
    monkeypatch.chdir(project.pytester.path / "infra")

    result = project.run("--ecs-check", "--ecs-check-format=github", "bad.json")

    result.stdout.fnmatch_lines(
        ["::error file=infra/bad.json,line=5,col=7,title=wrong-type::containerDefinitions*"]
    )


def test_an_unknown_form_is_a_usage_error(project):
    assert project.run("--ecs-check", "--ecs-check-format=xml").ret == pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_values_of_the_environment_never_show(project, form):
    container = {
        "environment": [{"name": "A", "value": "hunter2"}, {"name": "A", "value": "hunter2", "x": "hunter2"}],
        "memory": "x",
    }
    project.file("env.json", taskdef(**container))
    project.file("cut.json", '{"environment": [{"name": "A", "value": "hunter2" "x"}]}')
    project.file("number.json", taskdef(environment=[{"name": "A", "value": 12345678}]))

    result = project.run("--ecs-check", f"--ecs-check-format={form}", "env.json", "cut.json", "number.json")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "hunter2" not in result.stdout.str() + result.stderr.str()
    assert "12345678" not in result.stdout.str() + result.stderr.str()


# --- what it needs


def test_neither_an_engine_nor_a_heavy_module_is_needed(project):
    project.file("bad.json", BAD)
    project.file("test_it.py", TESTS + marked("bad", "bad.json"))
    project.file(
        "conftest.py",
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    heavy = {'docker', 'moto', 'boto3', 'botocore', 'testcontainers', 'requests', 'asyncio'}\n"
        "    print('heavy:', sorted(heavy & set(sys.modules)), file=sys.stderr)\n",
    )

    result = project.run_apart(
        "--ecs-check", "--ecs-engine=tcp://127.0.0.1:1", "-p", "no:requests_mock", "-p", "no:pytest_socket"
    )

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([ERROR])
    result.stderr.fnmatch_lines(["heavy: []"])


def test_workers_are_not_asked(project):
    project.file("test_it.py", TESTS + marked("one", "gone.json"))

    result = project.run_apart("-n2", "--ecs-check")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert len(findings(result)) == 1

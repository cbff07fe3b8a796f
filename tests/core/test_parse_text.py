"""JSON text: lines, columns, and texts that are no JSON."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.core.document import Position
from pytest_ecs_tasks.core.parse import parse_task_definition, read_task_definition
from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError


def message(text: str, source: str = "web.json") -> str:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text, source)
    return str(caught.value)


def test_problems_have_the_line_of_their_field_and_come_in_its_order() -> None:
    text = """{
\t"family": "web",
\t"containerDefinitions": [
\t\t{
\t\t\t"name": "app",
\t\t\t"image": "busybox",
\t\t\t"memory": "x",
\t\t\t"dependsOn": [
\t\t\t\t{"containerName": "db", "condition": "START"}
\t\t\t]
\t\t},
\t\t{
\t\t\t"image": "busybox", "memory": 8
\t\t}
\t],
\t"networkMode": "default"
}
"""

    assert message(text) == (
        "web.json has 3 problems\n"
        "  line 7  containerDefinitions[0].memory: a whole number is wanted here, not 'x'\n"
        "  line 12  containerDefinitions[1].name: is missing\n"
        "  line 16  networkMode: 'default' is not one of awsvpc, bridge, host, none; leave networkMode out for what the "
        "console calls <default>"
    )


def test_a_broken_rule_has_a_line_too() -> None:
    text = """{
  "family": "web",
  "containerDefinitions": [
    {"name": "app", "image": "busybox", "memory": 8,
     "dependsOn": [
       {"containerName": "app",
        "condition": "START"}]}]}"""

    assert message(text) == (
        "web.json has 1 problem\n"
        "  line 6  containerDefinitions[0].dependsOn[0].containerName: container 'app' depends on itself"
    )


def test_lines_are_counted_in_a_wrapped_definition_and_with_crlf() -> None:
    text = '{"taskDefinition": {\r\n"family": "web",\r\n"containerDefinitions": [],\r\n"cpu": "x"}}'

    assert "line 4  cpu: a size such as" in message(text)


def test_tags_that_are_described_beside_a_definition_are_its_own() -> None:
    inner = '{"family": "web", "containerDefinitions": [{"name": "app", "image": "b", "memory": 8}]}'
    text = f'{{"taskDefinition": {inner}, "tags": [{{"key": "a", "value": "b"}}]}}'

    assert read_task_definition(text, "web.json").document["tags"] == [{"key": "a", "value": "b"}]


def test_what_is_not_emulated_has_a_line() -> None:
    text = """{"family": "web",
      "containerDefinitions": [{"name": "app", "image": "busybox", "memory": 8,
        "command": []}], "enableFaultInjection": true}"""

    (problem,) = read_task_definition(text, "web.json").unsupported

    assert str(problem) == (
        "line 3  enableFaultInjection: enableFaultInjection is not emulated yet: "
        "no network fault is injected; its endpoints say so"
    )


def test_a_dict_can_bring_its_own_positions() -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(
            {"family": "web"}, "web.yaml", position_of=lambda path: Position(len(path) + 10, 3)
        )

    (problem,) = caught.value.problems
    assert str(problem) == "line 11  containerDefinitions: is missing"
    assert problem.column == 3


def test_a_problem_knows_its_column_its_code_and_how_bad_it_is() -> None:
    text = '{"family": "web",\n  "containerDefinitions": [{"name": "app", "image": "b",\n\t"memory": "x"}]}'

    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text, "web.json")

    assert caught.value.problems == (
        Problem(
            "containerDefinitions[0].memory",
            "a whole number is wanted here, not 'x'",
            line=3,
            column=2,
            code="wrong-type",
            severity=Severity.ERROR,
        ),
    )


def test_text_that_is_no_json_has_a_column_and_a_code() -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition('{"family": web}', "web.json")

    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.code) == (1, 12, "not-json")


def test_warnings_stand_beside_problems_and_not_among_them() -> None:
    text = """{"family": "web", "cpu": "x", "containerDefinitions": [
      {"name": "app", "image": "b:1", "memory": 8}], "enableFaultInjection": true}"""

    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text, "web.json")

    assert [problem.code for problem in caught.value.problems] == ["wrong-type"]
    assert [(each.code, each.severity) for each in caught.value.advice] == [
        ("unsupported-field", Severity.WARNING)
    ]


def test_a_key_that_is_there_twice_is_a_problem() -> None:
    text = """{"family": "web",
"containerDefinitions": [{"name": "app", "memory": 8,
"image": "a",
"image": "b"}]}"""

    assert message(text) == (
        "web.json has 1 problem\n"
        "  line 4  containerDefinitions[0].image: the key 'image' is there twice; JSON readers "
        "keep only the last, AWS's deploy action refuses the file"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1  the document is empty"),
        (
            "{",
            "line 1  column 2: not JSON: expecting property name enclosed in double quotes\n    | {\n    |  ^",
        ),
        (
            '{"family": "web"\n "cpu": "256"}',
            'line 2  column 2: not JSON: expecting \',\' delimiter\n    |  "cpu": "256"}\n    |  ^',
        ),
        ("a web service\n", "line 1  this is neither JSON nor YAML, nor Terraform's language"),
    ],
)
def test_bad_json_is_shown_with_its_line_and_column(text: str, expected: str) -> None:
    assert message(text) == f"web.json has 1 problem\n  {expected}"


def test_bad_json_does_not_show_values_of_the_environment() -> None:
    shown = message('{"environment": [{"name": "PASSWORD", "value": "hunter2" "x"}]}')

    assert "hunter2" not in shown
    assert '"value": "***"' in shown


@pytest.mark.parametrize(
    "line",
    [
        '{"Environment": [{"Name": "PASSWORD", "Value": "hunter2" "x"}]}',
        '{"values": {"container_definitions": "[{\\"name\\":\\"PW\\",\\"value\\":\\"hunter2\\"}]" "x"}}',
        '{"options": {"splunk-token": "hunter2" "x"}}',
        '{"Parameters": {"Key": {"NoEcho": true, "Default": "hunter2" "x"}}}',
        '{"dockerLabels": {"api_key": "hunter2" "x"}}',
    ],
)
def test_bad_json_does_not_show_what_may_be_a_secret(line: str) -> None:
    shown = message(line)

    assert "hunter2" not in shown
    excerpt, pointer = shown.splitlines()[2:]
    assert excerpt[pointer.index("^") :].startswith('"x"')


def test_a_long_line_is_cut_around_the_fault() -> None:
    text = '{"family": "' + "w" * 500 + '" "cpu": 1}'

    shown = message(text).splitlines()

    assert len(shown[2]) < 120
    assert shown[2][shown[3].index("^")] == '"'


def test_text_that_is_nested_without_end_is_refused() -> None:
    assert "nested too deeply" in message("[" * 100_000)
    assert "nested too deeply" in message('{"a":' * 100_000)


def test_a_number_that_python_will_not_read_is_refused() -> None:
    assert "a number is too long to read" in message('{"cpu": ' + "9" * 5000 + "}")


def test_a_byte_order_mark_is_no_problem() -> None:
    text = '\ufeff{"family": "web", "containerDefinitions": [{"name": "app", "image": "b", "memory": 8}]}'

    assert read_task_definition(text, "web.json").family == "web"


def test_a_long_text_has_lines_too() -> None:
    text = '{"family": "web", "cpu": "x", "containerDefinitions": [], "tags": "' + "x" * 600_000 + '"}'

    assert "line 1  cpu: a size such as" in message(text)

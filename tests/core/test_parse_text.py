"""JSON text: lines, columns, and texts that are no JSON."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition, read_task_definition
from pytest_ecs_tasks.errors import TaskDefinitionError


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
        "  line 16  networkMode: 'default' is not one of awsvpc, bridge, host, none"
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


def test_what_is_not_emulated_has_a_line() -> None:
    text = """{"family": "web",
      "containerDefinitions": [{"name": "app", "image": "busybox", "memory": 8,
        "dockerSecurityOptions": ["no-new-privileges"]}]}"""

    (problem,) = read_task_definition(text, "web.json").unsupported

    assert str(problem) == (
        "line 3  containerDefinitions[0].dockerSecurityOptions: dockerSecurityOptions is not emulated yet: "
        "the engine's default confinement applies"
    )


def test_a_dict_can_bring_its_own_lines() -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition({"family": "web"}, "web.yaml", line_of=lambda path: len(path) + 10)

    assert str(caught.value.problems[0]) == "line 11  containerDefinitions: is missing"


def test_a_key_that_is_there_twice_is_a_problem() -> None:
    text = """{"family": "web",
"containerDefinitions": [{"name": "app", "memory": 8,
"image": "a",
"image": "b"}]}"""

    assert message(text) == (
        "web.json has 1 problem\n"
        "  line 4  containerDefinitions[0].image: the key 'image' is there twice; JSON readers "
        "keep only the last"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1  column 1: the document is empty\n    | \n    | ^"),
        (
            '{"family": "web"\n "cpu": "256"}',
            'line 2  column 2: not JSON: expecting \',\' delimiter\n    |  "cpu": "256"}\n    |  ^',
        ),
        (
            '{\n"family": ${name}\n}',
            "line 2  column 11: not JSON until the placeholder ${name} is filled: "
            "ecs_taskdef(…, substitute={'${name}': '…'})\n    | \"family\": ${name}\n    |           ^",
        ),
        (
            "family: web\n",
            "line 1  column 1: this is not JSON, and JSON is all that is read yet\n    | "
            "family: web\n    | ^",
        ),
    ],
)
def test_bad_json_is_shown_with_its_line_and_column(text: str, expected: str) -> None:
    assert message(text) == f"web.json has 1 problem\n  {expected}"


@pytest.mark.parametrize("text", ['{"family": "web",}', '{"volumes": [1,\n]}', '{"a": 1\n,}'])
def test_a_comma_with_nothing_after_it_is_named(text: str) -> None:
    assert "not JSON: a comma with nothing after it" in message(text)


def test_a_placeholder_in_double_braces_is_named() -> None:
    assert "until the placeholder {{ port }} is filled" in message('{"a": {{ port }}}')


def test_bad_json_does_not_show_values_of_the_environment() -> None:
    shown = message('{"environment": [{"name": "PASSWORD", "value": "hunter2" "x"}]}')

    assert "hunter2" not in shown
    assert '"value": "***"' in shown


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


def test_a_list_of_containers_in_text_says_what_to_write() -> None:
    assert "this is a list, as Terraform's container_definitions is" in message('[{"name": "app"}]')


def test_a_byte_order_mark_is_no_problem() -> None:
    text = '\ufeff{"family": "web", "containerDefinitions": [{"name": "app", "image": "b", "memory": 8}]}'

    assert read_task_definition(text, "web.json").family == "web"


def test_a_text_too_long_for_lines_still_tells_its_problems() -> None:
    text = '{"family": "web", "cpu": "x", "containerDefinitions": [], "tags": "' + "x" * 600_000 + '"}'

    assert "  cpu: a size such as" in message(text)

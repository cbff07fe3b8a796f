"""What other tools refuse in a file and is read here all the same, with a word about it."""

from __future__ import annotations

import codecs

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition, read_task_definition
from pytest_ecs_tasks.errors import Severity, TaskDefinitionError

PLAIN = '{"family": "web", "containerDefinitions": [{"name": "app", "image": "b", "memory": 8}]}'


def repairs(text: str | bytes, name: str = "web.json") -> list[str]:
    definition = read_task_definition(text, name)
    assert definition.family == "web"
    assert all(each.severity is Severity.WARNING and each.line for each in definition.repairs)
    return [str(each) for each in definition.repairs]


def problems(text: str | bytes, name: str = "web.json") -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text, name)
    return [str(problem) for problem in caught.value.problems]


def test_strict_json_needs_no_repair() -> None:
    assert repairs(PLAIN) == []


def test_commas_with_nothing_after_them_are_named_with_their_lines() -> None:
    text = """{
  "family": "web",
  "containerDefinitions": [
    {"name": "app", "memory": 64, "user": "b, ]",},
  ],
}"""

    definition = read_task_definition(text, "web.json")

    assert [(each.line, each.column, each.code) for each in definition.repairs] == [
        (4, 49, "forgiven-text"),
        (4, 51, "forgiven-text"),
        (5, 4, "forgiven-text"),
    ]
    assert str(definition.repairs[0]).startswith("line 4  a comma with nothing after it is forgiven here")
    assert definition.containers[0].user == "b, ]"


def test_comments_of_three_kinds_are_named_and_texts_that_look_like_them_stay() -> None:
    text = """// the web
{
  "family": "web", # its name
  /* one
     container, */
  "containerDefinitions": [{"name": "app", "image": "b", "user": "http://b#c/*d*/", "memory": 8}]
}"""

    definition = read_task_definition(text, "web.json")

    assert [each.message.partition(" is ")[0] for each in definition.repairs] == [
        "a comment (//)",
        "a comment (#)",
        "a comment (/*)",
    ]
    assert [each.line for each in definition.repairs] == [1, 3, 4]
    assert definition.containers[0].user == "http://b#c/*d*/"


def test_lines_of_problems_are_right_below_what_was_forgiven() -> None:
    text = '{"family": "web", /* a\nb */\n"containerDefinitions": [{"name": "app", "image": "b",\n"memory": "x",}]}'

    assert problems(text) == [
        "line 4  containerDefinitions[0].memory: a whole number is wanted here, not 'x'"
    ]


@pytest.mark.parametrize("text", [PLAIN + "}", PLAIN.replace('"web",', '"web"'), PLAIN[:-1], "[,]"])
def test_other_faults_are_not_forgiven(text: str) -> None:
    (problem,) = problems(text)

    assert "not JSON" in problem


def test_a_number_in_quotes_and_a_size_without_them_are_taken_with_their_line() -> None:
    text = """{"family": "web", "cpu": 256,
      "containerDefinitions": [{"name": "app", "image": "b",
        "memory": "8", "portMappings": [{"containerPort": "80"}]}]}"""

    definition = read_task_definition(text, "web.json")

    assert [(each.line, each.path, each.code) for each in definition.repairs] == [
        (1, "cpu", "forgiven-type"),
        (3, "containerDefinitions[0].memory", "forgiven-type"),
        (3, "containerDefinitions[0].portMappings[0].containerPort", "forgiven-type"),
    ]
    assert (definition.cpu, definition.containers[0].memory_mib) == (256, 8)


def test_a_number_that_a_placeholder_was_filled_with_needs_no_quotes_removed() -> None:
    definition = read_task_definition(
        PLAIN.replace("8}", '"${MEMORY}"}'), "web.json", substitute={"MEMORY": "8"}
    )

    assert (definition.containers[0].memory_mib, definition.repairs) == (8, ())


def test_a_dict_is_no_text_to_be_repaired() -> None:
    document = {
        "family": "web",
        "cpu": 256,
        "containerDefinitions": [{"name": "a", "image": "b", "memory": "8"}],
    }

    assert parse_task_definition(document).repairs == ()


def test_a_number_where_a_text_has_to_be_is_a_problem_as_it_is_for_ecs() -> None:
    text = PLAIN.replace('"memory": 8', '"memory": 8, "environment": [{"name": "PORT", "value": 80}]')

    assert problems(text) == [
        "line 1  containerDefinitions[0].environment[0].value: a text is wanted here, not a number; put it in quotes"
    ]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_a_file_of_powershell_is_read(mark: bytes, encoding: str) -> None:
    (repair,) = repairs(mark + PLAIN.replace("\n", "\r\n").encode(encoding))

    assert repair.startswith(f"line 1  the file is {encoding.upper()[:6]}, as PowerShell's > writes it")


def test_a_byte_order_mark_of_utf_8_needs_no_word() -> None:
    assert repairs(codecs.BOM_UTF8 + PLAIN.encode()) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b'{"family": "\xff"}',
            "line 1  not UTF-8 at byte 12; save it as UTF-8 (what PowerShell's > writes is UTF-16)",
        ),
        (codecs.BOM_UTF16_LE + b"\x00\xd8\x00\x00", "line 1  not UTF-16-LE at byte 2"),
        (b" " * 8_000_001, "8,000,001 bytes are too large for a task definition"),
    ],
)
def test_bytes_that_are_no_text_are_refused(data: bytes, message: str) -> None:
    assert problems(data)[0].startswith(message)


def test_json_that_only_the_deploy_action_reads_is_read_as_it_reads_it() -> None:
    text = "{\n  family: web,\n  containerDefinitions: [{name: app, image: 'b', memory: 8}]\n}"

    (repair,) = repairs(text)

    assert "read as YAML, as AWS's deploy action reads it" in repair
    assert repair.startswith("line 2")


def test_a_value_that_is_missing_is_a_problem_of_the_text_although_yaml_takes_it_for_null() -> None:
    text = '{\n  "family": "web",\n  "containerDefinitions": [\n    {"name": }\n  ]\n}\n'

    assert problems(text.encode())[0].startswith("line 4  column 14: not JSON: expecting value")

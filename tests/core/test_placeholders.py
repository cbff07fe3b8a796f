"""Placeholders: which are found, what fills them, and how those that nothing fills are told."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.core.parse import read_task_definition
from pytest_ecs_tasks.core.placeholders import fill
from pytest_ecs_tasks.errors import TaskDefinitionError


@pytest.mark.parametrize(
    "written",
    [
        *("<TAG>", "${TAG}", "$TAG", "{{TAG}}", "{{ TAG }}", "{{- TAG -}}", "{{ TAG | lower }}", "$$$TAG$$$", "$$$$TAG$$$$"),
        *("{{ env `TAG` `latest` }}", "{{ must_env 'TAG' }}", '{{ must_env "TAG" }}', "TAG"),
    ],
)  # fmt: skip
def test_a_bare_name_fills_every_spelling(written: str) -> None:
    assert fill(f"web:{written}", {"TAG": "1.2"}) == "web:1.2"


@pytest.mark.parametrize("written", ["<TAGS>", "$TAGS", "XTAG", "TAG_2", "${TAG2}", "\\tag"])
def test_a_bare_name_leaves_other_names_alone(written: str) -> None:
    assert fill(written, {"TAG": "1.2"}) == written


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("${var.image}", "var.image"),
        ("{{task-role-arn}}", "task-role-arn"),
        ("${aws_x.y[0].id}", "${aws_x.y[0].id}"),
        ("{{ tfstate `a.b` }}", "{{ tfstate `a.b` }}"),
        ("<your image>", "<your image>"),
    ],
)
def test_dotted_names_and_placeholders_as_they_are_written_are_filled(written: str, key: str) -> None:
    assert fill(f"a {written} b", {key: "x"}) == "a x b"


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("var.env", "x"),
        ("var.environment", "var.environment"),
        ("var.env.a", "var.env.a"),
        ("a.var.env", "a.var.env"),
    ],
)
def test_a_dotted_name_is_filled_as_a_whole(written: str, filled: str) -> None:
    assert fill(written, {"var.env": "x"}) == filled


@pytest.mark.parametrize(
    "written", ["${A:-b}", "${A-b}", "${A:=b c}", "${A:?no value}", "{{ A | default('b') }}"]
)
def test_a_name_with_a_default_is_filled_as_a_whole(written: str) -> None:
    assert fill(f"x {written}", {"A": "1"}) == "x 1"


def test_a_value_of_a_chart_is_filled_by_its_name() -> None:
    assert fill('{{ .Values.tag | default "x" }} x.Values.tag', {".Values.tag": "1"}) == "1 x.Values.tag"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("${PW:-hunter2}", "${PW …}"),
        ("{{ env `PW` `hunter2` }}", "{{ env `PW …}}"),
        ("{{ PW | default('hunter2') }}", "{{ PW …}}"),
        ("{{ must_env `PW` }}", "{{ must_env `PW` }}"),
    ],
)
def test_the_default_of_a_variable_is_not_shown_and_its_name_fills_it(written: str, shown: str) -> None:
    def text(cpu: str) -> str:
        container = f'"name": "a", "image": "b:1", "memory": 8, "cpu": {cpu}'
        variables = f'"environment": [{{"name": "P", "value": "{written}"}}]'
        return f'{{"family": "web", "containerDefinitions": [{{{container}, {variables}}}]}}'

    unfilled = [each.message for each in read_task_definition(text("1"), "web.json").advice]
    assert f"the placeholder {shown} is not filled, and stays as it is" in unfilled
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text("${CPU}"), "web.json")
    assert "hunter2" not in str(caught.value)
    key = "PW" if "hunter2" in written else written
    assert f"{key!r}: '…'" in str(caught.value)


def test_keys_of_maps_are_filled_and_told() -> None:
    labels = '"dockerLabels": {"router.${NAME}.rule": "x", "NAME": "y"}'
    container = f'{{"name": "a", "image": "b:1", "memory": 8, {labels}}}'
    text = f'{{"family": "web", "containerDefinitions": [{container}]}}'

    (app,) = read_task_definition(text, "web.json", substitute={"NAME": "web"}).containers
    assert app.docker_labels == {"router.web.rule": "x", "NAME": "y"}
    (unfilled,) = (
        each for each in read_task_definition(text, "web.json").advice if each.code == "unfilled-placeholder"
    )
    assert (unfilled.path, "${NAME}" in unfilled.message) == ("containerDefinitions[0].dockerLabels", True)


def test_what_was_filled_in_is_not_filled_again() -> None:
    assert fill("${A} ${B}", {"A": "${B}", "B": "\\1"}) == "${B} \\1"


def test_the_longer_key_wins() -> None:
    assert fill("IMAGE_NAME IMAGE", {"IMAGE": "a", "IMAGE_NAME": "b"}) == "b a"


TEMPLATE = """[
  {
    "name": "web",
    "image": "${image}",
    "cpu": ${cpu},
    "essential": {{ essential }},
    "memory": "${memory}",
    "command": ["sh", "-c", "echo ${HOME} {{x}}"],
    "environment": [{"name": "PORT", "value": "<PORT>"}],
    "portMappings": [{"containerPort": PORT}, {"containerPort": "$ADMIN_PORT"}]
  }
]
"""


def test_everything_that_is_unfilled_is_told_at_once_with_what_fills_it() -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(TEMPLATE, "web.json.tpl")

    assert str(caught.value).splitlines() == [
        "web.json.tpl has 6 problems",
        "  line 5  containerDefinitions[0].cpu: a whole number is wanted here, not '${cpu}'",
        "  line 6  containerDefinitions[0].essential: true or false is wanted here, not '{{ essential }}'",
        "  line 7  containerDefinitions[0].memory: a whole number is wanted here, not '${memory}'",
        "  line 10  containerDefinitions[0].portMappings[0].containerPort: a whole number is wanted here, not 'PORT'",
        "  line 10  containerDefinitions[0].portMappings[1].containerPort: a whole number is wanted here, not '$ADMIN_PORT'",
        "  fill with ecs_taskdef(…, substitute={'${cpu}': '…', '{{ essential }}': '…', 'PORT': '…', '${memory}': '…', "
        "'$ADMIN_PORT': '…', '${image}': '…', '<PORT>': '…'})",
    ]
    assert {each.code for each in caught.value.problems} == {"placeholder"}


def test_what_was_told_fills_it() -> None:
    values = {
        "${cpu}": "10",
        "{{ essential }}": "true",
        "PORT": "80",
        "${memory}": "64",
        "$ADMIN_PORT": "81",
        "${image}": "busybox",
        "<PORT>": "80",
    }

    definition = read_task_definition(TEMPLATE, "web.json.tpl", substitute=values)

    (web,) = definition.containers
    assert (web.cpu, web.essential, web.memory_mib, web.environment) == (10, True, 64, {"PORT": "80"})
    assert [mapping.container_port for mapping in web.port_mappings] == [80, 81]
    assert web.command == ("sh", "-c", "echo ${HOME} {{x}}")


def test_a_placeholder_outside_of_quotes_where_a_text_has_to_be_is_told() -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition('[{"name": ${name},\n "image": "b"}]', "web.json")

    assert [(each.line, each.message) for each in caught.value.problems] == [
        (1, "the placeholder ${name} is not filled"),
        (None, "fill with ecs_taskdef(…, substitute={'${name}': '…'})"),
    ]


def test_a_placeholder_that_stands_for_more_than_a_value_is_told() -> None:
    text = '[{"name": "web", "image": "b",\n $$$$START_PERIOD$$$$\n "cpu": 1}]'

    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text, "web.json")

    first, last = caught.value.problems
    assert (first.line, first.column, first.code) == (2, 2, "placeholder")
    assert last.message == "fill with ecs_taskdef(…, substitute={'$$$$START_PERIOD$$$$': '…'})"
    assert read_task_definition(text, "web.json", substitute={"START_PERIOD": '"memory": 8,'}).family == "web"


@pytest.mark.parametrize(
    "text",
    [
        '{"family": "web,\n "requiresCompatibilities": ["FARGATE"]}',
        '{"family": web",\n "requiresCompatibilities": [FARGATE"]}',
        '{"family": "web", "executionRoleArn": "arn:aws:iam::ACCOUNT:role/ROLE\n}',
        '{"family": "web"}\nEOF\n',
        '{"family": "web" CPU}',
    ],
)
def test_words_in_capitals_hide_no_fault_of_the_text(text: str) -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text, "web.json")

    assert [each.code for each in caught.value.problems] == ["not-json"]


def test_placeholders_that_the_containers_get_as_they_are_are_advice() -> None:
    text = '{"family": "web", "containerDefinitions": [{"name": "a", "image": "b", "memory": 8,\n"environment": [{"name": "A", "value": "${A}"}]}]}'

    definition = read_task_definition(text, "web.json")

    (advice,) = [each for each in definition.advice if each.code == "unfilled-placeholder"]
    assert str(advice) == (
        "line 2  containerDefinitions[0].environment[0].value: the placeholder ${A} is not filled, "
        "and stays as it is"
    )


@pytest.mark.parametrize(
    "directive", ["%{ for a in b }", "{% if a %}", "{{- range .A }}", "{{ if x }}", "%{~ endif ~}"]
)
def test_the_directives_of_a_template_are_to_be_rendered_first(directive: str) -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(f'[\n  {directive}\n  {{"name": "${{a}}"}},\n]', "web.tpl")

    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.code) == (2, 3, "template")
    assert directive in problem.message


def test_percent_braces_in_a_text_are_no_directive() -> None:
    text = '[{"name": "web", "image": "b", "command": ["curl", "-w", "%{http_code}"],}]'

    assert read_task_definition(text, "web.json").containers[0].command == ("curl", "-w", "%{http_code}")


def test_the_name_of_a_variable_is_no_placeholder() -> None:
    text = """{"family": "web", "executionRoleArn": "role", "containerDefinitions": [{"name": "NAME", "image": "b", "memory": 8,
      "environment": [{"name": "PORT", "value": "${PORT}"}, {"name": "<NAME>", "value": "PORT"}],
      "secrets": [{"name": "KEY", "valueFrom": "KEY"}]}]}"""

    definition = read_task_definition(
        text, "web.json", substitute={"PORT": "80", "NAME": "app", "KEY": "/key"}
    )

    (app,) = definition.containers
    assert app.name == "app"
    assert app.environment == {"PORT": "80", "app": "80"}
    assert [(each.name, each.value_from) for each in app.secrets] == [("KEY", "/key")]

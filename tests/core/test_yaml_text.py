"""YAML with the API's names: what it means, and what is refused."""

from __future__ import annotations

import pytest
import yaml

from pytest_ecs_tasks.core.parse import read_task_definition
from pytest_ecs_tasks.core.text import load_text
from pytest_ecs_tasks.core.yaml_text import load_yaml
from pytest_ecs_tasks.errors import TaskDefinitionError

WEB = """\
# the web
family: web
containerDefinitions:
  - name: app
    image: ${IMAGE}
    memory: 64
    environment:
      - {name: MODE, value: on}
"""


def loaded(text: str) -> object:
    return load_yaml(text, "web.yaml", {}).document


def problems(text: str, name: str = "web.yaml") -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text, name)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", ["web.yaml", "web.yml", "web", "web.yaml.tpl"])
def test_a_definition_in_yaml_is_read(name: str) -> None:
    definition = read_task_definition(WEB, name, substitute={"IMAGE": "busybox"})

    assert definition.containers[0].image == "busybox"
    assert definition.containers[0].environment == {"MODE": "on"}
    assert definition.repairs == ()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *((word, word) for word in ("yes", "no", "on", "off", "y", "N", "Yes")),
        ("80:80", "80:80"),
        ("08:30", "08:30"),
        ("190:20:30", "190:20:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("=", "="),
        ("012", 12),
        ("08", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("-5", -5),
        ("1.5", 1.5),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("'8'", "8"),
        ('"true"', "true"),
        ("!!str 8", "8"),
        ("!!int '8'", 8),
    ],
)
def test_plain_values_mean_what_yaml_1_2_says(written: str, value: object) -> None:
    document = loaded(f"value: {written}\n")

    assert document == {"value": value}
    found = document["value"]  # type: ignore[index]
    assert isinstance(found, type(value))
    assert isinstance(found, bool) is isinstance(value, bool)


def test_a_value_that_only_yaml_takes_for_a_number_is_a_problem_with_its_line() -> None:
    text = WEB.replace("value: on", "value: 012")

    assert problems(text) == [
        "line 8  containerDefinitions[0].environment[0].value: a text is wanted here, not a number; put it in quotes"
    ]


def test_problems_have_the_line_and_column_of_their_key() -> None:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(WEB.replace("memory: 64", "memroy: 64\n    cpu: x"), "web.yaml")

    found = [(each.line, each.column, each.path) for each in caught.value.problems]
    assert found == [(6, 5, "containerDefinitions[0].memroy"), (7, 5, "containerDefinitions[0].cpu")]


def test_keys_that_are_there_twice_are_a_problem() -> None:
    assert problems(WEB + "family: api\n") == [
        "line 9  family: the key 'family' is there twice; JSON readers keep only the last, AWS's deploy action refuses the file"
    ]


def test_anchors_and_merged_keys_are_written_out() -> None:
    text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nall:\n  <<: [*base, *more]\n  a: 0\nagain: *base\n"

    document = loaded(text)

    assert document["all"] == {"a": 0, "b": 2, "c": 4}  # type: ignore[index]
    assert document["again"] == {"a": 1, "b": 2}  # type: ignore[index]


@pytest.mark.parametrize("value", ["3", "~", "[3]", "text"])
def test_what_cannot_be_merged_is_a_problem(value: str) -> None:
    assert problems(f"{WEB}<<: {value}\n") == [
        "line 9  << merges an object, or a list of objects, and this is neither"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "%{ for a in b ~}\n{},\n%{ endfor }\n",
        "a:\n  b: c\n  {% if a %}\n  d: e\n",
        "a: b\n{{- if .a }}\nb: c\n{{- end }}\n",
    ],
)
def test_a_directive_that_is_no_yaml_is_told(text: str) -> None:
    (problem,) = problems(text)

    assert "is computed when the template is rendered: give the file that it renders to" in problem


def test_a_directive_in_a_text_is_a_text() -> None:
    assert loaded("a: |\n  {% if a %}\n") == {"a": "{% if a %}\n"}


def test_short_forms_of_a_template_come_out_long() -> None:
    text = "a: !Ref X\nb: !Sub '${X}-y'\nc: !GetAtt X.Arn.Y\nd: !Join ['', [!Ref X]]\ne: !If [C, 1, !Ref 'AWS::NoValue']\n"

    assert loaded(text) == {
        "a": {"Ref": "X"},
        "b": {"Fn::Sub": "${X}-y"},
        "c": {"Fn::GetAtt": ["X", "Arn.Y"]},
        "d": {"Fn::Join": ["", [{"Ref": "X"}]]},
        "e": {"Fn::If": ["C", 1, {"Ref": "AWS::NoValue"}]},
    }


def test_an_empty_document_beside_the_one_is_no_second_one() -> None:
    assert read_task_definition(f"---\n{WEB}---\n", "web.yaml").family == "web"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{WEB}---\n{WEB}", "line 9  another document begins here"),
        ("family: [web\n", "line 2  column 1: not YAML"),
        ("family: web\n\tcpu: 1\n", "line 2  column 1: not YAML"),
        ("c: d\n? [a]\n: b\n", "line 2  a key is to be a text here"),
        ("a: *b\n", "line 1  the alias *b has no anchor before it, or is inside of it"),
        ("a: &a [*a]\n", "line 1  the alias *a has no anchor"),
        ("a: b\nc: \x07\n", "line 2  not YAML: "),
        ("- " * 500 + "a\n", "lists and objects are nested too deeply"),
        ("a: " + "[" * 5000, "line 1  column"),
        ("a: b\n" * 800_001, "4,000,005 characters of YAML are too many to read"),
        ("- just\n- words\n", "line 1  containerDefinitions[0]: an object is wanted here, not a text"),
    ],
)
def test_yaml_that_is_no_definition_is_refused(text: str, message: str) -> None:
    assert problems(text)[0].startswith(message)


def test_a_billion_laughs_are_refused_before_they_are_written_out() -> None:
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{each + 1}: &a{each + 1} [{', '.join([f'*a{each}'] * 10)}]" for each in range(12)]

    assert problems("\n".join(lines)) == [
        "line 6  the document has more than 1,000,000 values, its aliases written out"
    ]


def test_bad_yaml_does_not_show_values_of_the_environment() -> None:
    shown = problems("a:\n  - name: PASSWORD\n    value: hunter2: x: [\n")[0]

    assert "hunter2" not in shown
    assert "***" in shown


def test_double_braces_without_quotes_are_a_placeholder() -> None:
    text = WEB.replace("memory: 64", "memory: {{ memory }}")

    assert read_task_definition(text, "web.yaml", substitute={"memory": "32"}).containers[0].memory_mib == 32
    assert problems(text)[0] == (
        "line 6  containerDefinitions[0].memory: a whole number is wanted here, not '{{ memory }}'"
    )


def test_without_libyaml_the_same_is_read_and_less_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)

    assert read_task_definition(WEB, "web.yaml").family == "web"
    assert problems(WEB + "cpu: x\n")[0].startswith("line 9  cpu: a size such as")
    assert problems("a: b\n" * 100_001) == [
        "500,005 characters of YAML are too many to read; up to 500,000 are read"
    ]


def test_json_in_a_file_named_yaml_is_yaml() -> None:
    assert load_text('{"a": [1, 2,]} # end', "web.yaml", {}).document == {"a": [1, 2]}

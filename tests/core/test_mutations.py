"""Whatever is done to a file's bytes, reading it ends in a definition or in an error of ours, with a place.

``--hypothesis-profile=thorough`` tries ten times as many.
"""

from __future__ import annotations

import json
import time

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_ecs_tasks.core.codes import CODES
from pytest_ecs_tasks.core.parse import read_task_definition
from pytest_ecs_tasks.errors import TaskDefinitionError, UnsupportedFeature

JSON = """{
  "family": "web", // the family
  "networkMode": "awsvpc", "cpu": "256", "memory": ${MEMORY},
  "volumes": [{"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
  "containerDefinitions": [
    {"name": "app", "image": "<IMAGE>", "memory": "{{ memory }}", "essential": true, "user": null,
     "environment": [{"name": "A", "value": "b"}], "mountPoints": [],
     "portMappings": [{"containerPort": 80,}]}
  ]
}
"""
LIST = (
    '[{"name": "${name}", "image": "busybox", "cpu": ${cpu}, "healthCheck": {"command": ["CMD", "true"]}}]\n'
)
YAML = """\
family: web
base: &base {memory: 64, essential: yes}
containerDefinitions:
  - <<: *base
    name: app
    image: !Sub "${Image}"
    cpu: {{ cpu }}
    command: ["sh", '-c', "x"]
    environment:
      - name: TEXT
        value: |
          several
          lines
"""
PLAN = json.dumps(
    {
        "format_version": "1.2",
        "planned_values": {
            "root_module": {
                "resources": [
                    {
                        "address": "aws_ecs_task_definition.web",
                        "type": "aws_ecs_task_definition",
                        "values": {
                            "family": "web",
                            "container_definitions": '[{"name": "app", "image": "busybox", "memory": 8}]',
                            "volume": [
                                {"name": "data", "efs_volume_configuration": [{"file_system_id": "fs-1"}]}
                            ],
                        },
                    }
                ]
            }
        },
    },
    indent=1,
)
FILES = {"web.json": JSON, "list.json.tpl": LIST, "web.yaml": YAML, "plan.json": PLAN}
PIECES = st.one_of(
    st.text(alphabet="{}[]\"',:\\\n\t\0 <>${}1aé\u2028\ue000\uf8ff#/*&!|->%", max_size=6),
    st.sampled_from(
        ["null", "true", "1e999", "-0", "${x", "{{", "}}", "<<: ", "&a ", "*a ", "!Ref ", "---\n", "\r\n"]
    ),
    st.sampled_from(
        ["/*", "*/", "//", "%{ for a in b }", '"""', "\\u0000", "\\ud800", '{"a":', "[" * 50, "- " * 60]
    ),
)
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), PIECES), min_size=1, max_size=4)
LONGEST_S = 5.0  # far above what any of these takes, and far below a pattern that runs wild


def changed(text: str, changes: list[tuple[float, int, str]]) -> str:
    for place, length, piece in changes:
        start = int(place * len(text))
        text = text[:start] + piece + text[start + length :]
    return text


def check(data: bytes, name: str) -> None:
    begun = time.process_time()
    try:
        definition = read_task_definition(data, name, substitute={"name": "app", "IMAGE": 'a"b', "cpu": "1"})
    except TaskDefinitionError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.code in CODES
            assert problem.path or problem.line or len(error.problems) > 1 or len(problem.message) > 20
        assert str(error).encode()
    except UnsupportedFeature as error:
        assert str(error).encode()
    else:
        assert definition.family
    assert time.process_time() - begun < LONGEST_S


@settings(max_examples=settings.default.max_examples * 2 if settings.default else 400)
@given(st.sampled_from(sorted(FILES)), CHANGES)
@example("web.yaml", [(0.0, 0, "")])
def test_any_change_to_a_file_s_text_is_read_or_refused(
    name: str, changes: list[tuple[float, int, str]]
) -> None:
    check(changed(FILES[name], changes).encode("utf-8", "surrogatepass"), name)


@given(
    st.sampled_from(sorted(FILES)), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3)), max_size=3)
)
def test_any_change_to_a_file_s_bytes_is_read_or_refused(
    name: str, changes: list[tuple[float, bytes]]
) -> None:
    data = FILES[name].encode()
    for place, piece in changes:
        start = int(place * len(data))
        data = data[:start] + piece + data[start + len(piece) :]

    check(data, name)


@given(
    st.sampled_from(sorted(FILES)), st.sampled_from(["web.json", "a.yaml", "a.tpl", "a", "a.jsonnet", "a.sh"])
)
def test_any_name_of_a_file_is_read_or_refused(content: str, name: str) -> None:
    check(FILES[content].encode(), name)

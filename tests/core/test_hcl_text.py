"""Terraform's language, where it is static."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import read_task_definition
from pytest_ecs_tasks.core.taskdef import TaskDefinition
from pytest_ecs_tasks.errors import TaskDefinitionError, UnsupportedFeature

pytest.importorskip("hcl2", reason="python-hcl2 is the optional extra terraform")

WEB = """\
variable "image" { default = "x" }

# the web
resource "aws_ecs_task_definition" "web" {
  family                   = "web-${var.env}"
  cpu                      = 256
  memory                   = var.memory
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  depends_on               = [aws_vpc.main]

  container_definitions = jsonencode([
    {
      name  = "app"
      image = var.image
      "essential" : true, "command" = ["sh", "-c", "echo \\"$${HOME}\\"\\n"]
      environment = [{ name = "A", value = "${aws_db.main[0].address}:${local.port}" }]
      portMappings = [{ containerPort = 80 }]
    },
  ])

  volume {
    name = "data"
    efs_volume_configuration {
      file_system_id = aws_efs_file_system.main.id
    }
  }
  volume { name = "tmp" }

  tags = { Team = "web" }
  lifecycle { ignore_changes = all }
}
"""
VALUES = {"var.env": "test", "var.memory": "512", "var.image": "busybox", "local.port": "5432"}


def read(text: str, **keywords: Any) -> TaskDefinition:
    return read_task_definition(text, "main.tf", **keywords)


def problems(text: str, **keywords: Any) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        read(text, **keywords)
    return [str(problem) for problem in caught.value.problems]


def test_a_resource_with_jsonencode_is_read_and_its_references_are_placeholders() -> None:
    definition = read(WEB, substitute=VALUES)

    (app,) = definition.containers
    assert (definition.family, definition.cpu, definition.memory_mib) == ("web-test", 256, 512)
    assert (app.image, app.command) == ("busybox", ("sh", "-c", 'echo "${HOME}"\n'))
    assert app.environment == {"A": "${aws_db.main[0].address}:5432"}
    assert [volume.name for volume in definition.volumes] == ["data", "tmp"]
    assert definition.document["tags"] == [{"key": "Team", "value": "web"}]


def test_references_that_nothing_fills_are_told_with_their_lines() -> None:
    assert problems(WEB.replace("containerPort = 80", "containerPort = var.port")) == [
        "line 7  memory: a size such as '512' or '0.5 GB' is wanted here, not '${var.memory}'",
        "line 18  containerDefinitions[0].portMappings[0].containerPort: a whole number is wanted here, not '${var.port}'",
        "fill with ecs_taskdef(…, substitute={'${var.memory}': '…', '${var.port}': '…', '${var.env}': '…', "
        "'${var.image}': '…', '${aws_db.main[0].address}': '…', '${local.port}': '…', "
        "'${aws_efs_file_system.main.id}': '…'})",
    ]


def test_a_local_of_the_same_file_has_its_value_and_a_test_may_give_another() -> None:
    text = (
        WEB
        + """locals {
  port = 5432
  name = "db-${var.env}"
  environment = [{ name = "B", value = "${local.name}:${local.port}" }]
  computed = max(1, 2)
  itself = local.itself
}
"""
    )
    text = text.replace(
        'environment = [{ name = "A"',
        "entryPoint = [local.itself, local.computed]\n environment = local.environment #",
    )

    (app,) = read(text, substitute={**VALUES, "local.port": "1"}).containers
    assert app.environment == {"B": "db-test:1"}
    without = {key: value for key, value in VALUES.items() if key != "local.port"}
    assert read(text, substitute=without).containers[0].environment == {"B": "db-test:5432"}


def test_locals_that_grow_without_end_are_not_written_out() -> None:
    grown = "".join(f"  l{each + 1} = [{', '.join([f'local.l{each}'] * 10)}]\n" for each in range(9))
    text = (
        WEB.replace("environment = [{", "environment = local.l9 #") + f'locals {{\n  l0 = ["x"]\n{grown}}}\n'
    )

    assert problems(text, substitute=VALUES)


def test_a_list_or_an_object_that_is_named_is_filled_with_json() -> None:
    text = WEB.replace("environment = [{", "environment = var.environment #").replace(
        "  ])", "    local.sidecar\n  ])"
    )

    assert problems(text, substitute=VALUES) == [
        "line 17  containerDefinitions[0].environment: a list is wanted here, as JSON, not '${var.environment}'",
        "line 20  containerDefinitions[1]: an object is wanted here, as JSON, not '${local.sidecar}'",
        "fill with ecs_taskdef(…, substitute={'${var.environment}': '…', '${local.sidecar}': '…', "
        "'${aws_efs_file_system.main.id}': '…'})",
    ]
    filled = {
        "var.environment": '[{"name": "A", "value": "b"}]',
        "local.sidecar": '{"name": "side", "image": "b"}',
    }
    app, side = read(text, substitute={**VALUES, **filled}).containers
    assert (app.environment, side.name) == ({"A": "b"}, "side")


def test_tags_that_terraform_would_compute_are_left_out_with_a_word() -> None:
    definition = read(WEB.replace('{ Team = "web" }', "merge(var.tags, {})"), substitute=VALUES)

    assert "tags" not in definition.document
    assert any(each.path == "tags" and "left out" in each.message for each in definition.advice)


HEREDOC = """\
resource "aws_ecs_task_definition" "web" {
  family = "web"
  container_definitions = <<-EOF
    [
      {
        "name": "app", "image": "${var.image}",
        "memory": ${var.memory},
        "cpu": "many"
      }
    ]
  EOF
}
"""


def test_json_in_a_heredoc_is_read_and_has_its_lines() -> None:
    assert problems(HEREDOC, substitute=VALUES) == [
        "line 8  containerDefinitions[0].cpu: a whole number is wanted here, not 'many'"
    ]
    assert problems(HEREDOC)[0].startswith(
        "line 7  containerDefinitions[0].memory: a whole number is wanted here"
    )
    assert problems(HEREDOC.replace('"cpu": "many"', '"cpu" 1'), substitute=VALUES)[0].startswith(
        "line 8  column 15: not JSON"
    )


def test_what_is_forgiven_in_a_heredoc_has_its_line() -> None:
    (repair,) = read(HEREDOC.replace('"many"', "1,"), substitute=VALUES).repairs

    assert str(repair).startswith("line 8  a comma with nothing after it")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("var.big ? 512 : 256", "line 3  cpu: var.big ? 512 : 256 is computed by Terraform"),
        ("256 * 2", "line 3  cpu: 256 * 2 is computed by Terraform"),
        ('lookup(var.sizes, "cpu")', 'line 3  cpu: lookup(var.sizes, "cpu") is computed by Terraform'),
        (
            "merge({\n}, {\n})",
            "line 3  cpu: this is computed by Terraform: give what `terraform show -json` prints",
        ),
    ],
)
def test_what_terraform_would_compute_is_told_with_its_line(expression: str, message: str) -> None:
    text = HEREDOC.replace('  family = "web"\n', f'  family = "web"\n  cpu = {expression}\n').replace(
        '"many"', "1"
    )

    assert problems(text, substitute=VALUES)[0].startswith(message)


@pytest.mark.parametrize(
    "expression",
    [
        '[merge({name="app", environment=[{name="KEY", value="s3cret"}]}, var.more)]',
        '[{name="app", image="app:1", environment=concat([{name="KEY", value="s3cret"}], var.more)}]',
        'concat([{name="app", environment=[{name="KEY", value="s3cret"}]}], var.more)',
    ],
)
def test_an_expression_in_which_a_variable_has_its_value_is_not_shown(expression: str) -> None:
    text = f'resource "aws_ecs_task_definition" "web" {{\n  family = "web"\n  container_definitions = jsonencode({expression})\n}}'

    found = problems(text)

    assert "this is computed by Terraform" in found[0]
    assert "s3cret" not in "".join(found)


@pytest.mark.parametrize(
    "expression",
    [
        'format("s3cret%s", var.x)',
        'var.x == "" ? "s3cret" : "x"',
        '"postgres://u:s3cret@${lookup({a=1}, "a")}"',
        '"x ${format("s3cret%s", var.x)}"',
        'jsonencode({ a = "s3cret", b = var.b })',
    ],
)
def test_a_text_in_an_expression_of_a_variable_is_not_shown(expression: str) -> None:
    text = WEB.replace('value = "${aws_db.main[0].address}:${local.port}"', f"value = {expression}")

    with pytest.raises(TaskDefinitionError) as caught:
        read(text)

    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in "".join(map(str, caught.value.advice))
    assert any("environment[0].value" in str(each) for each in (*caught.value.problems, *caught.value.advice))


def test_variables_of_a_computed_list_are_not_shown() -> None:
    every = '[for k, v in { PASSWORD = "s3cret" } : { name = k, value = v }]'
    text = WEB.replace("environment = [{", f"environment = {every} #")

    assert "s3cret" not in "".join(problems(text))


def test_values_of_a_rendered_file_are_not_shown() -> None:
    (problem,) = problems(containers('templatefile("web.json", { password = "s3cret" })'))

    assert "'templatefile(\"web.json\", …)' is computed by Terraform: give the file that it reads" in problem


def containers(expression: str) -> str:
    return f'resource "aws_ecs_task_definition" "web" {{\n  family = "web"\n  container_definitions = {expression}\n}}\n'


STATIC = """\
[{
    name = "app", image = "busybox", memory = 8
    cpu = tonumber("16"), essential = tobool("true")
    environment = [
      { name = "PORT", value = tostring(local.port) },
      { name = "SIZE", value = "${local.size} ${1.5}" },
      { name = "JSON", value = jsonencode({ z = [1, null], a = "<x> é" }) },
      { name = "TEXT", value = <<-EOT
          first
            ${local.port} $${HOME} ${ var.x } %%{if}
        EOT
      },
    ]
}]"""
LOCALS = "locals {\n  port = 8080\n  size = 2.0\n}\n"


def test_conversions_and_heredocs_have_the_values_that_terraform_gives_them() -> None:
    (app,) = read(containers(f"jsonencode({STATIC})") + LOCALS).containers

    assert (app.cpu, app.essential) == (16, True)
    assert app.environment == {
        "PORT": "8080",
        "SIZE": "2 ${1.5}",
        "JSON": '{"a":"\\u003cx\\u003e é","z":[1,null]}',
        "TEXT": "first\n  8080 ${HOME} ${var.x} %{if}\n",
    }


def test_json_of_what_is_not_known_is_not_known() -> None:
    text = containers(f"jsonencode({STATIC})").replace("[1, null]", "var.z")

    assert problems(text)[0].endswith(
        "environment[2].value: this is computed by Terraform: give what `terraform show "
        "-json` prints of the plan"
    )


def test_a_heredoc_with_a_directive_is_not_a_text() -> None:
    text = containers(f"jsonencode({STATIC})").replace("first", "%{ if var.x }first%{ endif }")

    assert "environment[3].value: this is computed by Terraform" in "".join(problems(text))


def test_locals_and_escapes_in_json_in_a_heredoc_are_filled() -> None:
    text = HEREDOC.replace(
        '"cpu": "many"',
        '"cpu": ${local.cpu}, "command": ["${local.port}", "$${HOME}"],\n'
        '"environment": ${jsonencode(local.environment)}',
    )
    more = 'locals {\n  cpu = 16\n  port = 80\n  environment = [{ name = "A", value = "b" }]\n}\n'

    (app,) = read(text + more, substitute=VALUES).containers

    assert (app.cpu, app.command, app.environment) == (16, ("5432", "${HOME}"), {"A": "b"})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  memory ", "  cpu ", "line 7  cpu: the key 'cpu' is there twice"),
        ("tags = {", 'tags = { Team = "b", ', "line 30  tags.Team: the key 'Team' is there twice"),
    ],
)
def test_what_is_there_twice_is_a_problem(old: str, new: str, problem: str) -> None:
    text = WEB.replace(old, new)

    assert f"{problem}; only the last one counts" in problems(text, substitute=VALUES)


def test_a_key_that_is_there_twice_in_a_container_is_told() -> None:
    for text, key in (
        (
            WEB.replace('"essential" : true', 'name = "b"'),
            "line 16  containerDefinitions[0].name: the key 'name'",
        ),
        (
            HEREDOC.replace('"cpu": "many"', '"memory": 9'),
            "line 8  containerDefinitions[0].memory: the key 'memory'",
        ),
    ):
        (repair,) = read(text, substitute=VALUES).repairs
        assert str(repair) == f"{key} is there twice; only the last one counts"


def test_a_resource_that_is_there_twice_is_a_problem() -> None:
    assert "the key 'web' is there twice; only the last one counts" in "".join(problems(WEB + WEB))


def test_modules_that_may_have_the_task_definition_are_told() -> None:
    assert problems('variable "x" {}\nmodule "web" {\n  source = "./web"\n}\n') == [
        "line 2  there is no aws_ecs_task_definition in it, and what its modules have is not read: give what "
        "`terraform show -json` prints of the plan"
    ]


def test_a_name_inside_of_an_expression_does_not_compute_it() -> None:
    text = WEB.replace("= 256", "= max(var.env, 1)")

    assert problems(text, substitute=VALUES)[0] == "line 6  cpu: max(var.env, 1) is computed by Terraform"


def test_an_expression_of_one_line_is_filled_as_it_is_written() -> None:
    text = WEB.replace("= 256", "= var.big ? 512 : 256")

    assert read(text, substitute={**VALUES, "var.big ? 512 : 256": "256"}).cpu == 256


@pytest.mark.parametrize(
    ("containers", "message"),
    [
        (
            'file("web.json")',
            "'file(\"web.json\")' is computed by Terraform: give the file that it reads, with family=",
        ),
        (
            "local.containers",
            "'${local.containers}' is computed by Terraform: give what `terraform show -json` prints",
        ),
        ("jsonencode(concat(a, b))", "'concat(a, b)' is computed by Terraform"),
        ("jsonencode([for c in var.c : c])", "'[for c in var.c : c]' is computed by Terraform"),
    ],
)
def test_containers_that_terraform_would_compute_are_refused_with_their_line(
    containers: str, message: str
) -> None:
    text = f'resource "aws_ecs_task_definition" "web" {{\n  family = "web"\n  container_definitions = {containers}\n}}\n'

    (problem,) = problems(text)
    assert problem.startswith(f"line 3  container_definitions: {message}")


DYNAMIC = 'dynamic "volume" {\n    for_each = var.v\n    content { name = volume.value }\n  }\n'


@pytest.mark.parametrize("place", ['  volume { name = "tmp" }\n', '  volume {\n    name = "data"\n'])
def test_a_dynamic_block_is_refused_with_its_line_and_hides_no_other(place: str) -> None:
    text = WEB.replace(place, f"  {DYNAMIC}{place}")

    found = problems(text, substitute=VALUES)

    line = text[: text.index("dynamic")].count("\n") + 1
    assert found[0].startswith(f"line {line}  volumes[")
    assert found[0].endswith(': dynamic "volume" is computed by Terraform')
    filled = read(text, substitute={**VALUES, 'dynamic "volume"': '{"name": "more"}'})
    assert {each.name for each in filled.volumes} == {"data", "tmp", "more"}


def test_one_of_several_resources_is_chosen_and_the_others_do_not_matter() -> None:
    text = WEB + WEB.replace('"web" {', '"api" {').replace("jsonencode([", "jsonencode(concat([").replace(
        "  ])", "  ]))"
    )

    assert read(text, substitute=VALUES, resource="aws_ecs_task_definition.web").cpu == 256
    assert problems(text)[0].startswith("it has 2 of aws_ecs_task_definition")


@pytest.mark.parametrize(
    "text", ['resource "aws_ecs_task_definition" "web" {\n', "locals {\n  a = [1\n}\n", WEB + "}"]
)
def test_bad_syntax_has_its_line(text: str) -> None:
    (problem,) = problems(text)

    assert "not Terraform's language" in problem
    assert problem.startswith("line ")


def test_a_file_that_the_library_would_take_minutes_for_is_refused() -> None:
    assert problems("a = <<A\n" + "\n" * 3000)[0].startswith(
        "3,008 characters of Terraform's language, 3,001 blanks"
    )
    assert problems("locals { a = 1 }\n" * 30_000)[0].startswith("510,000 characters")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hcl2.api", None)

    with pytest.raises(UnsupportedFeature, match=r"pip install 'pytest-ecs-tasks\[terraform\]'"):
        read(WEB)

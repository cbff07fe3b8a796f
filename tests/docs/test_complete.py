"""The documentation is complete and hangs together. Needs no engine."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import yaml

import doc_pages
import pytest_ecs_tasks
from pytest_ecs_tasks import errors
from pytest_ecs_tasks.plugin import __all__ as plugin_names
from pytest_ecs_tasks.plugin import marks
from pytest_ecs_tasks.plugin.options import OPTIONS
from pytest_ecs_tasks.task import EcsContainer, EcsTask

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
GUIDES = sorted([*(DOCS / "tutorial").glob("*.md"), *(DOCS / "how-to").glob("*.md")])
REFERENCE = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md")))
ARCHITECTURE = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def is_documented(name, text=REFERENCE):
    """Tell whether a name stands in code, in a block or between backquotes."""
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "\n".join(code_of(text))) is not None


def code_of(text):
    yield from re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`[^`\n]+`", text)


def public_members(kind):
    return sorted(name for name in vars(kind) if not name.startswith("_"))


def test_every_option_is_documented_in_each_of_its_forms():
    forms = [option.flag for option in OPTIONS]
    forms += [option.variable for option in OPTIONS if option.has_environment]
    forms += [option.key for option in OPTIONS if option.has_ini]
    forms += [
        "--ecs-check",
        "--ecs-check-format",
        "--ecs-check-substitute",
        "--ecs-sweep",
        "ecs_strict",
        "ecs_taskdef_dir",
    ]

    assert [form for form in forms if not is_documented(form)] == []


def test_every_marker_and_each_of_its_arguments_is_documented():
    page = (DOCS / "reference" / "markers.md").read_text(encoding="utf-8")
    missing = [name for name in [*marks.MARKS, "ecs"] if not is_documented(name, page)]
    for name, function in marks.MARKS.items():
        section = page.partition(f"@pytest.mark.{name}(")[2].partition("\n## ")[0]
        arguments = inspect.signature(function).parameters
        missing += [
            f"{name}({argument})"
            for argument in arguments
            if argument not in section and name != "ecs_engine"
        ]

    assert missing == []


def test_every_fixture_is_documented():
    fixtures = [name for name in plugin_names if not name.startswith("_")]

    assert [name for name in fixtures if not is_documented(name)] == []


def test_every_public_name_is_documented():
    assert [name for name in pytest_ecs_tasks.__all__ if not is_documented(name)] == []


def test_every_exception_and_warning_is_on_the_page_of_errors():
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    kinds = [
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
    ]

    assert len(kinds) > 5
    assert [name for name in kinds if not is_documented(name, page)] == []


@pytest.mark.parametrize("kind", [EcsTask, EcsContainer])
def test_every_member_of_a_task_and_a_container_is_documented(kind):
    page = (DOCS / "reference" / "task.md").read_text(encoding="utf-8")
    internal = {"remove", "with_start_timeout"}  # what fixtures call; a test leaves its "with" block

    assert [
        name for name in public_members(kind) if name not in internal and not is_documented(name, page)
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page):
    dead = []
    for link in doc_pages.find_links(page):
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in doc_pages.find_anchors(path)):
            dead.append(link)

    assert dead == []


def test_every_page_is_reached_from_the_readme():
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = (link.partition("#")[0] for link in doc_pages.find_links(page))
        paths = ((page.parent / target).resolve() for target in targets if target and "://" not in target)
        todo += [path for path in paths if path.suffix == ".md" and path.exists()]

    assert sorted(name_of(page) for page in set(PAGES) - reached) == []


def test_the_tree_of_the_architecture_is_the_packages():
    package = ROOT / "pytest_ecs_tasks"
    tree = ARCHITECTURE.partition("pytest_ecs_tasks/\n")[2].partition("```")[0]
    shown = set(re.findall(r"^ +(\w+)/ ", tree, re.MULTILINE))
    there = {each.parent.name for each in package.rglob("__init__.py")} - {package.name}

    assert shown == there
    modules = {each.name for each in package.glob("*.py")} - {"__init__.py"}
    assert {name for name in modules if name not in tree} == set()


def test_the_architecture_tells_the_order_of_imports_that_is_checked():
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.findall(
        r'^ {4}"(pytest_ecs_tasks\.[^"]+)",$', settings.partition("layers = [")[2].partition("]")[0], re.M
    )
    names = [
        " | ".join(part.strip().removeprefix("pytest_ecs_tasks.") for part in layer.split("|"))
        for layer in layers
    ]
    told = " ← ".join(f"{{{name}}}" if "|" in name else name for name in reversed(names))

    assert told in ARCHITECTURE


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_python_block_of_a_guide_is_a_whole_file_with_the_command_that_runs_it(page):
    text = page.read_text(encoding="utf-8")
    written = [step for step in doc_pages.read_steps(text) if isinstance(step, doc_pages.FileStep)]
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)

    assert [block for block in blocks if block not in [step.text for step in written]] == []
    if blocks:
        assert "<!-- run" in text


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_every_yaml_block_of_a_guide_is_yaml(page):
    for block in re.findall(
        r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        document = yaml.compose(block, Loader=yaml.SafeLoader)  # templates have tags of CloudFormation's
        assert isinstance(document, yaml.MappingNode)

"""The bytes of a file turned into a document: JSON, YAML or Terraform's language, told by what is in them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import replace

from pytest_ecs_tasks.core.document import Loaded, Position, refusal
from pytest_ecs_tasks.core.json_text import describe_directive, load_json
from pytest_ecs_tasks.core.placeholders import find_directive
from pytest_ecs_tasks.core.yaml_text import LONGEST_YAML, load_yaml
from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError

LARGEST_FILE = 8_000_000  # bytes: plans and templates of whole systems are some megabytes
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SPACE_AND_COMMENTS = re.compile(r"(?:\s+|//[^\n]*|#[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TERRAFORM = re.compile(
    r'^(?:resource|data|module|variable|output|provider)\s+"[^"\n]+"(?:\s+"[^"\n]+")?\s*\{|^(?:locals|terraform)\s*\{',
    re.MULTILINE,
)
_HERE_DOCUMENT = re.compile(r"cat\b[^\n]*<<")
_JSONNET = re.compile(
    r"^\s*(?:local\s+\w+\s*=|function\s*\(|import(?:str)?\s+['\"])|std\.\w+\(", re.MULTILINE
)
_LOG_OF_TERRAFORM = re.compile(r'\s*\{"@level":')
_DOCKERFILE = re.compile(r"^FROM\s+\S+[^\n]*$", re.MULTILINE)
_BEGINS_IN_BRACES = re.compile(r"^[ \t]*+([{%][^\n]*)", re.MULTILINE)
_FIELD = re.compile(r"^(?:[A-Za-z_][\w.-]*|\"[^\"\n]+\"|- [^\n]+)\s*:(?:\s|$)|^- ", re.MULTILINE)


def decode(data: bytes, source: str) -> tuple[str, tuple[Problem, ...]]:
    """Return the text of a file, and what was forgiven in its encoding.

    Raises :class:`TaskDefinitionError` for a file that is too large, or in another encoding than UTF-8 or a UTF-16
    that says so.
    """
    check_size(len(data), source)
    mark, encoding = next((each for each in _MARKS if data.startswith(each[0])), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        where = error.start + len(mark)
        message = (
            f"not {encoding.upper()} at byte {where}; save it as UTF-8 (what PowerShell's > writes is UTF-16)"
        )
        line = data.count(b"\n", 0, where) + 1
        raise TaskDefinitionError(source, [Problem("", message, line, 1, "not-utf-8")]) from None
    if encoding == "utf-8":
        return text, ()
    message = f"the file is {encoding.upper()[:6]}, as PowerShell's > writes it; other tools read UTF-8 alone"
    return text, (Problem("", message, 1, 1, "forgiven-text", Severity.WARNING),)


def check_size(size: int, source: str) -> None:
    """Raise :class:`TaskDefinitionError` for a file of more bytes than any task definition's file has."""
    if size > LARGEST_FILE:
        message = f"{size:,} bytes are too large for a task definition; files of up to {LARGEST_FILE:,} bytes are read"
        raise TaskDefinitionError(source, [Problem("", message, code="too-large")])


def load_text(text: str, source: str, substitute: Mapping[str, str]) -> Loaded:
    """Return the document of a text in any of the languages that task definitions are written in.

    Raises :class:`TaskDefinitionError` for a text in another one, which is named.
    """
    check_size(len(text), source)
    text = text.removeprefix("\ufeff")
    suffixes = _suffixes(source)
    if suffixes & {"jsonnet", "libsonnet"}:
        raise refusal(source, _what_jsonnet_is(), Position(1, 1))
    start = _SPACE_AND_COMMENTS.match(text)
    beginning = text[start.end() :] if start else text
    if beginning[:1] in ("{", "[") and ("json" in suffixes or not suffixes & {"yaml", "yml", "tf", "sh"}):
        return _load_braces(text, source, substitute)
    if suffixes & {"tf", "hcl"} or (not suffixes & {"yaml", "yml"} and _TERRAFORM.search(text)):
        from pytest_ecs_tasks.core.hcl_text import load_terraform

        return load_terraform(text, source, substitute)
    _refuse_programs(text, beginning, suffixes, source)
    if not text.strip():
        raise TaskDefinitionError(source, [Problem("", "the document is empty", 1, 1, "not-json")])
    if beginning[:1] not in ("{", "[") and not _FIELD.search(text):
        _refuse_directives(text, source)
        raise refusal(source, "this is neither JSON nor YAML, nor Terraform's language", Position(1, 1))
    try:
        return load_yaml(text, source, substitute)
    except TaskDefinitionError:
        _refuse_directives(text, source)
        raise


def _refuse_directives(text: str, source: str) -> None:
    """Refuse a text, that is none of ours, in which a line begins with a directive of a template."""
    for line in _BEGINS_IN_BRACES.finditer(text):
        found = find_directive(line.group(1))
        if found is not None and found[0] == 0:
            start = line.start(1)
            raise TaskDefinitionError(source, [describe_directive(text, start, start + found[1])])


def _load_braces(text: str, source: str, substitute: Mapping[str, str]) -> Loaded:
    """Return the document of what looks like JSON; if it is none, it may still be YAML, which has braces as well."""
    try:
        return load_json(text, source, substitute)
    except TaskDefinitionError as error:
        problem = error.problems[0]
        if problem.code != "not-json" or len(text) > LONGEST_YAML:
            raise
        if _JSONNET.search(text):
            raise refusal(source, _what_jsonnet_is(), Position(1, 1)) from None
        if _LOG_OF_TERRAFORM.match(text):
            what = "this is the log of `terraform plan -json`: give what `terraform show -json PLAN` prints"
            raise refusal(source, what, Position(1, 1)) from None
        loaded = None if _lacks_a_value(text, problem) else _load_as_yaml(text, source, substitute)
        if loaded is None:
            raise
    what = problem.message.partition("\n")[0]
    message = f"{what}; read as YAML, as AWS's deploy action reads it. The AWS CLI refuses the file"
    repair = Problem("", message, problem.line, problem.column, "forgiven-text", Severity.WARNING)
    return replace(loaded, repairs=(repair,))


def _lacks_a_value(text: str, problem: Problem) -> bool:
    """Tell whether JSON ends where a value has to be, as in ``{"name": }``: a slip to YAML's readers too, for whom it is null."""
    if problem.line is None or problem.column is None:
        return False
    return text.split("\n")[problem.line - 1][problem.column - 1 : problem.column] in ("}", "]", ",")


def _load_as_yaml(text: str, source: str, substitute: Mapping[str, str]) -> Loaded | None:
    try:
        loaded = load_yaml(text, source, substitute)
    except TaskDefinitionError:
        return None
    # In YAML nearly any text in braces means something, so only what is certainly meant counts.
    document = loaded.document
    meant = isinstance(document, Mapping) and isinstance(document.get("containerDefinitions"), list)
    return loaded if meant and not loaded.repeated else None


def _suffixes(source: str) -> set[str]:
    return set(source.replace("\\", "/").rpartition("/")[2].lower().split(".")[1:])


def _refuse_programs(text: str, beginning: str, suffixes: set[str], source: str) -> None:
    """Refuse what makes a task definition, and is none."""
    if suffixes & {"sh", "bash"} or text.startswith("#!") or _HERE_DOCUMENT.match(beginning):
        raise refusal(source, "this is a shell script: give the file that it writes", Position(1, 1))
    if _JSONNET.match(beginning):
        raise refusal(source, _what_jsonnet_is(), Position(1, 1))
    if _DOCKERFILE.match(beginning):
        raise refusal(
            source, "this is a Dockerfile: give the task definition that runs its image", Position(1, 1)
        )
    if suffixes & {"ts", "js", "py", "go", "java"}:
        what = "this is a program: give what it makes; of a CDK app, the template that `cdk synth` writes to cdk.out"
        raise refusal(source, what, Position(1, 1))


def _what_jsonnet_is() -> str:
    return "this is Jsonnet: give the JSON that `jsonnet FILE` prints"

"""Environment files are read as the agent reads them.

The vectors are those of amazon-ecs-agent, taskresource/envFiles/envfile_test.go, retold, and what Go's Scanner does.
"""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.core.environment_files import (
    LONGEST_LINE,
    BadEnvironmentFileError,
    locate,
    merge,
    parse,
)
from pytest_ecs_tasks.core.s3 import S3Object
from pytest_ecs_tasks.core.spec import Sensitive


def revealed(variables: dict[str, Sensitive]) -> dict[str, str]:
    return {name: value.reveal() for name, value in variables.items()}


@pytest.mark.parametrize(
    ("case", "content", "variables"),
    [
        ("a value", b"key1=value", {"key1": "value"}),
        ("the first = parts them", b"key2=val1=val2", {"key2": "val1=val2"}),
        ("an empty value", b"key3=\n", {"key3": ""}),
        ("no name", b"=value\n", {}),
        ("no =", b"key\nexport\n", {}),
        ("blank lines", b"\n\n  \na=1\n\n", {"a": "1"}),
        ("a comment", b"# some comment = here\n#a=1\n", {}),
        ("a # behind white space is a name", b" #a=1\n", {" #a": "1"}),
        ("a # in a value is part of it", b"a=1 # one\n", {"a": "1 # one"}),
        ("white space is kept", b" a = 1 \n\tb=2\n", {" a ": " 1 ", "\tb": "2"}),
        ("quotes are kept", b"a=\"x y\"\nb='z'\n", {"a": '"x y"', "b": "'z'"}),
        ("export is part of the name", b"export a=1\n", {"export a": "1"}),
        ("nothing is expanded", b"a=$HOME ${b} \\n\n", {"a": "$HOME ${b} \\n"}),
        ("Windows line ends", b"a=1\r\nb=2\r\n", {"a": "1", "b": "2"}),
        ("one carriage return is the line's end, a second is not", b"a=1\r\r\n", {"a": "1\r"}),
        ("a carriage return alone ends nothing", b"a=1\rb=2\n", {"a": "1\rb=2"}),
        ("no newline at the end", b"a=1\nb=2", {"a": "1", "b": "2"}),
        ("the last of two counts", b"a=1\na=2\n", {"a": "2"}),
        ("a byte order mark is part of the name", "\ufeffa=1\n".encode(), {"\ufeffa": "1"}),
        ("letters beyond ASCII", "größe=ß😀\n".encode(), {"größe": "ß😀"}),
        ("bytes that are not UTF-8", b"a=\xff\n", {"a": "\ufffd"}),
        ("an empty file", b"", {}),
    ],
)
def test_a_file_is_read_line_by_line(case: str, content: bytes, variables: dict[str, str]) -> None:
    assert revealed(parse(content)) == variables, case


def test_a_line_just_short_of_64_kib_is_taken() -> None:
    value = "x" * (LONGEST_LINE - 2)

    assert revealed(parse(f"a={value}\nb=1\n".encode())) == {"a": value, "b": "1"}


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_longer_line_is_an_error_that_shows_nothing_of_it(end: str) -> None:
    with pytest.raises(BadEnvironmentFileError) as caught:
        parse(f"a={'x' * (LONGEST_LINE - 1)}{end}".encode())

    assert str(caught.value) == "bufio.Scanner: token too long"


def test_values_do_not_show() -> None:
    variables = parse(b"PASSWORD=canary\n")

    assert "canary" not in f"{variables!r} {variables['PASSWORD']}"


def test_an_earlier_file_wins_over_a_later_one() -> None:
    merged = merge([parse(b"a=first\n"), parse(b"a=second\nb=second\n"), parse(b"b=third\nc=third\n")])

    assert revealed(merged) == {"a": "first", "b": "second", "c": "third"}


@pytest.mark.parametrize(
    ("arn", "place"),
    [
        ("arn:aws:s3:::bucket/app.env", S3Object("bucket", "app.env")),
        ("arn:aws-cn:s3:::bucket/a/b/c.env", S3Object("bucket", "a/b/c.env")),
        ("arn:aws:s3:::bucket/a/../app.env", S3Object("bucket", "a/../app.env")),
        ("arn:aws:s3:::bucket/a b+ü.env", S3Object("bucket", "a b+ü.env")),
    ],
)
def test_an_arn_names_bucket_and_key(arn: str, place: S3Object) -> None:
    assert locate(arn) == place


@pytest.mark.parametrize("arn", ["bucket/app.env", "arn:aws:s3:::bucket", "arn:aws:ssm:::bucket/app.env"])
def test_an_arn_of_anything_else_is_refused_in_the_agents_words(arn: str) -> None:
    with pytest.raises(BadEnvironmentFileError) as caught:
        locate(arn)

    assert str(caught.value) == (
        f"unable to parse bucket and key from s3 ARN specified in environmentFile {arn}, error: invalid s3 arn: {arn}"
    )


@pytest.mark.parametrize(
    "key",
    [
        "../../../../config.env",
        "a/b/c/../../../../../../config.env",
        "a\\b\\c/../../../../config.env",
        "a\\b\\c\\d\\e\\f\\g\\h/../../../../../../../var/lib/config.env",
    ],
)
def test_a_key_that_leads_out_of_the_agents_directory_is_refused(key: str) -> None:
    with pytest.raises(BadEnvironmentFileError, match="escapes envfile resource directory"):
        locate(f"arn:aws:s3:::bucket/{key}")

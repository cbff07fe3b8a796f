"""Environment files, read as the ECS agent reads them, and the S3 objects that ``environmentFiles`` name.

Source: amazon-ecs-agent, taskresource/envFiles/envfile.go (readEnvVarsFromFile, verifyEnvfileKeyLocal),
container.go (MergeEnvironmentVariablesFromEnvfiles).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_ecs_tasks.core.s3 import S3Object, find_object
from pytest_ecs_tasks.core.spec import Sensitive

LINE_TOO_LONG = "bufio.Scanner: token too long"  # Go's words, which are the agent's
LONGEST_LINE = 64 * 1024 - 1  # bytes, its carriage return counted, its newline not


class BadEnvironmentFileError(ValueError):
    """An environment file cannot be read, or its ARN names none; the text is the agent's and shows no value."""


def locate(arn: str) -> S3Object:
    """Return the S3 object that an ARN names.

    Raises :class:`BadEnvironmentFileError` when it names none, or one whose key leads out of the directory in which the
    agent would keep it.
    """
    place = find_object(arn)
    if place is None:
        raise BadEnvironmentFileError(
            f"unable to parse bucket and key from s3 ARN specified in environmentFile {arn}, error: invalid s3 arn: {arn}"
        )
    if _escapes(f"{place.bucket}/{place.key}"):
        raise BadEnvironmentFileError(
            "unable to initialize envfile resource directory, error: "
            f'invalid path: bucket "{place.bucket}" key "{place.key}" escapes envfile resource directory'
        )
    return place


def parse(content: bytes) -> dict[str, Sensitive]:
    """Return the variables of one file; of two lines with the same name the last one counts.

    A line that begins with ``#`` is a comment, one without ``=`` or without a name says nothing. Nothing is trimmed,
    unquoted or expanded: white space, quotes and ``export`` are part of what they stand in. Bytes that are not UTF-8 are
    replaced. Raises :class:`BadEnvironmentFileError` for a line of 64 KiB or more.
    """
    variables: dict[str, Sensitive] = {}
    for line in content.split(b"\n"):
        if len(line) > LONGEST_LINE:
            raise BadEnvironmentFileError(LINE_TOO_LONG)
        text = line.removesuffix(b"\r").decode("utf-8", "replace")
        name, equals, value = text.partition("=")
        if name and equals and not name.startswith("#"):
            variables[name] = Sensitive(value)
    return variables


def merge(files: Iterable[Mapping[str, Sensitive]]) -> dict[str, Sensitive]:
    """Return the variables of a container's files, in the order of the definition: an earlier file wins over a later one."""
    merged: dict[str, Sensitive] = {}
    for variables in files:
        for name, value in variables.items():
            merged.setdefault(name, value)
    return merged


def _escapes(path: str) -> bool:
    """Tell whether a relative path leads out of where it starts."""
    depth = 0
    for part in path.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            return True
    return depth == 0

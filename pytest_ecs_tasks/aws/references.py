"""What a secret's ``valueFrom`` refers to. The grammar is the ECS agent's."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BAD_FORMAT = (
    "an invalid ARN format for the AWS Secrets Manager secret was specified. "
    "Specify a valid ARN and try again."
)
_RANDOM_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
_PARAMETER_NAME = re.compile(r"[A-Za-z0-9_.\-/,]{1,2048}")


@dataclass(frozen=True, slots=True)
class Arn:
    """An Amazon resource name; ``resource`` may hold colons."""

    partition: str
    service: str
    region: str
    account_id: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account_id}:{self.resource}"


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A secret of Secrets Manager.

    ``arn`` is without selectors; empty selectors are ``""``; ``region`` is the ARN's.
    """

    arn: str
    region: str
    secret_id: str
    json_key: str = ""
    version_stage: str = ""
    version_id: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names that the secret may have, likeliest first: the ARN may end with a random suffix, or not."""
        return tuple(dict.fromkeys((self.secret_id, without_random_suffix(self.secret_id))))


@dataclass(frozen=True, slots=True)
class ParameterReference:
    """A parameter of SSM.

    ``names`` it may have, likeliest first: an ARN does not tell whether a slash leads the name.
    """

    value_from: str
    region: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BadReference:
    """A ``valueFrom`` that ECS refuses; ``message`` is its own, without the name of the secret's variable."""

    message: str
    is_parameter: bool = False


def parse_arn(text: str) -> Arn | None:
    """Parse an ARN; ``None`` when the text is none."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        return None
    return Arn(*parts[1:])


def without_random_suffix(secret_id: str) -> str:
    """Drop the hyphen and six characters that Secrets Manager appends to a name in an ARN."""
    return _RANDOM_SUFFIX.sub("", secret_id)


def parse_value_from(
    value_from: str, task_region: str
) -> SecretReference | ParameterReference | BadReference:
    """Tell what ``valueFrom`` refers to.

    Source: amazon-ecs-agent, taskresource/asmsecret/asmsecret.go, getASMParametersFromInput: two or five
    parts, else refused.
    """
    arn = parse_arn(value_from)
    if arn is not None and arn.service == "secretsmanager":
        return _parse_secret(arn, value_from, task_region)
    if arn is not None and arn.service == "ssm" and arn.resource.startswith("parameter/"):
        path = arn.resource.removeprefix("parameter")
        names = (path,) if "/" in path[1:] else (path, path[1:])
        return _check_parameter(ParameterReference(value_from, arn.region or task_region, names))
    return _check_parameter(ParameterReference(value_from, task_region, (value_from,)))


def _parse_secret(arn: Arn, value_from: str, task_region: str) -> SecretReference | BadReference:
    parts = arn.resource.split(":")
    if len(parts) not in (2, 5):
        return BadReference(
            f"trying to retrieve secret with value {value_from} resulted in error: {_BAD_FORMAT}"
        )
    bare = Arn(arn.partition, arn.service, arn.region, arn.account_id, ":".join(parts[:2]))
    return SecretReference(str(bare), arn.region or task_region, parts[1], *parts[2:])


def _check_parameter(reference: ParameterReference) -> ParameterReference | BadReference:
    if all(_PARAMETER_NAME.fullmatch(name) for name in reference.names):
        return reference
    # A version or label (name:3) too is refused: aws/containers-roadmap#859.
    return BadReference(
        "is invalid. The parameter name can be up to 2048 characters "
        "and include the following letters and symbols: a-zA-Z0-9_.-/,",
        is_parameter=True,
    )

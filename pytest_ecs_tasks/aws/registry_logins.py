"""Who pulls from a private registry: ``repositoryCredentials``, fetched and worded as the ECS agent does.

Source: amazon-ecs-agent, agent/asm/asm.go, GetDockerAuthFromASM and extractASMValue.
"""

from __future__ import annotations

import json

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.references import SecretReference, parse_arn, without_random_suffix
from pytest_ecs_tasks.aws.secret_resolver import SecretResolver
from pytest_ecs_tasks.core.spec import RegistryLogin, Sensitive
from pytest_ecs_tasks.engine.aws_ports import SecretsError

_FARGATE = (
    "unable to pull secrets or registry auth: execution resource retrieval failed: unable to get registry auth from asm: "
    "service call has been retried 1 time(s):"
)
_FORM = 'The secret is JSON with two texts: {"username": "…", "password": "…"}'


def fetch_login(resolver: SecretResolver, parameter: str, region: str, *, fargate: bool) -> RegistryLogin:
    """Return what the secret at ``credentialsParameter``, an ARN or a name in the task's region, says."""
    reference = _reference(parameter, region)
    try:
        text = resolver.read_secret(reference)
    except AwsCallError as error:
        words = f"asm fetching secret from the service for {parameter}: {error}"
        raise _problem(words, parameter, _missing_hint(reference, error), fargate=fargate) from error
    found = parse_login(text)
    if isinstance(found, str):
        raise _problem(found, parameter, _FORM, fargate=fargate)
    return found


def parse_login(text: Sensitive) -> RegistryLogin | str:
    """Return the login in a secret, or what is wrong with it, in the agent's words.

    A problem is returned, not raised: a traceback's frames would hold the secret.
    """
    if not text:
        return "asm fetching authorization data: empty secrets value"
    try:
        document = json.loads(text.reveal())
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return "asm fetching authorization data: unable to unmarshal secret value, invalid schema"
    fields = {str(name).lower(): value for name, value in document.items()}  # Go takes any case
    given = [fields.get(name) for name in ("username", "password")]
    if any(value is not None and not isinstance(value, str) for value in given):
        return "asm fetching authorization data: unable to unmarshal secret value, invalid schema"
    for name, value in zip(("username", "password"), given, strict=True):
        if not value:
            return f"asm fetching {name}: AuthorizationData is malformed, empty field"
    return RegistryLogin(str(given[0]), Sensitive(given[1]))


def _reference(parameter: str, region: str) -> SecretReference:
    arn = parse_arn(parameter)
    if arn is None:
        return SecretReference(parameter, region, parameter)
    return SecretReference(parameter, arn.region or region, arn.resource.removeprefix("secret:"))


def _missing_hint(reference: SecretReference, error: AwsCallError) -> str:
    if error.code != "ResourceNotFoundException":
        return ""
    name = without_random_suffix(reference.secret_id)
    return (
        f"In this test's AWS there is no such secret in {reference.region}. "
        f'Add  @pytest.mark.ecs_secret("{name}", {{"username": "…", "password": "…"}})'
    )


def _problem(words: str, parameter: str, hint: str, *, fargate: bool) -> SecretsError:
    where = f"repositoryCredentials <- {parameter}"
    return SecretsError(f"{_FARGATE} {words}" if fargate else words, hint=f"{where}\n{hint}".rstrip())

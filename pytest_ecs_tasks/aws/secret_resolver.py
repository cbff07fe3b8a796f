"""Secrets and parameters for containers, fetched and worded as the ECS agent does."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.go_json import FieldProblem, render_field
from pytest_ecs_tasks.aws.json_api import JsonApi
from pytest_ecs_tasks.aws.references import (
    BadReference,
    ParameterReference,
    SecretReference,
    parse_arn,
    parse_value_from,
)
from pytest_ecs_tasks.core.spec import Sensitive
from pytest_ecs_tasks.engine.aws_ports import SecretRequest, SecretsError

_PARAMETERS_PER_CALL = 10
_MOST_CALLS_AT_ONCE = 8
_NOT_FOUND = AwsCallError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
_FARGATE = "unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve"
_RETRIED = "service call has been retried 1 time(s)"

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why one secret could not be had, in the EC2 agent's words and in Fargate's, and what to do about it."""

    ec2: str
    fargate: str
    hint: str = ""


_Outcome = Sensitive | _Failure
_Outcomes = dict[SecretReference | ParameterReference, _Outcome]


class SecretResolver:
    """Fetches what ``secrets`` of a task definition refers to, each once however many variables it fills."""

    def __init__(self, api: JsonApi, ensure_region: Callable[[str], None]) -> None:
        self._api = api
        self._ensure_region = ensure_region

    def resolve(
        self, requests: Sequence[SecretRequest], region: str, *, fargate: bool
    ) -> Mapping[tuple[str, str], Sensitive]:
        """Return every value by (container, variable); raises :class:`SecretsError`."""
        wanted = [(request, parse_value_from(request.value_from, region)) for request in requests]
        self._ensure_regions(
            dict.fromkeys(ref.region for _, ref in wanted if not isinstance(ref, BadReference))
        )
        secrets = {ref: None for _, ref in wanted if isinstance(ref, SecretReference)}
        parameters = {ref: None for _, ref in wanted if isinstance(ref, ParameterReference)}
        outcomes: _Outcomes = dict(
            [*self._fetch_secrets(secrets).items(), *self._fetch_parameters(parameters).items()]
        )
        found = [(request, ref, _outcome(request, ref, outcomes)) for request, ref in wanted]
        failed = [(request, failure) for request, _, failure in found if isinstance(failure, _Failure)]
        if failed:
            raise _make_error(failed, fargate=fargate)
        return {
            (request.container, request.name): value
            for request, _, value in found
            if isinstance(value, Sensitive)
        }

    def read_secret(self, reference: SecretReference) -> Sensitive:
        """Return the whole text of a secret; ``""`` for a binary one. Raises :class:`AwsCallError`."""
        self._ensure_regions([reference.region])
        listing = self._list_secrets(reference.region)
        if isinstance(listing, AwsCallError):
            raise listing
        arn = self._find_secret(reference, listing)
        if arn is None:
            raise _NOT_FOUND
        call = "secretsmanager:secretsmanager.GetSecretValue"
        return Sensitive(self._api.call(call, reference.region, {"SecretId": arn}).get("SecretString") or "")

    def _ensure_regions(self, regions: Iterable[str]) -> None:
        """See to it that what markers created is there.

        A region that AWS has not is reported by the call that needs it.
        """
        try:
            for region in regions:
                if self._api.has_region(region):
                    self._ensure_region(region)
        except AwsCallError as error:
            raise SecretsError(str(error)) from error

    def _fetch_secrets(self, references: Iterable[SecretReference]) -> dict[SecretReference, _Outcome]:
        """List the secrets of each region, then get each version that is wanted, at the same time."""
        references = list(references)
        regions = list(dict.fromkeys(reference.region for reference in references))
        listings = dict(zip(regions, _at_once(self._list_secrets, regions), strict=True))
        keys: dict[SecretReference, list[str]] = {}
        for reference in references:
            keys.setdefault(_without_key(reference), []).append(reference.json_key)
        texts = _at_once(lambda one: self._get_secret(one, keys[one], listings[one.region]), list(keys))
        by_version = dict(zip(keys, texts, strict=True))
        return {
            reference: _select_field(reference, by_version[_without_key(reference)])
            for reference in references
        }

    def _list_secrets(self, region: str) -> dict[str, str] | AwsCallError:
        """Return ARNs by name.

        Secrets marked for deletion are among them: AWS has its own error for those.
        """
        call = "secretsmanager:secretsmanager.ListSecrets"
        try:
            pages = self._api.pages(call, region, {"IncludePlannedDeletion": True, "MaxResults": 100})
            return {secret["Name"]: secret["ARN"] for page in pages for secret in page["SecretList"]}
        except AwsCallError as error:
            return error

    def _get_secret(
        self, reference: SecretReference, keys: Sequence[str], listing: dict[str, str] | AwsCallError
    ) -> _Outcome:
        if isinstance(listing, AwsCallError):
            return _describe_call_error(reference, listing)
        arn = self._find_secret(reference, listing)
        if arn is None:
            return _describe_missing_secret(reference, keys, tuple(listing))
        parameters = {"SecretId": arn}
        if reference.version_stage:
            parameters["VersionStage"] = reference.version_stage
        if reference.version_id:
            parameters["VersionId"] = reference.version_id
        try:
            answer = self._api.call(
                "secretsmanager:secretsmanager.GetSecretValue", reference.region, parameters
            )
        except AwsCallError as error:
            return _describe_call_error(reference, error)
        return Sensitive(answer.get("SecretString") or "")  # a binary secret is an empty variable on ECS too

    def _find_secret(self, reference: SecretReference, listing: Mapping[str, str]) -> str | None:
        """Find by ARN, as if its account were the test's; else by name, with and without the suffix."""
        arn = parse_arn(reference.arn)
        for candidate in listing.values():
            other = parse_arn(candidate)
            if arn is not None and other is not None and other.resource == arn.resource:
                return candidate
        return next((listing[name] for name in reference.names if name in listing), None)

    def _fetch_parameters(
        self, references: Iterable[ParameterReference]
    ) -> dict[ParameterReference, _Outcome]:
        by_region: dict[str, list[ParameterReference]] = {}
        for reference in references:
            by_region.setdefault(reference.region, []).append(reference)
        batches = [
            (region, names[start : start + _PARAMETERS_PER_CALL])
            for region, group in by_region.items()
            for names in [list(dict.fromkeys(name for reference in group for name in reference.names))]
            for start in range(0, len(names), _PARAMETERS_PER_CALL)
        ]
        answers = _at_once(lambda batch: self._get_parameters(*batch), batches)
        values: dict[tuple[str, str], Sensitive] = {}
        errors: dict[str, AwsCallError] = {}
        for (region, _), answer in zip(batches, answers, strict=True):
            if isinstance(answer, AwsCallError):
                errors[region] = answer
            else:
                values.update({(region, name): value for name, value in answer.items()})
        missing = [
            ref for group in by_region.values() for ref in group if _find_parameter(ref, values) is None
        ]
        listings = {
            region: self._list_parameters(region)
            for region in {ref.region for ref in missing} - errors.keys()
        }
        return {
            reference: _find_parameter(reference, values)
            or _describe_missing_parameters(reference, missing, errors.get(region), listings.get(region, ()))
            for region, group in by_region.items()
            for reference in group
        }

    def _get_parameters(self, region: str, names: Sequence[str]) -> dict[str, Sensitive] | AwsCallError:
        try:
            answer = self._api.call(
                "ssm:AmazonSSM.GetParameters", region, {"Names": names, "WithDecryption": True}
            )
        except AwsCallError as error:
            return error
        return {parameter["Name"]: Sensitive(parameter["Value"]) for parameter in answer["Parameters"]}

    def _list_parameters(self, region: str) -> tuple[str, ...]:
        """Name the parameters of a region, for a hint; AWS's own public ones are left out."""
        own = [{"Key": "Type", "Option": "Equals", "Values": ["String", "SecureString", "StringList"]}]
        try:
            pages = self._api.pages("ssm:AmazonSSM.DescribeParameters", region, {"ParameterFilters": own})
            names = [parameter["Name"] for page in pages for parameter in page["Parameters"]]
        except AwsCallError:
            return ()
        return tuple(name for name in names if not name.startswith("/aws/"))


def _outcome(
    request: SecretRequest,
    reference: SecretReference | ParameterReference | BadReference,
    outcomes: _Outcomes,
) -> _Outcome:
    if not isinstance(reference, BadReference):
        return outcomes[reference]
    if reference.is_parameter:
        text = f"The Systems Manager parameter name specified for secret {request.name} {reference.message}"
        return _Failure(
            text, text, "ECS refuses a version or label after the name, and so does this; use a name without."
        )
    return _Failure(reference.message, f"{_FARGATE} secret from asm: {reference.message}", _ARN_FORMS)


_ARN_FORMS = (
    "An ARN has no selectors, or all three colons: …:secret:NAME-abcdef:json-key:version-stage:version-id"
)


def _make_error(failed: Sequence[tuple[SecretRequest, _Failure]], *, fargate: bool) -> SecretsError:
    """Word it as ECS does: Fargate reports the first failure, the EC2 agent all, first letter upper-cased."""
    failures = list(dict.fromkeys(failure for _, failure in failed))
    if fargate:
        message = failures[0].fargate
    else:
        message = ";".join(dict.fromkeys(failure.ec2 for failure in failures))
        message = " ".join(message.split())
        message = message[:1].upper() + message[1:]
    hints = [
        f'container "{request.container}", secret "{request.name}" <- {request.value_from}\n'
        f"{failure.hint}".rstrip()
        for request, failure in failed
    ]
    return SecretsError(message, hint="\n".join(hints))


def _select_field(reference: SecretReference, text: _Outcome) -> _Outcome:
    if isinstance(text, _Failure) or not reference.json_key:
        return text
    value = render_field(text, reference.json_key)
    if not isinstance(value, FieldProblem):
        return value
    hint = (
        f"The secret has the keys: {', '.join(value.keys[:20])}"
        if value.keys
        else "The secret is no JSON object."
    )
    return _Failure(value.message, f"{_FARGATE} secret from asm: {_RETRIED}: {value.message}", hint)


def _describe_call_error(reference: SecretReference, error: AwsCallError, hint: str = "") -> _Failure:
    """Word an AWS error as the agent does.

    Source: amazon-ecs-agent, agent/asm/asm.go, augmentErrMsg.
    """
    told = f"secret {reference.arn}"
    if error.code == _NOT_FOUND.code:
        told = (
            f"{error.code}: The task can't retrieve the secret with ARN '{reference.arn}' "
            "from AWS Secrets Manager. Check whether the secret exists in the specified Region"
        )
    text = f"failed to fetch secret {reference.arn} from secrets manager: {error}"
    return _Failure(f"{told}: {error}", f"{_FARGATE} secret from asm: {_RETRIED}: {text}", hint)


def _describe_missing_secret(
    reference: SecretReference, keys: Sequence[str], present: Sequence[str]
) -> _Failure:
    name = reference.names[-1]
    fields = ", ".join(f'"{key}": "…"' for key in keys if key)
    value = f"{{{fields}}}" if fields else '"…"'
    hint = (
        f"In this test's AWS there is no such secret in {reference.region}. "
        f'Add  @pytest.mark.ecs_secret("{name}", {value}){_tell_similar(name, present)}'
    )
    return _describe_call_error(reference, _NOT_FOUND, hint)


def _describe_missing_parameters(
    reference: ParameterReference,
    missing: Sequence[ParameterReference],
    error: AwsCallError | None,
    present: Sequence[str],
) -> _Failure:
    """Word it as the agent does: for all that is missing in the region, the same text for each of them."""
    start = f"fetching secret data from SSM Parameter Store in {reference.region}:"
    if error is not None:
        return _Failure(f"{start} {error}", f"{_FARGATE} secrets from ssm: {_RETRIED}: {error}")
    names = ",".join(other.value_from for other in missing if other.region == reference.region)
    name = reference.names[0]
    hint = (
        f"In this test's AWS there is no such parameter in {reference.region}. "
        f'Add  @pytest.mark.ecs_parameter("{name}", "…"){_tell_similar(name, present)}'
    )
    return _Failure(
        f"{start} invalid parameters: {names}",
        f"{_FARGATE} secrets from ssm: {_RETRIED}: invalid ssm parameters: {names}",
        hint,
    )


def _tell_similar(name: str, present: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, present, n=3) or sorted(present)[:5]
    return f"\npresent here: {', '.join(near)}" if near else ""


def _find_parameter(
    reference: ParameterReference, values: Mapping[tuple[str, str], Sensitive]
) -> Sensitive | None:
    return next(
        (values[reference.region, name] for name in reference.names if (reference.region, name) in values),
        None,
    )


def _without_key(reference: SecretReference) -> SecretReference:
    return SecretReference(
        reference.arn,
        reference.region,
        reference.secret_id,
        version_stage=reference.version_stage,
        version_id=reference.version_id,
    )


def _at_once(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    if len(items) < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(
        min(len(items), _MOST_CALLS_AT_ONCE), thread_name_prefix="ecs-tasks/secrets"
    ) as pool:
        return list(pool.map(function, items))

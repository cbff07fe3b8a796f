"""What the markers ``ecs_secret``, ``ecs_parameter`` and ``ecs_log_group`` create in the test's AWS."""

from __future__ import annotations

import base64
import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.json_api import JsonApi
from pytest_ecs_tasks.aws.references import parse_arn, without_random_suffix
from pytest_ecs_tasks.errors import EcsTaskError


@dataclass(frozen=True, slots=True)
class _Provision:
    """One thing to create. ``update`` is the call for one that exists already; ``None``: leave it."""

    name: str
    create: str
    exists: str
    parameters: Mapping[str, Any] = field(repr=False)
    update: str | None = None
    update_parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Provisions:
    """Creates secrets, parameters and log groups.

    One that is named without a region (by name, not by ARN) exists in every region that the task turns out to
    use: a deployed definition has its own region, and a marker that says ``ecs_secret("prod/db", …)`` means
    that one.
    """

    def __init__(self, api: JsonApi, region: str) -> None:
        self._api = api
        self._region = region
        self._lock = threading.Lock()
        self._anywhere: dict[tuple[str, str], _Provision] = {}
        self._regions = {region}

    def create_secret(self, name_or_arn: str, value: object, region: str | None = None) -> None:
        """Create a secret, or give it a new current version."""
        name, arn_region = _split(name_or_arn, "secretsmanager", "secret:")
        if arn_region is not None:
            name = without_random_suffix(name.split(":")[0])
        content = _encode_secret(value)
        # The token is what boto3 would add; without it a new version is not made.
        token = str(uuid.uuid4())
        self._provide(
            _Provision(
                name,
                "secretsmanager:secretsmanager.CreateSecret",
                "ResourceExistsException",
                {"Name": name, "ClientRequestToken": token, **content},
                "secretsmanager:secretsmanager.PutSecretValue",
                {"SecretId": name, "ClientRequestToken": str(uuid.uuid4()), **content},
            ),
            region or arn_region,
        )

    def create_parameter(
        self, name_or_arn: str, value: object, *, secure: bool = True, region: str | None = None
    ) -> None:
        """Create or overwrite a parameter: a SecureString, or a String when not ``secure``."""
        name, arn_region = _split(name_or_arn, "ssm", "parameter/")
        if arn_region is not None and "/" in name:
            name = f"/{name}"
        parameters = {
            "Name": name,
            "Value": _encode_text(value),
            "Type": "SecureString" if secure else "String",
        }
        self._provide(
            _Provision(
                name,
                "ssm:AmazonSSM.PutParameter",
                "ParameterAlreadyExists",
                parameters,
                "ssm:AmazonSSM.PutParameter",
                {**parameters, "Overwrite": True},
            ),
            region or arn_region,
        )

    def create_log_group(self, name_or_arn: str, region: str | None = None) -> None:
        """Create a log group; one that exists is left as it is."""
        name, arn_region = _split(name_or_arn, "logs", "log-group:")
        name = name.removesuffix(":*")
        provision = _Provision(
            name,
            "logs:Logs_20140328.CreateLogGroup",
            "ResourceAlreadyExistsException",
            {"logGroupName": name},
        )
        self._provide(provision, region or arn_region)

    def ensure(self, region: str) -> None:
        """Create, in a region not used so far, what was named without one.

        What exists there is left as it is. Raises :class:`AwsCallError`.
        """
        with self._lock:
            if region in self._regions:
                return
            for provision in self._anywhere.values():
                self._create(provision, region, update=False)
            self._regions.add(region)

    def _provide(self, provision: _Provision, region: str | None) -> None:
        with self._lock:
            if region is None:
                self._anywhere[provision.create, provision.name] = provision
            for place in self._regions if region is None else {region}:
                try:
                    self._create(provision, place, update=True)
                except AwsCallError as error:
                    what = provision.create.rpartition(".")[2]
                    raise EcsTaskError(
                        f"{what} of {provision.name!r} in {place} was refused: {error}"
                    ) from error

    def _create(self, provision: _Provision, region: str, *, update: bool) -> None:
        """Create in one region. The lock is held across it, so that nobody reads what is half made."""
        try:
            self._api.call(provision.create, region, provision.parameters)
        except AwsCallError as error:
            if error.code != provision.exists:
                raise
            if update and provision.update is not None:
                self._api.call(provision.update, region, provision.update_parameters)


def _split(name_or_arn: str, service: str, prefix: str) -> tuple[str, str | None]:
    """Split into the name, and the region if an ARN told it."""
    arn = parse_arn(name_or_arn)
    if arn is None:
        return name_or_arn, None
    if arn.service != service or not arn.resource.startswith(prefix):
        raise EcsTaskError(
            f"{name_or_arn!r} is not an ARN of {service}: its resource does not begin with {prefix!r}"
        )
    return arn.resource.removeprefix(prefix), arn.region or None


def _encode_secret(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"SecretBinary": base64.b64encode(value).decode()}
    return {"SecretString": _encode_text(value)}


def _encode_text(value: object) -> str:
    if isinstance(value, str):
        # Not str(value): a Sensitive would give its stars.
        return str.__getitem__(value, slice(None))
    if isinstance(value, Mapping):
        return json.dumps(dict(value))
    raise EcsTaskError(
        "the value has to be a str, a dict (stored as JSON) or, for a secret, bytes; "
        f"not {type(value).__name__}"
    )

"""Sessions with roles: STS's AssumeRole in its query protocol, called by the engine for itself.

Not boto3, for the reasons given in :mod:`pytest_ecs_tasks.aws.calls`; its debug log would hold the keys.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from xml.etree import ElementTree

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.query_api import call_query, text_of
from pytest_ecs_tasks.core.spec import Sensitive
from pytest_ecs_tasks.engine.aws_ports import CredentialsError, RoleCredentials

DURATION_S = 3600  # the longest that a role allows unless it says otherwise
_API_VERSION = "2011-06-15"


def assume_role(
    endpoint_url: Callable[[], str], role_arn: str, *, session_name: str, region: str
) -> RoleCredentials:
    """Begin a session of an hour. Raises :class:`CredentialsError`."""
    form = {
        "Action": "AssumeRole",
        "Version": _API_VERSION,
        "RoleArn": role_arn,
        "RoleSessionName": session_name,
        "DurationSeconds": str(DURATION_S),
    }
    failure = f"sts:AssumeRole of {role_arn}"
    try:
        status, body = call_query(endpoint_url, "sts", region, form)
        document = ElementTree.fromstring(body)
    except (AwsCallError, ElementTree.ParseError) as error:
        raise CredentialsError(f"{failure}: {error}") from error
    if status != HTTPStatus.OK:
        reason = f"{text_of(document, 'Code')}: {text_of(document, 'Message')}"
        raise CredentialsError(f"{failure}: {reason} (HTTP {status})")
    try:
        expires_at = datetime.fromisoformat(text_of(document, "Expiration")).timestamp()
    except ValueError as error:
        raise CredentialsError(f"{failure}: the answer has no credentials: {error}") from error
    return RoleCredentials(
        role_arn=role_arn,
        access_key_id=text_of(document, "AccessKeyId"),
        secret_access_key=Sensitive(text_of(document, "SecretAccessKey")),
        session_token=Sensitive(text_of(document, "SessionToken")),
        expires_at=expires_at,
    )

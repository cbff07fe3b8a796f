"""Sessions with roles: STS's AssumeRole in its query protocol, called by the engine for itself.

Not boto3, for the reasons given in :mod:`pytest_ecs_tasks.aws.calls`; its debug log would hold the keys.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from urllib.parse import urlencode
from xml.etree import ElementTree

from pytest_ecs_tasks.aws.calls import AwsCallError, authorization, call_patiently
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
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Authorization": authorization("sts", region),
    }
    failure = f"sts:AssumeRole of {role_arn}"
    try:
        response, text = call_patiently("POST", endpoint_url, "/", headers, urlencode(form).encode())
        document = ElementTree.fromstring(text)
    except (AwsCallError, ElementTree.ParseError) as error:
        raise CredentialsError(f"{failure}: {error}") from error
    if response.status != HTTPStatus.OK:
        reason = f"{_text(document, 'Code')}: {_text(document, 'Message')}"
        raise CredentialsError(f"{failure}: {reason} (HTTP {response.status})")
    try:
        expires_at = datetime.fromisoformat(_text(document, "Expiration")).timestamp()
    except ValueError as error:
        raise CredentialsError(f"{failure}: the answer has no credentials: {error}") from error
    return RoleCredentials(
        role_arn=role_arn,
        access_key_id=_text(document, "AccessKeyId"),
        secret_access_key=Sensitive(_text(document, "SecretAccessKey")),
        session_token=Sensitive(_text(document, "SessionToken")),
        expires_at=expires_at,
    )


def _text(document: ElementTree.Element, name: str) -> str:
    element = document.find(f".//{{*}}{name}")
    return (element.text if element is not None else None) or ""

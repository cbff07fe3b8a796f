"""``repositoryCredentials``, in the agent's words and in Fargate's."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.aws.services import BotoServices
from pytest_ecs_tasks.core.spec import RegistryLogin, Sensitive
from pytest_ecs_tasks.engine.aws_ports import SecretsError

ARN = "arn:aws:secretsmanager:eu-west-1:999999999999:secret:hub-a1b2c3"


def login(services: BotoServices, parameter: str, *, fargate: bool = False) -> RegistryLogin:
    return services.resolve_logins([parameter], region="us-east-1", fargate=fargate)[parameter]


def test_a_login_is_found_by_arn_in_its_region_and_by_name_in_the_tasks(
    services: BotoServices, aws: Aws
) -> None:
    aws.create_secret("hub", {"username": "me", "password": "here"}, region="us-east-1")
    aws.create_secret("hub", {"Username": "me", "PASSWORD": "there"}, region="eu-west-1")

    assert login(services, "hub") == RegistryLogin("me", Sensitive("here"))
    assert login(services, ARN) == RegistryLogin("me", Sensitive("there"))
    assert "here" not in repr(login(services, "hub"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not JSON", "unable to unmarshal secret value, invalid schema"),
        ('["me", "secret"]', "unable to unmarshal secret value, invalid schema"),
        ('{"username": "me", "password": 5}', "unable to unmarshal secret value, invalid schema"),
        ('{"password": "secret"}', "asm fetching username: AuthorizationData is malformed, empty field"),
        ('{"username": "me"}', "asm fetching password: AuthorizationData is malformed, empty field"),
        (b"binary", "asm fetching authorization data: empty secrets value"),
    ],
)
def test_a_secret_that_is_no_login_is_refused_and_not_told(
    services: BotoServices, aws: Aws, text: str | bytes, words: str
) -> None:
    aws.create_secret("hub", text)

    with pytest.raises(SecretsError, match=words) as caught:
        login(services, "hub")

    assert '"username": "…"' in caught.value.hint
    assert "secret" not in str(caught.value).replace("secret value", "").replace("secrets value", "")


def test_a_secret_that_is_not_there_has_the_agents_words_or_fargates(services: BotoServices) -> None:
    words = f"asm fetching secret from the service for {ARN}: ResourceNotFoundException: "

    with pytest.raises(SecretsError) as agents:
        login(services, ARN)
    with pytest.raises(SecretsError) as fargates:
        login(services, ARN, fargate=True)

    assert str(agents.value).startswith(words)
    assert f"unable to get registry auth from asm: service call has been retried 1 time(s): {words}" in str(
        fargates.value
    )
    assert '@pytest.mark.ecs_secret("hub"' in agents.value.hint

"""The test's AWS as the engine uses it: the port ``AwsServices`` on an :class:`Aws`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_ecs_tasks.aws.handle import TEST_ACCESS_KEY_ID, TEST_SECRET_ACCESS_KEY, Aws
from pytest_ecs_tasks.aws.json_api import AwsCallError, JsonApi
from pytest_ecs_tasks.aws.log_sinks import LogWriter
from pytest_ecs_tasks.aws.provisions import Provisions
from pytest_ecs_tasks.aws.secret_resolver import SecretResolver
from pytest_ecs_tasks.core.spec import Sensitive
from pytest_ecs_tasks.engine.ports import LogSink, LogStreamError, SecretRequest

_LOGS = "logs:Logs_20140328"


class BotoServices:
    """Secrets, logs and events of one AWS.

    Costs nothing until it is used; every method may be called from any thread.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._api = JsonApi(lambda: aws.endpoint_url, lambda region: aws.models.find_region_problem(region))
        self._provisions = Provisions(self._api, aws.region)
        self._resolver = SecretResolver(self._api, self._provisions.ensure)
        self._writer = LogWriter(self._api)

    @property
    def endpoint_url(self) -> str:
        """Where it listens, for this machine: ``http://127.0.0.1:PORT``."""
        return self._aws.endpoint_url

    def resolve_secrets(
        self, requests: Sequence[SecretRequest], *, region: str, fargate: bool
    ) -> Mapping[tuple[str, str], Sensitive]:
        """Fetch every secret as the agent does; keys are (container, variable).

        Raises :class:`SecretsError`. On EC2 its message is the task's whole ``stoppedReason``; on Fargate the
        caller puts ``ResourceInitializationError: `` before it.
        """
        return self._resolver.resolve(requests, region, fargate=fargate)

    def open_log_sink(
        self, *, group: str, stream: str, region: str, create_group: bool, strict: bool
    ) -> tuple[LogSink, str | None]:
        """Make a log stream; a missing group is made too, and said so, unless ``strict``.

        Raises :class:`LogStreamError` with the AWS error's text, ``ResourceNotFoundException: …`` for a group
        that is not there.
        """
        try:
            if self._api.has_region(region):
                self._provisions.ensure(region)
            note = self._create_stream(group, stream, region, create_group=create_group, strict=strict)
        except AwsCallError as error:
            raise LogStreamError(str(error)) from error
        return self._writer.open(group, stream, region), note

    def _create_stream(
        self, group: str, stream: str, region: str, *, create_group: bool, strict: bool
    ) -> str | None:
        try:
            self._put_stream(group, stream, region)
            return None
        except AwsCallError as error:
            if error.code != "ResourceNotFoundException":
                raise
            if strict and not create_group:
                raise AwsCallError(error.code, "The specified log group does not exist.") from error
        try:
            self._api.call(f"{_LOGS}.CreateLogGroup", region, {"logGroupName": group})
        except AwsCallError as error:
            if error.code != "ResourceAlreadyExistsException":  # another container's stream made it meanwhile
                raise
        self._put_stream(group, stream, region)
        if create_group:
            return None
        return f"log group {group!r} does not exist in {region}: created (ecs_strict makes it an error)"

    def _put_stream(self, group: str, stream: str, region: str) -> None:
        try:
            self._api.call(
                f"{_LOGS}.CreateLogStream", region, {"logGroupName": group, "logStreamName": stream}
            )
        except AwsCallError as error:
            if error.code != "ResourceAlreadyExistsException":  # docker's driver takes a stream that exists
                raise

    def state_changed(self, event: Mapping[str, object]) -> None:
        """Take an ECS event in EventBridge's form; ``Aws.events`` returns it."""
        self._aws.record_event(event)

    def create_secret(self, name_or_arn: str, value: object, *, region: str | None = None) -> None:
        """Create a secret or give it a new version: a ``dict`` is stored as JSON, ``bytes`` as binary.

        Of an ARN, region and name count, not account and random suffix. One named without a region exists in
        every region that a task uses. Raises :class:`EcsTaskError`.
        """
        self._provisions.create_secret(name_or_arn, value, region)

    def create_parameter(
        self, name_or_arn: str, value: object, *, secure: bool = True, region: str | None = None
    ) -> None:
        """Create or overwrite an SSM parameter, a SecureString if ``secure``; regions as for a secret."""
        self._provisions.create_parameter(name_or_arn, value, secure=secure, region=region)

    def create_log_group(self, name_or_arn: str, *, region: str | None = None) -> None:
        """Create a log group; regions as for a secret."""
        self._provisions.create_log_group(name_or_arn, region)

    def role_credentials(self) -> dict[str, str]:
        """Return test keys: they stand in for a task role's until there is an endpoint for credentials."""
        return {"AWS_ACCESS_KEY_ID": TEST_ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": TEST_SECRET_ACCESS_KEY}

    def close(self) -> None:
        """Deliver the log lines that are left. Safe to call twice; the AWS itself goes on."""
        self._writer.close()

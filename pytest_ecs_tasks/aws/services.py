"""The test's AWS as the engine uses it: the port ``AwsServices`` on an :class:`Aws`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_ecs_tasks.aws.handle import TEST_ACCESS_KEY_ID, TEST_SECRET_ACCESS_KEY, Aws
from pytest_ecs_tasks.aws.json_api import AwsCallError
from pytest_ecs_tasks.aws.secret_resolver import SecretResolver
from pytest_ecs_tasks.core.spec import Sensitive
from pytest_ecs_tasks.engine.ports import LogSink, LogStreamError, SecretRequest

_LOGS = "logs:Logs_20140328"


class BotoServices:
    """Secrets, logs and events of one AWS.

    It keeps nothing itself, so that each task may have its own. Costs nothing until it is used; every method
    may be called from any thread.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._api = aws.api
        self._resolver = SecretResolver(aws.api, lambda region: aws.provisions.ensure(region))

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
                self._aws.provisions.ensure(region)
            note = self._create_stream(group, stream, region, create_group=create_group, strict=strict)
        except AwsCallError as error:
            raise LogStreamError(str(error)) from error
        return self._aws.log_writer.open(group, stream, region), note

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

    def role_credentials(self) -> dict[str, str]:
        """Return test keys: they stand in for a task role's until there is an endpoint for credentials."""
        return {"AWS_ACCESS_KEY_ID": TEST_ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": TEST_SECRET_ACCESS_KEY}

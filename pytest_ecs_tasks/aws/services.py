"""The test's AWS as the engine uses it: the port ``AwsServices`` on an :class:`Aws`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.environment_files import EnvironmentFileFetcher
from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.aws.registry_logins import fetch_login
from pytest_ecs_tasks.aws.role_sessions import assume_role
from pytest_ecs_tasks.aws.secret_resolver import SecretResolver
from pytest_ecs_tasks.core.s3 import find_object
from pytest_ecs_tasks.core.spec import RegistryLogin, Sensitive
from pytest_ecs_tasks.engine.aws_ports import (
    LogSink,
    LogStreamError,
    RoleCredentials,
    SecretRequest,
    SecretsError,
)

_LOGS = "logs:Logs_20140328"


class BotoServices:
    """Secrets, logs and events of one AWS.

    It keeps nothing itself, so that each task may have its own. Costs nothing until it is used; every method
    may be called from any thread.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._api = aws.api
        self._environment_files = EnvironmentFileFetcher(lambda: aws.endpoint_url, aws.region)
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

    def resolve_logins(
        self, parameters: Sequence[str], *, region: str, fargate: bool
    ) -> Mapping[str, RegistryLogin]:
        """Fetch the credentials of registries by ``credentialsParameter``, as the agent does. Raises :class:`SecretsError`."""
        return {each: fetch_login(self._resolver, each, region, fargate=fargate) for each in parameters}

    def fetch_environment_files(self, arns: Sequence[str], *, fargate: bool) -> Mapping[str, bytes]:
        """Fetch S3 objects by their ARNs, each once.

        Raises :class:`~pytest_ecs_tasks.engine.aws_ports.EnvironmentFileError` with the text of the agent or of Fargate, but for
        Fargate's ``ResourceInitializationError: ``, which the caller puts before it.
        """
        return self._environment_files.fetch(arns, fargate=fargate)

    def fetch_router_file(self, arn: str) -> bytes:
        """Fetch the S3 object that a log router's configuration includes.

        Raises :class:`SecretsError` in the EC2 agent's words; Fargate takes no such file.
        """
        place = find_object(arn)
        if place is None:
            raise SecretsError(f"unable to download firelens s3 config file: invalid s3 arn: {arn}")
        try:
            return self._environment_files.get_object(place)
        except AwsCallError as error:
            raise SecretsError(
                "unable to download firelens s3 config file: "
                f"unable to download s3 config {place.key} from bucket {place.bucket}: {error}",
                hint=f"config-file-value {arn}: put the object into the test's S3 before the task starts",
            ) from error

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
            raise LogStreamError(str(error), hint=_missing_group_hint(group, region, error)) from error
        return self._aws.log_writer.open(group, stream, region, self._remaker(group, stream, region)), note

    def _remaker(self, group: str, stream: str, region: str) -> Callable[[], object] | None:
        """Return what makes a stream anew that a ``mock_aws`` of the user's has swept away; ``None`` where none can."""
        if not self._aws.is_shared:
            return None
        return partial(self._create_stream, group, stream, region, create_group=True, strict=False)

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

    def assume_role(self, role_arn: str, *, session_name: str, region: str) -> RoleCredentials:
        """Begin a session with a role; it need not exist. Raises :class:`CredentialsError`."""
        return assume_role(lambda: self.endpoint_url, role_arn, session_name=session_name, region=region)


def _missing_group_hint(group: str, region: str, error: AwsCallError) -> str:
    if error.code != "ResourceNotFoundException":
        return f"log group {group!r} in {region}"
    return (
        f"log group {group!r} does not exist in {region}, and ecs_strict makes none: "
        f'@pytest.mark.ecs_log_group("{group}") makes it for a test'
    )

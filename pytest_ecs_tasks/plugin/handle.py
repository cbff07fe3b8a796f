"""``ecs_aws``: one object for the whole session that always means the AWS of whoever uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_ecs_tasks.plugin.run import EcsRun

if TYPE_CHECKING:
    from pytest_ecs_tasks.aws.handle import Aws
    from pytest_ecs_tasks.aws.sessions import AwsSession


class EcsAws:
    """The AWS of the test that runs, or of the fixture that is being set up; see :mod:`pytest_ecs_tasks.plugin.run`."""

    def __init__(self, run: EcsRun) -> None:
        self._run = run

    @property
    def current(self) -> Aws:
        """The AWS that is meant now; hold on to it to mean the same one later."""
        return self._run.aws()

    @property
    def endpoint_url(self) -> str:
        """Where it listens, for this machine."""
        return self.current.endpoint_url

    @property
    def region(self) -> str:
        """The region of its clients."""
        return self.current.region

    @property
    def account_id(self) -> str:
        """The account, 12 digits."""
        return self.current.account_id

    @property
    def session(self) -> AwsSession:
        """A ``boto3.Session`` whose clients and resources talk to it."""
        return self.current.session

    @property
    def env(self) -> dict[str, str]:
        """The ``AWS_*`` variables that point an SDK here."""
        return self.current.env

    def client(self, name: str, **kwargs: Any) -> Any:
        """Make a boto3 client; keywords (``region_name`` …) are ``boto3.client``'s."""
        return self.current.client(name, **kwargs)

    def resource(self, name: str, **kwargs: Any) -> Any:
        """Make a boto3 resource; keywords are ``boto3.resource``'s."""
        return self.current.resource(name, **kwargs)

    def events(self, detail_type: str | None = None) -> list[dict[str, Any]]:
        """Return the ECS events so far, in order, as EventBridge delivers them; of one ``detail-type`` if given."""
        return self.current.events(detail_type)

    def reset(self) -> None:
        """Empty it and forget its events."""
        self.current.reset()

    def create_secret(self, name_or_arn: str, value: str | bytes | Mapping[str, object]) -> None:
        """Create a Secrets Manager secret, or give it a new value; a dict is stored as JSON."""
        self.current.create_secret(name_or_arn, value)

    def create_parameter(
        self, name_or_arn: str, value: str | Mapping[str, object], *, secure: bool = True
    ) -> None:
        """Create a Parameter Store parameter, or give it a new value; a dict is stored as JSON."""
        self.current.create_parameter(name_or_arn, value, secure=secure)

    def create_log_group(self, name: str) -> None:
        """Create a CloudWatch log group; one that is there already is no error."""
        self.current.create_log_group(name)

    def __repr__(self) -> str:
        return "<ecs_aws: the AWS of the running test>"

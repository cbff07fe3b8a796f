"""``Aws``: what the fixture ``ecs_aws`` gives to a test."""

from __future__ import annotations

import copy
import http.client
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from pytest_ecs_tasks.aws.calls import send
from pytest_ecs_tasks.aws.event_delivery import EventDelivery
from pytest_ecs_tasks.aws.event_targets import EventTargets
from pytest_ecs_tasks.aws.json_api import JsonApi
from pytest_ecs_tasks.aws.log_sinks import LogWriter
from pytest_ecs_tasks.aws.provisions import Provisions
from pytest_ecs_tasks.errors import EcsTaskError

if TYPE_CHECKING:
    from pytest_ecs_tasks.aws.front import Front
    from pytest_ecs_tasks.aws.moto_server import MotoChild, MotoParent
    from pytest_ecs_tasks.aws.sessions import AwsSession, ServiceModels
    from pytest_ecs_tasks.aws.shared_moto import SharedMoto, SharedMotoUse
    from pytest_ecs_tasks.core.api.project import Project
    from pytest_ecs_tasks.task import EcsTask

DEFAULT_REGION = "us-east-1"
DEFAULT_ACCOUNT_ID = "123456789012"
# moto takes any keys; these are the ones of its own documentation.
TEST_ACCESS_KEY_ID = "testing"
TEST_SECRET_ACCESS_KEY = "testing"


class EcsSide(Protocol):
    """The ECS of one AWS, which moto does not play."""

    @property
    def url(self) -> str:
        """Where it is served, on loopback; it listens from now on."""
        ...

    def configure(self, project: Project, watch: Callable[[EcsTask], None]) -> None:
        """Have its tasks run as the project has them, and each told to ``watch`` when it is started."""
        ...

    def reset(self) -> None:
        """End its tasks and forget everything."""
        ...

    def let_go(self) -> Sequence[EcsTask]:
        """Return the tasks that it has started; they no longer end with it."""
        ...

    def close(self) -> None:
        """End its tasks; returns when nothing of them is left. Safe to call twice."""
        ...


class RegistrySide(Protocol):
    """The registry of one AWS, which moto does not have."""

    def close(self) -> None:
        """End it; returns when nothing of it is left. Safe to call twice."""
        ...


class AwsFactory:
    """Makes AWSs for one run: each a moto child of its own, or all the endpoint of ``--ecs-aws=URL``.

    ``in_process``: all of them are the backends of moto in this process, which a ``mock_aws`` of the user's has too.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        in_process: bool = False,
        region: str = DEFAULT_REGION,
        account_id: str = DEFAULT_ACCOUNT_ID,
    ) -> None:
        self._url = url
        self.in_process = in_process
        self._region = region
        self._account_id = account_id
        self._lock = threading.Lock()
        self._moto: MotoParent | SharedMoto | None = None
        self._models: ServiceModels | None = None

    def start(self) -> None:
        """Start moto in the background and return at once."""
        if self._url is None:
            self.moto().start()

    def warm(self) -> None:
        """Load what the first use needs, boto3 among it; 0.15 s of work for a thread of the caller's.

        Raises :class:`EcsTaskError` when AWS has no such region.
        """
        self.models().check_region(self._region)

    def new(
        self,
        *,
        region: str | None = None,
        account_id: str | None = None,
        make_ecs: Callable[[Aws], EcsSide] | None = None,
    ) -> Aws:
        """Make an AWS, of another region or account if given; it costs nothing until it is used.

        ``make_ecs`` makes what answers its requests for ECS; without one moto does.
        """
        return Aws(self, region or self._region, account_id or self._account_id, make_ecs)

    def close(self) -> None:
        """End moto and every AWS made here."""
        with self._lock:
            moto, self._moto = self._moto, None
        if moto is not None:
            moto.close()

    @property
    def url(self) -> str | None:
        """The endpoint given by the user, if one was."""
        return self._url

    def is_filled_by_others(self) -> bool:
        """Tell whether things may be in an AWS that has not been used itself: the user's own moto, or a ``mock_aws``."""
        if not self.in_process:
            return self._url is not None
        from pytest_ecs_tasks.aws.shared_moto import SharedMoto, is_mock_aws_active

        moto = self._moto
        return is_mock_aws_active() or (isinstance(moto, SharedMoto) and moto.is_in_use())

    def open(self, account_id: str, ecs_url: str | None) -> MotoChild | SharedMotoUse | Front:
        """Return what listens for one AWS, and has requests for ECS answered by ``ecs_url``."""
        from pytest_ecs_tasks.aws.front import Front

        if self._url is not None and ecs_url is not None:
            return Front(self._url, ecs_url)
        return self.moto().spawn(account_id, ecs_url)

    def moto(self) -> MotoParent | SharedMoto:
        """Return what AWSs come from: the process that forks them, or moto in this one. Not started by this call."""
        from pytest_ecs_tasks.aws.moto_server import MotoParent
        from pytest_ecs_tasks.aws.shared_moto import SharedMoto

        with self._lock:
            if self._moto is None:
                self._moto = SharedMoto() if self.in_process else MotoParent()
            return self._moto

    def models(self) -> ServiceModels:
        """Return the service descriptions that sessions share. Imports boto3, which takes 0.1 s."""
        from pytest_ecs_tasks.aws.sessions import ServiceModels

        with self._lock:
            if self._models is None:
                self._models = ServiceModels()
            return self._models


class Aws:
    """One AWS of its own, empty when it is first used; shared by every fixture and test of its scope.

    It is spawned by the first use of its endpoint. Clients talk to it and to nothing else: the environment,
    the profile, a proxy or a ``mock_aws`` of the test process don't matter to them (unless the factory's
    ``in_process`` shares the backends of that ``mock_aws``). Every method may be called from any thread.
    """

    def __init__(
        self,
        factory: AwsFactory,
        region: str,
        account_id: str,
        make_ecs: Callable[[Aws], EcsSide] | None = None,
    ) -> None:
        self._factory = factory
        self._region = region
        self._account_id = account_id
        self._lock = threading.RLock()
        self._child: MotoChild | SharedMotoUse | Front | None = None
        self._session: AwsSession | None = None
        self._events: list[dict[str, Any]] = []
        # A lock of its own: an event must not wait for an AWS that another thread is starting.
        self._events_lock = threading.Lock()
        self._is_closed = False
        # What the engine's side of it (BotoServices, made anew for each task) shares.
        self.api = JsonApi(lambda: self.endpoint_url, lambda region: self.models.find_region_problem(region))
        self.log_writer = LogWriter(self.api)
        self.provisions = Provisions(self.api, region)
        self._event_delivery = self._make_event_delivery()
        self.ecs = make_ecs(self) if make_ecs is not None else None
        self.registry: RegistrySide | None = None

    @property
    def endpoint_url(self) -> str:
        """Where it listens, for this machine: ``http://127.0.0.1:PORT``."""
        if self._factory.url is not None and self.ecs is None:
            return self._factory.url
        with self._lock:
            if self._is_closed:
                raise EcsTaskError("this AWS is gone: the fixture or test that it belonged to has ended")
            if self._child is None:
                self._child = self._factory.open(self.account_id, self.ecs.url if self.ecs else None)
            return self._child.endpoint_url

    @property
    def region(self) -> str:
        """The region of its clients, unless they are asked for another."""
        return self._region

    @property
    def account_id(self) -> str:
        """The account, 12 digits."""
        return self._account_id

    @property
    def session(self) -> AwsSession:
        """A ``boto3.Session`` whose clients and resources talk to this AWS."""
        with self._lock:
            if self._session is None:
                from pytest_ecs_tasks.aws.sessions import AwsSession

                self._session = AwsSession(self.endpoint_url, self.region, self._factory.models())
            return self._session

    def client(self, name: str, **kwargs: Any) -> Any:
        """Make a boto3 client of this AWS; keywords (``region_name``, ``config`` …) are ``boto3.client``'s.

        Raises :class:`EcsTaskError` for a region that AWS has not.
        """
        return self.session.client(name, **kwargs)

    def resource(self, name: str, **kwargs: Any) -> Any:
        """Make a boto3 resource of this AWS; keywords are ``boto3.resource``'s."""
        return self.session.resource(name, **kwargs)

    @property
    def env(self) -> dict[str, str]:
        """The ``AWS_*`` variables that point an SDK or the AWS CLI in this process's place here.

        They win over files of the user's; :meth:`find_conflicts` names the variables that must go as well.
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": TEST_ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": TEST_SECRET_ACCESS_KEY,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def find_conflicts(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Name the variables that would turn an SDK away from here: ``AWS_PROFILE`` and the like."""
        ours = self.env
        return tuple(name for name in environ if name.startswith("AWS_") and name not in ours)

    def create_secret(self, name_or_arn: str, value: object, *, region: str | None = None) -> None:
        """Create a secret or give it a new version: a ``dict`` is stored as JSON, ``bytes`` as binary.

        Of an ARN, region and name count, not account and random suffix. One named without a region exists in
        every region that a task uses. Raises :class:`EcsTaskError`.
        """
        self.provisions.create_secret(name_or_arn, value, region)

    def create_parameter(
        self, name_or_arn: str, value: object, *, secure: bool = True, region: str | None = None
    ) -> None:
        """Create or overwrite an SSM parameter, a SecureString if ``secure``; regions as for a secret."""
        self.provisions.create_parameter(name_or_arn, value, secure=secure, region=region)

    def create_log_group(self, name_or_arn: str, *, region: str | None = None) -> None:
        """Create a log group; regions as for a secret."""
        self.provisions.create_log_group(name_or_arn, region)

    def events(self, detail_type: str | None = None) -> list[dict[str, Any]]:
        """Return the ECS events so far (of one ``detail-type``) in order, as EventBridge delivers them."""
        with self._events_lock:
            return [
                copy.deepcopy(event)
                for event in self._events
                if detail_type is None or event.get("detail-type") == detail_type
            ]

    def record_event(self, event: Mapping[str, object]) -> None:
        """Take an ECS event in EventBridge's form; the targets of rules get it from another thread."""
        kept = copy.deepcopy(dict(event))
        with self._events_lock:
            self._events.append(kept)
            self._event_delivery.take(
                kept
            )  # within the lock, so that it is delivered in the order of events()

    def reset(self) -> None:
        """Empty it, ECS with its tasks too, and forget its events and what markers created; other tasks go on without it.

        In-process, this empties the user's ``mock_aws`` too.
        """
        self._event_delivery.forget()
        url = f"{self.endpoint_url}/moto-api/reset"
        try:
            status = send("POST", url, {}, b"")[0].status
        except (OSError, http.client.HTTPException) as error:
            raise EcsTaskError(self._reset_problem(str(error))) from error
        if status != HTTPStatus.OK:
            raise EcsTaskError(self._reset_problem(f"HTTP {status}"))
        if self.ecs is not None:
            self.ecs.reset()
        with self._events_lock:
            self._events.clear()
        self.provisions = Provisions(self.api, self.region)

    def _reset_problem(self, reason: str) -> str:
        return (
            f"{self.endpoint_url} could not be reset: {reason}. "
            "Only moto can be; an AWS given with --ecs-aws=URL must be moto too"
        )

    @property
    def is_shared(self) -> bool:
        """Whether a ``mock_aws`` of the user's has the same backends, and empties them when it begins and ends."""
        return self._factory.in_process

    @property
    def models(self) -> ServiceModels:
        """The service descriptions and regions that its sessions use."""
        return self._factory.models()

    def close(self) -> None:
        """End the tasks of its ECS, deliver the log lines and events that are left, then end it. Safe to call twice."""
        try:
            if self.ecs is not None:
                self.ecs.close()
        finally:
            try:
                if self.registry is not None:
                    self.registry.close()
            finally:
                self._end()

    def _end(self) -> None:
        try:
            self.log_writer.close()
            self._event_delivery.close()
        finally:
            with self._lock:
                self._is_closed = True
                child, self._child = self._child, None
            if child is not None:
                child.stop()

    def _make_event_delivery(self) -> EventDelivery:
        """Make what delivers events; it talks to the user's own moto directly where there is one."""

        def find_endpoint() -> str:
            return self._factory.url or self.endpoint_url

        def may_have_rules() -> bool:
            return self._child is not None or self._factory.is_filled_by_others()

        api = JsonApi(find_endpoint, lambda region: self.models.find_region_problem(region))
        is_lasting = self._factory.url is not None or self._factory.in_process
        return EventDelivery(api, EventTargets(api, find_endpoint), may_have_rules, is_lasting=is_lasting)

    def __repr__(self) -> str:
        where = self._factory.url or (self._child.endpoint_url if self._child is not None else "not started")
        return f"<Aws {where} {self.region} {self.account_id}>"

"""boto3 sessions that know nothing of the user's environment, profile, proxy or ``mock_aws``."""

from __future__ import annotations

import difflib
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool
from botocore.config import Config
from botocore.configprovider import (
    BOTOCORE_DEFAUT_SESSION_VARIABLES,
    ConfigChainFactory,
    ConfigValueStore,
)
from botocore.handlers import BUILTIN_HANDLERS
from urllib3.exceptions import NewConnectionError

from pytest_ecs_tasks.aws.handle import TEST_ACCESS_KEY_ID, TEST_SECRET_ACCESS_KEY
from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.errors import EcsTaskError

if TYPE_CHECKING:
    from botocore.loaders import Loader


class AwsSession(boto3.Session):
    """A boto3 session whose clients and resources talk to one endpoint, with test keys.

    Clients may be made from any thread.
    """

    def __init__(self, endpoint_url: str, region: str, models: ServiceModels) -> None:
        super().__init__(botocore_session=models.make_botocore_session(), region_name=region)
        self._endpoint_url = endpoint_url
        self._models = models

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """Make a client, as :meth:`boto3.Session.client`.

        Raises :class:`EcsTaskError` for a region that AWS has not.
        """
        with self._models.lock:
            client = super().client(service_name, *args, **self._completed(args, kwargs))  # type: ignore[call-overload]
        _unblock_sockets(client)
        return client

    def resource(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """Make a resource, as :meth:`boto3.Session.resource`."""
        # boto3 makes the resource's client through self.client, so the lock must let the same thread in
        # twice.
        with self._models.lock:
            return super().resource(service_name, *args, **self._completed(args, kwargs))  # type: ignore[call-overload]

    def _completed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        region = args[0] if args else kwargs.get("region_name")
        self._models.check_region(region or self.region_name)
        config = _OUR_CONFIG.merge(kwargs["config"]) if kwargs.get("config") is not None else _OUR_CONFIG
        endpoint_url = kwargs.get("endpoint_url") or self._endpoint_url
        return {**kwargs, "endpoint_url": endpoint_url, "config": config}


class ServiceModels:
    """botocore's descriptions of services, read once and shared by every session: 95 ms at first, then 2."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._loader: Loader | None = None
        self._regions: frozenset[str] | None = None

    def make_botocore_session(self) -> botocore.session.Session:
        """Make a session that reads no environment variable and no file of the user's."""
        with self.lock:
            session = botocore.session.Session()
            _forget_mock_aws(session)
            session.register_component("config_store", _make_settings(session))
            session.set_credentials(TEST_ACCESS_KEY_ID, TEST_SECRET_ACCESS_KEY)
            if self._loader is None:
                self._loader = session.get_component("data_loader")
            session.register_component("data_loader", self._loader)
            return session

    def find_region_problem(self, region: str) -> str | None:
        """Say what is wrong with a region's name; ``None`` when AWS has it.

        moto answers 500 to one that it has not.
        """
        with self.lock:
            if self._regions is None:
                self._regions = _load_regions(self.make_botocore_session())
        if region in self._regions:
            return None
        near = difflib.get_close_matches(region, sorted(self._regions), n=1)
        return f"AWS has no region {region!r}" + (f". Did you mean {near[0]!r}?" if near else "")

    def check_region(self, region: str) -> None:
        """Raise :class:`EcsTaskError` for a region that AWS has not."""
        problem = self.find_region_problem(region)
        if problem is not None:
            raise EcsTaskError(problem)


_CONNECT_TIMEOUT_S = 60.0  # botocore's default

_OUR_CONFIG = Config(
    # An empty mapping, not None: None would send requests for 127.0.0.1 to the proxy in the user's
    # HTTP_PROXY.
    proxies={},
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=50,
    s3={"addressing_style": "path"},
    # Cloud Map's DiscoverInstances and Step Functions put "data-" or "sync-" before the host, here before 127.0.0.1.
    inject_host_prefix=False,
)


class _Connection(AWSHTTPConnection):
    """A connection that works although the user's test has forbidden itself the network."""

    def _new_conn(self) -> socket.socket:
        timeout_s = self.timeout if isinstance(self.timeout, int | float) else _CONNECT_TIMEOUT_S
        try:
            return dial_tcp(self.host, self.port or 80, timeout_s)
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error


class _ConnectionPool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


def _unblock_sockets(client: Any) -> None:
    """Let a client open its connections by our own way, past pytest-socket and its kin."""
    http_session = client._endpoint.http_session  # botocore offers no other way to its connections
    pools = {**http_session._pool_classes_by_scheme, "http": _ConnectionPool}
    http_session._pool_classes_by_scheme = http_session._manager.pool_classes_by_scheme = pools


def _make_settings(session: botocore.session.Session) -> ConfigValueStore:
    """Make every setting a session's own or botocore's default: no AWS_* variable, no file of the user's."""
    chain = ConfigChainFactory(session, environ={})
    defaults = {name: setting[2] for name, setting in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    defaults.update(config_file=os.devnull, credentials_file=os.devnull)
    return ConfigValueStore(
        {
            name: chain.create_config_chain(instance_name=name, default=default)
            for name, default in defaults.items()
        }
    )


def _forget_mock_aws(session: botocore.session.Session) -> None:
    """Take out the handler through which an imported moto answers clients of this process in ``mock_aws``."""
    for event_name, handler, *_ in BUILTIN_HANDLERS:
        if event_name == "before-send" and type(handler).__module__.split(".")[0] == "moto":
            session.unregister(event_name, handler)


def _load_regions(session: botocore.session.Session) -> frozenset[str]:
    endpoints = session.get_component("data_loader").load_data("endpoints")
    return frozenset(region for partition in endpoints["partitions"] for region in partition["regions"])

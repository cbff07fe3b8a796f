"""Names of images in a private registry of ECR: ``<account>.dkr.ecr.<region>.amazonaws.com/<repository>[:tag|@digest]``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(
    r"(?P<host>(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?)/(?P<rest>.+)"
)


@dataclass(frozen=True, slots=True)
class EcrName:
    """A name that ECS pulls from ECR. ``rest`` is what follows the host: the repository with its tag or digest."""

    host: str
    account_id: str
    region: str
    rest: str

    @property
    def repository(self) -> str:
        """The repository's name."""
        return split_name(self.rest)[0]


@dataclass(frozen=True, slots=True)
class EcrImage:
    """An image that was pushed: its name in ECR, as task definitions have it, and the digest of its manifest."""

    uri: str
    digest: str

    @property
    def uri_with_digest(self) -> str:
        """The name that means this image whatever its tag comes to mean."""
        host, _, rest = self.uri.partition("/")
        return f"{host}/{split_name(rest)[0]}@{self.digest}"


def parse_ecr_name(reference: str) -> EcrName | None:
    """Return what an image's name says if it is one of a private registry of ECR; ``public.ecr.aws`` is none."""
    found = _NAME.fullmatch(reference)
    return EcrName(found["host"], found["account"], found["region"], found["rest"]) if found else None


def split_name(name: str) -> tuple[str, str]:
    """Split ``repository:tag`` or ``repository@digest``; without either the tag is ``latest``."""
    repository, at, digest = name.partition("@")
    head, slash, tail = repository.rpartition("/")
    last, _, tag = tail.partition(":")
    return f"{head}{slash}{last}", digest if at else tag or "latest"


def ecr_host(account_id: str, region: str) -> str:
    """Return the host of an account's registry in a region."""
    suffix = ".cn" if region.startswith("cn-") else ""
    return f"{account_id}.dkr.ecr.{region}.amazonaws.com{suffix}"

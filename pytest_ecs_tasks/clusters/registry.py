"""The registry of one AWS: what is pushed to it is in its ECR, and its tasks pull ECR's names from it."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pytest_ecs_tasks.clusters.engine_room import EngineRoom
from pytest_ecs_tasks.clusters.registry_container import RegistryContainer, find_image
from pytest_ecs_tasks.core.ecr import EcrImage, EcrName, ecr_host, parse_ecr_name, split_name
from pytest_ecs_tasks.core.spec import RegistryLogin, Sensitive
from pytest_ecs_tasks.engine.ports import EngineError, ImageFacts, ImageNotFound, ImageSource
from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.runtimes.docker import DockerRuntime
from pytest_ecs_tasks.runtimes.owner import image_prefix
from pytest_ecs_tasks.runtimes.registry_process import RegistryProcess, find_program

if TYPE_CHECKING:
    from pytest_ecs_tasks.aws.ecr import EcrCatalogue
    from pytest_ecs_tasks.aws.handle import Aws
    from pytest_ecs_tasks.aws.registry_front import Connect, RegistryFront

NO_REGISTRY = (
    "ecs_registry needs a registry, and there is none here. Install one (Debian and Ubuntu: apt-get install "
    "docker-registry), or have its image on the engine (docker pull registry:2; one of another name goes into ecs_images "
    'as "registry")'
)

TAGS_TOLD = 10

_ID = re.compile(r"(sha256:)?[0-9a-f]{12,64}")


class Store(Protocol):
    """What keeps the images: a plain registry that lets everybody in, whom nobody but the front can reach."""

    @property
    def connect(self) -> Connect:
        """Open a connection to it; the caller closes it."""
        ...

    def close(self) -> None:
        """End it and forget what it keeps. Safe to call twice."""
        ...


class Registry:
    """Costs nothing until it is used. Every method may be called from any thread."""

    def __init__(
        self,
        aws: Aws,
        room: Callable[[], EngineRoom],
        environ: Mapping[str, str],
        *,
        image: str | None = None,
    ) -> None:
        self._aws = aws
        self._room = room
        self._environ = environ
        self._image = image
        self._lock = threading.Lock()
        self._is_closed = False
        self._store: Store | None = None
        self._front: RegistryFront | None = None
        self._catalogue: EcrCatalogue | None = None

    @property
    def address(self) -> str:
        """Where it listens on loopback: ``127.0.0.1:PORT``. Raises :class:`EcsTaskError` where no registry can be had."""
        return self._open().address

    def prepare(self, images: Iterable[str]) -> None:
        """Start it if one of the images is ECR's. Raises :class:`EcsTaskError`: no task may fail for want of a registry."""
        if any(parse_ecr_name(image) for image in images):
            self._open()

    @property
    def host(self) -> str:
        """The host in ECR's names of its images, in the AWS's own region."""
        return ecr_host(self._aws.account_id, self._aws.region)

    def login(self, region: str | None = None) -> RegistryLogin:
        """Return who may push and pull: the user AWS with the password of ``GetAuthorizationToken``."""
        from pytest_ecs_tasks.aws.registry_front import USER

        return RegistryLogin(USER, Sensitive(self._ecr().token(region or self._aws.region)))

    def local_name(self, name: str, region: str | None = None) -> str:
        """Return the name by which an engine on this machine pushes and pulls ``repository:tag``."""
        return f"{self.address}/{self._prefix}/{region or self._aws.region}/{name}"

    def push(self, image: str, name: str, *, create: bool = False) -> EcrImage:
        """Push an image of the engine as ``repository:tag``; ``create`` makes a repository that is not there.

        Raises :class:`EcsTaskError` with ECR's words.
        """
        from pytest_ecs_tasks.aws.calls import AwsCallError

        repository, tag = split_name(name)
        if "@" in name:
            raise EcsTaskError(f"{name}: an image is pushed by a tag; ECR makes the digest of it")
        if _ID.fullmatch(image):
            # With the name that a push needs for a moment, an image that has no other would go from the engine.
            raise EcsTaskError(f"{image} is an image's id: give it a name (docker tag), and push that")
        local = self.local_name(f"{repository}:{tag}")
        runtime, region = self._room().runtime, self._aws.region
        facts = runtime.find_image(image)
        if facts is None:
            raise EcsTaskError(f"{image} cannot be pushed: there is no such image on the engine")
        try:
            if create:
                self._ecr().create_repository(region, repository)
            runtime.tag_image(facts.image_id, local)
            try:
                runtime.push_image(local, self.login())
            finally:
                runtime.untag_image(local)
            digest = self._ecr().find_digest(region, repository, tag)
        except (AwsCallError, EngineError) as error:
            raise EcsTaskError(
                self._push_problem(image, name, repository, self._in_ecr_words(error))
            ) from None
        return EcrImage(f"{self.host}/{repository}:{tag}", digest or "")

    def _push_problem(self, image: str, name: str, repository: str, words: str) -> str:
        problem = f"{image} could not be pushed to ECR as {name}: {words}"
        if "does not exist in the registry" in words:
            problem += (
                f'\nECR makes no repository at a push: create_repository(repositoryName="{repository}") first, or '
                "push(…, create=True)"
            )
        return problem

    def provide(self, name: EcrName) -> ImageFacts:
        """Pull an image of ECR onto the engine. Raises :class:`EngineError` with the engine's words."""
        try:
            repository, wanted = split_name(name.rest)  # of a tag beside a digest ECS takes the digest
            by = "@" if ":" in wanted else ":"
            local = self.local_name(f"{repository}{by}{wanted}", name.region)
            runtime = self._room().runtime
            runtime.pull_image(local, self.login(name.region))
            facts = runtime.find_image(local)
        except EngineError as error:
            raise EngineError(
                self._in_ecr_words(error), status=error.status, hint=self._pull_hint(name)
            ) from error
        except EcsTaskError as error:
            raise EngineError(str(error)) from error
        if facts is None:
            raise ImageNotFound(f"{name.host}/{name.rest} was pulled, and the engine does not have it")
        return facts

    def _pull_hint(self, name: EcrName) -> str:
        from pytest_ecs_tasks.aws.calls import AwsCallError

        repository, wanted = split_name(name.rest)
        tagged = f"{repository}:{wanted}" if ":" not in wanted else repository
        hint = (
            "With ecs_registry, ECR's images come from the test's own registry. Before the task starts:\n"
            f'    ecs_registry.push("{repository.rpartition("/")[2]}:dev", "{tagged}", create=True)'
        )
        try:
            present = [f"{repository}:{tag}" for tag in self._ecr().tags(name.region, repository)]
        except AwsCallError:
            present = []  # there is no such repository
        return f"{hint}\npresent here: {', '.join(present[:TAGS_TOLD])}" if present else hint

    def close(self) -> None:
        """End it, and take its names from the engine. Safe to call twice."""
        with self._lock:
            self._is_closed = True
            front, store, self._front, self._store = self._front, self._store, None, None
        try:
            if front is not None:
                forget_images(self._room().runtime, f"{front.address}/")
                front.close()
        finally:
            if store is not None:
                store.close()

    @property
    def _prefix(self) -> str:
        return image_prefix(self._room().run_id)

    def _ecr(self) -> EcrCatalogue:
        from pytest_ecs_tasks.aws.ecr import EcrCatalogue

        if self._catalogue is None:
            self._catalogue = EcrCatalogue(self._aws.api)
        return self._catalogue

    def _open(self) -> RegistryFront:
        from pytest_ecs_tasks.aws.registry_front import Account, RegistryFront

        with self._lock:
            if self._is_closed:
                raise EcsTaskError("this registry is gone: the fixture or test that it belonged to has ended")
            if self._front is None:
                self._store = self._start_store()
                account = Account(self._aws.account_id, self._aws.region, self._prefix)
                self._front = RegistryFront(account, self._ecr(), self._store.connect)
            return self._front

    def _start_store(self) -> Store:
        room = self._room()
        _check_reach(room.runtime)
        program = find_program(self._environ.get("PATH"))
        image = None if program and not self._image else find_image(room.runtime, self._image)
        try:
            if image is not None:
                return RegistryContainer(room, image)
            if program is not None:
                return RegistryProcess(program)
        except (EngineError, OSError) as error:
            raise EcsTaskError(f"ecs_registry could not be started: {error}") from error
        if self._image:
            raise EcsTaskError(
                f'ecs_images has "registry": {self._image}, and the engine does not have that image'
            )
        raise EcsTaskError(NO_REGISTRY)

    def _in_ecr_words(self, error: Exception) -> str:
        """Return an error's text with ECR's hosts in the place of where its registry really is."""
        place = re.escape(f"/{self._prefix}/")

        def host(found: re.Match[str]) -> str:
            version = "/v2" if found["scheme"] else ""
            return (
                f"{'https://' if version else ''}{ecr_host(self._aws.account_id, found['region'])}{version}/"
            )

        address = re.escape(self.address)
        words = re.sub(rf"(?P<scheme>http://)?{address}(/v2)?{place}(?P<region>[^/]+)/", host, str(error))
        return re.sub(rf"{place}[^/]+/", "/", words).replace(self.address, self.host)


class RegistryImages:
    """An image source for the tasks of an AWS that has a registry: ECR's names come from it, all others as ever."""

    def __init__(self, images: ImageSource, registry: Registry) -> None:
        self._images = images
        self._registry = registry

    def provide(self, reference: str, login: RegistryLogin | None = None) -> ImageFacts:
        """Return the image, pulled if the pull policy says so; one of ECR is always pulled, as its tag may have moved."""
        name = parse_ecr_name(reference)
        return self._images.provide(reference, login) if name is None else self._registry.provide(name)


def forget_images(runtime: DockerRuntime, start: str) -> None:
    """Take every name with that start from the engine, and images that have no other; what is used stays."""
    with contextlib.suppress(EngineError):
        for name in runtime.list_image_names():
            if name.startswith(start):
                runtime.untag_image(name)
        if runtime.name == "podman":
            return  # its tags were all; to remove what it lists as a digest would remove the image under every name
        for name in runtime.list_digest_names():
            if name.startswith(start):
                runtime.untag_image(name)


def _check_reach(runtime: DockerRuntime) -> None:
    """Raise :class:`EcsTaskError` where the engine has another loopback than this process, on which the registry listens."""
    place = urlsplit(runtime.url)
    is_here = place.scheme in ("unix", "http+unix") or place.hostname in ("127.0.0.1", "localhost")
    if sys.platform != "linux" or not is_here or (runtime.rootless and runtime.name == "docker"):
        raise EcsTaskError(
            f"ecs_registry needs an engine that shares this machine's loopback, and {runtime.name} at {runtime.url} does not "
            "(a remote one, Docker Desktop, rootless Docker). Map the image in ecs_images instead"
        )

"""What a registry asks of the test's ECR: repositories, the images in them, the token that lets a client in."""

from __future__ import annotations

import base64
import threading
from collections.abc import Sequence

from pytest_ecs_tasks.aws.calls import AwsCallError
from pytest_ecs_tasks.aws.json_api import JsonApi

_ECR = "ecr:AmazonEC2ContainerRegistry_V20150921"


class ImmutableTagError(AwsCallError):
    """A tag exists, and its repository lets none be moved. The words are ECR's to docker (aws/containers-roadmap#862)."""

    def __init__(self, repository: str, tag: str) -> None:
        text = (
            f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be overwritten because the "
            "repository is immutable."
        )
        super().__init__("ImageTagAlreadyExistsException", text)


class EcrCatalogue:
    """The ECR of one AWS: it alone says which image a tag names, so that its own API can retag and delete.

    Every method raises :class:`AwsCallError` and may be called from any thread.
    """

    def __init__(self, api: JsonApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        self._tokens: dict[str, str] = {}

    def token(self, region: str) -> str:
        """Return the password that ``GetAuthorizationToken`` hands out for the user AWS."""
        with self._lock:
            known = self._tokens.get(region)
        if known is None:
            answer = self._api.call(f"{_ECR}.GetAuthorizationToken", region, {})
            pair = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
            known = pair.partition(":")[2]
            with self._lock:
                self._tokens[region] = known
        return known

    def has_repository(self, region: str, repository: str) -> bool:
        """Tell whether a repository exists."""
        try:
            self._api.call(f"{_ECR}.DescribeRepositories", region, {"repositoryNames": [repository]})
        except AwsCallError as error:
            if error.code == "RepositoryNotFoundException":
                return False
            raise
        return True

    def create_repository(self, region: str, repository: str) -> None:
        """Make a repository; one that exists is left as it is."""
        try:
            self._api.call(f"{_ECR}.CreateRepository", region, {"repositoryName": repository})
        except AwsCallError as error:
            if error.code != "RepositoryAlreadyExistsException":
                raise

    def find_digest(self, region: str, repository: str, reference: str) -> str | None:
        """Return the digest of the image that has a tag or a digest."""
        wanted = {"imageDigest" if reference.startswith("sha256:") else "imageTag": reference}
        request = {"repositoryName": repository, "imageIds": [wanted]}
        images = self._api.call(f"{_ECR}.BatchGetImage", region, request)["images"]
        return str(images[0]["imageId"]["imageDigest"]) if images else None

    def put(
        self, region: str, repository: str, tag: str | None, digest: str, manifest: str, media_type: str
    ) -> None:
        """Enter an image that was pushed; the same one under the same tag once more is no error."""
        request = {
            "repositoryName": repository,
            "imageManifest": manifest,
            "imageManifestMediaType": media_type,
            "imageDigest": digest,
        }
        if tag is None and self.find_digest(region, repository, digest) is not None:
            return
        try:
            self._api.call(f"{_ECR}.PutImage", region, {**request, **({"imageTag": tag} if tag else {})})
        except AwsCallError as error:
            # moto says the same of a tag that may not be moved.
            if error.code not in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
                raise
            if self.find_digest(region, repository, tag or digest) != digest:
                raise ImmutableTagError(repository, str(tag)) from error

    def tags(self, region: str, repository: str) -> Sequence[str]:
        """Return every tag of a repository."""
        images = self._api.call(f"{_ECR}.ListImages", region, {"repositoryName": repository})["imageIds"]
        return sorted({str(each["imageTag"]) for each in images if each.get("imageTag")})

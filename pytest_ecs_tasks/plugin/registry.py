"""``ecs_registry``: one object for the whole session that always means the registry of whoever uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ecs_tasks.plugin.run import EcsRun

if TYPE_CHECKING:
    from pytest_ecs_tasks.clusters.registry import Registry
    from pytest_ecs_tasks.core.ecr import EcrImage


class EcsRegistry:
    """The registry of ECR in the AWS of the test that runs, or of the fixture that is being set up.

    It starts with its first use. Where none can be had, that raises :class:`~pytest_ecs_tasks.EcsTaskError`.
    """

    def __init__(self, run: EcsRun) -> None:
        self._run = run

    def push(self, image: str, name: str, *, create: bool = False) -> EcrImage:
        """Push an image of the engine as ``repository:tag``, and return its name in ECR and its digest.

        As in ECR the repository must exist; ``create`` makes it. Raises :class:`~pytest_ecs_tasks.EcsTaskError` with the
        registry's words.
        """
        return self._current().push(image, name, create=create)

    @property
    def host(self) -> str:
        """What leads the names of its images in task definitions: ``123456789012.dkr.ecr.us-east-1.amazonaws.com``."""
        return self._current().host

    @property
    def address(self) -> str:
        """Where it listens on loopback, for ``docker login``: ``127.0.0.1:PORT``."""
        return self._current().address

    def local_name(self, name: str) -> str:
        """Return the name by which ``docker push`` and ``docker pull`` on this machine reach ``repository:tag``."""
        return self._current().local_name(name)

    @property
    def username(self) -> str:
        """The user that may push and pull: ``AWS``."""
        return self._current().login().username

    @property
    def password(self) -> str:
        """Its password, as ``aws ecr get-login-password`` prints it."""
        return self._current().login().password.reveal()

    def _current(self) -> Registry:
        self._run.require_engine()
        aws = self._run.aws()
        return self._run.cluster.add_registry(aws)

    def __repr__(self) -> str:
        return "<ecs_registry: the registry of the running test>"

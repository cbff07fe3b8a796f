"""How an image gets onto the engine: by the pull policy, each distinct one once at a time, whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from enum import StrEnum

from pytest_ecs_tasks.core.spec import RegistryLogin
from pytest_ecs_tasks.engine.ports import ContainerRuntime, ImageFacts, ImageNotFound

PROGRESS_AFTER_S = 2.0

_Wanted = tuple[str, RegistryLogin | None]


class PullPolicy(StrEnum):
    """When an image is pulled from its registry."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"


class ImageProvider:
    """Provides images for every task of the run. A pull that is under way is shared; ``always`` pulls once a run."""

    def __init__(
        self, runtime: ContainerRuntime, policy: PullPolicy, progress: Callable[[str], None]
    ) -> None:
        self._runtime = runtime
        self._policy = policy
        self._progress = progress
        self._lock = threading.Lock()
        self._pulls: dict[_Wanted, Future[None]] = {}

    def provide(self, reference: str, login: RegistryLogin | None = None) -> ImageFacts:
        """Return the image. Raises :class:`EngineError` with the engine's words when it cannot be had."""
        if self._policy is not PullPolicy.ALWAYS:
            facts = self._runtime.find_image(reference)
            if facts is not None:
                return facts
            if self._policy is PullPolicy.NEVER:
                raise ImageNotFound(f"{reference} is not on the engine, and the pull policy is 'never'")
        self._pull_once(reference, login)
        facts = self._runtime.find_image(reference)
        if facts is None:
            raise ImageNotFound(f"{reference} was pulled, and the engine does not have it")
        return facts

    def _pull_once(self, reference: str, login: RegistryLogin | None) -> None:
        key = (reference, login)  # what one login may have another may not
        with self._lock:
            pull = self._pulls.get(key)
            mine = pull is None
            if pull is None:
                pull = self._pulls[key] = Future()
        if mine:
            self._pull(key, pull)
        pull.result()

    def _pull(self, key: _Wanted, pull: Future[None]) -> None:
        reference, login = key
        notice = threading.Timer(PROGRESS_AFTER_S, self._progress, [f"pulling {reference} …"])
        notice.daemon = True
        notice.start()
        try:
            self._runtime.pull_image(reference, login)
        except BaseException as error:  # noqa: BLE001 - everyone who waits for this pull gets the error
            self._forget(key)
            pull.set_exception(error)
        else:
            if self._policy is not PullPolicy.ALWAYS:
                self._forget(key)
            pull.set_result(None)
        finally:
            notice.cancel()

    def _forget(self, key: _Wanted) -> None:
        with self._lock:
            del self._pulls[key]

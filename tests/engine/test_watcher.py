"""The engine's event stream: opened, followed and ended."""

from __future__ import annotations

import threading

from pytest_ecs_tasks.engine.ports import EventStream
from pytest_ecs_tasks.engine.watcher import Watcher
from pytest_ecs_tasks.testing.runtime import FakeRuntime


class SlowToOpen(FakeRuntime):
    """An engine that takes its time to answer who asks for its events."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.followers: list[threading.Thread] = []

    def events(self, label: str) -> EventStream:
        self.followers.append(threading.current_thread())
        self.asked.set()
        assert self.answers.wait(60)
        return super().events(label)


def test_a_stream_that_opens_while_the_watcher_closes_is_ended_at_once() -> None:
    runtime = SlowToOpen()
    watcher = Watcher(runtime, "run=1")
    watcher.start()
    assert runtime.asked.wait(60)
    closing = threading.Thread(target=watcher.close)
    closing.start()
    assert watcher._closed.wait(60)

    runtime.answers.set()

    [follower] = runtime.followers
    follower.join(60)
    assert not follower.is_alive()
    closing.join(60)
    runtime.close()

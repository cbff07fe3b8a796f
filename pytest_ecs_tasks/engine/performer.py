"""Doing what the core orders: one order, a call or a few, one fact back. No decisions are taken here."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import assert_never
from urllib.parse import urlsplit

from pytest_ecs_tasks.core import effects, events
from pytest_ecs_tasks.core.containers import container_spec
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.core.spec import Sensitive
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.engine.logbook import ContainerLog, LineSplitter
from pytest_ecs_tasks.engine.ports import (
    Attachment,
    AwsServices,
    Clock,
    ContainerNotFound,
    ContainerRuntime,
    EngineError,
    ImageSource,
    LogSink,
    LogStreamError,
    Sandbox,
    SandboxSource,
    SecretRequest,
    SecretsError,
)
from pytest_ecs_tasks.engine.sockets import dial_tcp
from pytest_ecs_tasks.engine.watcher import Watcher

OUTPUT_GRACE_S = 5.0  # how long the output of a container that has ended may take to end too
EXPECTED_ERRORS = (EngineError, SecretsError, LogStreamError, OSError)


@dataclass(frozen=True, slots=True)
class Tools:
    """What orders are done with; shared by every task of the run."""

    runtime: ContainerRuntime
    sandboxes: SandboxSource
    images: ImageSource
    watcher: Watcher
    clock: Clock
    pool: Executor
    labels: Mapping[str, str]
    strict: bool = False
    keep_engine_logs: bool = False


@dataclass(slots=True)
class Reader:
    """The thread that follows one life of a container's output."""

    attachment: Attachment
    thread: threading.Thread


@dataclass(slots=True)
class Belongings:
    """What one task has on the engine and in AWS."""

    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    containers: dict[str, str] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    readers: dict[str, Reader] = field(default_factory=dict)
    splitters: dict[str, LineSplitter] = field(default_factory=dict)
    sinks: dict[str, LogSink] = field(default_factory=dict)
    secrets: Mapping[tuple[str, str], Sensitive] = field(default_factory=dict, repr=False)


class Performer:
    """Performs the orders of one task."""

    def __init__(
        self, plan: TaskPlan, tools: Tools, aws: AwsServices, post: Callable[[events.Event], None]
    ) -> None:
        self._plan = plan
        self._tools = tools
        self._aws = aws
        self._post = post
        self._own = Belongings()
        self._labels = {**tools.labels, "pytest-ecs-tasks.task": plan.task_id}
        self._logs: dict[str, ContainerLog] = {}
        self._readers_wait_on = threading.Condition()
        for container in plan.containers:
            self._logs[container.name] = ContainerLog(container.name, self._log_changed)

    def announce_logs_to(self, changed: threading.Condition) -> None:
        """Notify that condition whenever a log grows, too."""
        self._readers_wait_on = changed

    def _log_changed(self) -> None:
        with self._readers_wait_on:
            self._readers_wait_on.notify_all()

    @property
    def belongings(self) -> Belongings:
        """What the task has now."""
        return self._own

    def log_book(self, container: str) -> ContainerLog:
        """Return a container's log book."""
        return self._logs[container]

    def perform(self, task: Task, effect: effects.Effect) -> None:
        """Do an order in the background; its outcome is posted as a fact."""
        match effect:
            case effects.PullImage() | effects.ProbeHealth() | effects.CloseLog() | effects.RemoveTask():
                # These may take long: they must not keep a SIGTERM waiting for a free worker.
                name = f"ecs-tasks/{type(effect).__name__}"
                threading.Thread(target=self._do, args=(task, effect), name=name, daemon=True).start()
            case _:
                self._tools.pool.submit(self._do, task, effect)

    def _do(self, task: Task, effect: effects.Effect) -> None:
        try:
            self._post(self._outcome(task, effect))
        except ContainerNotFound as error:
            if isinstance(effect, effects.InspectContainer | effects.SendSignal):
                self._post(events.ContainerVanished(effect.container))
            else:
                self._post(events.EffectFailed(effect, str(error)))
        except SecretsError as error:
            self._post(events.EffectFailed(effect, str(error), error.hint))
        except EXPECTED_ERRORS as error:
            self._post(events.EffectFailed(effect, str(error)))
        except Exception as error:  # noqa: BLE001 - a fact must come back, or the task would hang
            self._post(
                events.EffectFailed(effect, f"{type(error).__name__}: {error} (a bug of pytest-ecs-tasks)")
            )

    def _outcome(self, task: Task, effect: effects.Effect) -> events.Event:
        match effect:
            case effects.AcquireSandbox():
                return self._acquire_sandbox(task, effect)
            case effects.PullImage():
                facts = self._tools.images.provide(effect.image)
                return events.ImageReady(
                    effect.image,
                    facts.image_id,
                    facts.digest or facts.image_id,  # an image that never was in a registry has no digest
                    facts.stop_signal,
                    frozenset(facts.environment),
                )
            case effects.ResolveSecrets():
                return self._resolve_secrets()
            case effects.CreateVolumes():
                return self._create_volumes()
            case effects.OpenLog():
                return self._open_log(task, effect)
            case effects.CreateContainer():
                return self._create_container(task, effect)
            case effects.StartContainer():
                return self._start_container(task, effect)
            case effects.InspectContainer():
                return self._inspect(effect)
            case effects.ProbeHealth():
                return self._probe(effect)
            case effects.SendSignal():
                self._tools.runtime.kill_container(effect.runtime_id, effect.signal)
                return events.SignalSent(effect.container, effect.signal)
            case effects.CloseLog():
                return self._close_log(effect)
            case effects.RemoveTask():
                self.remove()
                return events.TaskRemoved()
            case _:
                assert_never(effect)

    def _acquire_sandbox(self, task: Task, effect: effects.AcquireSandbox) -> events.Event:
        plan = next(each for each in self._plan.sandboxes if each.key == effect.sandbox)
        hosts = {alias: task.sandboxes[container].address or "" for alias, container in plan.links}
        sandbox = self._tools.sandboxes.acquire(plan, hosts, self._labels)
        self._own.sandboxes[effect.sandbox] = sandbox
        sandbox.serve_aws(self._dial_aws)
        return events.SandboxReady(
            effect.sandbox,
            sandbox.container_id,
            sandbox.address,
            sandbox.mac_address,
            sandbox.aws_port,
            sandbox.bindings,
        )

    def _dial_aws(self) -> socket.socket:
        endpoint = urlsplit(self._aws.endpoint_url)
        port = endpoint.port or (443 if endpoint.scheme == "https" else 80)
        return dial_tcp(endpoint.hostname or "127.0.0.1", port, timeout_s=30)

    def _resolve_secrets(self) -> events.Event:
        wanted = [
            SecretRequest(container.name, secret.name, secret.value_from)
            for container in self._plan.containers
            for secret in container.definition.secrets
        ]
        self._own.secrets = self._aws.resolve_secrets(
            wanted, region=self._plan.request.region, fargate=self._plan.fargate
        )
        return events.SecretsResolved()

    def _create_volumes(self) -> events.Event:
        for plan in self._plan.volumes:
            self._own.volumes.append(plan.engine_name)
            self._tools.runtime.create_volume(
                plan.engine_name,
                {**plan.volume.labels, **self._labels},
                plan.volume.driver,
                plan.volume.driver_options,
            )
        return events.VolumesReady()

    def _open_log(self, task: Task, effect: effects.OpenLog) -> events.Event:
        container = task.container(effect.container)
        target = container.plan.log
        assert target is not None
        sink, note = self._aws.open_log_sink(
            group=target.group,
            stream=target.stream or container.runtime_id or self._plan.task_id,
            region=target.region,
            create_group=target.create_group,
            strict=self._tools.strict,
        )
        self._own.sinks[effect.container] = sink
        self._own.splitters[effect.container] = LineSplitter(sink)
        return events.LogOpened(effect.container, note)

    def _create_container(self, task: Task, effect: effects.CreateContainer) -> events.Event:
        container = task.container(effect.container)
        spec = container_spec(
            task,
            container,
            labels=self._labels,
            secrets={
                name: value for (owner, name), value in self._own.secrets.items() if owner == effect.container
            },
            aws_environment=self._aws_environment(task, container.plan.sandbox),
            keep_engine_logs=self._tools.keep_engine_logs,
        )
        runtime_id = self._tools.runtime.create_container(spec)
        self._own.containers[effect.container] = runtime_id
        self._tools.watcher.register(runtime_id, lambda: self._post(events.EngineReported(effect.container)))
        return events.ContainerCreated(effect.container, runtime_id)

    def _aws_environment(self, task: Task, sandbox: str | None) -> dict[str, str]:
        role = self._aws.role_credentials() if task.plan.definition.task_role_arn else {}
        # Until the link-local addresses are emulated, no task may reach the credentials of the machine that it runs on.
        environment = {"AWS_EC2_METADATA_DISABLED": "true", **role}
        if sandbox is not None and task.sandboxes[sandbox].aws_port is not None:
            return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{task.sandboxes[sandbox].aws_port}", **environment}
        if task.plan.definition.network_mode is NetworkMode.HOST:
            return {"AWS_ENDPOINT_URL": self._aws.endpoint_url, **environment}
        return environment

    def _start_container(self, task: Task, effect: effects.StartContainer) -> events.Event:
        definition = task.container(effect.container).plan.definition
        attachment = self._tools.runtime.attach(effect.runtime_id, tty=definition.pseudo_terminal)
        thread = threading.Thread(
            target=self._read,
            args=(effect.container, effect.incarnation, attachment),
            name=f"ecs-tasks/log {effect.container}",
            daemon=True,
        )
        self._own.readers[effect.container] = Reader(attachment, thread)
        thread.start()
        self._tools.runtime.start_container(effect.runtime_id)
        return events.ContainerStarted(effect.container, effect.incarnation)

    def _read(self, container: str, incarnation: int, attachment: Attachment) -> None:
        book, splitter, wall = (
            self._logs[container],
            self._own.splitters.get(container),
            self._tools.clock.wall,
        )
        try:
            for stream, data in attachment.chunks():
                received_at = wall()
                book.append(stream, data, received_at)
                if splitter is not None:
                    splitter.feed(stream, data, received_at)
        except (EngineError, OSError):
            pass  # the output is cut; whether the container has ended is asked next
        finally:
            attachment.close()
            self._post(events.OutputEnded(container, incarnation))

    def _inspect(self, effect: effects.InspectContainer) -> events.Event:
        facts = self._tools.runtime.inspect_container(effect.runtime_id)
        running = facts.running or not facts.started
        return events.ContainerInspected(
            effect.container,
            effect.incarnation,
            running,
            exit_code=None if running else facts.exit_code,
            out_of_memory=facts.out_of_memory,
            error=facts.error,
        )

    def _probe(self, effect: effects.ProbeHealth) -> events.Event:
        kind, *words = effect.command
        command = (
            ["/bin/sh", "-c", " ".join(words)]
            if kind == "CMD-SHELL"
            else words
            if kind == "CMD"
            else [kind, *words]
        )
        outcome = self._tools.runtime.execute(effect.runtime_id, command, timeout_s=effect.timeout_s)
        output = (outcome.stdout + outcome.stderr).decode("utf-8", "replace")
        return events.Probed(effect.container, effect.incarnation, outcome.exit_code, output)

    def _close_log(self, effect: effects.CloseLog) -> events.Event:
        reader = self._own.readers.get(effect.container)
        if reader is not None:
            reader.thread.join(OUTPUT_GRACE_S)
            reader.attachment.close()
            reader.thread.join(OUTPUT_GRACE_S)
        splitter = self._own.splitters.pop(effect.container, None)
        if splitter is not None:
            splitter.finish(self._tools.clock.wall())
        sink = self._own.sinks.pop(effect.container, None)
        if sink is not None:
            sink.close()
        return events.LogClosed(effect.container)

    def remove(self) -> None:
        """Kill and remove everything that the task has on the engine; returns when it is gone."""
        runtime, own = self._tools.runtime, self._own
        for sandbox in own.sandboxes.values():
            sandbox.close()
        members = list(own.containers.values())
        for container_id in members:
            self._tools.watcher.forget(container_id)
        holders = [sandbox.container_id for sandbox in own.sandboxes.values()]
        if runtime.name == "podman":
            # Podman refuses to remove a container whose namespace another one uses.
            remove_all(runtime, members)
            remove_all(runtime, holders)
        else:
            remove_all(runtime, [*members, *holders])
        for volume in own.volumes:
            runtime.remove_volume(volume)
        for reader in own.readers.values():
            reader.attachment.close()
        for container in list(own.splitters):
            self._finish_log(container)

    def _finish_log(self, container: str) -> None:
        """Deliver what is left of a log whose container was killed by the removal."""
        reader = self._own.readers.get(container)
        if reader is not None and reader.thread is not threading.current_thread():
            reader.thread.join(OUTPUT_GRACE_S)
        try:
            self._close_log(effects.CloseLog(container, cause="removal"))
        except LogStreamError:
            pass  # the test is over; what could not be delivered has nobody left to read it


def remove_all(runtime: ContainerRuntime, container_ids: list[str]) -> None:
    """Remove containers in parallel; the first error is raised when all have been tried."""
    errors: list[EngineError] = []

    def remove(container_id: str) -> None:
        try:
            runtime.remove_container(container_id)
        except EngineError as error:
            errors.append(error)

    threads = [
        threading.Thread(target=remove, args=(each,), name="ecs-tasks/remove") for each in container_ids[1:]
    ]
    for thread in threads:
        thread.start()
    for container_id in container_ids[:1]:
        remove(container_id)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]

"""Doing what the core orders: one order, a call or a few, one fact back. No decisions are taken here."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import assert_never
from urllib.parse import urlsplit

from pytest_ecs_tasks.core import effects, events
from pytest_ecs_tasks.core.containers import container_spec
from pytest_ecs_tasks.core.model import Task
from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.core.secrets import find_null, secret_log_options, secret_variables
from pytest_ecs_tasks.core.spec import hide
from pytest_ecs_tasks.core.taskdef import NetworkMode
from pytest_ecs_tasks.engine.aws_ports import (
    AwsServices,
    CredentialsError,
    LogStreamError,
    SecretsError,
    TaskEndpoints,
)
from pytest_ecs_tasks.engine.belongings import Belongings, Reader, Tools
from pytest_ecs_tasks.engine.fetches import (
    fetch_router_file,
    read_environment_files,
    resolve_logins,
    resolve_secrets,
)
from pytest_ecs_tasks.engine.hints import engine_hint
from pytest_ecs_tasks.engine.log_outputs import (
    let_go_of_router,
    open_output,
    put_router_files,
    router_files,
)
from pytest_ecs_tasks.engine.logbook import ContainerLog
from pytest_ecs_tasks.engine.ports import (
    Attachment,
    ContainerNotFound,
    ContainerRuntime,
    EngineError,
)
from pytest_ecs_tasks.engine.sockets import dial_tcp

Post = Callable[[events.Event], None]

OUTPUT_GRACE_S = 5.0  # how long the output of a container that has ended may take to end too


class Performer:
    """Performs the orders of one task."""

    def __init__(
        self, plan: TaskPlan, tools: Tools, aws: AwsServices, endpoints: TaskEndpoints, post: Post
    ) -> None:
        self._plan = plan
        self._tools = tools
        self._aws = aws
        self._endpoints = endpoints
        self._post = post
        self._own = Belongings()
        self._labels = {**tools.labels, "pytest-ecs-tasks.task": plan.task_id}
        self._logs: dict[str, ContainerLog] = {}
        self._changed = threading.Condition()
        self._log_waiters = 0
        for container in plan.containers:
            self._logs[container.name] = ContainerLog(container.name, self._log_changed)

    def announce_logs_to(self, changed: threading.Condition) -> None:
        """Notify that condition when a log grows and somebody waits for that."""
        self._changed = changed

    @contextlib.contextmanager
    def announcing_logs(self) -> Iterator[None]:
        """Announce every growth of a log meanwhile. The condition is held by the caller."""
        self._log_waiters += 1
        try:
            yield
        finally:
            self._log_waiters -= 1

    def _log_changed(self) -> None:
        if self._log_waiters:
            with self._changed:
                self._changed.notify_all()

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
        is_work = isinstance(effect, effects.CreateContainer | effects.StartContainer | effects.RemoveTask)
        try:
            with self._tools.sandboxes.undisturbed() if is_work else contextlib.nullcontext():
                fact = self._outcome(task, effect)
            self._post(fact)
        except ContainerNotFound as error:
            if isinstance(effect, effects.InspectContainer | effects.SendSignal):
                self._post(events.ContainerVanished(effect.container))
            else:
                self._post(events.EffectFailed(effect, str(error)))
        except EngineError as error:
            hint = error.hint or engine_hint(self._plan, effect, str(error))
            self._post(events.EffectFailed(effect, self._without_log_secrets(str(error)), hint))
        except (SecretsError, LogStreamError) as error:
            self._post(events.EffectFailed(effect, str(error), error.hint))
        except (CredentialsError, OSError) as error:
            self._post(events.EffectFailed(effect, str(error)))
        except Exception as error:  # noqa: BLE001 - a fact must come back, or the task would hang
            self._post(
                events.EffectFailed(effect, f"{type(error).__name__}: {error} (a bug of pytest-ecs-tasks)")
            )

    def _without_log_secrets(self, words: str) -> str:
        """Return an engine's words without secret log options: it quotes one that it refuses."""
        options = (secret_log_options(self._own.secrets, each.name) for each in self._plan.containers)
        return hide(words, [value for each in options for value in each.values()])

    def _outcome(self, task: Task, effect: effects.Effect) -> events.Event:
        match effect:
            case effects.AcquireSandbox():
                return self._acquire_sandbox(task, effect)
            case effects.PullImage():
                logins = (self._own.logins.get(name) for name in effect.containers)
                facts = self._tools.images.provide(effect.image, next(filter(None, logins), None))
                return events.ImageReady(
                    effect.image,
                    facts.image_id,
                    facts.digest or facts.image_id,  # an image that never was in a registry has no digest
                    facts.stop_signal,
                    frozenset(facts.environment),
                )
            case effects.ResolveSecrets():
                self._own.logins = resolve_logins(self._plan, self._aws)
                self._own.file_environments = read_environment_files(self._plan, self._aws)
                self._own.router_file = fetch_router_file(self._plan, self._aws)
                self._own.secrets = resolve_secrets(self._plan, self._aws)
                return events.SecretsResolved(effect.what)
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
        sandbox.serve_endpoints(lambda: self._endpoints.dial(sandbox.address or ""))
        if self._tools.names is not None and not plan.dns_servers:  # those know nothing of the VPC's names
            self._tools.names.attach(sandbox, self._plan.request.region)
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

    def _create_volumes(self) -> events.Event:
        sources = {}
        for plan in self._plan.volumes:
            if plan.volume.outlives_task:
                sources[plan.volume.name] = self._tools.volumes.provide(plan.volume)
                continue
            sources[plan.volume.name] = plan.engine_name
            self._own.volumes.append(plan.engine_name)
            self._tools.runtime.create_volume(
                plan.engine_name,
                {**plan.volume.labels, **self._labels},
                plan.volume.driver,
                plan.volume.driver_options,
            )
        return events.VolumesReady(sources)

    def _open_log(self, task: Task, effect: effects.OpenLog) -> events.Event:
        container = task.container(effect.container)
        output = open_output(task, container, self._aws, self._own.sandboxes, strict=self._tools.strict)
        self._own.outputs[effect.container] = output
        return events.LogOpened(effect.container, output.note)

    def _create_container(self, task: Task, effect: effects.CreateContainer) -> events.Event:
        container = task.container(effect.container)
        spec = container_spec(
            task,
            container,
            labels=self._labels,
            secrets=secret_variables(self._own.secrets, effect.container),
            log_secrets=secret_log_options(self._own.secrets, effect.container),
            aws_environment=self._aws_environment(task, container.plan.sandbox),
            agent_environment=self._endpoints.environment(effect.container),
            file_environment=self._own.file_environments.get(effect.container),
            keep_engine_logs=self._tools.keep_engine_logs,
        )
        runtime_id = self._tools.runtime.create_container(spec)
        self._own.containers[effect.container] = runtime_id
        self._tools.watcher.register(runtime_id, lambda: self._post(events.EngineReported(effect.container)))
        if container.plan.definition.firelens:
            files = router_files(self._plan, self._own.router_file)
            put_router_files(self._tools.runtime, runtime_id, container.plan.definition, files)
        return events.ContainerCreated(effect.container, runtime_id)

    def _aws_environment(self, task: Task, sandbox: str | None) -> dict[str, str]:
        if sandbox is not None and task.sandboxes[sandbox].aws_port is not None:
            return {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{task.sandboxes[sandbox].aws_port}"}
        if task.plan.definition.network_mode is NetworkMode.HOST:
            # Here 169.254.169.254 is what it is for the machine: no task may reach its credentials.
            return {"AWS_ENDPOINT_URL": self._aws.endpoint_url, "AWS_EC2_METADATA_DISABLED": "true"}
        return {}

    def _start_container(self, task: Task, effect: effects.StartContainer) -> events.Event:
        definition = task.container(effect.container).plan.definition
        self._endpoints.wait_until_ready()
        files = self._own.file_environments.get(effect.container, {})
        unfit = find_null({**files, **secret_variables(self._own.secrets, effect.container)})
        if unfit is not None:
            raise EngineError(unfit)  # the engine would say it, too, with the value
        if effect.container in self._own.readers:
            self._end_reader(effect.container)
            self._tools.runtime.settle_container(effect.runtime_id)
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
        book, wall, output = self._logs[container], self._tools.clock.wall, self._own.outputs.get(container)
        entry = output.entry if output else None
        try:
            for stream, data in attachment.chunks():
                received_at = wall()
                book.append(stream, data, received_at)
                if entry is not None:
                    entry.feed(stream, data, received_at)
        except (EngineError, LogStreamError, OSError):
            pass  # the output is cut, or came when its log was closed; whether the container has ended is asked next
        finally:
            attachment.close()
            book.end_life()
            self._post(events.OutputEnded(container, incarnation))
            if entry is not None:
                with contextlib.suppress(
                    LogStreamError
                ):  # what keeps a log from being whole is told when it is closed
                    entry.finish(wall())

    def _inspect(self, effect: effects.InspectContainer) -> events.Event:
        facts = self._tools.runtime.inspect_container(effect.runtime_id)
        running = facts.running or not facts.started
        return events.ContainerInspected(
            effect.container,
            effect.incarnation,
            running,
            exit_code=None if running else facts.exit_code,
            out_of_memory=facts.out_of_memory,
            error=self._without_log_secrets(facts.error),
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
        self._end_reader(effect.container)
        router = self._plan.definition.router
        if router is not None and router.name == effect.container:
            let_go_of_router(self._own.outputs)
        output = self._own.outputs.get(effect.container)
        if output is not None:
            try:
                output.sink.close()
            finally:
                del self._own.outputs[effect.container]
        return events.LogClosed(effect.container)

    def _end_reader(self, container: str) -> None:
        """Let the output of a container that has ended end too, within its time."""
        reader = self._own.readers.get(container)
        if reader is not None:
            reader.thread.join(OUTPUT_GRACE_S)
            reader.attachment.close()
            reader.thread.join(OUTPUT_GRACE_S)

    def remove(self) -> None:
        """Kill and remove everything that the task has on the engine; returns when it is gone."""
        runtime, own = self._tools.runtime, self._own
        self._endpoints.close()
        let_go_of_router(self._own.outputs)
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
        for container in list(own.outputs):
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

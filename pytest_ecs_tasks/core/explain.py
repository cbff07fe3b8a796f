"""Why a task did not do what a test waited for, in words. The first line is the cause; it is what pytest's summary shows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence

from pytest_ecs_tasks.core import graph
from pytest_ecs_tasks.core.health import HealthStatus
from pytest_ecs_tasks.core.health_words import advise, describe_health
from pytest_ecs_tasks.core.model import Container, ContainerStatus, StopCode, Task
from pytest_ecs_tasks.core.plan import TASK_SANDBOX, without_tag

SIMILAR_NAMES = 5
_ECR_HOST = re.compile(r"^\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?$")


def task_name(task: Task) -> str:
    """Return the task's short name, ``web:3``."""
    return f"{task.plan.definition.family}:{task.plan.definition.revision}"


def explain_stop(task: Task, unmet: str) -> str:
    """Return why a task that stopped did so; ``unmet`` completes "it stopped before …"."""
    first = f"{task_name(task)} stopped before {unmet}: {_stop_cause(task)}"
    return "\n".join([first, *_details(task)])


def explain_container_end(task: Task, name: str, unmet: str) -> str:
    """Return that one container ended, and with it the hope for what was waited for."""
    container = task.container(name)
    first = f'{task_name(task)}: container "{name}" {_end_in_words(container)} before {unmet}'
    return "\n".join([first, *_container_lines(task), *_advice(task)])


def explain_failed_start(task: Task) -> str:
    """Return why a task never ran."""
    failure = _start_failure(task)
    first = f"{task_name(task)} did not start: {failure}"
    return "\n".join([first, *_details(task, told=failure)])


def explain_missing_image(task: Task, local_images: Callable[[], Sequence[str]]) -> str:
    """Return which image could not be had and what can be done; ``local_images`` are asked for names that look alike."""
    container = next(
        (each for each in task.containers if each.plan.image not in task.images), task.containers[0]
    )
    image = container.plan.image
    names = _similar_images(image, local_images())
    local = without_tag(image).rpartition("/")[2]
    lines = [
        f'container "{container.name}" needs {image} and it is not local',
        f"  pull: {' '.join((task.image_error or 'no answer').split())}",
    ]
    if task.hint:
        return "\n".join([*lines, *(f"  {line}" for line in task.hint.splitlines())])
    lines += [
        "  Map it to a local build with the ecs_images fixture in conftest.py",
        '      @pytest.fixture(scope="session")',
        f'      def ecs_images(): return {{"{without_tag(image)}": "{names[0] if names else f"{local}:dev"}"}}',
        f"  or log in:  {_log_in(image)}",
    ]
    if names:
        lines.append(f"  local images with a similar name: {', '.join(names)}")
    return "\n".join(lines)


def explain_timeout(task: Task, goal: str, timeout_s: float, more: Sequence[str] = ()) -> str:
    """Return what did not come in time and what blocks it; ``goal`` is ``HEALTHY``, ``RUNNING`` or ``STOPPED``."""
    blockers = list(_blockers(task, goal))
    state = f"still {task.last_status.value}"
    if goal == "STOPPED" or task.last_status.value == "RUNNING":
        state = f"{task.last_status.value} and not {goal}"
    cause = f": {blockers[0]}" if blockers else ""
    rest = [f"  {each}" for each in blockers[1:]]
    advice = [] if goal == "STOPPED" else _advice(task)
    return "\n".join([f"{task_name(task)} was {state} after {timeout_s:g} s{cause}", *rest, *advice, *more])


def explain_unmet(task: Task, unmet: str, timeout_s: float, more: Sequence[str] = ()) -> str:
    """Return that something other than a status did not come in time."""
    blockers = [] if task.is_healthy else [f"  {each}" for each in _blockers(task, "HEALTHY")]
    first = f"{task_name(task)} is {task.last_status.value}: {unmet} within {timeout_s:g} s"
    return "\n".join([first, *more, *blockers, *_advice(task)])


def _stop_cause(task: Task) -> str:
    culprit = _culprit(task)
    if task.stop_code is StopCode.ESSENTIAL_CONTAINER_EXITED and culprit is not None:
        reason = f" ({culprit.reason})" if culprit.reason else ""
        return f'container "{culprit.name}" {_end_in_words(culprit)}{reason}'
    return task.stopped_reason or "no reason is known"


def _start_failure(task: Task) -> str:
    reasons = [container.reason for container in task.containers if container.reason]
    if task.plan.fargate or not reasons:
        return task.stopped_reason or "no reason is known"
    return reasons[0]


def _culprit(task: Task) -> Container | None:
    """Return the essential container that ended first."""
    ended = [each for each in task.containers if each.essential and each.finished_at is not None]
    return min(ended, key=lambda each: each.finished_at or 0.0, default=None)


def _end_in_words(container: Container) -> str:
    return "ended" if container.exit_code is None else f"exited {container.exit_code}"


def _details(task: Task, told: str = "") -> Iterator[str]:
    """Yield what follows the first line; ``told`` is a reason that it has in full."""
    code = task.stop_code.value if task.stop_code else "none"
    reason = "" if told == task.stopped_reason else f' · stoppedReason "{task.stopped_reason or ""}"'
    yield f"  stopCode {code}{reason}"
    yield from _container_lines(task, told)
    yield from (f"  {line}" for line in task.hint.splitlines())
    if task.stop_code is not StopCode.TASK_FAILED_TO_START:
        yield from (f"  note: {note}" for note in task.notes)
    yield from _advice(task)


def _advice(task: Task) -> list[str]:
    return [f"  {line}" for line in advise(task)]


def _container_lines(task: Task, told: str = "") -> Iterator[str]:
    """Yield a line for each container, the culprit's first."""
    culprit = _culprit(task)
    first = [] if culprit is None else [culprit]
    ordered = [*first, *(each for each in task.containers if each is not culprit)]
    width = max(len(each.name) for each in ordered)
    for container in ordered:
        # Between its end and the end of its log DescribeTasks still says RUNNING.
        status = "STOPPED" if container.exited else container.last_status
        code = "" if container.exit_code is None else f"exit {container.exit_code}"
        lived = _lived_s(container)
        after = "" if lived is None else f"after {lived:.1f} s"
        remarks = "; ".join(_remarks(container, told))
        cells = f"  {container.name:{width}}  {status:7}  {code:8} {after:13}"
        yield f"{cells} ({remarks})" if remarks else cells.rstrip()


def _lived_s(container: Container) -> float | None:
    if container.started_at is None or container.finished_at is None:
        return None
    return container.finished_at - container.started_at


def _remarks(container: Container, told: str) -> Iterator[str]:
    if container.reason and container.reason != told:
        yield container.reason
    elif not container.ever_ran and container.stopped:
        yield "never ran"
    if container.plan.definition.health_check is not None and container.ever_ran:
        yield describe_health(container)


def _blockers(task: Task, goal: str) -> Iterator[str]:
    if goal == "STOPPED":
        yield from _stop_blockers(task)
        return
    starting = [each for each in task.containers if each.status < ContainerStatus.RUNNING]
    for container in starting:
        yield f"container '{container.name}' {_start_blocker(task, container)}"
    if goal == "HEALTHY":
        for container in task.containers:
            waits = container.health is not None and not container.stopped
            if waits and container.health_status is not HealthStatus.HEALTHY:
                yield f"container '{container.name}' is {container.health_status.value}: {describe_health(container)}"


def _start_blocker(task: Task, container: Container) -> str:
    for dependency in container.plan.depends_on:
        on = task.container(dependency.container)
        if not graph.is_met(on, dependency.condition, container.status):
            return f"waits for '{on.name}' ({dependency.condition.value}), which is {_state_in_words(on)}"
    if task.plan.needs_fetching and not task.secrets_ready:
        return f"waits for its {task.plan.fetched}"
    if container.plan.image not in task.images:
        return f"waits for its image {container.plan.image}"
    if container.plan.sandbox is not None and container.plan.sandbox not in task.sandboxes:
        return (
            "waits for the task's network"
            if container.plan.sandbox == TASK_SANDBOX
            else "waits for its network"
        )
    if task.plan.namespace_holder is not None and task.plan.namespace_holder not in task.sandboxes:
        return "waits for the task's shared namespaces"
    if task.plan.volumes and not task.volumes_ready:
        return "waits for the task's volumes"
    return "waits for the engine to start it"


def _state_in_words(container: Container) -> str:
    code = "" if container.exit_code is None else f" (exit {container.exit_code})"
    if container.health is not None and not container.stopped:
        return f"{container.last_status} and {container.health_status.value}: {describe_health(container)}"
    return f"{container.last_status}{code}"


def _stop_blockers(task: Task) -> Iterator[str]:
    for container in task.containers:
        if container.stopped:
            continue
        if container.exited:
            yield f"container '{container.name}' has ended, its log is not complete yet"
        elif not task.desired_stopped and not container.essential:
            continue
        else:
            sent = f" and was sent {', '.join(container.signals)}" if container.signals else ""
            yield f"container '{container.name}' is {container.last_status}{sent}"


def _similar_images(image: str, local_images: Sequence[str]) -> list[str]:
    """Return names of local images whose last part is like the wanted one's, the nearest first."""
    wanted = without_tag(image).rpartition("/")[2]
    by_ratio = sorted(
        (
            (difflib.SequenceMatcher(None, wanted, without_tag(name).rpartition("/")[2]).ratio(), name)
            for name in local_images
            if not name.startswith("<none>")
        ),
        key=lambda pair: (-pair[0], pair[1]),
    )
    return [name for ratio, name in by_ratio if ratio >= 0.6][:SIMILAR_NAMES]


def _log_in(image: str) -> str:
    host = image.partition("/")[0]
    match = _ECR_HOST.match(host)
    if match:
        region = match["region"]
        return f"aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {host}"
    is_registry = "/" in image and ("." in host or ":" in host or host == "localhost")
    return f"docker login {host}" if is_registry else "docker login"

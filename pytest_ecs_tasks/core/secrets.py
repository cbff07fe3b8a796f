"""Which secrets a task needs, and to whom each value goes: a variable, an option of a log driver, the log router."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_ecs_tasks.core import firelens
from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.core.spec import Sensitive

Secrets = Mapping[tuple[str, str], Sensitive]
_LOG_OPTION = "logConfiguration."  # no name of a variable that a shell could read


def wanted_secrets(plan: TaskPlan) -> Iterator[tuple[str, str, str]]:
    """Yield container, name and ``valueFrom`` of every secret of a task.

    Secret options of the awsfirelens driver are variables of the log router.
    """
    router = plan.definition.router
    for index, container in enumerate(plan.containers):
        for secret in container.definition.secrets:
            yield container.name, secret.name, secret.value_from
        logs = container.definition.log_configuration
        for option in logs.secret_options if logs else ():
            if container.engine_log is None and router is not None:
                yield router.name, firelens.variable(option.name, index), option.value_from
            else:
                yield container.name, _LOG_OPTION + option.name, option.value_from


def secret_variables(secrets: Secrets, container: str) -> dict[str, Sensitive]:
    """Return the values that are variables of a container."""
    return {
        name: value
        for (owner, name), value in secrets.items()
        if owner == container and not name.startswith(_LOG_OPTION)
    }


def secret_log_options(secrets: Secrets, container: str) -> dict[str, Sensitive]:
    """Return the values that are options of a container's log driver."""
    return {
        name.removeprefix(_LOG_OPTION): value
        for (owner, name), value in secrets.items()
        if owner == container and name.startswith(_LOG_OPTION)
    }


def find_null(variables: Mapping[str, Sensitive]) -> str | None:
    """Return why no process can have one of these variables, in runc's words and without the value."""
    for name, value in variables.items():
        if "\0" in name or "\0" in value:
            shown = name.partition("\0")[0]
            return f'environment variable can\'t contain null(\\x00): "{shown}=***"'
    return None

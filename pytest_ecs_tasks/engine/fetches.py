"""What containers get from AWS before they are created: environment files, secrets, a log router's file."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_ecs_tasks.core import environment_files
from pytest_ecs_tasks.core.plan import TaskPlan
from pytest_ecs_tasks.core.secrets import wanted_secrets
from pytest_ecs_tasks.core.spec import RegistryLogin, Sensitive
from pytest_ecs_tasks.engine.aws_ports import (
    AwsServices,
    EnvironmentFileError,
    SecretRequest,
    SecretsError,
)


def read_environment_files(plan: TaskPlan, aws: AwsServices) -> Mapping[str, Mapping[str, Sensitive]]:
    """Return the variables of each container's environment files. Raises :class:`EnvironmentFileError`."""
    wanted = {each.name: each.definition.environment_files for each in plan.containers}
    arns = list(dict.fromkeys(arn for files in wanted.values() for arn in files))
    if not arns:
        return {}
    read = {}
    for arn, content in aws.fetch_environment_files(arns, fargate=plan.fargate).items():
        try:
            read[arn] = environment_files.parse(content)
        except environment_files.BadEnvironmentFileError as error:
            text = f"resource cannot be initialized for task {plan.arn}: {error}"  # agent: ResourceInitError
            raise EnvironmentFileError(text, hint=f"in the environment file {arn}") from error
    return {
        name: environment_files.merge(read[arn] for arn in files) for name, files in wanted.items() if files
    }


def resolve_secrets(plan: TaskPlan, aws: AwsServices) -> Mapping[tuple[str, str], Sensitive]:
    """Return every secret by container and variable. Raises :class:`~pytest_ecs_tasks.engine.aws_ports.SecretsError`."""
    wanted = [SecretRequest(*secret) for secret in wanted_secrets(plan)]
    if not wanted:
        return {}
    return aws.resolve_secrets(wanted, region=plan.request.region, fargate=plan.fargate)


def resolve_logins(plan: TaskPlan, aws: AwsServices) -> Mapping[str, RegistryLogin]:
    """Return who pulls the image of each container that has ``repositoryCredentials``. Raises :class:`SecretsError`.

    Source of the text: amazon-ecs-agent, agent/taskresource/asmauth/asmauth.go, retrieveASMDockerAuthData.
    """
    wanted = {
        each.name: each.definition.registry_credentials
        for each in plan.containers
        if each.definition.registry_credentials
    }
    if not wanted:
        return {}
    if not plan.definition.execution_role_arn:
        raise SecretsError(
            "asm resource: unable to find execution role credentials",
            hint="repositoryCredentials are fetched with the task execution role: add an executionRoleArn",
        )
    parameters = list(dict.fromkeys(wanted.values()))
    found = aws.resolve_logins(parameters, region=plan.request.region, fargate=plan.fargate)
    return {name: found[parameter] for name, parameter in wanted.items()}


def fetch_router_file(plan: TaskPlan, aws: AwsServices) -> bytes | None:
    """Return the file from S3 that the log router's configuration includes, if it includes one.

    Raises :class:`~pytest_ecs_tasks.engine.aws_ports.SecretsError`.
    """
    router = plan.definition.router
    arn = router.firelens.s3_object if router is not None and router.firelens is not None else None
    return None if arn is None else aws.fetch_router_file(arn)

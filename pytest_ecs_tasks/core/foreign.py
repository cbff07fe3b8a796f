"""Files of other products, which look like task definitions to those who keep them together: told by name."""

from __future__ import annotations

from collections.abc import Mapping

_GIVE = "give a task definition: family, containerDefinitions, …"
_SERVICE = frozenset(
    {
        "serviceName",
        "desiredCount",
        "deploymentConfiguration",
        "deploymentController",
        "schedulingStrategy",
        "loadBalancers",
        "networkConfiguration",
        "healthCheckGracePeriodSeconds",
    }
)
_RUN_TASK = frozenset(
    {"count", "overrides", "cluster", "launchType", "startedBy", "capacityProviderStrategy"}
)
_COPILOT = frozenset(
    {
        "Load Balanced Web Service",
        "Backend Service",
        "Worker Service",
        "Request-Driven Web Service",
        "Scheduled Job",
        "Static Site",
        "Environment",
    }
)
_ANSWERS = {
    "taskDefinitionArns": "the answer of list-task-definitions",
    "serviceArns": "the answer of list-services",
    "tasks": "the answer of describe-tasks or run-task",
    "failures": "an answer of the ECS API",
}


def describe_foreign(document: object) -> str | None:
    """Return what a document is, and what to give in its place; ``None`` when it may be a task definition."""
    if isinstance(document, list):
        return _describe_list(document)
    if not isinstance(document, Mapping):
        return None
    return _describe_aws(document) or _describe_others(document)


def _describe_list(document: list[object]) -> str | None:
    entries = [each for each in document if isinstance(each, Mapping)]
    if entries and all(set(each) == {"name", "imageUri"} for each in entries):
        return f"this is CodePipeline's imagedefinitions.json, which only says which images run: {_GIVE}"
    return None


def _describe_aws(document: Mapping[object, object]) -> str | None:
    if (
        "jobDefinitionName" in document
        or isinstance(document.get("jobDefinitions"), list)
        or ("containerProperties" in document and "containerDefinitions" not in document)
    ):
        return f"this is an AWS Batch job definition: {_GIVE}"
    version = document.get("AWSEBDockerrunVersion")
    if version is not None:
        return f"this is a Dockerrun.aws.json of Elastic Beanstalk (version {version}): {_GIVE}"
    if isinstance(document.get("Resources"), list) and "version" in {str(key).lower() for key in document}:
        return f"this is CodeDeploy's appspec: {_GIVE}"
    if "os" in document and "files" in document and "version" in document:
        return f"this is CodeDeploy's appspec: {_GIVE}"
    if document.get("type") in _COPILOT and "name" in document:
        return (
            "this is a manifest of AWS Copilot, which is not read: give the template that `copilot svc package` prints, "
            "or a task definition"
        )
    if "runtime" in document and ("run" in document or "build" in document) and "version" in document:
        return f"this is App Runner's apprunner.yaml: {_GIVE}"
    if "SourceConfiguration" in document and "ServiceName" in document:
        return f"this is the input of App Runner's CreateService: {_GIVE}"
    return _describe_cdk(document) or _describe_ecs(document)


def _describe_cdk(document: Mapping[object, object]) -> str | None:
    """Name what lies beside the templates in cdk.out."""
    artifacts, tree = document.get("artifacts"), str(document.get("version")).startswith("tree-")
    listed = (
        [each for each in artifacts.values() if isinstance(each, Mapping)]
        if isinstance(artifacts, Mapping)
        else []
    )
    made = [each for each in listed if str(each.get("type")).startswith(("aws:", "cdk:"))]
    if not (made or tree or ("dockerImages" in document and "files" in document)):
        return None
    properties = [each["properties"] for each in made if isinstance(each.get("properties"), Mapping)]
    names = [each["templateFile"] for each in properties if "templateFile" in each]
    templates = ", ".join(show_name(each) for each in names[:10]) or "NAME.template.json"
    return f"this file of the CDK only lists what it made: give the template beside it, {templates}"


def _describe_ecs(document: Mapping[object, object]) -> str | None:
    """Name what belongs to ECS and is no task definition."""
    if "containerDefinitions" in document or isinstance(document.get("taskDefinition"), Mapping):
        return None
    if isinstance(document.get("services"), list):
        return f"this is the answer of describe-services: {_GIVE}"
    answer = next((text for key, text in _ANSWERS.items() if isinstance(document.get(key), list)), None)
    if answer is not None:
        return f"this is {answer}: {_GIVE}"
    if "task_definition" in document and "run_params" in document:
        return f"this is ecs-params.yml of the ECS CLI: {_GIVE}"
    if "task_definition" in document and "service" in document:
        return f"this is ecspresso's configuration: give the file that it names, {show_name(document['task_definition'])}"
    named = document.get("taskDefinition")
    if isinstance(named, str) and not _SERVICE & set(document) - {"networkConfiguration"}:
        return f"this is the input of RunTask: give the task definition that it names, {show_name(named)}"
    if _SERVICE & set(document) and "family" not in document:
        of = f", {show_name(named)}" if isinstance(named, str) else ""
        return f"this is a service's definition: give the task definition that the service runs{of}"
    if isinstance(document.get("image"), str) and "name" in document and "services" not in document:
        return (
            "this is one container definition: put it into a list, and name the family: "
            '{"family": "…", "containerDefinitions": […]}'
        )
    return None


def show_name(value: object) -> str:
    """Return a name for a message, never long."""
    return f"'{str(value)[:100]}'"


def _describe_others(document: Mapping[object, object]) -> str | None:
    if "containerDefinitions" in document:
        return None
    if "apiVersion" in document and "kind" in document:
        kind = str(document["kind"])[:60]
        return f"this is a Kubernetes manifest ({kind}): {_GIVE}"
    if isinstance(document.get("services"), Mapping):
        return f"this is a Compose file, which is not read: {_GIVE}"
    if "jobs" in document and ("on" in document or "name" in document):
        return f"this is a GitHub Actions workflow: {_GIVE}"
    if isinstance(document.get("deployment"), Mapping) and "version" in document:
        return f"this is a state of Pulumi, which is not read: {_GIVE}"
    if "phases" in document and "version" in document:
        return f"this is CodeBuild's buildspec: {_GIVE}"
    return None

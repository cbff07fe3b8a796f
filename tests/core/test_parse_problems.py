"""Every message about a document that is wrong, read in full."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.errors import Problem, Severity, TaskDefinitionError, UnsupportedFeature


def definition(*containers: object, **fields: Any) -> dict[str, Any]:
    return {"family": "web", "containerDefinitions": list(containers), **fields}


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "memory": 64, **fields}


def problems(document: Any) -> list[str]:
    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(document)
    return [str(problem) for problem in caught.value.problems]


def warning(path: str, message: str, code: str = "unsupported-field") -> Problem:
    return Problem(path, message, code=code, severity=Severity.WARNING)


APP = "containerDefinitions[0]"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"healthcheck": {"command": ["CMD", "true"]}},
            f"{APP}.healthcheck: 'healthcheck' is not a field; did you mean healthCheck?",
        ),
        (
            {"enviroment": [{"name": "A", "value": "b"}]},
            f"{APP}.enviroment: 'enviroment' is not a field; did you mean environment?",
        ),
        (
            {"networkMode": "awsvpc"},
            f"{APP}.networkMode: 'networkMode' is not a field here; it belongs to the task definition",
        ),
        ({"interval": 5}, f"{APP}.interval: 'interval' is not a field here; it belongs inside healthCheck"),
        ({"zzz": 1}, f"{APP}.zzz: 'zzz' is not a field here"),
        (
            {"mountPoints": [{"sourceVolume": "a", "containerPath": "/a", "zzz": 1}]},
            f"{APP}.mountPoints[0].zzz: 'zzz' is not a field here; the fields are sourceVolume, "
            "containerPath, "
            "readOnly",
        ),
        (
            {"environment": [{"name": "A", "valueFrom": "/a"}]},
            f"{APP}.environment[0].valueFrom: an environment entry has a value, not valueFrom: "
            "move the entry to "
            "secrets",
        ),
        (
            {"dependsOn": [{"containerName": "app", "condition": "READY"}]},
            f"{APP}.dependsOn[0].condition: 'READY' is not one of START, COMPLETE, SUCCESS, HEALTHY",
        ),
        ({"dependsOn": [{"containerName": "db"}]}, f"{APP}.dependsOn[0].condition: is missing"),
        ({"memory": "lots"}, f"{APP}.memory: a whole number is wanted here, not 'lots'"),
        ({"memory": 1.5}, f"{APP}.memory: a whole number is wanted here, not 1.5"),
        ({"memory": True}, f"{APP}.memory: a whole number is wanted here, not true"),
        ({"memory": 2**31}, f"{APP}.memory: a number up to 2147483647 is wanted here"),
        ({"memory": 10**5000}, f"{APP}.memory: a number up to 2147483647 is wanted here"),
        ({"essential": "yes"}, f"{APP}.essential: true or false is wanted here, not 'yes'"),
        ({"command": "sleep 5"}, f"{APP}.command: a list is wanted here, not a text"),
        (
            {"command": ["sleep", 5]},
            f"{APP}.command[1]: a text is wanted here, not a number; put it in quotes",
        ),
        (
            {"portMappings": {"containerPort": 80}},
            f"{APP}.portMappings: a list is wanted here, not an object",
        ),
        ({"portMappings": [80]}, f"{APP}.portMappings[0]: an object is wanted here, not a number"),
        ({"healthCheck": "true"}, f"{APP}.healthCheck: an object is wanted here, not a text"),
        ({"dockerLabels": ["a"]}, f"{APP}.dockerLabels: an object is wanted here, not a list"),
        ({"dockerLabels": {1: "a"}}, f"{APP}.dockerLabels: a key is to be a text, not a number"),
        (
            {"user": "a\0b"},
            f"{APP}.user: holds a character that no program can be given: NUL, or half a surrogate pair",
        ),
        (
            {"command": ["\ud800"]},
            f"{APP}.command[0]: holds a character that no program can be given: NUL, or half a "
            "surrogate pair",
        ),
        ({"stopTimeout": "x" * 100}, f"{APP}.stopTimeout: a whole number is wanted here, not '{'x' * 80}…'"),
    ],
)
def test_a_problem_of_a_container_is_told_with_its_place(fields: dict[str, Any], expected: str) -> None:
    assert problems(definition(container(**fields))) == [expected]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"networkMode": "nat"}, "networkMode: 'nat' is not one of awsvpc, bridge, host, none"),
        ({"cpu": "much"}, "cpu: a size such as '256' or '.25 vCPU' is wanted here, not 'much'"),
        ({"memory": "512 MB"}, "memory: a size such as '512' or '0.5 GB' is wanted here, not '512 MB'"),
        ({"memory": [1]}, "memory: a size such as '512' or '0.5 GB' is wanted here, not a list"),
        (
            {"requiresCompatibilities": ["fargate"]},
            "requiresCompatibilities[0]: 'fargate' is not one of EC2, FARGATE, EXTERNAL, MANAGED_INSTANCES",
        ),
        ({"tags": {"team": "blue"}}, "tags: a list is wanted here, not an object"),
        ({"image": "busybox"}, "image: 'image' is not a field here; it belongs inside containerDefinitions"),
        ({"volumes": [{"host": {"sourcePath": "/a"}}]}, "volumes[0].name: is missing"),
        ({7: "a"}, "7: '7' is not a field here"),
    ],
)
def test_a_problem_of_the_task_is_told_with_its_place(fields: dict[Any, Any], expected: str) -> None:
    assert problems({**definition(container()), **fields}) == [expected]


def test_a_definition_needs_a_family_and_containers() -> None:
    assert problems({}) == ["family: is missing", "containerDefinitions: is missing"]


def test_a_container_needs_a_name() -> None:
    assert problems(definition({"image": "busybox", "memory": 8})) == [f"{APP}.name: is missing"]


def test_a_placeholder_where_a_number_has_to_be_is_told_with_what_fills_it() -> None:
    assert problems(definition(container(memory="${memory}", image="${image}"))) == [
        f"{APP}.memory: a whole number is wanted here, not '${{memory}}'",
        "fill with ecs_taskdef(…, substitute={'${memory}': '…', '${image}': '…'})",
    ]


def test_a_number_is_no_task_definition() -> None:
    assert problems(5) == ["an object is wanted here, not a number"]


def test_every_problem_is_reported_at_once_with_what_is_not_emulated() -> None:
    document = definition(
        container(
            memory="x",
            command="sleep",
            resourceRequirements=[{"type": "GPU", "value": "1"}],
        ),
        container("db", dependsOn=[{"containerName": "nobody", "condition": "START"}]),
        networkMode="bridged",
    )

    assert [problem.path for problem in _caught(document).problems] == [
        "containerDefinitions[0].memory",
        "containerDefinitions[0].command",
        "networkMode",
        "containerDefinitions[1].dependsOn[0].containerName",
        "containerDefinitions[0].resourceRequirements",
    ]


def test_the_title_names_the_source_and_counts() -> None:
    assert str(_caught(definition(container(memory="x")), "infra/web.json")) == (
        "infra/web.json has 1 problem\n"
        "  containerDefinitions[0].memory: a whole number is wanted here, not 'x'"
    )


def test_a_number_in_the_environment_is_refused_without_being_shown() -> None:
    found = problems(definition(container(environment=[{"name": "PASSWORD", "value": 12345}])))

    assert found == [f"{APP}.environment[0].value: a text is wanted here, not a number; put it in quotes"]


def test_a_misspelt_field_is_not_also_reported_as_missing() -> None:
    document = definition(
        container(dependsOn=[{"containerName": "db", "condition": "HEALTHY"}]),
        container("db", healthcheck={"command": ["CMD", "true"], "intervall": 5}),
    )

    assert problems(document) == [
        "containerDefinitions[1].healthcheck: 'healthcheck' is not a field; did you mean healthCheck?",
        "containerDefinitions[1].healthcheck.intervall: 'intervall' is not a field; did you mean interval?",
    ]


def test_a_field_that_cannot_be_read_breaks_no_rule_besides() -> None:
    document = definition(
        container(dependsOn=[{"containerName": "db", "condition": "HEALTHY"}], memory="x"),
        container("db", healthCheck="true"),
    )

    assert problems(document) == [
        "containerDefinitions[0].memory: a whole number is wanted here, not 'x'",
        "containerDefinitions[1].healthCheck: an object is wanted here, not a text",
    ]


def test_a_document_that_contains_itself_is_refused() -> None:
    document = definition(container())
    tags: list[Any] = []
    tags.append(tags)
    document["tags"] = tags

    assert problems(document) == ["lists and objects are nested too deeply to be a task definition"]


def test_what_cannot_work_here_is_refused_all_at_once() -> None:
    document = definition(
        container(resourceRequirements=[{"type": "GPU", "value": "1"}]),
        runtimePlatform={"operatingSystemFamily": "WINDOWS_SERVER_2025_CORE"},
    )

    with pytest.raises(UnsupportedFeature) as caught:
        parse_task_definition(document, "web.json")

    assert str(caught.value) == (
        "web.json needs what is not emulated here; as it is, the task would not run as declared\n"
        "  containerDefinitions[0].resourceRequirements: resourceRequirements is not emulated yet: the container would "
        "run without its GPU or accelerator\n"
        "  runtimePlatform.operatingSystemFamily: operatingSystemFamily 'WINDOWS_SERVER_2025_CORE' is not emulated yet: only "
        "Linux containers run here"
    )


def test_what_only_lacks_an_effect_is_listed_as_unsupported() -> None:
    document = definition(
        container(),
        networkMode="awsvpc",
        enableFaultInjection=True,
        proxyConfiguration={"type": "APPMESH", "containerName": "app"},
    )

    assert parse_task_definition(document).unsupported == (
        warning(
            "enableFaultInjection",
            "enableFaultInjection is not emulated yet: no network fault is injected; its endpoints say so",
        ),
        warning(
            "proxyConfiguration",
            "proxyConfiguration has no effect here: no traffic goes through the proxy, which runs as any other container",
        ),
    )


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (
            {"dockerSecurityOptions": ["credentialspec:file://spec.json"]},
            "containerDefinitions[0].dockerSecurityOptions[0]",
        ),
        (
            {"firelensConfiguration": {"type": "fluentbit"}, "disableNetworking": True},
            "containerDefinitions[0].disableNetworking",
        ),
    ],
)
def test_what_cannot_work_beside_other_fields_is_refused(fields: dict[str, Any], path: str) -> None:
    logs = {"logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "stdout"}}}
    document = definition(
        container(**fields), container("web", **logs) if len(fields) > 1 else container("web")
    )

    with pytest.raises(UnsupportedFeature) as caught:
        parse_task_definition(document)

    assert [problem.path for problem in caught.value.problems] == [path]


def test_a_value_that_is_ecs_s_default_does_not_warn() -> None:
    document = definition(
        container(disableNetworking=False),
        runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        enableFaultInjection=False,
        volumes=[{"name": "data", "configuredAtLaunch": False}],
    )

    assert parse_task_definition(document).unsupported == ()


def test_a_health_check_that_docker_never_runs_is_listed_and_left_out() -> None:
    parsed = parse_task_definition(definition(container(healthCheck={"command": ["/healthcheck"]})))

    assert parsed.containers[0].health_check is None
    assert parsed.unsupported == (
        warning(
            "containerDefinitions[0].healthCheck.command",
            "starts with neither CMD nor CMD-SHELL, so it never runs, and health stays UNKNOWN",
            "health-check-never-runs",
        ),
    )


def test_external_and_managed_instances_run_as_ec2_and_say_so() -> None:
    parsed = parse_task_definition(definition(container(), requiresCompatibilities=["EXTERNAL"]))

    assert parsed.unsupported == (warning("requiresCompatibilities", "EXTERNAL is run as EC2"),)


def _caught(document: dict[str, Any], source: str = "task definition") -> TaskDefinitionError:
    with pytest.raises(TaskDefinitionError) as caught:
        parse_task_definition(document, source)
    return caught.value

"""What ECS accepts and people regret is told, and what only looks like it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition, read_task_definition
from pytest_ecs_tasks.errors import Severity

LOGS = {"logConfiguration": {"logDriver": "json-file"}}


def container(name: str = "app", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox:1", "memory": 64, **fields}


def advice(*containers: dict[str, Any], **fields: Any) -> list[str]:
    document = {"family": "web", "containerDefinitions": list(containers), **fields}
    found = parse_task_definition(document).advice
    assert all(each.severity is Severity.WARNING for each in found)
    return [f"{each.code} {each}" for each in found if each.code != "unfilled-placeholder"]


def variables(**values: str) -> dict[str, Any]:
    return {"environment": [{"name": name, "value": value} for name, value in values.items()]}


def after(name: str, condition: str = "START") -> dict[str, Any]:
    return {"dependsOn": [{"containerName": name, "condition": condition}]}


def check(*command: str, **fields: Any) -> dict[str, Any]:
    return {"healthCheck": {"command": list(command), **fields}}


APP = "containerDefinitions[0]"


def test_a_plain_definition_has_nothing_to_regret() -> None:
    web = container(
        **LOGS, **check("CMD", "/app/ready", startPeriod=10), portMappings=[{"containerPort": 80}]
    )
    assert advice(web, container("worker", **LOGS, **after("app", "HEALTHY"))) == []


@pytest.mark.parametrize(
    ("image", "what"),
    [
        ("nginx", "has no tag, which means latest"),
        ("registry.example.org:5000/web", "has no tag, which means latest"),
        ("nginx:latest", "has the tag latest"),
    ],
)
def test_an_image_that_changes_is_told(image: str, what: str) -> None:
    assert advice(container(image=image)) == [
        f"image-latest {APP}.image: the image {what}: what runs changes with every push; name a version or a digest"
    ]


@pytest.mark.parametrize(
    "image", ["nginx:1.27", f"nginx@sha256:{'0' * 64}", "<IMAGE1_NAME>", "REPLACE_IMAGE"]
)
def test_an_image_that_is_fixed_or_to_be_named_is_not_told(image: str) -> None:
    assert advice(container(image=image)) == []


def test_a_container_without_an_image_is_told() -> None:
    assert advice(container(image="")) == [
        f"image-missing {APP}.image: container 'app' has no image; ECS refuses that unless a deployment fills it in"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "hunter2-hunter2"),
        ("POSTGRES_PASSWORD", "postgres"),
        ("clientSecret", "3f9a8c"),
        ("POSTGRES_PASSWORD", "123456"),
        ("GITHUB_TOKEN", "ghp_x"),
        ("STRIPE_API_KEY", "sk_live_1"),
        ("AWS_SECRET_ACCESS_KEY", "abc"),
        ("SECRET_KEY_BASE", "abc"),
        ("apikey", "abc"),
    ],
)
def test_a_secret_in_plain_text_is_told_without_its_value(name: str, value: str) -> None:
    [told] = advice(container(**variables(COLOUR="red", **{name: value})))

    assert told == (
        f"secret-in-environment {APP}.environment[1].value: {name} looks like a secret in plain text; secrets with "
        "valueFrom keep it out of the definition"
    )
    assert value not in told


def test_a_password_in_a_url_is_told_without_its_value() -> None:
    [told] = advice(container(**variables(DATABASE_URL="postgres://web:hunter2@db.example.org/web")))

    assert told.startswith(
        f"secret-in-environment {APP}.environment[0].value: DATABASE_URL has a password in a URL"
    )
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", ""),
        ("DB_PASSWORD", "<PASSWORD>"),
        ("DB_PASSWORD", "${PASSWORD}"),
        ("DB_PASSWORD_FILE", "/run/secrets/db"),
        ("DB_PASSWORD", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db"),
        ("SECRET_NAME", "prod/db"),
        ("TOKEN_EXPIRY", "3600"),
        ("USE_TOKEN", "true"),
        ("MAX_TOKENS", "4096"),
        ("PUBLIC_KEY", "abc"),
        ("KEYCLOAK", "abc"),
        ("TOKEN", "https://auth.example.org/token"),
        ("DATABASE_URL", "postgres://web@db.example.org/web"),
        ("DATABASE_URL", "postgres://web:${PASSWORD}@db.example.org/web"),
    ],
)
def test_what_only_looks_like_a_secret_is_not_told(name: str, value: str) -> None:
    assert advice(container(**variables(**{name: value}))) == []


NAMES = "under awsvpc its name does not resolve; the containers of a task reach each other on localhost"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        (variables(BROKER="tcp://mosquitto:1883"), "environment[0].value"),
        (variables(BROKERS="a.example.org:9092,mosquitto:9092"), "environment[0].value"),
        (variables(URL="amqp://user:${PASSWORD}@mosquitto/vhost"), "environment[0].value"),
        (variables(MQTT_HOST="mosquitto"), "environment[0].value"),
        ({"command": ["serve", "--broker=mosquitto:1883"]}, "command[1]"),
        ({"entryPoint": ["sh", "-c", "wait-for http://mosquitto/ && serve"]}, "entryPoint[2]"),
        (check("CMD-SHELL", "probe mosquitto:1883"), "healthCheck.command[1]"),
    ],
)
def test_a_containers_name_under_awsvpc_is_told(fields: dict[str, Any], place: str) -> None:
    found = advice(container(**fields), container("mosquitto"), networkMode="awsvpc")

    assert found == [f"name-does-not-resolve {APP}.{place}: 'mosquitto' is a container, and {NAMES}"]


@pytest.mark.parametrize(
    "fields",
    [
        variables(BROKER="tcp://localhost:1883"),
        variables(SERVICE_NAME="mosquitto"),
        variables(IMAGE="mosquitto:2"),
        variables(BROKER="tcp://mosquitto.internal:1883"),
        variables(BROKER="tcp://my-mosquitto:1883"),
        variables(SELF="http://app:8080"),
        {"command": ["run", "mosquitto"]},
    ],
)
def test_what_is_no_host_of_the_task_is_not_told(fields: dict[str, Any]) -> None:
    assert advice(container(**fields), container("mosquitto"), networkMode="awsvpc") == []


def test_under_bridge_a_link_makes_a_name_resolve() -> None:
    urls = variables(DB="tcp://db:5432", CACHE="tcp://cache:6379", ALIAS="tcp://store:80")
    app = container(**urls, links=["cache", "db:store"])

    assert advice(app, container("db"), container("cache")) == [
        f"name-does-not-resolve {APP}.environment[0].value: 'db' is a container, and under bridge its name does not "
        'resolve; a link does: "links": ["db"]'
    ]


def test_start_of_a_container_with_a_health_check_is_told() -> None:
    db = container("db", **check("CMD", "ready", startPeriod=5))

    assert advice(container(**after("db")), db) == [
        f"depends-on-start {APP}.dependsOn[0].condition: START waits until 'db' runs, not until it is ready: it has a "
        "health check, so HEALTHY would"
    ]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_start_of_a_container_that_is_connected_to_is_told(host: str) -> None:
    db = container("db", portMappings=[{"containerPort": 5432}])
    app = container(**after("db"), **variables(DB=f"postgres://{host}:5432/web"))

    assert advice(app, db, networkMode="awsvpc") == [
        f"depends-on-start {APP}.dependsOn[0].condition: START waits until 'db' runs, not until it is ready: 'app' connects "
        "to its port 5432; give it a health check and wait for HEALTHY"
    ]


@pytest.mark.parametrize("text", ["postgres://localhost:54321/web", "none"])
def test_start_of_a_container_that_is_not_connected_to_is_not_told(text: str) -> None:
    db = container("db", portMappings=[{"containerPort": 5432}])

    assert advice(container(**after("db"), **variables(DB=text)), db, networkMode="awsvpc") == []


@pytest.mark.parametrize(
    ("command", "tool"),
    [
        (("CMD-SHELL", "curl -f http://localhost/ || exit 1"), "curl"),
        (("CMD", "wget", "-q", "http://localhost/"), "wget"),
        (("CMD-SHELL", "test -f /ready && /usr/bin/curl localhost"), "curl"),
        (("CMD-SHELL", "nc -z localhost 80"), "nc"),
    ],
)
def test_a_tool_that_the_image_does_not_have_is_told(command: tuple[str, ...], tool: str) -> None:
    [told] = advice(container(image="python:3.12-slim", **check(*command)))

    assert told.startswith(
        f"health-check-tool {APP}.healthCheck.command: the check runs {tool}, which python:3.12-slim"
    )


@pytest.mark.parametrize(
    ("image", "tools"),
    [
        ("python:3.12-slim", "curl wget nc"),
        ("public.ecr.aws/docker/library/node:22-bookworm-slim", "curl wget nc"),
        ("gcr.io/distroless/python3-debian12:nonroot", "curl wget nc"),
        ("postgres:17", "curl wget nc"),
        ("docker.io/library/redis:8-alpine3.22", "curl"),
        ("alpine:3.22", "curl"),
        (f"python:3.12-alpine@sha256:{'0' * 64}", "curl"),
        ("python:3.12", ""),
        ("nginx:1.27-alpine", ""),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1-slim", ""),
        ("acme/postgres:17", ""),
        ("<IMAGE>", ""),
    ],
)
def test_a_tool_is_told_that_an_image_is_known_not_to_have(image: str, tools: str) -> None:
    checked = [check("CMD-SHELL", f"{tool} localhost || exit 1") for tool in ("curl", "wget", "nc")]
    told = [
        each for health in checked for each in advice(container(image=image, **health)) if "-tool" in each
    ]

    assert told == [
        f"health-check-tool {APP}.healthCheck.command: the check runs {tool}, which {image} does not have: the container "
        "is UNHEALTHY"
        for tool in tools.split()
    ]


@pytest.mark.parametrize("command", [("CMD", "/app/curler"), ("CMD-SHELL", "redis-cli ping | grep func")])
def test_a_tool_that_is_only_part_of_a_word_is_not_told(command: tuple[str, ...]) -> None:
    assert advice(container(image="python:3.12-slim", **check(*command))) == []


def test_a_health_check_that_others_wait_for_needs_a_start_period() -> None:
    found = advice(container(**after("db", "HEALTHY")), container("db", **check("CMD", "ready")))

    assert [each.partition(":")[0] for each in found] == [
        "health-check-no-start-period containerDefinitions[1].healthCheck"
    ]


def test_a_container_without_logs_is_told_on_fargate_and_beside_others_with_logs() -> None:
    sizes = {"networkMode": "awsvpc", "cpu": "256", "memory": "512", "requiresCompatibilities": ["FARGATE"]}

    assert advice(container(), **sizes) == [
        f"log-configuration-missing {APP}.logConfiguration: container 'app' has no logConfiguration; on Fargate nobody "
        "can read its output"
    ]
    assert advice(container(), container("db", **LOGS)) == [
        f"log-configuration-missing {APP}.logConfiguration: container 'app' has no logConfiguration; other containers of "
        "the task have one"
    ]
    assert advice(container(), container("db")) == []


def test_sizes_and_ports_that_an_instance_does_not_give_are_told() -> None:
    app = container(memory=4, portMappings=[{"containerPort": 22, "hostPort": 22}])

    assert advice(app) == [
        f"memory-below-docker-minimum {APP}.memory: Docker 20.10 and later refuse less than 6 MiB of memory; this is 4",
        f"reserved-host-port {APP}.portMappings[0].hostPort: host port 22 is reserved on every container instance",
    ]


def test_advice_is_no_part_of_what_a_definition_is() -> None:
    document = {"family": "web", "containerDefinitions": [container()]}
    with_advice = {"family": "web", "containerDefinitions": [container(image="busybox")]}

    assert parse_task_definition(with_advice).advice
    assert parse_task_definition(document).advice == ()
    assert parse_task_definition(with_advice) != parse_task_definition(document)  # by its image alone


def test_a_name_in_a_list_of_containers_alone_may_be_meant_for_either_network_mode() -> None:
    web = container(environment=[{"name": "DB_HOST", "value": "db"}])
    advice = read_task_definition(json.dumps([web, container("db")]), "containers.json").advice
    [told] = [each for each in advice if each.code == "name-does-not-resolve"]

    assert told.message == (
        "'db' is a container, and under awsvpc and, without a link, under bridge its name does not resolve; under awsvpc "
        "the containers of a task reach each other on localhost"
    )

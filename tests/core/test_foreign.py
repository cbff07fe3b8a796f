"""Files of other products are named as what they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import read_task_definition
from pytest_ecs_tasks.errors import TaskDefinitionError


def refusal(text: str, name: str = "some.json") -> str:
    with pytest.raises(TaskDefinitionError) as caught:
        read_task_definition(text, name)
    (problem,) = caught.value.problems
    assert problem.code == "not-a-task-definition"
    return problem.message


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"jobDefinitionName": "j", "type": "container", "containerProperties": {}}, "an AWS Batch job definition"),
        ({"AWSEBDockerrunVersion": 2, "containerDefinitions": []}, "a Dockerrun.aws.json of Elastic Beanstalk (version 2)"),
        ({"AWSEBDockerrunVersion": "1", "Image": {"Name": "x"}}, "a Dockerrun.aws.json of Elastic Beanstalk (version 1)"),
        ({"version": 0.0, "Resources": [{"TargetService": {}}]}, "CodeDeploy's appspec"),
        ({"version": "3", "services": {"web": {"image": "x"}}}, "a Compose file, which is not read"),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, "a Kubernetes manifest (Deployment)"),
        ({"name": "api", "type": "Backend Service", "image": {}}, "a manifest of AWS Copilot, which is not read"),
        ({"serviceName": "web", "taskDefinition": "web:3"}, "a service's definition: give the task definition that the service runs, 'web:3'"),
        ({"desiredCount": 2, "deploymentConfiguration": {}}, "a service's definition"),
        ({"taskDefinition": "web:3", "count": 1, "networkConfiguration": {}}, "the input of RunTask: give the task definition that it names, 'web:3'"),
        ({"services": [{"serviceName": "web"}], "failures": []}, "the answer of describe-services"),
        ({"tasks": [], "failures": []}, "the answer of describe-tasks or run-task"),
        ({"taskDefinitionArns": []}, "the answer of list-task-definitions"),
        ({"version": 1, "task_definition": {}, "run_params": {}}, "ecs-params.yml of the ECS CLI"),
        ({"cluster": "c", "service": "s", "task_definition": "td.json"}, "ecspresso's configuration: give the file that it names, 'td.json'"),
        ({"version": 1.0, "runtime": "python311", "run": {}}, "App Runner's apprunner.yaml"),
        ({"name": "app", "image": "nginx", "memory": 8}, "one container definition"),
        ({"version": 3, "deployment": {"resources": []}}, "a state of Pulumi"),
        ({"jobDefinitions": [{"type": "container"}]}, "an AWS Batch job definition"),
        ([{"name": "web", "imageUri": "nginx"}], "CodePipeline's imagedefinitions.json"),
        ({"version": 0.2, "phases": {}, "artifacts": {"files": ["x"]}}, "CodeBuild's buildspec"),
    ],
)  # fmt: skip
def test_a_document_of_another_product_is_named(document: Any, what: str) -> None:
    assert refusal(json.dumps(document)).startswith(f"this is {what}")


@pytest.mark.parametrize(
    ("text", "name", "what"),
    [
        ("local x = 1;\n{ family: x }", "td", "this is Jsonnet"),
        ("{ family: 'web' }", "td.jsonnet", "this is Jsonnet"),
        ("#!/bin/sh\necho {}\n", "td.sh", "this is a shell script: give the file that it writes"),
        ('cat > td.json << EOF\n{"family": "web"}\nEOF\n', "td", "this is a shell script"),
        ("# the app\nFROM python:3.12\nRUN x\n", "Dockerfile", "this is a Dockerfile"),
        ("import * as cdk from 'aws-cdk-lib';\n", "app.ts", "this is a program: give what it makes"),
        ("services:\n  web:\n    image: nginx\n", "docker-compose.yml", "this is a Compose file"),
        (
            '{"@level":"info"}\n{"@level":"info"}\n',
            "plan.json",
            "this is the log of `terraform plan -json`: give what",
        ),
        ("<html></html>", "td.json", "this is neither JSON nor YAML"),
    ],
)
def test_a_text_of_another_language_is_named(text: str, name: str, what: str) -> None:
    assert refusal(text, name).startswith(what)


@pytest.mark.parametrize(
    ("document", "template"),
    [
        (
            {
                "version": "36.0.0",
                "artifacts": {
                    "Web": {
                        "type": "aws:cloudformation:stack",
                        "properties": {"templateFile": "Web.template.json"},
                    },
                    "Tree": {"type": "cdk:tree"},
                },
            },
            "'Web.template.json'",
        ),
        ({"version": "36.0.0", "files": {}, "dockerImages": {}}, "NAME.template.json"),
        ({"version": "tree-0.1", "tree": {"id": "App"}}, "NAME.template.json"),
    ],
)
def test_what_lies_beside_a_template_of_the_cdk_is_named(document: Any, template: str) -> None:
    assert refusal(json.dumps(document)).endswith(f"give the template beside it, {template}")


def test_a_definition_with_a_service_s_words_in_it_is_still_a_definition() -> None:
    document = {
        "family": "web",
        "networkConfiguration": {},
        "containerDefinitions": [{"name": "app", "image": "nginx", "memory": 8}],
    }

    assert read_task_definition(json.dumps(document), "web.json").family == "web"

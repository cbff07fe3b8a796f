"""ECS called by what is not boto3. What is not installed is skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from tasks import BUSYBOX

AWS_CLI = """
set -eu
aws ecs register-task-definition --family job --container-definitions "$CONTAINERS" --query taskDefinition.revision
arn=$(aws ecs run-task --task-definition job --query 'tasks[0].taskArn' --output text)
aws ecs wait tasks-stopped --tasks "$arn"
aws ecs describe-tasks --tasks "$arn" --query 'tasks[0].containers[0].exitCode'
aws ecs run-task --task-definition none || echo "exit $?"
"""

JAVASCRIPT = """
const ecs = require("@aws-sdk/client-ecs");
(async () => {
  const client = new ecs.ECSClient({});
  const containerDefinitions = JSON.parse(process.env.CONTAINERS);
  await client.send(new ecs.RegisterTaskDefinitionCommand({family: "job", containerDefinitions}));
  const run = await client.send(new ecs.RunTaskCommand({taskDefinition: "job"}));
  const tasks = run.tasks.map((task) => task.taskArn);
  await ecs.waitUntilTasksStopped({client, maxWaitTime: 60, minDelay: 1, maxDelay: 1}, {tasks});
  const told = await client.send(new ecs.DescribeTasksCommand({tasks}));
  console.log(told.tasks[0].containers[0].exitCode, told.tasks[0].startedAt instanceof Date);
  await client.send(new ecs.RunTaskCommand({taskDefinition: "none"})).catch((error) => console.log(error.name));
})();
"""


def has_sdk_for_javascript() -> bool:
    node = shutil.which("node")
    found = node and subprocess.run([node, "-e", 'require("@aws-sdk/client-ecs")'], capture_output=True)
    return bool(found and found.returncode == 0)


@pytest.fixture
def environment(aws: Aws) -> dict[str, str]:
    containers = [{"name": "app", "image": BUSYBOX, "memory": 64, "command": ["sh", "-c", "exit 9"]}]
    return {**os.environ, **aws.env, "CONTAINERS": json.dumps(containers)}


@pytest.mark.skipif(shutil.which("aws") is None, reason="the AWS CLI is not installed")
def test_the_aws_cli_runs_a_job(environment):
    ran = subprocess.run(["sh", "-c", AWS_CLI], env=environment, capture_output=True, text=True, timeout=120)

    lines = ran.stdout.split()
    assert lines[:2] == ["1", "9"], ran.stderr
    assert lines[2] == "exit"
    assert "(ClientException) when calling the RunTask operation: TaskDefinition not found." in ran.stderr


@pytest.mark.skipif(not has_sdk_for_javascript(), reason="node does not find @aws-sdk/client-ecs (NODE_PATH)")
def test_the_sdk_for_javascript_runs_a_job(environment):
    ran = subprocess.run(
        ["node", "-e", JAVASCRIPT], env=environment, capture_output=True, text=True, timeout=120
    )

    assert ran.stdout.splitlines() == ["9 true", "ClientException"], ran.stderr


def test_plain_http_with_json_runs_a_job(aws, environment):
    def call(operation: str, **request: object):
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{operation}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/20260131/us-west-2/ecs/aws4_request, Signature=0",
        }
        asked = urllib.request.Request(aws.endpoint_url, json.dumps(request).encode(), headers)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)

    call("RegisterTaskDefinition", family="job", containerDefinitions=json.loads(environment["CONTAINERS"]))
    task = call("RunTask", taskDefinition="job")["tasks"][0]

    assert task["taskArn"].startswith("arn:aws:ecs:us-west-2:")
    with pytest.raises(urllib.error.HTTPError) as caught:
        call("RunTask", taskDefinition=3)
    body = json.load(caught.value)
    caught.value.close()
    assert body == {"__type": "SerializationException", "message": "taskDefinition is not a string"}

"""Task metadata in real containers, live, next to what DescribeTasks says."""

from __future__ import annotations

import json
from typing import Any

from tasks import Run, python

FARGATE = {
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "executionRoleArn": "arn:aws:iam::123456789012:role/ecsTaskExecutionRole",
}
READ = """
import json, os, sys, time, urllib.error, urllib.request
v4, v3 = os.environ["ECS_CONTAINER_METADATA_URI_V4"], os.environ["ECS_CONTAINER_METADATA_URI"]
def read(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer: return json.load(answer)
    except urllib.error.HTTPError as answer: return [answer.status, answer.read().decode()]
"""
# A container may ask before the agent has heard that it runs; until then its metadata has no StartedAt, as ECS's.
UNTIL_STARTED = """
while "StartedAt" not in read(v4): time.sleep(0.05)
"""


def read(urls: str, **more: Any) -> dict[str, Any]:
    """Return a container that prints what it reads at some URLs, once it is known to run."""
    program = f"{READ}{UNTIL_STARTED}print(json.dumps([read(url) for url in [{urls}]]))"
    return python("app", program, **more)


def test_a_container_reads_itself_and_its_task(run: Run) -> None:
    task = run(read("v4, v4 + '/task', v3 + '/task', 'http://169.254.170.2/v2/metadata'")).wait_stopped()

    container, whole, third, second = json.loads(task.logs("app"))
    described = task.describe()
    assert container["DockerId"] == task["app"].runtime_id
    assert container["ContainerARN"] == described["containers"][0]["containerArn"]
    assert container["Networks"][0]["IPv4Addresses"] == [
        described["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    ]
    assert container["Networks"][0]["SubnetGatewayIpv4Address"].count(".") == 3
    assert (whole["TaskARN"], whole["LaunchType"]) == (task.arn, "EC2")
    assert {each["Type"] for each in whole["Containers"]} == {"NORMAL", "CNI_PAUSE"}
    assert third["TaskARN"] == second["TaskARN"] == task.arn
    assert container["CreatedAt"] <= container["StartedAt"]


def test_fargate_is_told_as_fargate(run: Run) -> None:
    task = run(read("v4, v4 + '/task'"), **FARGATE).wait_stopped()

    container, whole = json.loads(task.logs("app"))
    assert container["DockerId"].startswith(f"{task.task_id}-")
    assert whole["Cluster"].startswith("arn:aws:ecs:")
    assert whole["Limits"] == {"CPU": 0.25, "Memory": 512}
    assert [each["Name"] for each in whole["Containers"]] == ["app"]


def test_a_bridged_container_reads_its_own_address_and_port(run: Run) -> None:
    task = run(
        read("v4, 'http://169.254.170.2/v2/metadata'", portMappings=[{"containerPort": 8080}]),
        network="bridge",
    ).wait_stopped()

    container, second = json.loads(task.logs("app"))
    [network] = container["Networks"]
    assert network["NetworkMode"] == "bridge"
    assert container["Ports"][0]["ContainerPort"] == 8080
    assert container["Ports"][0]["HostPort"] == task["app"].network_bindings[0]["hostPort"]
    assert second[0] == 400
    assert network["IPv4Addresses"][0] in second[1]


def test_host_networking_has_the_same_documents(run: Run) -> None:
    task = run(read("v4, v4 + '/task'"), network="host").wait_stopped()

    container, whole = json.loads(task.logs("app"))
    assert container["Networks"] == [{"NetworkMode": "host", "IPv4Addresses": [""]}]
    assert whole["TaskARN"] == task.arn


def test_siblings_and_their_health_are_seen_live(run: Run) -> None:
    program = f"""{READ}
while True:
    states = {{each["Name"]: each for each in read(v4 + "/task")["Containers"]}}
    db = states["db"]
    if db["KnownStatus"] == "RUNNING" and db["Health"].get("status") == "HEALTHY": break
    time.sleep(0.05)
print(db["Health"]["status"], db["Health"]["output"].strip(), states["app"]["Name"], sorted(db["Labels"])[1])
"""
    check = {"command": ["CMD-SHELL", "echo fine"], "interval": 5}
    db = {"name": "db", "command": ["sleep", "600"], "healthCheck": check, "stopTimeout": 1}
    task = run(db, python("app", program)).wait_stopped()

    assert task.logs("app") == "HEALTHY fine app com.amazonaws.ecs.container-name\n"


def test_statistics_are_the_engines_with_rates(run: Run) -> None:
    task = run(read("v4 + '/stats', v4 + '/task/stats', v3 + '/stats'")).wait_stopped()

    own, whole, old = json.loads(task.logs("app"))
    assert own["memory_stats"]["usage"] > 1_000_000
    assert own["cpu_stats"]["cpu_usage"]["total_usage"] >= own["precpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert own["networks"]["eth0"]["rx_bytes"] > 0
    assert own["network_rate_stats"]["rx_bytes_per_sec"] >= 0
    assert own["id"] == task["app"].runtime_id
    assert own["name"].startswith("/ecs-it-1-app-")
    assert set(whole) > {own["id"]}
    assert whole[own["id"]]["memory_stats"]["usage"] > 0
    assert "network_rate_stats" not in old


def test_the_agents_api_is_there(run: Run) -> None:
    program = f"""{READ}
api = os.environ["ECS_AGENT_URI"]
def send(method, path, body):
    request = urllib.request.Request(api + path, json.dumps(body).encode(), method=method)
    return read(request)
print(json.dumps([
    send("PUT", "/task-protection/v1/state", {{"ProtectionEnabled": True}}),
    read(api + "/task-protection/v1/state"),
    send("POST", "/fault/v1/network-latency/stop", {{}}),
]))
"""
    task = run(python("app", program), taskRoleArn="arn:aws:iam::1:role/app").wait_stopped()

    put, got, fault = json.loads(task.logs("app"))
    assert put["protection"]["ProtectionEnabled"] is True
    assert got == put
    assert fault == [
        400,
        json.dumps(
            {"Error": f"enableFaultInjection is not enabled for task: {task.arn}"}, separators=(",", ":")
        ),
    ]

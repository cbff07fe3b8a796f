"""Who reaches whom, in each network mode."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.request import RunTaskRequest
from tasks import BUSYBOX, Run, python, shell

SERVE = "echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"
ECHO = """
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536): self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True; request_queue_size = 256; daemon_threads = True
server = Server(("0.0.0.0", 9000), Echo); print("up"); server.serve_forever()
"""


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as response:
        return response.read().decode()


def web(**more: object) -> dict[str, object]:
    check = {"command": ["CMD-SHELL", "wget -q -O /dev/null http://127.0.0.1:8080/"], "interval": 5}
    return {
        **shell("web", SERVE),
        "portMappings": [{"containerPort": 8080}],
        "healthCheck": check,
        "stopTimeout": 1,
        **more,
    }


@pytest.fixture(scope="module")
def linked_cluster(engine_url: str) -> Iterator[LocalCluster]:
    """A cluster that never uses the engine's network from this process: everything goes over the sandbox link."""
    cluster = LocalCluster(LocalSettings(engine=engine_url, pull="never", direct=False), environ=os.environ)
    cluster.warm_up()
    yield cluster
    cluster.close()


def test_members_of_an_awsvpc_task_share_localhost_and_publish_nothing(run: Run) -> None:
    task = run(
        web(),
        shell(
            "client",
            "wget -q -O - http://127.0.0.1:8080/",
            essential=False,
            dependsOn=[{"containerName": "web", "condition": "HEALTHY"}],
        ),
    ).wait_healthy()
    task.wait_for(lambda task: task["client"].last_status == "STOPPED")

    assert task.logs("client") == "hello\n"
    assert fetch(task.url("web")) == "hello\n"
    assert not task["web"].network_bindings


def test_container_names_do_not_resolve_under_awsvpc(run: Run) -> None:
    resolve = "import socket; print(socket.gethostbyname('web'))"
    task = run(web(), python("client", resolve)).wait_stopped()

    assert task.exit_code("client") == 1
    assert "gaierror" in task.logs("client")


def test_an_application_on_loopback_alone_is_not_reached(run: Run) -> None:
    task = run(
        shell(
            "web", "echo up; exec httpd -f -p 127.0.0.1:8080 -h /tmp", portMappings=[{"containerPort": 8080}]
        )
    )
    task.wait_for_log("up")

    with pytest.raises(urllib.error.URLError, match="refused"):
        fetch(task.url("web"))


def test_the_link_carries_what_the_engines_network_cannot(linked_cluster: LocalCluster) -> None:
    document = {
        "family": "linked",
        "networkMode": "awsvpc",
        "memory": "256",
        "containerDefinitions": [{"image": BUSYBOX, **web()}],
    }
    aws = linked_cluster.new_aws()
    with linked_cluster.run_task(RunTaskRequest(parse_task_definition(document, "test")), aws) as task:
        task.wait_healthy()

        assert task.address("web")[0] == "127.0.0.1"
        assert fetch(task.url("web")) == "hello\n"
    aws.close()


def test_bridge_gives_a_dynamic_host_port_that_is_told(run: Run) -> None:
    task = run(web(), network="bridge").wait_healthy()

    [binding] = task["web"].network_bindings
    assert binding["containerPort"] == 8080
    assert binding["hostPort"] > 0
    assert task.address("web") == ("127.0.0.1", binding["hostPort"])
    assert fetch(task.url("web")) == "hello\n"


def test_bridge_honours_a_fixed_host_port(run: Run) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    task = run(web(portMappings=[{"containerPort": 8080, "hostPort": port}]), network="bridge").wait_healthy()

    assert fetch(f"http://127.0.0.1:{port}/") == "hello\n"
    assert task["web"].network_bindings[0]["hostPort"] == port


def test_bridge_links_resolve_and_nothing_else_does(run: Run) -> None:
    look = """
import socket
for name in ("web", "db", "database"):
    try: print(name, socket.gethostbyname(name) != "")
    except OSError: print(name, False)
"""
    task = run(
        python("client", look, links=["db:database"]),
        shell("db", "exec sleep 600", stopTimeout=1),
        web(),
        network="bridge",
    ).wait_stopped()

    assert task.logs("client") == "web False\ndb False\ndatabase True\n"


def test_bridge_containers_do_not_share_localhost(run: Run) -> None:
    knock = "import socket; socket.create_connection(('127.0.0.1', 8080), timeout=5)"
    task = run(
        web(),
        python("client", knock, dependsOn=[{"containerName": "web", "condition": "HEALTHY"}]),
        network="bridge",
    ).wait_stopped()

    assert "ConnectionRefusedError" in task.logs("client")


def test_a_hostname_is_the_containers_under_bridge(run: Run) -> None:
    task = run(
        python("named", "import socket; print(socket.gethostname())", hostname="alpha"), network="bridge"
    ).wait_stopped()

    assert task.logs("named") == "alpha\n"


def test_host_mode_is_the_hosts_network(run: Run) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    serve = f"echo hello > /tmp/index.html; echo up; exec httpd -f -p {port} -h /tmp"
    task = run(shell("web", serve, portMappings=[{"containerPort": port}]), network="host")
    task.wait_for_log("up")
    task.wait_for(lambda task: fetch(task.url("web", port)) == "hello\n", timeout=60)

    assert task["web"].network_bindings[0]["hostPort"] == port


def test_none_has_no_network(run: Run) -> None:
    look = "import os; print(sorted(os.listdir('/sys/class/net')))"
    task = run(python("alone", look), network="none").wait_stopped()

    assert task.logs("alone").strip() in {"['lo']"}


def test_two_hundred_connections_at_once_into_a_task(linked_cluster: LocalCluster) -> None:
    document = {
        "family": "crowd",
        "networkMode": "awsvpc",
        "memory": "512",
        "containerDefinitions": [python("echo", ECHO, portMappings=[{"containerPort": 9000}])],
    }
    aws = linked_cluster.new_aws()
    with linked_cluster.run_task(RunTaskRequest(parse_task_definition(document, "test")), aws) as task:
        task.wait_for_log("up")
        address = task.address("echo")
        connections = [socket.create_connection(address, timeout=60) for _ in range(200)]
        for number, connection in enumerate(connections):
            connection.sendall(f"{number}\n".encode())
        answers = [connection.makefile("rb").readline() for connection in connections]
        for connection in connections:
            connection.close()
    aws.close()

    assert answers == [f"{number}\n".encode() for number in range(200)]


NEIGHBOURS = """
import json, os, socket, sys, urllib.request
own = socket.create_server(("0.0.0.0", 80))
socket.create_connection(("127.0.0.1", 80)); print("own", own.accept()[1][0])
with urllib.request.urlopen(os.environ["ECS_CONTAINER_METADATA_URI_V4"], timeout=60) as answer:
    print("metadata", json.load(answer)["Name"])
for name in ("host.docker.internal", "host.containers.internal"):
    with socket.create_connection((name, int(sys.argv[1])), timeout=60) as s: print(name, s.recv(100).decode())
"""


@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_port_80_is_the_applications_and_servers_of_the_machine_are_at_both_names(
    run: Run, network: str
) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        app = python("app", NEIGHBOURS)
        task = run({**app, "command": [*app["command"], str(server.getsockname()[1])]}, network=network)
        server.settimeout(100)
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"hello")
        task.wait_stopped()

    assert task.logs("app").splitlines() == [
        "own 127.0.0.1",
        "metadata app",
        "host.docker.internal hello",
        "host.containers.internal hello",
    ]


def test_an_application_reaches_the_tests_aws(run: Run, aws: Aws) -> None:
    aws.client("s3").create_bucket(Bucket="inbox")
    program = (
        "import boto3; boto3.client('s3').put_object(Bucket='inbox', Key='hello', Body=b'from the task')"
    )
    task = run(python("app", program), taskRoleArn="arn:aws:iam::444455556666:role/app").wait_stopped()

    assert task.exit_code("app") == 0, task.logs("app")
    assert aws.client("s3").get_object(Bucket="inbox", Key="hello")["Body"].read() == b"from the task"


def test_without_a_task_role_there_are_no_credentials(run: Run) -> None:
    program = "import boto3; boto3.client('s3').list_buckets()"
    task = run(python("app", program)).wait_stopped()

    assert task.exit_code("app") == 1
    assert "NoCredentialsError" in task.logs("app")

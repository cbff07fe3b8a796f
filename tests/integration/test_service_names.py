"""Names of services in Cloud Map: tasks that find each other by DNS alone, on a real engine."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.local import LocalCluster
from service_registries import create_namespace, wait_steady
from tasks import Run, python

SERVER = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"found")
http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
"""

# What an application asks for an SRV record: no library for it is in the image.
LOOK_UP = """
import socket, struct, time, urllib.request
def get(host, port):
    deadline = time.monotonic() + 60
    while True:
        try: return urllib.request.urlopen(f"http://{host}:{port}/", timeout=60).read().decode()
        except OSError:  # a task is RUNNING before its server listens
            if time.monotonic() > deadline: raise
            time.sleep(0.05)
def look_up(name):
    try: return sorted({each[4][0] for each in socket.getaddrinfo(name, 80, socket.AF_INET)})
    except OSError as error: return type(error).__name__
def name_at(message, at):
    labels = []
    while size := message[at]:
        if size >= 192: at = struct.unpack_from(">H", message, at)[0] & 0x3FFF; continue
        labels.append(message[at + 1:at + 1 + size].decode()); at += 1 + size
    return ".".join(labels)
def services_at(name):
    lines = open("/etc/resolv.conf").read().splitlines()
    server = next(line.split()[1] for line in lines if line.startswith("nameserver") and "." in line)
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + bytes([0, 0, 33, 0, 1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20); s.connect((server, 53))
        s.send(struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + question)
        message = s.recv(65535)
    at, found = 12 + len(question), []
    for _ in range(struct.unpack_from(">H", message, 6)[0]):
        while message[at] and message[at] < 192: at += 1 + message[at]
        at += 2 if message[at] else 1
        kind, _, _, size = struct.unpack_from(">HHIH", message, at)
        found.append((name_at(message, at + 16), struct.unpack_from(">H", message, at + 14)[0]))
        at += 10 + size
    return found
"""


class Shop:
    """A private namespace, ``shop.internal``, and services in it."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.ecs = aws.client("ecs")
        self.cloud_map = aws.client("servicediscovery")
        self.namespace = create_namespace(self.cloud_map, "shop.internal")

    def create(
        self, name: str, count: int, *, kind: str = "A", mode: str = "awsvpc", port: int = 8080
    ) -> str:
        """Create a service that has an HTTP server; return the id of its registry."""
        container = python("app", SERVER, memory=64, portMappings=[{"containerPort": port}])
        container["command"].append(str(port))
        self.ecs.register_task_definition(family=name, networkMode=mode, containerDefinitions=[container])
        dns = {"NamespaceId": self.namespace, "DnsRecords": [{"Type": kind, "TTL": 10}]}
        registry = self.cloud_map.create_service(Name=name, NamespaceId=self.namespace, DnsConfig=dns)
        place: dict[str, Any] = {"registryArn": registry["Service"]["Arn"]}
        if kind == "SRV":
            place |= {"containerName": "app", "containerPort": port}
        network: Mapping[str, Any] = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
        self.ecs.create_service(
            serviceName=name,
            taskDefinition=name,
            desiredCount=count,
            serviceRegistries=[place],
            **({"networkConfiguration": network} if mode == "awsvpc" else {}),
        )
        wait_steady(self.aws)
        registry_id: str = registry["Service"]["Id"]
        return registry_id

    def scale(self, name: str, count: int) -> None:
        self.ecs.update_service(service=name, desiredCount=count)
        wait_steady(self.aws)

    def addresses(self, registry_id: str) -> list[str]:
        instances = self.cloud_map.list_instances(ServiceId=registry_id)["Instances"]
        return sorted(each["Attributes"]["AWS_INSTANCE_IPV4"] for each in instances)


@pytest.fixture
def shop(aws: Aws) -> Shop:
    return Shop(aws)


def test_a_service_is_reached_by_its_name_while_it_has_tasks(shop: Shop, run: Run) -> None:
    early = run(
        python(
            "app",
            LOOK_UP
            + """
print(look_up("api.shop.internal"), flush=True)
while look_up("api.shop.internal") == "gaierror": time.sleep(0.1)
print(get("api.shop.internal", 8080))
""",
        )
    )
    early.wait_for_log("gaierror", timeout=60)

    registry = shop.create("api", 2)
    late = run(
        python(
            "app",
            LOOK_UP
            + """
print(look_up("api.shop.internal"), look_up("API.Shop.Internal"), look_up("other.shop.internal"), look_up("localhost"))
print(get("api.shop.internal", 8080))
""",
        )
    )

    assert early.wait_stopped(timeout=60).containers["app"].exit_code == 0
    assert early.logs("app").splitlines() == ["gaierror", "found"]
    assert late.wait_stopped(timeout=60).containers["app"].exit_code == 0
    both = shop.addresses(registry)
    assert late.logs("app").splitlines() == [f"{both} {both} gaierror ['127.0.0.1']", "found"]
    shop.scale("api", 0)
    last = run(python("app", LOOK_UP + 'print(look_up("api.shop.internal"))'))
    assert last.wait_stopped(timeout=60).logs("app").splitlines() == ["gaierror"]


@pytest.mark.parametrize("mode", ["awsvpc", "bridge", "host"])
def test_an_srv_record_leads_to_a_task_s_address_and_port_in_every_network_mode(
    shop: Shop, run: Run, mode: str
) -> None:
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    shop.create("api", 1, kind="SRV", mode=mode, port=port)
    program = f"""
(found,) = services_at("api.shop.internal")
print(found[0].partition(".")[2], found[1] == {port}, get(*found), look_up("api.shop.internal"))
"""

    tasks = [run(python("app", LOOK_UP + program, memory=64), network=each) for each in ("awsvpc", "bridge")]

    for task in tasks:
        assert task.wait_stopped(timeout=60).containers["app"].exit_code == 0, task.logs("app")
        assert task.logs("app").splitlines() == ["api.shop.internal True found gaierror"]


def test_an_instance_that_is_not_healthy_is_not_told_of(shop: Shop, run: Run) -> None:
    registry = shop.create("api", 2)
    sick, well = shop.cloud_map.list_instances(ServiceId=registry)["Instances"]
    shop.cloud_map.update_instance_custom_health_status(
        ServiceId=registry, InstanceId=sick["Id"], Status="UNHEALTHY"
    )

    task = run(python("app", LOOK_UP + 'print(look_up("api.shop.internal"))'))

    address = well["Attributes"]["AWS_INSTANCE_IPV4"]
    assert task.wait_stopped(timeout=60).logs("app").splitlines() == [f"['{address}']"]


def test_names_of_one_aws_are_not_another_s(cluster: LocalCluster, shop: Shop, run: Run) -> None:
    other = Shop(cluster.new_aws())
    try:
        other.create("api", 1)
        shop.create("web", 1)
        task = run(
            python("app", LOOK_UP + 'print(look_up("api.shop.internal"), len(look_up("web.shop.internal")))')
        )
        assert task.wait_stopped(timeout=60).logs("app").splitlines() == ["gaierror 1"]
    finally:
        other.aws.close()


def test_a_container_with_nameservers_of_its_own_asks_those(shop: Shop, run: Run) -> None:
    shop.create("api", 1)

    task = run(
        python("app", LOOK_UP + 'print(look_up("api.shop.internal"))', dnsServers=["127.0.0.1"], memory=64),
        network="bridge",
    )

    assert task.wait_stopped(timeout=60).logs("app").splitlines() == ["gaierror"]

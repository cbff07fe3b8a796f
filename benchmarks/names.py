"""What names of services cost: a look-up of the engine's own name before there are any and after, and of a service's name.

    python benchmarks/names.py [--engine URL] [--requests 200]

A name of a service is asked of moto anew each time, in four calls, which look-ups at the same time share. The bar is 5 ms
more for a name of the engine, which is asked of Cloud Map first; before the first service with serviceRegistries the engine
alone answers, as without the plugin.
"""

from __future__ import annotations

import json
import os
import sys
from statistics import median

from bench import parse_arguments

from pytest_ecs_tasks.aws.handle import Aws
from pytest_ecs_tasks.clusters.control_plane import ControlPlane
from pytest_ecs_tasks.clusters.local import LocalCluster
from pytest_ecs_tasks.clusters.settings import LocalSettings
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import SandboxPlan
from pytest_ecs_tasks.core.request import RunTaskRequest

IMAGE = "pytest-ecs-tasks/python:1"
BAR_MS = 5.0
PATIENCE_S = 120.0

CLIENT = """
import json, socket, sys, time
requests, engine, ours = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def look_up(name):
    begun = time.perf_counter()
    try: socket.getaddrinfo(name, 80, socket.AF_INET)
    except OSError: return None
    return time.perf_counter() - begun
def times(name): return [look_up(name) for _ in range(requests)]
before = times(engine)
print("measured", flush=True)
while look_up(ours) is None: time.sleep(0.1)
print(json.dumps([before, times(engine), times(ours)]))
"""


def define(*command: str) -> dict[str, object]:
    """Return a task definition of one container that runs a Python program."""
    container = {"name": "app", "image": IMAGE, "command": ["python3", "-c", *command]}
    return {"family": "names", "networkMode": "awsvpc", "memory": "128", "containerDefinitions": [container]}


def create_service(aws: Aws) -> None:
    """Create a service whose name is api.shop.internal, and wait until it is steady."""
    cloud_map, ecs = aws.client("servicediscovery"), aws.client("ecs")
    operation = cloud_map.create_private_dns_namespace(Name="shop.internal", Vpc="vpc-1")["OperationId"]
    namespace = cloud_map.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
    records = {"NamespaceId": namespace, "DnsRecords": [{"Type": "A", "TTL": 10}]}
    registry = cloud_map.create_service(Name="api", NamespaceId=namespace, DnsConfig=records)["Service"]
    ecs.register_task_definition(**define("import time; time.sleep(600)"))
    ecs.create_service(
        serviceName="api",
        taskDefinition="names",
        desiredCount=1,
        serviceRegistries=[{"registryArn": registry["Arn"]}],
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
    )
    assert isinstance(aws.ecs, ControlPlane)
    desk = aws.ecs.services.desk
    (service,) = desk.services()
    assert desk.wait_until(service.arn, lambda service: service.steady, PATIENCE_S)


def measure(cluster: LocalCluster, requests: int) -> list[list[float | None]]:
    """Return the seconds of every look-up: of the engine's name before and after, and of the service's."""
    aws = cluster.new_aws()
    named = cluster.room().sandboxes.acquire(
        SandboxPlan("benchmark", plain=True), {}, {}
    )  # the engine knows its id
    document = define(CLIENT, str(requests), named.container_id[:12], "api.shop.internal")
    task = cluster.run_task(RunTaskRequest(parse_task_definition(document, "benchmark")), aws)
    try:
        task.wait_for_log("measured", timeout=PATIENCE_S)
        create_service(aws)
        task.wait_stopped(timeout=PATIENCE_S)
        found: list[list[float | None]] = json.loads(task.logs("app").splitlines()[-1])
        return found
    finally:
        named.close()
        task.__exit__(None, None, None)
        aws.close()


def main() -> int:
    """Print the figures; the exit status is 1 when the bar is missed."""
    arguments = parse_arguments(__doc__ or "", requests=200)
    cluster = LocalCluster(LocalSettings(engine=arguments.engine, pull="never"), environ=os.environ)
    print(cluster.describe_engine())
    try:
        measured = measure(cluster, arguments.requests)
    finally:
        cluster.close()
    lost = [sum(each is None for each in times) for times in measured]
    print(f"not answered: {lost[0]} and {lost[1]} of the engine's, {lost[2]} of the service's")
    before, after, ours = (1000 * median(each for each in times if each is not None) for times in measured)
    print(f"the engine's own name: {before:.2f} ms before there is a service's, {after:.2f} ms after")
    print(f"a service's name: {ours:.2f} ms")
    within = after - before <= BAR_MS
    print(
        f"added to a name of the engine: {after - before:.2f} ms, bar {BAR_MS:g} ms: {'within' if within else 'OVER'}"
    )
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())

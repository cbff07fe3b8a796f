"""Every rule of a task's own fields, and its text."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.errors import TaskDefinitionError, UnsupportedFeature

APP = {"name": "app", "image": "busybox:1", "memory": 64}
SOFT = {"name": "app", "image": "busybox:1", "memoryReservation": 300}
PLATFORM = {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}


def definition(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"family": "web", "containerDefinitions": list(containers) or [APP], **fields}


def problems(document: dict[str, Any]) -> list[str]:
    with pytest.raises((TaskDefinitionError, UnsupportedFeature)) as caught:
        parse_task_definition(document)
    return [
        f"{problem.code} {problem}" for problem in caught.value.problems if "emulated" not in problem.message
    ]


def tags(count: int) -> list[dict[str, str]]:
    return [{"key": f"k{number}", "value": "v"} for number in range(count)]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            definition(*({**APP, "name": f"c{number}"} for number in range(11))),
            "container-count containerDefinitions: 11 containers; a task definition has up to 10",
        ),
        (definition(cpu="64"), "task-cpu cpu: cpu is 128 to 196608 on EC2, not 64"),
        (
            definition(SOFT, {**SOFT, "name": "db"}, memory="512"),
            "container-memory-sum memory: The sum of all container 'memoryReservation' values cannot be greater than "
            "the value of the task 'memory'. The containers have 600, the task has 512",
        ),
        (definition(tags=tags(51)), "tag-count tags: 51 tags; a task definition has up to 50"),
        (
            definition(tags=[{"key": "k" * 129, "value": "v"}]),
            "tag tags[0].key: a tag's key has up to 128 characters; this one has 129",
        ),
        (
            definition(tags=[{"key": "k", "value": "v" * 257}]),
            "tag tags[0].value: a tag's value has up to 256 characters; this one has 257",
        ),
        (
            definition(tags=[{"key": "AWS:team", "value": "v"}]),
            "tag tags[0].key: 'AWS:team' begins with aws:, which is reserved for AWS",
        ),
        (
            definition(tags=[{"key": "k", "value": "v"}, {"key": "k", "value": "w"}]),
            "tag tags[1].key: two tags have the key 'k'",
        ),
        (
            definition(placementConstraints=[{"type": "memberOf", "expression": "a"}] * 11),
            "placement-constraint-count placementConstraints: 11 placement constraints; a task has up to 10",
        ),
        (
            definition(
                {**APP, "systemControls": [{"namespace": "kernel.msgmax", "value": "1"}]}, ipcMode="host"
            ),
            "system-controls-ipc-mode containerDefinitions[0].systemControls: with ipcMode host the parameters of IPC "
            "cannot be set: kernel.msgmax",
        ),
        (
            definition(
                {**APP, "resourceRequirements": [{"type": "InferenceAccelerator", "value": "device_1"}]}
            ),
            "unknown-accelerator containerDefinitions[0].resourceRequirements[0].value: 'device_1' is none of the task's "
            "inferenceAccelerators",
        ),
        (
            definition(inferenceAccelerators=[{"deviceName": "device_1", "deviceType": "eia1.medium"}]),
            "retired-field inferenceAccelerators: Unsupported field 'inferenceAccelerators'. AWS has retired Elastic "
            "Inference",
        ),
        (
            definition(requiresCompatibilities=["EC2"], ephemeralStorage={"sizeInGiB": 30}),
            "ephemeral-storage-launch-type ephemeralStorage: Tasks using the EC2 launch type do not support "
            "EphemeralStorage.",
        ),
        (
            definition(
                networkMode="awsvpc", proxyConfiguration={"type": "APPMESH", "containerName": "envoy"}
            ),
            "proxy-unknown-container proxyConfiguration.containerName: Proxy container [envoy] does not exist.",
        ),
        (
            definition(proxyConfiguration={"type": "APPMESH", "containerName": "app"}),
            "proxy-network-mode proxyConfiguration: APPMESH proxy configuration is only supported in networkMode=awsvpc",
        ),
        (
            definition({**APP, "image": "a b"}),
            "invalid-image containerDefinitions[0].image: Container.image contains invalid characters. 'a b' is not the "
            "name of an image",
        ),
        (
            definition({**APP, "image": "a" * 256}),
            "invalid-image containerDefinitions[0].image: the name of an image has up to 255 characters",
        ),
        (
            definition(
                {
                    **APP,
                    "mountPoints": [
                        {"sourceVolume": "a", "containerPath": "/data"},
                        {"sourceVolume": "b", "containerPath": "/data"},
                    ],
                },
                volumes=[{"name": "a"}, {"name": "b"}],
            ),
            "mount-path-taken containerDefinitions[0].mountPoints[1].containerPath: two volumes are mounted at '/data'",
        ),
        (
            definition({**APP, "linuxParameters": {"maxSwap": -1}}),
            "swap containerDefinitions[0].linuxParameters.maxSwap: maxSwap is a number of MiB from 0, not -1",
        ),
        (
            definition({**APP, "linuxParameters": {"maxSwap": 1, "swappiness": 101}}),
            "swap containerDefinitions[0].linuxParameters.swappiness: swappiness is 0 to 100, not 101",
        ),
    ],
)
def test_a_rule_of_a_field(document: dict[str, Any], expected: str) -> None:
    assert problems(document) == [expected]


def test_what_windows_containers_do_not_support_is_told() -> None:
    with pytest.raises(UnsupportedFeature) as caught:
        parse_task_definition(definition({**APP, "user": "app"}, pidMode="task", runtimePlatform=PLATFORM))

    told = [each for each in caught.value.advice if each.code == "windows-unsupported-field"]
    assert [f"{each.severity} {each}" for each in told] == [
        "warning pidMode: Windows containers do not support pidMode",
        "warning containerDefinitions[0].user: Windows containers do not support user",
    ]


@pytest.mark.parametrize("compatibilities", [[], ["FARGATE", "EC2"], ["MANAGED_INSTANCES"]])
def test_ephemeral_storage_is_taken_where_ecs_is_not_known_to_refuse_it(compatibilities: list[str]) -> None:
    sizes = {"networkMode": "awsvpc", "cpu": "256", "memory": "512"}
    document = definition(
        requiresCompatibilities=compatibilities, ephemeralStorage={"sizeInGiB": 30}, **sizes
    )

    assert parse_task_definition(document).cpu == 256


def test_hard_limits_may_be_more_together_than_the_task_has() -> None:
    document = definition({**APP, "memory": 512}, {**APP, "name": "db", "memory": 256}, memory="512")
    assert parse_task_definition(document).memory_mib == 512


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (
            "pidMode",
            "host",
            "fargate-pid-mode pidMode: Tasks using the Fargate launch type do not support pidMode 'host'. The supported value "
            "for pidMode is 'task'.",
        ),
        (
            "placementConstraints",
            [{"type": "memberOf", "expression": "a"}],
            "fargate-placement-constraints placementConstraints: Fargate compatible task definitions do not support "
            "constraints: there are no instances to choose from",
        ),
    ],
)
def test_a_rule_that_only_fargate_has(field: str, value: object, expected: str) -> None:
    document = definition(
        networkMode="awsvpc", cpu="256", memory="512", requiresCompatibilities=["FARGATE"], **{field: value}
    )

    assert problems(document) == [expected]


@pytest.mark.parametrize(
    "image",
    [
        "busybox",
        "public.ecr.aws/nginx/nginx:1.27",
        "registry.example.org:5000/team/app:v1.2_3-rc.1",
        f"quay.io/team/app@sha256:{'0' * 64}",
        f"quay.io/{'a' * 200}@sha256:{'0' * 64}",
        "<IMAGE1_NAME>",
        "${ecr_repository_url}:latest",
        "{{ image }}",
        "$IMAGE",
    ],
)
def test_images_and_slots_for_images_are_taken(image: str) -> None:
    assert parse_task_definition(definition({**APP, "image": image})).containers[0].image == image


def test_what_containers_may_use_beyond_what_they_reserve_is_no_sum() -> None:
    containers = [{**APP, "name": name, "memory": 400, "memoryReservation": 200} for name in ("app", "db")]

    assert len(parse_task_definition(definition(*containers, memory="512")).containers) == 2


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [
        *(
            ("256", "512"),
            (".25 vCPU", "0.5GB"),
            ("0.25 vcpu", ".5 gb"),
            ("1 vcpu", "2 gb"),
            ("1vCPU", "8 GB"),
        ),
        *(("8 vCPU", "16 GB"), ("8192", "61440"), ("16 vcpu", "32GB"), ("16384", "122880")),
    ],
)
def test_the_sizes_of_fargate_are_taken_in_every_spelling(cpu: str, memory: str) -> None:
    document = definition(networkMode="awsvpc", cpu=cpu, memory=memory, requiresCompatibilities=["FARGATE"])

    assert parse_task_definition(document).memory_mib


@pytest.mark.parametrize(("cpu", "memory"), [("8 vCPU", "17 GB"), ("16 vCPU", "30 GB"), ("2 vCPU", "2 GB")])
def test_sizes_that_fargate_does_not_pair_are_refused(cpu: str, memory: str) -> None:
    document = definition(networkMode="awsvpc", cpu=cpu, memory=memory, requiresCompatibilities=["FARGATE"])

    assert [each.partition(" ")[0] for each in problems(document)] == ["fargate-cpu-memory"]

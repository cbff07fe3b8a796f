"""What an engine refuses is told with its place in the definition, and with what to do."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_ecs_tasks.core.effects import AcquireSandbox, CreateVolumes, StartContainer
from pytest_ecs_tasks.core.parse import parse_task_definition
from pytest_ecs_tasks.core.plan import TaskPlan, make_plan
from pytest_ecs_tasks.core.request import RunTaskRequest
from pytest_ecs_tasks.engine.hints import engine_hint


def plan(mode: str = "bridge", **fields: Any) -> TaskPlan:
    containers = [
        {"name": "db", "image": "busybox:1", "memory": 64},
        {"name": "app", "image": "busybox:1", "memory": 64, **fields},
    ]
    document = {"family": "web", "networkMode": mode, "containerDefinitions": containers}
    return make_plan(RunTaskRequest(parse_task_definition(document)), task_id="0" * 32)


def start_hint(words: str, **fields: Any) -> str:
    return engine_hint(plan(**fields), StartContainer("app", "id", 0, cause="test"), words)


APP = "containerDefinitions[1]"
PORTS = [{"containerPort": 80}, {"containerPort": 81, "hostPort": 8080}]
SYSCTL = [{"namespace": "net.ipv4.tcp_keepalive_time", "value": "x"}]
NOFILE = [{"name": "nofile", "softLimit": 10, "hardLimit": 20}]


@pytest.mark.parametrize(
    "words",
    [
        "driver failed programming external connectivity on endpoint x: Bind for 127.0.0.1:8080 failed: port is already "
        "allocated",
        "Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
        'cannot listen on the TCP port: listen tcp4 127.0.0.1:8080: bind: address already in use"',
    ],
)
def test_a_host_port_that_is_taken_is_named(words: str) -> None:
    hint = engine_hint(plan(portMappings=PORTS), AcquireSandbox("app", cause="test"), words)

    assert hint == (
        f"{APP}.portMappings[1].hostPort of container 'app': port 8080 is taken on the engine's machine. End what has it, or "
        "leave hostPort out: the engine chooses a free one, and task.address() tells it"
    )


@pytest.mark.parametrize(("mode", "sandbox"), [("bridge", "app"), ("awsvpc", "task")])
@pytest.mark.parametrize(
    "words",
    [
        "write sysctl key net.ipv4.tcp_keepalive_time: invalid argument",
        "open `/proc/sys/net/ipv4/tcp_keepalive_time`: Invalid argument",
    ],
)
def test_a_kernel_parameter_that_is_not_taken_is_named(mode: str, sandbox: str, words: str) -> None:
    hint = engine_hint(plan(mode, systemControls=SYSCTL), AcquireSandbox(sandbox, cause="test"), words)

    assert hint == (
        f"{APP}.systemControls[0] of container 'app': the engine's kernel does not take net.ipv4.tcp_keepalive_time in a "
        "container's network with this value"
    )


@pytest.mark.parametrize(
    "words",
    [
        "error setting rlimits for ready process: error setting rlimit type 6: operation not permitted",
        "setrlimit `RLIMIT_NPROC`: Operation not permitted: OCI permission denied",
    ],
)
def test_a_limit_that_the_engine_adds_and_may_not_set_is_named(words: str) -> None:
    hint = start_hint(words, ulimits=NOFILE)

    assert hint.startswith(
        f"{APP}.ulimits of container 'app': Podman sets nproc, which the definition leaves out"
    )
    assert "Add nproc to ulimits" in hint


def test_a_limit_that_is_too_high_is_named() -> None:
    hint = start_hint("error setting rlimit type 7: operation not permitted", ulimits=NOFILE)

    assert hint.startswith(f"{APP}.ulimits of container 'app': its nofile is above the engine's own")


def test_a_program_for_another_processor_is_named() -> None:
    hint = start_hint("exec /app: exec format error")

    assert hint.startswith(
        f"{APP}.image of container 'app': busybox:1, or what it starts, is for another kind"
    )


def test_a_device_that_is_not_there_is_named() -> None:
    words = (
        'error gathering device information while adding custom device "/dev/tpu": no such file or directory'
    )
    hint = start_hint(words, linuxParameters={"devices": [{"hostPath": "/dev/tpu"}]})

    assert hint == (
        f"{APP}.linuxParameters.devices[0] of container 'app': the engine's machine has no device /dev/tpu"
    )


def test_other_words_have_no_hint() -> None:
    assert start_hint("no space left on device") == ""
    assert engine_hint(plan(), CreateVolumes(cause="test"), "port is already allocated") == ""

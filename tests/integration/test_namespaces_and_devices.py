"""What containers share with each other and with the engine's machine."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from pytest_ecs_tasks.errors import EcsTaskError, TaskFailedToStart
from tasks import Run, python, shell

WAIT = "exec sleep 600"


@pytest.mark.parametrize("network", ["awsvpc", "bridge", "none"])
def test_containers_of_a_task_see_each_others_processes(run: Run, network: str) -> None:
    task = run(
        shell("app", "exec sleep 61234"),
        shell("watch", "until ps | grep -q '[s]leep 61234'; do sleep 0.05; done; echo seen", essential=False),
        network=network,
        pidMode="task",
    ).wait_running()
    task.wait_for(lambda task: task["watch"].last_status == "STOPPED")

    assert task.logs("watch") == "seen\n"


def test_a_task_that_shares_processes_stops_and_goes_as_any_other(run: Run) -> None:
    task = run(
        shell("app", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"),
        shell("side", WAIT, stopTimeout=2),
        pidMode="task",
    ).wait_running()

    task.wait_for_log("ready", container="app")
    task.stop()

    assert task.exit_code("app") == 0
    assert task.logs("app") == "ready\nbye\n"


def test_without_pid_mode_containers_do_not_see_each_other(run: Run) -> None:
    after_start: dict[str, Any] = {"dependsOn": [{"containerName": "app", "condition": "START"}]}
    task = run(
        shell("app", "exec sleep 61235", stopTimeout=2),
        shell("watch", "ps | grep -c '[s]leep 61235'", **after_start),
    ).wait_stopped()

    assert task.logs("watch") == "0\n"


def test_the_processes_of_the_machine_are_counted_with_pid_mode_host(run: Run) -> None:
    own = run(shell("app", "echo $$")).wait_stopped().logs("app")
    hosts = run(shell("app", "echo $$"), pidMode="host").wait_stopped().logs("app")

    assert own == "1\n"
    assert int(hosts) > 1


@pytest.mark.parametrize("network", ["awsvpc", "bridge", "host"])
def test_containers_of_a_task_share_memory_with_ipc_mode_task(run: Run, network: str) -> None:
    task = run(
        shell("writer", f"echo shared > /dev/shm/note; {WAIT}"),
        shell(
            "reader",
            "while ! test -f /dev/shm/note; do sleep 0.05; done; cat /dev/shm/note; readlink /proc/self/ns/ipc",
            essential=False,
        ),
        network=network,
        ipcMode="task",
    ).wait_running()
    task.wait_for(lambda task: task["reader"].last_status == "STOPPED")

    text, namespace = task.logs("reader").split()
    assert text == "shared"
    assert task.exec("writer", "readlink /proc/self/ns/ipc").stdout.strip() == namespace


def test_ipc_mode_none_has_no_shared_memory_at_all(run: Run) -> None:
    task = run(shell("app", "df /dev/shm 2>/dev/null | grep -c shm"), ipcMode="none").wait_stopped()

    assert task.logs("app") == "0\n"


def test_ipc_mode_host_is_the_machines(run: Run) -> None:
    namespaces = []
    for mode in ("host", "host", None):
        task = run(shell("app", "readlink /proc/self/ns/ipc"), ipcMode=mode).wait_stopped()
        namespaces.append(task.logs("app"))

    assert namespaces[0] == namespaces[1] != namespaces[2]


def test_a_device_of_the_machine_is_in_the_container(run: Run) -> None:
    devices = [{"hostPath": "/dev/zero", "containerPath": "/dev/nought", "permissions": ["read"]}]
    script = "test -c /dev/nought && head -c 4 /dev/nought | od -An -tx1"
    task = run(shell("app", script, linuxParameters={"devices": devices})).wait_stopped()

    assert task.logs("app").split() == ["00"] * 4


def test_a_device_that_the_machine_has_not_is_told_with_its_place(run: Run) -> None:
    linux = {"devices": [{"hostPath": "/dev/no-such-device"}]}

    with pytest.raises(TaskFailedToStart) as caught:
        run(shell("app", "true", linuxParameters=linux)).wait_running()

    assert "containerDefinitions[0].linuxParameters.devices[0] of container 'app'" in str(caught.value)


def test_no_new_privileges_reaches_the_process(run: Run) -> None:
    script = "grep NoNewPrivs /proc/self/status"
    task = run(
        shell("app", script, dockerSecurityOptions=["no-new-privileges"]),
        shell("other", f"sleep 0.2; {script}"),
    ).wait_stopped()

    assert task.logs("app").split() == ["NoNewPrivs:", "1"]


@pytest.mark.parametrize("network", ["bridge", "host"])
def test_a_container_without_networking_has_its_loopback_alone(run: Run, network: str) -> None:
    look = "import socket; print(sorted(name for _, name in socket.if_nameindex() if name in ('lo', 'eth0')))"
    task = run(python("app", look, disableNetworking=True), network=network).wait_stopped()

    assert task.logs("app") == "['lo']\n"


def test_a_container_without_networking_is_not_reached(run: Run) -> None:
    ports = [{"containerPort": 80}]
    task = run(
        shell("app", WAIT, disableNetworking=True, portMappings=ports), network="bridge"
    ).wait_running()

    with pytest.raises(EcsTaskError, match=r"container 'app' has no network \(disableNetworking\)"):
        task.url("app")


def test_swap_and_swappiness_are_the_containers(run: Run) -> None:
    version_1 = "/sys/fs/cgroup/memory/memory"
    script = (
        f"if test -f {version_1}.memsw.limit_in_bytes; "
        f"then cat {version_1}.memsw.limit_in_bytes {version_1}.swappiness; else cat /sys/fs/cgroup/memory.swap.max; fi"
    )
    task = run(
        shell("app", script, memory=64, linuxParameters={"maxSwap": 16, "swappiness": 10})
    ).wait_stopped()

    limits = task.logs("app").split()
    if not limits:
        pytest.skip("the kernel under the engine does not count swap")
    # Version 1 counts memory and swap together, and has a swappiness; version 2 counts swap alone.
    assert limits in ([str(80 << 20), "10"], [str(16 << 20)])


def test_a_host_port_that_is_taken_is_told_with_its_place(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        task = run(
            shell("app", WAIT, portMappings=[{"containerPort": 80, "hostPort": port}]), network="bridge"
        )

        with pytest.raises(TaskFailedToStart) as caught:
            task.wait_running()

    assert task["app"].reason.startswith("CannotStartContainerError: ")
    assert (
        f"containerDefinitions[0].portMappings[0].hostPort of container 'app': port {port} is taken"
        in str(caught.value)
    )


@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_a_kernel_parameter_that_is_not_taken_is_told_with_its_place(run: Run, network: str) -> None:
    controls = [{"namespace": "net.ipv4.tcp_keepalive_time", "value": "never"}]
    fields: dict[str, Any] = {"systemControls": controls}

    with pytest.raises(TaskFailedToStart) as caught:
        run(shell("app", WAIT, **fields), network=network).wait_running()

    assert "containerDefinitions[0].systemControls[0] of container 'app'" in str(caught.value)

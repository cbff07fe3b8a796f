"""What a container definition says is what the container gets."""

from __future__ import annotations

from tasks import Run, python, shell


def test_environment_user_and_working_directory(run: Run) -> None:
    task = run(
        shell(
            "c",
            'echo "$GREETING $(id -u) $(pwd)"',
            environment=[{"name": "GREETING", "value": "hi there"}],
            user="65534",
            workingDirectory="/tmp",
        )
    ).wait_stopped()

    assert task.logs() == "hi there 65534 /tmp\n"


def test_entry_point_and_command_are_joined(run: Run) -> None:
    task = run({"name": "c", "entryPoint": ["echo", "one"], "command": ["two"]}).wait_stopped()

    assert task.logs() == "one two\n"


def test_a_read_only_root_is_read_only_and_its_tmpfs_writable(run: Run) -> None:
    task = run(
        shell(
            "c",
            "for d in / /tmp /var/tmp /run; do touch $d/x; done 2>&1; touch /scratch/x /scratch/y && echo written; df -k /scratch | tail -1",
            readonlyRootFilesystem=True,
            linuxParameters={"tmpfs": [{"containerPath": "/scratch", "size": 8}]},
        )
    ).wait_stopped()

    lines = task.logs().splitlines()
    assert [line.rpartition(": ")[2] for line in lines[:4]] == ["Read-only file system"] * 4
    assert lines[4] == "written"
    assert "8192" in lines[5]


def test_ulimits_capabilities_and_shared_memory(run: Run) -> None:
    task = run(
        shell(
            "c",
            "ulimit -n; grep CapBnd /proc/self/status | cut -f2; df -k /dev/shm | tail -1",
            ulimits=[
                {"name": "nofile", "softLimit": 1234, "hardLimit": 2345},
                {
                    "name": "nproc",
                    "softLimit": 500,
                    "hardLimit": 500,
                },  # Podman's own default needs CAP_SYS_RESOURCE
            ],
            linuxParameters={"capabilities": {"drop": ["ALL"]}, "sharedMemorySize": 32},
        )
    ).wait_stopped()

    limit, capabilities, shared = task.logs().splitlines()
    assert limit == "1234"
    assert int(capabilities, 16) == 0
    assert "32768" in shared


def test_a_volume_of_the_task_is_shared_by_its_containers(run: Run) -> None:
    mount = [{"sourceVolume": "data", "containerPath": "/data"}]
    task = run(
        shell(
            "reader",
            "cat /data/note",
            mountPoints=mount,
            dependsOn=[{"containerName": "writer", "condition": "SUCCESS"}],
        ),
        shell("writer", "echo shared > /data/note", essential=False, mountPoints=mount),
        volumes=[{"name": "data"}],
    ).wait_stopped()

    assert task.logs("reader") == "shared\n"


def test_a_host_path_is_bound_and_can_be_read_only(run: Run, tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "note").write_text("from the host\n")
    task = run(
        shell(
            "c",
            "cat /host/note; touch /host/x 2>/dev/null || echo refused",
            mountPoints=[{"sourceVolume": "host", "containerPath": "/host", "readOnly": True}],
            dependsOn=[{"containerName": "writer", "condition": "SUCCESS"}],
        ),
        shell(
            "writer",
            "echo from the task > /host/answer",
            essential=False,
            mountPoints=[{"sourceVolume": "host", "containerPath": "/host"}],
        ),
        volumes=[{"name": "host", "host": {"sourcePath": str(tmp_path)}}],
    ).wait_stopped()

    assert task.logs("c") == "from the host\nrefused\n"
    assert (tmp_path / "answer").read_text() == "from the task\n"


def test_a_terminal_is_one(run: Run) -> None:
    task = run(python("c", "import os; print(os.isatty(1))", pseudoTerminal=True)).wait_stopped()

    assert task.logs().strip() == "True"


def test_system_controls_of_the_network_reach_the_task(run: Run) -> None:
    task = run(
        shell(
            "c",
            "cat /proc/sys/net/ipv4/tcp_keepalive_time",
            systemControls=[{"namespace": "net.ipv4.tcp_keepalive_time", "value": "77"}],
        )
    ).wait_stopped()

    assert task.logs() == "77\n"


def test_extra_hosts_under_bridge(run: Run) -> None:
    look = "import socket; print(socket.gethostbyname('legacy.internal'))"
    task = run(
        python("c", look, extraHosts=[{"hostname": "legacy.internal", "ipAddress": "10.1.2.3"}]),
        network="bridge",
    ).wait_stopped()

    assert task.logs() == "10.1.2.3\n"


def test_labels_are_the_definitions_and_the_agents(run: Run, cluster) -> None:  # type: ignore[no-untyped-def]
    task = run(shell("c", "exec sleep 600", dockerLabels={"team": "shop"})).wait_running()

    facts = cluster.room().runtime.inspect_container(task["c"].runtime_id)
    assert facts.labels["team"] == "shop"
    assert facts.labels["com.amazonaws.ecs.task-arn"] == task.arn
    assert facts.labels["com.amazonaws.ecs.container-name"] == "c"


def test_exec_keeps_the_streams_apart_and_tells_the_exit_code(run: Run) -> None:
    task = run(shell("c", "exec sleep 600")).wait_running()

    result = task.exec("c", "echo out; echo err >&2; exit 4")

    assert (result.exit_code, result.stdout, result.stderr) == (4, "out\n", "err\n")


def test_a_kilobyte_is_a_kilobyte_of_memory(run: Run, cluster) -> None:  # type: ignore[no-untyped-def]
    task = run(shell("c", "exec sleep 600", memory=64, memoryReservation=32)).wait_running()

    [described] = task.describe()["containers"]
    assert described["memory"] == "64"
    assert described["memoryReservation"] == "32"

"""What only a real engine can show: settings that arrive, output at volume, the engine's own words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_ecs_tasks.core.spec import Mount, PublishedPort, Sensitive
from pytest_ecs_tasks.core.taskdef import Tmpfs, Ulimit
from pytest_ecs_tasks.engine.ports import EngineError
from pytest_ecs_tasks.runtimes import docker
from pytest_ecs_tasks.runtimes.docker import DockerRuntime, raise_error_in_stream, split_reference
from pytest_ecs_tasks.runtimes.podman import PodmanRuntime, is_loopback_registry, is_short_name
from pytest_ecs_tasks.runtimes.transport import Endpoint

MIB = 1024 * 1024


def shell(bench, script, **fields):
    container = bench.create(command=("/bin/sh", "-c", script), **fields)
    pieces = bench.run_to_its_end(container)
    output = b"".join(data for name, data in pieces if name == "stdout").decode()
    return output, bench.wait_until_ended(container)


@pytest.fixture
def tcp(engine, engine_url, forwarding):
    """The engine under test over TCP, and a way to cut its connections."""
    with forwarding(engine_url.removeprefix("unix://")) as (port, cut):
        runtime = type(engine)(Endpoint(f"tcp://127.0.0.1:{port}"))
        yield runtime, cut
        runtime.close()


def test_every_setting_of_a_spec_arrives_in_the_container(real):
    script = """
        echo secret=$SECRET; hostname; ulimit -n; ulimit -u; id -u; pwd
        grep -w friend /etc/hosts; cat /proc/sys/net/core/somaxconn; grep -w 192.0.2.53 /etc/resolv.conf
        grep ' /scratch ' /proc/mounts; grep ' /dev/shm ' /proc/mounts; grep NoNewPrivs /proc/self/status
        touch /forbidden 2>/dev/null || echo read-only
        cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
        cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max
        ls -d /data
    """
    real.runtime.create_volume(f"{real.run}-data", real.labels, None, {})

    output, _ = shell(
        real,
        script,
        network=real.network().network_id,
        environment={"SECRET": Sensitive("s3cret")},
        hostname="box",
        ulimits=(Ulimit("nofile", 300, 400), Ulimit("nproc", 900, 900)),
        user="1000",
        working_directory="/tmp",
        extra_hosts={"friend": "192.0.2.7"},
        sysctls={"net.core.somaxconn": "99"},
        dns_servers=("192.0.2.53",) if real.runtime.name == "podman" else (),
        tmpfs=(Tmpfs("/scratch", 3, ("noexec",)),),
        shared_memory_size=2 * MIB,
        memory=64 * MIB,
        cpu_quota=256,
        cpu_shares=128,
        capabilities_drop=("ALL",),
        read_only_root=True,
        no_new_privileges=True,
        init=True,
        mounts=(Mount(f"{real.run}-data", "/data"),),
    )

    lines = output.split("\n")
    assert lines[:2] == ["secret=s3cret", "box"]
    assert {"900", "1000", "/tmp", "99", "read-only", str(64 * MIB), "25000", "/data"} <= set(lines), output
    assert [word for word in ("192.0.2.7", "noexec", "size=3072k", "size=2048k") if word not in output] == []
    assert "NoNewPrivs:\t1" in lines
    assert {"300", "400"} & set(lines)


def test_the_attached_socket_carries_both_ways(real):
    container = real.create(command=("/bin/cat",), open_stdin=True)
    attachment = real.runtime.attach(container, stdin=True)
    connection, early = attachment.detach_socket()
    with connection:
        real.runtime.start_container(container)
        connection.settimeout(60)
        connection.sendall(b"ping")
        received = early
        while b"ping" not in received:
            received += connection.recv(100)

    assert received == b"\x01\0\0\0\0\0\0\x04ping"


def test_a_terminal_is_one_raw_stream(real):
    container = real.create(command=("/bin/sh", "-c", "echo out; echo err >&2; tty"), tty=True)
    attachment = real.runtime.attach(container, tty=True)
    real.runtime.start_container(container)

    pieces = list(attachment.chunks())

    assert {name for name, _ in pieces} == {"stdout"}
    assert b"".join(data for _, data in pieces).startswith(b"out\r\nerr\r\n/dev/")


def test_a_hundred_thousand_lines_come_whole_and_in_order(real):
    output, facts = shell(real, "seq 1 100000; exit 2")

    assert output == "".join(f"{number}\n" for number in range(1, 100001))
    assert facts.exit_code == 2


@pytest.fixture(params=["from here", "from inside"])
def killed_from(request, real):
    """Where the processes of a command are killed: as root of the engine's machine, or by a script in the container."""
    real.runtime._commands._kills_here = None if request.param == "from here" else False
    return request.param


SLEEPERS = "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep 123[0-9]' | sort"


def test_a_command_that_outlives_its_timeout_is_killed_with_what_it_has_started(real, killed_from):
    container = real.create()
    real.runtime.start_container(container)
    lives = ("/bin/sh", "-c", "sleep 1231 >/dev/null & echo begun; sh -c 'sleep 1232; true'; echo never")

    outcome = real.runtime.execute(container, lives, timeout_s=3)

    assert (outcome.exit_code, outcome.stdout) == (None, b"begun\n")
    left = real.runtime.execute(container, ("/bin/sh", "-c", SLEEPERS), timeout_s=60)
    assert left.stdout == b""
    assert real.runtime.inspect_container(container).running


def test_a_command_that_closes_its_output_and_lives_on_is_killed_too(real, killed_from):
    container = real.create()
    real.runtime.start_container(container)

    outcome = real.runtime.execute(
        container, ("/bin/sh", "-c", "exec >/dev/null 2>&1; sleep 1233; true"), timeout_s=1
    )

    assert outcome.exit_code is None
    assert real.runtime.execute(container, ("/bin/sh", "-c", SLEEPERS), timeout_s=60).stdout == b""


def test_a_command_beside_one_that_is_killed_goes_on(real, killed_from):
    container = real.create()
    real.runtime.start_container(container)
    with ThreadPoolExecutor(1) as executor:
        beside = executor.submit(
            real.runtime.execute, container, ("/bin/sh", "-c", "sleep 3; echo done"), timeout_s=60
        )
        real.runtime.execute(container, ("/bin/sh", "-c", "sleep 1234; true"), timeout_s=0.5)

        assert beside.result(60).stdout == b"done\n"


def test_a_command_gets_its_own_environment_and_user(real):
    container = real.create()
    real.runtime.start_container(container)

    outcome = real.runtime.execute(
        container,
        ("/bin/sh", "-c", "echo $COLOUR; id -u"),
        timeout_s=60,
        environment={"COLOUR": Sensitive("blue")},
        user="1234",
    )

    assert outcome.stdout == b"blue\n1234\n"


def test_a_program_that_is_not_in_the_image_is_refused_in_the_engines_words(real):
    container = real.create(command=("nonesuch",))

    with pytest.raises(EngineError, match='exec: "nonesuch": executable file not found'):
        real.run_to_its_end(container)

    assert not real.runtime.inspect_container(container).started


def test_a_process_that_is_killed_for_its_memory_is_told(real):
    told = []
    for _ in range(3):
        _, facts = shell(real, "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done", memory=16 * MIB)
        assert facts.exit_code == 137
        told.append(facts.out_of_memory)
        if told[-1]:
            return

    # Docker hears of it at times after the end, which it then denies; Podman's tell-tale goes with the cgroup, at times
    # before it is read: it may then not know, but never deny it.
    assert isinstance(real.runtime, PodmanRuntime), told
    assert told == [None] * 3


def test_a_kill_of_another_kind_is_not_out_of_memory(real):
    _, facts = shell(real, "kill -9 $$; exit 9", init=True, memory=64 * MIB)

    assert facts.out_of_memory in (False, None)


def test_engine_logs_are_kept_only_when_asked_for(real):
    silent, kept = real.create(), real.create(keep_engine_logs=True)
    documents = [
        real.runtime._transport.call_json("GET", f"/containers/{name}/json") for name in (silent, kept)
    ]

    drivers = [document["HostConfig"]["LogConfig"]["Type"] for document in documents]

    assert drivers[0] == "none"
    assert drivers[1] in ("json-file", "k8s-file")


def test_the_local_names_have_the_short_ones_that_people_write(real):
    assert "pytest-ecs-tasks/busybox:1" in real.runtime.list_image_names()


def test_a_paused_container_still_runs(real):
    container = real.create()
    real.runtime.start_container(container)

    real.runtime.pause_container(container)
    paused = real.runtime.inspect_container(container)
    real.runtime.unpause_container(container)

    assert paused.running


def test_a_network_with_a_container_in_it_is_not_removed(real):
    network = real.network()
    container = real.create(network=network.network_id)
    real.runtime.start_container(container)
    if real.runtime.name == "podman":
        pytest.skip("Podman's API removes such a network with its containers")

    with pytest.raises(EngineError, match="active endpoints"):
        real.runtime.remove_network(network.network_id)


def test_an_engine_over_tcp_does_everything(tcp, real):
    runtime, _ = tcp
    container = real.create(command=("/bin/sh", "-c", "echo over tcp; exit 6"), published_ports=())
    attachment = runtime.attach(container)
    runtime.start_container(container)

    assert list(attachment.chunks()) == [("stdout", b"over tcp\n")]
    assert real.wait_until_ended(container).exit_code == 6


def test_events_that_are_cut_raise_what_happened(tcp, real):
    runtime, cut = tcp
    stream = runtime.events(real.label)

    cut()

    with pytest.raises(EngineError, match="the engine's events were cut"):
        list(stream)


def test_a_call_after_the_kept_connection_was_cut_is_made_anew(tcp, real):
    runtime, cut = tcp
    assert runtime.list_containers(real.label) == ()

    cut()

    assert runtime.list_containers(real.label) == ()


def test_no_engine_is_an_engine_error_with_its_address():
    with pytest.raises(EngineError, match=r"unix:///nonesuch/engine.sock: No such file or directory"):
        DockerRuntime("unix:///nonesuch/engine.sock")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("web", ("web", "latest")),
        ("web:1", ("web", "1")),
        ("reg:5000/a/web", ("reg:5000/a/web", "latest")),
        ("reg:5000/a/web:2", ("reg:5000/a/web", "2")),
        ("web:1@sha256:ab", ("web", "sha256:ab")),
    ],
)
def test_an_image_name_is_split_into_repository_and_tag(reference, expected):
    assert split_reference(reference) == expected


class BusyRegistry(DockerRuntime):
    """An engine whose registry refuses some pulls before it gives the image."""

    def __init__(self, *refusals):
        document = {"Version": "0", "ApiVersion": "1.41", "Arch": "amd64"}
        super().__init__("unix:///nonesuch/engine.sock", document)
        self.refusals = list(refusals)

    def _pull_once(self, reference, login):
        if self.refusals:
            raise EngineError(self.refusals.pop(0))


@pytest.mark.parametrize(
    "words",
    [
        "toomanyrequests: You have reached your pull rate limit",
        "received unexpected HTTP status: 503 Service Unavailable",
        "unexpected status code 429 Too Many Requests",
    ],
)
def test_a_busy_registry_is_asked_three_times(words, monkeypatch):
    monkeypatch.setattr(docker, "PULL_PAUSES_S", (0.0, 0.0))
    patient, hopeless = BusyRegistry(words, words), BusyRegistry(words, words, words, words)

    patient.pull_image("web")
    with pytest.raises(EngineError, match=words):
        hopeless.pull_image("web")

    assert (patient.refusals, hopeless.refusals) == ([], [words])


@pytest.mark.parametrize(
    "words", ["manifest unknown", "unauthorized: authentication required", "connection refused"]
)
def test_a_registry_that_says_no_is_asked_once(words):
    runtime = BusyRegistry(words)

    with pytest.raises(EngineError, match=words):
        runtime.pull_image("web")


def test_an_error_in_a_pull_that_was_answered_with_200_is_raised():
    with pytest.raises(EngineError, match="manifest unknown"):
        raise_error_in_stream(b'{"status":"Pulling"}\r\n{"error":"manifest unknown"}\r\n')


@pytest.mark.parametrize("reference", ["web", "web:dev", "team/web"])
def test_a_name_without_a_registry_is_short(reference):
    assert is_short_name(reference)


@pytest.mark.parametrize("reference", ["ghcr.io/web", "reg:5000/web", "localhost/web", "sha256:" + "a" * 64])
def test_a_name_with_a_registry_and_an_id_are_not_short(reference):
    assert not is_short_name(reference)


@pytest.mark.parametrize("reference", ["127.0.0.1:5000/web:1", "localhost:5000/web", "[::1]:5000/web"])
def test_a_registry_on_the_loopback_goes_without_tls(reference):
    assert is_loopback_registry(reference)


@pytest.mark.parametrize("reference", ["ghcr.io:443/web", "web:1", "10.0.0.1:5000/web"])
def test_any_other_registry_does_not(reference):
    assert not is_loopback_registry(reference)


def test_published_ports_on_every_address_are_told_as_such(real):
    container = real.create(
        network=real.network().network_id, published_ports=(PublishedPort(80, host_ip="0.0.0.0"),)
    )
    real.runtime.start_container(container)

    assert "0.0.0.0" in {item.bind_ip for item in real.runtime.inspect_container(container).bindings}


def test_a_container_goes_while_the_members_of_its_network_are_going(real):
    holder = real.create(command=("sleep", "600"))
    real.runtime.start_container(holder)
    member = real.create(command=("sleep", "600"), network=f"container:{holder}")

    with ThreadPoolExecutor(1) as pool:
        removal = pool.submit(real.runtime.remove_container, holder)
        real.runtime.remove_container(member)
        removal.result(timeout=60)

    assert real.runtime.list_containers(real.label) == ()

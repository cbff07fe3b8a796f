"""The contract of a container runtime, the same for the fake and the real engine: so the fake cannot drift."""

from __future__ import annotations

import io
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import pytest

from pytest_ecs_tasks.core.spec import Mount, PublishedPort
from pytest_ecs_tasks.engine.ports import (
    ContainerNotFound,
    EngineError,
    EngineEvent,
    ExecOutcome,
    ImageNotFound,
)


def joined(pieces, stream):
    return b"".join(data for name, data in pieces if name == stream)


def archive_of(*directories):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for directory in directories:
            entry = tarfile.TarInfo(directory)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
    return content.getvalue()


def events_until(stream, action):
    seen = []
    for event in stream:
        seen.append(event)
        if event.action == action:
            return seen
    raise AssertionError(f"the stream ended before {action}: {seen}")


def test_a_created_container_has_not_started(bench):
    container = bench.create()

    facts = bench.runtime.inspect_container(container)

    assert facts.container_id == container
    assert (facts.running, facts.started, facts.exit_code) == (False, False, None)
    assert facts.labels == bench.labels


def test_output_is_complete_and_its_streams_stay_apart(bench, program):
    container = bench.create(program(stdout="one\ntwo\n", stderr="oops\n", exits=0))

    pieces = bench.run_to_its_end(container)

    assert joined(pieces, "stdout") == b"one\ntwo\n"
    assert joined(pieces, "stderr") == b"oops\n"


def test_an_exit_code_is_told_once_the_process_is_gone(bench, program):
    container = bench.create(program(exits=3))

    bench.run_to_its_end(container)
    facts = bench.wait_until_ended(container)

    assert (facts.started, facts.exit_code) == (True, 3)
    assert facts.started_at is not None
    assert facts.finished_at is not None
    assert facts.finished_at >= facts.started_at
    assert not facts.out_of_memory


def test_an_ended_container_can_live_again_and_its_output_is_complete(bench, program):
    container = bench.create(program(stdout="here\n", exits=3))

    for _ in range(3):
        assert joined(bench.run_to_its_end(container), "stdout") == b"here\n"
        bench.wait_until_ended(container)
        bench.runtime.settle_container(container)


def test_a_running_container_has_no_exit_code(bench):
    container = bench.create()

    bench.runtime.start_container(container)
    facts = bench.runtime.inspect_container(container)

    assert (facts.running, facts.started, facts.exit_code) == (True, True, None)
    assert facts.pid


def test_a_signal_reaches_the_process_that_handles_it(bench, program):
    container = bench.create(program(stdout="ready\n", on_term=7))
    attachment = bench.runtime.attach(container)
    bench.runtime.start_container(container)
    pieces = attachment.chunks()
    assert next(pieces) == ("stdout", b"ready\n")

    bench.runtime.kill_container(container, "SIGTERM")
    list(pieces)

    assert bench.wait_until_ended(container).exit_code == 7


def test_sigkill_ends_a_process_that_ignores_sigterm(bench, program):
    container = bench.create(program(stdout="ready\n"))
    attachment = bench.runtime.attach(container)
    bench.runtime.start_container(container)
    pieces = attachment.chunks()
    next(pieces)

    bench.runtime.kill_container(container, "SIGTERM")
    assert bench.runtime.inspect_container(container).running
    bench.runtime.kill_container(container, "SIGKILL")
    list(pieces)

    assert bench.wait_until_ended(container).exit_code == 137


def test_a_signal_to_an_ended_or_removed_container_is_no_error(bench, program):
    container = bench.create(program(exits=0))
    bench.run_to_its_end(container)
    bench.wait_until_ended(container)

    bench.runtime.kill_container(container, "SIGTERM")
    bench.runtime.remove_container(container)
    bench.runtime.kill_container(container, "SIGTERM")


def test_removal_takes_a_running_container_and_can_be_repeated(bench):
    container = bench.create()
    bench.runtime.start_container(container)

    bench.runtime.remove_container(container)
    bench.runtime.remove_container(container)

    with pytest.raises(ContainerNotFound) as caught:
        bench.runtime.inspect_container(container)
    assert caught.value.status == 404


def test_closing_an_attachment_from_another_thread_ends_its_reader(bench):
    container = bench.create()
    attachment = bench.runtime.attach(container)
    bench.runtime.start_container(container)
    with ThreadPoolExecutor(1) as executor:
        reading = executor.submit(lambda: list(attachment.chunks()))

        attachment.close()
        attachment.close()

        assert reading.result(60) == []


def test_a_command_in_a_container_gives_its_output_and_exit_code(bench, program):
    command = ("/bin/sh", "-c", "echo fine; echo bad >&2; exit 4")
    container = bench.create(program(executes={command: ExecOutcome(4, b"fine\n", b"bad\n")}))
    bench.runtime.start_container(container)

    outcome = bench.runtime.execute(container, command, timeout_s=60)

    assert outcome == ExecOutcome(4, b"fine\n", b"bad\n")


def test_a_command_in_a_container_that_does_not_run_is_refused(bench):
    container = bench.create()

    with pytest.raises(EngineError):
        bench.runtime.execute(container, ("true",), timeout_s=60)


def test_a_command_with_a_terminal_shows_its_output_and_ends(bench, program):
    command = ("/bin/sh", "-c", "echo $TERM; echo bad >&2")
    container = bench.create(program(executes={command: ExecOutcome(0, b"vt100\r\n", b"bad\r\n")}))
    bench.runtime.start_container(container)

    terminal = bench.runtime.open_terminal(container, command, environment={"TERM": "vt100"}, user="0")
    shown = b"".join(terminal.chunks())
    terminal.close()
    terminal.close()

    assert shown == b"vt100\r\nbad\r\n"


def test_a_command_with_a_terminal_that_is_not_there_is_refused(bench):
    container = bench.create()
    bench.runtime.start_container(container)

    terminal = bench.runtime.open_terminal(container, ("nope",), environment={}, user="0")

    with pytest.raises(EngineError, match=r'^exec: "nope": executable file not found in \$PATH$'):
        list(terminal.chunks())
    terminal.close()


def test_a_command_with_a_terminal_needs_a_container_that_runs(bench):
    container = bench.create()

    with pytest.raises(EngineError):
        bench.runtime.open_terminal(container, ("true",), environment={}, user="0")


def test_statistics_are_told_as_the_docker_api_writes_them(bench):
    container = bench.create()
    bench.runtime.start_container(container)

    first = bench.runtime.container_statistics(container)
    second = bench.runtime.container_statistics(container)

    assert (first["id"], first["name"][0]) == (container, "/")
    assert datetime.fromisoformat(second["read"]) >= datetime.fromisoformat(first["read"])
    assert "cpu_stats" in second


def test_statistics_of_an_unknown_container_are_not_found(bench):
    with pytest.raises(ContainerNotFound):
        bench.runtime.container_statistics("0" * 64)


def test_events_tell_start_end_and_removal(bench, program):
    stream = bench.runtime.events(bench.label)
    container = bench.create(program(exits=5))
    bench.run_to_its_end(container)
    bench.wait_until_ended(container)
    bench.runtime.remove_container(container)

    seen = events_until(stream, "remove")
    stream.close()

    assert seen == [
        EngineEvent("start", container),
        EngineEvent("die", container, 5),
        EngineEvent("remove", container),
    ]


def test_events_of_other_labels_do_not_come(bench, program):
    stream = bench.runtime.events(bench.label)
    stranger = bench.create(
        program(exits=0), labels={**bench.labels, "pytest-ecs-tasks.run": f"{bench.run}-x"}
    )
    bench.run_to_its_end(stranger)
    bench.runtime.remove_container(stranger)
    ours = bench.create(program(exits=0))
    bench.run_to_its_end(ours)

    seen = events_until(stream, "die")
    stream.close()

    assert {event.container_id for event in seen} == {ours}


def test_closing_the_events_from_another_thread_ends_their_reader(bench):
    stream = bench.runtime.events(bench.label)
    with ThreadPoolExecutor(1) as executor:
        reading = executor.submit(lambda: list(stream))

        stream.close()

        assert reading.result(60) == []


def test_a_network_gives_its_containers_an_address_of_its_range(bench):
    network = bench.network()
    container = bench.create(network=network.network_id)
    bench.runtime.start_container(container)

    address = bench.runtime.inspect_container(container).address

    assert network.gateway is not None
    assert address is not None
    assert address.split(".")[:2] == network.gateway.split(".")[:2]
    bench.runtime.remove_container(container)
    bench.runtime.remove_network(network.network_id)
    bench.runtime.remove_network(network.network_id)


def test_a_member_joins_the_namespace_of_a_running_container(bench, program):
    owner = bench.create(network=bench.network().network_id)
    bench.runtime.start_container(owner)
    member = bench.create(program(exits=0), network=f"container:{owner}")

    bench.run_to_its_end(member)

    assert bench.wait_until_ended(member).exit_code == 0


def test_published_ports_are_told_with_the_port_that_the_engine_chose(bench):
    ports = (PublishedPort(80), PublishedPort(53, protocol="udp"))
    container = bench.create(network=bench.network().network_id, published_ports=ports)
    bench.runtime.start_container(container)

    bindings = bench.runtime.inspect_container(container).bindings

    assert {(item.bind_ip, item.container_port, item.protocol) for item in bindings} == {
        ("127.0.0.1", 80, "tcp"),
        ("127.0.0.1", 53, "udp"),
    }
    assert all(item.host_port > 1024 for item in bindings)


def test_an_unknown_image_is_not_found(bench):
    assert bench.runtime.find_image("pytest-ecs-tasks/none:1") is None
    with pytest.raises(ImageNotFound):
        bench.runtime.create_container(replace(bench.spec(), image_id=f"sha256:{'0' * 64}"))


def test_an_image_is_found_by_its_id_too(bench):
    image_id = bench.spec().image_id

    found = bench.runtime.find_image(image_id)

    assert found is not None
    assert found.image_id == image_id


def test_a_pull_that_cannot_be_raises_the_engines_words(bench):
    with pytest.raises(EngineError, match=r"\w"):
        bench.runtime.pull_image("127.0.0.1:9/nobody/home:1")


def test_a_name_that_is_taken_is_refused(bench):
    spec = bench.spec()
    bench.runtime.create_container(spec)

    with pytest.raises(EngineError, match="in use"):
        bench.runtime.create_container(spec)


def test_the_list_of_a_label_has_running_and_ended_containers(bench, program):
    running, ended = bench.create(), bench.create(program(exits=0))
    bench.runtime.start_container(running)
    bench.run_to_its_end(ended)
    bench.wait_until_ended(ended)

    listed = {facts.container_id: facts for facts in bench.runtime.list_containers(bench.label)}

    assert {name: facts.running for name, facts in listed.items()} == {running: True, ended: False}
    assert listed[running].labels == bench.labels


def test_a_sweep_removes_everything_of_a_label_and_nothing_else(bench):
    other_labels = {**bench.labels, "pytest-ecs-tasks.run": f"{bench.run}-other"}
    network = bench.network()
    owner = bench.create(network=network.network_id)
    bench.runtime.start_container(owner)
    member = bench.create(network=f"container:{owner}")
    bench.runtime.start_container(member)
    bench.runtime.create_volume(f"{bench.run}-volume", bench.labels, None, {})
    bench.runtime.create_volume(f"{bench.run}-other", other_labels, None, {})

    count = bench.runtime.sweep(bench.label)

    assert count == 4
    assert bench.runtime.list_labels(bench.label) == ()
    assert bench.runtime.sweep(f"{bench.label}-other") == 1


def test_a_volume_is_found_by_its_name(bench):
    name = f"{bench.run}-volume"
    assert bench.runtime.find_volume(name) is None

    bench.runtime.create_volume(name, bench.labels, None, {})

    found = bench.runtime.find_volume(name)
    assert found.name == name
    assert found.mountpoint.startswith("/")


def test_an_archive_goes_into_a_volume_of_a_container_that_never_runs(bench):
    name = f"{bench.run}-volume"
    bench.runtime.create_volume(name, bench.labels, None, {})
    carrier = bench.create(mounts=(Mount(name, "/volume", copy_up=False),))
    assert not bench.runtime.has_path(carrier, "/volume/a")

    bench.runtime.put_archive(carrier, "/volume", archive_of("a", "a/b"))
    bench.runtime.remove_container(carrier)

    another = bench.create(mounts=(Mount(name, "/elsewhere", copy_up=False),))
    assert bench.runtime.has_path(another, "/elsewhere/a/b")
    assert not bench.runtime.has_path(another, "/volume/a")


def test_a_sweep_leaves_what_is_kept_until_it_is_told_to_take_it(bench):
    kept = bench.create(labels={**bench.labels, "pytest-ecs-tasks.keep": "1"})
    bench.create()

    assert bench.runtime.sweep(bench.label) == 1
    assert [facts.container_id for facts in bench.runtime.list_containers(bench.label)] == [kept]
    assert bench.runtime.sweep(bench.label, kept=True) == 1


def test_every_method_may_be_called_from_many_threads(bench, program):
    barrier = threading.Barrier(6)

    def live(number):
        barrier.wait(60)
        container = bench.create(program(stdout=f"{number}", exits=number))
        output = joined(bench.run_to_its_end(container), "stdout")
        exit_code = bench.wait_until_ended(container).exit_code
        bench.runtime.remove_container(container)
        return output, exit_code

    with ThreadPoolExecutor(6) as executor:
        ends = list(executor.map(live, range(6)))

    assert ends == [(str(number).encode(), number) for number in range(6)]


def test_containers_that_share_volumes_can_be_created_at_once(bench):
    volumes = [f"{bench.run}-volume-{number}" for number in range(3)]
    for name in volumes:
        bench.runtime.create_volume(name, bench.labels, None, {})
    mounts = tuple(Mount(name, f"/{name}") for name in volumes)

    with ThreadPoolExecutor(6) as executor:
        containers = list(executor.map(lambda _: bench.create(mounts=mounts), range(12)))

    assert len(set(containers)) == 12


def test_the_log_drivers_have_ecss_names(bench):
    assert "json-file" in bench.runtime.log_drivers
    assert "awslogs-of-mars" not in bench.runtime.log_drivers

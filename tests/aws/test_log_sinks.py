from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_ecs_tasks.aws.handle import Aws, AwsFactory
from pytest_ecs_tasks.aws.log_sinks import LogEvent, make_batches
from pytest_ecs_tasks.aws.services import BotoServices
from pytest_ecs_tasks.core.awslogs import MAX_BYTES_PER_EVENT
from pytest_ecs_tasks.engine.aws_ports import LogSink, LogStreamError

NOW = time.time()


def open_sink(services: BotoServices, stream: str = "s", **keywords: Any) -> LogSink:
    options = {"group": "g", "stream": stream, "region": "us-east-1", "create_group": False, "strict": False}
    sink, _ = services.open_log_sink(**{**options, **keywords})
    return sink


def read(aws: Aws, stream: str = "s", group: str = "g", region: str = "us-east-1") -> list[str]:
    client = aws.client("logs", region_name=region)
    messages: list[str] = []
    arguments = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
    page = client.get_log_events(**arguments)
    while page["events"]:
        messages += [event["message"] for event in page["events"]]
        page = client.get_log_events(**arguments, nextToken=page["nextForwardToken"])
    return messages


def batches(*lines: tuple[bytes, float]) -> list[list[LogEvent]]:
    return list(make_batches(lines))


def test_close_delivers_what_is_left(services: BotoServices, aws: Aws) -> None:
    sink = open_sink(services)

    sink.write([b"one"], NOW)
    sink.write([b"two"], NOW)
    sink.close()

    assert read(aws) == ["one", "two"]


def test_output_that_is_cut_anywhere_arrives_as_lines_and_a_life_s_last_words_as_one(
    services: BotoServices, aws: Aws
) -> None:
    sink = open_sink(services)

    for data in (b"on", b"e\n\ntwo\nlast ", b"words"):
        sink.feed("stdout", data, NOW)
    sink.feed("stderr", b"oops\n", NOW)
    sink.finish(NOW)
    sink.feed("stdout", b"up again\n", NOW)
    sink.close()

    assert read(aws) == ["one", "two", "oops", "last words", "up again"]


def test_lines_arrive_without_close(services: BotoServices, aws: Aws) -> None:
    sink = open_sink(services)
    pause = threading.Event()

    sink.write([b"one"], NOW)

    assert any(read(aws) == ["one"] or pause.wait(0.02) for _ in range(3000))


def test_blank_lines_are_left_out_and_what_is_not_utf_8_is_replaced(services: BotoServices, aws: Aws) -> None:
    sink = open_sink(services)

    for line in (b"", b"a\xffb", b"", " é😀".encode(), b"\x1b[31mred\x00", b"last\r"):
        sink.write([line], NOW)
    sink.close()

    assert read(aws) == ["a\ufffdb", " é😀", "\x1b[31mred\x00", "last\r"]


def test_a_missing_group_is_made_and_said_so(services: BotoServices, aws: Aws) -> None:
    sink, note = services.open_log_sink(
        group="/ecs/web", stream="web/app/1", region="us-east-1", create_group=False, strict=False
    )
    sink.close()

    assert note == "log group '/ecs/web' does not exist in us-east-1: created (ecs_strict makes it an error)"
    assert [group["logGroupName"] for group in aws.client("logs").describe_log_groups()["logGroups"]] == [
        "/ecs/web"
    ]


def test_a_missing_group_under_strict_is_awss_error(services: BotoServices) -> None:
    with pytest.raises(LogStreamError) as caught:
        open_sink(services, strict=True)

    assert str(caught.value) == "ResourceNotFoundException: The specified log group does not exist."


def test_create_group_makes_the_group_even_under_strict_and_needs_no_note(services: BotoServices) -> None:
    sink, note = services.open_log_sink(
        group="g", stream="s", region="us-east-1", create_group=True, strict=True
    )
    sink.close()

    assert note is None


def test_a_group_that_a_marker_made_is_there_under_strict_in_the_definitions_region(
    services: BotoServices, aws: Aws
) -> None:
    aws.create_log_group("g")
    aws.create_log_group("g")
    aws.create_log_group("arn:aws:logs:eu-west-1:1:log-group:by-arn:*")

    here = open_sink(services, strict=True)
    there = open_sink(services, strict=True, region="eu-west-1")
    by_arn = open_sink(services, strict=True, region="eu-west-1", group="by-arn")
    there.write([b"line"], NOW)
    for sink in (here, there, by_arn):
        sink.close()

    assert read(aws, region="eu-west-1") == ["line"]


def test_an_unknown_region_says_so(services: BotoServices) -> None:
    with pytest.raises(
        LogStreamError, match=r"no such host .AWS has no region 'eu-wset-1'. Did you mean 'eu-west-1'"
    ):
        open_sink(services, region="eu-wset-1")


def test_many_containers_that_need_the_same_missing_group_all_get_their_stream(
    services: BotoServices, aws: Aws
) -> None:
    with ThreadPoolExecutor(10) as pool:
        sinks = list(pool.map(lambda number: open_sink(services, f"s{number}"), range(10)))
    for number, sink in enumerate(sinks):
        for line in range(1000):
            sink.write([b"%d-%d" % (number, line)], NOW)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda sink: sink.close(), sinks))

    for number in range(10):
        assert read(aws, f"s{number}") == [f"{number}-{line}" for line in range(1000)]


def test_200_000_lines_arrive_whole_and_in_order(services: BotoServices, aws: Aws) -> None:
    sink = open_sink(services)

    for number in range(200_000):
        sink.write([b"line %06d " % number + b"x" * 86], NOW)
    sink.close()

    assert read(aws) == [f"line {number:06d} " + "x" * 86 for number in range(200_000)]


def test_a_long_line_arrives_in_pieces_that_make_it_up(services: BotoServices, aws: Aws) -> None:
    sink = open_sink(services)
    line = ("é😀a" * 100_000).encode()

    sink.write([line], NOW)
    sink.close()

    pieces = read(aws)
    assert "".join(pieces).encode() == line
    assert len(pieces) == 3
    assert all(len(piece.encode()) <= MAX_BYTES_PER_EVENT for piece in pieces)


def test_a_line_is_cut_where_dockers_driver_cuts_it() -> None:
    [batch] = batches((b"x" * 262_119, NOW))

    assert [event.size for event in batch] == [262_118, 1]


def test_bytes_that_grow_when_replaced_are_counted_as_they_are_sent() -> None:
    made = batches(*[(b"\xff" * 200_000, NOW)] * 3)

    assert all(sum(event.size + 26 for event in batch) <= 1_048_576 for batch in made)
    assert all(len(event.message.encode()) == event.size <= 262_118 for batch in made for event in batch)
    assert sum(len(event.message) for batch in made for event in batch) == 600_000


def test_a_batch_has_at_most_10_000_events() -> None:
    assert [len(batch) for batch in batches(*[(b"x", NOW)] * 20_001)] == [10_000, 10_000, 1]


def test_a_batch_has_at_most_1_048_576_bytes_with_26_for_each_event() -> None:
    line = b"x" * (1024 - 26)

    assert [len(batch) for batch in batches(*[(line, NOW)] * 1025)] == [1024, 1]


def test_a_batch_spans_at_most_24_hours() -> None:
    day = 24 * 60 * 60

    made = batches((b"a", NOW), (b"b", NOW + day), (b"c", NOW + day + 1))

    assert [[event.message for event in batch] for batch in made] == [["a", "b"], ["c"]]


def test_a_clock_that_is_set_back_does_not_change_the_order_of_lines() -> None:
    [batch] = batches((b"first", NOW), (b"second", NOW - 60), (b"third", NOW + 1))

    assert [event.message for event in batch] == ["first", "second", "third"]
    assert [event.timestamp_ms for event in batch] == [
        int(NOW * 1000),
        int(NOW * 1000),
        int((NOW + 1) * 1000),
    ]


def test_a_failed_delivery_is_an_error_of_close(factory: AwsFactory) -> None:
    aws = factory.new()
    services = BotoServices(aws)
    sink = open_sink(services)
    aws.client("logs").delete_log_group(logGroupName="g")

    sink.write([b"lost"], NOW)

    with pytest.raises(
        LogStreamError, match="log group 'g', stream 's', is not complete: ResourceNotFoundException"
    ):
        sink.close()
    aws.close()


def test_a_moto_that_is_gone_is_an_error_of_close_and_does_not_block_it(
    services: BotoServices, aws: Aws
) -> None:
    sink = open_sink(services)
    assert aws._child is not None
    aws._child.stop()

    sink.write([b"lost"], NOW)

    with pytest.raises(
        LogStreamError, match=r"is not complete: RequestError: send request failed: .*refused"
    ):
        sink.close()


def test_lines_too_old_for_cloudwatch_are_an_error_of_close(services: BotoServices) -> None:
    sink = open_sink(services)

    sink.write([b"old"], NOW - 15 * 24 * 60 * 60)

    with pytest.raises(LogStreamError, match="older than 14 days"):
        sink.close()


def test_closing_the_aws_delivers_what_is_left_first(factory: AwsFactory, aws: Aws) -> None:
    other = AwsFactory(url=aws.endpoint_url).new()
    sink = open_sink(BotoServices(other))
    sink.write([b"line"], NOW)

    other.close()

    assert read(aws) == ["line"]
    sink.close()
    with pytest.raises(LogStreamError, match="closed"):
        sink.write([b"late"], NOW)
    with pytest.raises(LogStreamError, match="this AWS is gone"):
        open_sink(BotoServices(other))


def test_tasks_of_one_aws_share_its_one_thread(aws: Aws) -> None:
    sinks = [open_sink(BotoServices(aws), f"s{number}") for number in range(5)]

    assert [thread.name for thread in threading.enumerate()].count("ecs-tasks/awslogs") == 1
    for sink in sinks:
        sink.close()


def test_an_idle_writer_does_not_keep_a_thread_awake(services: BotoServices) -> None:
    sink = open_sink(services)
    sink.write([b"line"], NOW)
    sink.close()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "ecs-tasks/awslogs"]
    before = time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))

    threading.Event().wait(0.5)

    assert time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0)) - before < 0.005

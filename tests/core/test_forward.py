"""Messages of the forward protocol, byte by byte as the MessagePack specification has them."""

from __future__ import annotations

import pytest

from pytest_ecs_tasks.core.forward import LONGEST_PART, message, records

TIME = b"\xd7\x00" + bytes.fromhex("65e12a80") + bytes.fromhex("1dcd6500")  # 1709255296.5 s


def test_a_message_is_tag_time_and_record() -> None:
    assert message("app", 1709255296.5, {"log": "hi"}) == b"\x93\xa3app" + TIME + b"\x81\xa3log\xa2hi"


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\xa0"),
        (31, b"\xbf"),
        (32, b"\xd9\x20"),
        (255, b"\xd9\xff"),
        (256, b"\xda\x01\x00"),
        (65535, b"\xda\xff\xff"),
        (65536, b"\xdb\x00\x01\x00\x00"),
    ],
)
def test_a_text_has_the_shortest_head_for_its_length(size: int, head: bytes) -> None:
    assert message("t", 0, {"l": "x" * size}).endswith(b"\xa1l" + head + b"x" * size)


def test_a_record_of_many_fields_has_a_longer_head() -> None:
    assert b"\xde\x00\x10" in message("t", 0, {f"{number:x}": "" for number in range(16)})


def test_bytes_that_are_not_utf_8_go_out_as_they_are() -> None:
    assert message("t", 0, {"log": b"caf\xe9"}).endswith(b"\xa4caf\xe9")


def line_records(line: bytes) -> list[dict[str, str | bytes]]:
    return list(records(line, container_id="c0ffee", container_name="/web", source="stderr", partial_id="id"))


@pytest.mark.parametrize("line", [b"", b"hello", b"x" * LONGEST_PART])
def test_a_line_is_one_record(line: bytes) -> None:
    assert line_records(line) == [
        {"container_id": "c0ffee", "container_name": "/web", "source": "stderr", "log": line}
    ]


def test_a_long_line_is_cut_into_parts_that_know_their_place() -> None:
    line = b"x" * LONGEST_PART + b"y"

    parts = line_records(line)

    assert b"".join(bytes(part["log"]) for part in parts if isinstance(part["log"], bytes)) == line
    assert [(part["partial_ordinal"], part["partial_last"]) for part in parts] == [
        ("1", "false"),
        ("2", "true"),
    ]
    assert {part["partial_message"] for part in parts} == {"true"}

"""Sessions of ExecuteCommand, with a client that does what session-manager-plugin does and a terminal without a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from exec_client import BINARY, CLOSE, DATA, TEXT, ExecClient
from pytest_ecs_tasks.endpoints.exec_sessions import ExecSessions
from pytest_ecs_tasks.engine.system import SystemClock
from pytest_ecs_tasks.errors import EcsTaskError
from pytest_ecs_tasks.testing.fake_terminals import FakeTerminal

Connect = Callable[..., ExecClient]


@pytest.fixture
def sessions() -> Iterator[ExecSessions]:
    sessions = ExecSessions(SystemClock())
    yield sessions
    sessions.close(for_good=True)


@pytest.fixture
def connect(sessions: ExecSessions) -> Iterator[Connect]:
    clients: list[ExecClient] = []

    def connect(terminal: FakeTerminal | EcsTaskError, **options: object) -> ExecClient:
        def start() -> FakeTerminal:
            if isinstance(terminal, EcsTaskError):
                raise terminal
            return terminal

        session = sessions.add("ecs-execute-command-1", "ecs:default_task_container", start)
        clients.append(ExecClient(session, **options))  # type: ignore[arg-type]
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_what_is_typed_is_read_and_what_is_written_is_shown(connect):
    terminal = FakeTerminal(b"$ ")
    client = connect(terminal)

    client.read_until(b"$ ")
    client.resize(120, 40)
    client.type("ls\r")
    client.read_until(b"ls\r")
    client.type("exit\r")
    client.read_to_the_end()

    assert (client.shown, client.closed) == (b"$ ls\r", "")
    assert (terminal.typed, terminal.sizes) == ([b"ls\r", b"exit\r"], [(120, 40)])
    # What the client sends again is acknowledged again; the end may overtake the acknowledgement of what has led to it.
    assert list(dict.fromkeys(client.acknowledged))[:3] == [0, 1, 2]


def test_long_output_comes_whole_and_in_order(connect):
    text = b"".join(b"line %d\r\n" % number for number in range(20_000))

    client = connect(FakeTerminal(text, ends=True))

    assert client.read_to_the_end() == text


def test_output_that_the_client_was_not_ready_for_comes_again(connect):
    client = connect(FakeTerminal(b"hello", ends=True), ready_late=True)

    assert client.read_to_the_end() == b"hello"


def test_input_that_comes_twice_counts_once_and_a_gap_is_waited_for(connect):
    terminal = FakeTerminal(b"$ ")
    client = connect(terminal)
    client.read_until(b"$ ")

    client.send_input(DATA, b"late", sequence=2)
    client.send_input(DATA, b"first", sequence=1)
    client.send_input(DATA, b"first", sequence=1)
    client.send_input(DATA, b"late", sequence=2)
    client.read_until(b"firstlate")

    assert terminal.typed == [b"first", b"late"]


def test_a_command_that_cannot_be_started_says_why(connect):
    client = connect(EcsTaskError("container 'app' has ended"))

    client.read_to_the_end()

    assert client.closed == (
        "\n----------ERROR-------\nUnable to start command: Failed to start pty: container 'app' has ended\n"
    )


def test_a_command_that_the_engine_finds_unknown_says_why(connect):
    client = connect(FakeTerminal(fails=EcsTaskError('exec: "nope": executable file not found in $PATH')))

    client.read_to_the_end()

    assert client.closed is not None
    assert 'exec: "nope": executable file not found in $PATH' in client.closed


def test_the_client_can_end_the_session_and_the_command_with_it(connect):
    terminal = FakeTerminal(b"$ ")
    client = connect(terminal)
    client.read_until(b"$ ")

    client.terminate()
    client.read_to_the_end()

    assert client.close_code == 1000
    assert terminal.closed.wait(60)


def test_a_client_that_goes_away_ends_the_command(connect):
    terminal = FakeTerminal(b"$ ")
    client = connect(terminal)
    client.read_until(b"$ ")

    client.close()

    assert terminal.closed.wait(60)


def test_the_end_of_the_aws_ends_session_and_command(sessions, connect):
    terminal = FakeTerminal(b"$ ")
    client = connect(terminal)
    client.read_until(b"$ ")

    sessions.close(for_good=True)
    client.read_to_the_end()

    assert terminal.closed.wait(60)
    with pytest.raises(EcsTaskError, match="no more sessions"):
        sessions.add("2", "target", lambda: terminal)


def test_another_token_opens_nothing(connect):
    client = connect(FakeTerminal(b"$ "), token="guessed")

    client.read_to_the_end()

    assert (client.close_code, client.shown) == (1008, b"")


def test_a_session_is_opened_once(sessions):
    session = sessions.add("1", "target", lambda: FakeTerminal(b"$ "))
    first = ExecClient(session)
    first.read_until(b"$ ")

    second = ExecClient(session)

    assert second.status == 404
    first.close()
    second.close()


def test_the_secrets_of_a_session_are_in_no_repr(sessions):
    session = sessions.add("1", "target", lambda: FakeTerminal())

    shown = f"{sessions!r} {sessions._waiting!r} {sessions._server!r}"

    assert session["tokenValue"] not in shown
    assert session["streamUrl"] not in shown


@pytest.mark.parametrize(
    ("opcode", "data", "code"),
    [
        (BINARY, b"\0" * 200, 1002),
        (BINARY, b"short", 1002),
        (TEXT, b"{", 1002),
        (3, b"", 1002),
        (0, b"no beginning", 1002),
        (CLOSE, b"\x03\xe8", 1000),
    ],
)
def test_what_is_not_the_protocol_ends_the_session(connect, opcode, data, code):
    terminal = FakeTerminal(b"$ ")
    client = connect(terminal)
    client.read_until(b"$ ")

    client.send_frame(opcode, data)
    client.read_to_the_end()

    assert client.close_code == code
    assert terminal.closed.wait(60)


def test_a_message_in_pieces_is_one_message(connect):
    client = connect(FakeTerminal())

    client.send_frame(TEXT, b"{", final=False)
    client.send_frame(0, b"}")  # a request without a token
    client.read_to_the_end()

    assert client.close_code == 1008

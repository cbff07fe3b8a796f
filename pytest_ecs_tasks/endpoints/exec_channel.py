"""One session of ExecuteCommand: the agent's side of Session Manager's data channel, with a terminal at its end.

What the client types goes to the terminal; what the terminal shows is sent piece by piece, each when the client has
acknowledged the one before. So neither side needs room for what the other has not read.

Source: aws/session-manager-plugin, src/datachannel/streaming.go; aws/amazon-ssm-agent, agent/session/datachannel and
agent/session/shell.
"""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_ecs_tasks.control import Terminal
from pytest_ecs_tasks.core import session_messages as messages
from pytest_ecs_tasks.core.session_messages import Message, MessageError, MessageType, PayloadType
from pytest_ecs_tasks.endpoints.answer import Stream
from pytest_ecs_tasks.endpoints.websocket import (
    CloseCode,
    FrameReader,
    Opcode,
    Received,
    WebSocketError,
    encode_close,
    encode_frame,
)
from pytest_ecs_tasks.engine.ports import Clock
from pytest_ecs_tasks.errors import EcsTaskError

RESEND_AFTER_S = (
    0.2  # the plugin drops what comes before its handlers are in place, and waits for it to come again
)
HANDSHAKE_TIMEOUT_S = 30.0  # the agent's
AGENT_VERSION = "3.3.0.0"  # above those for which a client changes its ways


@dataclass(frozen=True, slots=True)
class Session:
    """What a client needs to open a session, and what is run for it. ``token`` is a secret.

    ``start`` raises :class:`~pytest_ecs_tasks.errors.EcsTaskError` where the command cannot be started.
    """

    session_id: str
    target: str
    token: str = field(repr=False)
    start: Callable[[], Terminal] = field(repr=False)


class ExecChannel:
    """The conversation of one client over one WebSocket."""

    def __init__(self, session: Session, stream: Stream, clock: Clock) -> None:
        self._session = session
        self._stream = stream
        self._clock = clock
        self._changed = threading.Condition()
        self._terminal: Terminal | None = None
        self._acknowledged = -1
        self._expected = 0  # the sequence number of the client's next input
        self._sent = 0  # how many messages of the output stream have been sent
        self._handshaken = False
        self._closed = False
        self._conductor: threading.Thread | None = None

    def run(self) -> None:
        """Converse until either side ends it; the command does not outlive that."""
        reader = FrameReader()
        try:
            while data := self._stream.receive():
                for received in reader.feed(data):
                    self._take(received)
        except WebSocketError as error:
            self._end(error.code, str(error))
        except OSError:
            pass  # the client has gone away
        finally:
            self.close()
            if self._conductor is not None:
                self._conductor.join()

    def close(self) -> None:
        """End it, from any thread: the client's connection and the command."""
        with self._changed:
            self._closed = True
            terminal = self._terminal
            self._changed.notify_all()
        self._stream.close()
        if terminal is not None:
            terminal.close()

    # --- what the client sends

    def _take(self, received: Received) -> None:
        match received.opcode:
            case Opcode.TEXT:
                self._open(received.data)
            case Opcode.BINARY:
                self._take_message(received.data)
            case Opcode.PING:
                self._stream.send(encode_frame(Opcode.PONG, received.data))
            case Opcode.CLOSE:
                self._end(CloseCode.NORMAL)
            case _:
                pass

    def _open(self, data: bytes) -> None:
        """Take the token, which has to come first."""
        try:
            token = messages.read_document(data).get("TokenValue")
        except MessageError as error:
            raise WebSocketError(str(error)) from error
        if not isinstance(token, str) or not secrets.compare_digest(
            token.encode(), self._session.token.encode()
        ):
            raise WebSocketError("the token is another", CloseCode.POLICY)
        if self._conductor is None:
            self._conductor = threading.Thread(
                target=self._conduct, name=f"ecs-tasks/exec {self._session.session_id}", daemon=True
            )
            self._conductor.start()

    def _take_message(self, data: bytes) -> None:
        if self._conductor is None:
            raise WebSocketError("the token has to come first", CloseCode.POLICY)
        try:
            message = messages.decode_message(data)
            if message.message_type is MessageType.ACKNOWLEDGE:
                self._take_acknowledgement(messages.read_acknowledged(message))
            elif message.message_type is MessageType.INPUT:
                self._take_input(message)
        except MessageError as error:
            raise WebSocketError(str(error)) from error

    def _take_acknowledgement(self, sequence: int) -> None:
        with self._changed:
            self._acknowledged = max(self._acknowledged, sequence)
            self._changed.notify_all()

    def _take_input(self, message: Message) -> None:
        if message.sequence > self._expected:
            return  # the client sends it again, when what is missing has come
        if message.sequence == self._expected:
            if not self._use(message):
                return  # there is no terminal yet; it comes again
            self._expected += 1
        self._send_message(messages.make_acknowledgement(self._stamp(), message))

    def _use(self, message: Message) -> bool:
        """Do what an input says; tell whether it could be done by now."""
        terminal = self._terminal
        match message.payload_type:
            case PayloadType.HANDSHAKE_RESPONSE:
                with self._changed:
                    self._handshaken = True
                    self._changed.notify_all()
            case PayloadType.DATA | PayloadType.SIZE if terminal is None:
                return False
            case PayloadType.DATA if terminal is not None:
                terminal.write(message.payload)
            case PayloadType.SIZE if terminal is not None:
                size = messages.read_size(message.payload)
                if size is not None:
                    terminal.resize(columns=size[0], rows=size[1])
            case PayloadType.FLAG if messages.is_termination(message.payload):
                self._end(CloseCode.NORMAL)
            case _:
                pass
        return True

    # --- what is sent to the client

    def _conduct(self) -> None:
        """Shake hands, start the command, send its output, and say how it ended."""
        try:
            if self._shake_hands() and self._start():
                output = self._send_output()
                self._finish(output)
        except OSError:
            self.close()  # the client has gone away

    def _shake_hands(self) -> bool:
        begun = self._clock.now()
        if not self._send(PayloadType.HANDSHAKE_REQUEST, messages.handshake_request(AGENT_VERSION)):
            return False
        with self._changed:
            done = self._changed.wait_for(lambda: self._handshaken or self._closed, HANDSHAKE_TIMEOUT_S)
            if not done or self._closed:
                return self._give_up(done=done)
        return self._send(
            PayloadType.HANDSHAKE_COMPLETE, messages.handshake_complete(self._clock.now() - begun)
        )

    def _give_up(self, *, done: bool) -> bool:
        if not done:
            self._finish(f"The client did not answer the handshake within {HANDSHAKE_TIMEOUT_S:g} s.")
        return False

    def _start(self) -> bool:
        try:
            terminal = self._session.start()
        except EcsTaskError as error:
            self._finish(_failure(str(error)))
            return False
        with self._changed:
            self._terminal = terminal
            closed = self._closed
        if closed:
            terminal.close()
        return not closed

    def _send_output(self) -> str:
        """Send what the terminal shows; return what went wrong, or nothing."""
        assert self._terminal is not None
        try:
            for chunk in self._terminal.chunks():
                for start in range(0, len(chunk), messages.LARGEST_PAYLOAD):
                    if not self._send(PayloadType.DATA, chunk[start : start + messages.LARGEST_PAYLOAD]):
                        return ""
        except EcsTaskError as error:
            return _failure(str(error.__cause__ or error))
        return ""

    def _send(self, payload_type: PayloadType, payload: bytes) -> bool:
        """Send one message until it is acknowledged; tell whether it was."""
        sequence, self._sent = self._sent, self._sent + 1
        frame = self._frame(messages.make_output(self._stamp(), sequence, payload_type, payload))
        while not self._closed:
            self._stream.send(frame)
            with self._changed:
                if self._changed.wait_for(
                    lambda: self._closed or self._acknowledged >= sequence, RESEND_AFTER_S
                ):
                    return not self._closed
        return False

    def _finish(self, output: str) -> None:
        session = self._session
        self._send_message(
            messages.make_channel_closed(self._stamp(), session.session_id, session.target, output)
        )
        self._end(CloseCode.NORMAL)

    def _send_message(self, message: Message) -> None:
        self._stream.send(self._frame(message))

    def _frame(self, message: Message) -> bytes:
        return encode_frame(Opcode.BINARY, messages.encode_message(message))

    def _end(self, code: CloseCode, reason: str = "") -> None:
        try:
            self._stream.send(encode_close(code, reason))
        except OSError:
            pass  # the client has gone away already
        self.close()

    def _stamp(self) -> messages.Stamp:
        return messages.Stamp(uuid.uuid4().bytes, round(self._clock.wall() * 1000))


def _failure(why: str) -> str:
    """Return what the agent says of a command that could not be started."""
    return f"\n----------ERROR-------\nUnable to start command: Failed to start pty: {why}\n"

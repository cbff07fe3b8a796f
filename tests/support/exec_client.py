"""A client of ExecuteCommand's sessions that does what session-manager-plugin does.

Source: aws/session-manager-plugin, src/communicator, src/datachannel/streaming.go, src/sessionmanagerplugin. Its messages
are taken apart here by hand, not by the code under test.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import select
import socket
import struct
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit

INPUT, OUTPUT, ACKNOWLEDGE, CLOSED = (
    "input_stream_data",
    "output_stream_data",
    "acknowledge",
    "channel_closed",
)
DATA, SIZE, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HANDSHAKE_COMPLETE, FLAG = 1, 3, 5, 6, 7, 10
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
RESEND_AFTER_S = 0.2
PATIENCE_S = 60.0


class ExecClient:
    """One session. ``shown`` is what its terminal has shown."""

    def __init__(
        self, session: Mapping[str, str], *, token: str | None = None, ready_late: bool = False
    ) -> None:
        parts = urlsplit(session["streamUrl"])
        assert parts.scheme == "ws"
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=60)
        self._buffer = b""
        self._unacknowledged: dict[int, bytes] = {}
        self._ready = False
        self.status = self._upgrade(f"{parts.path}?{parts.query}", parts.netloc)
        self._dropped = ready_late  # the plugin drops the first output if its handlers are not in place yet
        self._next_input = 0
        self._expected = 0
        self.shown = b""
        self.closed: str | None = None  # channel_closed's output
        self.close_code: int | None = None
        self.acknowledged: list[int] = []
        if self.status == 101:
            request = {
                "MessageSchemaVersion": "1.0",
                "RequestId": str(uuid.uuid4()),
                "TokenValue": session["tokenValue"] if token is None else token,
                "ClientId": str(uuid.uuid4()),
                "ClientVersion": "1.2.0.0",
            }
            self.send_frame(PING, b"keepalive")
            self.send_frame(TEXT, json.dumps(request).encode())

    def type(self, text: str) -> None:
        self.wait_until_ready()
        self.send_input(DATA, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        self.wait_until_ready()
        self.send_input(SIZE, json.dumps({"cols": columns, "rows": rows}).encode())

    def wait_until_ready(self) -> None:
        while not self._ready and self.read_one():
            pass

    def terminate(self) -> None:
        self.send_input(FLAG, (2).to_bytes(4, "big"))

    def read_until(self, text: bytes) -> None:
        """Read until the terminal has shown that, or has ended."""
        while text not in self.shown and self.read_one():
            pass
        assert text in self.shown, self.shown

    def read_to_the_end(self) -> bytes:
        while self.read_one():
            pass
        return self.shown

    def close(self) -> None:
        self.socket.close()

    # --- WebSocket

    def _upgrade(self, target: str, host: str) -> int:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status = int(self._read_line().split()[1])
        headers = {}
        while line := self._read_line():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        if status == 101:
            guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            wanted = base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()
            assert headers["sec-websocket-accept"] == wanted
        return status

    def send_frame(self, opcode: int, data: bytes, *, final: bool = True) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        first = opcode | (0x80 if final else 0)
        if len(data) < 126:
            head = bytes((first, 0x80 | len(data)))
        else:
            head = struct.pack(">BBH", first, 0x80 | 126, len(data))
        # A server that has closed hears nothing any more; what it said before is still to be read.
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(head + mask + masked)

    def _read(self, size: int) -> bytes:
        """Return that many bytes, less at the end; what is not acknowledged meanwhile is sent again."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self._buffer) < size:
            if not select.select([self.socket], [], [], RESEND_AFTER_S)[0]:
                assert time.monotonic() < deadline, f"nothing comes any more; shown is {self.shown!r}"
                for frame in list(self._unacknowledged.values())[:1]:
                    self.send_frame(BINARY, frame)
                continue
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                break
            self._buffer += data
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _read_line(self) -> str:
        line = b""
        while not line.endswith(b"\r\n"):
            line += self._read(1)
        return line.strip().decode()

    def _read_frame(self) -> tuple[int, bytes] | None:
        head = self._read(2)
        if len(head) < 2:
            return None
        assert head[0] & 0x80, "a message in one piece"
        assert not head[1] & 0x80, "a server masks nothing"
        length = head[1]
        if length == 126:
            (length,) = struct.unpack(">H", self._read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._read(8))
        return head[0] & 0x0F, self._read(length)

    # --- the data channel

    def send_input(self, payload_type: int, payload: bytes, *, sequence: int | None = None) -> None:
        number = self._next_input if sequence is None else sequence
        frame = self._send(INPUT, payload_type, payload, number)
        if sequence is None:
            self._unacknowledged[number] = frame
            self._next_input += 1

    def _send(self, name: str, payload_type: int, payload: bytes, sequence: int, flags: int = 0) -> bytes:
        head = struct.pack(">I32sIQqQ", 116, name.encode().ljust(32), 1, 1_700_000_000_000, sequence, flags)
        digest = hashlib.sha256(payload).digest()
        rest = uuid.uuid4().bytes + digest + struct.pack(">II", payload_type, len(payload))
        self.send_frame(BINARY, head + rest + payload)
        return head + rest + payload

    def read_one(self) -> bool:
        """Take one frame; tell whether there may be more."""
        frame = self._read_frame()
        if frame is None:
            return False
        opcode, data = frame
        if opcode == CLOSE:
            (self.close_code,) = struct.unpack_from(">H", data)
            return False
        if opcode == BINARY:
            self._take(data)
        else:
            assert (opcode, data) == (PONG, b"keepalive")
        return self.closed is None

    def _take(self, data: bytes) -> None:
        length, name, version, created, sequence, _ = struct.unpack_from(">I32sIQqQ", data)
        digest = data[80:112]
        payload_type, size = struct.unpack_from(">II", data, 112)
        payload = data[length + 4 :]
        assert (length, version, len(payload)) == (116, 1, size)
        assert created > 0
        assert hashlib.sha256(payload).digest() == digest
        match name.decode().rstrip():
            case "output_stream_data":
                self._take_output(payload_type, payload, sequence, data[64:80])
            case "acknowledge":
                self.acknowledged.append(json.loads(payload)["AcknowledgedMessageSequenceNumber"])
                self._unacknowledged.pop(self.acknowledged[-1], None)
            case "channel_closed":
                self.closed = json.loads(payload)["Output"]
            case other:
                raise AssertionError(other)

    def _take_output(self, payload_type: int, payload: bytes, sequence: int, swapped: bytes) -> None:
        if sequence == self._expected:
            if payload_type == DATA and self._dropped:
                self._dropped = False
                return
            self._expected += 1
            if payload_type == DATA:
                self.shown += payload
        content = {
            "AcknowledgedMessageType": OUTPUT,
            "AcknowledgedMessageId": str(uuid.UUID(bytes=swapped[8:] + swapped[:8])),
            "AcknowledgedMessageSequenceNumber": sequence,
            "IsSequentialMessage": True,
        }
        self._send(ACKNOWLEDGE, 0, json.dumps(content).encode(), 0, flags=3)
        self._ready = self._ready or payload_type == HANDSHAKE_COMPLETE
        if payload_type == HANDSHAKE_REQUEST:
            (action,) = json.loads(payload)["RequestedClientActions"]
            assert action["ActionParameters"]["SessionType"] == "InteractiveCommands"
            done = {"ActionType": "SessionType", "ActionStatus": 1, "ActionResult": None, "Error": ""}
            response = {"ClientVersion": "1.2.0.0", "ProcessedClientActions": [done], "Errors": None}
            self.send_input(HANDSHAKE_RESPONSE, json.dumps(response).encode())


def main() -> None:
    """Do what ``session-manager-plugin RESPONSE REGION StartSession …`` does; without arguments, say that it is there."""
    if len(sys.argv) == 1:
        print(
            "\nThe Session Manager plugin was installed successfully. Use the AWS CLI to start a session.\n"
        )
        return
    session = json.loads(sys.argv[1])
    assert sys.argv[3] == "StartSession"
    assert json.loads(sys.argv[5])["Target"].startswith("ecs:default_")
    print(f"\nStarting session with SessionId: {session['sessionId']}", flush=True)
    client = ExecClient(session)
    client.wait_until_ready()
    threading.Thread(target=_type_all, args=(client,), daemon=True).start()
    client.read_to_the_end()
    text = f"\n\nSessionId: {session['sessionId']} : {client.closed}\n\n"
    ended = f"\n\nExiting session with sessionId: {session['sessionId']}.\n\n"
    print(client.shown.decode() + (text if client.closed else ended))


def _type_all(client: ExecClient) -> None:
    for typed in sys.stdin:
        client.send_input(DATA, typed.encode())


if __name__ == "__main__":
    main()

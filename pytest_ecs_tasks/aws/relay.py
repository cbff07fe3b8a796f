"""One connection of a client whose requests another server answers: heads and bodies pass as they come."""

from __future__ import annotations

import http.client
import socket
from http.server import BaseHTTPRequestHandler
from typing import Any

from pytest_ecs_tasks.aws.listener import LOOPBACK

_PIECE = 64 * 1024
# They belong to one connection, not to the request. Source: RFC 9110, 7.6.1.
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


class Relay(BaseHTTPRequestHandler):
    """A connection's requests, one after the other; the constructor returns when it is over."""

    protocol_version = "HTTP/1.1"

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection, (LOOPBACK, 0), None)  # type: ignore[arg-type] # no server accepted it

    def send_request(
        self, connection: http.client.HTTPConnection, target: str, body: bytes | None = None
    ) -> None:
        """Send what the client asks to another server, under a target of its own there.

        ``body`` is the request's, if it has been read already.
        """
        connection.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        for name, value in self.headers.items():
            if name.lower() not in _HOP_BY_HOP and name.lower() != "expect":
                connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        if body is not None:
            connection.send(body)
        elif chunked:
            self._copy_chunks(connection)
        else:
            self._copy_body(connection, int(self.headers.get("Content-Length") or 0))

    def _copy_body(self, connection: http.client.HTTPConnection, length: int) -> None:
        while length > 0:
            piece = self.rfile.read(min(length, _PIECE))
            if not piece:
                raise ConnectionResetError("the client has gone away")
            connection.send(piece)
            length -= len(piece)

    def _copy_chunks(self, connection: http.client.HTTPConnection) -> None:
        """Copy the chunks as they are written, trailers too."""
        while True:
            head = self.rfile.readline(_PIECE)
            size = int(head.partition(b";")[0], 16)
            connection.send(head)
            if size == 0:
                break
            self._copy_body(connection, size + 2)
        while True:
            line = self.rfile.readline(_PIECE)
            connection.send(line)
            if line in (b"\r\n", b"\n", b""):
                return

    def send_answer(self, response: http.client.HTTPResponse) -> None:
        """Send the other server's answer to the client."""
        has_body = self.command != "HEAD" and response.status not in (204, 304)
        length = response.getheader("Content-Length")
        chunked = has_body and length is None
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, self.passed(name, value))
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while has_body and (piece := response.read1(_PIECE)):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def passed(self, name: str, value: str) -> str:
        """Return the value with which a header of the answer is passed on."""
        return value

    def log_message(self, format: str, *args: Any) -> None:
        """Keep no access log."""

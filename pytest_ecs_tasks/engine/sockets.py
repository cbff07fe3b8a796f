"""Sockets that work although the user's test has forbidden itself the network.

pytest-socket and its kin put a class of theirs in the place of ``socket.socket``, or a function in the place
of its ``connect``. The standard library's own ``accept`` and ``socketpair`` go through that name, so these
don't use them.
"""

from __future__ import annotations

import _socket
import contextlib
import socket
import ssl
import struct

# The class itself, even when this module is imported while a subclass stands in its place.
Socket: type[socket.socket] = next(
    kind for kind in socket.socket.__mro__ if kind.__module__ == "socket" and kind.__qualname__ == "socket"
)


def make_socket_pair() -> tuple[socket.socket, socket.socket]:
    """Make two sockets that are connected to each other."""
    first, second = _socket.socketpair()
    return Socket(fileno=first.detach()), Socket(fileno=second.detach())


def take_over(connection: socket.socket) -> socket.socket:
    """Return a socket in the place of ``connection``, whose object becomes closed.

    An HTTP response shares its connection's socket and closes it when it is collected, or keeps it from
    being closed. TLS cannot be moved to another object, and is returned as it is.
    """
    if isinstance(connection, ssl.SSLSocket):
        return connection
    return Socket(connection.family, connection.type, connection.proto, fileno=connection.detach())


def make_loopback_listener() -> socket.socket:
    """Listen on a free port of 127.0.0.1."""
    listener = Socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
    except BaseException:
        listener.close()
        raise
    return listener


def accept_connection(listener: socket.socket) -> socket.socket:
    """Accept one connection; raises BlockingIOError when a non-blocking listener has none."""
    number, _ = listener._accept()  # type: ignore[attr-defined] # what socket.accept itself is made of
    return Socket(listener.family, listener.type, listener.proto, fileno=number)


def dial_tcp(host: str, port: int, timeout_s: float = 5.0) -> socket.socket:
    """Connect to an IPv4 address of this machine; the socket returned blocks. Raises OSError."""
    connection = Socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        _socket.socket.connect(connection, (host, port))
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection


def disable_delay(connection: socket.socket) -> None:
    """Send small writes at once, where the socket is TCP."""
    if connection.family != socket.AF_UNIX:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def close_with_reset(connection: socket.socket) -> None:
    """Close so that a TCP peer sees a reset instead of an orderly end."""
    with contextlib.suppress(OSError):  # not connected any more: closing is all there is
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

"""Just enough of the Redis protocol for the example: one command, one short answer."""

import os
import socket


def ask(*words):
    """Send one command and return the answer without its type mark."""
    request = f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)
    with socket.create_connection(
        (os.environ.get("DATABASE_HOST", "localhost"), 6379), timeout=5
    ) as connection:
        connection.sendall(request.encode())
        answer = connection.makefile("rb")
        first = answer.readline().decode().strip()
        return answer.readline().decode().strip() if first.startswith("$") else first[1:]

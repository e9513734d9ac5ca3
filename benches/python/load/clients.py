"""The program of the clients: connections that count the events which arrive, in a process of their own.

An event holds MARK once, and nothing else does that a server sends, which therefore must not ping: so events are
counted without parsing, however the bytes are cut. Orders come as lines of standard input, answers go as lines to
standard output.

- `expect N`: from now on N events; answered by `expecting`, and by `received` with the time when the last of them came.
- anything that goes wrong is answered by `failed` and the reason.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import socket
import sys
import time

__all__ = ["EVENTS", "MARK", "WEBSOCKET"]

#: Once in every event.
MARK = b"^"

EVENTS = "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
WEBSOCKET = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

#: Connections that are opened at a time, so that the server's backlog holds them.
AT_A_TIME = 100

#: Seconds until one that has not been answered has failed.
PATIENCE = 20


def main(port: int, count: int, request: bytes) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    connections: dict[int, socket.socket] = {}
    for begin in range(0, count, AT_A_TIME):
        opened = [_opened(port, request) for _ in range(min(AT_A_TIME, count - begin))]
        for connection in opened:
            _await_head(connection)
            connection.setblocking(False)
            connections[connection.fileno()] = connection
    tell("connected")
    count_events(connections)


def count_events(connections: dict[int, socket.socket]) -> None:
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    for descriptor in connections:
        poll.register(descriptor, select.EPOLLIN)
    expected, arrived = 0, 0
    buffer = bytearray(256 * 1024)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == 0:
                order = os.read(0, 1024)
                if not order:
                    return
                if arrived != expected:
                    raise ConnectionError(f"{arrived} events in place of {expected}")
                expected, arrived = int(order.split()[1]), 0
                tell("expecting")
                continue
            size = connections[descriptor].recv_into(buffer)
            if size == 0:
                raise ConnectionError("the server closed a connection")
            events = buffer.count(MARK, 0, size)
            arrived += events
            if events and arrived == expected:
                tell(f"received {time.monotonic_ns()}")


def tell(what: str) -> None:
    os.write(1, f"{what}\n".encode())


def _opened(port: int, request: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.sendall(request)
    return connection


def _await_head(connection: socket.socket) -> None:
    """Reads the head of the answer. What comes with it is no event, for none is published yet."""
    head = b""
    while b"\r\n\r\n" not in head:
        some = connection.recv(4096)
        if not some:
            raise ConnectionError("the server closed a connection before it had answered")
        head += some
    status = head.split(b" ", 2)[1]
    if status not in (b"101", b"200"):
        raise ConnectionError(f"the server answered {head!r}")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        try:
            main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode())
        except (OSError, ValueError) as failure:
            tell(f"failed {failure}")
            sys.exit(1)

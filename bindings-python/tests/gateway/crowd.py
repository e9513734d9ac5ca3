"""Many clients in a process of their own, so that the one that serves them is measured alone.

    python crowd.py PORT CLIENTS PATH

Connects them all as plain WebSockets and says `ready`; then counts what they read, and says `all N` whenever every
client has read one message more.
"""

from __future__ import annotations

import selectors
import socket
import sys

HANDSHAKE = (
    "GET {} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def main(port: int, clients: int, path: str) -> None:
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
    for connection in connections:
        connection.sendall(HANDSHAKE.format(path).encode())
    for connection in connections:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        assert b" 101 " in head, head
    print("ready", flush=True)
    selector = selectors.DefaultSelector()
    for connection in connections:
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, [0, bytearray()])
    told = 0
    behind = clients
    while True:
        for key, _ in selector.select():
            state = key.data
            read = key.fileobj.recv(65_536)  # type: ignore[union-attr]
            if not read:
                return
            buffered = state[1]
            buffered += read
            # Messages of the tests are short: one byte says how long.
            while len(buffered) >= 2 and len(buffered) >= 2 + buffered[1]:
                if buffered[0] & 0x0F == 8:
                    return
                del buffered[: 2 + buffered[1]]
                state[0] += 1
                if state[0] == told + 1:
                    behind -= 1
        while behind == 0:
            told += 1
            behind = sum(key.data[0] <= told for key in selector.get_map().values())
            print("all", told, flush=True)


main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])

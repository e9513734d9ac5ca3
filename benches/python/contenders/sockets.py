"""Ways to send events to the clients of WebSockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from contenders.service import BACKLOG, Service, served
from distributary import Hub
from distributary.starlette import pump
from load.events import TOPIC

__all__ = ["bare", "bare_send", "manager", "ours", "queues", "websockets_broadcast"]


@asynccontextmanager
async def ours() -> AsyncIterator[Service]:
    """`pump`."""
    with Hub() as hub:

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await pump(hub, websocket, TOPIC)

        async def publish(text: str) -> None:
            hub.publish(TOPIC, text)

        async with served(Starlette(routes=[WebSocketRoute("/", endpoint)])) as port:
            yield Service(port, publish)


@asynccontextmanager
async def bare() -> AsyncIterator[Service]:
    """The floor: no framework, and a queue of text."""
    queues: set[asyncio.Queue[str]] = set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        queue: asyncio.Queue[str] = asyncio.Queue()
        queues.add(queue)
        try:
            await receive()
            await send({"type": "websocket.accept"})
            while True:
                await send({"type": "websocket.send", "text": await queue.get()})
        finally:
            queues.discard(queue)

    async def publish(text: str) -> None:
        for queue in queues:
            queue.put_nowait(text)

    async with served(app) as port:
        yield Service(port, publish)


@asynccontextmanager
async def bare_send() -> AsyncIterator[Service]:
    """The floor below all servers: one ready frame, one system call for each socket, and nobody is slow."""
    connections: list[socket.socket] = []

    async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
        connection = writer.get_extra_info("socket").dup()
        connection.setblocking(False)
        connections.append(connection)
        try:
            await reader.read()
        finally:
            connections.remove(connection)
            connection.close()
            writer.close()

    async def publish(text: str) -> None:
        payload = text.encode()
        frame = b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload
        for connection in connections:
            connection.send(frame)

    async with await asyncio.start_server(let_in, "127.0.0.1", 0, backlog=BACKLOG) as server:
        yield Service(server.sockets[0].getsockname()[1], publish)


@asynccontextmanager
async def manager() -> AsyncIterator[Service]:
    """FastAPI's tutorial: a manager of connections, which sends to one after the other."""
    connections: list[WebSocket] = []
    app = FastAPI()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        connections.append(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            connections.remove(websocket)

    async def publish(text: str) -> None:
        for connection in connections:
            await connection.send_text(text)

    async with served(app) as port:
        yield Service(port, publish)


@asynccontextmanager
async def queues() -> AsyncIterator[Service]:
    """FastAPI, with a queue for each client, so that none holds up the others."""
    readers: set[asyncio.Queue[str]] = set()
    app = FastAPI()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        queue: asyncio.Queue[str] = asyncio.Queue()
        readers.add(queue)
        try:
            while True:
                await websocket.send_text(await queue.get())
        finally:
            readers.discard(queue)

    async def publish(text: str) -> None:
        for queue in readers:
            queue.put_nowait(text)

    async with served(app) as port:
        yield Service(port, publish)


@asynccontextmanager
async def websockets_broadcast() -> AsyncIterator[Service]:
    """`broadcast` of the websockets library, in its own server."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0, backlog=BACKLOG, ping_interval=None) as server:

        async def publish(text: str) -> None:
            broadcast(server.connections, text)

        (listening,) = server.sockets
        yield Service(listening.getsockname()[1], publish)

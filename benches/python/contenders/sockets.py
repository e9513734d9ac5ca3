"""Ways to send events to the clients of WebSockets."""

from __future__ import annotations

import asyncio
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

__all__ = ["bare", "manager", "ours", "websockets_broadcast"]


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
async def websockets_broadcast() -> AsyncIterator[Service]:
    """`broadcast` of the websockets library, in its own server."""
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    async def handler(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0, backlog=BACKLOG) as server:

        async def publish(text: str) -> None:
            broadcast(server.connections, text)

        (listening,) = server.sockets
        yield Service(listening.getsockname()[1], publish)

"""The client manager: servers of several processes with real clients, beside python-socketio's own manager."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import socketio
import uvicorn
import websockets

from distributary import Hub, OptionError, Redis
from distributary.socketio import ClientManager

PATIENCE = 20.0


class Client:
    """A client of Socket.IO as far as these tests need one."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection

    async def next(self) -> list[Any]:
        """The next event: its name and its arguments."""
        while True:
            text = await asyncio.wait_for(self._connection.recv(), PATIENCE)
            if text == "2":
                await self._connection.send("3")
            elif isinstance(text, str) and text.startswith("42"):
                event: list[Any] = json.loads(text[2:])
                return event

    async def emit(self, *event: Any) -> None:
        await self._connection.send("42" + json.dumps(event))


class Theirs(socketio.AsyncRedisManager):  # type: ignore[misc]
    """python-socketio's own manager, which has no end: it never closes what it opened, nor what it opened before."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._opened: list[Any] = []

    def _redis_connect(self) -> None:
        super()._redis_connect()
        self._opened += [self.pubsub, self.redis]

    async def stop(self) -> None:
        if self.thread is not None:
            self.thread.cancel()
            await asyncio.wait({self.thread})
        for opened in self._opened:
            await opened.aclose()


class Served:
    """A server of Socket.IO on a port of its own."""

    def __init__(self, manager: Any) -> None:
        self.io = socketio.AsyncServer(async_mode="asgi", client_manager=manager)
        self.io.on("join", self._join)
        self._listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(socketio.ASGIApp(self.io), log_config=None, lifespan="off", ws="websockets-sansio")
        self._server = uvicorn.Server(config)
        self._task = asyncio.ensure_future(self._server.serve(sockets=[self._listener]))

    async def _join(self, sid: str, room: str) -> None:
        await self.io.enter_room(sid, room)
        await self.io.emit("joined", room, to=sid)

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        port = self._listener.getsockname()[1]
        url = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
        async with websockets.connect(url) as connection:
            assert str(await connection.recv()).startswith("0")
            await connection.send("40")
            assert str(await connection.recv()).startswith("40")
            yield Client(connection)

    async def stop(self) -> None:
        await self.io.shutdown()
        self._server.should_exit = True
        await self._task
        if isinstance(self.io.manager, Theirs):
            await self.io.manager.stop()
        self._listener.close()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Any], Served]]:
    servers: list[Served] = []
    # Servers that end in another order than they began in leave each other's handlers behind.
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def start(manager: Any) -> Served:
        servers.append(Served(manager))
        return servers[-1]

    yield start
    for server in servers:
        await server.stop()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("kinds", [(ClientManager, ClientManager), (ClientManager, Theirs), (Theirs, ClientManager)])
async def test_what_one_server_emits_reaches_clients_of_another(redis_server: Any, serve: Any, kinds: Any) -> None:
    one, other = (serve(kind(redis_server.url)) for kind in kinds)
    async with one.client() as here, other.client() as there:
        for client in (here, there):
            await client.emit("join", "room")
            assert await client.next() == ["joined", "room"]
        # A server subscribes when its first client comes, theirs without waiting until Redis says so.
        while True:
            await one.io.emit("ready", to="room")
            with contextlib.suppress(asyncio.TimeoutError):
                assert await asyncio.wait_for(there.next(), 0.2) == ["ready"]
                break
        for number in range(20):
            await one.io.emit("news", {"number": number, "text": "häll\u00f6"}, room="room")
        for client in (here, there):
            numbers: list[int] = []
            while len(numbers) < 20:
                name, *arguments = await client.next()
                if name == "news":
                    assert arguments[0]["text"] == "häll\u00f6"
                    numbers.append(arguments[0]["number"])
            # Each once, and in order.
            assert numbers == list(range(20))
        await one.io.emit("others", skip_sid=None, to="another room")
        await one.io.emit("last")
        for client in (here, there):
            assert await client.next() == ["last"]


async def test_a_process_that_only_emits(redis_server: Any, serve: Any) -> None:
    hub = Hub(redis=Redis(redis_server.url))
    server = serve(ClientManager(hub))
    async with server.client() as client:
        await hub.joined()
        emitter = ClientManager(redis_server.url, write_only=True)
        await emitter.emit("news", [1, 2])
        assert await client.next() == ["news", [1, 2]]
        emitter.hub.close()
    hub.close()


async def test_servers_that_a_cluster_joins(redis_cluster: Any, serve: Any) -> None:
    rules = Redis(redis_cluster.urls, cluster=True, sharded=True)
    one, other = serve(ClientManager(rules)), serve(ClientManager(rules))
    async with one.client() as here, other.client() as there:
        for server in (one, other):
            await server.io.manager.hub.joined()
        await one.io.emit("news", {"number": 1})
        for client in (here, there):
            assert await client.next() == ["news", {"number": 1}]
    for server in (one, other):
        server.io.manager.hub.close()


async def test_without_the_server_a_process_goes_on(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    hub = Hub(redis=Redis("redis://127.0.0.1:1", queue_bytes=2000))
    server = serve(ClientManager(hub))
    async with server.client() as client:
        for number in range(20):
            await server.io.emit("news", "x" * 500 + str(number))
        for number in range(20):
            assert await client.next() == ["news", "x" * 500 + str(number)]
    assert "this process alone (full)" in caplog.text
    hub.close()


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TypeError):
        ClientManager(5)  # type: ignore[arg-type]
    with pytest.raises(OptionError):
        ClientManager("127.0.0.1")

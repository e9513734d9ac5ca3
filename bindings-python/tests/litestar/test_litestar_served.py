"""Generated WebSocket handlers, served by uvicorn."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import uvicorn
from litestar import Litestar, websocket
from litestar.connection import WebSocket
from litestar.di import NamedDependency
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from distributary import Hub
from distributary.litestar import ChannelsBackend, ChannelsPlugin

Serve = Callable[[Litestar], AbstractAsyncContextManager[str]]


@pytest.fixture
def serve(eventually: Any) -> Serve:
    """Serves an application as long as the context lasts; gives its address."""

    @asynccontextmanager
    async def serving(app: Litestar) -> AsyncIterator[str]:
        listening = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="websockets-sansio"))
        # Signals stay pytest's.
        running = asyncio.create_task(server._serve([listening]))
        await eventually(lambda: server.started, "uvicorn serves")
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await running

    return serving


async def receive(client: ClientConnection) -> str | bytes:
    return await asyncio.wait_for(client.recv(), 20)


async def receive_all(client: ClientConnection) -> None:
    while True:
        await receive(client)


async def test_a_handler_for_each_channel(serve: Serve, eventually: Any) -> None:
    plugin = ChannelsPlugin(channels=["a", "b"], create_ws_route_handlers=True, ws_handler_base_path="/ws")
    async with serve(Litestar(plugins=[plugin])) as address:
        async with (
            connect(f"{address}/ws/a") as one,
            connect(f"{address}/ws/a") as two,
            connect(f"{address}/ws/b") as b,
        ):
            await eventually(lambda: plugin.hub.stats().subscriptions == 3)
            await one.send("clients may talk")
            plugin.publish({"n": 1}, "a")
            plugin.publish("for b", "b")
            assert await receive(one) == await receive(two) == '{"n":1}'
            assert await receive(b) == "for b"
            await two.close()
            await eventually(lambda: plugin.hub.stats().subscriptions == 2)
        await eventually(lambda: plugin.hub.stats().subscriptions == 0)


async def test_a_handler_for_all_channels(serve: Serve) -> None:
    plugin = ChannelsPlugin(
        ChannelsBackend(history=5),
        arbitrary_channels_allowed=True,
        create_ws_route_handlers=True,
        ws_handler_send_history=2,
        ws_send_mode="binary",
    )
    async with serve(Litestar(plugins=[plugin])) as address:
        for number in range(4):
            plugin.publish(str(number), "any")
        async with connect(f"{address}/any") as client:
            plugin.publish("live", "any")
            assert [await receive(client) for _ in range(3)] == [b"2", b"3", b"live"]
        with pytest.raises(InvalidStatus):
            await connect(f"{address}/any/more")


async def test_who_does_not_keep_up_is_told_to_come_again(serve: Serve, eventually: Any) -> None:
    plugin = ChannelsPlugin(
        channels=["a"],
        create_ws_route_handlers=True,
        subscriber_max_backlog=4,
        subscriber_backlog_strategy="disconnect",
    )
    async with serve(Litestar(plugins=[plugin])) as address, connect(f"{address}/a") as client:
        await eventually(lambda: plugin.hub.stats().subscriptions == 1)
        for number in range(9):
            plugin.publish(str(number), "a")
        with pytest.raises(ConnectionClosed) as closed:
            await receive_all(client)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        await eventually(lambda: plugin.hub.stats().subscriptions == 0)


async def test_the_end_of_the_hub_is_told(serve: Serve, eventually: Any) -> None:
    hub = Hub()
    plugin = ChannelsPlugin(ChannelsBackend(hub), channels=["a"], create_ws_route_handlers=True)
    async with serve(Litestar(plugins=[plugin])) as address, connect(f"{address}/a") as client:
        await eventually(lambda: hub.stats().subscriptions == 1)
        plugin.publish("last", "a")
        hub.close()
        assert await receive(client) == "last"
        with pytest.raises(ConnectionClosed) as closed:
            await receive(client)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


async def test_a_client_that_is_lost_leaves_nothing_behind(serve: Serve, eventually: Any) -> None:
    plugin = ChannelsPlugin(channels=["a"], create_ws_route_handlers=True)
    async with serve(Litestar(plugins=[plugin])) as address:
        client = await connect(f"{address}/a")
        await eventually(lambda: plugin.hub.stats().subscriptions == 1)
        client.transport.abort()
        for number in range(50):
            plugin.publish(str(number) * 1000, "a")
        await eventually(lambda: plugin.hub.stats().subscriptions == 0)


async def test_a_handler_of_ones_own(serve: Serve, eventually: Any) -> None:
    @websocket("/orders/{region:str}")
    async def orders(socket: WebSocket[Any, Any, Any], channels: NamedDependency[ChannelsPlugin]) -> None:
        await socket.accept()
        where = {"region": [socket.path_params["region"]]}
        async with (
            channels.start_subscription("orders", where=where) as subscriber,
            subscriber.run_in_background(socket.send_text),
        ):
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass

    plugin = ChannelsPlugin(arbitrary_channels_allowed=True)
    async with serve(Litestar([orders], plugins=[plugin])) as address:
        async with connect(f"{address}/orders/eu") as eu, connect(f"{address}/orders/us") as us:
            await eventually(lambda: plugin.hub.stats().subscriptions == 2)
            for region in ("us", "eu", "asia"):
                plugin.publish({"region": region}, "orders")
            assert json.loads(await receive(eu)) == {"region": "eu"}
            assert json.loads(await receive(us)) == {"region": "us"}
        await eventually(lambda: plugin.hub.stats().subscriptions == 0)

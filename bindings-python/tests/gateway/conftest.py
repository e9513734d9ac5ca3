"""Clients of a gateway: real sockets on loopback."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import websockets

from distributary import Hub
from distributary.gateway import Gateway

JSON_PROTOCOL = "distributary.v1.json"


class Clients:
    """Connects to one gateway."""

    def __init__(self, gateway: Gateway[Any]) -> None:
        self.gateway = gateway

    def url(self, scheme: str, path: str) -> str:
        address = self.gateway.address
        assert address is not None
        return f"{scheme}://{address[0]}:{address[1]}{path}"

    def websocket(self, path: str = "/", **options: Any) -> websockets.connect:
        """`async with clients.websocket("/?user=7") as socket: ...`"""
        return websockets.connect(self.url("ws", path), proxy=None, **options)

    @contextlib.asynccontextmanager
    async def speaking_json(self, path: str = "/") -> AsyncIterator[JsonClient]:
        """A client of the JSON protocol, welcomed."""
        async with self.websocket(path, subprotocols=[JSON_PROTOCOL]) as socket:
            client = JsonClient(socket)
            client.welcome = await client.read()
            yield client

    async def refused(self, path: str = "/") -> httpx.Response:
        """The answer to a client that is turned away."""
        async with httpx.AsyncClient(trust_env=False) as client:
            response = await client.get(self.url("http", path), headers={"accept": "text/event-stream"})
            assert response.status_code >= 300
            return response

    @contextlib.asynccontextmanager
    async def events(self, path: str = "/", **headers: str) -> AsyncIterator[EventStream]:
        """A client of server-sent events."""
        async with (
            httpx.AsyncClient(trust_env=False, timeout=20) as client,
            client.stream(
                "GET", self.url("http", path), headers={"accept": "text/event-stream", **headers}
            ) as response,
        ):
            assert response.status_code == 200, await response.aread()
            yield EventStream(response)


class JsonClient:
    """A client of the JSON protocol."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.welcome: dict[str, Any] = {}

    async def read(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.socket.recv())
        return message

    async def read_type(self, kind: str) -> dict[str, Any]:
        """The next message of this type; others are passed over."""
        while (message := await self.read())["type"] != kind:
            pass
        return message

    async def write(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))


class EventStream:
    """Server-sent events as they come."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def read(self) -> dict[str, str]:
        """The next event: its fields. Comments are passed over."""
        fields: dict[str, str] = {}
        async for line in self._lines:
            if line.startswith(":"):
                continue
            if not line:
                if "data" in fields:
                    return fields
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
        raise AssertionError("the stream has ended")


Serving = Callable[..., contextlib.AbstractAsyncContextManager[Clients]]


@pytest.fixture
def serving() -> Serving:
    """`async with serving(hub, authorize, ...) as clients: ...`"""

    @contextlib.asynccontextmanager
    async def serve(hub: Hub, authorize: Any, **options: Any) -> AsyncIterator[Clients]:
        async with Gateway(hub, address="127.0.0.1:0", authorize=authorize, **options) as gateway:
            yield Clients(gateway)

    return serve

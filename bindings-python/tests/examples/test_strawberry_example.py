"""The example with Strawberry: started as its users start it, talked to over a WebSocket."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

APP = Path(__file__).parents[3] / "examples" / "python" / "strawberry" / "app.py"
PROTOCOL = Subprotocol("graphql-transport-ws")


@pytest.fixture
def address(launch: Any) -> str:
    program = launch(sys.executable, APP, env={"PORT": "0"})
    program.wait_for("Uvicorn running on")
    found = re.search(r"http://(127\.0\.0\.1:\d+)", program.output())
    assert found is not None
    return found[1]


@asynccontextmanager
async def client(address: str) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://{address}/", subprotocols=[PROTOCOL]) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        yield socket


async def subscribe(socket: ClientConnection, name: str, query: str, /, **variables: Any) -> None:
    payload = {"query": query, "variables": variables}
    await socket.send(json.dumps({"type": "subscribe", "id": name, "payload": payload}))


async def receive(socket: ClientConnection) -> tuple[str, Any]:
    message = json.loads(await asyncio.wait_for(socket.recv(), 20))
    assert message["type"] == "next", message
    return message["id"], message["payload"]["data"]


async def test_the_example(address: str, eventually: Any) -> None:
    async with client(address) as socket, httpx.AsyncClient(base_url=f"http://{address}") as http:

        async def ask(query: str) -> Any:
            answer = (await http.post("/", json={"query": query})).json()
            assert "errors" not in answer, answer
            return answer["data"]

        async def mutate(query: str) -> Any:
            return await ask(f"mutation {{ {query} }}")

        async def all_subscribed() -> bool:
            return await ask("{ subscribers }") == {"subscribers": 3}

        await subscribe(socket, "one", "subscription($id: ID!) { orderChanged(id: $id) { id status tax } }", id="2")
        large = 'subscription($above: Float!) { orders(region: "eu", above: $above) { id total } }'
        await subscribe(socket, "large", large, above=100)
        chat = 'subscription { messages(room: "*", mentioning: "a*") { author text } }'
        await subscribe(socket, "chat", chat)
        await eventually(all_subscribed)
        assert (await mutate('place(region: "eu", total: 120.5) { id }'))["place"] == {"id": "1"}
        await mutate('place(region: "us", total: 500) { id }')
        await mutate('place(region: "eu", total: 5) { id }')
        await mutate('proceed(id: "2", status: PAID) { id }')
        await mutate('say(room: "other", author: "x", text: "hello @a*") { text }')
        await mutate('say(room: "*", author: "y", text: "hello @abc") { text }')
        await mutate('say(room: "*", author: "z", text: "hello @a*") { text }')
        assert [await receive(socket) for _ in range(4)] == [
            ("large", {"orders": {"id": "1", "total": 120.5}}),
            ("one", {"orderChanged": {"id": "2", "status": "PLACED", "tax": 95.0}}),
            ("one", {"orderChanged": {"id": "2", "status": "PAID", "tax": 95.0}}),
            ("chat", {"messages": {"author": "z", "text": "hello @a*"}}),
        ]

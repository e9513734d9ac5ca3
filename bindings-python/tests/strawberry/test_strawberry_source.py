"""Operations over real sockets: who gets what, and how it ends."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import httpx
import pytest
import strawberry
import uvicorn
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from distributary import F, Hub, OptionError, Topic
from distributary.strawberry import subscribe


@strawberry.enum
class Color(Enum):
    RED = "red"
    GREEN = "green"


@strawberry.type
class Line:
    sku: str
    count: int = 1


@strawberry.type
class Order:
    id: strawberry.ID
    total: float = 0
    lines: list[Line] = strawberry.field(default_factory=list)
    color: Color | None = None
    placed_at: datetime.datetime | None = None

    @strawberry.field
    def double(self) -> float:
        return self.total * 2


@strawberry.type
class Query:
    nothing: int = 0


@strawberry.type
class Subscription:
    @strawberry.subscription
    def order(self, info: strawberry.Info, id: strawberry.ID, lost: str = "error") -> AsyncGenerator[Order, None]:
        return subscribe(info.context["hub"], "orders", where=F.id == id, into=Order, lost=lost)  # type: ignore[arg-type]

    @strawberry.subscription
    async def room(self, info: strawberry.Info, name: str) -> AsyncGenerator[str, None]:
        return subscribe(info.context["hub"], Topic(name), into=bytes.decode)

    @strawberry.subscription
    async def plain(self, info: strawberry.Info, id: strawberry.ID) -> AsyncGenerator[strawberry.ID, None]:
        with info.context["hub"].subscribe("orders", where=F.id == id) as sub:
            async for event in sub:
                yield event.json()["id"]

    @strawberry.subscription
    def broken(self, info: strawberry.Info) -> AsyncGenerator[str, None]:
        return subscribe(info.context["hub"], "orders", where={"id": [{"unknown": 1}]}, into=bytes.decode)  # type: ignore[dict-item]


# The same operation a thousand times is read once.
SCHEMA = strawberry.Schema(Query, subscription=Subscription, extensions=[ParserCache, ValidationCache])


class App(GraphQL[Any, None]):
    def __init__(self, hub: Hub) -> None:
        super().__init__(
            SCHEMA,
            subscription_protocols=[
                GRAPHQL_TRANSPORT_WS_PROTOCOL,
                GRAPHQL_SSE_PROTOCOL,
                MULTIPART_SUBSCRIPTION_PROTOCOL,
            ],
            max_subscriptions_per_connection=None,
        )
        self.hub = hub

    async def get_context(self, request: Any, response: Any) -> Any:
        return {"hub": self.hub}


@pytest.fixture
def hub() -> Hub:
    return Hub(capacity=8)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


@pytest.fixture
async def address(hub: Hub, eventually: Any) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = uvicorn.Config(App(hub), log_config=None, lifespan="off", ws="websockets-sansio")
    server = uvicorn.Server(config)
    # Signals stay pytest's.
    serving = asyncio.create_task(server._serve([listening]))
    await eventually(lambda: server.started, "uvicorn serves")
    yield f"127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await serving


@asynccontextmanager
async def client(address: str) -> AsyncIterator[ClientConnection]:
    protocol = Subprotocol("graphql-transport-ws")
    async with connect(f"ws://{address}/", subprotocols=[protocol], open_timeout=60) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        assert (await receive(socket))["type"] == "connection_ack"
        yield socket


async def start(socket: ClientConnection, name: str, query: str, /, **variables: Any) -> None:
    payload = {"query": f"subscription {query}", "variables": variables}
    await socket.send(json.dumps({"type": "subscribe", "id": name, "payload": payload}))


async def receive(socket: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 20))


ORDER = "($id: ID!) { order(id: $id) { id total double color placedAt lines { sku count } } }"


async def test_a_value_of_the_payload(hub: Hub, address: str, eventually: Any) -> None:
    async with client(address) as socket:
        await start(socket, "a", ORDER, id="7")
        await eventually(lambda: hub.stats().subscriptions == 1)
        hub.publish("orders", {"id": "8"})
        lines = [{"sku": "a", "count": 2}, {"sku": "b"}]
        hub.publish("orders", {"id": "7", "total": 1.5, "lines": lines, "color": "green", "else": 1})
        hub.publish("orders", {"id": "7", "color": "RED", "placedAt": "2026-01-02T03:04:05Z"})
        hub.publish("orders", {"id": "7", "color": None, "placed_at": "2026-01-02T03:04:05+02:00"})
        values = [(await receive(socket))["payload"]["data"]["order"] for _ in range(3)]
        lines[1]["count"] = 1
        assert values[0] == {
            "id": "7", "total": 1.5, "double": 3.0, "color": "GREEN", "placedAt": None, "lines": lines,
        }  # fmt: skip
        assert (values[1]["color"], values[1]["placedAt"]) == ("RED", "2026-01-02T03:04:05+00:00")
        assert (values[2]["color"], values[2]["placedAt"]) == (None, "2026-01-02T03:04:05+02:00")


async def test_stopping_an_operation_ends_its_subscription(hub: Hub, address: str, eventually: Any) -> None:
    async with client(address) as socket:
        await start(socket, "a", ORDER, id="1")
        await start(socket, "b", "($id: ID!) { plain(id: $id) }", id="1")
        await start(socket, "c", ORDER, id="1")
        await eventually(lambda: hub.stats().subscriptions == 3)
        await socket.send(json.dumps({"type": "complete", "id": "a"}))
        await eventually(lambda: hub.stats().subscriptions == 2)
        await socket.send(json.dumps({"type": "complete", "id": "b"}))
        await eventually(lambda: hub.stats().subscriptions == 1)
        hub.publish("orders", {"id": "1"})
        assert (await receive(socket))["id"] == "c"
    await eventually(lambda: hub.stats().subscriptions == 0)


async def test_the_end_of_the_hub_completes_operations(hub: Hub, address: str, eventually: Any) -> None:
    async with client(address) as socket:
        await start(socket, "a", ORDER, id="1")
        await eventually(lambda: hub.stats().subscriptions == 1)
        hub.close()
        assert await receive(socket) == {"type": "complete", "id": "a"}


async def test_a_client_that_missed_events_is_told(hub: Hub, address: str, eventually: Any) -> None:
    async with client(address) as socket:
        await start(socket, "a", ORDER, id="1")
        await start(socket, "b", '($id: ID!) { order(id: $id, lost: "ignore") { total } }', id="1")
        await eventually(lambda: hub.stats().subscriptions == 2)
        for number in range(20):
            hub.publish("orders", {"id": "1", "total": number})
        got: dict[str, list[Any]] = {"a": [], "b": []}
        while len(got["a"]) < 2 or len(got["b"]) < 8:
            message = await receive(socket)
            got[message["id"]].append(message)
        error = got["a"][0]["payload"]["errors"][0]
        assert error["extensions"] == {"code": "EVENTS_LOST", "missed": 12}
        assert got["a"][1]["type"] == "complete"
        assert [it["payload"]["data"]["order"]["total"] for it in got["b"]] == list(range(12, 20))
        await eventually(lambda: hub.stats().subscriptions == 1)


async def test_an_event_that_cannot_be_read_is_an_error_of_its_own(hub: Hub, address: str, eventually: Any) -> None:
    async with client(address) as socket:
        await start(socket, "a", ORDER, id="1")
        await eventually(lambda: hub.stats().subscriptions == 1)
        hub.publish("orders", {"id": "1", "color": "blue"})
        hub.publish("orders", {"id": "1"})
        first, second = await receive(socket), await receive(socket)
        assert first["payload"]["errors"][0]["message"] == "an event could not be read"
        assert second["payload"]["data"]["order"]["id"] == "1"


async def test_a_mistake_is_an_error_of_the_operation(hub: Hub, address: str) -> None:
    async with client(address) as socket:
        await start(socket, "a", "{ broken }")
        message = await receive(socket)
        assert message["type"] == "error"
        assert hub.stats().subscriptions == 0
    with pytest.raises(OptionError, match="'error' or 'ignore'"):
        subscribe(hub, "a", lost="no")  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["*", "a[b]", '"] or 1', "ü"])
async def test_arguments_are_data(hub: Hub, address: str, eventually: Any, name: str) -> None:
    async with client(address) as socket:
        await start(socket, "a", "($name: String!) { room(name: $name) }", name=name)
        await start(socket, "b", "($id: ID!) { plain(id: $id) }", id=name)
        await eventually(lambda: hub.stats().subscriptions == 2)
        hub.publish("other", "no")
        hub.publish("orders", {"id": "other"})
        hub.publish(name, "yes")
        assert (await receive(socket))["payload"]["data"] == {"room": "yes"}
        hub.publish("orders", {"id": name})
        assert (await receive(socket))["payload"]["data"] == {"plain": name}


@pytest.mark.parametrize(
    ("accept", "complete"),
    [
        ("text/event-stream", "event: complete"),
        ("multipart/mixed;subscriptionSpec=1.0,application/json", "--graphql--"),
    ],
    ids=["sse", "multipart"],
)
async def test_over_http(hub: Hub, address: str, eventually: Any, accept: str, complete: str) -> None:
    request = {"query": f"subscription {ORDER}", "variables": {"id": "7"}}
    async with httpx.AsyncClient(timeout=20) as http:
        async with http.stream("POST", f"http://{address}/", json=request, headers={"accept": accept}) as answer:
            assert answer.status_code == 200
            await eventually(lambda: hub.stats().subscriptions == 1)
            hub.publish("orders", {"id": "8", "total": 1})
            hub.publish("orders", {"id": "7", "total": 2})
            lines = answer.aiter_lines()
            async for line in lines:
                if '"total"' in line:
                    break
            assert '"id":"7"' in line.replace(" ", "")
            hub.close()
            assert any([complete in line async for line in lines])
        await eventually(lambda: hub.stats().subscriptions == 0)


async def test_a_reader_over_http_that_goes_is_unsubscribed(hub: Hub, address: str, eventually: Any) -> None:
    request = {"query": f"subscription {ORDER}", "variables": {"id": "7"}}
    async with httpx.AsyncClient(timeout=20) as http:
        stream = http.stream("POST", f"http://{address}/", json=request, headers={"accept": "text/event-stream"})
        async with stream:
            await eventually(lambda: hub.stats().subscriptions == 1)
    await eventually(lambda: hub.stats().subscriptions == 0)


async def test_one_of_a_thousand(hub: Hub, address: str, eventually: Any) -> None:
    async with client(address) as one, client(address) as two:
        for number in range(1000):
            await start(
                (one, two)[number % 2], str(number), "($id: ID!) { order(id: $id) { id total } }", id=str(number)
            )
        await eventually(lambda: hub.stats().subscriptions == 1000)
        for number in (998, 0, 17):
            delivery = hub.publish("orders", {"id": str(number), "total": number})
            assert delivery.subscriptions == 1
        assert [(await receive(one))["id"] for _ in range(2)] == ["998", "0"]
        assert (await receive(two))["id"] == "17"
    await eventually(lambda: hub.stats().subscriptions == 0)

"""What clients get: filters, forms, positions, and what they subscribe to by themselves."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import anyio.lowlevel
import pytest
import websockets

from distributary import F, Hub, Var
from distributary.gateway import Accept, Deny, Request, Selector, Wish


async def test_filters_are_each_clients_own(serving: Any) -> None:
    hub = Hub()
    filters = {
        "dict": ({"region": ["eu"]}, None),
        "expression": ((F.region == "eu") & (F.total > 100), None),
        "text": ('{"total": [{"numeric": ["<", 100]}]}', None),
        "variables": (F.region == Var("region"), {"region": "us"}),
    }

    def authorize(request: Request) -> Accept[None]:
        where, variables = filters[request.query["by"]]
        return Accept("orders.*", where=where, variables=variables)

    async with serving(hub, authorize) as clients:
        sockets = {name: await clients.websocket(f"/?by={name}") for name in filters}
        for region, total in [("eu", 50), ("eu", 200), ("us", 50), ("us", 200), ("end", 0)]:
            hub.publish(f"orders.{region}", {"region": region, "total": total})
        for name, expected in {
            "dict": [("eu", 50), ("eu", 200)],
            "expression": [("eu", 200)],
            "text": [("eu", 50), ("us", 50), ("end", 0)],
            "variables": [("us", 50), ("us", 200)],
        }.items():
            for pair in expected:
                event = json.loads(await sockets[name].recv())
                assert (event["region"], event["total"]) == pair, name
            await sockets[name].close()


async def test_forms_of_payloads(serving: Any) -> None:
    hub = Hub()

    def authorize(request: Request) -> Accept[None]:
        return Accept("a", format="binary" if "binary" in request.query else "auto", headers={"x-served-by": "here"})

    async with (
        serving(hub, authorize) as clients,
        clients.websocket("/") as auto,
        clients.websocket("/?binary") as binary,
        clients.events() as stream,
        clients.speaking_json() as spoken,
    ):
        assert auto.response.headers["x-served-by"] == "here"
        assert stream.response.headers["x-served-by"] == "here"
        hub.publish("a", {"n": 1}, key="k")
        hub.publish("a", b"\xff\x00")
        assert [await auto.recv(), await auto.recv()] == ['{"n":1}', b"\xff\x00"]
        assert [await binary.recv(), await binary.recv()] == [b'{"n":1}', b"\xff\x00"]
        assert (await stream.read())["data"] == '{"n":1}'
        event = await spoken.read_type("event")
        assert (event["data"], event["key"], event["topic"]) == ({"n": 1}, "k", "a")
        assert (await spoken.read_type("event"))["base64"] == "/wA="


async def test_several_selectors(serving: Any) -> None:
    hub = Hub()

    def authorize(request: Request) -> Accept[None]:
        return Accept("a", subscriptions=["b", ["c", "d.*"], Selector("e", where={"n": [1]})])

    async with serving(hub, authorize) as clients, clients.websocket() as socket:
        assert sum(hub.publish(topic, {"n": 1}).subscriptions for topic in ("a", "b", "c", "d.x", "e")) == 5
        assert hub.publish("e", {"n": 2}).subscriptions == 0
        for _ in range(5):
            await socket.recv()


@pytest.mark.parametrize("topics", [None, [], ()])
async def test_a_client_may_see_nothing(serving: Any, topics: Any) -> None:
    hub = Hub()
    async with serving(hub, lambda request: Accept(topics)) as clients, clients.websocket():
        assert hub.stats().subscriptions == 0


async def test_server_sent_events_resume_by_position(serving: Any) -> None:
    hub = Hub(history={"*": 100})
    async with serving(hub, lambda request: Accept("a")) as clients:
        async with clients.events() as stream:
            hub.publish("a", b"1")
            seen = await stream.read()
        hub.publish("a", b"2")
        hub.publish("a", b"3")
        async with clients.events("/", **{"last-event-id": seen["id"]}) as stream:
            assert [(await stream.read())["data"] for _ in range(2)] == ["2", "3"]
            hub.publish("a", b"4")
            assert (await stream.read())["data"] == "4"


async def test_an_application_says_where_a_client_begins(serving: Any) -> None:
    hub = Hub(history={"*": 100})
    first = hub.publish("a", b"1").position
    hub.publish("a", b"2")

    def authorize(request: Request) -> Accept[None]:
        return Accept("a", from_={"a": first} if "each" in request.query else first)

    async with serving(hub, authorize) as clients:
        for path in ("/", "/?each"):
            async with clients.websocket(path) as socket:
                assert await socket.recv() == "2"


async def test_the_json_protocol_resumes_where_a_client_says(serving: Any) -> None:
    hub = Hub(history={"*": 100})
    position = hub.publish("a", b"1").position
    hub.publish("a", b"2")
    async with serving(hub, lambda request: Accept(allow="*")) as clients, clients.speaking_json() as client:
        await client.write(type="subscribe", id=1, topics=["a"], **{"from": {"a": position}})
        assert (await client.read_type("event"))["data"] == 2


async def test_what_a_client_may_subscribe_to_by_itself(serving: Any) -> None:
    hub = Hub()
    wishes: list[Wish] = []

    async def on_subscribe(client: Any, wish: Wish) -> Any:
        wishes.append(wish)
        (name,) = (*wish.topics, *wish.patterns)
        match name:
            case "yes":
                return True
            case "less":
                return Selector(where={"n": [1]})
            case "other":
                return Selector("instead")
            case "why":
                return Deny("it is late")
            case "raised":
                raise Deny("it is early")
            case "broken":
                raise ValueError
            case "wrong":
                return "yes"
        return False

    async with (
        serving(hub, lambda request: Accept(allow=["public.*"]), on_subscribe=on_subscribe) as clients,
        clients.speaking_json() as client,
    ):
        for number, topic in enumerate(["public.a", "yes", "less", "other"], 1):
            await client.write(type="subscribe", id=number, topics=[topic])
            assert (await client.read_type("subscribed"))["id"] == number
        assert [hub.publish(topic, {"n": 2}).subscriptions for topic in ("public.a", "yes", "less", "instead")] == [
            1,
            1,
            0,
            1,
        ]
        for topic, message in {
            "no": "this may not be subscribed to",
            "why": "it is late",
            "raised": "it is early",
            "broken": "internal error",
            "wrong": "internal error",
        }.items():
            await client.write(type="subscribe", id=9, topics=[topic])
            error = await client.read_type("error")
            assert (error["code"], error["message"]) == ("denied", message)
        await client.write(type="subscribe", id=9, patterns=["no.*"])
        assert (await client.read_type("error"))["code"] == "denied"
    assert wishes[0] == Wish(("yes",), ())
    assert wishes[-1] == Wish((), ("no.*",))


async def test_a_ticket_spares_a_question(serving: Any, eventually: Any) -> None:
    asked = 0
    session = object()
    met: list[Any] = []

    def authorize(request: Request) -> Accept[object]:
        nonlocal asked
        asked += 1
        return Accept("a", ticket=60, session=session)

    async with serving(Hub(), authorize, on_open=lambda client: met.append(client.session)) as clients:
        async with clients.speaking_json() as client:
            ticket = client.welcome["ticket"]
        async with clients.speaking_json(f"/?ticket={ticket}"):
            await eventually(lambda: len(met) == 2, "both are met")
        assert asked == 1
        assert met[0] is met[1] is session
        assert clients.gateway.stats().returned == 1


async def test_without_the_json_protocol(serving: Any) -> None:
    hub = Hub()
    async with (
        serving(hub, lambda request: Accept("a"), json_protocol=False) as clients,
        clients.websocket(subprotocols=["distributary.v1.json"]) as socket,
    ):
        assert socket.subprotocol is None
        hub.publish("a", b"plain")
        assert await socket.recv() == "plain"


async def test_paths(serving: Any) -> None:
    async with serving(Hub(), lambda request: Accept(), paths=["/a", "/b/c"]) as clients:
        for path in ("/a", "/b/c?x=1"):
            async with clients.websocket(path):
                pass
        assert (await clients.refused("/b")).status_code == 404


@pytest.mark.parametrize("on_lag", ["close", "continue"])
async def test_a_plain_client_that_missed_events(serving: Any, on_lag: Any) -> None:
    hub = Hub()

    def authorize(request: Request) -> Accept[None]:
        return Accept("a", capacity=1, on_lag=on_lag)

    async with serving(hub, authorize) as clients, clients.websocket(max_queue=1) as socket:
        body = b"x" * 500_000
        while not (hub.stats().dropped_oldest or clients.gateway.stats().lag_told):
            hub.publish("a", body)
            await anyio.lowlevel.checkpoint()
        if on_lag == "close":
            with contextlib.suppress(websockets.ConnectionClosed):
                async for _ in socket:
                    pass
            assert socket.close_code == 1013
        else:
            hub.publish("a", b"end")
            async for message in socket:
                if message == "end":
                    break

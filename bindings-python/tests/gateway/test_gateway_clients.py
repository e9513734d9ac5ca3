"""Clients that are in: what they say, what they are told, and how they go."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import websockets

from distributary import Hub
from distributary.gateway import Accept, Client, Ended, Request


async def code_of(socket: websockets.ClientConnection) -> tuple[int, str]:
    """What it is closed with."""
    with contextlib.suppress(websockets.ConnectionClosed):
        async for _ in socket:
            pass
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


def plain_and_async(record: Any) -> list[Any]:
    async def arecord(*arguments: Any) -> None:
        await anyio.lowlevel.checkpoint()
        record(*arguments)

    return [record, arecord]


@pytest.mark.parametrize("kind", [0, 1], ids=["plain", "coroutine"])
async def test_a_client_is_heard_from_its_beginning_to_its_end(serving: Any, eventually: Any, kind: int) -> None:
    heard: list[Any] = []

    async with serving(
        Hub(),
        lambda request: Accept(session=request.query["name"]),
        on_open=plain_and_async(lambda client: heard.append(("open", client, client.session)))[kind],
        on_message=plain_and_async(lambda client, message: heard.append(("message", client, message)))[kind],
        on_end=plain_and_async(lambda client, ended: heard.append(("end", client, ended)))[kind],
    ) as clients:
        async with clients.websocket("/?name=ann") as socket:
            await socket.send("text")
            await socket.send(b"\x00bytes")
        await eventually(lambda: len(heard) == 4, "everything is heard")
        async with clients.speaking_json("/?name=bob") as spoken:
            await spoken.write(type="message", data={"a": [1, 2]})
        await eventually(lambda: len(heard) == 7, "everything is heard")
    client = heard[0][1]
    assert heard[:4] == [
        ("open", client, "ann"),
        ("message", client, "text"),
        ("message", client, b"\x00bytes"),
        ("end", client, Ended("left", 1000)),
    ]
    assert isinstance(client, Client)
    bob = heard[4][1]
    assert heard[4:] == [("open", bob, "bob"), ("message", bob, '{"a": [1, 2]}'), ("end", bob, Ended("left", 1000))]
    assert client.id != bob.id


@pytest.mark.parametrize("kind", ["plain", "coroutine", "both"])
async def test_messages_of_a_client_come_in_order_and_one_at_a_time(serving: Any, eventually: Any, kind: str) -> None:
    heard: list[str | bytes] = []
    ended: list[int] = []
    inside = 0

    async def on_message(client: Any, message: str | bytes) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await anyio.sleep(0.0005)
        inside -= 1
        heard.append(message)

    def plain_on_message(client: Any, message: str | bytes) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        threading.Event().wait(0.0005)
        inside -= 1
        heard.append(message)

    def on_end(client: Any, why: Ended) -> None:
        ended.append(len(heard))

    async with serving(
        Hub(),
        lambda request: Accept(),
        on_message=plain_on_message if kind == "plain" else on_message,
        on_end=on_end if kind == "both" else None,
    ) as clients:
        async with clients.websocket() as socket:
            for number in range(300):
                await socket.send(str(number))
        await eventually(lambda: len(heard) == 300, "all is heard")
        if kind == "both":
            await eventually(lambda: ended, "its end is told")
            assert ended == [300]
    assert heard == [str(number) for number in range(300)]


async def test_a_client_that_is_slow_to_hear_holds_up_no_other(serving: Any, eventually: Any) -> None:
    leave = threading.Event()
    heard: list[Any] = []

    def on_message(client: Any, message: Any) -> None:
        if message == "slow":
            leave.wait(20)
        heard.append(message)

    async with (
        serving(Hub(), lambda request: Accept(), on_message=on_message, threads=2) as clients,
        clients.websocket() as slow,
        clients.websocket() as quick,
    ):
        await slow.send("slow")
        for number in range(5):
            await quick.send(str(number))
        await eventually(lambda: len(heard) == 5, "the other is heard")
        leave.set()
        await eventually(lambda: "slow" in heard, "it is heard, too")


async def test_sending_to_one(serving: Any) -> None:
    def on_message(client: Client[None], message: str | bytes) -> None:
        client.send("text")
        client.send(b"\x00bytes")
        client.send(bytearray(b"more"))
        client.send({"a": [1, None]})

    async with serving(Hub(), lambda request: Accept(), on_message=on_message) as clients:
        async with clients.websocket() as socket:
            await socket.send("go")
            assert [await socket.recv() for _ in range(4)] == ["text", b"\x00bytes", b"more", '{"a":[1,null]}']
        async with clients.speaking_json() as spoken:
            await spoken.write(type="message", data=1)
            messages = [await spoken.read_type("message") for _ in range(4)]
            assert [message.get("data", message.get("text")) for message in messages[::3]] == ["text", {"a": [1, None]}]


async def test_a_client_is_subscribed_to_more_and_to_less(serving: Any, eventually: Any) -> None:
    hub = Hub()
    met: list[Client[None]] = []
    async with serving(hub, lambda request: Accept(), on_open=met.append) as clients, clients.websocket() as socket:
        (client,) = await eventually(lambda: met)
        number = client.subscribe(["a", "b.*"], where={"n": [1]})
        client.send("subscribed")
        assert await socket.recv() == "subscribed"
        assert hub.publish("b.x", {"n": 2}).subscriptions == 0
        assert hub.publish("b.x", {"n": 1}).subscriptions == 1
        assert await socket.recv() == '{"n":1}'
        assert client.unsubscribe(number)
        assert not client.unsubscribe(number)
        await eventually(lambda: hub.stats().subscriptions == 0, "it has left")


@pytest.mark.parametrize(
    ("act", "code", "reason"),
    [
        (lambda client: client.close(), 1000, "application"),
        (lambda client: client.close(4001, "why"), 4001, "application"),
        (lambda client: client.close(reason="why"), 1000, "application"),
        (lambda client: client.turn_away("why"), 1013, "overloaded"),
    ],
)
async def test_closing_one(serving: Any, eventually: Any, act: Any, code: int, reason: str) -> None:
    ends: list[Ended] = []
    async with (
        serving(
            Hub(),
            lambda request: Accept(),
            on_message=lambda client, message: act(client),
            on_end=lambda client, ended: ends.append(ended),
        ) as clients,
        clients.websocket() as socket,
    ):
        await socket.send("close me")
        found, said = await code_of(socket)
        assert (found, said) in [(code, "why"), (1000, "")]
        await eventually(lambda: ends, "its end is told")
    assert ends == [Ended(reason, 1013 if code == 1013 else 1000)]  # type: ignore[arg-type]


async def test_a_client_that_speaks_where_nobody_listens(serving: Any) -> None:
    async with serving(Hub(), lambda request: Accept()) as clients, clients.websocket() as socket:
        await socket.send("hello?")
        assert (await code_of(socket))[0] == 1003


async def test_a_client_outlives_its_connection_and_then_does_nothing(serving: Any, eventually: Any) -> None:
    gone: list[Client[str]] = []
    async with serving(
        Hub(), lambda request: Accept(session="s"), on_end=lambda client, ended: gone.append(client)
    ) as clients:
        async with clients.websocket():
            pass
        await eventually(lambda: gone)
    (client,) = gone
    client.send("nobody there")
    client.close()
    client.turn_away()
    assert client.unsubscribe(client.subscribe("a"))
    assert client.session == "s"


async def test_hooks_that_fail_are_logged_and_the_connection_goes_on(
    serving: Any, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Any] = []

    def fails(*arguments: Any) -> None:
        raise ValueError("in a plain one")

    async def afails(client: Any, message: Any) -> None:
        heard.append(message)
        raise ValueError("in a coroutine")

    async with serving(Hub(), lambda request: Accept(), on_open=fails, on_message=afails, on_end=fails) as clients:
        async with clients.websocket() as socket:
            await socket.send("1")
            await socket.send("2")
            await eventually(lambda: heard == ["1", "2"], "both are heard")
        await eventually(lambda: caplog.text.count("Traceback") == 4, "all four are logged")
    for name in ("`on_open` failed", "`on_message` failed", "`on_end` failed"):
        assert name in caplog.text


async def test_one_that_says_more_than_is_heard_is_closed(
    serving: Any, eventually: Any, caplog: pytest.LogCaptureFixture
) -> None:
    leave = threading.Event()
    heard: list[Any] = []

    def on_message(client: Any, message: Any) -> None:
        leave.wait(20)
        heard.append(message)

    # Its share is a sixteenth: four messages beside the one that is being heard.
    async with (
        serving(Hub(), lambda request: Accept(), on_message=on_message, backlog=64) as clients,
        clients.websocket() as socket,
        clients.websocket() as other,
    ):
        for number in range(20):
            await socket.send(str(number))
        assert (await code_of(socket))[0] == 1013
        leave.set()
        await other.send("still heard")
        await eventually(lambda: "still heard" in heard, "the other is heard")
        await eventually(lambda: "raise `backlog`" in caplog.text, "it is logged")
    said = [message for message in heard if message != "still heard"]
    assert said == [str(number) for number in range(len(said))]
    assert 4 <= len(said) <= 6


async def test_sessions_are_let_go_of(serving: Any, eventually: Any) -> None:
    import gc
    import weakref

    class Session:
        pass

    seen: list[weakref.ref[Session]] = []

    def authorize(request: Request) -> Accept[Session]:
        session = Session()
        seen.append(weakref.ref(session))
        return Accept("a", session=session)

    async with serving(Hub(), authorize, on_message=lambda client, message: None) as clients:
        async with clients.websocket() as socket:
            await socket.send("1")
            gc.collect()
            assert seen[0]() is not None

        def is_gone() -> bool:
            gc.collect()
            return seen[0]() is None

        await eventually(is_gone, "it is let go of")


async def test_clients_are_written_to_from_any_thread(serving: Any, eventually: Any) -> None:
    met: list[Client[None]] = []
    async with serving(Hub(), lambda request: Accept(), on_open=met.append) as clients, clients.websocket() as socket:
        (client,) = await eventually(lambda: met)
        threads = [threading.Thread(target=lambda n=n: [client.send(f"{n}.{m}") for m in range(50)]) for n in range(8)]
        for thread in threads:
            thread.start()
        got = [str(await socket.recv()) for _ in range(400)]
        for thread in threads:
            thread.join()
        for n in range(8):
            assert [one for one in got if one.startswith(f"{n}.")] == [f"{n}.{m}" for m in range(50)]

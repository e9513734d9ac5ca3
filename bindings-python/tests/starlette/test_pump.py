"""Events to WebSockets, and what their clients do."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as dial

from distributary import Event, Hub, OptionError, Topic
from distributary.starlette import pump


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(history={"kept": 100}) as hub:
        yield hub


@pytest.fixture(params=["websockets-sansio", "wsproto"])
def protocol(request: pytest.FixtureRequest) -> str:
    """What speaks WebSocket in uvicorn."""
    return str(request.param)


class Ends(list[Any]):
    """Why pumps have ended, or what they raised."""

    def wait(self, count: int = 1) -> Any:
        end = time.monotonic() + 20
        while len(self) < count:
            assert time.monotonic() < end, "no pump has ended"
            time.sleep(0.005)
        return self[count - 1]


def app_of(hub: Hub, topics: Any = "a", **options: Any) -> tuple[Starlette, Ends]:
    """One socket, at `/`."""
    ends = Ends()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            ends.append(await pump(hub, websocket, topics, **options))
        except BaseException as error:
            ends.append(error)
            raise

    return Starlette(routes=[WebSocketRoute("/", endpoint)]), ends


def wait_for(holds: Callable[[], bool], patience: float = 20) -> None:
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def subscribed(hub: Hub, count: int = 1) -> None:
    wait_for(lambda: hub.stats().subscriptions == count)


def test_payloads_come_as_what_they_are(serve: Any, loop: str, protocol: str, hub: Hub) -> None:
    app, ends = app_of(hub)
    served = serve(app, loop=loop, ws=protocol)
    with dial(served.ws_url) as client:
        subscribed(hub)
        hub.publish("a", {"x": 1})
        hub.publish("a", "ü")
        hub.publish("a", b"\xff")
        hub.publish("a", b"")
        assert [client.recv(10) for _ in range(4)] == ['{"x":1}', "ü", b"\xff", ""]
    assert ends.wait() == "disconnected"
    assert hub.stats().subscriptions == 0


def test_all_as_bytes_and_as_an_encoder_says(serve: Any, hub: Hub) -> None:
    made = []

    def encode(event: Event) -> str | bytes:
        made.append(event)
        return event.position if event.key else event.data

    app, _ = app_of(hub, text=False)
    with dial(serve(app).ws_url) as client:
        subscribed(hub)
        hub.publish("a", "text")
        assert client.recv(10) == b"text"
    subscribed(hub, 0)
    app, _ = app_of(hub, encode=encode)
    served = serve(app)
    with dial(served.ws_url) as one, dial(served.ws_url) as other:
        subscribed(hub, 2)
        position = hub.publish("a", "1", key="k").position
        hub.publish("a", "2")
        for client in (one, other):
            assert [client.recv(10), client.recv(10)] == [position, b"2"]
    assert len(made) == 2


def test_what_the_client_says_is_heard_in_order(serve: Any, loop: str, hub: Hub) -> None:
    heard: list[Any] = []

    async def hear(said: str | bytes) -> None:
        await asyncio.sleep(0.01 if said == "1" else 0)
        heard.append(said)

    app, ends = app_of(hub, receive=hear)
    with dial(serve(app, loop=loop).ws_url) as client:
        for said in ["1", b"2", "3"]:
            client.send(said)
        subscribed(hub)
        hub.publish("a", "meanwhile")
        assert client.recv(10) == "meanwhile"
        wait_for(lambda: heard == ["1", b"2", "3"])
    assert ends.wait() == "disconnected"


def test_what_nobody_hears_is_read_nevertheless(serve: Any, hub: Hub) -> None:
    app, _ = app_of(hub)
    with dial(serve(app).ws_url) as client:
        for _ in range(300):
            client.send("x" * 10_000)
        client.ping().wait(10)
        hub.publish("a", "1")
        assert client.recv(10) == "1"


def test_topics_change_with_what_the_client_says(serve: Any, loop: str, hub: Hub) -> None:
    app = FastAPI()

    @app.websocket("/{room}")
    async def rooms(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        sub = hub.subscribe(Topic(room))

        async def hear(said: Any) -> None:
            action, room = said.split()
            if action == "come":
                sub.add(Topic(room))
            else:
                sub.remove(Topic(room))
            await websocket.send_text(f"{action} {room}")

        await pump(hub, websocket, sub, receive=hear)
        assert sub.closed == "unsubscribed"

    with dial(f"{serve(app, loop=loop).ws_url}/lobby") as client:
        subscribed(hub)
        client.send("come *")
        assert client.recv(10) == "come *"
        for room in ["lobby", "attic", "*"]:
            hub.publish(room, f"in {room}")
        assert {client.recv(10), client.recv(10)} == {"in lobby", "in *"}
        client.send("leave lobby")
        assert client.recv(10) == "leave lobby"
        hub.publish("lobby", "not heard")
        hub.publish("*", "heard")
        assert client.recv(10) == "heard"


def test_a_subscription_has_its_options_already(hub: Hub) -> None:
    async def main() -> None:
        with hub.subscribe("a") as sub, pytest.raises(OptionError, match="where"):
            await pump(hub, (_never, _never), sub, where={"x": [1]})  # type: ignore[arg-type]

    asyncio.run(main())


async def _never(*_: Any) -> Any:
    await asyncio.Event().wait()


def test_the_end_of_the_hub_closes_sockets(serve: Any, loop: str, protocol: str, hub: Hub) -> None:
    app, ends = app_of(hub)
    with dial(serve(app, loop=loop, ws=protocol).ws_url) as client:
        subscribed(hub)
        hub.publish("a", "last")
        hub.close()
        assert client.recv(10) == "last"
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "going away")
    assert ends.wait() == "hub_closed"


def test_after_the_end_of_the_subscription_the_socket_is_the_applications(serve: Any, hub: Hub) -> None:
    app = FastAPI()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        sub = hub.subscribe("a")
        ended = await pump(hub, websocket, sub, receive=lambda said: sub.close())
        await websocket.send_text(ended)
        await websocket.send_text(await websocket.receive_text())
        await websocket.close(4000)

    with dial(serve(app).ws_url) as client:
        client.send("enough")
        assert client.recv(10) == "unsubscribed"
        client.send("still there?")
        assert client.recv(10) == "still there?"


def stall(port: int) -> socket.socket:
    """A WebSocket whose client never reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.connect(("127.0.0.1", port))
    head = [
        "GET / HTTP/1.1",
        "Host: test",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    connection.sendall("\r\n".join([*head, "", ""]).encode())
    return connection


def frames_of(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """What comes on a bare socket until it is closed: operations and payloads."""
    stream = connection.makefile("rb")
    while stream.readline() != b"\r\n":
        pass
    operation = 0
    while operation != 8:
        first, length = stream.read(2)
        operation = first & 15
        if length == 126:
            (length,) = struct.unpack(">H", stream.read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", stream.read(8))
        yield operation, stream.read(length)
    stream.close()


def fill(hub: Hub, count: int = 300) -> None:
    for number in range(count):
        hub.publish("a", f"{number}" + "x" * 60_000)
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("options", "ended", "reason"),
    [
        ({"overflow": "disconnect"}, "slow_consumer", "too slow"),
        ({"on_lost": "close"}, "lost", "events were missed"),
    ],
)
def test_a_slow_consumer_is_told_why_it_is_sent_away(
    serve: Any, loop: str, protocol: str, options: Any, ended: str, reason: str
) -> None:
    with Hub(capacity=5) as hub:
        app, ends = app_of(hub, **options)
        slow = stall(serve(app, loop=loop, ws=protocol).port)
        subscribed(hub)
        fill(hub)
        *_, (operation, payload) = frames_of(slow)
        assert (operation, payload[:2], payload[2:]) == (8, struct.pack(">H", 1013), reason.encode())
        assert ends.wait() == ended
        slow.close()


@pytest.mark.parametrize("on_lost", ["tell", "ignore", lambda missed: f"sorry for {missed}"])
def test_what_was_missed_is_told(serve: Any, loop: str, on_lost: Any) -> None:
    with Hub(capacity=5) as hub:
        app, _ = app_of(hub, on_lost=on_lost)
        slow = stall(serve(app, loop=loop).port)
        subscribed(hub)
        fill(hub)
        hub.close()
        texts = [payload.decode() for operation, payload in frames_of(slow) if operation == 1]
        came = [text for text in texts if text[0].isdigit()]
        told = [text for text in texts if not text[0].isdigit()]
        if on_lost == "tell":
            missed = [json.loads(text) for text in told]
            assert {it["type"] for it in missed} == {"lagged"}
            assert len(came) + sum(it["missed"] for it in missed) == 300
        elif on_lost == "ignore":
            assert told == []
        else:
            assert len(came) + sum(int(text.removeprefix("sorry for ")) for text in told) == 300
        assert len(came) < 300
        slow.close()


def test_a_stalled_client_is_bounded_let_go_and_holds_up_nobody(serve: Any, loop: str, protocol: str) -> None:
    with Hub(capacity=50) as hub:
        app, ends = app_of(hub, send_timeout=1.0)
        served = serve(app, loop=loop, ws=protocol)
        stalled = [stall(served.port) for _ in range(10)]
        with dial(served.ws_url, compression=None) as reads:
            subscribed(hub, 11)
            before = resident()
            for number in range(1500):
                hub.publish("a", f"{number}" + "x" * 20_000)
                assert str(reads.recv(10)).startswith(str(number))
            # 30 MB each, had they been kept.
            assert resident() - before < 60e6
            ends.wait(10)
            assert set(ends) == {"timeout"}
            hub.publish("a", "still here")
            assert reads.recv(10) == "still here"
            wait_for(lambda: served.connections == 1)
        for connection in stalled:
            connection.close()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_client_that_breaks_off_is_noticed(serve: Any, loop: str, protocol: str, hub: Hub) -> None:
    app, ends = app_of(hub)
    served = serve(app, loop=loop, ws=protocol)
    for count, end in enumerate([socket.socket.close, reset, half_close], 1):
        client = stall(served.port)
        subscribed(hub)
        end(client)
        assert ends.wait(count) == "disconnected"
        assert hub.stats().subscriptions == 0
        client.close()


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half_close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def test_a_server_that_ends_sends_its_clients_away(serve: Any, loop: str, hub: Hub) -> None:
    app, ends = app_of(hub)
    served = serve(app, loop=loop)
    with dial(served.ws_url) as client:
        subscribed(hub)
        assert served.stop() < 3
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    assert ends.wait() == "disconnected"


def test_the_application_may_close_while_events_come(serve: Any, loop: str, hub: Hub) -> None:
    app = FastAPI()
    ends = Ends()

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

        async def hear(said: Any) -> None:
            hub.publish("a", "1")
            await websocket.close(4001, "as you wish")
            hub.publish("a", "2")

        ends.append(await pump(hub, websocket, "a", receive=hear))

    with dial(serve(app, loop=loop).ws_url) as client:
        client.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            list(iter(lambda: client.recv(10), None))
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4001
    assert ends.wait() == "disconnected"
    assert hub.stats().subscriptions == 0


def test_what_a_callback_raises_is_raised(serve: Any, hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    def hear(said: Any) -> None:
        raise ValueError(said)

    app, ends = app_of(hub, receive=hear)
    with dial(serve(app).ws_url) as client:
        client.send("oh")
        error = ends.wait()
        assert isinstance(error, ValueError)
        assert hub.stats().subscriptions == 0
        with pytest.raises(ConnectionClosed):
            client.recv(10)
    caplog.clear()


def test_a_position_that_cannot_be_had_is_told(serve: Any, hub: Hub) -> None:
    here = hub.publish("kept", "1").position
    hub.publish("kept", "2")
    app, _ = app_of(hub, "kept", from_=here)
    with dial(serve(app).ws_url) as client:
        assert client.recv(10) == "2"
    app, _ = app_of(hub, "kept", from_="1-1")
    with dial(serve(app).ws_url) as client:
        told = json.loads(client.recv(10))
        assert (told["type"], told["missed"]) == ("lagged", None)
        assert "another epoch" in told["reason"]


async def test_a_bare_asgi_app_will_do(hub: Hub, eventually: Any) -> None:
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    pumping = asyncio.create_task(pump(hub, (incoming.get, send), "a"))
    await eventually(lambda: hub.stats().subscriptions == 1)
    hub.publish("a", "1")
    hub.publish("a", b"\xff")
    await eventually(lambda: len(sent) == 2)
    assert sent == [{"type": "websocket.send", "text": "1"}, {"type": "websocket.send", "bytes": b"\xff"}]
    incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    assert await pumping == "disconnected"


@pytest.mark.parametrize("where", ["asleep", "in a send", "in a callback"])
async def test_cancelled_it_leaves_nothing(hub: Hub, eventually: Any, where: str) -> None:
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    hangs = asyncio.Event()

    async def hang(*_: Any) -> None:
        hangs.set()
        await asyncio.Event().wait()

    before = len(asyncio.all_tasks())
    pumping = asyncio.create_task(pump(hub, (incoming.get, hang), "a", receive=hang))
    await eventually(lambda: hub.stats().subscriptions == 1)
    if where == "in a send":
        hub.publish("a", "1")
        await hangs.wait()
    elif where == "in a callback":
        incoming.put_nowait({"type": "websocket.receive", "text": "1"})
        await hangs.wait()
    pumping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pumping
    assert hub.stats().subscriptions == 0
    assert len(asyncio.all_tasks()) == before


async def test_a_send_that_hangs_is_cancelled_where_the_server_is_not_shown(hub: Hub, eventually: Any) -> None:
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    pumping = asyncio.create_task(pump(hub, (incoming.get, _never), "a", send_timeout=0.3))
    await eventually(lambda: hub.stats().subscriptions == 1)
    hub.publish("a", "1")
    assert await asyncio.wait_for(pumping, 5) == "timeout"


@pytest.mark.parametrize("ends", ["goes", "says what is wrong"])
async def test_a_send_that_hangs_outlasts_nobody_who_listens(hub: Hub, eventually: Any, ends: str) -> None:
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    hangs = asyncio.Event()

    async def hang(message: Any) -> None:
        hangs.set()
        await asyncio.Event().wait()

    def hear(said: Any) -> None:
        raise ValueError(said)

    pumping = asyncio.create_task(pump(hub, (incoming.get, hang), "a", receive=hear, send_timeout=None))
    await eventually(lambda: hub.stats().subscriptions == 1)
    hub.publish("a", "1")
    await hangs.wait()
    if ends == "goes":
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        assert await asyncio.wait_for(pumping, 5) == "disconnected"
    else:
        incoming.put_nowait({"type": "websocket.receive", "text": "nonsense"})
        with pytest.raises(ValueError, match="nonsense"):
            await asyncio.wait_for(pumping, 5)
    assert hub.stats().subscriptions == 0


async def test_the_end_is_the_end_for_a_callback_that_answers_too_late(hub: Hub) -> None:
    incoming: asyncio.Queue[Any] = asyncio.Queue()

    async def send(message: Any) -> None:
        raise AssertionError("there is nothing to send")

    async def answer(said: Any) -> None:
        raise WebSocketDisconnect(1006)

    incoming.put_nowait({"type": "websocket.receive", "text": "1"})
    assert await pump(hub, (incoming.get, send), "a", receive=answer) == "disconnected"

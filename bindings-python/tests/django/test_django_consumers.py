"""Consumers with the mixin: Channels' ways are kept, in order, with its errors and its ends."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.consumer import AsyncConsumer
from channels.exceptions import InvalidChannelLayerError, StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer, JsonWebsocketConsumer
from channels.testing import ApplicationCommunicator, WebsocketCommunicator
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings

from distributary import Closed, Hub
from distributary.django import ChannelLayer, FanoutMixin, SlowWebsocket

Eventually = Callable[..., Awaitable[Any]]


class Room(FanoutMixin, AsyncJsonWebsocketConsumer):
    """Joins a group and tells its client what comes."""

    groups = ("room",)

    async def receive_json(self, content: Any, **_: Any) -> None:
        await self.channel_layer.group_send("room", {"type": "room.message", "content": content})

    async def room_message(self, message: dict[str, Any]) -> None:
        await self.send_json(message["content"])


def client(consumer: type) -> WebsocketCommunicator:
    return WebsocketCommunicator(consumer.as_asgi(), "/")


async def test_messages_of_a_group_arrive(layer: ChannelLayer) -> None:
    clients = [client(Room) for _ in range(5)]
    for each in clients:
        assert await each.connect() == (True, None)
    await clients[0].send_json_to({"hello": [1, 2]})
    for each in clients:
        assert await each.receive_json_from() == {"hello": [1, 2]}
    for each in clients:
        await each.disconnect()
    assert layer.stats() == ChannelLayer().stats()


async def test_order_is_kept_whether_handlers_wait_or_not(layer: ChannelLayer) -> None:
    class Sleepy(Room):
        async def room_message(self, message: dict[str, Any]) -> None:
            for _ in range(message["content"] % 4):
                await asyncio.sleep(0)
            await self.send_json(message["content"])

    one = client(Sleepy)
    await one.connect()
    for n in range(60):
        await layer.group_send("room", {"type": "room.message", "content": n})
        if n % 7 == 0:
            await asyncio.sleep(0)
    assert [await one.receive_json_from() for _ in range(60)] == list(range(60))
    await one.disconnect()


async def test_one_handler_runs_at_a_time(layer: ChannelLayer) -> None:
    hub = layer.hub
    running = 0
    most = 0

    class Careful(Room):
        async def connect(self) -> None:
            await self.accept()
            await self.subscribe("topic", self.work)

        async def work(self, _: Any) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            await self.send_json("done")

        room_message = receive_json = work

    one = client(Careful)
    await one.connect()
    for n in range(10):
        await layer.group_send("room", {"type": "room.message", "n": n})
        await one.send_json_to(n)
        hub.publish("topic", {"n": n})
    for _ in range(30):
        assert await one.receive_json_from(5) == "done"
    assert most == 1
    await one.disconnect()
    await layer.close()


@pytest.mark.parametrize("waits", [False, True])
async def test_what_a_handler_raises_ends_the_consumer(layer: ChannelLayer, waits: bool) -> None:
    class Broken(Room):
        async def room_message(self, message: dict[str, Any]) -> None:
            if waits:
                await asyncio.sleep(0)
            raise LookupError(message["content"])

    one = client(Broken)
    await one.connect()
    await layer.group_send("room", {"type": "room.message", "content": "what"})
    with pytest.raises(LookupError, match="what"):
        await one.wait(5)
    assert layer.stats().channels == 0


async def test_stop_consumer_ends_it_quietly(layer: ChannelLayer) -> None:
    class Brief(Room):
        async def room_message(self, message: dict[str, Any]) -> None:
            raise StopConsumer

    one = client(Brief)
    await one.connect()
    await layer.group_send("room", {"type": "room.message"})
    await one.wait(5)
    assert layer.stats().channels == 0


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"type": "no.such"}, "No handler for message type no.such"),
        ({"type": "_private"}, "leading underscore"),
        ({"text": "a"}, "no 'type' attribute"),
    ],
)
async def test_messages_that_nobody_handles_are_errors(
    layer: ChannelLayer, message: dict[str, Any], complaint: str
) -> None:
    for _ in range(2):  # the first one's type is read by Channels
        one = client(Room)
        await one.connect()
        await layer.group_send("room", message)
        with pytest.raises(ValueError, match=complaint):
            await one.wait(5)


async def test_cancelling_the_consumer_cancels_its_handler(layer: ChannelLayer) -> None:
    ended = []

    class Slow(Room):
        async def room_message(self, message: dict[str, Any]) -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

    one = client(Slow)
    await one.connect()
    await layer.group_send("room", {"type": "room.message"})
    await asyncio.sleep(0.01)
    one.future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one.future
    assert ended == ["cancelled"]
    assert layer.stats().channels == 0


async def test_handlers_have_a_task_and_share_a_context(layer: ChannelLayer) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")
    tasks = []

    class Curious(Room):
        async def connect(self) -> None:
            variable.set("connect")
            await self.accept()

        async def room_message(self, message: dict[str, Any]) -> None:
            before = variable.get()
            variable.set(message["content"])
            tasks.append(asyncio.current_task())
            await asyncio.sleep(0)
            tasks.append(asyncio.current_task())
            await self.send_json([before, variable.get()])

    one = client(Curious)
    await one.connect()
    for content in ("one", "two"):
        await layer.group_send("room", {"type": "room.message", "content": content})
    assert await one.receive_json_from() == ["connect", "one"]
    assert await one.receive_json_from() == ["one", "two"]
    assert None not in tasks
    assert tasks[0] is tasks[1]
    assert tasks[2] is tasks[3]
    assert variable.get() == "nothing"
    await one.disconnect()


async def test_timeouts_in_handlers_end_what_they_are_around(layer: ChannelLayer) -> None:
    class Impatient(Room):
        async def room_message(self, message: dict[str, Any]) -> None:
            try:
                await asyncio.wait_for(asyncio.Event().wait(), message["content"])
            except asyncio.TimeoutError:
                await self.send_json("late")

    one = client(Impatient)
    await one.connect()
    for seconds in (0.01, 0, 0.001, 0):
        await layer.group_send("room", {"type": "room.message", "content": seconds})
    for _ in range(4):
        assert await one.receive_json_from() == "late"
    await one.disconnect()


async def test_a_text_for_all_goes_out_as_it_is(layer: ChannelLayer) -> None:
    class Loud(Room):
        async def receive_json(self, content: Any, **_: Any) -> None:
            await self.broadcast("room", await self.encode_json(content))

    clients = [client(Loud) for _ in range(3)]
    for each in clients:
        await each.connect()
    await clients[0].send_json_to({"a": 1})
    for each in clients:
        assert await each.receive_from() == '{"a": 1}'
    await layer.group_send("room", {"type": "websocket.send", "bytes": b"\0\1"})
    for each in clients:
        assert await each.receive_from() == b"\0\1"
        await each.disconnect()


async def test_events_of_the_hub(layer: ChannelLayer) -> None:
    class Orders(Room):
        async def connect(self) -> None:
            await self.accept()
            self.eu = await self.subscribe("orders.*", self.order, where={"region": ["eu"]})
            await self.subscribe("news")

        async def order(self, event: Any) -> None:
            await self.send_json([event.topic, event.json()["id"]])

        async def receive_json(self, content: Any, **_: Any) -> None:
            self.eu.close()
            await self.send_json("closed")

    one = client(Orders)
    await one.connect()
    hub = layer.hub
    for number, region in enumerate(["eu", "us", "eu"]):
        hub.publish(f"orders.{number}", {"id": number, "region": region})
    assert [await one.receive_json_from() for _ in range(2)] == [["orders.0", 0], ["orders.2", 2]]
    hub.publish("news", b'{"as": "it is"}')
    assert await one.receive_from() == '{"as": "it is"}'
    await one.send_json_to("stop")
    assert await one.receive_json_from() == "closed"
    hub.publish("orders.4", {"id": 4, "region": "eu"})
    hub.publish("news", b"last")
    assert await one.receive_from() == "last"
    await one.disconnect()
    await layer.close()


async def test_a_consumer_with_its_own_hub_needs_no_layer() -> None:
    class Plain(FanoutMixin, AsyncWebsocketConsumer):
        hub = Hub()

        async def connect(self) -> None:
            await self.accept()
            await self.subscribe("topic")

    class WithoutAny(FanoutMixin, AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.subscribe("topic")

    with override_settings(CHANNEL_LAYERS={}):
        one = client(Plain)
        await one.connect()
        Plain.hub.publish("topic", b"text")
        assert await one.receive_from() == "text"
        await one.disconnect()
        with pytest.raises(ImproperlyConfigured, match="has no hub"):
            await client(WithoutAny).connect()
    Plain.hub.close()


async def test_other_layers_and_unknown_policies_are_told() -> None:
    with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}):
        with pytest.raises(InvalidChannelLayerError, match=r"needs distributary\.django\.ChannelLayer"):
            await client(Room).connect()

    class Wrong(Room):
        overflow = "explode"  # type: ignore[assignment]

    with pytest.raises(ImproperlyConfigured, match="explode"):
        await client(Wrong).connect()


async def test_a_dispatch_of_ones_own_sees_every_message(layer: ChannelLayer) -> None:
    seen = []

    class Watched(Room):
        async def dispatch(self, message: dict[str, Any]) -> None:
            seen.append(message["type"])
            await super().dispatch(message)

    one = client(Watched)
    await one.connect()
    for n in range(3):
        await layer.group_send("room", {"type": "room.message", "content": n})
        assert await one.receive_json_from() == n
    await one.disconnect()
    assert seen == ["websocket.connect", *["room.message"] * 3, "websocket.disconnect"]


async def test_plain_consumers(layer: ChannelLayer) -> None:
    class Worker(FanoutMixin, AsyncConsumer):
        async def start(self, message: dict[str, Any]) -> None:
            await self.channel_layer.group_add("workers", self.channel_name)
            await self.send({"type": "started"})

        async def job(self, message: dict[str, Any]) -> None:
            await self.send({"type": "done", "n": message["n"]})

    one = ApplicationCommunicator(Worker.as_asgi(), {"type": "worker"})
    await one.send_input({"type": "start"})
    assert await one.receive_output() == {"type": "started"}
    for n in range(3):
        await layer.group_send("workers", {"type": "job", "n": n})
        assert await one.receive_output() == {"type": "done", "n": n}
    one.future.cancel()
    await asyncio.wait({one.future})


async def test_sync_consumers(layer: ChannelLayer) -> None:
    threads = set()

    class Sync(FanoutMixin, JsonWebsocketConsumer):
        groups = ("room",)

        def connect(self) -> None:
            self.accept()
            async_to_sync(self.subscribe)("topic", self.event)

        def receive_json(self, content: Any, **_: Any) -> None:
            async_to_sync(self.channel_layer.group_send)("room", {"type": "room.message", "content": content})

        def room_message(self, message: dict[str, Any]) -> None:
            threads.add(threading.current_thread())
            self.send_json(message["content"])

        def event(self, event: Any) -> None:
            threads.add(threading.current_thread())
            self.send_json(event.json())

    one = client(Sync)
    assert (await one.connect(5))[0]
    await one.send_json_to([1])
    assert await one.receive_json_from(5) == [1]
    layer.hub.publish("topic", {"a": 1})
    assert await one.receive_json_from(5) == {"a": 1}
    await async_to_sync_in_thread(layer, "room")
    assert await one.receive_from(5) == "text"
    await one.disconnect()
    assert threading.current_thread() not in threads
    await layer.close()


async def async_to_sync_in_thread(layer: ChannelLayer, group: str) -> None:
    send = async_to_sync(layer.group_send)
    await asyncio.to_thread(send, group, {"type": "websocket.send", "text": "text"})


class Stalled:
    """A server whose client stops taking frames."""

    def __init__(self, consumer: type, frames: int) -> None:
        self.sent: list[dict[str, Any]] = []
        self.left = frames
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(consumer.as_asgi()({"type": "websocket"}, self.incoming.get, self.send))

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            if not self.left:
                await asyncio.Event().wait()
            self.left -= 1
        self.sent.append(message)


@pytest.mark.parametrize("source", ["group", "hub", "client"])
async def test_a_client_that_takes_nothing_is_given_up(
    layer: ChannelLayer, source: str, eventually: Eventually
) -> None:
    codes = []

    class Bounded(Room):
        send_timeout = 0.05

        async def connect(self) -> None:
            await self.accept()
            await self.subscribe("topic")

        async def receive_json(self, content: Any, **_: Any) -> None:
            await self.send_json(content)

        async def disconnect(self, code: int) -> None:
            codes.append(code)

    server = Stalled(Bounded, frames=1)
    await eventually(lambda: server.sent, "it is accepted")
    for _ in range(3):
        if source == "group":
            await layer.group_send("room", {"type": "room.message", "content": "a"})
        elif source == "hub":
            layer.hub.publish("topic", b"a")
        else:
            server.incoming.put_nowait({"type": "websocket.receive", "text": '"a"'})
    await asyncio.wait_for(server.task, 10)
    assert codes == [1013]
    assert [message["type"] for message in server.sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert layer.stats().channels == 0
    await layer.close()


async def test_a_handler_may_see_that_its_client_is_slow(layer: ChannelLayer, eventually: Eventually) -> None:
    slow = []

    class Patient(Room):
        send_timeout = 0.02

        async def room_message(self, message: dict[str, Any]) -> None:
            try:
                await self.send_json(message["content"])
            except SlowWebsocket as error:
                slow.append(str(error))

    server = Stalled(Patient, frames=0)
    await eventually(lambda: server.sent, "it is accepted")
    for _ in range(2):
        await layer.group_send("room", {"type": "room.message", "content": "a"})
    await eventually(lambda: len(slow) == 2, "both frames have timed out")
    assert not server.task.done()
    server.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(server.task, 10)


@pytest.mark.parametrize(("reason", "expected"), [("slow_consumer", [1013]), ("lost", [1013]), ("hub_closed", [])])
async def test_the_end_of_a_subscription_ends_its_consumer(
    layer: ChannelLayer, monkeypatch: pytest.MonkeyPatch, reason: Any, expected: list[int]
) -> None:
    class Ended(contextlib.nullcontext[None]):
        def __aiter__(self) -> Ended:
            return self

        async def __anext__(self) -> Any:
            raise Closed(reason)

    monkeypatch.setattr(layer.hub, "subscribe", lambda *_, **__: Ended())
    codes = []

    class Follower(Room):
        async def connect(self) -> None:
            await self.accept()
            await self.subscribe("topic")

        async def disconnect(self, code: int) -> None:
            codes.append(code)

    one = client(Follower)
    await one.connect()
    with contextlib.suppress(Closed):
        await one.wait(5)
    assert codes == expected


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest", "disconnect"])
async def test_policies_for_a_full_channel(layer: ChannelLayer, policy: Any, eventually: Eventually) -> None:
    go_on = asyncio.Event()
    got, codes = [], []

    class Full(Room):
        overflow = policy

        async def room_message(self, message: dict[str, Any]) -> None:
            await go_on.wait()
            got.append(message["content"])

        async def disconnect(self, code: int) -> None:
            codes.append(code)

    layer.capacity = 3
    one = client(Full)
    await one.connect()
    await layer.group_send("room", {"type": "room.message", "content": 0})
    await asyncio.sleep(0.01)  # its handler waits
    for n in range(1, 6):
        await layer.group_send("room", {"type": "room.message", "content": n})
    if policy == "disconnect":
        await one.wait(5)
        assert codes == [1013]
        assert got == []
        return
    go_on.set()
    expected = {"drop_newest": [0, 1, 2, 3], "drop_oldest": [0, 3, 4, 5]}[policy]
    await eventually(lambda: len(got) == 4, "all that was kept has come")
    assert got == expected
    assert layer.stats().dropped == 2
    await one.disconnect()


async def test_a_subscription_that_is_too_slow_ends_the_consumer(layer: ChannelLayer) -> None:
    codes = []

    class Flooded(Room):
        async def connect(self) -> None:
            await self.accept()
            await self.subscribe("topic", overflow="disconnect", capacity=3)

        async def disconnect(self, code: int) -> None:
            codes.append(code)

    one = client(Flooded)
    await one.connect()
    for _ in range(10):
        layer.hub.publish("topic", b"a")
    await one.wait(5)
    assert codes == [1013]
    await layer.close()


async def test_a_handler_that_outlives_its_cancelling_does_not_hide_the_failure(layer: ChannelLayer) -> None:
    started, let_go = asyncio.Event(), asyncio.Event()

    class Stubborn(FanoutMixin, AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept()
            await self.subscribe("topic", self.ignore, overflow="disconnect", capacity=2)

        async def ignore(self, event: Any) -> None:
            pass

        async def receive(self, text_data: Any = None, bytes_data: Any = None) -> None:
            started.set()
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                pass

    one = client(Stubborn)
    await one.connect()
    await one.send_to("go")
    await started.wait()
    for n in range(20):
        layer.hub.publish("topic", str(n))
    assert (await one.receive_output(5))["code"] == 1013
    await one.wait(5)
    assert layer.hub.stats().subscriptions == 0


async def test_a_cancelled_error_of_a_handlers_own_ends_the_consumer(
    layer: ChannelLayer, eventually: Eventually
) -> None:
    class Cancels(FanoutMixin, AsyncWebsocketConsumer):
        async def connect(self) -> None:
            await self.accept()
            await self.subscribe("topic", self.handle)

        async def handle(self, event: Any) -> None:
            job = asyncio.ensure_future(asyncio.sleep(60))
            job.cancel()
            await job

    one = client(Cancels)
    await one.connect()
    layer.hub.publish("topic", "1")
    await eventually(one.future.done, "the consumer has ended")
    assert one.future.cancelled()
    assert layer.hub.stats().subscriptions == 0


async def test_a_thousand_consumers_and_threads_that_send(layer: ChannelLayer, eventually: Eventually) -> None:
    got: dict[int, list[Any]] = {}

    class Counting(Room):
        async def room_message(self, message: dict[str, Any]) -> None:
            got.setdefault(id(self), []).append(message["content"])

    stalled = [Stalled(Counting, frames=0) for _ in range(1000)]
    await eventually(lambda: len(layer.groups.get("room", ())) == 1000, "all have joined")
    send = async_to_sync(layer.group_send)

    def work(sender: int) -> None:
        for n in range(10):
            send("room", {"type": "room.message", "content": [sender, n]})

    await asyncio.gather(*(asyncio.to_thread(work, sender) for sender in range(8)))
    await eventually(lambda: sum(map(len, got.values())) == 80_000, "all has come", patience=30)
    for contents in got.values():
        for sender in range(8):
            assert [n for who, n in contents if who == sender] == list(range(10))
    for each in stalled:
        each.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.gather(*(each.task for each in stalled))
    assert layer.stats() == ChannelLayer().stats()

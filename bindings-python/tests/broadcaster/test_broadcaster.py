"""broadcaster's interface: what it does there, and what it mends."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator
from typing import Any

import anyio
import broadcaster
import pytest
from broadcaster._backends.memory import MemoryBackend

from distributary import Busy, Closed, Hub, OptionError
from distributary.compat.broadcaster import (
    BackendFailed,
    Broadcast,
    BroadcastBackend,
    Event,
    Subscriber,
    Unsubscribed,
    UnsupportedBackend,
)


@pytest.fixture
async def broadcast() -> AsyncIterator[Broadcast]:
    async with Broadcast("memory://") as broadcast:
        yield broadcast


async def get(subscriber: Subscriber) -> Event:
    return await asyncio.wait_for(subscriber.get(), 5)


async def test_a_message_reaches_those_of_its_channel(broadcast: Broadcast) -> None:
    async with (
        broadcast.subscribe(channel="a") as one,
        broadcast.subscribe("a") as two,
        broadcast.subscribe("b") as other,
    ):
        await broadcast.publish(channel="a", message="hello")
        await broadcast.publish("b", "there")
        assert await get(one) == await get(two) == Event("a", "hello")
        assert await get(other) == Event("b", "there")


@pytest.mark.every_loop
async def test_in_every_loop() -> None:
    async with Broadcast("memory://") as broadcast, broadcast.subscribe("a") as subscriber:
        with anyio.move_on_after(0.001):
            await subscriber.get()
        await broadcast.publish("a", {"n": 1})
        with anyio.fail_after(5):
            assert (await subscriber.get()).message == {"n": 1}


async def test_iterating(broadcast: Broadcast) -> None:
    async with broadcast.subscribe("a") as subscriber:
        for number in range(3):
            await broadcast.publish("a", str(number))
        got = []
        async for event in subscriber:
            got.append((event.channel, event.message))
            if len(got) == 3:
                break
        assert got == [("a", "0"), ("a", "1"), ("a", "2")]


@pytest.mark.parametrize(
    "message",
    ["", "text", "ü\ud800", b"", b"bytes", bytearray(b"1"), None, 7, {"a": [1]}, object(), "x" * 100_000],
    ids=lambda it: repr(it).partition(" at 0x")[0][:40],
)
async def test_all_get_the_same_object(broadcast: Broadcast, message: object) -> None:
    async with broadcast.subscribe("a") as one, broadcast.subscribe("a") as two:
        await broadcast.publish("a", message)
        first, second = await get(one), await get(two)
        assert first is second
        assert first.message is message


async def test_one_object_many_times(broadcast: Broadcast) -> None:
    message = {"a": 1}
    async with broadcast.subscribe("a") as subscriber:
        for _ in range(3):
            await broadcast.publish("a", message)
        assert [(await get(subscriber)).message is message for _ in range(3)] == [True] * 3


async def test_a_message_lives_as_long_as_somebody_may_read_it(broadcast: Broadcast, eventually: Any) -> None:
    class Message:
        pass

    async with broadcast.subscribe("a") as read, broadcast.subscribe("a"):
        message = Message()
        alive = weakref.ref(message)
        await broadcast.publish("a", message)
        del message
        await get(read)
        gc.collect()
        assert alive() is not None
    await broadcast.publish("a", "nobody")
    await eventually(lambda: broadcast.hub.stats() and gc.collect() >= 0 and alive() is None, "the message is gone")


async def test_a_name_is_no_pattern(broadcast: Broadcast) -> None:
    async with broadcast.subscribe("*") as subscriber:
        await broadcast.publish("a", "no")
        await broadcast.publish("*", "yes")
        assert (await get(subscriber)).message == "yes"


async def test_a_timeout_takes_nothing(broadcast: Broadcast) -> None:
    async with broadcast.subscribe("a") as subscriber:
        events = aiter(subscriber)
        for number in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(events), 0.001)
            await broadcast.publish("a", number)
            assert (await anext(events)).message == number


async def test_publishing_from_a_thread(broadcast: Broadcast) -> None:
    async with broadcast.subscribe("a") as subscriber:
        reading = asyncio.ensure_future(get(subscriber))
        await asyncio.sleep(0)
        thread = threading.Thread(target=broadcast.publish_nowait, args=("a", "from a thread"))
        thread.start()
        assert (await reading).message == "from a thread"
        thread.join()
        thread = threading.Thread(target=asyncio.run, args=(broadcast.publish("a", "from a loop"),))
        thread.start()
        assert (await get(subscriber)).message == "from a loop"
        thread.join()


async def test_the_end_of_the_context_is_told(broadcast: Broadcast) -> None:
    async with broadcast.subscribe("a") as subscriber:
        reading = asyncio.ensure_future(get(subscriber))
        await asyncio.sleep(0)
    with pytest.raises(Unsubscribed):
        await reading
    await broadcast.publish("a", "late")
    with pytest.raises(Unsubscribed):
        await get(subscriber)
    assert [event async for event in subscriber] == []
    assert not broadcast._subscribers


async def test_an_error_in_the_context_leaves_nothing_behind(broadcast: Broadcast) -> None:
    with pytest.raises(LookupError):
        async with broadcast.subscribe("a"):
            raise LookupError
    assert not broadcast._subscribers
    assert broadcast.hub.stats().subscriptions == 0


async def test_disconnecting_ends_readers() -> None:
    broadcast = Broadcast("memory://")
    await broadcast.connect()
    async with broadcast.subscribe("a") as subscriber:
        reading = asyncio.ensure_future(get(subscriber))
        await asyncio.sleep(0)
        await broadcast.disconnect()
        with pytest.raises(Unsubscribed):
            await reading
    async with broadcast, broadcast.subscribe("a") as subscriber:
        await broadcast.publish("a", "again")
        assert (await get(subscriber)).message == "again"


async def test_subscribers_are_bounded() -> None:
    async with Broadcast("memory://", capacity=2) as broadcast:
        async with (
            broadcast.subscribe("a") as oldest,
            broadcast.subscribe("a", overflow="drop_newest") as newest,
            broadcast.subscribe("a", overflow="disconnect") as ended,
            broadcast.subscribe("a", capacity=9) as roomy,
        ):
            for number in range(5):
                await broadcast.publish("a", number)
            assert [(await get(oldest)).message for _ in range(2)] == [3, 4]
            assert oldest.missed == 3
            assert [(await get(newest)).message for _ in range(2)] == [0, 1]
            assert [(await get(roomy)).message for _ in range(5)] == [0, 1, 2, 3, 4]
            with pytest.raises(Closed) as closed:
                await get(ended)
            assert closed.value.reason == "slow_consumer"
            with pytest.raises(Closed):
                await anext(ended)


async def test_messages_can_be_filtered(broadcast: Broadcast) -> None:
    async with broadcast.subscribe("a", where={"id": [7]}) as subscriber:
        for message in ('{"id":1}', '{"id":7}', "no JSON", {"id": 7}):
            await broadcast.publish("a", message)
        assert (await get(subscriber)).message == '{"id":7}'
        assert subscriber.subscription.lag == 0


async def test_on_a_hub_that_others_use() -> None:
    with Hub(capacity=3) as hub:
        async with Broadcast(hub=hub) as broadcast, broadcast.subscribe("a") as subscriber:
            hub.publish("a", {"id": 1})
            hub.publish("a", b"\xff")
            await broadcast.publish("a", "text")
            assert [(await get(subscriber)).message for _ in range(3)] == ['{"id":1}', b"\xff", "text"]
            with hub.subscribe("a") as sub:
                await broadcast.publish("a", "ü")
                event = await sub.get()
                assert event.text == "ü"


async def test_two_readers_of_one_subscriber_are_told(broadcast: Broadcast) -> None:
    async with broadcast.subscribe("a") as subscriber:
        reading = asyncio.ensure_future(get(subscriber))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await get(subscriber)
        await broadcast.publish("a", 1)
        await reading


def test_what_there_is_not_is_said() -> None:
    for url in ("postgres://x", "kafka://x", "nonsense"):
        with pytest.raises(UnsupportedBackend, match="memory://"):
            Broadcast(url)
        with pytest.raises(ValueError, match="backend"):
            Broadcast(url)
    with pytest.raises(OptionError, match="memory://"):
        Broadcast()
    with pytest.raises(OptionError):
        Broadcast("memory://", overflow="drop")  # type: ignore[arg-type]


def test_events_are_compared_and_shown_as_there() -> None:
    assert Event("a", 1) == Event("a", 1)
    assert Event("a", 1) != Event("a", 2)
    assert repr(Event("a", "b")) == repr(broadcaster.Event("a", "b"))


# Backends.


async def test_a_backend_of_broadcasters_own() -> None:
    async with Broadcast(backend=MemoryBackend("memory://")) as broadcast:  # type: ignore[arg-type]
        async with broadcast.subscribe("a") as one, broadcast.subscribe("a") as two:
            await broadcast.publish("a", "hello")
            first, second = await get(one), await get(two)
            assert isinstance(first, broadcaster.Event)
            assert first is second
            assert (first.channel, first.message) == ("a", "hello")
            with pytest.raises(UnsupportedBackend, match="await publish"):
                broadcast.publish_nowait("a", "hello")


class Recorder(BroadcastBackend):
    """A backend that tells what it was asked, and takes its time."""

    def __init__(self) -> None:
        super().__init__("recorder://")
        self.calls: list[str] = []
        self.events: asyncio.Queue[Event | Exception] = asyncio.Queue()

    async def subscribe(self, channel: str) -> None:
        self.calls.append(f"+{channel}")
        await asyncio.sleep(0)

    async def unsubscribe(self, channel: str) -> None:
        self.calls.append(f"-{channel}")
        await asyncio.sleep(0)

    async def connect(self) -> None:
        self.calls.append("connect")

    async def disconnect(self) -> None:
        self.calls.append("disconnect")

    async def publish(self, channel: str, message: object) -> None:
        await self.events.put(Event(channel, message))

    async def next_published(self) -> Event:
        event = await self.events.get()
        if isinstance(event, Exception):
            raise event
        return event


async def test_a_backend_hears_of_the_first_and_the_last(eventually: Any) -> None:
    backend = Recorder()

    async def read(count: int) -> None:
        async with broadcast.subscribe("a") as subscriber:
            for _ in range(count):
                await get(subscriber)

    async with Broadcast(backend=backend) as broadcast:
        readers = [asyncio.ensure_future(read(1)) for _ in range(5)]
        await eventually(lambda: len(broadcast._subscribers.get("a", ())) == 5, "all have subscribed")
        async with broadcast.subscribe("b"):
            await broadcast.publish("a", 1)
            await asyncio.gather(*readers)
    assert backend.calls == ["connect", "+a", "+b", "-a", "-b", "disconnect"]


async def test_a_reader_that_is_cancelled_leaves_nothing_in_the_backend(eventually: Any) -> None:
    open_gate = asyncio.Event()

    class Gated(Recorder):
        async def subscribe(self, channel: str) -> None:
            self.calls.append(f"+{channel}")
            await open_gate.wait()

    async def read(channel: str) -> None:
        async with broadcast.subscribe(channel):
            await asyncio.Event().wait()

    backend = Gated()
    async with Broadcast(backend=backend) as broadcast:
        # While the backend takes its time: it may have the channel already.
        one = asyncio.create_task(read("a"))
        await eventually(lambda: "+a" in backend.calls)
        one.cancel()
        await asyncio.wait({one})
        assert backend.calls == ["connect", "+a", "-a"]

        # Twice, while another change is under way.
        open_gate.set()
        two = asyncio.create_task(read("b"))
        await eventually(lambda: broadcast._heard == {"b": True})
        open_gate.clear()
        three = asyncio.create_task(read("c"))
        await eventually(lambda: "+c" in backend.calls)
        two.cancel()
        await asyncio.sleep(0)
        two.cancel()
        await asyncio.wait({two})
        open_gate.set()
        await eventually(lambda: "-b" in backend.calls)
        three.cancel()
        await asyncio.wait({three})
    assert sorted(backend.calls[3:-1]) == ["+b", "+c", "-b", "-c"]


async def test_who_comes_after_a_backend_has_failed_is_told() -> None:
    backend = Recorder()
    broadcast = Broadcast(backend=backend)
    await broadcast.connect()
    async with broadcast.subscribe("a") as subscriber:
        await backend.events.put(OSError("gone"))
        with pytest.raises(BackendFailed, match="gone"):
            await get(subscriber)
    with pytest.raises(BackendFailed, match="gone"):
        async with broadcast.subscribe("a"):
            pass
    with pytest.raises(OSError, match="gone"):
        await broadcast.disconnect()


async def test_a_backend_that_fails_is_heard() -> None:
    backend = Recorder()
    broadcast = Broadcast(backend=backend)
    await broadcast.connect()
    async with broadcast.subscribe("a") as one, broadcast.subscribe("a") as two:
        await backend.events.put(OSError("gone"))
        with pytest.raises(BackendFailed, match="gone") as failed:
            await get(one)
        assert isinstance(failed.value.__cause__, OSError)
        with pytest.raises(BackendFailed):
            await anext(two)
    with pytest.raises(OSError, match="gone"):
        await broadcast.disconnect()
    assert backend.calls[-1] == "disconnect"


async def test_a_backend_that_refuses_a_channel_is_heard() -> None:
    class Refuses(Recorder):
        async def subscribe(self, channel: str) -> None:
            raise PermissionError(channel)

    backend = Refuses()
    async with Broadcast(backend=backend) as broadcast:
        with pytest.raises(PermissionError):
            async with broadcast.subscribe("a"):
                pass
        assert not broadcast._subscribers
    assert backend.calls == ["connect", "disconnect"]


async def test_a_backend_that_is_connected_anew_is_told_again() -> None:
    broadcast = Broadcast(backend=(backend := Recorder()))
    await broadcast.connect()
    async with broadcast.subscribe("a"):
        await broadcast.disconnect()
        await broadcast.connect()
        async with broadcast.subscribe("a") as subscriber:
            await broadcast.publish("a", "1")
            assert (await get(subscriber)).message == "1"
    await broadcast.disconnect()
    assert backend.calls == ["connect", "+a", "disconnect", "connect", "+a", "-a", "disconnect"]

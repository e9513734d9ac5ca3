"""The backend and the subscriber in Litestar's own plugin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from litestar.channels import ChannelsPlugin

from distributary import Busy, Hub
from distributary.litestar import ChannelsBackend, Subscriber


@pytest.fixture
def backend() -> ChannelsBackend:
    return ChannelsBackend(history=3)


@pytest.fixture
async def plugin(backend: ChannelsBackend) -> AsyncIterator[ChannelsPlugin]:
    async with ChannelsPlugin(
        backend,
        channels=["a", "b"],
        arbitrary_channels_allowed=True,
        subscriber_class=Subscriber,
        subscriber_max_backlog=2,
    ) as plugin:
        yield plugin


async def test_events_come_through_the_stream(plugin: ChannelsPlugin, backend: ChannelsBackend) -> None:
    subscriber = await plugin.subscribe(["a", "*"])
    events = subscriber.iter_events()
    plugin.publish("1", ["a", "unknown"])
    assert await asyncio.wait_for(anext(events), 5) == b"1"
    backend.hub.publish("*", "2")
    assert await asyncio.wait_for(anext(events), 5) == b"2"


async def test_an_iterator_goes_on_after_a_timeout(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe("a")
    events = subscriber.iter_events()
    for number in range(3):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(events), 0.001)
        plugin.publish(str(number), "a")
        assert await asyncio.wait_for(anext(events), 5) == str(number).encode()


async def test_unsubscribing_ends_who_reads(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe("a")
    reading = asyncio.ensure_future(anext(subscriber.iter_events()))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await anext(subscriber.iter_events())
    await plugin.unsubscribe(subscriber)
    with pytest.raises(StopAsyncIteration):
        await reading


@pytest.mark.parametrize(("strategy", "left"), [("backoff", [b"0", b"1"]), ("dropleft", [b"2", b"3"])])
async def test_what_is_put_is_bounded(plugin: ChannelsPlugin, strategy: str, left: list[bytes]) -> None:
    subscriber = Subscriber(plugin, 2, strategy)  # type: ignore[arg-type]
    taken = [subscriber.put_nowait(str(number).encode()) for number in range(4)]
    assert taken == [True, True, strategy == "dropleft", strategy == "dropleft"]
    assert (subscriber.qsize, subscriber.missed) == (2, 2)
    assert subscriber.put_nowait(None)
    assert [event async for event in subscriber.iter_events()] == left


async def test_history_is_the_hubs(plugin: ChannelsPlugin, backend: ChannelsBackend) -> None:
    for number in range(5):
        await plugin.wait_published(str(number), "a")
    assert await backend.get_history("a") == [b"2", b"3", b"4"]
    assert await backend.get_history("a", 2) == [b"3", b"4"]
    assert await backend.get_history("b") == []
    assert await ChannelsBackend(Hub()).get_history("a") == []
    subscriber = await plugin.subscribe("b", history=2)
    await plugin.put_subscriber_history(subscriber, "a", limit=1)
    assert await anext(subscriber.iter_events()) == b"4"


async def test_the_stream_is_bounded() -> None:
    backend = ChannelsBackend(stream=4)
    await backend.on_startup()
    await backend.subscribe(["a"])
    for number in range(10):
        await backend.publish(str(number).encode(), ["a"])
    events = backend.stream_events()
    assert await anext(events) == ("a", b"6")
    assert backend.missed == 6
    await backend.on_shutdown()
    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_without_a_start_there_is_no_stream() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        await anext(ChannelsBackend().stream_events())
    with pytest.raises(RuntimeError, match="not started"):
        await ChannelsBackend().publish(b"", ["a"])

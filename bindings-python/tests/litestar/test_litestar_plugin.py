"""The plugin: what Litestar's does, and what ours has besides."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from litestar import Litestar
from litestar.channels import ChannelsPlugin as LitestarsPlugin
from litestar.channels import Subscriber as LitestarsSubscriber
from litestar.channels.backends.memory import MemoryChannelsBackend
from litestar.channels.plugin import ChannelsException
from litestar.exceptions import ImproperlyConfiguredException

from distributary import Closed, FilterError, Hub, OptionError, PayloadError
from distributary.litestar import ChannelsBackend, ChannelsPlugin, Subscriber


@pytest.fixture
async def plugin() -> AsyncIterator[ChannelsPlugin]:
    async with ChannelsPlugin(arbitrary_channels_allowed=True) as plugin:
        yield plugin


async def read(subscriber: LitestarsSubscriber, count: int) -> list[bytes]:
    events = subscriber.iter_events()
    return [await asyncio.wait_for(anext(events), 5) for _ in range(count)]


async def test_it_is_litestars_plugin(plugin: ChannelsPlugin) -> None:
    assert isinstance(plugin, LitestarsPlugin)
    app = Litestar(plugins=[plugin])
    assert app.plugins.get("ChannelsPlugin") is plugin
    assert app.signature_namespace["ChannelsPlugin"] is ChannelsPlugin


async def test_a_subscriber_has_what_is_published_after_it(plugin: ChannelsPlugin) -> None:
    plugin.publish("before", "a")
    subscriber = await plugin.subscribe(["a", "b"])
    plugin.publish("text", "a")
    plugin.publish(b"bytes", ["b", "c"])
    await plugin.wait_published({"an": "object"}, "a")
    assert subscriber.qsize == 3
    assert await read(subscriber, 3) == [b"text", b"bytes", b'{"an":"object"}']
    assert subscriber.qsize == 0


async def test_what_others_publish_on_the_hub_comes_too(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe("a")
    plugin.hub.publish("a", b"1")
    thread = threading.Thread(target=plugin.publish, args=("2", "a"))
    thread.start()
    thread.join()
    assert await read(subscriber, 2) == [b"1", b"2"]


async def test_a_reader_asleep_is_woken_from_a_thread(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe("a")
    reading = asyncio.ensure_future(read(subscriber, 1))
    await asyncio.sleep(0)
    thread = threading.Thread(target=plugin.publish, args=("1", "a"))
    thread.start()
    assert await reading == [b"1"]
    thread.join()


@pytest.mark.parametrize("name", ["*", "news.*", "a[b]", "a?", "a\\b", "ü"])
async def test_a_channels_name_is_no_pattern(plugin: ChannelsPlugin, name: str) -> None:
    subscriber = await plugin.subscribe(name)
    plugin.publish("no", ["news.local", "ab", "x"])
    plugin.publish("yes", name)
    assert subscriber.qsize == 1
    assert await read(subscriber, 1) == [b"yes"]


async def test_an_iterator_goes_on_after_a_timeout(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe("a")
    events = subscriber.iter_events()
    for number in range(3):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(events), 0.001)
        plugin.publish(str(number), "a")
        assert await anext(events) == str(number).encode()


async def test_a_read_that_is_cancelled_takes_nothing(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe("a")
    events = subscriber.iter_events()
    reading = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    plugin.publish("1", "a")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await read(subscriber, 1) == [b"1"]


async def test_an_iterator_that_is_closed_has_ended(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe("a")
    events = subscriber.iter_events()
    await events.aclose()
    plugin.publish("1", "a")
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    assert await read(subscriber, 1) == [b"1"]


async def test_where_filters_before_anybody_is_woken(plugin: ChannelsPlugin) -> None:
    eu = await plugin.subscribe("orders", where={"region": ["eu"]})
    async with plugin.start_subscription("orders", where={"total": [{"numeric": [">", 100]}]}) as large:
        plugin.publish({"region": "eu", "total": 5}, "orders")
        plugin.publish({"region": "us", "total": 500}, "orders")
        assert (eu.qsize, large.qsize) == (1, 1)
        assert await read(eu, 1) == [b'{"region":"eu","total":5}']
        assert await read(large, 1) == [b'{"region":"us","total":500}']


async def test_a_malformed_filter_is_refused_at_the_call(plugin: ChannelsPlugin) -> None:
    with pytest.raises(FilterError):
        await plugin.subscribe("a", where={"a": [{"unknown": 1}]})
    assert not plugin._channels


@pytest.mark.parametrize(("strategy", "left"), [("backoff", [b"0", b"1"]), ("dropleft", [b"3", b"4"])])
async def test_the_backlog_is_bounded(strategy: str, left: list[bytes]) -> None:
    plugin = ChannelsPlugin(
        channels=["a"],
        subscriber_max_backlog=2,
        subscriber_backlog_strategy=strategy,  # type: ignore[arg-type]
    )
    async with plugin:
        subscriber = await plugin.subscribe("a")
        for number in range(5):
            plugin.publish(str(number), "a")
        assert await read(subscriber, 2) == left
        plugin.publish("next", "a")
        assert await read(subscriber, 1) == [b"next"]
        assert subscriber.missed == 3


async def test_without_a_backlog_the_hubs_capacity_holds() -> None:
    plugin = ChannelsPlugin(ChannelsBackend(Hub(capacity=3)), channels=["a"])
    async with plugin:
        subscriber = await plugin.subscribe("a")
        for number in range(5):
            plugin.publish(str(number), "a")
        assert await read(subscriber, 3) == [b"2", b"3", b"4"]
        assert subscriber.last is not None
        assert subscriber.missed == 2


async def test_who_does_not_keep_up_can_be_disconnected() -> None:
    plugin = ChannelsPlugin(channels=["a"], subscriber_max_backlog=2, subscriber_backlog_strategy="disconnect")
    async with plugin:
        subscriber = await plugin.subscribe("a")
        for number in range(5):
            plugin.publish(str(number), "a")
        with pytest.raises(Closed) as closed:
            await read(subscriber, 5)
        assert closed.value.reason == "slow_consumer"


async def test_history_comes_first_and_once() -> None:
    async with ChannelsPlugin(ChannelsBackend(history=5), channels=["a", "b", "c"]) as plugin:
        for number in range(8):
            plugin.publish(f"a{number}", "a")
            plugin.publish(f"b{number}", "b")
        subscriber = await plugin.subscribe(["a", "b", "c"], history=2)
        plugin.publish("live", "a")
        assert await read(subscriber, 5) == [b"a6", b"b6", b"a7", b"b7", b"live"]
        assert subscriber.qsize == 0


async def test_history_is_filtered_as_all_else() -> None:
    async with ChannelsPlugin(ChannelsBackend(history=9), channels=["a"]) as plugin:
        for number in range(6):
            plugin.publish({"n": number}, "a")
        subscriber = await plugin.subscribe("a", history=4, where={"n": [{"numeric": ["<", 4]}]})
        assert await read(subscriber, 2) == [b'{"n":2}', b'{"n":3}']


async def test_history_while_threads_publish() -> None:
    async with ChannelsPlugin(ChannelsBackend(Hub(history={"*": 3}, capacity=100_000)), channels=["a"]) as plugin:
        stop = threading.Event()

        def publish() -> None:
            number = 0
            while not stop.is_set():
                plugin.publish(str(number), "a")
                number += 1

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            for _ in range(20):
                subscriber = await plugin.subscribe("a", history=3)
                got = [int(event) for event in await read(subscriber, 20)]
                if not subscriber.missed:
                    assert got == list(range(got[0], got[0] + 20))
                await plugin.unsubscribe(subscriber)
        finally:
            stop.set()
            thread.join()


async def test_a_history_can_be_put_in_front() -> None:
    async with ChannelsPlugin(ChannelsBackend(history=5), channels=["a", "b"]) as plugin:
        plugin.publish("old", "b")
        subscriber = await plugin.subscribe("a")
        plugin.publish("new", "a")
        await plugin.put_subscriber_history(subscriber, "b")
        assert await read(subscriber, 2) == [b"old", b"new"]


async def test_what_is_put_wakes_a_reader_asleep(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe("a")
    reading = asyncio.ensure_future(read(subscriber, 1))
    await asyncio.sleep(0)
    await subscriber.put(b"put")
    assert await asyncio.wait_for(reading, 5) == [b"put"]


async def test_unsubscribed_is_the_end(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe(["a", "b"])
    events = subscriber.iter_events()
    asleep = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await plugin.unsubscribe(subscriber, "a")
    assert subscriber.channels == {"b"}
    plugin.publish("no", "a")
    plugin.publish("yes", "b")
    assert await asleep == b"yes"
    asleep = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await plugin.unsubscribe(subscriber)
    with pytest.raises(StopAsyncIteration):
        await asleep
    plugin.publish("later", "b")
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    await plugin.unsubscribe(subscriber)


async def test_a_channel_that_nobody_reads_leaves_nothing_behind(plugin: ChannelsPlugin) -> None:
    for number in range(100):
        async with plugin.start_subscription(f"room-{number}"):
            pass
    assert not plugin._channels
    assert plugin.hub.stats().subscriptions == 0


async def test_unknown_channels_are_refused_and_change_nothing() -> None:
    async with ChannelsPlugin(channels=["a"]) as plugin:
        with pytest.raises(ChannelsException, match="there is no channel 'b'"):
            await plugin.subscribe(name for name in ("a", "b"))
        assert plugin._channels == {"a": set()}


async def test_publishing_needs_a_running_application() -> None:
    plugin = ChannelsPlugin(channels=["a"])
    with pytest.raises(RuntimeError, match="not started"):
        plugin.publish("a", "a")
    async with plugin:
        plugin.publish("a", "a")
    with pytest.raises(RuntimeError, match="not started"):
        await plugin.wait_published("a", "a")


async def test_the_end_of_the_application_ends_subscribers() -> None:
    plugin = ChannelsPlugin(arbitrary_channels_allowed=True)
    async with plugin:
        asleep = asyncio.ensure_future(read(await plugin.subscribe("a"), 1))
        sent: list[bytes] = []

        async def send(event: bytes) -> None:
            sent.append(event)

        other = await plugin.subscribe("a")
        other._start_in_background(send)
        await asyncio.sleep(0)
        plugin.publish("last", "a")
    assert await asleep == [b"last"]
    assert sent == [b"last"]
    assert not other.is_running
    with pytest.raises(StopAsyncIteration):
        await anext(other.iter_events())
    async with plugin:
        again = await plugin.subscribe("a")
        plugin.publish("again", "a")
        assert await read(again, 1) == [b"again"]


async def test_in_the_background_what_waits_is_done_at_the_end(plugin: ChannelsPlugin) -> None:
    got: list[bytes] = []

    async def slow(event: bytes) -> None:
        await asyncio.sleep(0)
        got.append(event)

    subscriber = await plugin.subscribe("a")
    async with subscriber.run_in_background(slow):
        for number in range(5):
            plugin.publish(str(number), "a")
        await asyncio.sleep(0)
    assert got == [b"0", b"1", b"2", b"3", b"4"]
    async with subscriber.run_in_background(slow):
        pass
    async with subscriber.run_in_background(slow, join=False):
        plugin.publish("5", "a")
    assert len(got) == 5
    assert subscriber.qsize == 1


async def test_in_the_background_a_join_has_an_end_though_events_go_on(plugin: ChannelsPlugin) -> None:
    got: list[bytes] = []

    async def echo(event: bytes) -> None:
        await asyncio.sleep(0)
        got.append(event)
        plugin.publish(event, "a")

    subscriber = await plugin.subscribe("a")
    async with subscriber.run_in_background(echo):
        for number in range(5):
            plugin.publish(str(number), "a")
        await asyncio.sleep(0)
    assert 5 <= len(got) <= 7


async def test_in_the_background_a_callback_that_raises_is_heard(plugin: ChannelsPlugin) -> None:
    async def fail(event: bytes) -> None:
        raise LookupError(event)

    subscriber = await plugin.subscribe("a")
    running = subscriber.run_in_background(fail)
    await running.__aenter__()
    plugin.publish("1", "a")
    plugin.publish("2", "a")
    with pytest.raises(LookupError):
        await running.__aexit__(None, None, None)
    assert not subscriber.is_running


async def test_a_subscriber_that_is_forgotten_is_collected(plugin: ChannelsPlugin) -> None:
    subscriber = await plugin.subscribe("a")
    await read(subscriber, 0)
    forgotten = weakref.ref(subscriber)
    await plugin.unsubscribe(subscriber)
    del subscriber
    gc.collect()
    assert forgotten() is None


def test_other_backends_and_subscribers_are_refused() -> None:
    with pytest.raises(ImproperlyConfiguredException, match="MemoryChannelsBackend"):
        ChannelsPlugin(MemoryChannelsBackend(), channels=["a"])  # type: ignore[arg-type]
    with pytest.raises(ImproperlyConfiguredException, match="subscriber_class"):
        ChannelsPlugin(channels=["a"], subscriber_class=LitestarsSubscriber)  # type: ignore[arg-type]
    with pytest.raises(ImproperlyConfiguredException, match="'drop'"):
        ChannelsPlugin(channels=["a"], subscriber_backlog_strategy="drop")  # type: ignore[arg-type]
    with pytest.raises(ImproperlyConfiguredException, match="channels"):
        ChannelsPlugin()
    with pytest.raises(ImproperlyConfiguredException, match="history"):
        ChannelsBackend(Hub(), history=5)


async def test_a_subclass_of_the_subscriber() -> None:
    class Mine(Subscriber):
        pass

    async with ChannelsPlugin(channels=["a"], subscriber_class=Mine) as plugin:
        subscriber = await plugin.subscribe("a")
        assert isinstance(subscriber, Mine)
        plugin.publish("1", "a")
        assert await read(subscriber, 1) == [b"1"]


async def test_a_backend_that_refuses_leaves_nothing_behind() -> None:
    class Refuses(ChannelsBackend):
        async def subscribe(self, channels: Iterable[str]) -> None:
            raise PermissionError

    plugin = ChannelsPlugin(Refuses(), arbitrary_channels_allowed=True)
    with pytest.raises(PermissionError):
        await plugin.subscribe("a")
    assert not plugin._channels
    assert plugin.hub.stats().subscriptions == 0


async def test_a_history_of_less_than_nothing_is_refused(plugin: ChannelsPlugin) -> None:
    with pytest.raises(OptionError, match="history: a whole number from 0"):
        await plugin.subscribe("a", history=-1)
    with pytest.raises(OptionError, match="limit: a whole number from 0"):
        await ChannelsBackend(history=1).get_history("a", -1)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"hub": 3}, TypeError, "hub: a Hub, not int"),
        ({"history": -1}, OptionError, "history: a whole number from 0 .*, not -1"),
        ({"history": "x"}, TypeError, "history: an int, not str"),
        ({"stream": 0}, OptionError, "stream: a whole number from 1 .*, not 0"),
        ({"stream": None}, TypeError, "stream: an int, not NoneType"),
    ],
)
def test_what_a_backend_cannot_be_made_with_is_said(given: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=f"^{says}$"):
        ChannelsBackend(**given)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"channels": 3}, TypeError, "channels: a str or several, not int"),
        ({"channels": "abc"}, TypeError, r"channels: several names, as in \['abc'\], not a str"),
        ({"channels": [None]}, TypeError, "a topic is a str, not NoneType"),
        ({"subscriber_max_backlog": -1}, OptionError, "subscriber_max_backlog: a whole number from 0 .*, not -1"),
        ({"subscriber_backlog_strategy": []}, ImproperlyConfiguredException, "no backlog strategy"),
        ({"subscriber_class": 3}, ImproperlyConfiguredException, "subscriber_class is a subclass .*, not 3"),
        ({"ws_handler_send_history": "x"}, TypeError, "ws_handler_send_history: an int, not str"),
        ({"ws_send_mode": "x"}, ImproperlyConfiguredException, "ws_send_mode is 'text' or 'binary', not 'x'"),
    ],
)
def test_what_a_plugin_cannot_be_made_with_is_said(given: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        ChannelsPlugin(**{"channels": ["a"], **given})


@pytest.mark.parametrize("channels", [None, 3, b"a"])
async def test_what_is_no_channel_is_refused(plugin: ChannelsPlugin, channels: Any) -> None:
    says = f"channels: a str or several, not {type(channels).__name__}"
    with pytest.raises(TypeError, match=says):
        await plugin.subscribe(channels)
    with pytest.raises(TypeError, match=says):
        plugin.publish("1", channels)
    with pytest.raises(TypeError, match=says):
        await plugin.wait_published("1", channels)


async def test_a_text_that_has_no_bytes_is_refused(plugin: ChannelsPlugin) -> None:
    with pytest.raises(PayloadError, match="lone surrogate"):
        plugin.publish("\ud800", "a")
    with pytest.raises(PayloadError, match="lone surrogate"):
        await plugin.wait_published("\ud800", "a")


async def test_what_is_put_drops_by_the_same_strategy() -> None:
    plugin = ChannelsPlugin(channels=["a"], subscriber_max_backlog=1, subscriber_backlog_strategy="dropleft")
    async with plugin:
        subscriber = await plugin.subscribe("a")
        assert subscriber.put_nowait(b"1")
        assert subscriber.put_nowait(b"2")
        assert await read(subscriber, 1) == [b"2"]
        assert subscriber.missed == 1

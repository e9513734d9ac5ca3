"""Layers of several processes, which a Redis server joins.

Layers that share neither hub nor exchange are to each other what those of two processes are; one test has a real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from channels.exceptions import ChannelFull
from django.core.exceptions import ImproperlyConfigured

from distributary import Hub, Redis
from distributary.django import ChannelLayer, ForeignChannel
from distributary.django import relay as relays

#: Nobody listens there.
NOWHERE = "redis://127.0.0.1:1"


async def receive(layer: ChannelLayer, channel: str) -> dict[str, Any]:
    with anyio.fail_after(20):
        return await layer.receive(channel)


async def nothing_comes(layer: ChannelLayer, channel: str) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(layer.receive(channel), 0.05)


DATA = {
    "type": "chat.message",
    "text": "häll\u00f6 \0 \U0001f600",
    "bytes": b"\0\xff",
    "list": [1, -(1 << 63), (1 << 64) - 1, 1.5, None, True, [b"in", {"a": b""}]],
    "dict": {"\0b": "no bytes", "\0": {b"key": "value"}},
    "tuple": (1, 2),
}


async def test_a_group_has_members_in_many_processes(layers: tuple[ChannelLayer, ChannelLayer]) -> None:
    one, other = layers
    here, there = await one.new_channel(), await other.new_channel()
    await one.group_add("chat", here)
    await other.group_add("chat", there)
    for sender in layers:
        await sender.group_send("chat", DATA)
        for layer, channel in ((one, here), (other, there)):
            assert await receive(layer, channel) == {**DATA, "tuple": [1, 2]}
    # Each had each once.
    await nothing_comes(one, here)
    await nothing_comes(other, there)


@pytest.mark.parametrize("topology", ["sentinel", "cluster", "sharded"])
async def test_sentinels_and_clusters_join_processes_as_well(topology: str, request: pytest.FixtureRequest) -> None:
    options: dict[str, Any]
    if topology == "sentinel":
        watched = request.getfixturevalue("watched_redis")
        options = {"url": watched.urls, "sentinel": watched.name}
    else:
        cluster = request.getfixturevalue("redis_cluster")
        options = {"url": cluster.urls, "cluster": True, "sharded": topology == "sharded"}
    one, other = ChannelLayer(redis=options), ChannelLayer(redis=options)
    there = await other.new_channel()
    await other.group_add("chat", there)
    await one.group_send("chat", DATA)
    assert await receive(other, there) == {**DATA, "tuple": [1, 2]}
    await one.send(there, {"type": "x"})
    assert await receive(other, there) == {"type": "x"}
    for layer in (one, other):
        await layer.close()


async def test_a_channel_is_sent_to_from_everywhere(layers: tuple[ChannelLayer, ChannelLayer]) -> None:
    one, other = layers
    channel = await other.new_channel("specific")
    for number in range(100):
        await one.send(channel, {"type": "x", "number": number})
    await other.send(channel, {"type": "x", "number": 100})
    numbers = [(await receive(other, channel))["number"] for _ in range(101)]
    # In order from each sender; of two, nobody says.
    assert [number for number in numbers if number != 100] == list(range(100))


async def test_who_has_left_hears_nothing(layers: tuple[ChannelLayer, ChannelLayer], eventually: Any) -> None:
    one, other = layers
    here, there = await one.new_channel(), await other.new_channel()
    await other.group_add("chat", there)
    await one.group_send("chat", {"type": "x"})
    await receive(other, there)
    await other.group_discard("chat", there)
    relay = other._exchange.relay
    assert relay is not None
    assert relay._groups == {}
    await one.group_send("chat", {"type": "x"})
    await nothing_comes(other, there)
    await other.group_add("chat", there)
    await other.flush()
    assert relay._groups == {}
    # Left without a word: its loop is gone, or its time is over. The next message finds out.
    await other.group_add("chat", there)
    other._exchange.leave("chat", there)
    await one.group_send("chat", {"type": "x"})
    await eventually(lambda: relay._groups == {}, "it is found out")
    await nothing_comes(one, here)


async def test_groups_come_and_go_while_messages_do(layers: tuple[ChannelLayer, ChannelLayer]) -> None:
    one, other = layers
    there = await other.new_channel()
    for round in range(50):
        await other.group_add("g", there)
        await one.group_send("g", {"type": "x", "round": round})
        assert (await receive(other, there))["round"] == round
        await other.group_discard("g", there)


async def test_prefixes_are_apart(redis_server: Any) -> None:
    one, other = (ChannelLayer(redis=redis_server.url, prefix=prefix) for prefix in ("one", "other"))
    channel = await other.new_channel()
    await other.group_add("chat", channel)
    await one.group_send("chat", {"type": "x"})
    await nothing_comes(other, channel)
    for layer in (one, other):
        await layer.close()


async def test_a_full_channel_of_another_process_drops(redis_server: Any, eventually: Any) -> None:
    one, other = ChannelLayer(redis=redis_server.url), ChannelLayer(redis=redis_server.url, capacity=2)
    channel = await other.new_channel()
    for _ in range(5):
        await one.send(channel, {"type": "x"})
    await eventually(lambda: other.stats().dropped == 3, "three are dropped")
    assert other.stats().messages == 2
    for layer in (one, other):
        await layer.close()


async def test_a_channel_of_another_process_is_refused(layers: tuple[ChannelLayer, ChannelLayer]) -> None:
    one, other = layers
    channel = await other.new_channel()
    with pytest.raises(ForeignChannel, match="another process"):
        await one.group_add("g", channel)
    with pytest.raises(ForeignChannel):
        await one.receive(channel)


async def test_without_the_server_a_process_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    layer = ChannelLayer(redis=Redis(NOWHERE, queue_bytes=4096))
    channel = await layer.new_channel()
    assert "not heard yet" in caplog.text
    await layer.group_add("g", channel)
    await layer.group_send("g", {"type": "x"})
    assert await receive(layer, channel) == {"type": "x"}
    # What waits for the server is bounded, and then said.
    foreign = f"specific.{'0' * 32}!1"
    with contextlib.suppress(ChannelFull):
        for _ in range(100):
            await layer.send(foreign, {"type": "x", "data": "x" * 100})
    with pytest.raises(ChannelFull):
        await layer.send(foreign, {"type": "x", "data": "x" * 100})
    await layer.group_send("g", {"type": "y", "data": "x" * 4000})
    assert "this process alone" in caplog.text
    assert (await receive(layer, channel))["type"] == "y"
    await layer.close()


async def test_what_is_no_message_is_logged_and_stops_nothing(
    layers: tuple[ChannelLayer, ChannelLayer], caplog: pytest.LogCaptureFixture, eventually: Any
) -> None:
    one, other = layers
    there = await other.new_channel()
    await other.group_add("g", there)
    for nonsense in (b"", b"{", b"[]", b'{"from":"x"}', b'{"from":"x","group":"g","message":3}', b"\xff"):
        one.hub.publish("asgi:group:g", nonsense)
    await one.group_send("g", {"type": "x"})
    assert await receive(other, there) == {"type": "x"}
    assert caplog.text.count("is no message") == 6


async def test_layers_with_the_same_hub_are_one(redis_server: Any) -> None:
    hub = Hub(redis_server.url)
    one, same = ChannelLayer(hub=hub), ChannelLayer(hub=hub)
    other = ChannelLayer(redis=redis_server.url)
    channel = await one.new_channel()
    await same.group_add("g", channel)
    for sender in (one, same, other):
        await sender.group_send("g", {"type": "x"})
        await receive(one, channel)
    await nothing_comes(one, channel)
    await other.close()
    hub.close()


async def test_a_layer_that_is_forgotten_ends_its_thread(redis_server: Any, eventually: Any) -> None:
    layer = ChannelLayer(redis=redis_server.url)
    await layer.new_channel()
    gone = weakref.ref(layer)
    assert _threads() == 1
    del layer

    def is_gone() -> bool:
        gc.collect()
        return gone() is None and _threads() == 0

    await eventually(is_gone, "its thread has ended")


def _threads() -> int:
    return sum(thread.name == "distributary-layer" for thread in threading.enumerate())


async def test_more_groups_than_a_subscription_has_topics(
    layers: tuple[ChannelLayer, ChannelLayer], monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr(relays, "NAMES", 3)
    one, other = layers
    groups = [f"g{number}" for number in range(10)]
    there = await other.new_channel()
    for group in groups:
        await other.group_add(group, there)
    # Two beside the process' own channels, and three in each of the others.
    assert _threads() == 4
    for group in groups:
        await one.group_send(group, {"type": "x", "group": group})
    assert {(await receive(other, there))["group"] for _ in groups} == set(groups)
    for group in groups[:-1]:
        await other.group_discard(group, there)
    await eventually(lambda: _threads() == 2, "those without a topic have ended")
    await one.group_send(groups[0], {"type": "x"})
    await one.group_send(groups[-1], {"type": "x", "group": groups[-1]})
    assert (await receive(other, there))["group"] == groups[-1]
    await nothing_comes(other, there)
    await other.group_add(groups[0], there)
    await one.group_send(groups[0], {"type": "x", "group": groups[0]})
    assert (await receive(other, there))["group"] == groups[0]


async def test_another_process(redis_server: Any, launch: Any) -> None:
    program = """
        import asyncio, sys
        from distributary.django import ChannelLayer

        async def main():
            layer = ChannelLayer(redis=sys.argv[1])
            channel = await layer.new_channel()
            await layer.group_add("chat", channel)
            await layer.group_send("lobby", {"type": "hello", "channel": channel})
            print((await layer.receive(channel))["text"], (await layer.receive(channel))["text"])
            await layer.close()

        asyncio.run(main())
    """
    layer = ChannelLayer(redis=redis_server.url)
    mine = await layer.new_channel()
    await layer.group_add("lobby", mine)
    child = launch(sys.executable, "-c", textwrap.dedent(program), redis_server.url)
    hello = await receive(layer, mine)
    await layer.send(hello["channel"], {"type": "x", "text": "to you"})
    await layer.group_send("chat", {"type": "x", "text": "to all"})
    assert (await anyio.to_thread.run_sync(child.wait), child.output()) == (0, "to you to all\n")
    await layer.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ChannelLayer(redis="127.0.0.1"),
        lambda: ChannelLayer(redis=5),
        lambda: ChannelLayer(redis={"url": "redis://a", "colour": "red"}),
        lambda: ChannelLayer(redis={"url": "redis://a", "sharded": True}),
        lambda: ChannelLayer(redis="redis://a", hub=Hub()),
    ],
)
def test_wrong_options_are_told_at_the_start(make: Callable[[], ChannelLayer]) -> None:
    with pytest.raises(ImproperlyConfigured):
        make()

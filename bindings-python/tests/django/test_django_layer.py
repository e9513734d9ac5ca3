"""The layer by the channel layer specification, where the published suites do not look."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest
from channels.exceptions import ChannelFull, InvalidChannelLayerError
from channels.layers import BaseChannelLayer, channel_layers, get_channel_layer
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings

from distributary import Hub
from distributary.django import ChannelLayer, ForeignChannel, MessageError

HUB = Hub()
NOT_A_HUB = object()


async def nothing_comes(layer: ChannelLayer, channel: str) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(layer.receive(channel), 0.02)


def test_channels_finds_it(layer: ChannelLayer) -> None:
    assert isinstance(layer, ChannelLayer)
    assert isinstance(layer, BaseChannelLayer)
    assert layer.extensions == ["groups", "flush"]
    assert str(layer) == "ChannelLayer(prefix='asgi')"


def test_its_options_come_from_the_settings() -> None:
    config = {"expiry": 5, "group_expiry": 50, "capacity": 7, "channel_capacity": {"jobs.*": 9}, "prefix": "mine"}
    with override_settings(
        CHANNEL_LAYERS={"default": {"BACKEND": "distributary.django.ChannelLayer", "CONFIG": config}}
    ):
        found = get_channel_layer()
        assert (found.expiry, found.group_expiry, found.capacity, found.prefix) == (5, 50, 7, "mine")
        assert found.get_capacity("jobs.mail") == 9
        with pytest.raises(InvalidChannelLayerError):
            channel_layers.make_test_backend("default")
    channel_layers.backends = {}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"expiry": 0}, "expiry is a number of seconds above 0"),
        ({"expiry": "60"}, "expiry"),
        ({"expiry": float("nan")}, "expiry"),
        ({"group_expiry": -1}, "group_expiry"),
        ({"capacity": 0}, "capacity is a whole number of messages"),
        ({"capacity": 1.5}, "capacity"),
        ({"capacity": True}, "capacity"),
        ({"channel_capacity": {"a": "b"}}, r"channel_capacity\['a'\]"),
        ({"channel_capacity": {3: 4}}, "globs or compiled"),
        ({"channel_capacity": [("a", 3)]}, "is a dict"),
        ({"prefix": None}, "prefix is a str"),
        ({"hub": 3}, "hub is a distributary.Hub or the dotted path"),
        ({"hub": "nowhere.to.be.found"}, "cannot be imported"),
        ({"hub": f"{__name__}.NOT_A_HUB"}, "no distributary.Hub|cannot be imported"),
        ({"hosts": ["redis://localhost"]}, "no option hosts"),
    ],
)
def test_wrong_options_are_told_at_start(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=complaint):
        ChannelLayer(**options)


def test_capacities_by_glob_and_by_expression() -> None:
    layer = ChannelLayer(channel_capacity={"http.request": 200, "http.*": 10, re.compile(r"^web\w+\.send!.+"): 20})
    assert layer.get_capacity("http.request") == 200
    assert layer.get_capacity("http.response") == 10
    assert layer.get_capacity("websocket.send!abc") == 20
    assert layer.get_capacity("other") == 100


async def test_send_tells_of_a_full_channel_and_a_group_does_not(caplog: pytest.LogCaptureFixture) -> None:
    layer = ChannelLayer(capacity=2)
    await layer.group_add("group", "channel")
    await layer.send("channel", {"type": "1"})
    with caplog.at_level(logging.INFO):
        await layer.group_send("group", {"type": "2"})
        await layer.group_send("group", {"type": "3"})
    assert "1 of 1 channels over capacity in group group" in caplog.text
    with pytest.raises(ChannelFull, match="channel"):
        await layer.send("channel", {"type": "4"})
    assert layer.stats().dropped == 2
    assert layer.channels == {"channel": 2}
    assert [(await layer.receive("channel"))["type"] for _ in range(2)] == ["1", "2"]


@pytest.mark.parametrize("name", ["", "a b", "é", "a" * 100, "a!b!c", "group\n", 3, None, b"bytes", ["list"]])
async def test_names_are_checked_everywhere(name: Any) -> None:
    layer = ChannelLayer()
    with pytest.raises(TypeError):
        await layer.send(name, {"type": "a"})
    with pytest.raises(TypeError):
        await layer.receive(name)
    for call in (layer.group_add, layer.group_discard):
        with pytest.raises(TypeError):
            await call("group", name)
        with pytest.raises(TypeError):
            await call(name, "channel")
    with pytest.raises(TypeError):
        await layer.group_send(name, {"type": "a"})


async def test_names_that_are_good() -> None:
    layer = ChannelLayer()
    for name in ("a" * 99, "A-b_c.9", "specific.x!y_-.Z", "ends!"):
        await layer.send(name, {"type": "a"})
        await layer.group_add("A-b_c.9", name)
    with pytest.raises(TypeError):
        await layer.group_add("group!local", "channel")
    with pytest.raises(TypeError):
        await layer.new_channel("a prefix that is no name")


async def test_messages_are_checked() -> None:
    layer = ChannelLayer()
    for send in (layer.send, layer.group_send):
        with pytest.raises(MessageError):
            await send("name", "text")  # type: ignore[arg-type]
        with pytest.raises(MessageError, match="__asgi_channel__"):
            await send("name", {"type": "a", "__asgi_channel__": "b"})
    assert layer.stats() == ChannelLayer().stats()


async def test_a_receiver_that_came_first_is_woken(layer: ChannelLayer) -> None:
    waits = asyncio.create_task(layer.receive("channel"))
    await asyncio.sleep(0)
    await layer.send("channel", {"type": "a"})
    assert await asyncio.wait_for(waits, 5) == {"type": "a"}
    assert layer.stats().channels == 0


async def test_local_channels_are_received_from_where_they_were_made(layer: ChannelLayer) -> None:
    names = {await layer.new_channel() for _ in range(1000)}
    assert len(names) == 1000
    assert all(name.startswith(f"specific.{layer.client_prefix}!") for name in names)
    with pytest.raises(ForeignChannel, match="another process or layer"):
        await layer.receive(await ChannelLayer().new_channel())


async def test_several_receivers_share_a_channel_in_order(layer: ChannelLayer) -> None:
    got: dict[int, list[int]] = {n: [] for n in range(4)}

    async def receiver(n: int) -> None:
        while True:
            got[n].append((await layer.receive("jobs"))["n"])

    tasks = []
    for n in range(4):
        tasks.append(asyncio.create_task(receiver(n)))
        await asyncio.sleep(0)
    for n in range(40):
        await layer.send("jobs", {"type": "job", "n": n})
        for _ in range(4):  # until it has been received, and its receiver waits again
            await asyncio.sleep(0)
    assert all(part == list(range(n, 40, 4)) for n, part in got.items())  # each in its turn
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert layer.stats().channels == 0


async def test_a_cancelled_receive_takes_nothing(layer: ChannelLayer) -> None:
    for turns in range(6):  # cancelled at whatever moment between being called and going on
        first = asyncio.create_task(layer.receive("channel"))
        second = asyncio.create_task(layer.receive("channel"))
        await asyncio.sleep(0)
        await layer.send("channel", {"type": "a", "turn": turns})
        for _ in range(turns):
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        if first.cancelled():
            assert (await asyncio.wait_for(second, 5))["turn"] == turns
        else:
            assert first.result()["turn"] == turns
            second.cancel()
            await asyncio.wait({second})
    assert layer.stats().channels == 0


async def test_a_receive_that_timed_out_takes_nothing(layer: ChannelLayer) -> None:
    for n in range(20):
        try:
            await asyncio.wait_for(layer.receive("channel"), 0.001)
        except asyncio.TimeoutError:
            pass
        await layer.send("channel", {"type": "a", "n": n})
        assert (await layer.receive("channel"))["n"] == n


async def test_messages_expire() -> None:
    layer = ChannelLayer(expiry=0.05)
    await layer.group_add("group", "member")
    await layer.send("channel", {"type": "a"})
    await layer.group_send("group", {"type": "b"})
    await asyncio.sleep(0.06)
    await nothing_comes(layer, "channel")
    await nothing_comes(layer, "member")
    assert layer.stats().expired == 2
    assert layer.channels == {}
    assert layer.groups == {"group": ("member",)}


async def test_membership_expires() -> None:
    layer = ChannelLayer(group_expiry=0.05)
    await layer.group_add("group", "member")
    await asyncio.sleep(0.06)
    await layer.group_send("group", {"type": "a"})
    await nothing_comes(layer, "member")
    assert layer.groups == {}


async def test_leaving_a_group_keeps_what_was_sent(layer: ChannelLayer) -> None:
    await layer.group_add("group", "member")
    await layer.group_add("group", "member")
    await layer.group_send("group", {"type": "a"})
    await layer.group_discard("group", "member")
    await layer.group_discard("group", "member")
    await layer.group_send("group", {"type": "b"})
    assert (await layer.receive("member"))["type"] == "a"
    await nothing_comes(layer, "member")


async def test_flush_makes_it_like_new_and_close_leaves_it_usable(layer: ChannelLayer) -> None:
    await layer.send("channel", {"type": "a"})
    await layer.group_add("group", "member")
    hub = layer.hub
    await layer.flush()
    assert (layer.channels, layer.groups) == ({}, {})
    await layer.close()
    assert layer.hub is not hub
    await layer.send("channel", {"type": "b"})
    assert (await layer.receive("channel"))["type"] == "b"
    await layer.close()


async def test_layers_on_one_hub_share_their_channels() -> None:
    hub = Hub()
    one, two, apart = ChannelLayer(hub=hub), ChannelLayer(hub=hub), ChannelLayer(hub=hub, prefix="apart")
    assert one.hub is two.hub is hub
    await one.group_add("group", "channel")
    await two.group_send("group", {"type": "a"})
    await apart.group_send("group", {"type": "b"})
    assert (await two.receive("channel"))["type"] == "a"
    await nothing_comes(one, "channel")
    with pytest.raises(ImproperlyConfigured, match="same hub and the prefix 'asgi'"):
        ChannelLayer(hub=hub, capacity=3)
    await one.close()
    hub.publish("still.open", {})


async def test_a_group_of_a_thousand(layer: ChannelLayer) -> None:
    got = 0

    async def member() -> None:
        nonlocal got
        channel = await layer.new_channel()
        await layer.group_add("group", channel)
        for n in range(20):
            assert await layer.receive(channel) == {"type": "a", "n": n}
            got += 1

    tasks = [asyncio.create_task(member()) for _ in range(1000)]
    await asyncio.sleep(0.01)
    for n in range(20):
        await layer.group_send("group", {"type": "a", "n": n})
        await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*tasks), 30)
    assert got == 20_000
    assert layer.stats().dropped == layer.stats().expired == 0

"""Channels of several processes, which a Redis server joins: ours, and Litestar's own plugin on our backend."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from litestar.channels import ChannelsPlugin as LitestarsPlugin
from litestar.exceptions import ImproperlyConfiguredException

from distributary import Hub, OptionError, Redis
from distributary.litestar import ChannelsBackend, ChannelsPlugin


@pytest.mark.parametrize("kinds", [(ChannelsPlugin, LitestarsPlugin), (LitestarsPlugin, ChannelsPlugin)])
async def test_what_one_publishes_the_other_hears(redis_server: Any, kinds: tuple[Any, Any]) -> None:
    backends = ChannelsBackend(redis=redis_server.url), ChannelsBackend(Hub(redis=Redis(redis_server.url)))
    one, other = (
        kind(backend=backend, arbitrary_channels_allowed=True) for kind, backend in zip(kinds, backends, strict=True)
    )
    async with one, other:
        here, there = await one.subscribe(["a", "b"]), await other.subscribe("a")
        one.publish("1", "a")
        for subscriber in (here, there):
            events = subscriber.iter_events()
            assert await asyncio.wait_for(anext(events), 20) == b"1"
        other.publish("2", "b")
        assert await asyncio.wait_for(anext(here.iter_events()), 20) == b"2"
        await other.unsubscribe(there)
        await one.wait_published("3", "a") if isinstance(one, ChannelsPlugin) else one.publish("3", "a")
        assert await asyncio.wait_for(anext(here.iter_events()), 20) == b"3"
    for backend in backends:
        backend.hub.close()


async def test_processes_that_a_cluster_joins(redis_cluster: Any) -> None:
    backends = [ChannelsBackend(redis=Redis(redis_cluster.urls, cluster=True)) for _ in range(2)]
    one, other = (ChannelsPlugin(backend=backend, arbitrary_channels_allowed=True) for backend in backends)
    async with one, other:
        there = await other.subscribe(["a", "b"])
        await backends[1].hub.joined()
        for channel in ("a", "b"):
            await one.wait_published(channel, channel)
            assert await asyncio.wait_for(anext(there.iter_events()), 20) == channel.encode()
    for backend in backends:
        backend.hub.close()


def test_a_hub_and_a_server_are_not_both_given() -> None:
    with pytest.raises(ImproperlyConfiguredException):
        ChannelsBackend(Hub(), redis="redis://127.0.0.1")
    with pytest.raises(OptionError):
        ChannelsBackend(redis="127.0.0.1")

"""Channel layers of Django Channels, each with its defaults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from load.redis_server import redis_server

__all__ = ["OpenLayer", "core", "futures", "memory", "ours", "pubsub"]

#: A layer has no type of its own that others share.
OpenLayer = Callable[[], AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def ours() -> AsyncIterator[Any]:
    from distributary.django import ChannelLayer

    layer = ChannelLayer()
    yield layer
    await layer.close()


@asynccontextmanager
async def futures() -> AsyncIterator[Any]:
    """No layer, but the floor below all: each receive sleeps on a future, which each group_send wakes."""
    yield Futures()


class Futures:
    def __init__(self) -> None:
        self._sleeping: list[asyncio.Future[Any]] = []

    async def new_channel(self) -> str:
        return ""

    async def group_add(self, group: str, channel: str) -> None:
        pass

    async def receive(self, channel: str) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._sleeping.append(future)
        return await future

    async def group_send(self, group: str, message: Any) -> None:
        woken, self._sleeping = self._sleeping, []
        for future in woken:
            future.set_result(message)


@asynccontextmanager
async def memory() -> AsyncIterator[Any]:
    from channels.layers import InMemoryChannelLayer

    yield InMemoryChannelLayer()


@asynccontextmanager
async def pubsub() -> AsyncIterator[Any]:
    from channels_redis.pubsub import RedisPubSubChannelLayer

    with redis_server() as url:
        layer = RedisPubSubChannelLayer(hosts=[url])
        yield layer
        await layer.flush()


@asynccontextmanager
async def core() -> AsyncIterator[Any]:
    from channels_redis.core import RedisChannelLayer

    with redis_server() as url:
        layer = RedisChannelLayer(hosts=[url])
        yield layer
        await layer.close_pools()

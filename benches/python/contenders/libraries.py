"""Libraries that fan out between the tasks of a process: broadcaster, Litestar's channels, Django Channels over Redis.

Their readers get all that is published to their channel, and look whether they want it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from contenders.world import Wants, World
from load.events import TOPIC, Message
from load.redis_server import redis_server
from load.tally import Tally

__all__ = ["broadcaster", "channels_redis_pubsub", "litestar"]


@asynccontextmanager
async def broadcaster(wants: Wants) -> AsyncIterator[World]:
    """Its memory backend, which hands over any object."""
    from broadcaster import Broadcast

    async with Broadcast("memory://") as broadcast, AsyncExitStack() as entered:

        async def subscribe(number: int) -> Any:
            return await entered.enter_async_context(broadcast.subscribe(channel=TOPIC))

        async def read(number: int, subscriber: Any, tally: Tally) -> None:
            async for event in subscriber:
                message = event.message
                if wants is Wants.ALL or message.fields["id"] == number:
                    tally.take(message.data)

        async def publish(message: Any) -> None:
            await broadcast.publish(TOPIC, message)

        yield World(subscribe, read, publish)


@asynccontextmanager
async def litestar(wants: Wants) -> AsyncIterator[World]:
    """Its memory backend. It carries bytes; the id is their first member, so a look at it costs next to nothing."""
    from litestar.channels import ChannelsPlugin, Subscriber
    from litestar.channels.backends.memory import MemoryChannelsBackend

    async with ChannelsPlugin(MemoryChannelsBackend(), channels=[TOPIC]) as plugin:

        async def subscribe(number: int) -> Subscriber:
            return await plugin.subscribe(TOPIC)

        async def read(number: int, subscriber: Subscriber, tally: Tally) -> None:
            begins = b'{"id":%d,' % number
            async for data in subscriber.iter_events():
                if wants is Wants.ALL or data.startswith(begins):
                    tally.take(data)

        async def publish(message: Message) -> None:
            plugin.publish(message.data, TOPIC)

        yield World(subscribe, read, publish)


@asynccontextmanager
async def channels_redis_pubsub(wants: Wants) -> AsyncIterator[World]:
    """A group, of which each reader's channel is a member."""
    from channels_redis.pubsub import RedisPubSubChannelLayer

    with redis_server() as url:
        layer = RedisPubSubChannelLayer(hosts=[url])

        async def subscribe(number: int) -> str:
            channel: str = await layer.new_channel()
            await layer.group_add(TOPIC, channel)
            return channel

        async def read(number: int, channel: str, tally: Tally) -> None:
            while True:
                message = await layer.receive(channel)
                if wants is Wants.ALL or message["id"] == number:
                    tally.take(message["data"])

        async def publish(message: Message) -> None:
            await layer.group_send(TOPIC, {"type": "order", "id": message.fields["id"], "data": message.data})

        yield World(subscribe, read, publish)
        await layer.flush()

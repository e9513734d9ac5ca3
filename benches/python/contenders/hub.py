"""Ours: `hub.subscribe`, read one by one and in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from contenders.world import Open, Wants, World
from distributary import Hub, Subscription
from load.events import TOPIC, Message
from load.tally import Tally

__all__ = ["batches", "limited", "objects", "singles"]

#: Events that a reader takes at a time at most.
BATCH = 500


def singles(wants: Wants) -> AbstractAsyncContextManager[World]:
    """JSON is published as it is, and taken as it is."""
    return _singles(Hub(), wants)


def limited(**limits: Any) -> Open:
    """The same on a hub with limits."""
    return lambda wants: _singles(Hub(**limits), wants)


@asynccontextmanager
async def _singles(hub: Hub, wants: Wants) -> AsyncIterator[World]:
    async def read(number: int, sub: Subscription[Any], tally: Tally) -> None:
        async for event in sub:
            tally.take(event.data)

    async def publish(message: Message) -> None:
        hub.publish(TOPIC, message.data)

    with hub:
        yield World(_subscribe(hub, wants), read, publish)


@asynccontextmanager
async def objects(wants: Wants) -> AsyncIterator[World]:
    """An object is published, and whoever takes it wants an object."""
    with Hub() as hub:

        async def read(number: int, sub: Subscription[Any], tally: Tally) -> None:
            async for event in sub:
                event.json()
                tally.take(event.data)

        async def publish(message: Message) -> None:
            hub.publish(TOPIC, message.fields)

        yield World(_subscribe(hub, wants), read, publish)


@asynccontextmanager
async def batches(wants: Wants) -> AsyncIterator[World]:
    """As many as there are, at a time."""
    with Hub() as hub:

        async def read(number: int, sub: Subscription[Any], tally: Tally) -> None:
            while True:
                tally.take_batch(await sub.get_many(BATCH))

        async def publish(message: Message) -> None:
            hub.publish(TOPIC, message.data)

        yield World(_subscribe(hub, wants), read, publish)


def _subscribe(hub: Hub, wants: Wants) -> Any:
    async def subscribe(number: int) -> Subscription[Any]:
        where = {"id": [number]} if wants is Wants.OWN else None
        return hub.subscribe(TOPIC, where=where)

    return subscribe

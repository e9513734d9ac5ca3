"""Ours: `hub.subscribe`, read one by one and in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

from contenders.world import Wants, World
from distributary import Hub, Subscription
from load.events import TOPIC, Message
from load.tally import Tally

__all__ = ["batches", "objects", "singles"]

#: Events that a reader takes at a time at most.
BATCH = 500


def subscribe(hub: Hub, wants: Wants, number: int) -> Subscription[Any]:
    where = {"id": [number]} if wants is Wants.OWN else None
    return hub.subscribe(TOPIC, where=where)


@asynccontextmanager
async def singles(wants: Wants) -> AsyncIterator[World]:
    """JSON is published as it is, and taken as it is."""
    with closing(Hub()) as hub:

        async def read(number: int, tally: Tally) -> None:
            with subscribe(hub, wants, number) as sub:
                tally.ready()
                async for event in sub:
                    tally.take(event.data)

        async def publish(message: Message) -> None:
            hub.publish(TOPIC, message.data)

        yield World(read, publish)


@asynccontextmanager
async def objects(wants: Wants) -> AsyncIterator[World]:
    """An object is published, and whoever takes it wants an object."""
    with closing(Hub()) as hub:

        async def read(number: int, tally: Tally) -> None:
            with subscribe(hub, wants, number) as sub:
                tally.ready()
                async for event in sub:
                    event.json()
                    tally.take(event.data)

        async def publish(message: Message) -> None:
            hub.publish(TOPIC, message.fields)

        yield World(read, publish)


@asynccontextmanager
async def batches(wants: Wants) -> AsyncIterator[World]:
    """As many as there are, at a time."""
    with closing(Hub()) as hub:

        async def read(number: int, tally: Tally) -> None:
            with subscribe(hub, wants, number) as sub:
                tally.ready()
                while True:
                    tally.take_batch(await sub.get_many(BATCH))

        async def publish(message: Message) -> None:
            hub.publish(TOPIC, message.data)

        yield World(read, publish)

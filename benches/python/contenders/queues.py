"""What most people write: an asyncio.Queue for each reader; and the floor below all of them, bare futures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from contenders.world import Wants, World
from load.events import Message
from load.tally import Tally

__all__ = ["at_consumer", "at_publisher", "drained", "futures"]


@asynccontextmanager
async def at_publisher(wants: Wants) -> AsyncIterator[World]:
    """Each reader leaves a predicate, and whoever publishes asks them all."""
    readers: list[tuple[Callable[[dict[str, Any]], object], asyncio.Queue[bytes]]] = []

    async def subscribe(number: int) -> asyncio.Queue[bytes]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        readers.append((lambda fields: fields["id"] == number, queue))
        return queue

    async def publish(message: Message) -> None:
        fields, data = message.fields, message.data
        for admits, queue in readers:
            if admits(fields):
                queue.put_nowait(data)

    async def publish_to_all(message: Message) -> None:
        data = message.data
        for _, queue in readers:
            queue.put_nowait(data)

    yield World(subscribe, _read_all, publish if wants is Wants.OWN else publish_to_all)


@asynccontextmanager
async def at_consumer(wants: Wants) -> AsyncIterator[World]:
    """All get it, and look whether they want it."""
    queues: list[asyncio.Queue[Message]] = []

    async def subscribe(number: int) -> asyncio.Queue[Message]:
        queue: asyncio.Queue[Message] = asyncio.Queue()
        queues.append(queue)
        return queue

    async def read(number: int, queue: asyncio.Queue[Message], tally: Tally) -> None:
        while True:
            message = await queue.get()
            if wants is Wants.ALL or message.fields["id"] == number:
                tally.take(message.data)

    async def publish(message: Message) -> None:
        for queue in queues:
            queue.put_nowait(message)

    yield World(subscribe, read, publish)


@asynccontextmanager
async def drained(wants: Wants) -> AsyncIterator[World]:
    """To all, who take what is there at a time, as far as a queue lets them."""

    async def read(number: int, queue: asyncio.Queue[bytes], tally: Tally) -> None:
        while True:
            batch = [await queue.get()]
            while not queue.empty():
                batch.append(queue.get_nowait())
            tally.take_batch(batch)

    async with at_publisher(Wants.ALL) as world:
        yield World(world.subscribe, read, world.publish)


@asynccontextmanager
async def futures(wants: Wants) -> AsyncIterator[World]:
    """To all, each of whom sleeps on a future: no queue, so an event must be over before the next one comes."""
    loop = asyncio.get_running_loop()
    sleeping: list[asyncio.Future[bytes]] = []

    async def subscribe(number: int) -> None:
        pass

    async def read(number: int, subscription: None, tally: Tally) -> None:
        while True:
            future = loop.create_future()
            sleeping.append(future)
            tally.take(await future)

    async def publish(message: Message) -> None:
        woken = sleeping[:]
        sleeping.clear()
        for future in woken:
            future.set_result(message.data)

    yield World(subscribe, read, publish)


async def _read_all(number: int, queue: asyncio.Queue[bytes], tally: Tally) -> None:
    while True:
        tally.take(await queue.get())

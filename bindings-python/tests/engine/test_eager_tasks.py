"""Tasks that run at once, before the call that makes them returns (Python 3.12 and later)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from distributary import Closed, Event, Hub, Subscription

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="this interpreter has no eager tasks")


@pytest.fixture
async def eager() -> None:
    """Makes all tasks of the test's loop eager."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 (older versions have no such name)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


async def test_what_is_there_is_read_before_the_task_is_made(eager: None, hub: Hub) -> None:
    with hub.subscribe("a") as sub:
        hub.publish("a", b"1")
        task = asyncio.ensure_future(sub.get())
        assert task.done()
        assert (await task).data == b"1"


async def test_a_reader_sleeps_and_is_woken(eager: None, hub: Hub, eventually: Any) -> None:
    async def read(sub: Subscription[Event], into: list[bytes]) -> None:
        while True:
            into.append((await anext(sub)).data)

    async def read_many(sub: Subscription[Event], into: list[bytes]) -> None:
        while True:
            into += [event.data for event in await sub.get_many(10)]

    for reader in (read, read_many):
        found: list[list[bytes]] = [[] for _ in range(300)]
        subs = [hub.subscribe("a") for _ in found]
        tasks = [asyncio.ensure_future(reader(*pair)) for pair in zip(subs, found, strict=True)]
        for number in range(20):
            hub.publish("a", b"%d" % number)
            if number % 3 == 0:
                await asyncio.sleep(0)
        await eventually(lambda found=found: all(len(one) == 20 for one in found), "all have read all")
        assert all(one == [b"%d" % number for number in range(20)] for one in found)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sub in subs:
            sub.close()


async def test_a_read_that_times_out_takes_nothing(eager: None, hub: Hub) -> None:
    with hub.subscribe("a") as sub:
        for number in range(50):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(sub.get(), 0.001)
            hub.publish("a", b"%d" % number)
            assert (await asyncio.wait_for(sub.get(), 20)).data == b"%d" % number


async def test_publishing_readers_make_further_readers(eager: None, hub: Hub) -> None:
    """Each reads one event, publishes the next and makes the task that reads it, inside of its own step."""
    subs = [hub.subscribe(f"{number}") for number in range(100)]
    done = asyncio.get_running_loop().create_future()

    async def step(number: int) -> None:
        await subs[number].get()
        if number + 1 == len(subs):
            done.set_result(None)
            return
        hub.publish(f"{number + 1}", b"")
        await asyncio.ensure_future(step(number + 1))

    first = asyncio.ensure_future(step(0))
    assert not first.done()
    hub.publish("0", b"")
    await asyncio.wait_for(done, 20)
    await first


async def test_the_end_wakes_them(eager: None, hub: Hub) -> None:
    sub = hub.subscribe("a")
    task = asyncio.ensure_future(sub.get())
    hub.close()
    with pytest.raises(Closed):
        await asyncio.wait_for(task, 20)

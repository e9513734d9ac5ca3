"""Reads that are cancelled or timed out anywhere: no event is lost, none comes twice."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from distributary import Closed, Event, Hub, Subscription

pytestmark = pytest.mark.every_loop

EVENTS = 3000


async def read(sub: Subscription[Event], way: int, got: list[int], dice: random.Random) -> None:
    """Reads a few events in some way."""
    match way:
        case 0:
            got.append(int((await sub.get()).text))
        case 1:
            # What is read is noted at once: to lose it later would be the reader's own fault.
            async for event in sub:
                got.append(int(event.text))  # noqa: PERF401
        case 2:
            for event in await sub.get_many(dice.randrange(1, 50)):
                got.append(int(event.text))  # noqa: PERF401
        case 3:
            for event in await sub.get_many(dice.randrange(1, 50), linger=dice.random() / 100):
                got.append(int(event.text))  # noqa: PERF401
        case _:
            event = sub.get_nowait()
            if event is not None:
                got.append(int(event.text))


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_lost_by_cancelled_reads(seed: int) -> None:
    dice = random.Random(seed)
    got: list[int] = []
    with Hub(capacity=2 * EVENTS, slice=0.0005) as hub, hub.subscribe("t") as sub:

        async def publish() -> None:
            for number in range(EVENTS):
                hub.publish("t", str(number))
                if dice.random() < 0.1:
                    await anyio.sleep(dice.choice([0, 0, 0.0005]))

        with anyio.fail_after(50):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(publish)
                while len(got) < EVENTS:
                    with anyio.move_on_after(dice.choice([0, 0, 0.0001, 0.001])):
                        await read(sub, dice.randrange(5), got, dice)
                    if dice.random() < 0.3:
                        await anyio.lowlevel.checkpoint()
        assert got == list(range(EVENTS))
        assert (sub.missed, sub.lag) == (0, 0)


async def test_tasks_that_are_cancelled_between_their_wake_up_and_their_turn(anyio_backend: Any) -> None:
    if anyio_backend == "trio":
        pytest.skip("trio cancels no task that it has scheduled")
    dice = random.Random(7)
    got: list[int] = []
    with Hub() as hub, hub.subscribe("t") as sub:
        for number in range(300):
            task = asyncio.ensure_future(read(sub, dice.randrange(4), got, dice))
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            hub.publish("t", str(number))
            for _ in range(dice.randrange(5)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is None
        got += [int(event.text) for event in sub.get_many_nowait(1000)]
        assert got == list(range(300))


async def test_a_read_that_times_out_again_and_again() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        for number in range(20):
            with anyio.move_on_after(0.001) as scope:
                await sub.get()
            assert scope.cancelled_caught
            with anyio.move_on_after(0.001) as scope:
                await sub.get_many(5, linger=1)
            assert scope.cancelled_caught
            hub.publish("t", str(number))
            with anyio.move_on_after(0.001) as scope:
                await sub.get_many(5, linger=1)
            assert scope.cancelled_caught
            assert (await sub.get()).text == str(number)


async def test_a_cancelled_reader_leaves_its_place() -> None:
    with Hub() as hub, hub.subscribe("t") as sub:
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sub.get)
                await anyio.sleep(0.001)
                tasks.cancel_scope.cancel()
        hub.publish("t", "x")
        assert (await sub.get()).text == "x"


async def test_many_readers_are_cancelled_while_events_come() -> None:
    readers = 50
    counts = [0] * readers
    with Hub() as hub:
        subs = [hub.subscribe("t") for _ in range(readers)]

        async def follow(index: int) -> None:
            dice = random.Random(index)
            while True:
                with anyio.move_on_after(dice.random() / 20):
                    async for _ in subs[index]:
                        counts[index] += 1
                if subs[index].closed:
                    return

        with anyio.fail_after(50):
            async with anyio.create_task_group() as tasks:
                for index in range(readers):
                    tasks.start_soon(follow, index)
                for _ in range(100):
                    hub.publish("t", b"x")
                    await anyio.sleep(0.001)
                hub.close()
        assert counts == [100] * readers
        for sub in subs:
            with pytest.raises(Closed):
                sub.get_nowait()

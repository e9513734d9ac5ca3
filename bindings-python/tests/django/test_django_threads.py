"""Any loop, any thread, and the processes that are forked."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from distributary.django import ChannelLayer


def in_threads(count: int, work: Callable[[int], Any]) -> None:
    """Runs it in so many threads at once; what goes wrong in one goes wrong here."""
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(10)
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def test_a_loop_for_each_call(layer: ChannelLayer) -> None:
    channel = async_to_sync(layer.new_channel)()
    async_to_sync(layer.group_add)("group", channel)
    for n in range(50):
        async_to_sync(layer.group_send)("group", {"type": "a", "n": n})
        assert async_to_sync(layer.receive)(channel)["n"] == n
    async_to_sync(layer.flush)()


def test_eight_threads_send_to_receivers_in_four_loops(layer: ChannelLayer) -> None:
    layer.capacity = 10_000
    ready = threading.Semaphore(0)
    channels = [async_to_sync(layer.new_channel)() for _ in range(40)]
    for channel in channels:
        async_to_sync(layer.group_add)("group", channel)

    async def receive_all(channel: str) -> list[tuple[int, int]]:
        ready.release()
        return [(message["thread"], message["n"]) for message in [await layer.receive(channel) for _ in range(800)]]

    async def receive_ten(number: int) -> None:
        for got in await asyncio.gather(*(receive_all(channel) for channel in channels[number::4])):
            assert len(set(got)) == 800
            for thread in range(8):  # each sender's in the order in which it sent them
                assert [n for sender, n in got if sender == thread] == list(range(100))

    def work(number: int) -> None:
        if number >= 8:
            asyncio.run(receive_ten(number - 8))
            return
        for _ in range(5):
            ready.acquire(timeout=10)
        send = async_to_sync(layer.group_send)
        for n in range(100):
            send("group", {"type": "a", "thread": number, "n": n})

    in_threads(12, work)
    assert layer.stats().messages == layer.stats().dropped == 0


def test_eight_threads_share_one_channel(layer: ChannelLayer) -> None:
    layer.capacity = 10_000
    got: list[list[int]] = [[] for _ in range(4)]

    async def receive(into: list[int]) -> None:
        while (n := (await layer.receive("jobs"))["n"]) >= 0:
            into.append(n)

    def work(number: int) -> None:
        if number >= 4:
            asyncio.run(receive(got[number - 4]))
            return
        send = async_to_sync(layer.send)
        for n in range(500):
            send("jobs", {"type": "job", "n": number * 500 + n})
        while layer.channels:
            time.sleep(0.001)
        send("jobs", {"type": "stop", "n": -1})

    in_threads(8, work)
    assert sorted(n for part in got for n in part) == list(range(2000))
    for part in got:
        for sender in range(4):
            mine = [n for n in part if n // 500 == sender]
            assert mine == sorted(mine)


def test_receivers_in_a_loop_that_was_closed_stand_in_nobodys_way(layer: ChannelLayer) -> None:
    loop = asyncio.new_event_loop()
    lost = loop.create_task(layer.receive("channel"))
    lost._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.run_until_complete(asyncio.sleep(0))
    with closing(asyncio.new_event_loop()) as other:
        waits = other.create_task(layer.receive("channel"))
        other.run_until_complete(asyncio.sleep(0))
        loop.close()
        async_to_sync(layer.send)("channel", {"type": "a"})
        assert other.run_until_complete(asyncio.wait_for(waits, 5)) == {"type": "a"}
    lost.get_coro().close()
    assert layer.stats().channels == 0


def test_a_loop_that_stands_still_keeps_no_message(layer: ChannelLayer) -> None:
    with closing(asyncio.new_event_loop()) as loop:
        waits = loop.create_task(layer.receive("channel"))
        loop.run_until_complete(asyncio.sleep(0))
        async_to_sync(layer.send)("channel", {"type": "a"})
        assert async_to_sync(layer.receive)("channel") == {"type": "a"}
        async_to_sync(layer.send)("channel", {"type": "b"})
        assert loop.run_until_complete(asyncio.wait_for(waits, 5)) == {"type": "b"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_starts_with_an_empty_layer(layer: ChannelLayer) -> None:
    async_to_sync(layer.group_add)("group", "parents")
    async_to_sync(layer.send)("parents", {"type": "a"})
    name = layer.client_prefix
    # In the parent the lock is held while the child is made, as a busy thread might hold it.
    with layer._exchange._lock:
        child = os.fork()
        if child == 0:
            try:
                async_to_sync(works_alone)(layer, name)
            except BaseException:
                os._exit(1)
            os._exit(0)
    end = time.monotonic() + 20
    while (status := os.waitpid(child, os.WNOHANG))[0] == 0:
        assert time.monotonic() < end, "the child hangs"
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(status[1]) == 0
    assert async_to_sync(layer.receive)("parents") == {"type": "a"}


async def works_alone(layer: ChannelLayer, parents: str) -> None:
    assert layer.groups == {}
    assert layer.channels == {}
    assert layer.client_prefix != parents
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    waits = asyncio.create_task(layer.receive(channel))
    await asyncio.sleep(0)
    await layer.group_send("group", {"type": "b"})
    assert await asyncio.wait_for(waits, 5) == {"type": "b"}


async def test_memory_is_flat(layer: ChannelLayer) -> None:
    async def visit(number: int) -> None:
        channel = await layer.new_channel()
        await layer.group_add("lobby", channel)
        await layer.group_add(f"own.{number}", channel)
        await layer.group_send("lobby", {"type": "a", "text": "x" * 1000})
        assert (await layer.receive(channel))["type"] == "a"
        await layer.group_discard("lobby", channel)
        await layer.group_discard(f"own.{number}", channel)

    async def visits(count: int) -> int:
        for number in range(count):
            await visit(number)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = await visits(500)
        after = await visits(10_000)
    finally:
        tracemalloc.stop()
    assert after - before < 50_000
    assert layer.stats() == ChannelLayer().stats()

"""Thousands of clients: the event loop has no part in what they get."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path
from typing import Any

import anyio

from distributary import Hub
from distributary.gateway import Accept, Request

CROWD = Path(__file__).with_name("crowd.py")


async def test_a_broadcast_to_a_thousand_does_not_stall_the_loop(serving: Any, launch: Any, eventually: Any) -> None:
    hub = Hub()

    async def authorize(request: Request) -> Accept[None]:
        return Accept(["all", f"of.{request.query['of']}"])

    async with serving(hub, authorize) as clients:
        crowd = launch(sys.executable, CROWD, str(clients.gateway.address[1]), "1000", "/?of=crowd")
        await anyio.to_thread.run_sync(crowd.wait_for, "ready")
        longest = 0.0
        ticks = 0

        async def tick() -> None:
            nonlocal longest, ticks
            before = time.perf_counter()
            while True:
                await asyncio.sleep(0.001)
                now = time.perf_counter()
                longest = max(longest, now - before)
                ticks += 1
                before = now

        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            await anyio.sleep(0.05)
            longest, ticks = 0.0, 0
            began, used = time.perf_counter(), time.thread_time()
            for number in range(20):
                assert hub.publish("all", str(number)).subscriptions == 1000
            published = time.thread_time() - used
            await eventually(lambda: "all 20" in crowd.output(), "everybody has everything")
            took, used = time.perf_counter() - began, time.thread_time() - used
            group.cancel_scope.cancel()
        stats = clients.gateway.stats()
    assert (stats.opened, stats.open, stats.closed_writes) == (1000, 1000, 0)
    # 20,000 deliveries. To publish costs the loop microseconds; the rest of what it used is the ticking.
    assert published < 0.1
    assert used < published + 0.002 * ticks + 0.05
    # All that can hold it up is another process that has the processor.
    assert longest < 0.25, f"the loop stood still for {longest:.3f} s of {took:.3f} s"


async def test_publishing_from_threads(serving: Any, launch: Any) -> None:
    hub = Hub()
    async with serving(hub, lambda request: Accept("all", capacity=10_000)) as clients:
        crowd = launch(sys.executable, CROWD, str(clients.gateway.address[1]), "50", "/")
        await anyio.to_thread.run_sync(crowd.wait_for, "ready")

        def publish() -> None:
            for number in range(100):
                hub.publish("all", str(number))

        threads = [threading.Thread(target=publish) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
        await anyio.to_thread.run_sync(crowd.wait_for, "all 800")


async def test_a_busy_loop_holds_up_nobody_who_is_in(serving: Any, launch: Any) -> None:
    hub = Hub()

    async def authorize(request: Request) -> Accept[None]:
        return Accept("all")

    async with serving(hub, authorize) as clients:
        crowd = launch(sys.executable, CROWD, str(clients.gateway.address[1]), "100", "/")
        await anyio.to_thread.run_sync(crowd.wait_for, "ready")
        hub.publish("all", "1")
        # Nothing else runs on the loop until all have it.
        crowd.wait_for("all 1")

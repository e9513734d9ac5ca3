"""What a delivery to a client costs its server, and how long its loop is blocked: one event at a time, to all."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from dataclasses import dataclass

import uvloop

from contenders.service import OpenService, Service
from harness import cores
from harness.rows import Contender, Figures
from harness.samples import Unit
from load.clients import MARK
from load.fleet import Fleet, fleet
from load.heartbeat import Heartbeat

__all__ = ["BLOCK", "CPU", "FIGURES", "LAST", "WHERE", "Load", "contender"]

CPU = "processor time per delivery"
LAST = "until the last client has it, per delivery"
BLOCK = "longest block of the loop"
FIGURES = {CPU: Unit.NANOS, LAST: Unit.NANOS, BLOCK: Unit.NANOS}

#: Said of all such rows.
WHERE = f"clients in another process{', on another core' if cores.TWO else ''}"

#: About 1 KB of JSON.
TEXT = json.dumps({"id": 17, "mark": MARK.decode(), "note": "x" * 960})


@dataclass(frozen=True)
class Load:
    clients: int
    #: Events whose cost is taken; and as many during which blocks are looked for.
    events: int
    #: Seconds between two looks for a block, where not each turn of the loop is one.
    every: float = 0.0


def contender(name: str, open: OpenService, request: str, rounds: int | None = None) -> Contender:
    def run(load: Load) -> Figures:
        cores.keep_on(cores.SERVER)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_measure(open, request, load))

    return Contender(name, run, rounds)


async def _measure(open: OpenService, request: str, load: Load) -> Figures:
    async with open() as service, fleet(service.port, load.clients, request.format(path=service.path)) as clients:
        # What a server does after the head of its answer.
        await asyncio.sleep(0.1)
        await _publish(service, clients, load)
        gc.collect()
        costs, times = [], []
        for _ in range(load.events):
            cost, took = await _publish(service, clients, load)
            costs.append(cost)
            times.append(took)
        with Heartbeat(load.every) as heartbeat:
            for _ in range(load.events):
                await _publish(service, clients, load)
    deliveries = load.events * load.clients
    return {CPU: sum(costs) / deliveries, LAST: sum(times) / deliveries, BLOCK: heartbeat.longest}


async def _publish(service: Service, clients: Fleet, load: Load) -> tuple[int, int]:
    """The processor time of one event and how long it took until the last client had it."""
    await clients.expect(load.clients)
    before, began = time.process_time_ns(), time.monotonic_ns()
    await service.publish(TEXT)
    received = await clients.received()
    return time.process_time_ns() - before, received - began

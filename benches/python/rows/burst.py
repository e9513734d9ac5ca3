"""The job that batch reads are for: many events at once, and all readers want all of them."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass

from contenders import hub, libraries, queues
from contenders.world import Open, Wants, World
from harness.report import Line, at_most, times_less
from harness.rows import Contender, Figures, Of, Row
from harness.samples import Unit
from load.events import Message, messages, order
from load.heartbeat import Heartbeat
from load.tally import Count, Tally
from rows.publishing import BLOCK, SLICE, TURN

BATCHES = "distributary, `get_many`"
SINGLES = "distributary, `async for`"
QUEUES = "asyncio.Queue each"
DRAINED = "asyncio.Queue each, drained with `get_nowait`"
BROADCASTER = "broadcaster"

CPU = "processor time per delivery"

#: What is beyond a slice, where it shows: a sleeping task holds four or five objects that the collector takes for
#: young. They are freed as fast as they are made, so its count stays low while 40,000 of them gather.
TWICE = (
    "twice the slice of 2 ms; now and then Python's garbage collector walks what all sleeping tasks hold, in one go of "
    "about 10 ms"
)


@dataclass(frozen=True)
class Load:
    readers: int
    #: Of one burst.
    events: int


async def measure(open: Open, load: Load) -> Figures:
    async with open(Wants.ALL) as world:
        tally = Count()
        readers = [tally.start(world.run(number, tally)) for number in range(load.readers)]
        await tally.until_ready(load.readers)
        events = messages(order(load.events, load.readers))
        await burst(world, tally, load, events[:2])
        gc.collect()
        before = time.process_time_ns()
        await burst(world, tally, load, events)
        cost = time.process_time_ns() - before
        with Heartbeat() as heartbeat:
            await burst(world, tally, load, events)
        tally.check()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    return {
        CPU: cost / (load.events * load.readers),
        BLOCK: heartbeat.longest,
        TURN: heartbeat.longest_cpu,
    }


async def burst(world: World, tally: Tally, load: Load, events: list[Message]) -> None:
    arrived = tally.expect(len(events) * load.readers)
    for message in events:
        await world.publish(message)
    await arrived


def contender(name: str, open: Open, rounds: int | None = None) -> Contender:
    return Contender(name, lambda load: asyncio.run(measure(open, load)), rounds)


def lines(of: Of) -> Sequence[Line]:
    batches, singles = of(BATCHES, CPU), of(SINGLES, CPU)
    return [
        Line(f"{CPU}, in batches", batches, of(QUEUES, CPU), times_less(6), note="readers at one place share a batch"),
        Line(f"{CPU}, in batches", batches, of(DRAINED, CPU)),
        Line(f"{CPU}, in batches", batches, of(BROADCASTER, CPU)),
        Line(f"{CPU}, one by one", singles, of(QUEUES, CPU)),
        Line(f"{BLOCK}, in batches", of(BATCHES, BLOCK), target=at_most(2 * SLICE), note=TWICE),
        Line(f"{BLOCK}, one by one", of(SINGLES, BLOCK), target=at_most(2 * SLICE), note=TWICE),
        *(Line(f"{BLOCK}, in batches", of(BATCHES, BLOCK), of(peer, BLOCK)) for peer in (QUEUES, DRAINED, BROADCASTER)),
        Line(f"{TURN}, in batches", of(BATCHES, TURN)),
        Line(f"{TURN}, one by one", of(SINGLES, TURN)),
    ]


ROW = Row(
    name="burst",
    question=(
        "100 events of 1 KB of JSON published at once to 10,000 readers without a filter: what a delivery costs, "
        "publishing included, and how long the loop is blocked at most, by publishing or by the readers."
    ),
    rounds=3,
    figures={CPU: Unit.NANOS, BLOCK: Unit.NANOS, TURN: Unit.NANOS},
    contenders=[
        contender(BATCHES, hub.batches),
        contender(SINGLES, hub.singles),
        contender(QUEUES, queues.at_publisher),
        contender(DRAINED, queues.drained),
        contender(BROADCASTER, libraries.broadcaster, rounds=2),
    ],
    lines=lines,
    load=Load(readers=10_000, events=100),
    tiny=Load(readers=20, events=10),
)

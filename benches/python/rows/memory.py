"""What a subscription takes while nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from contenders import hub, libraries, queues
from contenders.world import Open, Wants
from harness.report import Line, at_most
from harness.rows import Contender, Figures, Of, Row
from harness.samples import Unit
from load.resident import resident
from load.tally import Tally, settle

OURS = "distributary, filter for an id"
PLAIN = "distributary, no filter"
QUEUES = "asyncio.Queue each"
BROADCASTER = "broadcaster"
LITESTAR = "Litestar's ChannelsPlugin"
FUTURES = "bare futures"

ALONE = "a subscription"
READ = "a subscription and a task that sleeps in it"

#: Bytes.
MOST = 1_300


@dataclass(frozen=True)
class Load:
    readers: int
    #: Before them, who allocate what all share.
    first: int


async def measure(open: Open, wants: Wants, load: Load) -> Figures:
    async with open(wants) as world:
        tally = Tally()
        tasks = [tally.start(world.run(-1 - number, tally)) for number in range(load.first)]
        await tally.until_ready(load.first)
        before = resident()
        kept = [await world.subscribe(number) for number in range(load.readers)]
        alone = resident()
        tasks += [tally.start(world.read(number, sub, tally)) for number, sub in enumerate(kept)]
        await settle()
        read = resident()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return {ALONE: (alone - before) / load.readers, READ: (read - before) / load.readers}


def contender(name: str, open: Open, wants: Wants = Wants.ALL) -> Contender:
    return Contender(name, lambda load: asyncio.run(measure(open, wants, load)))


def lines(of: Of) -> Sequence[Line]:
    ours, plain = of(OURS, ALONE), of(PLAIN, ALONE)
    peers = (QUEUES, BROADCASTER, LITESTAR)
    return [
        Line(f"{ALONE}, filter for an id", ours, target=at_most(MOST)),
        Line(f"{ALONE}, no filter", plain, target=at_most(MOST)),
        *(Line(f"{ALONE}, no filter", plain, of(peer, ALONE)) for peer in peers),
        Line(f"{READ}, filter for an id", of(OURS, READ)),
        *(Line(f"{READ}, no filter", of(PLAIN, READ), of(peer, READ)) for peer in (*peers, FUTURES)),
    ]


ROW = Row(
    name="memory",
    question=(
        "10,000 subscriptions of one topic while nothing is published: what one takes of the resident set, and with a "
        "task that waits for its events."
    ),
    rounds=3,
    figures={ALONE: Unit.BYTES, READ: Unit.BYTES},
    contenders=[
        contender(OURS, hub.singles, Wants.OWN),
        contender(PLAIN, hub.singles),
        contender(QUEUES, queues.at_publisher),
        contender(BROADCASTER, libraries.broadcaster),
        contender(LITESTAR, libraries.litestar),
        contender(FUTURES, queues.futures),
    ],
    lines=lines,
    load=Load(readers=10_000, first=500),
    tiny=Load(readers=50, first=5),
)

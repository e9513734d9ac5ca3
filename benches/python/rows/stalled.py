"""What readers cost that do not read: the memory that events take while nobody comes for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from contenders import hub, libraries, queues
from contenders.world import Open, Wants
from harness.report import Line, at_most
from harness.rows import Contender, Figures, Of, Row
from harness.samples import Unit
from load.events import Message
from load.resident import resident

OURS = "distributary, defaults"
LIMITED = "distributary, `memory` of 8 MiB"
QUEUES = "asyncio.Queue each"
BROADCASTER = "broadcaster"
LITESTAR = "Litestar's ChannelsPlugin"

FEW = "memory after 10,000 events"
MANY = "memory after 100,000 events"

KB = 1_000
MEMORY = 8 * 2**20

#: What the defaults let a reader hold back, events of 1 KB; all hold back the same ones. As much again is the
#: allocator's.
HELD_BACK = 2 * 1_024 * KB


@dataclass(frozen=True)
class Load:
    readers: int
    few: int
    many: int


async def measure(open: Open, load: Load) -> Figures:
    async with open(Wants.ALL) as world:
        stalled = [await world.subscribe(number) for number in range(load.readers)]

        async def publish(serials: range) -> None:
            for serial in serials:
                await world.publish(Message(b"%d:" % serial + b"x" * KB, {}))
                # Those that hand over in a task of their own get to it.
                if serial % 10 == 0:
                    await asyncio.sleep(0)

        await publish(range(10))
        before = resident()
        await publish(range(10, load.few))
        few = resident()
        await publish(range(load.few, load.many))
        many = resident()
        del stalled
    return {FEW: few - before, MANY: many - before}


def contender(name: str, open: Open) -> Contender:
    return Contender(name, lambda load: asyncio.run(measure(open, load)))


def lines(of: Of) -> Sequence[Line]:
    def beside(figure: str) -> list[Line]:
        ours, limited = of(OURS, figure), of(LIMITED, figure)
        return [
            Line(
                f"{figure}, defaults", ours, target=at_most(HELD_BACK), note="1,024 events of 1 KB for each, twice over"
            ),
            Line(
                f"{figure}, `memory` of 8 MiB",
                limited,
                target=at_most(1.1 * MEMORY),
                note="with a tenth for what the allocator does not give back",
            ),
            *(Line(f"{figure}, defaults", ours, of(peer, figure)) for peer in (QUEUES, BROADCASTER, LITESTAR)),
        ]

    return [*beside(FEW), *beside(MANY)]


ROW = Row(
    name="stalled",
    question=(
        "100 readers that do not read while events of 1 KB are published: by how much the resident set grows. Nobody "
        "but a hub tells a reader afterwards what it missed."
    ),
    rounds=2,
    figures={FEW: Unit.BYTES, MANY: Unit.BYTES},
    contenders=[
        contender(OURS, hub.singles),
        contender(LIMITED, hub.limited(memory=MEMORY, capacity=1_000_000)),
        contender(QUEUES, queues.at_publisher),
        contender(BROADCASTER, libraries.broadcaster),
        contender(LITESTAR, libraries.litestar),
    ],
    lines=lines,
    load=Load(readers=100, few=10_000, many=100_000),
    tiny=Load(readers=5, few=20, many=100),
)

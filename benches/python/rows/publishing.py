"""What a publish costs until all who want the event have it: one event at a time, in process."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable
from dataclasses import dataclass

from contenders.world import Open, Wants, World
from harness.rows import Figures
from harness.samples import Unit
from load.events import Message, messages, order
from load.heartbeat import Heartbeat
from load.tally import Tally, settle

__all__ = ["BLOCK", "CPU", "FIGURES", "SLICE", "TURN", "Load", "measured"]

CPU = "processor time per publish"
BLOCK = "longest block of the loop"
TURN = "processor time of its longest turn"
#: That a hub gives its readers of a loop by default, in nanoseconds.
SLICE = 2_000_000

FIGURES = {CPU: Unit.NANOS, BLOCK: Unit.NANOS, TURN: Unit.NANOS}


@dataclass(frozen=True)
class Load:
    """How many there are, and for how long."""

    readers: int
    #: Events whose cost is taken.
    events: int
    #: Events during which blocks are looked for.
    watched: int
    #: The loop turns before all that.
    warm: int

    def slower(self, times: int) -> Load:
        """The same for one whose events take so many times longer."""
        return Load(
            self.readers,
            max(1, self.events // times),
            max(1, self.watched // times),
            max(1, self.warm // times),
        )


def measured(open: Open, wants: Wants, load: Load) -> Figures:
    """The figures of one contender."""
    return asyncio.run(_measure(open, wants, load))


async def _measure(open: Open, wants: Wants, load: Load) -> Figures:
    async with open(wants) as world:
        tally = Tally()
        readers = [tally.start(world.run(number, tally)) for number in range(load.readers)]
        await tally.until_ready(load.readers)
        takers = 1 if wants is Wants.OWN else load.readers
        events = messages(order(load.warm + load.events + load.watched, load.readers))
        warm, costed, watched = events[: load.warm], events[load.warm :][: load.events], events[-load.watched :]

        await _publish(world, tally, warm, takers)
        gc.collect()
        before = time.process_time_ns()
        await _publish(world, tally, costed, takers)
        cost = time.process_time_ns() - before
        with Heartbeat() as heartbeat:
            await _publish(world, tally, watched, takers)
        tally.check()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    return {CPU: cost / len(costed), BLOCK: heartbeat.longest, TURN: heartbeat.longest_cpu}


async def _publish(world: World, tally: Tally, events: Iterable[Message], takers: int) -> None:
    for message in events:
        arrived = tally.expect(takers, message.data)
        await world.publish(message)
        await arrived
    await settle()

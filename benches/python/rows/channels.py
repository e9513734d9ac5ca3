"""Django Channels: groups of channels, and consumers that are members of one."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from contenders import channel_layers, consumers
from contenders.channel_layers import OpenLayer
from contenders.consumers import GROUP
from harness.report import Line, ratio_at_most, times_less
from harness.rows import Contender, Figures, Of, Row
from harness.samples import Unit
from load.tally import Tally, settle

OURS = "distributary.django.ChannelLayer"
PUBSUB = "channels_redis pub/sub, without Redis' own time"
CORE = "channels_redis core, without Redis' own time"
MEMORY = "InMemoryChannelLayer"
FUTURES = "bare futures"

MIXIN = "FanoutMixin"
THEIRS = "Channels' consumer on the same layer"
THEIRS_PUBSUB = "Channels' consumer on channels_redis pub/sub"
THEIRS_MEMORY = "Channels' consumer on InMemoryChannelLayer"

CPU = "processor time per group_send"
CPU_BURST = f"{CPU}, in a burst of 50"
DELIVERY = "processor time per delivery"

#: Messages; a layer holds 100 for a channel.
BURST = 50

#: What a chat's message is.
TEXT = "x" * 1_000


@dataclass(frozen=True)
class Load:
    members: int
    #: Messages whose cost is taken, after a few that warm up.
    messages: int
    bursts: int

    def slower(self, times: int) -> Load:
        """The same for a layer whose messages take so many times longer."""
        return Load(self.members, max(1, self.messages // times), max(1, self.bursts // times))


async def measure(open: OpenLayer, join: Any, load: Load) -> tuple[float, float]:
    """Nanoseconds for a message to the group until all its members have it: sent singly, and in bursts."""
    async with open() as layer:
        tally = Tally()
        async with join(layer, tally, load):
            for _ in range(3):
                await send(layer, tally, load.members, 1)
            gc.collect()
            before = time.process_time_ns()
            for _ in range(load.messages):
                await send(layer, tally, load.members, 1)
            await settle()
            between = time.process_time_ns()
            for _ in range(load.bursts):
                await send(layer, tally, load.members, BURST)
            await settle()
            after = time.process_time_ns()
            tally.check()
    return (between - before) / load.messages, (after - between) / max(1, load.bursts * BURST)


async def send(layer: Any, tally: Tally, members: int, messages: int) -> None:
    arrived = tally.expect(members * messages, TEXT)
    for _ in range(messages):
        await layer.group_send(GROUP, {"type": "chat.message", "text": TEXT})
    await arrived


@asynccontextmanager
async def receivers(layer: Any, tally: Tally, load: Load) -> AsyncIterator[None]:
    """Tasks that receive."""

    async def receive(channel: str) -> None:
        while True:
            tally.take((await layer.receive(channel))["text"])

    tasks = []
    for _ in range(load.members):
        channel = await layer.new_channel()
        await layer.group_add(GROUP, channel)
        tasks.append(tally.start(receive(channel)))
    await settle()
    yield
    await ended(tasks)


def connected(room: Callable[[], Any]) -> Any:
    """Connections to consumers."""

    @asynccontextmanager
    async def join(layer: Any, tally: Tally, load: Load) -> AsyncIterator[None]:
        kind = room()
        tasks = [consumers.connect(kind, layer, tally) for _ in range(load.members)]
        await tally.until_ready(load.members)
        # With Redis it takes a while until all are members, and nothing says when.
        await asyncio.sleep(0.5)
        yield
        await ended(tasks)

    return join


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def group(name: str, open: OpenLayer, slower: int = 1, rounds: int | None = None, bursts: bool = True) -> Contender:
    def run(load: Load) -> Figures:
        load = load.slower(slower) if bursts else replace(load, bursts=0)
        single, burst = asyncio.run(measure(open, receivers, load))
        return {CPU: single, CPU_BURST: burst} if bursts else {CPU: single}

    return Contender(name, run, rounds)


def consumer(
    name: str, room: Callable[[], Any], open: OpenLayer, slower: int = 1, rounds: int | None = None
) -> Contender:
    def run(load: Load) -> Figures:
        single, _ = asyncio.run(measure(open, connected(room), replace(load.slower(slower), bursts=0)))
        return {DELIVERY: single / load.members}

    return Contender(name, run, rounds)


def group_lines(of: Of) -> Sequence[Line]:
    ours, burst = of(OURS, CPU), of(OURS, CPU_BURST)
    return [
        Line(CPU, ours, of(PUBSUB, CPU), times_less(7), if_missed="a task is woken for each member: see the floor"),
        Line(CPU, ours, of(CORE, CPU)),
        Line(CPU, ours, of(MEMORY, CPU), note="each receive looks at all channels"),
        Line(CPU, ours, of(FUTURES, CPU), note="the floor: what it costs to wake the tasks"),
        Line(CPU_BURST, burst, of(PUBSUB, CPU_BURST), times_less(7), if_missed="8.6 and 4.9 times less in two runs"),
        Line(CPU_BURST, burst, of(CORE, CPU_BURST)),
        Line(CPU_BURST, burst, of(MEMORY, CPU_BURST)),
    ]


def consumer_lines(of: Of) -> Sequence[Line]:
    ours = of(MIXIN, DELIVERY)
    return [
        Line(DELIVERY, ours, of(THEIRS, DELIVERY), ratio_at_most(1 / 3)),
        Line(DELIVERY, ours, of(THEIRS_PUBSUB, DELIVERY), ratio_at_most(1 / 3)),
        Line(DELIVERY, ours, of(THEIRS_MEMORY, DELIVERY), ratio_at_most(1 / 3)),
    ]


GROUPS = Row(
    name="groups",
    question=(
        "`group_send` of a message with 1 KB of text to a group of 1,000 channels, each with a task that receives: "
        "what one costs until all have it, sent one after the other and 50 at once."
    ),
    rounds=3,
    figures={CPU: Unit.NANOS, CPU_BURST: Unit.NANOS},
    contenders=[
        group(OURS, channel_layers.ours),
        group(PUBSUB, channel_layers.pubsub),
        group(CORE, channel_layers.core, slower=5, rounds=2),
        group(MEMORY, channel_layers.memory, slower=10, rounds=1),
        group(FUTURES, channel_layers.futures, bursts=False),
    ],
    lines=group_lines,
    load=Load(members=1_000, messages=50, bursts=2),
    tiny=Load(members=5, messages=3, bursts=1),
)

CONSUMERS = Row(
    name="consumers",
    question=(
        "The same to 1,000 WebSocket consumers, each of which sends the text to its client: what one delivery costs, "
        "without the server's part."
    ),
    rounds=3,
    figures={DELIVERY: Unit.NANOS},
    contenders=[
        consumer(MIXIN, consumers.with_mixin, channel_layers.ours),
        consumer(THEIRS, consumers.theirs, channel_layers.ours, slower=10),
        consumer(THEIRS_PUBSUB, consumers.theirs, channel_layers.pubsub, slower=10),
        consumer(THEIRS_MEMORY, consumers.theirs, channel_layers.memory, slower=20),
    ],
    lines=consumer_lines,
    load=Load(members=1_000, messages=50, bursts=2),
    tiny=Load(members=5, messages=3, bursts=1),
)

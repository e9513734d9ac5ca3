"""The job that filters are for: one event, ten thousand readers, one of whom wants it."""

from __future__ import annotations

from collections.abc import Sequence

from contenders import hub, libraries, queues
from contenders.world import Open, Wants
from harness.report import Line, at_most, times_less
from harness.rows import Contender, Figures, Of, Row
from rows.publishing import BLOCK, CPU, FIGURES, TURN, Load, measured

OURS = "distributary, `async for`"
OBJECTS = "distributary, objects in and out"
PUBLISHER = "asyncio.Queue each, filtered at the publisher"
CONSUMER = "asyncio.Queue each, filtered at the consumer"
BROADCASTER = "broadcaster"
LITESTAR = "Litestar's ChannelsPlugin"
REDIS = "channels_redis pub/sub, without Redis' own time"

#: The slow ones pay for ten thousand readers each time.
SLOW = 200


def contender(name: str, open: Open, slower: int = 1, rounds: int | None = None) -> Contender:
    def run(load: Load) -> Figures:
        return measured(open, Wants.OWN, load.slower(slower))

    return Contender(name, run, rounds)


def lines(of: Of) -> Sequence[Line]:
    ours, objects = of(OURS, CPU), of(OBJECTS, CPU)
    parsed = "each reader looks at a parsed object"
    peers = (PUBLISHER, CONSUMER, BROADCASTER, LITESTAR, REDIS)
    return [
        Line(CPU, ours, of(BROADCASTER, CPU), times_less(2_000), note=parsed),
        Line(CPU, ours, of(LITESTAR, CPU), times_less(2_000)),
        Line(
            CPU,
            ours,
            of(PUBLISHER, CPU),
            times_less(30),
            note="a closure each, asked about a parsed object",
            if_missed="a closure each, asked about a parsed object; 36 and 29 times less in two runs",
        ),
        Line(CPU, ours, of(CONSUMER, CPU), note=parsed),
        Line(CPU, ours, of(REDIS, CPU)),
        Line(f"{CPU}, objects", objects, of(PUBLISHER, CPU), note="encoded once, parsed by the reader"),
        Line(BLOCK, of(OURS, BLOCK), target=at_most(2e6)),
        Line(TURN, of(OURS, TURN)),
        *(Line(BLOCK, of(OURS, BLOCK), of(peer, BLOCK)) for peer in peers),
    ]


ROW = Row(
    name="one",
    question=(
        "10,000 readers of one topic, each asking for its own id, and events of 1 KB of JSON, published one after the "
        "other: what one costs until the reader that it is for has it, and how long the loop is blocked at most."
    ),
    rounds=3,
    figures=FIGURES,
    contenders=[
        contender(OURS, hub.singles),
        contender(OBJECTS, hub.objects),
        contender(PUBLISHER, queues.at_publisher, slower=10),
        contender(CONSUMER, queues.at_consumer, SLOW),
        contender(BROADCASTER, libraries.broadcaster, SLOW),
        contender(LITESTAR, libraries.litestar, SLOW),
        contender(REDIS, libraries.channels_redis_pubsub, SLOW, rounds=2),
    ],
    lines=lines,
    load=Load(readers=10_000, events=2_000, watched=1_000, warm=600),
    tiny=Load(readers=20, events=5, watched=5, warm=2),
)

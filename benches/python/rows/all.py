"""The job that batches and slices are for: one event, ten thousand readers, all of whom want it."""

from __future__ import annotations

from collections.abc import Sequence

from contenders import hub, libraries, queues
from contenders.world import Open, Wants
from harness.report import Line, at_most, times_less
from harness.rows import Contender, Figures, Of, Row
from rows.publishing import BLOCK, CPU, FIGURES, SLICE, TURN, Load, measured

OURS = "distributary, `async for`"
FUTURES = "bare futures"
QUEUES = "asyncio.Queue each"
BROADCASTER = "broadcaster"
LITESTAR = "Litestar's ChannelsPlugin"
REDIS = "channels_redis pub/sub, without Redis' own time"


def contender(name: str, open: Open, slower: int = 1, rounds: int | None = None) -> Contender:
    def run(load: Load) -> Figures:
        return measured(open, Wants.ALL, load.slower(slower))

    return Contender(name, run, rounds)


def lines(of: Of) -> Sequence[Line]:
    ours, block = of(OURS, CPU), of(OURS, BLOCK)
    peers = (QUEUES, BROADCASTER, LITESTAR, REDIS, FUTURES)
    return [
        Line(CPU, ours, of(QUEUES, CPU), times_less(1.6)),
        Line(CPU, ours, of(BROADCASTER, CPU), times_less(4)),
        Line(CPU, ours, of(LITESTAR, CPU)),
        Line(CPU, ours, of(REDIS, CPU)),
        Line(CPU, ours, of(FUTURES, CPU), note="the floor: what it costs to wake a task"),
        Line(BLOCK, block, target=at_most(2 * SLICE), note="twice the slice of 2 ms"),
        *(Line(BLOCK, block, of(peer, BLOCK)) for peer in peers),
        Line(TURN, of(OURS, TURN)),
    ]


ROW = Row(
    name="all",
    question=(
        "10,000 readers of one topic without a filter, and events of 1 KB of JSON, published one after the other: what "
        "one costs until all have it, and how long the loop is blocked at most."
    ),
    rounds=5,
    figures=FIGURES,
    contenders=[
        contender(OURS, hub.singles),
        contender(QUEUES, queues.at_publisher),
        contender(BROADCASTER, libraries.broadcaster, slower=4, rounds=3),
        contender(LITESTAR, libraries.litestar, slower=4, rounds=3),
        contender(REDIS, libraries.channels_redis_pubsub, slower=8, rounds=2),
        contender(FUTURES, queues.futures),
    ],
    lines=lines,
    load=Load(readers=10_000, events=24, watched=16, warm=8),
    tiny=Load(readers=20, events=3, watched=3, warm=1),
)

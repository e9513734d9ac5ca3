"""Server-Sent Events under uvicorn."""

from __future__ import annotations

from collections.abc import Sequence

from contenders import event_streams
from harness.report import Line, ratio_at_most
from harness.rows import Of, Row
from load.clients import EVENTS
from rows.serving import BLOCK, CPU, FIGURES, LAST, WHERE, Load, contender

OURS = "distributary, `sse`"
BARE = "bare ASGI, prebuilt bytes from a queue"
STREAMING = "StreamingResponse, prebuilt bytes from a queue"
SSE_STARLETTE = "sse-starlette + broadcaster"


def lines(of: Of) -> Sequence[Line]:
    def beside(figure: str) -> list[Line]:
        return [Line(figure, of(OURS, figure), of(peer, figure)) for peer in (BARE, STREAMING, SSE_STARLETTE)]

    ours = of(OURS, CPU)
    return [
        Line(CPU, ours, of(BARE, CPU), ratio_at_most(1.1), note="the floor"),
        Line(CPU, ours, of(STREAMING, CPU)),
        Line(CPU, ours, of(SSE_STARLETTE, CPU), ratio_at_most(0.5)),
        *beside(LAST),
        *beside(BLOCK),
    ]


ROW = Row(
    name="sse",
    question=(
        f"Events of 1 KB of JSON to 1,000 clients of Server-Sent Events under uvicorn with uvloop and httptools, "
        f"{WHERE}: the server's processor time for each delivery, and how long its loop is blocked at most."
    ),
    rounds=5,
    figures=FIGURES,
    contenders=[
        contender(OURS, event_streams.ours, EVENTS),
        contender(BARE, event_streams.bare, EVENTS),
        contender(STREAMING, event_streams.streaming, EVENTS),
        contender(SSE_STARLETTE, event_streams.sse_starlette, EVENTS, rounds=3),
    ],
    lines=lines,
    load=Load(clients=1_000, events=20),
    tiny=Load(clients=5, events=2),
)

"""WebSockets under uvicorn."""

from __future__ import annotations

from collections.abc import Sequence

from contenders import sockets
from harness.report import Line, ratio_at_most
from harness.rows import Of, Row
from load.clients import WEBSOCKET
from rows.serving import BLOCK, CPU, FIGURES, LAST, WHERE, Load, contender

OURS = "distributary, `pump`"
BARE = "bare ASGI, text from a queue"
MANAGER = "FastAPI's tutorial manager"
BROADCAST = "`websockets.broadcast`, in its own server"


def lines(of: Of) -> Sequence[Line]:
    def beside(figure: str) -> list[Line]:
        return [Line(figure, of(OURS, figure), of(peer, figure)) for peer in (BARE, MANAGER, BROADCAST)]

    ours = of(OURS, CPU)
    return [
        Line(CPU, ours, of(BARE, CPU), ratio_at_most(1.1), note="the floor"),
        Line(CPU, ours, of(MANAGER, CPU)),
        Line(CPU, ours, of(BROADCAST, CPU)),
        *beside(LAST),
        *beside(BLOCK),
    ]


ROW = Row(
    name="websocket",
    question=(
        f"Events of 1 KB of JSON to 1,000 WebSockets under uvicorn with uvloop, {WHERE}: the server's processor time "
        "for each delivery, and how long its loop is blocked at most."
    ),
    rounds=5,
    figures=FIGURES,
    contenders=[
        contender(OURS, sockets.ours, WEBSOCKET),
        contender(BARE, sockets.bare, WEBSOCKET),
        contender(MANAGER, sockets.manager, WEBSOCKET),
        contender(BROADCAST, sockets.websockets_broadcast, WEBSOCKET),
    ],
    lines=lines,
    load=Load(clients=1_000, events=20),
    tiny=Load(clients=5, events=2),
)

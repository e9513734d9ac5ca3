"""Five thousand WebSockets, with and without Python in the way of a delivery."""

from __future__ import annotations

from collections.abc import Sequence

from contenders import gateway, sockets
from harness.report import Line, at_most, times_less
from harness.rows import Of, Row
from load.clients import WEBSOCKET
from rows.serving import BLOCK, CPU, FIGURES, LAST, WHERE, Load, contender

OURS = "distributary's gateway"
QUEUES = "FastAPI, a queue each"
MANAGER = "FastAPI's tutorial manager"
BROADCAST = "`websockets.broadcast`, in its own server"
SEND = "bare `send` of a ready frame to each socket"

#: Nanoseconds by which a timer may be late that nothing holds up: uvloop's are exact to a millisecond, and the loop has
#: to be given its core.
NONE = 2_000_000

SYSTEM = "what is left is the system's own send, which all pay: see the floor"


def lines(of: Of) -> Sequence[Line]:
    def beside(figure: str) -> list[Line]:
        return [Line(figure, of(OURS, figure), of(peer, figure)) for peer in (QUEUES, MANAGER, BROADCAST)]

    ours = of(OURS, CPU)
    return [
        Line(
            CPU,
            ours,
            of(QUEUES, CPU),
            times_less(4),
            note="no client holds up the others, as with ours",
            if_missed=SYSTEM,
        ),
        Line(CPU, ours, of(MANAGER, CPU), times_less(4), if_missed=SYSTEM),
        Line(CPU, ours, of(BROADCAST, CPU)),
        Line(CPU, ours, of(SEND, CPU), note="the floor: what the system takes for it"),
        *beside(LAST),
        Line(BLOCK, of(OURS, BLOCK), target=at_most(NONE), note="none: as late as a timer may be"),
        *beside(BLOCK),
    ]


ROW = Row(
    name="gateway",
    question=(
        f"Events of 1 KB of JSON to 5,000 WebSockets of the gateway and of uvicorn with uvloop, {WHERE}: the processor "
        "time for each delivery of the server and all its threads, and how late a timer of its loop is at most."
        ""
    ),
    rounds=3,
    figures=FIGURES,
    contenders=[
        contender(OURS, gateway.gateway, WEBSOCKET),
        contender(QUEUES, sockets.queues, WEBSOCKET, rounds=2),
        contender(MANAGER, sockets.manager, WEBSOCKET, rounds=2),
        contender(BROADCAST, sockets.websockets_broadcast, WEBSOCKET, rounds=2),
        contender(SEND, sockets.bare_send, WEBSOCKET, rounds=2),
    ],
    lines=lines,
    load=Load(clients=5_000, events=6, every=0.001),
    tiny=Load(clients=5, events=2),
)

"""Events to a WebSocket, until its client goes.

The task that calls :func:`pump` sends; whatever holds it up, holds up this client alone. What the client says goes to a
callback, in the order in which it is said.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, cast

from starlette.websockets import WebSocketDisconnect, WebSocketState

from ..errors import Closed
from ..names import Names
from ..options import seconds
from ..subscription import Subscription
from .begin import From, begin
from .delivery import Delivery
from .frames import Frames, shared
from .layers import of_socket
from .lost import OnLost, checked, told

if TYPE_CHECKING:
    from starlette.types import Receive, Send
    from starlette.websockets import WebSocket

    from .._native import Event
    from ..filter import Variables, Where
    from ..hub import Hub
    from ..options import Overflow

__all__ = ["Ended", "pump"]

#: Why a pump has ended.
#:
#: `disconnected`: the client went, or the server ended. `timeout`: it took nothing in time. `slow_consumer`: it did not
#: keep up, and `overflow="disconnect"`. `lost`: it missed events, and `on_lost="close"`, or
#: events of it were lost on their way from other machines, and `overflow="disconnect"`. `hub_closed`; `unsubscribed`:
#: the application closed the subscription; `forked` and `failed`: see :class:`Closed`.
Ended = Literal["disconnected", "timeout", "slow_consumer", "lost", "hub_closed", "unsubscribed", "forked", "failed"]

#: What a socket is closed with. These are the gateway's codes and words.
_GOODBYES: dict[str, tuple[int, str]] = {
    "slow_consumer": (1013, "too slow"),
    "lost": (1013, "events were missed"),
    "hub_closed": (1001, "going away"),
    "forked": (1012, "service restart"),
    "failed": (1011, "internal error"),
}


async def pump(
    hub: Hub,
    websocket: WebSocket | tuple[Receive, Send],
    topics: Names | Subscription[Any],
    *,
    where: Where | None = None,
    variables: Variables | None = None,
    overflow: Overflow | None = None,
    capacity: int | None = None,
    capacity_bytes: int | None = None,
    max_age: float | None = None,
    from_: From = None,
    text: bool = True,
    encode: Callable[[Event], str | bytes] | None = None,
    receive: Callable[[str | bytes], Awaitable[object] | object] | None = None,
    send_timeout: float | None = 30.0,
    on_lost: OnLost = "tell",
) -> Ended:
    """Sends the events of these topics to an accepted WebSocket until it ends, and says why it did.

    `topics` to `max_age` are as in :meth:`Hub.subscribe`; `topics` may also be a subscription made before, whose topics
    change with what the client says::

        sub = hub.subscribe(Topic("lobby"))

        def hear(text: str) -> None:
            sub.add(Topic(text))

        await pump(hub, websocket, sub, receive=hear)

    `from_` is where the client stood: a position, one by topic, or the id of an event stream. If that cannot be resumed
    the client is told as if it had missed events, but nobody knows how many.

    A payload goes out as a text message if it is UTF-8, else as a binary one; as a binary one always with
    ``text=False``. `encode` makes the message instead, once per event for all sockets to which the same callable was
    given: a str is text, bytes are binary.

    `receive` is called with each message of the client's, and awaited if it returns an awaitable, before the next one
    is read. What it raises ends the pump and is raised here. Without it what the client says is read and thrown away.

    `send_timeout`: seconds that the client may take nothing of what waits for it until the connection is broken; exact
    to a fifth of a second. `on_lost` says what happens when the client did not keep up and events were dropped: "tell"
    sends ``{"type": "lagged", "missed": 12}``, "close" closes the socket, "ignore" goes on, and a callable gets the
    number (None: nobody knows) and returns the text to send, or None.

    The socket is closed with 1013 if the client did not keep up, with 1001 if the hub is closed; after `unsubscribed`
    it is left open. The subscription ends in any case. Cancelled, it stops at once and leaves the socket as it is. In
    place of a :class:`WebSocket`, the `(receive, send)` of a bare ASGI app will do.
    """
    checked(on_lost)
    if send_timeout is not None:
        seconds("send_timeout", send_timeout)
    options = {
        "where": where,
        "variables": variables,
        "overflow": overflow,
        "capacity": capacity,
        "capacity_bytes": capacity_bytes,
        "max_age": max_age,
    }
    if isinstance(websocket, tuple):
        incoming, send = websocket
        direct = send
    else:
        incoming, send, direct = websocket.receive, websocket.send, of_socket(websocket)
    begun = begin(hub, topics, from_, options)

    async def listen() -> None:
        try:
            while (message := await incoming())["type"] != "websocket.disconnect":
                if receive is not None and message["type"] == "websocket.receive":
                    said = message.get("text")
                    answer = receive(message["bytes"] if said is None else said)
                    if inspect.isawaitable(answer):
                        await answer
        except WebSocketDisconnect:
            # The client went while it was answered.
            return

    async def deliver() -> str:
        try:
            if begun.lost is not None:
                await delivery.sending(_tell(send, told(on_lost, None, begun.lost, type="lagged")))
            ended = await _deliver(delivery, begun.sub, direct, shared(_form, text, encode), on_lost)
            if delivery.ended is None and ended in _GOODBYES:
                code, words = _GOODBYES[ended]
                await delivery.sending(send({"type": "websocket.close", "code": code, "reason": words}))
        except (WebSocketDisconnect, OSError):
            # How Starlette and how servers say that the client has gone.
            if not isinstance(websocket, tuple):
                websocket.application_state = WebSocketState.DISCONNECTED
            return "disconnected"
        except RuntimeError:
            # Perhaps the application has closed it, while something was about to be sent.
            if isinstance(websocket, tuple) or websocket.application_state is not WebSocketState.DISCONNECTED:
                raise
            return "disconnected"
        return ended

    delivery: Delivery[str] = Delivery(begun.sub, incoming, send_timeout=send_timeout)
    ended = await delivery.run(deliver(), listen())
    return cast(Ended, delivery.ended or ended)


async def _deliver(
    delivery: Delivery[str], sub: Subscription[Any], send: Send, frames: Frames[str | bytes], on_lost: OnLost
) -> str:
    """Sends what comes, until the subscription ends. Why it did."""
    warden = delivery.warden
    sleep, take = sub._reader().sleep, sub._take
    known = frames.made.get
    try:
        while True:
            while (event := take()) is None:
                await sleep(sub)
            frame = known(event)
            if frame is None:
                if event.lost:
                    if on_lost == "close":
                        return "lost"
                    await delivery.sending(_tell(send, told(on_lost, event.lost, type="lagged")))
                frame = frames.make(event)
            delivery.at = warden.now
            delivery.busy = True
            await send({"type": "websocket.send", "text" if type(frame) is str else "bytes": frame})
            delivery.busy = False
            if not sub.lag:
                # To find nothing costs a turn of the loop if its slice is over.
                await sleep(sub)
    except Closed as end:
        return end.reason


async def _tell(send: Send, text: str | None) -> None:
    if text is not None:
        await send({"type": "websocket.send", "text": text})


def _form(text: bool, encode: Callable[[Event], str | bytes] | None) -> Callable[[Event], str | bytes]:
    if encode is not None:
        return encode
    return _as_text if text else _as_bytes


def _as_text(event: Event) -> str | bytes:
    try:
        return event.data.decode()
    except UnicodeDecodeError:
        return event.data


def _as_bytes(event: Event) -> str | bytes:
    return event.data

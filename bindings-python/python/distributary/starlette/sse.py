"""A response that is a stream of Server-Sent Events.

What stands in it, and what the client shows when it comes back, is as the gateway has it (`lines`, `marks`). Events
that wait together go out in one piece of some tens of kilobytes, so a burst costs few sends.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response

from ..errors import Closed, OptionError
from ..names import Names
from ..options import seconds, shown
from ..subscription import Subscription
from . import lines
from .begin import Begun, From, begin
from .delivery import Delivery
from .frames import Frames, shared
from .layers import beneath
from .lost import OnLost, checked, told
from .marks import Marks

if TYPE_CHECKING:
    from starlette.background import BackgroundTask
    from starlette.types import Receive, Scope, Send

    from .._native import Event
    from ..filter import Variables, Where
    from ..hub import Hub
    from ..options import Overflow

__all__ = ["EventStream", "sse"]

#: What HTTP takes for a header's name, and for its value: no line end, which would begin another header, or the body.
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\r\n\0\u0100-\U0010ffff]*")

#: Bytes from which a piece goes out: as much as uvicorn takes before it has one wait.
PIECE = 64 * 1024


class _Shown(enum.Enum):
    """Where the client stood, as it says itself."""

    BY_THE_CLIENT = "what the client shows"


BY_THE_CLIENT = _Shown.BY_THE_CLIENT


def sse(
    hub: Hub,
    request: HTTPConnection,
    topics: Names | Subscription[Any],
    *,
    where: Where | None = None,
    variables: Variables | None = None,
    overflow: Overflow | None = None,
    capacity: int | None = None,
    capacity_bytes: int | None = None,
    max_age: float | None = None,
    from_: From | _Shown = BY_THE_CLIENT,
    event: lines.Name = None,
    data: lines.Data = None,
    keep_alive: float | None = 15.0,
    retry: float | None = None,
    send_timeout: float | None = 30.0,
    headers: Mapping[str, str] | None = None,
    on_lost: OnLost = "tell",
) -> EventStream:
    """A stream of the events of these topics, to be returned from an endpoint.

    The client is subscribed when this returns; what is wrong with topics, filter or options is raised here, before the
    response has begun. The stream ends when the client goes, when the hub is closed, and when uvicorn shuts down.

    `topics` to `max_age` are as in :meth:`Hub.subscribe`; `topics` may also be a subscription made before, whose topics
    change while it is read.

    `from_` is where the client stood. Usually it says so itself, in `Last-Event-ID` or in `from` of the URL; else a
    position, one by topic, or None: from now on, whatever the client says. If that cannot be resumed the client is
    told, by a `lagged` event with ``{"missed": null, "reason": ...}``. Of topics under a pattern the client's id names
    those that it has seen, up to 64: these are resumed, and as others may have come up meanwhile it is told as well.

    `event` names the events, and `data` makes their data in place of the payload: both are called once per event, for
    all clients to whom the same callable was given. In a name that a callable gives, spaces take the place of line
    ends. A payload that is not UTF-8 goes out in base64, as an event named `binary` if it has no other name.

    `keep_alive`: seconds of silence after which a comment is sent. `retry`: seconds after which a browser that has lost
    the connection comes back. `send_timeout`: seconds that the client may take nothing of what waits for it until the
    connection is broken. All are exact to a fifth of a second; None turns them off.

    `on_lost` says what happens when the client did not keep up and events were dropped: "tell" sends a `lagged` event
    with ``{"missed": 12}``, "close" ends the stream so that the client comes back, "ignore" goes on, and a callable
    gets the number (None: nobody knows) and returns the data of the `lagged` event, or None.

    `headers` are added to the response's own, or take their place. A line end in one is an :class:`OptionError`.
    """
    checked(on_lost)
    own = _headers(headers)
    for name, time in (("keep_alive", keep_alive), ("retry", retry), ("send_timeout", send_timeout)):
        if time is not None:
            seconds(name, time)
    if from_ is BY_THE_CLIENT:
        from_ = request.headers.get("last-event-id") or request.query_params.get("from")
    frames = {single: shared(lines.form, event, data, single) for single in (True, False)}
    options = {
        "where": where,
        "variables": variables,
        "overflow": overflow,
        "capacity": capacity,
        "capacity_bytes": capacity_bytes,
        "max_age": max_age,
    }
    begun = begin(hub, topics, from_, options)
    return EventStream(begun, frames[begun.single], keep_alive, retry, send_timeout, own, on_lost)


def _headers(given: Mapping[str, str] | None) -> MutableHeaders:
    """The headers of the response. Wrong ones are refused before there is a subscription."""
    own = MutableHeaders(
        {"content-type": EventStream.media_type, "cache-control": "no-store", "x-accel-buffering": "no"}
    )
    for name, value in (given or {}).items():
        for text in (name, value):
            if not isinstance(text, str):
                raise TypeError(f"headers: names and values are str, not {type(text).__qualname__}")
        if not _NAME.fullmatch(name):
            raise OptionError(f"headers: {shown(name)} is no name of a header")
        if not _VALUE.fullmatch(value):
            what = "a line end, a NUL or what is not Latin-1"
            raise OptionError(f"headers: the value of {shown(name)} has {what} in it: {shown(value)}")
        own[name] = value
    return own


class EventStream(Response):
    """What :func:`sse` returns."""

    media_type = "text/event-stream"

    def __init__(
        self,
        begun: Begun,
        frames: Frames[bytes],
        keep_alive: float | None,
        retry: float | None,
        send_timeout: float | None,
        headers: MutableHeaders,
        on_lost: OnLost,
    ) -> None:
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self.init_headers(headers)
        self._sub = begun.sub
        self._frames = frames
        self._marks = None if begun.single else Marks(begun.at)
        self._keep_alive = keep_alive
        self._send_timeout = send_timeout
        self._on_lost = on_lost
        self._opening = self._first(begun, retry)

    def _first(self, begun: Begun, retry: float | None) -> bytes:
        """What is said before any event, so that the client knows at once that it is in."""
        said = b"" if retry is None else lines.retry(retry)
        at = next(iter(begun.at.values()), "") if self._marks is None else self._marks.id()
        if at:
            said += lines.id_line(at)
        if begun.lost is not None:
            said += self._told(None, begun.lost)
        return said or lines.KEEP_ALIVE

    def _told(self, missed: int | None, reason: str | None = None) -> bytes:
        data = told(self._on_lost, missed, reason)
        return b"" if data is None else lines.lagged(data)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            self._sub.close()
            await self._start(send)
            await self._end(send)
        else:
            delivery: Delivery[None] = Delivery(
                self._sub, receive, send_timeout=self._send_timeout, keep_alive=self._keep_alive
            )
            await delivery.run(self._stream(delivery, send), _gone(receive))
        if self.background is not None:
            await self.background()

    async def _start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})

    async def _end(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, delivery: Delivery[None], send: Send) -> None:
        try:
            await delivery.sending(self._start(send))
            delivery.leave_with_server()
            await self._deliver(delivery, beneath(send))
            if delivery.ended in (None, "leaving"):
                await delivery.sending(self._end(send))
        except OSError:
            # How servers say that the client has gone.
            return

    async def _deliver(self, delivery: Delivery[None], send: Send) -> None:
        """Sends what comes, until the subscription ends."""
        sub, warden = self._sub, delivery.warden
        sleep, take = sub._reader().sleep, sub._take
        known = self._frames.made.get if self._marks is None else _unknown
        pieces, over, empty = [self._opening], False, False
        while True:
            if pieces:
                delivery.at = warden.now
                delivery.busy = True
                await send({"type": "http.response.body", "body": b"".join(pieces), "more_body": True})
                delivery.busy = False
            if over:
                return
            pieces, size = [], 0
            try:
                if empty:
                    await sleep(sub)
                empty = True
                while (event := take()) is not None:
                    piece = known(event)
                    if piece is None:
                        if event.lost and self._on_lost == "close":
                            over = True
                            break
                        piece = self._compose(event)
                    pieces.append(piece)
                    size += len(piece)
                    # To find nothing by a `take` costs a turn of the loop if its slice is over.
                    empty = not sub.lag
                    if empty or size >= PIECE:
                        break
            except Closed:
                over = True
            if delivery.due:
                delivery.due = False
                pieces = pieces or [lines.KEEP_ALIVE]

    def _compose(self, event: Event) -> bytes:
        """The lines of an event for this client."""
        before = self._told(event.lost) if event.lost else b""
        frame = self._frames.made.get(event) or self._frames.make(event)
        if self._marks is None:
            return before + frame
        return before + frame + lines.id_line(self._marks.set(event.topic, event.position))


async def _gone(receive: Receive) -> None:
    """Waits until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _unknown(event: Event) -> None:
    """Where each client's id is another one, no piece is known beforehand."""

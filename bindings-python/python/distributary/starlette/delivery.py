"""A client's events on their way: the task that sends, the one that listens, and their end.

The task of the endpoint only waits. For one thing, it is deep in frameworks, and each of their frames would be gone
through for each event; for another, what hangs can be cancelled here without a word to them. One task sends; one
listens to the client, and when that has gone it closes the subscription, which wakes the first wherever it sleeps,
but not out of a `send` that hangs: that is broken off after a short grace. So does the warden with a client that takes
nothing: it breaks the connection, or cancels the `send` that hangs where the server does not show it.

The loop that sends is written out in those who use this (`sse`, `pump`), for one call more would be felt there. For
each send it says so, and nothing else::

    delivery.at = warden.now
    delivery.busy = True
    await send(...)
    delivery.busy = False
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from . import server
from .warden import warden

if TYPE_CHECKING:
    from ..subscription import Subscription

__all__ = ["Delivery"]

T = TypeVar("T")

#: Seconds that the sender has yet for its last words when the one that listens has come to its end.
GRACE = 1.0


class Delivery(Generic[T]):
    """One client's delivery. The subscription ends with it."""

    __slots__ = (
        "_exchange",
        "_leaves",
        "_patience",
        "_quiet",
        "_receive",
        "_sender",
        "_sub",
        "at",
        "busy",
        "due",
        "ended",
        "warden",
    )

    def __init__(
        self, sub: Subscription[Any], receive: object, *, send_timeout: float | None, keep_alive: float | None = None
    ) -> None:
        self.warden = warden()
        #: When the last send began, and whether it is under way.
        self.at = self.warden.now
        self.busy = False
        #: Nothing was sent for so long that something should be.
        self.due = False
        #: Why it ended, unless the subscription did by itself: `disconnected`, `timeout`, or `leaving` with the server.
        self.ended: str | None = None
        self._sub = sub
        self._receive = receive
        self._patience = math.inf if send_timeout is None else send_timeout
        self._quiet = math.inf if keep_alive is None else keep_alive
        self._leaves = False
        self._exchange: Any = None
        self._sender: asyncio.Task[T] | None = None

    async def run(self, send: Coroutine[Any, Any, T], listen: Coroutine[Any, Any, None]) -> T | None:
        """What `send` returns, or None if it had to be cancelled. Raises what either of them raises."""
        sender = self._sender = asyncio.create_task(send)
        listener = asyncio.create_task(self._hear(listen))
        self.warden.add(self)
        self.at = self.warden.now
        try:
            await asyncio.wait((sender, listener), return_when=asyncio.FIRST_COMPLETED)
            if not sender.done():
                # Not every server wakes a `send` when its client goes, and none when what the client said was wrong.
                await asyncio.wait((sender,), timeout=GRACE)
                if not sender.done():
                    self._break()
        finally:
            self.warden.remove(self)
            self._sub.close()
            running = [task for task in (sender, listener) if not task.done()]
            for task in running:
                task.cancel()
            if running:
                await asyncio.wait(running)
        if not listener.cancelled():
            listener.result()
        if sender.cancelled() and self.ended in ("timeout", "disconnected"):
            return None
        return sender.result()

    def leave_with_server(self) -> None:
        """Ends when the server is about to end. To be called after a response has begun."""
        self._leaves = True
        self._exchange = server.exchange(self._receive)

    async def sending(self, sent: Awaitable[None]) -> None:
        """Sends something besides events."""
        self.at, self.busy = self.warden.now, True
        await sent
        self.busy = False

    def look(self, now: float, leaving: bool) -> None:
        """The warden comes round."""
        if self._leaves and (leaving or (self._exchange is not None and not self._exchange.keep_alive)):
            self._end("leaving")
        if not self.busy:
            if now - self.at >= self._quiet:
                self._rouse()
        elif now - self.at >= self._patience:
            self._patience = math.inf
            self._end("timeout")
            self._break()

    async def _hear(self, listen: Coroutine[Any, Any, None]) -> None:
        try:
            await listen
        finally:
            # Cancelled because the sender has come to its end, it has nothing to say.
            if self._sender is not None and not self._sender.done():
                self._end("disconnected")

    def _end(self, reason: str) -> None:
        if self.ended is None:
            self.ended = reason
        self._sub.close()

    def _rouse(self) -> None:
        """Wakes the sender, which sleeps until the next event, for something else."""
        sleeper = self._sub._sleeper()
        if sleeper is not None and not sleeper.done():
            self.due = True
            sleeper.set_result(None)

    def _break(self) -> None:
        """Ends a `send` that hangs."""
        if not server.abort(self._receive) and self._sender is not None:
            self._sender.cancel()
